"""Prompts about a cell that failed, and about an answer that stopped half-way."""

from __future__ import annotations

import re
import traceback
from dataclasses import replace
from typing import Any

from .errors import UsageError
from .preparing import Asked, Options, prepare
from .prompts import Rendered
from .types import Message, Text, message

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_CELL = re.compile(r"<ipython-input|/ipykernel_\d+/|<stdin>|^<string>")
_FRAMES = 12
_GO_ON = "Your answer was cut off. Go on exactly where it stopped: do not repeat anything, do not comment."


def trace_of(error: BaseException) -> str:
    """What was running when it failed, as plain text, then the error.

    Lines of notebook cells are shown with their code; of libraries only the function, so
    that the same mistake reads the same on every machine.
    """
    lines = []
    for frame in traceback.extract_tb(error.__traceback__):
        file = frame.filename.replace("\\", "/")
        if "/IPython/" in file or "/ipykernel/" in file:
            continue
        if _CELL.search(file):
            lines.append(
                f"line {frame.lineno} of the cell"
                + ("" if frame.name == "<module>" else f", in {frame.name}")
                + f": {frame.line or ''}".rstrip(": ")
            )
        else:
            lines.append(f"in {frame.name} ({file.rsplit('/', 1)[-1]})")
    shown = lines if len(lines) <= _FRAMES else [*lines[:2], "...", *lines[-_FRAMES + 3 :]]
    if isinstance(error, SyntaxError):
        last = [f"line {error.lineno} of the cell: {(error.text or '').strip()}", f"{type(error).__name__}: {error.msg}"]
    else:
        last = [x.strip() for x in traceback.format_exception_only(type(error), error)]
    return _ANSI.sub("", "\n".join([*shown, *last]))


def fix_prompt(error: BaseException, source: str) -> Rendered:
    """Asks for the mended cell. Sent as it is: braces in code or traceback mean nothing."""
    return _about(error, source, "Give the whole corrected cell, in one code block. Change as little as possible.")


def explain_prompt(error: BaseException, source: str) -> Rendered:
    """Asks for the cause in plain words."""
    return _about(error, source, "Explain in a few plain sentences what went wrong and how to mend it.")


def _about(error: BaseException, source: str, task: str) -> Rendered:
    text = f"This notebook cell failed.\n\n```python\n{source.strip()}\n```\n\nIt raised:\n\n```\n{trace_of(error)}\n```\n\n{task}"
    return Rendered((Text(text),), ())


def retry(last: Asked | None, model: Any = None, **changes: Any) -> Asked:
    """The last question again, asked anew (never from the cache), with changes."""
    last = _last(last)
    again = prepare(last.prompt, model or last.call.target, replace(last.options, cache=False, **changes))
    return again


def go_on(last: Asked | None) -> tuple[Asked, str]:
    """What continues a cut or stopped answer, and the text it continues."""
    last = _last(last)
    response = last.response
    if response is None or not response.text:
        raise UsageError("The last answer has no text to continue", todo="`%fm retry` asks again.")
    if response.finish == "stop":
        raise UsageError(
            "The last answer was complete", seen=f"finished: {response.finish}", todo="Ask a new question, or use --chat to go on talking."
        )
    before: tuple[Message, ...] = (*last.call.request.messages, message("assistant", response.text))
    options: Options = replace(last.options, history=before, attach=(), schema=None, system=None, cache=False)
    return prepare(Rendered((Text(_GO_ON),), ()), last.call.target, options), response.text


def _last(last: Asked | None) -> Asked:
    if last is None:
        raise UsageError("Nothing was asked in this kernel yet", todo="Ask with %%fm first.")
    return last


def code_of(text: str) -> str:
    """The code in an answer: its fenced blocks joined, or all of it where there is no fence.

    >>> code_of("Here:\\n```python\\nx = 1\\n```\\nDone.")
    'x = 1'
    """
    blocks = re.findall(r"^[ \t]*(```+|~~~+)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", text, re.S | re.M)
    kept = list(dict.fromkeys(body.rstrip() for _, body in blocks if body.strip()))  # small models say it twice
    return "\n\n".join(kept) if blocks else text.strip()
