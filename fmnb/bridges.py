"""The other way round: a model of fmnb as a LangChain chat model or a LlamaIndex LLM.

Each class is made when it is asked for, since its base belongs to a library that fmnb does
not bring. Calls go through the pipeline like all others: log, cache, budget, tape.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ._require import require
from .errors import BadRequestError
from .model import Model, Stream
from .preparing import options_from, prepare
from .prompts import Rendered
from .types import Image, Message, Part, Text, ToolCall, ToolResult, Usage

_DATA = re.compile(r"data:([\w/+.-]+);base64,(.*)", re.S)
_ROLES: dict[str, Any] = {
    "human": "user",
    "ai": "assistant",
    "chatbot": "assistant",
    "model": "assistant",
    "developer": "system",
    "function": "tool",
}


def _stream(model: Model, messages: Sequence[Message], stop: Sequence[str] | None, options: dict[str, Any]) -> Stream:
    """The stream of one call, its last user turn as the prompt and the rest as history."""
    if not messages or messages[-1].role != "user":
        raise BadRequestError(
            "The last message must be the user's", seen=messages[-1].role if messages else "no message", todo="Add the question at the end."
        )
    given = {**model.defaults, **options, **({"stop": tuple(stop)} if stop else {})}
    return Stream(prepare(Rendered(messages[-1].parts), model, options_from({**given, "history": tuple(messages[:-1])})))


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
            stream = _stream(model, _from_langchain(messages), stop, options)
            text = "".join(stream)
            answer = stream.response
            assert answer is not None
            about = {"model_name": answer.model, "finish_reason": answer.finish, "run": answer.run}
            said = AIMessage(content=text, response_metadata=about, usage_metadata=_usage(answer.usage))
            return ChatResult(generations=[ChatGeneration(message=said)])

        def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> Iterator[Any]:
            stream = _stream(model, _from_langchain(messages), stop, options)
            for piece in stream:
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
                if run_manager:
                    run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
            answer = stream.response
            assert answer is not None
            about = {"model_name": answer.model, "finish_reason": answer.finish, "run": answer.run}
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
        found.append(Message(_ROLES.get(m.type, m.type), tuple(parts)))
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
                "A kind of content fmnb does not carry", seen=str(part.get("type")), todo="Text and images inside the message go."
            )


def _image(part: dict[str, Any]) -> Image:
    url = part.get("image_url") or part.get("url") or ""
    url = url.get("url", "") if isinstance(url, dict) else url
    if found := _DATA.fullmatch(url):
        return Image(base64.b64decode(found[2]), found[1])
    data = part.get("base64") or part.get("data")
    if isinstance(data, str):
        return Image(base64.b64decode(data), str(part.get("mime_type") or "image/png"))
    raise BadRequestError("An image must be inside the message", seen=url[:60], todo="Give it as a data: URI; nothing is fetched.")


def llamaindex(model: Model) -> Any:
    """A LlamaIndex `CustomLLM` that asks `model`. Needs llama-index-core."""
    require("llama_index.core", "", "to be a LlamaIndex model", package="llama-index-core")
    from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata, MessageRole
    from llama_index.core.llms import CustomLLM
    from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

    card = model.target.open().card

    class FmnbLLM(CustomLLM):  # type: ignore[misc]
        """A model of fmnb."""

        @property
        def metadata(self) -> Any:
            known = {"context_window": card.context, "num_output": model.defaults.get("max_tokens")}
            facts: dict[str, Any] = {k: v for k, v in known.items() if v}  # what is not known keeps the library's default
            return LLMMetadata(model_name=model.name, is_chat_model=card.chat, **facts)

        @llm_completion_callback()  # type: ignore[untyped-decorator]
        def complete(self, prompt: str, formatted: bool = False, **options: Any) -> Any:
            return CompletionResponse(text="".join(_stream(model, [Message("user", (Text(prompt),))], None, options)))

        @llm_completion_callback()  # type: ignore[untyped-decorator]
        def stream_complete(self, prompt: str, formatted: bool = False, **options: Any) -> Any:
            def pieces() -> Iterator[Any]:
                text = ""
                for piece in _stream(model, [Message("user", (Text(prompt),))], None, options):
                    text += piece
                    yield CompletionResponse(text=text, delta=piece)

            return pieces()

        @llm_chat_callback()  # type: ignore[untyped-decorator]
        def chat(self, messages: Any, **options: Any) -> Any:
            text = "".join(_stream(model, _from_llamaindex(messages), None, options))
            return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=text))

        @llm_chat_callback()  # type: ignore[untyped-decorator]
        def stream_chat(self, messages: Any, **options: Any) -> Any:
            def pieces() -> Iterator[Any]:
                text = ""
                for piece in _stream(model, _from_llamaindex(messages), None, options):
                    text += piece
                    yield ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=text), delta=piece)

            return pieces()

    return FmnbLLM()


def _from_llamaindex(messages: Sequence[Any]) -> list[Message]:
    found = []
    for m in messages:
        parts: list[Part] = []
        for block in m.blocks:
            if block.block_type == "text":
                parts.append(Text(block.text))
            elif block.block_type == "image" and block.image:
                parts.append(Image(base64.b64decode(block.image), block.image_mimetype or "image/png"))
            else:
                raise BadRequestError(
                    "A kind of content fmnb does not carry", seen=block.block_type, todo="Text and images inside the message go."
                )
        role: Any = m.role.value
        found.append(Message(_ROLES.get(role, role), tuple(parts)))
    return found
