"""Which model makes an index's vectors: one on this machine, or the one that the user names.

No service is contacted unless it was named: without a local encoder, an index is searched by words alone.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...calls.embed import DEFAULT, EmbedJob, embed_events
from ...catalog import weights
from ...catalog.resolve import Target, resolve
from ...config.settings import settings
from ...core.errors import FmnbError
from ...core.events import Event
from ...core.types import Label

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

NONE = "none"  # the embedder's name for an index that is searched by words alone
INSTALL = '`%pip install "fmnb[embed]"` and `%fm pull minilm` add search by meaning.'


@dataclass(frozen=True)
class IndexEmbedder:
    """A model that makes vectors, and how its weights are held. `fm.embed` takes it as a model."""

    target: Target
    quant: str = ""

    @property
    def name(self) -> str:
        """What the index stores of it; vectors of another name are not comparable."""
        return f"{self.target.name} {self.quant}".strip()


def default_embedder() -> IndexEmbedder | None:
    """The local encoder of the settings, or MiniLM; None if it is not on this machine."""
    name = str(settings().get("default.embed") or DEFAULT)
    try:
        if any(importlib.util.find_spec(p) is None for p in ("onnxruntime", "onnx", "tokenizers", "safetensors")):
            return None
        if name in weights.known_names() and weights.locate(name) is None:
            return None
        target = resolve(name)
        if not target.local:
            return None  # only a model that was named for this index gets its documents
        target.open()
    except FmnbError:
        return None
    return IndexEmbedder(target, "int8")


def named_embedder(name: str) -> IndexEmbedder | None:
    """The embedder of this name; `NAME fp32` keeps a local model's weights as they are, `none` is None."""
    model, _, quant = name.partition(" ")
    if model == NONE:
        return None
    target = resolve(model)
    target.open()
    return IndexEmbedder(target, ("" if quant == "fp32" else quant or "int8") if target.local else "")


async def embed_texts(embedder: IndexEmbedder, texts: Sequence[str], label: Label | None) -> AsyncIterator[Event | EmbedJob]:
    """The events of an embedding; the last item is the job with the vectors."""
    job = EmbedJob(embedder.target, list(dict.fromkeys(texts)), embedder.quant, None, cache=False, label=label)
    async for event in embed_events(job):
        yield event
    yield job
