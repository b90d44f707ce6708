"""Handlers about what was asked: runs, one run whole, tokens and money; and the user's saved prompts."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from ...core.errors import UsageError
from ...core.events import Event, Media, Started, event_to_dict
from ...core.types import to_dict
from ...limits.budget import budget
from ...prompts.prompt import Prompt, check_name, list_prompts
from ...store import log
from . import schemas
from .base import Handler, aside, guarded

_MEDIA = 200_000  # bytes of a picture that is sent with its run


class ActivityHandler(Handler):
    """`GET activity`."""

    @guarded
    async def get(self) -> None:
        """Recent runs that fit `q`, and what was spent today and in `notebook`."""
        query, notebook, limit = self.words("q", 500), self.words("notebook", 1000), self.number("limit", 50, 500)

        def work() -> schemas.Activity:
            midnight = datetime.datetime.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
            here = log.totals(notebook=notebook) if notebook else {}
            runs = tuple(_row(r) for r in log.search(query, limit=limit))
            return schemas.Activity(schemas.Spent(**log.totals(since=midnight)), schemas.Spent(**here), runs, budget().limit, log.enabled())

        self.answer(await aside(work))


class RunHandler(Handler):
    """`GET runs/RUN`."""

    @guarded
    async def get(self, run: str) -> None:
        """One run whole: its row, its request, its events."""

        def work() -> schemas.RunDetail:
            events = log.events_of(run)
            found = [r for r in log.search(limit=100_000) if r["run"] == run]
            if not found:
                raise UsageError("No such run in the log", detail=run[:40])
            start = next((e for e in events if isinstance(e, Started)), None)
            request = to_dict(start.request) if start is not None and start.request is not None else None
            return schemas.RunDetail(_row(found[0]), request, tuple(_light(e) for e in events))

        self.answer(await aside(work))


def _row(r: dict[str, Any]) -> schemas.RunRow:
    kept = {n: r[n] for n in schemas.RunRow.__dataclass_fields__ if r.get(n) is not None}
    kept["prompt"], kept["text"] = (r.get("prompt") or "")[:2000], (r.get("text") or "")[:2000]
    return schemas.RunRow(**{"model": "", "source": "", "kind": "", **kept})


def _light(event: Event) -> dict[str, Any]:
    told = event_to_dict(event)
    if isinstance(event, Started):
        told.pop("request", None)
    if isinstance(event, Media) and len(event.data) > _MEDIA:
        told["data"] = ""
    return told


def _prompt(p: Prompt) -> schemas.PromptRow:
    return schemas.PromptRow(p.name or "", p.text, p.system, p.version)


class PromptsHandler(Handler):
    """`GET prompts`; `PUT prompts/NAME`, `DELETE prompts/NAME` of the user's own folder."""

    @guarded
    async def get(self, name: str = "") -> None:
        """All saved prompts."""
        if name:
            check_name(name)
            self.answer(_prompt(await aside(lambda: Prompt.load(name))))
            return
        self.answer([dataclasses.asdict(_prompt(p)) for p in await aside(list_prompts)])

    @guarded
    async def put(self, name: str = "") -> None:
        """Keep a prompt for this user; changed text becomes a new version."""
        given = self.body(text=str, system=str)
        check_name(name)
        p = await aside(lambda: Prompt(given["text"], name=name, system=given["system"]).save(user=True))
        self.answer(_prompt(p))

    @guarded
    async def delete(self, name: str = "") -> None:
        """Remove a prompt of the user's folder; its older versions stay readable there."""
        check_name(name)

        def work() -> None:
            kept = Prompt.load(name)
            if kept.path is not None:
                kept.path.unlink()

        await aside(work)
        self.answer({"name": name})
