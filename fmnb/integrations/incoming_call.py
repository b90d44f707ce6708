"""A call that comes from another library: its messages as one of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..calls.model import Model, Stream
from ..calls.prepare import options_from, prepare
from ..core.errors import BadRequestError
from ..core.types import Message
from ..prompts.rendered import Rendered

# How other libraries call the roles of a conversation.
ROLES: dict[str, Any] = {
    "human": "user",
    "ai": "assistant",
    "chatbot": "assistant",
    "model": "assistant",
    "developer": "system",
    "function": "tool",
}


def stream_of(model: Model, messages: Sequence[Message], stop: Sequence[str] | None, options: dict[str, Any]) -> Stream:
    """The stream of one call, its last user turn as the prompt and the rest as history."""
    if not messages or messages[-1].role != "user":
        raise BadRequestError(
            "The last message must be the user's",
            detail=messages[-1].role if messages else "no message",
            hint="Add the question at the end.",
        )
    given = {**model.defaults, **options, **({"stop": tuple(stop)} if stop else {})}
    return Stream(prepare(Rendered(messages[-1].parts), model, options_from({**given, "history": tuple(messages[:-1])})))
