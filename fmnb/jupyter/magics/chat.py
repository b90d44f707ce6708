"""Verbs that talk to a model: ask, retry, continue, fix, explain, chat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...calls import follow_up
from ...calls.prepare import prepare
from ...calls.session import session
from ...catalog.resolve import resolve
from ...chat import named
from ...chat.chat import Chat
from ...core.errors import FmnbError, UsageError
from ...core.inert_text import printable
from ...views.router import view_for
from . import cell, insert_cell
from .arguments import words_of
from .options import Line, parse


def ask(rest: str, shell: Any) -> Any:
    """`%fm ask [MODEL] [options] "text"`: the last word that is no option is the prompt."""
    line = parse(rest)
    if not line.models:
        raise UsageError("There is no question", hint='Write `%fm ask "your question"`.')
    *models, text = line.models
    if len(models) > 1 or any(not _names_model(m, shell) for m in models):
        raise UsageError(
            "The question must be one quoted text", detail=" ".join(line.models), hint=f'Write `%fm ask "{" ".join(line.models)}"`.'
        )
    return cell.run(replace(line, models=tuple(models)), text, shell)


def _names_model(word: str, shell: Any) -> bool:
    try:
        resolve(word, shell.user_ns)
    except FmnbError:
        return ":" in word and " " not in word
    return True


def retry(rest: str, shell: Any) -> Any:
    """The last question again, with what the line changes."""
    line = parse(rest)
    if len(line.models) > 1:
        raise UsageError("A retry is with one model", detail=" ".join(line.models))
    changes = {n: v for n, v in cell._changed(cell.options_of(line, shell)).items() if n not in ("values", "cache")}
    last = session.last
    prepared = follow_up.retry(last, line.models[0] if line.models else None, **changes)
    try:
        answer = cell.answer([prepared], shell, prepared.options.format)
    finally:
        if prepared.chat is not None and last is not None:
            prepared.chat.extend_last_turn(last, prepared)
    return cell.keep(answer, line, shell)


def go_on(rest: str, shell: Any) -> Any:
    """Continue the last answer; the value is the whole text."""
    line = parse(rest)
    _only(line, "out", "format")
    last = session.last
    prepared = follow_up.continue_answer(last)
    assert last is not None
    try:
        more = cell.answer([prepared], shell, prepared.options.format)
    finally:
        session.last = last  # `retry` repeats what the person typed
    whole = follow_up.combine(last, more)
    session.last = replace(last, response=whole, error=None)
    for talk in named.chats().values():
        talk.extend_last_turn(last, session.last)
    return cell.keep(whole, line, shell)


_ONE_ANSWER = ("out", "system", "temperature", "max_tokens", "seed", "stop", "param", "no_cache", "replay_only")


def _only(line: Line, *options: str, models: int = 0) -> None:
    """Refuse what this verb does not act on."""
    if len(line.models) > models:
        raise UsageError("One model at a time" if models else "The model is the one that answered", detail=" ".join(line.models))
    if odd := [n for n in line.values if n not in options]:
        raise UsageError("No such option here", detail="--" + odd[0].replace("_", "-"))


def _failed_cell(shell: Any) -> tuple[BaseException, str]:
    last = shell._fmnb_last_error.last
    if last is None:
        raise UsageError("No cell has failed in this kernel", hint="Run the failing cell again after `%load_ext fmnb`.")
    return last[0], last[1]


def fix(rest: str, shell: Any) -> Any:
    """Ask for the mended cell and put it below. The prompt is the cell and its error, nothing else."""
    error, source = _failed_cell(shell)
    line = parse(rest)
    _only(line, *_ONE_ANSWER, models=1)
    options = replace(cell.options_of(line, shell), values=None, format="code")
    prepared = [prepare(follow_up.fix_prompt(error, source), m, options) for m in line.models or (None,)]
    answer = cell.answer(prepared, shell, "code")
    insert_cell.offer(shell, follow_up.code_of(answer.text))
    return cell.keep(answer, replace(line, values={**line.values, "format": "markdown"}), shell)


def explain(rest: str, shell: Any) -> Any:
    """Ask what went wrong in the last failed cell."""
    error, source = _failed_cell(shell)
    line = parse(rest)
    _only(line, *_ONE_ANSWER, "format", models=1)
    options = replace(cell.options_of(line, shell), values=None)
    prepared = [prepare(follow_up.explain_prompt(error, source), m, options) for m in line.models or (None,)]
    return cell.keep(cell.answer(prepared, shell), line, shell)


def chat(rest: str, shell: Any) -> Any:
    """`%fm chat`: list; `%fm chat NAME WHAT ...`: show, widget, fork, trim, compact, export, load, drop."""
    words = words_of(rest)
    if not words:
        from ...core.records import Rows

        rows = [
            {"chat": n, "turns": c.turns, "model": str(c.model or ""), "last": c.messages[-1].text if c.messages else ""}
            for n, c in named.chats().items()
        ]
        return Rows(rows, ("chat", "turns", "model", "last"), "" if rows else "no conversations yet; `%%fm --chat NAME` begins one")
    name, what, more = words[0], (words[1] if len(words) > 1 else "show"), words[2:]
    if what == "load":
        named.chats()[name] = Chat.load(_one(more, "a file"), name)
        return None
    talk = named.get_chat(name, create=False)
    match what:
        case "show":
            print(printable(str(talk)))
        case "widget":
            return talk.widget()
        case "fork":
            other = _one(more, "a name for the copy")
            if other in named.chats():
                raise UsageError("There is a conversation of that name", detail=other, hint="Drop it first, or take another name.")
            named.chats()[other] = talk.fork(other)
        case "trim":
            talk.trim(_number(_one(more, "how many turns to keep")))
        case "compact":
            talk.compact(sinks=[view_for(shell)])
        case "export":
            print(f"Written to {talk.export(_one(more, 'a file, .md or .json'))}")
        case "drop":
            del named.chats()[name]
        case _:
            raise UsageError(
                "A conversation cannot do that", detail=what, hint="One of show, widget, fork, trim, compact, export, load, drop."
            )
    return None


def _one(words: list[str], what: str) -> str:
    if len(words) != 1:
        raise UsageError(f"This needs {what}", detail=" ".join(words) or "nothing")
    return words[0]


def _number(text: str) -> int:
    if not text.isdigit():
        raise UsageError("That is not a number", detail=text)
    return int(text)
