"""A model of fmnb as a LangChain chat model.

The class is made when it is asked for, since its base belongs to a library that fmnb does
not bring. Calls go through the pipeline like all others: log, cache, budget, tape.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..calls.model import Model
from ..core.errors import BadRequestError
from ..core.optional import require
from ..core.types import Image, Message, Part, Text, ToolCall, ToolResult, Usage
from .incoming_call import ROLES, stream_of

_DATA = re.compile(r"data:([\w/+.-]+);base64,(.*)", re.S)


def langchain(model: Model) -> Any:
    """A LangChain `BaseChatModel` that asks `model`. Needs langchain-core."""
    require("langchain_core", "", "to be a LangChain model", package="langchain-core")
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

    class FmnbChat(BaseChatModel):  # type: ignore[misc]
        """A model of fmnb."""

        @property
        def _llm_type(self) -> str:
            return "fmnb"

        @property
        def _identifying_params(self) -> dict[str, Any]:
            return {"model": model.name, **{k: v for k, v in model.defaults.items() if isinstance(v, (str, int, float))}}

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> Any:
            stream = stream_of(model, _from_langchain(messages), stop, options)
            text = "".join(stream)
            answer = stream.response
            assert answer is not None
            about = {"model_name": answer.model, "finish_reason": answer.finish_reason, "run": answer.run}
            said = AIMessage(content=text, response_metadata=about, usage_metadata=_usage(answer.usage))
            return ChatResult(generations=[ChatGeneration(message=said)])

        def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> Iterator[Any]:
            stream = stream_of(model, _from_langchain(messages), stop, options)
            for piece in stream:
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
                if run_manager:
                    run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
            answer = stream.response
            assert answer is not None
            about = {"model_name": answer.model, "finish_reason": answer.finish_reason, "run": answer.run}
            yield ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata=about, usage_metadata=_usage(answer.usage)))

    return FmnbChat()


def _usage(u: Usage) -> Any:
    """Usage as LangChain counts it, None where nothing was reported."""
    if u.input_tokens is None or u.output_tokens is None:
        return None
    return {
        "input_tokens": u.input_tokens,
        "output_tokens": u.output_tokens,
        "total_tokens": u.input_tokens + u.output_tokens,
        "input_token_details": {"cache_read": u.cached_tokens or 0},
        "output_token_details": {"reasoning": u.reasoning_tokens or 0},
    }


def _from_langchain(messages: Sequence[Any]) -> list[Message]:
    found = []
    for m in messages:
        parts: list[Part] = [*_parts(m.content)]
        if m.type == "tool":
            parts = [ToolResult(str(getattr(m, "tool_call_id", "")), str(m.content))]
        for call in getattr(m, "tool_calls", None) or ():
            parts.append(ToolCall(str(call.get("id") or ""), call["name"], json.dumps(call["args"])))
        found.append(Message(ROLES.get(m.type, m.type), tuple(parts)))
    return found


def _parts(content: Any) -> Iterator[Part]:
    """Text and images of a message's content, in the forms the two libraries use."""
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            yield Text(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            yield Text(part["text"])
        elif isinstance(part, dict) and part.get("type") in ("image", "image_url"):
            yield _image(part)
        elif isinstance(part, dict):
            raise BadRequestError(
                "A kind of content fmnb does not carry", detail=str(part.get("type")), hint="Text and images inside the message go."
            )


def _image(part: dict[str, Any]) -> Image:
    url = part.get("image_url") or part.get("url") or ""
    url = url.get("url", "") if isinstance(url, dict) else url
    if found := _DATA.fullmatch(url):
        return Image(base64.b64decode(found[2]), found[1])
    data = part.get("base64") or part.get("data")
    if isinstance(data, str):
        return Image(base64.b64decode(data), str(part.get("mime_type") or "image/png"))
    raise BadRequestError("An image must be inside the message", detail=url[:60], hint="Give it as a data: URI; nothing is fetched.")
