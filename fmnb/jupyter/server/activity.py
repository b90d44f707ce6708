"""Handlers for runs, tokens and cost, and for saved prompts."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from ...catalog import weights
from ...catalog.resolve import SCHEMES
from ...config import settings
from ...core.errors import FmnbError, UsageError
from ...core.events import Event, Media, Started, event_to_dict
from ...core.types import to_dict
from ...limits.budget import budget
from ...prompts.prompt import Prompt, check_name, list_prompts
from ...store import log
from . import schemas
from .base import Handler, endpoint, run_in_thread

_MAX_MEDIA = 200_000  # bytes of an image sent with its run


class ActivityHandler(Handler):
    """`GET activity`."""

    @endpoint
    async def get(self) -> None:
        """Recent runs that match `q`, and spending today and in `notebook`."""
        query, notebook, limit = self.text_argument("q", 500), self.text_argument("notebook", 1000), self.int_argument("limit", 50, 500)

        def work() -> schemas.Activity:
            midnight = datetime.datetime.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
            in_notebook = log.totals(notebook=notebook) if notebook else {}
            runs = tuple(_row(r) for r in log.search(query, limit=limit))
            return schemas.Activity(
                schemas.Spending(**log.totals(since=midnight)), schemas.Spending(**in_notebook), runs, budget().limit, log.enabled()
            )

        self.respond(await run_in_thread(work))


class RunHandler(Handler):
    """`GET runs/RUN`."""

    @endpoint
    async def get(self, run: str) -> None:
        """One run with its request and its events."""

        def work() -> schemas.RunDetail:
            events = log.events_of(run)
            rows = [r for r in log.search(limit=100_000) if r["run"] == run]
            if not rows:
                raise UsageError("No such run in the log", detail=run[:40])
            start = next((e for e in events if isinstance(e, Started)), None)
            request = to_dict(start.request) if start is not None and start.request is not None else None
            return schemas.RunDetail(_row(rows[0]), request, tuple(_without_media(e) for e in events))

        self.respond(await run_in_thread(work))


def _row(r: dict[str, Any]) -> schemas.RunRow:
    values = {n: r[n] for n in schemas.RunRow.__dataclass_fields__ if r.get(n) is not None}
    values["prompt"], values["text"] = (r.get("prompt") or "")[:2000], (r.get("text") or "")[:2000]
    values["model"] = _known_name(str(values.get("model", "")))
    return schemas.RunRow(**{"source": "", "kind": "", **values})


def _known_name(model: str) -> str:
    """The short name of known weights, which the log lists by their source."""
    if model.partition(":")[0] not in SCHEMES:
        return model
    try:
        known = weights.known_of(weights.parse(model))
    except FmnbError:
        return model
    return known.alias if known is not None else model


def _without_media(event: Event) -> dict[str, Any]:
    data = event_to_dict(event)
    if isinstance(event, Started):
        data.pop("request", None)
    if isinstance(event, Media) and len(event.data) > _MAX_MEDIA:
        data["data"] = ""
    return data


def _prompt(p: Prompt) -> schemas.PromptRow:
    return schemas.PromptRow(p.name or "", p.text, p.system, p.version)


class PromptsHandler(Handler):
    """`GET prompts`; `PUT prompts/NAME`, `DELETE prompts/NAME` in the user's folder."""

    @endpoint
    async def get(self, name: str = "") -> None:
        """All saved prompts."""
        if name:
            check_name(name)
            self.respond(_prompt(await run_in_thread(lambda: Prompt.load(name))))
            return
        self.respond([dataclasses.asdict(_prompt(p)) for p in await run_in_thread(list_prompts)])

    @endpoint
    async def put(self, name: str = "") -> None:
        """Save a prompt for this user; changed text becomes a new version."""
        body = self.json_body(text=str, system=str)
        check_name(name)
        p = await run_in_thread(lambda: Prompt(body["text"], name=name, system=body["system"]).save(user=True))
        self.respond(_prompt(p))

    @endpoint
    async def delete(self, name: str = "") -> None:
        """Delete a prompt from the user's folder; its older versions remain readable there."""
        check_name(name)

        def work() -> None:
            saved = Prompt.load(name)
            if saved.path is None:
                return
            if not saved.path.resolve().is_relative_to(settings.home().resolve()):
                raise UsageError(
                    "This prompt belongs to the project", detail=str(saved.path), hint="Delete its file there if nobody else needs it."
                )
            saved.path.unlink()

        await run_in_thread(work)
        self.respond({"name": name})
