"""Searches the hub for weights that run locally. The hub may take seconds to answer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ..core.optional import require
from .hub import token

_EXPAND = ["downloads", "likes", "gated", "pipeline_tag", "tags", "safetensors", "gguf", "siblings", "usedStorage", "library_name"]
_KNOCK = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class HubFile:
    """A quantized file of a repository."""

    name: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class HubModel:
    """A repository of the hub; `source` is the name for `%fm pull`, `size` its total bytes."""

    source: str
    task: str = ""
    downloads: int | None = None
    likes: int | None = None
    license: str = ""
    gated: bool = False
    size: int | None = None
    files: tuple[HubFile, ...] = ()


@dataclass(frozen=True, slots=True)
class HubSearch:
    """The result of a search; `trouble` is the reason for a failure, or ""."""

    models: tuple[HubModel, ...] = ()
    error: str = ""


def search(query: str, task: str = "", limit: int = 20) -> HubSearch:
    """Repositories with matching names, most downloads first.

    Blocks; does not raise if the hub is unreachable.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return HubSearch(error="offline: HF_HUB_OFFLINE is set")
    hub = require("huggingface_hub", "all", "to search the hub")
    try:
        api = hub.HfApi(token=token(hub))
        # The client retries for half a minute, which is too long for a waiting user.
        hub.get_session().head(api.endpoint, timeout=_KNOCK)
        found = api.list_models(search=query or None, pipeline_tag=task or None, sort="downloads", limit=limit, expand=_EXPAND)
        return HubSearch(tuple(_model(m) for m in found))
    except Exception as e:  # the client raises its own errors and those of httpx and the system; a search may fail
        if type(e).__name__.endswith("Timeout"):
            return HubSearch(error=f"the hub did not answer within {_KNOCK:.0f} s")
        return HubSearch(error=f"the hub cannot be reached: {type(e).__name__}")


def _model(m: Any) -> HubModel:
    tags = [t for t in m.tags or () if isinstance(t, str)]
    license = next((t.removeprefix("license:") for t in tags if t.startswith("license:")), "")
    files = tuple(HubFile(f.rfilename, getattr(f, "size", None)) for f in m.siblings or () if f.rfilename.endswith(".gguf"))
    size = getattr(m, "used_storage", None) or getattr(m, "usedStorage", None)
    return HubModel(f"hf:{m.id}", m.pipeline_tag or "", m.downloads, m.likes, license, bool(m.gated), size, files)
