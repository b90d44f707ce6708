"""`%%fm`: parse the line, prepare the calls, show them as they run, keep the answer."""

from __future__ import annotations

from typing import Any

from ...calls.call import Options, PreparedCall
from ...calls.options import CallOptions
from ...calls.prepare import options_from, prepare
from ...calls.run import run_calls
from ...calls.session import default_model, session
from ...config.settings import frozen
from ...core.errors import FmnbError, Interrupted, UsageError
from ...core.response import Response
from ...prompts.prompt import Prompt
from ...views.router import in_notebook, view_for
from ...views.static_output import output_function
from .options import Line, parse


@frozen()
def run(line: str, text: str) -> Any:
    """Do what a `%%fm` cell says; the value becomes the cell's value."""
    return ask(parse(line), text.strip("\n"), _shell())


def _shell() -> Any:
    from IPython.core.getipython import get_ipython

    return get_ipython()


def ask(line: Line, text: str | Prompt, shell: Any) -> Any:
    """Ask as the parsed line says; also behind `%fm ask`."""
    prompt: Any = text
    if name := line.get("save"):
        prompt = Prompt(str(text), name=name, system=line.get("system") or "").save()
    options = options_of(line, shell)
    if line.get("over"):
        from .batch import ask as ask_over

        found = ask_over(line, prompt, options, shell)
        return found if line.get("dry_run") else keep(found, line, shell)  # an estimate is no answer to keep
    axes: list[Any] = []
    talk = None
    if line.get("chat"):
        from ...chat.chat import named

        talk = named(line.get("chat"))
        asked = [talk.prepare(prompt, model=line.models[0] if line.models else None, **_changed(options))]
        if line.models and talk.model is None:
            talk.model = line.models[0]
    elif line.get("samples") is not None or line.get("vary") or line.get("prompts"):
        from ...comparison.comparison import prompts_named, spread

        prompts = prompts_named(line.get("prompts", ()), options.values or {})
        models = line.models or (default_model()[0] or "embedded",)
        cells = spread(prompt, models, options, samples=line.get("samples", 1), vary=line.get("vary"), prompts=prompts)
        asked, axes = [prepare(c.prompt, c.model, c.options) for c in cells], [c.axis for c in cells]
    else:
        asked = [prepare(prompt, m, options) for m in (line.models or (None,))]
    if line.get("dry_run"):
        from ...calls.preview import show

        return show(asked)
    if line.get("background"):
        from ...calls.background import start

        return start(asked, shell, looks(options))
    try:
        result = show_and_perform(asked, shell, looks(options), axes, bool(line.get("blind")))
    finally:
        if talk is not None:
            talk.take(asked[0])
    return keep(result, line, shell)


def options_of(line: Line, shell: Any) -> Options:
    """The options of a line, with the notebook's names to fill the prompt from."""
    return options_from({**line.options(CallOptions), "values": None if line.get("raw") else names_of(shell)})


def looks(options: Options) -> str:
    """The format an answer is shown in: structured ones are JSON."""
    return "json" if options.schema is not None and options.format == "markdown" else options.format


def _changed(options: Options) -> dict[str, Any]:
    plain = Options()
    return {n: getattr(options, n) for n in Options.__dataclass_fields__ if getattr(options, n) != getattr(plain, n)}


def names_of(shell: Any) -> dict[str, Any]:
    """The notebook's names, and `Err`: the last error of a cell."""
    names = dict(shell.user_ns)
    ear = getattr(shell, "_fmnb_ear", None)
    if ear is not None and ear.last is not None:
        names.setdefault("Err", ear.last[0])
    return names


def show_and_perform(asked: list[PreparedCall], shell: Any, format: str = "markdown", axes: Any = (), blind: bool = False) -> Any:
    """Run calls with a live view, and give the Response, or the Comparison of several."""
    if blind and len(asked) < 2:
        raise UsageError("--blind needs two answers or more", hint="Name two models, or vary something.")
    try:
        if len(asked) > 1:
            return _compare(asked, shell, format, axes, blind)
        run_calls(asked, [view_for(shell, format)])
    except Interrupted as stop:
        stop.shown = True  # the view has put it below the cell
        raise
    finally:
        for a in asked:
            if isinstance(a.error, (FmnbError, Interrupted)):
                a.error.shown = not blind or in_notebook(shell)  # a terminal has hidden its words
    if asked[0].error is not None:
        raise asked[0].error
    assert asked[0].response is not None
    return asked[0].response


def _compare(asked: list[PreparedCall], shell: Any, format: str, axes: Any, blind: bool) -> Any:
    """Side by side in a notebook, with buttons below once all have answered; one below the other in a terminal."""
    axes = list(axes) or [{"model": a.call.target.requested_model} for a in asked]
    from ...comparison.comparison import order, together

    shown = order(axes, blind)
    if not in_notebook(shell):
        return together(asked, axes, [view_for(shell, format, several=True)], blind=blind, shown=shown)
    from ..widgets.grid_stream import GridStream

    view = GridStream([a.call.run for a in asked], axes, shown, blind=blind, format=format, watched=output_function(shell))
    try:
        made = together(asked, axes, [view], blind=blind, shown=shown)
    except Interrupted:  # what had come can be voted on, too
        view.buttons(session.last_comparison)
        raise
    view.buttons(made)
    return made


def keep(result: Any, line: Line, shell: Any) -> Any:
    """Store under the name that was asked for, put code into a cell, or hand back."""
    if isinstance(result, Response) and line.get("format") == "code":
        from ...calls.follow_up import code_of
        from .insert_cell import offer

        code = code_of(result.text)
        if not code:
            raise UsageError("The answer holds no code", detail=result.text[:80])
        offer(shell, code)
    if line.out:
        shell.user_ns[line.out] = result
        return None
    return seen(result, shell)


def seen(result: Any, shell: Any) -> Any:
    """A result that is on screen already: a notebook does not show it a second time under the same cell."""
    kind = type(result)
    if hasattr(shell, "kernel") and hasattr(kind, "run"):
        formatter = shell.display_formatter.ipython_display_formatter
        if kind not in formatter.type_printers:
            formatter.for_type(kind, lambda value: _show_once(value, shell))
        session.displayed = result, shell.execution_count
    return result


def _show_once(value: Any, shell: Any) -> None:
    """Show nothing for the value that the running cell has shown already; any other goes the usual way."""
    shown, cell = session.displayed
    if value is not shown or cell != shell.execution_count:
        raise NotImplementedError  # which asks IPython to go on with its other formatters
