"""A model of fmnb as a LlamaIndex LLM, made as in `bridges`."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

from ..calls.model import Model
from ..core.errors import BadRequestError
from ..core.optional import require
from ..core.types import Image, Message, Part, Text
from .incoming_call import ROLES, stream_of


def llamaindex(model: Model) -> Any:
    """A LlamaIndex `CustomLLM` that asks `model`. Needs llama-index-core."""
    require("llama_index.core", "", "to be a LlamaIndex model", package="llama-index-core")
    from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata, MessageRole
    from llama_index.core.llms import CustomLLM
    from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

    info = model.target.open().info

    class FmnbLLM(CustomLLM):  # type: ignore[misc]
        """A model of fmnb."""

        @property
        def metadata(self) -> Any:
            known = {"context_window": info.context, "num_output": model.defaults.get("max_tokens")}
            facts: dict[str, Any] = {k: v for k, v in known.items() if v}  # what is not known keeps the library's default
            return LLMMetadata(model_name=model.name, is_chat_model=info.chat, **facts)

        @llm_completion_callback()  # type: ignore[untyped-decorator]
        def complete(self, prompt: str, formatted: bool = False, **options: Any) -> Any:
            return CompletionResponse(text="".join(stream_of(model, [Message("user", (Text(prompt),))], None, options)))

        @llm_completion_callback()  # type: ignore[untyped-decorator]
        def stream_complete(self, prompt: str, formatted: bool = False, **options: Any) -> Any:
            def pieces() -> Iterator[Any]:
                text = ""
                for piece in stream_of(model, [Message("user", (Text(prompt),))], None, options):
                    text += piece
                    yield CompletionResponse(text=text, delta=piece)

            return pieces()

        @llm_chat_callback()  # type: ignore[untyped-decorator]
        def chat(self, messages: Any, **options: Any) -> Any:
            text = "".join(stream_of(model, _from_llamaindex(messages), None, options))
            return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=text))

        @llm_chat_callback()  # type: ignore[untyped-decorator]
        def stream_chat(self, messages: Any, **options: Any) -> Any:
            def pieces() -> Iterator[Any]:
                text = ""
                for piece in stream_of(model, _from_llamaindex(messages), None, options):
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
                    "A kind of content fmnb does not carry", detail=block.block_type, hint="Text and images inside the message go."
                )
        role: Any = m.role.value
        found.append(Message(ROLES.get(role, role), tuple(parts)))
    return found
