"""`%%fm`: parses the line, prepares the calls, runs them with a live view, stores the answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...calls.call import Options, PreparedCall
from ...calls.options import CallOptions
from ...calls.prepare import options_from, prepare, target_for
from ...calls.run import run_calls
from ...calls.session import default_model, session
from ...config.settings import frozen
from ...core.errors import FmnbError, Interrupted, UsageError
from ...core.response import Response
from ...prompts.prompt import Prompt
from ...views.router import in_notebook, view_for
from ...views.static_output import is_watched
from . import better_model_note
from .interrupts import interrupts
from .options import Line, parse
from .shown import mark_displayed


@frozen()
def run(line: str | Line, text: str | Prompt, shell: Any = None) -> Any:
    """Run a `%%fm` cell, or `%fm ask` with its parsed line. The value becomes the cell's value."""
    line = parse(line) if isinstance(line, str) else line
    shell = shell or get_shell()
    prompt = text.replace("\r\n", "\n").strip("\n") if isinstance(text, str) else text  # some editors on Windows send both
    if name := line.get("save"):
        prompt = Prompt(str(prompt), name=name, system=line.get("system") or "").save()
    options = replace(options_of(line, shell), dry_run=bool(line.get("dry_run")))
    if line.get("over"):
        from . import batch

        result = batch.run(line, prompt, options, shell)
        return result if line.get("dry_run") else store_result(result, line, shell)  # an estimate is not stored
    prepared, conditions, chat = prepare_cell(line, prompt, options)
    if line.get("dry_run"):
        from ...calls.preview import show

        return show(prepared)
    if line.get("background"):
        from ...calls.background import start

        return start(prepared, shell, display_format(options))
    try:
        result = answer(prepared, shell, display_format(options), conditions, bool(line.get("blind")))
    finally:
        if chat is not None:
            chat.commit(prepared[0])
    return store_result(result, line, shell)


def get_shell() -> Any:
    """The IPython shell, or None outside one."""
    from IPython.core.getipython import get_ipython

    return get_ipython()


def prepare_cell(line: Line, prompt: Any, options: Options) -> tuple[list[PreparedCall], list[Any], Any]:
    """The calls of a cell, the conditions of a comparison, and its conversation.

    Conditions are models, samples, variations.
    """
    if line.get("chat"):
        from ...chat.named import get_chat

        chat = get_chat(line.get("chat"))
        prepared = chat.prepare(prompt, model=line.models[0] if line.models else None, **changed_options(options))
        if line.models and chat.model is None:
            chat.model = line.models[0]
        return [prepared], [], chat
    if line.get("samples") is not None or line.get("vary") or line.get("prompts"):
        from ...comparison.grid import expand_grid, prompts_by_name

        prompts = prompts_by_name(line.get("prompts", ()), options.values or {})
        models = line.models or (default_model()[0],)
        cells = expand_grid(prompt, models, options, samples=line.get("samples", 1), vary=line.get("vary"), prompts=prompts)
        return [prepare(c.prompt, c.model, c.options) for c in cells], [c.condition for c in cells], None
    shell = get_shell()
    names = (
        variables_of(shell) if options.values is None and shell is not None else options.values
    )  # --raw inserts none, but may name a model
    return [prepare(prompt, target_for(model, names), options) for model in (line.models or (None,))], [], None


def options_of(line: Line, shell: Any) -> Options:
    """The options of a line, with the notebook's variables for the prompt's `{{ }}`."""
    return options_from({**line.options(CallOptions), "values": None if line.get("raw") else variables_of(shell)})


def display_format(options: Options) -> str:
    """The format an answer is displayed in: structured ones as JSON."""
    return "json" if options.schema is not None and options.format == "markdown" else options.format


def changed_options(options: Options) -> dict[str, Any]:
    plain = Options()
    return {n: getattr(options, n) for n in Options.__dataclass_fields__ if getattr(options, n) != getattr(plain, n)}


def variables_of(shell: Any) -> dict[str, Any]:
    """The notebook's variables, and `Err`: the last error of a cell."""
    names = dict(shell.user_ns)
    hook = getattr(shell, "_fmnb_last_error", None)
    if hook is not None and hook.error is not None:
        names.setdefault("Err", hook.error)
    return names


def answer(prepared: list[PreparedCall], shell: Any, format: str = "markdown", conditions: Any = (), blind: bool = False) -> Any:
    """Run calls with a live view. Returns the Response, or the Comparison of several."""
    if blind and len(prepared) < 2:
        raise UsageError("--blind needs two answers or more", hint="Name two models, or vary something.")
    search = better_model_note.search(prepared, shell)
    try:
        if len(prepared) > 1:
            made = _compare(prepared, shell, format, conditions, blind)
            better_model_note.show(search, prepared)
            return made
        run_calls(prepared, [view_for(shell, format)])
    except Interrupted as stop:
        stop.shown = stop.shown or stop.response is not None  # the view shows it below the cell
        raise
    finally:
        for call in prepared:
            if isinstance(call.error, (FmnbError, Interrupted)):
                call.error.shown = not blind or in_notebook(shell)  # a terminal hides the text of blind answers
    if prepared[0].error is not None:
        raise prepared[0].error
    assert prepared[0].response is not None
    better_model_note.show(search, prepared)
    return prepared[0].response


def _compare(prepared: list[PreparedCall], shell: Any, format: str, conditions: Any, blind: bool) -> Any:
    """Run a comparison: side by side with vote buttons in a notebook, one below the other in a terminal."""
    conditions = list(conditions) or [{"model": p.call.target.requested_model} for p in prepared]
    with interrupts.deferred():  # an import that an interrupt leaves halfway can break the kernel
        from ...comparison.compare import choose_display_order, run_comparison

        if in_notebook(shell):
            from ..widgets.grid_stream import GridStream

    shown = choose_display_order(conditions, blind)
    if not in_notebook(shell):
        return run_comparison(prepared, conditions, [view_for(shell, format, several=True)], blind=blind, display_order=shown)
    view = GridStream([p.call.run for p in prepared], conditions, shown, blind=blind, format=format, live=is_watched(shell))
    try:
        made = run_comparison(prepared, conditions, [view], blind=blind, display_order=shown)
    except Interrupted as stop:  # partial answers can be voted on too
        stop.shown = True
        view.show_buttons(session.last_comparison)
        raise
    view.show_buttons(made)
    return made


def store_result(result: Any, line: Line, shell: Any) -> Any:
    """Store the result under its `--out` name, insert code into a cell, or return it."""
    if isinstance(result, Response) and line.get("format") == "code":
        from ...calls.follow_up import code_of
        from .insert_cell import propose

        code = code_of(result.text)
        if not code:
            raise UsageError("The answer contains no code", detail=result.text[:80])
        propose(shell, code)
    if line.out:
        shell.user_ns[line.out] = result
        return None
    return mark_displayed(result, shell)
