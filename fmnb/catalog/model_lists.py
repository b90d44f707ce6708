"""Model lists of services, queried with a deadline and cached: a cached list needs no network.

Queries continue after the deadline; a late list is available the next time.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.settings import state_dir
from ..core.atomic_write import replace_file
from ..core.errors import FmnbError
from ..core.event_loop import run_sync
from ..providers import model_lists
from ..providers.model_lists import ListedModel
from ..providers.profiles import Profile

FRESH = 24 * 3600.0  # seconds for which a list is not refreshed unless its provider is named
SECONDS = 10.0  # seconds after which an abandoned query ends
_asking: dict[str, asyncio.Task[Any]] = {}  # address -> the query in progress


@dataclass(frozen=True, slots=True)
class ModelList:
    """The model list of a provider, and its time in seconds since the epoch."""

    models: tuple[ListedModel, ...]
    at: float


def cached_list(p: Profile) -> ModelList | None:
    """The cached list of this provider at this address, or None."""
    row = _read().get(p.name)
    if not isinstance(row, dict) or row.get("url") != p.base_url:
        return None
    try:
        return ModelList(tuple(m for given in row["models"] if (m := _model(given))), float(row["at"]))
    except (KeyError, TypeError, ValueError):
        return None


def refresh(profiles: Sequence[Profile], seconds: float) -> dict[str, str]:
    """Query these providers concurrently, for at most `seconds`; returns why others did not answer.

    For synchronous code. Late answers are cached when they arrive.
    """
    return run_sync(_ask(profiles, seconds)) if profiles else {}


async def _ask(profiles: Sequence[Profile], seconds: float) -> dict[str, str]:
    tasks = {}
    for p in profiles:
        task = _asking.get(p.base_url)
        if task is None or task.done():
            task = _asking[p.base_url] = asyncio.ensure_future(_keep(p))
        tasks[p.name] = task
    await asyncio.wait(tasks.values(), timeout=seconds)
    return {name: t.result() if t.done() else "no answer yet" for name, t in tasks.items() if not t.done() or t.result()}


async def _keep(p: Profile) -> str:
    """Query one provider and cache its list; returns "" or the reason of a failure."""
    try:
        found = await model_lists.list_models(p, SECONDS)
    except FmnbError as e:
        return e.message
    except Exception as e:  # the catalog works without a list, whatever the error
        return type(e).__name__
    finally:
        _asking.pop(p.base_url, None)
    if found or p.models_shape != "none":
        _write(p, found)
    return ""


def _file() -> Path:
    return state_dir() / "listed.json"


_cache: tuple[Any, dict[str, Any]] | None = None


def _read() -> dict[str, Any]:
    """The cached lists; the file is read again when it changes."""
    global _cache
    try:
        stat = _file().stat()
    except OSError:
        return {}
    stamp = (str(_file()), stat.st_mtime_ns, stat.st_size)
    if _cache is None or _cache[0] != stamp:
        try:
            data = json.loads(_file().read_text("utf-8"))
        except (OSError, ValueError):
            data = {}
        _cache = (stamp, data if isinstance(data, dict) else {})
    return _cache[1]


def _write(p: Profile, found: Sequence[ListedModel]) -> None:
    rows = [{k: v for k, v in dataclasses.asdict(m).items() if v not in (None, ())} for m in found]
    data = {**_read(), p.name: {"url": p.base_url, "at": time.time(), "models": rows}}
    temporary = _file().with_name(f"listed.json.{os.getpid()}.new")
    try:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(data), "utf-8")
        replace_file(temporary, _file())
    except OSError:  # a full disk only costs another query
        temporary.unlink(missing_ok=True)


def _model(row: Any) -> ListedModel | None:
    """A cached row; None if it is damaged."""
    try:
        prices = {k: float(row[k]) for k in ("price_in", "price_out") if k in row}
        found = ListedModel(row["name"], row.get("context"), tuple(row.get("inputs", ())), tuple(row.get("outputs", ())), **prices)
    except (AttributeError, LookupError, TypeError, ValueError):
        return None
    words = all(isinstance(word, str) for word in (found.name, *found.inputs, *found.outputs))
    return found if words and isinstance(found.context, (int, type(None))) else None
