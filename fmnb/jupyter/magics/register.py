"""Registers what `%load_ext fmnb` provides: magics, completion, a hook for failed cells, the comm.

Imports nothing heavy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ...calls.failed_cell import FailedCell
from . import redact_traceback
from .interrupts import interrupts

_KEPT_FAILURES = 100  # failed cells to remember
_MATCHER = "fmnb"


class LazyMagic:
    """A magic with two functions: one imports what it runs, one returns its help."""

    def __init__(self, name: str, load: Callable[[], Callable[..., Any]], doc: Callable[[], str]):
        self.__name__ = name
        self._load = load
        self._doc = doc

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        return self._doc()

    def __call__(self, *args: str) -> Any:
        interrupts.arm()
        try:
            with interrupts.deferred():
                run = self._load()
            return run(*args)
        except KeyboardInterrupt as e:
            from ...core.errors import Interrupted

            if isinstance(e, Interrupted):
                raise
            raise Interrupted() from None  # one line instead of a traceback
        except Exception as e:
            if not getattr(e, "declined", False):
                raise
            print("Nothing was done.")  # a person's own answer is no error
            return None
        finally:
            if not interrupts.pressed:  # else further interrupts are ignored until IPython has shown the first
                interrupts.disarm()

    # IPython must not expand `{x}` and `$x` on our line.
    _ipython_magic_no_var_expand = True


def _load_cell() -> Callable[..., Any]:
    from ...views import html  # noqa: F401 - a cell needs it to show anything
    from .cell import run

    return run


def _cell_help() -> str:
    from .options import help_text

    return help_text()


def _load_line() -> Callable[..., Any]:
    from .line import run

    return run


def _line_help() -> str:
    from .line import help_text

    return help_text()


def _add_matcher(shell: Any) -> None:
    """Add the matcher of fmnb's magics, which imports what it needs where there is one to complete.

    Matchers of an IPython before 8.6 (Colab's) do not see the whole cell; there, fmnb completes nothing.
    """
    try:
        from IPython.core.completer import context_matcher
    except ImportError:
        return

    def complete(context: Any) -> Any:
        if "%fm" not in context.full_text:
            return {"completions": [], "suppress": False}
        from .complete import match

        return match(shell, context)

    shell.Completer.custom_matchers.append(context_matcher(identifier=_MATCHER)(complete))


def _keep_empty_cell(lines: list[str]) -> list[str]:
    """Give a `%%fm` line without a prompt an empty line, so that our own message appears.

    IPython refuses a cell magic without a body.
    """
    if len(lines) == 1 and lines[0].split()[:1] == ["%%fm"]:
        return [lines[0].rstrip("\n") + "\n", "\n"]
    return lines


def _rearm_event(shell: Any) -> str:
    """The event after which an interrupt counts again.

    A kernel loses a cell's reply to an interrupt that arrives while the reply is sent.
    """
    return "pre_execute" if hasattr(shell, "kernel") else "post_run_cell"


def _disarm(info: Any = None) -> None:
    interrupts.disarm()


class LastErrorHook:
    """Remembers failed cells, for `%fm fix` and `%fm explain`: the last one, and each by its id."""

    def __init__(self, shell: Any):
        self.error: BaseException | None = None  # of the last one
        self.last: FailedCell | None = None
        self.by_id: dict[str, FailedCell] = {}
        self.shell = shell

    def __call__(self, result: Any = None) -> None:
        error = getattr(result, "error_in_exec", None) or getattr(result, "error_before_exec", None)
        info = getattr(result, "info", None)
        source = getattr(info, "raw_cell", "") or ""
        cell = str(getattr(info, "cell_id", None) or "")
        self.by_id.pop(cell, None)
        ours = type(error).__module__.startswith("fmnb.") or source.lstrip().startswith(("%fm fix", "%fm explain"))
        if error is None or ours or isinstance(error, KeyboardInterrupt):
            return
        self.error, self.last = error, FailedCell.from_error(source, error)
        if cell:
            self.by_id[cell] = self.last
            if len(self.by_id) > _KEPT_FAILURES:
                del self.by_id[next(iter(self.by_id))]


def register(shell: Any) -> None:
    """Register the magics; a second call does nothing."""
    if getattr(shell, "_fmnb_last_error", None) is not None:
        return
    shell.register_magic_function(LazyMagic("fm", _load_cell, _cell_help), "cell", "fm")
    shell.register_magic_function(LazyMagic("fm", _load_line, _line_help), "line", "fm")
    hook = shell._fmnb_last_error = LastErrorHook(shell)
    shell.events.register("post_run_cell", hook)
    shell.events.register(_rearm_event(shell), _disarm)
    shell.input_transformers_cleanup.append(_keep_empty_cell)
    redact_traceback.attach(shell)
    _add_matcher(shell)
    if hasattr(shell, "kernel"):
        from .. import comm, questions
        from .notebook_choice import attach

        comm.open_comm()
        questions.attach()
        attach(shell)
        # A kernel idles right after start: use that, not the user's first cell. A short delay
        # keeps it out of the way of the cell that loads us.
        timer = threading.Timer(0.3, _warm_up)
        timer.daemon = True
        timer.start()


def _warm_up() -> None:
    try:
        _load_cell()
    except Exception:  # whatever is wrong shows in the first cell, with its message
        pass


def unregister(shell: Any) -> None:
    """Unregister everything."""
    hook = getattr(shell, "_fmnb_last_error", None)
    if hook is None:
        return
    shell.events.unregister("post_run_cell", hook)
    shell.events.unregister(_rearm_event(shell), _disarm)
    with suppress(ValueError):
        shell.input_transformers_cleanup.remove(_keep_empty_cell)
    redact_traceback.detach(shell)
    for kind in ("cell", "line"):
        shell.magics_manager.magics[kind].pop("fm", None)
    matchers = shell.Completer.custom_matchers
    matchers[:] = [m for m in matchers if getattr(m, "matcher_identifier", "") != _MATCHER]
    shell._fmnb_last_error = None
    if hasattr(shell, "kernel"):
        from .notebook_choice import detach

        detach(shell)
    from .. import comm, questions

    questions.detach()
    comm.close_comm()
