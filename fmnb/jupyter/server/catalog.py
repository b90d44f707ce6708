"""Handlers for models: server information, catalog, hub search, default model, download plans."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
from typing import Any

from ...calls.download import plan
from ...catalog import entries, hub_search
from ...catalog.better_model import better_models
from ...catalog.resolve import resolve, source_of
from ...config import settings
from ...core.errors import UsageError
from ...core.registry import PROTOCOL
from ...core.version import __version__
from ...engines import host
from . import schemas
from .base import Handler, RequestError, endpoint, run_in_thread

_HUB_SECONDS = 8.0


class AboutHandler(Handler):
    """`GET about`: for pages of any protocol."""

    needs_protocol = False

    @endpoint
    async def get(self) -> None:
        """Version, protocol, locks, memory."""
        self.respond(await run_in_thread(_about))


def _about() -> schemas.About:
    s = settings.settings()
    folder = settings.models_dir()
    existing = next(p for p in (folder, *folder.parents) if p.exists())
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
        disk_free=shutil.disk_usage(existing).free,
    )


class ModelsHandler(Handler):
    """`GET models`: the catalog; `ask=1` queries servers and services, within a second."""

    @endpoint
    async def get(self) -> None:
        """The entries that match `q`."""
        query, ask = self.text_argument("q", 200), self.text_argument("ask") == "1"
        found = await run_in_thread(lambda: entries.catalog(query, ask=ask))
        offers = () if query.strip() else await run_in_thread(better_models)
        self.respond(schemas.Models(found.entries, found.more, found.unreachable, offers))


class HubHandler(Handler):
    """`GET hub`: a search of the hub, with a time limit."""

    @endpoint
    async def get(self) -> None:
        """Repositories that match `q` and `task`."""
        query, task, limit = self.text_argument("q", 200), self.text_argument("task", 60), self.int_argument("limit", 20, 100)
        try:
            self.respond(await run_in_thread(lambda: hub_search.search(query, task, limit), _HUB_SECONDS))
        except TimeoutError:
            self.respond(hub_search.HubSearch(error=f"the hub did not answer within {_HUB_SECONDS:.0f} s"))


class PlanHandler(Handler):
    """`GET plan`: size and license of a download, before it starts."""

    @endpoint
    async def get(self) -> None:
        """The plan for downloading `source`."""
        found = await run_in_thread(lambda: plan(source_of(_checked_source(self.text_argument("source", 300)))))
        self.respond(dataclasses.asdict(found))


def _checked_source(text: str) -> str:
    if not text.strip():
        raise RequestError(400, "Which model?")
    if source_of(text).startswith("path:"):  # a browser must not read the server's own files
        raise RequestError(400, "A file on this machine cannot be downloaded", text)
    return text


class DefaultHandler(Handler):
    """`PUT default`: the user's default model; "" removes it."""

    @endpoint
    async def put(self) -> None:
        """Write the default model to the user's settings."""
        model = self.json_body(model=str)["model"].strip()

        def work() -> dict[str, Any]:
            if model:
                if "://" in model:
                    raise UsageError("The default must be the name of a model", detail=model[:80])
                resolve(model)
            settings.set_user("default", "model", model or None)
            return {"model": model}

        self.respond(await run_in_thread(work))
