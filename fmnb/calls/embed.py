"""Embeddings of texts: distinct texts are embedded once, cached, and put back in order.

texts ─ distinct ─► kept ones from the store ─► the rest in batches ─ pipeline.embed ─► one array
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog.resolve import Target, resolve
from ..config.settings import frozen, settings
from ..core.backend import Vectors
from ..core.errors import BadRequestError, ContextTooLongError, Interrupted, StoreError, UsageError
from ..core.event_loop import aclose, merge
from ..core.events import Cancelled, Event, EventStamper, Finished, Notice, Progress, Sink, Started
from ..core.run_ids import new_run
from ..core.surrogates import replace_surrogates_in_text
from ..core.types import Label
from ..core.typing import HasTarget
from ..prompts.value_labels import label_of
from ..store import log, vectors
from ..views.progress import ProgressView
from . import pipeline
from .run_events import run_events
from .run_handle import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

DEFAULT = "minilm"  # a small model in a Python package
CONCURRENCY = 4  # batches in flight at a service
_SAVE_EVERY = 1_000  # vectors between two writes to the cache
# Services report in different words that a request has too many texts or tokens.
_BATCH_TOO_LARGE = re.compile(
    r"(?i)^413\b|batch size|max_tokens_per_request|tokens per request|too (?:many|large|long)|at most \d+|(?:max|limit)\w* .*\d+"
)


@frozen()
def embed(
    texts: str | Iterable[str],
    model: str | HasTarget | None = None,
    *,
    quant: str = "",
    dimensions: int | None = None,
    cache: bool = True,
    sinks: Sequence[Sink] | None = None,
) -> NDArray[np.float32]:
    """Compute embeddings (vectors) of texts.

    Embeddings are cached, including those finished before an interrupt or an error: the same
    text is never computed or paid for twice, unless `cache=False`.

        v = fm.embed(["a small dog", "a puppy", "the price of oil"])
        v.shape      # (3, 384)
        v @ v.T      # cosine similarity: minilm's vectors have length 1

    Args:
        texts: A text, or a list, Series or array of texts.
        model: A name (`"openai:text-embedding-3-small"`, `"hf:org/name"`); without one it is
            `embed` of the settings' `[default]`, else `minilm` on this machine (download it with
            `%fm pull minilm`).
        quant: "int8" for about twice the speed on this machine, at a small loss.
        dimensions: Length of the vectors, if the service supports shorter ones.
        cache: Whether to use cached vectors.
        sinks: Functions that receive every event; a progress bar if None.

    Returns:
        A float32 array of shape (texts, dimensions); of a single text, of shape (dimensions,).

    Raises:
        UsageError: A row is not a string.
        NotPulledError: The weights are not on this machine.
        CallError: The service failed.

    >>> from fmnb.core.errors import UsageError
    >>> try: embed([1, 2])
    ... except UsageError as e: print(e.message)
    Row 0 is not a string
    """
    rows = _texts(texts)
    target = resolve(model or settings().get("default.embed") or DEFAULT)
    job = EmbedJob(target, list(dict.fromkeys(rows)), quant, dimensions, cache, label=label_of(texts))
    shown = [ProgressView()] if sinks is None else sinks
    run = Run(_events(job), shown, runs=[job.stamp.run], stop_events=lambda *_: [job.stamp(Cancelled())], finish=lambda _: job.save())
    try:
        run.drive()
    except KeyboardInterrupt:
        left = f"{len(job.vectors)} of {len(job.texts)} vectors are cached"
        raise Interrupted(None, job.stamp.run, kept=left if job.cache and log.enabled() else "") from None
    return job.array(rows, single=isinstance(texts, str))


def _texts(given: Any) -> list[str]:
    """The texts of a list, Series, array or column; UsageError names the row that is not a string."""
    if isinstance(given, str):
        return [given]
    if (
        isinstance(given, (bytes, dict)) or not hasattr(given, "__iter__") or hasattr(given, "columns")
    ):  # iterating a frame gives its column names
        raise UsageError(
            "The input must be texts", detail=type(given).__name__, hint="Give a text, a list of texts or a column of a frame."
        )
    rows = list(given)
    for i, text in enumerate(rows):
        if not isinstance(text, str):
            raise UsageError(
                f"Row {i} is not a string", detail=repr(text)[:60], hint="Fill or drop it first, for example with `.fillna('')`."
            )
    return [replace_surrogates_in_text(str(t)) for t in rows]  # numpy's text is a text of its own kind


@dataclass
class EmbedJob:
    """One run: the distinct texts, and their vectors as they arrive."""

    target: Target
    texts: list[str]
    quant: str
    dimensions: int | None
    cache: bool
    stamp: EventStamper = field(default_factory=lambda: EventStamper(new_run()))
    vectors: dict[str, Array] = field(default_factory=dict)
    uncached: dict[bytes, Array] = field(default_factory=dict)
    prefix: bytes = b""
    label: Label | None = None  # of the texts

    def key(self, text: str) -> bytes:
        """The cache key of a vector: model, weights file, options and text."""
        return hashlib.sha256(self.prefix + text.encode()).digest()

    def add(self, text: str, vector: Array) -> None:
        """Add a vector. Raises UsageError when its length differs from those before."""
        known = next(iter(self.vectors.values()), None)
        if known is not None and known.shape != vector.shape:
            raise UsageError(
                "The vectors have different dimensions",
                detail=f"{known.shape[0]} and {vector.shape[0]} numbers",
                hint="The model behind this name has changed: use cache=False.",
            )
        self.vectors[text] = vector
        self.uncached[self.key(text)] = vector

    def save(self) -> None:
        """Cache the new vectors, also those of a run that failed."""
        kept, self.uncached = self.uncached, {}
        if kept and log.enabled():
            try:
                vectors.put(kept, self.stamp.run)
            except StoreError:
                pass  # the log sink has warned

    def array(self, rows: list[str], *, single: bool) -> Array:
        """The vectors in the order of the rows."""
        import numpy as np

        if not rows:
            return np.zeros((0, 0), np.float32)
        whole = np.stack([self.vectors[t] for t in rows]).astype(np.float32, copy=False)
        return whole[0] if single else whole


def _events(job: EmbedJob) -> AsyncIterator[Event]:
    """The stamped events of the whole run."""
    target = job.target
    start = Started(kind="embed", model=target.name, host=target.host, meta={"asked": target.requested_model, "texts": len(job.texts)})
    return run_events(start, embed_events(job), job.stamp)


async def embed_events(job: EmbedJob) -> AsyncIterator[Event]:
    backend = job.target.open()
    job.prefix = _prefix(job, backend.info.source if backend.info.local else "")
    if job.cache and log.enabled():
        try:
            kept = vectors.get([job.key(t) for t in job.texts])
        except StoreError:
            kept = {}
        job.vectors.update({t: kept[k] for t in job.texts if (k := job.key(t)) in kept})
    known = len(job.vectors)
    missing = [t for t in job.texts if t not in job.vectors]
    batch = getattr(backend, "batch", len(missing) or 1)
    batches = [missing[at : at + batch] for at in range(0, len(missing), batch)]
    streams = [_batch(job, b) for b in batches]
    alone = len(streams) == 1
    said: set[str] = set()
    for at in range(0, len(streams), CONCURRENCY):
        async for _, event in merge({str(i): s for i, s in enumerate(streams[at : at + CONCURRENCY])}):
            if isinstance(event, Progress) and not alone:
                continue  # the whole's is told below
            if isinstance(event, Notice) and event.text in said:
                continue
            if isinstance(event, Notice):
                said.add(event.text)
            if len(job.uncached) >= _SAVE_EVERY:  # a kernel may die before the end
                job.save()
            yield event
        if not alone:
            yield Progress(stage="embedding", done=len(job.vectors), total=len(job.texts), unit="texts")
        job.save()
    width = len(next(iter(job.vectors.values()))) if job.vectors else 0
    source = "live" if missing else "cached"
    yield Finished(model=job.target.name, source=source, extra={"texts": len(job.texts), "cached": known, "dimensions": width})


async def _batch(job: EmbedJob, texts: list[str]) -> AsyncIterator[Event]:
    """Embed one batch; one that is too large for the service is split in halves."""
    stream = pipeline.embed(job.target, texts, quant=job.quant, dimensions=job.dimensions, label=job.label)
    try:
        async for item in stream:
            if isinstance(item, Vectors):
                for row, vector in zip(item.rows, item.values, strict=True):
                    job.add(texts[row], vector)
            else:
                yield item
        return
    except BadRequestError as e:
        if not isinstance(e, ContextTooLongError) and not _BATCH_TOO_LARGE.search(e.detail):
            raise
        if len(texts) == 1:
            e.hint = f"Shorten the text that begins {texts[0][:40]!r}, or use a model that takes longer ones."
            raise
    finally:
        await aclose(stream)
    for half in (texts[: len(texts) // 2], texts[len(texts) // 2 :]):
        stream = _batch(job, half)
        try:
            async for event in stream:
                yield event
        finally:
            await aclose(stream)


def _prefix(job: EmbedJob, file: str) -> bytes:
    """The cache key without the text; for local weights it includes when they changed."""
    stamp = ""
    if file:
        main = next((f for f in sorted(Path(file).glob("*.safetensors"))), Path(file)) if Path(file).is_dir() else Path(file)
        try:
            stat = main.stat()
            stamp = f"{main}:{stat.st_size}:{stat.st_mtime_ns}"
        except OSError:
            pass
    return "\x1f".join([job.target.name, stamp, job.quant, str(job.dimensions), ""]).encode()
