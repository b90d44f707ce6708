"""Handlers about models: who we are, the catalogue, the hub, the user's default, what a pull would bring."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
from typing import Any

from ...calls.download import plan
from ...catalog import entries, hub_search
from ...catalog.resolve import resolve, source_of
from ...config import settings
from ...core.errors import UsageError
from ...core.registry import PROTOCOL
from ...core.version import __version__
from ...engines import host
from . import schemas
from .base import Handler, Refused, aside, guarded

_HUB_SECONDS = 8.0


class AboutHandler(Handler):
    """`GET about`: any page may ask, whatever its protocol."""

    needs_protocol = False

    @guarded
    async def get(self) -> None:
        """Version, protocol, locks, memory."""
        self.answer(await aside(_about))


def _about() -> schemas.About:
    s = settings.settings()
    folder = settings.models_dir()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    return schemas.About(
        protocol=PROTOCOL,
        version=__version__,
        host=platform.node(),
        default_model=str(s.get("default.model", "") or ""),
        offline=os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"),
        locks=dict(s.locks),
        memory_total=host.total_memory(),
        memory_free=host.available_memory(),
        models_dir=str(folder),
        disk_free=shutil.disk_usage(there).free,
    )


class ModelsHandler(Handler):
    """`GET models`: the catalogue; with `ask=1` servers and services are asked, within a second."""

    @guarded
    async def get(self) -> None:
        """The entries that fit `q`."""
        query, ask = self.words("q", 200), self.words("ask") == "1"
        found = await aside(lambda: entries.catalog(query, ask=ask))
        self.answer(schemas.Models(found.entries, found.more, found.silent))


class HubHandler(Handler):
    """`GET hub`: a search of the hub, given up after some seconds."""

    @guarded
    async def get(self) -> None:
        """Repositories that fit `q` and `task`."""
        query, task, limit = self.words("q", 200), self.words("task", 60), self.number("limit", 20, 100)
        try:
            self.answer(await aside(lambda: hub_search.search(query, task, limit), _HUB_SECONDS))
        except TimeoutError:
            self.answer(hub_search.HubSearch(trouble=f"the hub did not answer within {_HUB_SECONDS:.0f} s"))


class PlanHandler(Handler):
    """`GET plan`: size and license of a pull, before it starts."""

    @guarded
    async def get(self) -> None:
        """What pulling `source` would bring."""
        found = await aside(lambda: plan(source_of(_source(self.words("source", 300)))))
        self.answer(dataclasses.asdict(found))


def _source(text: str) -> str:
    if not text.strip():
        raise Refused(400, "Which model?")
    if text.startswith("path:"):  # a browser has no business with the server's own files
        raise Refused(400, "A file of this machine is not pulled", text)
    return text


class DefaultHandler(Handler):
    """`PUT default`: the user's default model, "" takes it back."""

    @guarded
    async def put(self) -> None:
        """Write it into the user's settings."""
        model = self.body(model=str)["model"].strip()

        def work() -> dict[str, Any]:
            if model:
                if "://" in model:
                    raise UsageError("A default is a model's name", detail=model[:80])
                resolve(model)
            settings.set_user("default", "model", model or None)
            return {"model": model}

        self.answer(await aside(work))
