"""Verbs that talk to a model: ask, retry, continue, fix, explain, chat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...calls import follow_up
from ...calls.failed_cell import FailedCell
from ...calls.prepare import prepare, target_for
from ...calls.session import session
from ...catalog.resolve import resolve
from ...chat import named
from ...chat.chat import Chat
from ...core.errors import FmnbError, UsageError
from ...core.inert_text import printable
from ...views.router import view_for
from . import cell, insert_cell
from .arguments import words_of
from .fix_cell import propose_change
from .options import Line, parse


def ask(rest: str, shell: Any) -> Any:
    """`%fm ask [MODEL] [options] "text"`: the last word that is not an option is the prompt."""
    line = parse(rest)
    if not line.models:
        raise UsageError("The prompt is missing", hint='Write `%fm ask "your question"`.')
    *models, text = line.models
    if len(models) > 1 or any(not _names_model(m, shell) for m in models):
        raise UsageError(
            "The prompt must be one quoted text", detail=" ".join(line.models), hint=f'Write `%fm ask "{" ".join(line.models)}"`.'
        )
    return cell.run(replace(line, models=tuple(models)), text, shell)


def _names_model(word: str, shell: Any) -> bool:
    try:
        resolve(word, shell.user_ns)
    except FmnbError:
        return ":" in word and " " not in word
    return True


def retry(rest: str, shell: Any) -> Any:
    """Send the last prompt again, with the line's changes."""
    line = parse(rest)
    if len(line.models) > 1:
        raise UsageError("A retry takes one model", detail=" ".join(line.models))
    changes = {n: v for n, v in cell.changed_options(cell.options_of(line, shell)).items() if n not in ("values", "cache")}
    last = session.last
    prepared = follow_up.retry(last, line.models[0] if line.models else None, **changes)
    try:
        answer = cell.answer([prepared], shell, prepared.options.format)
    finally:
        if prepared.chat is not None and last is not None:
            prepared.chat.extend_last_turn(last, prepared)
    return cell.store_result(answer, line, shell)


def continue_answer(rest: str, shell: Any) -> Any:
    """Continue the last answer; the value is the complete text."""
    line = parse(rest)
    _check_options(line, "out", "format")
    last = session.last
    prepared = follow_up.continue_answer(last)
    assert last is not None
    try:
        more = cell.answer([prepared], shell, prepared.options.format)
    finally:
        session.last = last  # `retry` repeats what the user typed
    whole = follow_up.combine(last, more)
    session.last = replace(last, response=whole, error=None)
    for talk in named.chats().values():
        talk.extend_last_turn(last, session.last)
    return cell.store_result(whole, line, shell)


_ANSWER_OPTIONS = ("out", "system", "temperature", "max_tokens", "seed", "stop", "param", "no_cache", "replay_only")


def _check_options(line: Line, *options: str, models: int = 0) -> None:
    """Refuse options that the verb does not use."""
    if len(line.models) > models:
        raise UsageError(
            "Only one model can be named" if models else "No model can be named: the one that answered continues",
            detail=" ".join(line.models),
        )
    if unknown := [n for n in line.values if n not in options]:
        raise UsageError("No such option here", detail="--" + unknown[0].replace("_", "-"))


def _failed_cell(shell: Any) -> FailedCell:
    last: FailedCell | None = shell._fmnb_last_error.last
    if last is None:
        raise UsageError("No cell has failed in this kernel", hint="Run the failing cell again after `%load_ext fmnb`.")
    return last


def fix(rest: str, shell: Any) -> Any:
    """Insert a corrected version of the failed cell.

    The prompt is the cell and its error, nothing else. `--cell ID`, which the page sends, proposes
    the corrected version as a change of that cell instead.
    """
    switch, _, others = rest.partition(" ")
    if switch == "--cell":
        return propose_change(others.strip(), shell)
    failed = _failed_cell(shell)
    line = parse(rest)
    _check_options(line, *_ANSWER_OPTIONS, models=1)
    options = replace(cell.options_of(line, shell), values=None, format="code")
    names = cell.variables_of(shell)
    prepared = [prepare(follow_up.fix_prompt(failed), target_for(m, names), options) for m in line.models or (None,)]
    answer = cell.answer(prepared, shell, "code")
    insert_cell.propose(shell, follow_up.code_of(answer.text))
    return cell.store_result(answer, replace(line, values={**line.values, "format": "markdown"}), shell)


def explain(rest: str, shell: Any) -> Any:
    """Explain the error of the last failed cell."""
    failed = _failed_cell(shell)
    line = parse(rest)
    _check_options(line, *_ANSWER_OPTIONS, "format", models=1)
    options = replace(cell.options_of(line, shell), values=None)
    names = cell.variables_of(shell)
    prepared = [prepare(follow_up.explain_prompt(failed), target_for(m, names), options) for m in line.models or (None,)]
    return cell.store_result(cell.answer(prepared, shell), line, shell)


def chat(rest: str, shell: Any) -> Any:
    """`%fm chat`: list; `%fm chat NAME WHAT ...`: show, widget, fork, trim, compact, export, load, drop."""
    words = words_of(rest)
    if not words:
        from ...core.records import Rows

        rows = [
            {"chat": n, "turns": c.turns, "model": str(c.model or ""), "last": c.messages[-1].text if c.messages else ""}
            for n, c in named.chats().items()
        ]
        return Rows(rows, ("chat", "turns", "model", "last"), "" if rows else "no conversations yet; `%%fm --chat NAME` starts one")
    name, what, more = words[0], (words[1] if len(words) > 1 else "show"), words[2:]
    if what == "load":
        named.chats()[name] = Chat.load(_single_word(more, "a file"), name)
        return None
    talk = named.get_chat(name, create=False)
    match what:
        case "show":
            print(printable(str(talk)))
        case "widget":
            return talk.widget()
        case "fork":
            other = _single_word(more, "a name for the copy")
            if other in named.chats():
                raise UsageError("A conversation with that name exists", detail=other, hint="Drop it first, or use another name.")
            named.chats()[other] = talk.fork(other)
        case "trim":
            talk.trim(_number(_single_word(more, "how many turns to keep")))
        case "compact":
            talk.compact(sinks=[view_for(shell)])
        case "export":
            print(f"Written to {talk.export(_single_word(more, 'a file, .md or .json'))}")
        case "drop":
            del named.chats()[name]
        case _:
            raise UsageError(
                "No such action for a conversation", detail=what, hint="Use one of show, widget, fork, trim, compact, export, load, drop."
            )
    return None


def _single_word(words: list[str], what: str) -> str:
    if len(words) != 1:
        raise UsageError(f"This needs {what}", detail=" ".join(words) or "nothing")
    return words[0]


def _number(text: str) -> int:
    if not text.isdigit():
        raise UsageError("That is not a number", detail=text)
    return int(text)
