"""Messages in the format of chat templates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..core.control_tokens import without_control_tokens
from ..core.errors import BadRequestError
from ..core.labels import segments
from ..core.types import File, Image, Message, Request, Text, ToolCall, ToolResult


def chat_messages(m: Message, images: bool = False) -> list[dict[str, Any]]:
    """A message in the format of chat templates; each tool result becomes a separate message.

    Raises BadRequestError for files, and for images unless the caller inserts them (`images`).

    >>> from fmnb.core.types import message
    >>> chat_messages(message("user", "hi"))
    [{'role': 'user', 'content': 'hi'}]
    """
    if pictures := [p for p in m.parts if isinstance(p, File) or (isinstance(p, Image) and not images)]:
        ability = "see images" if isinstance(pictures[0], Image) else "read files"
        raise BadRequestError(
            f"This model cannot {ability}",
            detail=pictures[0].media_type,
            hint="Use a model that can, or put the content into the prompt as text.",
        )
    results = [
        {"role": "tool", "tool_call_id": p.id, "content": without_control_tokens(p.content)} for p in m.parts if isinstance(p, ToolResult)
    ]
    if m.role == "tool":
        return results
    out: dict[str, Any] = {"role": m.role, "content": "".join(text_content(p) for p in m.parts if isinstance(p, Text))}
    calls = [
        {"id": p.id, "type": "function", "function": {"name": p.name, "arguments": p.arguments}} for p in m.parts if isinstance(p, ToolCall)
    ]
    if calls:
        out["tool_calls"] = calls
    return [out]


def text_content(part: Text) -> str:
    """The text of a part; what was not written by the user holds no control tokens."""
    if not part.spans:
        return part.text
    return "".join(without_control_tokens(t) if label is not None and label.untrusted else t for t, label in segments(part))


def split_answer_prefix(request: Request) -> tuple[Request, str]:
    """The request without the started answer in its last message, and that answer's text ("" if none).

    >>> from fmnb.core.types import message
    >>> split_answer_prefix(Request("m", (message("user", "Count."), message("assistant", "1, 2"))))[1]
    '1, 2'
    """
    *turns, last = request.messages or (None,)
    if not turns or last is None or last.role != "assistant":
        return request, ""
    return replace(request, messages=tuple(m for m in turns if m is not None)), last.text


def plain_text(messages: list[dict[str, Any]]) -> str:
    """A conversation for a base model: the texts of all turns, separated by blank lines.

    >>> plain_text([{"role": "system", "content": "A list."}, {"role": "user", "content": "One,"}])
    'A list.\\n\\nOne,'
    """
    return "\n\n".join(m["content"] for m in messages if m["content"])
