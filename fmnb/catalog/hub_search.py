"""Searching the hub for weights that run here. Off the main path: a hub may take seconds to answer."""

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
    """A quantised file of a repository."""

    name: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class HubModel:
    """A repository of the hub; `source` is what `%fm pull` takes, `size` its bytes in all."""

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
    """What the hub found. `trouble` says why there is nothing ("" if all is well)."""

    models: tuple[HubModel, ...] = ()
    trouble: str = ""


def search(query: str, task: str = "", limit: int = 20) -> HubSearch:
    """Repositories whose name fits, most downloaded first. Blocks; never raises for a hub that cannot be reached."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return HubSearch(trouble="offline: HF_HUB_OFFLINE is set")
    hub = require("huggingface_hub", "all", "to search the hub")
    try:
        api = hub.HfApi(token=token(hub))
        # The client tries half a minute long where nobody answers, and a person waits for this.
        hub.get_session().head(api.endpoint, timeout=_KNOCK)
        found = api.list_models(search=query or None, pipeline_tag=task or None, sort="downloads", limit=limit, expand=_EXPAND)
        return HubSearch(tuple(_model(m) for m in found))
    except Exception as e:  # the client raises its own, httpx's and the system's; a search is a convenience
        if type(e).__name__.endswith("Timeout"):
            return HubSearch(trouble=f"the hub did not answer within {_KNOCK:.0f} s")
        return HubSearch(trouble=f"the hub cannot be reached: {type(e).__name__}")


def _model(m: Any) -> HubModel:
    tags = [t for t in m.tags or () if isinstance(t, str)]
    license = next((t.removeprefix("license:") for t in tags if t.startswith("license:")), "")
    files = tuple(HubFile(f.rfilename, getattr(f, "size", None)) for f in m.siblings or () if f.rfilename.endswith(".gguf"))
    size = getattr(m, "used_storage", None) or getattr(m, "usedStorage", None)
    return HubModel(f"hf:{m.id}", m.pipeline_tag or "", m.downloads, m.likes, license, bool(m.gated), size, files)
