"""Custom models: a function, a LangChain runnable or a LlamaIndex engine of the notebook.

This module imports neither library; an object of theirs has already imported it. The object runs
in its own thread, since it may block. Where it sends a request is unknown, so its price is unknown
and it does not count as local.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from ...core.backend import estimate_tokens
from ...core.errors import BadRequestError, CustomModelError, EmptyAnswerError, FmnbError, UsageError
from ...core.event_loop import iterate_inline, thread_stream
from ...core.events import Event, Finished, Notice, TextDelta, UsageReported
from ...core.response import Response
from ...core.types import Image, ModelInfo, Request, TokenCount
from ..profiles import Profile
from ..wire.base import instruct, schema_instruction
from ..wire.chat_completions import messages as chat_messages
from . import langchain as langchain_object
from . import llamaindex as llamaindex_object

Put = Callable[[Event], None]
Speak = Callable[[Any, Request, Put, Callable[[], bool]], Finished]
_MESSAGES = ("messages", "history", "conversation")  # names of a first argument that takes all turns


def is_model_like(value: Any) -> bool:
    """Whether an object can answer: a function, a LangChain runnable, a LlamaIndex engine, index or model.

    >>> is_model_like(str.upper), is_model_like(str), is_model_like("text")
    (True, False, False)
    """
    return _speak(value) is not None


def backend(value: Any, name: str) -> ObjectBackend:
    """The backend of a custom model, an object for which `is_model_like` is true."""
    speak = _speak(value)
    assert speak is not None
    return ObjectBackend(value, name, speak)


def _speak(value: Any) -> Speak | None:
    if isinstance(value, type):
        return None
    homes = {c.__module__.split(".")[0] for c in type(value).__mro__}
    if homes & {"langchain_core", "langgraph"} and hasattr(value, "stream"):
        return langchain_object.speak
    if "llama_index" in homes and llamaindex_object.can_speak(value):
        return llamaindex_object.speak
    return _call if callable(value) else None


class ObjectBackend:
    """The backend of a custom model."""

    def __init__(self, value: Any, name: str, speak: Speak):
        self._value = value
        self._speak = speak
        self._info = ModelInfo(name=f"object:{name}", provider="object", host="custom model", inputs=("text", "image"))

    @property
    def info(self) -> ModelInfo:
        """The known facts: it accepts text."""
        return self._info

    def count(self, request: Request) -> TokenCount:
        """An estimate: the model behind the object is unknown."""
        return estimate_tokens(request)

    def deterministic(self, request: Request) -> bool:
        """Always False: a function may answer differently each time."""
        return False

    def stream(self, request: Request) -> AsyncIterator[Event]:
        """Call the object in a thread; closing the stream stops it at its next chunk."""

        def work(put: Put, stop: threading.Event) -> None:
            silent = True

            def told(event: Event) -> None:
                nonlocal silent
                silent = silent and not (isinstance(event, TextDelta) and event.text)
                put(event)

            for name in ("quant", "dtype"):
                if getattr(request, name):
                    put(Notice(kind="not_applied", text=name))
            try:
                end = self._speak(self._value, request, told, stop.is_set)
            except FmnbError:
                raise
            except Exception as e:
                detail = f"{type(e).__name__}: {e}"
                raise CustomModelError(
                    f"{self._info.name[7:]} failed", detail=detail[:300], hint="Its traceback follows.", billed=None
                ) from e
            if stop.is_set():
                return
            if silent:
                raise EmptyAnswerError(
                    f"{self._info.name[7:]} returned no text", detail=type(self._value).__name__, hint="Return text from it."
                )
            put(end)

        return thread_stream(work)


def _call(function: Any, request: Request, put: Put, stopped: Callable[[], bool]) -> Finished:
    """Call a function with the text, or with messages if the name of its first argument says so."""
    argument, options, not_applied = arguments(function, request)
    _check_takes(function, argument, options)
    for name in not_applied:
        put(Notice(kind="not_applied", text=name))
    result = function(argument, **options)
    data = None
    for piece in pieces(result):
        if stopped():
            break
        if isinstance(piece, Response):
            put(UsageReported(usage=piece.usage))
            data = piece.data
        put(TextDelta(text=text_of(piece)))
    return Finished(data=data)


def _check_takes(function: Any, argument: Any, options: dict[str, Any]) -> None:
    """Raise UsageError if a function cannot be called with a single text."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions have no signature
        return
    try:
        signature.bind(argument, **options)
    except TypeError as e:
        raise UsageError(
            "A function is called with only the prompt",
            detail=f"{signature}: {e}",
            hint="Give the other arguments defaults, or a lambda that fills them in.",
        ) from None


def arguments(function: Any, request: Request) -> tuple[Any, dict[str, Any], list[str]]:
    """The first argument for a function, the options that it accepts, and the names of the others.

    Raises BadRequestError for an image if the function takes text.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # some built-in functions have no signature
        parameters = {}  # type: ignore[assignment]
    first = next(iter(parameters.values()), None)
    takes_messages = first is not None and (first.name in _MESSAGES or "list[dict" in str(first.annotation))
    names = ("temperature", "max_tokens", "seed", "stop", "schema", "logprobs")
    requested = {n: v for n in names if (v := getattr(request, n)) not in (None, ())}
    requested |= request.extra
    takes_keywords = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    rest = list(parameters)[1:]
    options = {n: v for n, v in requested.items() if n in rest or (takes_keywords and n in request.extra)}
    not_applied = [n for n in requested if n not in options and n != "schema"]
    if takes_messages:
        messages = chat_messages(Profile("object"), request.messages)
        if request.schema is not None and "schema" not in options:
            instruct(messages, request.schema)
        return messages, options, not_applied
    text, system = last_text(request), next((m.text for m in request.messages if m.role == "system"), "")
    if system and "system" in rest:
        options["system"] = system
    elif system:
        text = f"{system}\n\n{text}"
    if sum(m.role == "user" for m in request.messages) > 1:
        not_applied.append("earlier turns")
    if request.schema is not None and "schema" not in options:
        text = f"{text}\n\n{schema_instruction(request.schema)}"
    return text, options, not_applied


def last_text(request: Request) -> str:
    """The last user turn as text. Raises BadRequestError if it has an image."""
    last = next(m for m in reversed(request.messages) if m.role == "user")
    if any(isinstance(p, Image) for p in last.parts):
        raise BadRequestError(
            "This object accepts only text",
            detail="an image in the prompt",
            hint="Give a function whose first argument is called `messages`.",
        )
    return last.text


def pieces(result: Any) -> Iterator[Any]:
    """The chunks of a function's result: a value, a generator, a coroutine or an async generator."""
    if inspect.isawaitable(result):
        result = asyncio.run(_awaited(result))
    if isinstance(result, AsyncIterator):
        yield from iterate_inline(result)
    elif isinstance(result, Iterator):
        yield from result
    elif result is not None:
        yield result


async def _awaited(work: Any) -> Any:
    return await work


def text_of(piece: Any) -> str:
    """The text of a chunk: a string, its `text`, `content` or `delta` (attribute or key), or JSON.

    >>> text_of({"content": "hi"}), text_of(3), text_of(["a"])
    ('hi', '3', '["a"]')
    """
    if isinstance(piece, str):
        return piece
    if isinstance(piece, Response):
        return piece.text
    for name in ("delta", "text", "content", "response"):
        value = piece.get(name) if isinstance(piece, dict) else getattr(piece, name, None)
        if isinstance(value, str):
            return value
    if isinstance(piece, (dict, list, tuple, int, float, bool)):
        return json.dumps(piece, ensure_ascii=False, default=str)
    return str(piece)
