"""LangChain runnables as custom models: a chat model, a chain, a graph.

Only methods that every runnable has are used.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from ...core.errors import UsageError
from ...core.event_loop import iterate_inline
from ...core.events import Event, Finished, Notice, ReasoningDelta, TextDelta, UsageReported
from ...core.types import Request, Usage
from ..profiles import Profile
from ..wire.base import instruct
from ..wire.chat_completions import messages as chat_messages

_ANSWERS = ("answer", "output", "result", "text", "content", "response")  # output keys of chains that hold text
_SOURCES = ("context", "source_documents", "documents", "sources")


def speak(value: Any, request: Request, put: Callable[[Event], None], stopped: Callable[[], bool]) -> Finished:
    """Stream a runnable's answer, with sources and usage. Raises UsageError if it needs missing fields."""
    chat = any(c.__name__ == "BaseLanguageModel" for c in type(value).__mro__)
    inputs, used = (_messages(request), set()) if chat else _inputs(value, request)
    options: dict[str, Any] = {"stop": list(request.stop)} if chat and request.stop else {}
    for name in (
        "temperature",
        "max_tokens",
        "seed",
        "logprobs",
        *(() if chat else ("stop",)),
        *(k for k in request.extra if k not in used),
    ):
        if getattr(request, name, None) not in (None, ()) or name in request.extra:
            put(Notice(kind="not_applied", text=name))  # the object has its own options
    meter = _meter()
    sources: list[dict[str, Any]] = []
    model = ""
    sent_ids: dict[str, int] = {}
    for chunk in _chunks(value, inputs, {"config": {"callbacks": [meter]} if meter else None, **options}):
        if stopped():
            break
        for event in _events(chunk, sources, sent_ids):
            put(event)
        model = (getattr(chunk, "response_metadata", None) or {}).get("model_name", "") or model
    usage = _usage(meter)
    if usage is not None:
        put(UsageReported(usage=usage))
    names = list(meter.usage_metadata) if meter else []
    extra = {"sources": sources} if sources else {}
    return Finished(model=model or (names[0] if len(names) == 1 else ""), extra=extra)


def _chunks(value: Any, inputs: Any, options: dict[str, Any]) -> Iterator[Any]:
    """The chunks of the runnable; one that is only asynchronous is awaited."""
    stream = iter(value.stream(inputs, **options))
    try:
        first = next(stream)
    except StopIteration:
        return
    except (TypeError, NotImplementedError) as e:
        if not re.search(r"synchronous|coroutine|astream|ainvoke|async", str(e)):
            raise
        yield from iterate_inline(value.astream(inputs, **options))
        return
    yield first
    yield from stream


def _messages(request: Request) -> list[dict[str, Any]]:
    messages = chat_messages(Profile("object"), request.messages)
    if request.schema is not None:
        instruct(messages, request.schema)
    return messages


def _inputs(value: Any, request: Request) -> tuple[Any, set[str]]:
    """The input of a chain, and the names of the parameters used for it.

    The input is text, messages, or a dict of fields from the prompt and `-p NAME=VALUE`.
    """
    messages = _messages(request)
    text = "\n\n".join(m["content"] for m in messages if isinstance(m["content"], str) and m["role"] in ("system", "user"))
    schema = value.get_input_jsonschema()
    fields = schema.get("properties") or {}
    if schema.get("type") != "object" or not fields:
        return text, set()
    values = {k: v for k, v in request.extra.items() if k in fields}
    open_ = [f for f in fields if f not in values]
    turns = next((f for f in open_ if f in ("messages", "chat_history", "history")), "")
    if turns == "messages":
        return {**values, "messages": messages}, set(values)
    missing = [f for f in open_ if f in schema.get("required", fields)] or open_
    if turns and turns in missing and len(missing) > 1:
        values[turns], text = messages[:-1], messages[-1]["content"]
        missing.remove(turns)
    if len(missing) == 1:
        return {**values, missing[0]: text}, set(values)
    raise UsageError(
        "This chain takes several fields",
        detail=", ".join(fields),
        hint=f"Give all but one with -p: `-p {missing[0]}=VALUE`; the prompt is the last.",
    )


def _events(chunk: Any, sources: list[dict[str, Any]], sent_ids: dict[str, int]) -> Iterator[Event]:
    """The events of one chunk: text, a message, or a dict of a chain's outputs."""
    if isinstance(chunk, str):
        yield TextDelta(text=chunk)
    elif isinstance(chunk, dict):
        yield from _from_dict(chunk, sources, sent_ids)
    elif hasattr(chunk, "content"):
        yield from _from_content(chunk.content)
        thought = (getattr(chunk, "additional_kwargs", None) or {}).get("reasoning_content")
        if isinstance(thought, str) and thought:
            yield ReasoningDelta(text=thought)
    elif chunk is not None:
        yield TextDelta(text=str(chunk))


def _from_content(content: Any) -> Iterator[Event]:
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            yield TextDelta(text=part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            yield TextDelta(text=part["text"])
        elif isinstance(part, dict) and isinstance(thought := part.get("reasoning", part.get("thinking")), str):
            yield ReasoningDelta(text=thought)


def _from_dict(chunk: dict[str, Any], sources: list[dict[str, Any]], sent_ids: dict[str, int]) -> Iterator[Event]:
    for key in _SOURCES:
        sources += [_source(d) for d in chunk.get(key) or () if hasattr(d, "page_content")]
    text = next((chunk[k] for k in _ANSWERS if isinstance(chunk.get(k), str)), None)
    if text is not None:
        yield TextDelta(text=text)
        return
    for value in (chunk, *chunk.values()):  # a graph returns {node: {"messages": [...]}} or its whole state
        for m in (value.get("messages") or ())[-1:] if isinstance(value, dict) else ():
            if getattr(m, "type", "") in ("ai", "AIMessageChunk") and sent_ids.setdefault(str(m.id or id(m)), 1) == 1:
                sent_ids[str(m.id or id(m))] = 2
                yield from _from_content(m.content)


def _source(document: Any) -> dict[str, Any]:
    about = document.metadata or {}
    title = str(about.get("title") or about.get("source") or about.get("file_name") or "")
    page = about.get("page_label", about.get("page"))
    return {"title": title + (f", page {page}" if page is not None else ""), "text": document.page_content[:500]}


def _meter() -> Any:
    """The library's token counter, if its version has one."""
    module = importlib.import_module("langchain_core.callbacks")
    return module.UsageMetadataCallbackHandler() if hasattr(module, "UsageMetadataCallbackHandler") else None


def _usage(meter: Any) -> Usage | None:
    """The usage counted over all models of a chain."""
    if meter is None or not meter.usage_metadata:
        return None
    total = Usage()
    for one in meter.usage_metadata.values():
        into, out = one.get("input_token_details") or {}, one.get("output_token_details") or {}
        total = total + Usage(one.get("input_tokens"), one.get("output_tokens"), into.get("cache_read"), out.get("reasoning"))
    return total
