"""Prompts about a failed cell, and about an answer that was truncated or stopped."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ..core.errors import SchemaMismatchError, UsageError
from ..core.labels import UNTRUSTED, with_label
from ..core.repetition import REASON as LOOP
from ..core.response import Response
from ..core.types import Message, Text
from ..engines.constrained.decoder import CLOSED_AT_LIMIT
from ..prompts.rendered import Rendered
from ..schemas.validate import parse
from .call import Options, PreparedCall
from .failed_cell import FailedCell
from .prepare import prepare

_CONTINUE = "Your answer was cut off. Go on exactly where it stopped: do not repeat anything, do not comment."


def fix_prompt(failed: FailedCell) -> Rendered:
    """A prompt for a corrected cell. Braces in code or traceback are sent unchanged."""
    return _about(failed, "Give the whole corrected cell, in one code block. Change as little as possible.")


def explain_prompt(failed: FailedCell) -> Rendered:
    """A prompt for an explanation of the error."""
    return _about(failed, "Explain in a few plain sentences what went wrong and how to mend it.")


def _about(failed: FailedCell, task: str) -> Rendered:
    text = f"This notebook cell failed.\n\n```python\n{failed.source.strip()}\n```\n\nIt raised:\n\n```\n{failed.traceback}\n```\n\n{task}"
    return Rendered((with_label(Text(text), UNTRUSTED),), ())  # a traceback can contain data


def retry(last: PreparedCall | None, model: Any = None, **changes: Any) -> PreparedCall:
    """The last prompt again, never from the cache, with changes."""
    last = _last(last)
    again = prepare(last.prompt, model or last.call.target, replace(last.options, cache=False, **changes))
    again.chat = last.chat
    return again


def continue_answer(last: PreparedCall | None) -> PreparedCall:
    """The call that continues a truncated or stopped answer; `combine` joins the two.

    A local engine goes on decoding after the text. A service gets a prompt to go on.
    """
    last = _last(last)
    response = last.response
    if response is None or not response.text:
        raise UsageError("The last answer has no text to continue", hint="`%fm retry` asks again.")
    if response.finish_reason == "stop" or (response.finish_reason == "length" and response.data is not None):
        if closed := next((n for n in response.notes if n.startswith(CLOSED_AT_LIMIT)), ""):
            seen, _, todo = closed.partition(": ")
            raise UsageError("The last answer is complete, so it cannot be continued", detail=seen, hint=f"{todo}.")
        raise UsageError(
            "The last answer was complete",
            detail=f"finished: {response.finish_reason}",
            hint="Ask a new question, or use --chat to go on talking.",
        )
    if response.finish_reason == LOOP:
        raise UsageError(
            "The last answer was cut because it repeated itself",
            detail="going on would repeat it again",
            hint="`%fm retry -t 0.7`, or a larger model: `%fm retry MODEL`.",
        )
    messages: tuple[Message, ...] = (*last.call.request.messages, Message("assistant", (with_label(Text(response.text), response.label),)))
    sources = {n: v for n, v in last.call.meta.items() if n in ("sources", "tables", "no_source")}  # the passages are in the messages
    if continues_decoding(last):
        asked = prepare(
            Rendered((Text("-"),), ()), last.call.target, replace(last.options, attach=(), sources=(), system=None, cache=False)
        )
        asked.call = replace(asked.call, request=replace(asked.call.request, messages=messages), spec=None, meta=sources)
        asked.spec = None
        return asked
    options: Options = replace(last.options, history=messages, attach=(), sources=(), schema=None, system=None, cache=False)
    asked = prepare(Rendered((Text(_CONTINUE),), ()), last.call.target, options)
    asked.call = replace(asked.call, meta=sources)
    return asked


def continues_decoding(last: PreparedCall) -> bool:
    """Whether the model can go on decoding after the beginning of its own answer."""
    return bool(getattr(last.call.target.open(), "continues", False))


def combine(last: PreparedCall, more: Response) -> Response:
    """The answer and its continuation as one Response; with a schema, its data once the text is complete."""
    assert last.response is not None
    before = last.response.text
    text = before + more.text if continues_decoding(last) else join_texts(before, more.text)
    data = None
    if last.spec is not None:
        try:
            data = parse(text, last.spec)
        except SchemaMismatchError:
            data = None  # truncated again
    return replace(more, text=text, data=data)


def join_texts(before: str, more: str) -> str:
    """Join two parts of an answer, without what the second repeats of the first.

    >>> join_texts("The first three are Oslo, Bergen and", "are Oslo, Bergen and Trondheim.")
    'The first three are Oslo, Bergen and Trondheim.'
    """
    for start in (more, more.lstrip()):
        for n in range(min(len(before), len(start), _JOINT), _LEAST_JOINT - 1, -1):
            if before.endswith(start[:n]):
                return before + start[n:]
    return before + more


_JOINT, _LEAST_JOINT = 600, 8  # longest repetition looked for, and shortest that is no coincidence


def _last(last: PreparedCall | None) -> PreparedCall:
    if last is None:
        raise UsageError("There is no earlier question in this kernel", hint="Ask with %%fm first.")
    return last


def code_of(text: str) -> str:
    """The code in an answer: its fenced blocks joined, or all of it where there is no fence.

    >>> code_of("Here:\\n```python\\nx = 1\\n```\\nDone.")
    'x = 1'
    """
    blocks = re.findall(r"^[ \t]*(```+|~~~+)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", text, re.S | re.M)
    kept = list(dict.fromkeys(body.rstrip() for _, body in blocks if body.strip()))  # small models repeat a block
    return "\n\n".join(kept) if blocks else text.strip()
