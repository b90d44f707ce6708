"""The one seam: whatever answers takes a Request and yields Events.

Providers and engines implement `Backend`. They yield and never emit, keep no state of a
stream on themselves, and stop when their generator is closed: a socket is closed, an
engine stops at its next token. They need not send `Started`; the pipeline does. They end
with `Finished`, or raise a FmnbError.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from .events import Event, ReasoningDelta, TextDelta, ToolCallDelta
from .types import ModelInfo, Request, TokenCount


@runtime_checkable
class Backend(Protocol):
    """What a provider's or an engine's model offers.

    One that can be asked through several interfaces of its service says `supports_api_choice = True`,
    and heeds `request.api`; for all others the pipeline says that it was not applied.
    """

    @property
    def info(self) -> ModelInfo:
        """What is known about the model."""
        ...

    def stream(self, request: Request) -> AsyncIterator[Event]:
        """Answer one request. Close the iterator to stop.

        An iterator that has a method `so_far() -> Usage | None` says by it what the call has
        used until now, for a call that is stopped.
        """
        ...

    def count(self, request: Request) -> TokenCount:
        """Tokens of the prompt as this model counts them; never touches the network."""
        ...

    def deterministic(self, request: Request) -> bool:
        """Whether the same request gives the same answer, so that it may be cached."""
        ...


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors of some texts: which rows of the given list they are, and a float32 array of one vector a row."""

    rows: tuple[int, ...]
    values: Any


@runtime_checkable
class Embedder(Protocol):
    """A Backend whose model makes vectors. `batch` is how many texts one call may hold."""

    batch: int

    @property
    def info(self) -> ModelInfo:
        """What is known about the model; its `outputs` hold "vector"."""
        ...

    def embed(self, texts: Sequence[str], quant: str = "", dimensions: int | None = None) -> AsyncIterator[Event | Vectors]:
        """Vectors of the texts, in any order, `dimensions` wide where the model can choose. Close the iterator to stop."""
        ...


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """What a service says may still be asked of it: how many are left, of how many, and seconds until all are there again."""

    remaining: float
    limit: float
    reset: float


@dataclass(frozen=True, slots=True)
class CompleteResponse:
    """The events of an answer that came in one piece, and what its service said of its limits ("requests", "tokens")."""

    events: list[Event]
    rate_limits: dict[str, RateLimitState]


@runtime_checkable
class NonStreamingBackend(Protocol):
    """A Backend that can give an answer in one piece, which costs less where nobody watches it come. `host` is whose limits it counts against."""

    @property
    def host(self) -> str:
        """The host, or the server on this machine."""
        ...

    async def complete(self, request: Request) -> CompleteResponse:
        """Answer one request; what `stream` yields, as a list. An error may hold `rate_limits` too."""
        ...


@runtime_checkable
class BatchBackend(Protocol):
    """A Backend that answers many requests faster together than one by one. `preferred_batch_size` is how many it wants in hand."""

    preferred_batch_size: int

    def stream_rows(
        self, requests: Sequence[tuple[int, Request]], content_free: Sequence[Request] = ()
    ) -> AsyncIterator[tuple[int, Event]]:
        """Events of many requests, each with the caller's number; -1 for events of the whole, such as loading.

        A request that fails is a `Failed` of its number, and the others go on. Closing the
        iterator stops at the next step. `content_free` are the same prompt with words of `CONTENT_FREE` in
        it: what a model says to them is its own leaning, which a choice of labels is freed of.
        """
        ...


CONTENT_FREE = ("N/A", "", "[MASK]")  # what stands for no content, by Zhao et al. 2021, "Calibrate Before Use"


def estimate_tokens(request: Request) -> TokenCount:
    """Token count for a model whose tokenizer is not at hand.

    UTF-8 bytes / 4, plus 4 a message, plus 800 an image. For English prose under BPE
    vocabularies of 50-200 thousand entries the error is mostly within 20 %; code, digits
    and other scripts differ more.

    >>> from fmnb.core.types import Request, message
    >>> estimate_tokens(Request("m", (message("user", "x" * 40),))).tokens
    14
    """
    total = sum(4 + sum(map(estimate_part_tokens, m.parts)) for m in request.messages)
    return TokenCount(total, exact=False, method="UTF-8 bytes / 4", error="±20 % for English prose, more elsewhere")


def estimate_part_tokens(part: object) -> int:
    """About how many tokens a part of a message has: its text's, or a flat 800 for an image or a file."""
    text = next((t for n in ("text", "content", "arguments") if isinstance(t := getattr(part, n, None), str)), None)
    return 800 if text is None else estimate_text_tokens(text)


def estimate_text_tokens(*texts: str) -> int:
    """About how many tokens some text has: its UTF-8 bytes / 4.

    >>> estimate_text_tokens("Hello", " world")
    3
    """
    return -(-sum(len(t.encode("utf-8", "surrogatepass")) for t in texts) // 4)


def estimate_output_tokens(events: Iterable[Event]) -> int:
    """About how many tokens of text, reasoning and tool arguments a model wrote in these events."""
    kinds = (TextDelta, ReasoningDelta, ToolCallDelta)
    return estimate_text_tokens(*(e.arguments if isinstance(e, ToolCallDelta) else e.text for e in events if isinstance(e, kinds)))
