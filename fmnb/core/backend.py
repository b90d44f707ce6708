"""The protocol of everything that answers: it takes a Request and yields Events.

Providers and engines implement `Backend`. They yield events and never emit them, keep no state of a
stream on themselves, and stop when their generator is closed: a socket is closed, an engine stops
at its next token. They need not send `Started`; the pipeline does. They end with `Finished`, or
raise a FmnbError.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from .events import Event, ReasoningDelta, TextDelta, ToolCallDelta
from .types import Image, ModelInfo, Request, TokenCount


@runtime_checkable
class Backend(Protocol):
    """A model of a provider or engine.

    A backend that supports several interfaces of its service sets `supports_api_choice = True` and
    reads `request.api`; for all others the pipeline reports `api` as not applied.
    """

    @property
    def info(self) -> ModelInfo:
        """Facts about the model."""
        ...

    def stream(self, request: Request) -> AsyncIterator[Event]:
        """Answer one request. Close the iterator to stop.

        An iterator may have a method `so_far() -> Usage | None` that returns the usage so far, for
        a call that is stopped.
        """
        ...

    def count(self, request: Request) -> TokenCount:
        """Prompt tokens as this model counts them; never uses the network."""
        ...

    def deterministic(self, request: Request) -> bool:
        """Whether the same request gives the same answer, so that it can be cached."""
        ...


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors of some texts: their indexes in the input, and a float32 array with one vector per row."""

    rows: tuple[int, ...]
    values: Any


@runtime_checkable
class Embedder(Protocol):
    """A Backend whose model makes vectors. `batch` is the maximum number of texts per call."""

    batch: int

    @property
    def info(self) -> ModelInfo:
        """Facts about the model; its `outputs` contain "vector"."""
        ...

    def embed(self, texts: Sequence[str], quant: str = "", dimensions: int | None = None) -> AsyncIterator[Event | Vectors]:
        """Vectors of the texts, in any order. Close the iterator to stop.

        `dimensions` is their length, if the model supports a choice.
        """
        ...


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """A rate limit as reported by a service; `reset` is the seconds until it is fully available again."""

    remaining: float
    limit: float
    reset: float


@dataclass(frozen=True, slots=True)
class CompleteResponse:
    """The events of a non-streamed answer, and the reported rate limits ("requests", "tokens")."""

    events: list[Event]
    rate_limits: dict[str, RateLimitState]


@runtime_checkable
class NonStreamingBackend(Protocol):
    """A Backend that can answer without streaming, which is cheaper for rows.

    `host` is the host whose limits apply.
    """

    @property
    def host(self) -> str:
        """The host, or the server on this machine."""
        ...

    async def complete(self, request: Request) -> CompleteResponse:
        """Answer one request; the events of `stream` as a list. An error may have `rate_limits`, too."""
        ...


@runtime_checkable
class BatchBackend(Protocol):
    """A Backend that answers many requests faster together than one by one."""

    preferred_batch_size: int

    def stream_rows(
        self, requests: Sequence[tuple[int, Request]], content_free: Sequence[Request] = ()
    ) -> AsyncIterator[tuple[int, Event]]:
        """Events of many requests, each with the caller's number; -1 for shared events, such as loading.

        A failed request yields `Failed` with its number, and the others continue. Closing the
        iterator stops at the next step. `content_free` are the same prompts with the words of
        `CONTENT_FREE` inserted: the answers show the model's bias, which label scores are corrected for.
        """
        ...


CONTENT_FREE = ("N/A", "", "[MASK]")  # content-free inputs after Zhao et al. 2021, "Calibrate Before Use"


def estimate_tokens(request: Request) -> TokenCount:
    """Estimate the tokens of a request for a model without an available tokenizer.

    UTF-8 bytes / 4, plus 4 a message, plus 800 an image. For English prose under BPE
    vocabularies of 50-200 thousand entries the error is mostly within 20 %; code, digits
    and other scripts differ more.

    >>> from fmnb.core.types import Request, message
    >>> estimate_tokens(Request("m", (message("user", "x" * 40),))).tokens
    14
    """
    total = sum(4 + sum(map(estimate_part_tokens, m.parts)) for m in request.messages)
    error = "±20 % for English prose, more elsewhere"
    if any(isinstance(p, Image) for m in request.messages for p in m.parts):
        error += "; a picture counts as 800, whatever its size"
    return TokenCount(total, exact=False, method="UTF-8 bytes / 4", error=error)


def estimate_part_tokens(part: object) -> int:
    """Estimated tokens of a message part: those of its text, or 800 for an image or a file."""
    text = next((t for n in ("text", "content", "arguments") if isinstance(t := getattr(part, n, None), str)), None)
    return 800 if text is None else estimate_text_tokens(text)


def estimate_text_tokens(*texts: str) -> int:
    """Estimated tokens of text: UTF-8 bytes / 4.

    >>> estimate_text_tokens("Hello", " world")
    3
    """
    return -(-sum(len(t.encode("utf-8", "surrogatepass")) for t in texts) // 4)


def estimate_output_tokens(events: Iterable[Event]) -> int:
    """Estimated output tokens of text, reasoning and tool arguments in these events."""
    kinds = (TextDelta, ReasoningDelta, ToolCallDelta)
    return estimate_text_tokens(*(e.arguments if isinstance(e, ToolCallDelta) else e.text for e in events if isinstance(e, kinds)))
