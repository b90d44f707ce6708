"""LlamaIndex objects as custom models: a query engine, a chat engine, an index, an LLM.

A chat engine keeps its own conversation; the others get one question.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from ...core.errors import BadRequestError
from ...core.events import Event, Finished, Notice, TextDelta
from ...core.types import Image, Request
from ..profiles import Profile
from ..wire.base import instruct
from ..wire.chat_completions import messages as chat_messages

_WAYS = ("query", "stream_chat", "chat", "as_query_engine", "stream_complete")


def can_speak(value: Any) -> bool:
    """Whether the object has one of the supported methods."""
    return any(hasattr(value, way) for way in _WAYS)


def speak(value: Any, request: Request, put: Callable[[Event], None], stopped: Callable[[], bool]) -> Finished:
    """Query the object with the method of its kind and stream the answer.

    Its source nodes are the sources.
    """
    for name in ("temperature", "max_tokens", "seed", "stop", "logprobs", *request.extra):
        if getattr(request, name, None) or name in request.extra:
            put(Notice(kind="not_applied", text=name))
    if any(isinstance(p, Image) for m in request.messages for p in m.parts):
        raise BadRequestError("This object accepts only text", detail="an image in the prompt", hint="Use a vision model.")
    messages = chat_messages(Profile("object"), request.messages)
    if request.schema is not None:
        instruct(messages, request.schema)
    if hasattr(value, "metadata") and hasattr(value, "stream_complete"):  # an LLM
        return _llm(value, messages, put, stopped)
    if hasattr(value, "as_query_engine"):
        value = value.as_query_engine()
    text = "\n\n".join(m["content"] for m in messages if m["role"] == "system") or ""
    text = f"{text}\n\n{messages[-1]['content']}" if text else messages[-1]["content"]
    if len([m for m in messages if m["role"] == "user"]) > 1:
        put(Notice(kind="not_applied", text="earlier turns"))
    if hasattr(value, "stream_chat"):
        try:
            answer = value.stream_chat(text)
        except NotImplementedError:  # not every chat engine streams
            answer = value.chat(text)
    else:
        answer = value.query(text)
    for piece in _pieces(answer):
        if stopped():
            break
        put(TextDelta(text=piece))
    sources = [_source(n) for n in getattr(answer, "source_nodes", None) or ()]
    return Finished(extra={"sources": sources} if sources else {})


def _llm(value: Any, messages: list[dict[str, Any]], put: Callable[[Event], None], stopped: Callable[[], bool]) -> Finished:
    types = importlib.import_module("llama_index.core.base.llms.types")
    for chunk in value.stream_chat([types.ChatMessage(role=m["role"], content=m["content"]) for m in messages]):
        if stopped():
            break
        if chunk.delta:
            put(TextDelta(text=chunk.delta))
    return Finished(model=str(getattr(value.metadata, "model_name", "") or ""))


def _pieces(answer: Any) -> Iterator[str]:
    """The text of an answer, streamed if possible."""
    if type(answer).__name__.startswith("Streaming"):
        yield from (str(piece) for piece in answer.response_gen)
    else:
        yield str(answer.response or "")


def _source(scored_node: Any) -> dict[str, Any]:
    node = scored_node.node
    about = node.metadata or {}
    title = str(about.get("title") or about.get("file_name") or about.get("source") or node.node_id)
    page = about.get("page_label")
    one = {"title": title + (f", page {page}" if page else ""), "text": node.get_content()[:500]}
    return one if scored_node.score is None else {**one, "score": round(float(scored_node.score), 4)}
