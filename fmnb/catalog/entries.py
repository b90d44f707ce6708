"""The catalog: one Entry for each model.

Entries come from the models folder, fmnb's tables and the services' own lists.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..config import keys
from ..config.settings import allowed
from ..core.errors import FmnbError
from ..core.event_loop import run_sync
from ..core.registry import ENGINES, load
from ..core.types import ModelInfo
from ..engines import loaded as residents
from ..providers import hosted, prices
from ..providers.model_lists import ListedModel
from ..providers.profiles import Profile, at_own_address, for_model, own_price
from . import filters, model_lists, weights
from .engine_packages import install_engine
from .resolve import SCHEMES, aliases, engine_for, usable_profiles

_NON_VISION = ("tts", "audio", "realtime", "transcribe", "live", "search")  # related models without image input: audio, speech, search
_NON_TEXT = (
    *_NON_VISION[:-1],
    "image",
    "video",
    "voice",
    "speech",
    "whisper",
    "moderation",
    "rerank",
    "ocr",
)  # priced per token, but without text output
_LISTED = 12  # models shown of an address that only has its own list
ASK = 0.7  # total seconds for queries; the table should appear within one


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the catalog.

    `ready` is yes, loaded, locked, or what to do first; `host` is "local" or the host that receives
    requests; sizes are bytes, prices US dollars per million tokens, `used` and `at` (the time of
    `source`) seconds since the epoch. None means unknown.
    """

    model: str
    provider: str
    ready: str = ""
    host: str = "local"
    local: bool = True
    context: int | None = None
    inputs: tuple[str, ...] = ("text",)
    outputs: tuple[str, ...] = ("text",)
    chat: bool = True
    price_in: float | None = None
    price_out: float | None = None
    license: str = ""
    size: int | None = None
    memory: int | None = None
    used: float | None = None
    source: str = ""
    at: float | None = None
    note: str = ""

    @property
    def search_text(self) -> str:
        """All searchable text, in lower case."""
        return " ".join((self.model, self.provider, self.ready, self.host, self.license, self.note, *self.inputs, *self.outputs)).lower()


@dataclass(frozen=True, slots=True)
class Catalog:
    """The entries, numbers of further models by provider, and why providers did not answer."""

    entries: tuple[Entry, ...]
    more: dict[str, int]
    unreachable: dict[str, str]


def catalog(query: str = "", *, ask: bool = True) -> Catalog:
    """The models that match `query` (see `filters`).

    With `ask`, local servers and services with a key are queried, within a second in all.
    """
    began = time.monotonic()
    tests = filters.tests(query)
    served: dict[str, tuple[str, ...]] = {}
    unreachable: dict[str, str] = {}
    profiles = usable_profiles()
    if ask:
        prices.ready()  # the rest of the table is not part of the query time
        served = run_sync(hosted.afind_local(ASK / 3))
        unreachable = model_lists.refresh([p for p in profiles if _should_query(p, query)], ASK - (time.monotonic() - began))
    more: dict[str, int] = {}
    found = list(local_entries())
    for p in profiles:
        found += _served(p, served.get(p.name, ())) if p.local else _hosted(p, bool(query.strip()), more)
    found = [_locked(e) for e in found]
    kept = [e for e in found if all(t(e) for t in tests)]
    by_name = {e.model: e for e in found}
    for name, model in aliases().items():
        meant = by_name.get(model) or _locked(Entry(model, model.partition(":")[0], host="", local=False, inputs=(), outputs=()))
        if all(t(meant) or t(replace(meant, model=name)) for t in tests):
            kept.append(replace(meant, model=name, note=f"alias of {model}"))
    return Catalog(tuple(kept), more, unreachable)


def _should_query(p: Profile, query: str) -> bool:
    words = query.lower().split()
    if p.local or "local" in words or p.models_shape == "none" or (p.needs_key and not keys.status(p.key_env, p.name)):
        return False
    known = model_lists.cached_list(p)
    return known is None or p.name in words or time.time() - known.at > model_lists.FRESH


def _locked(e: Entry) -> Entry:
    free = weights.permitted(e.model) if e.provider in SCHEMES else allowed("models", e.model) and allowed("providers", e.provider)
    if free:
        return e
    return replace(e, ready="locked", note="not allowed by this machine's administrator")


def local_entries() -> Iterator[Entry]:
    """Weights: all known ones, and others in the models folder."""
    in_memory = {str(m.path): m for m in residents.loaded_models()}
    here = {str(d.path): d for d in weights.downloaded()}
    shown = set()
    for name in weights.known_names():
        row = weights.known(name)
        path = _located(row.source)
        shown.add(row.source)
        entry = Entry(
            name,
            row.source.partition(":")[0],
            ready="yes" if path else f"%fm pull {name}",
            price_in=0.0,
            price_out=0.0,
            license=row.license,
            size=row.size or row.download,
            source="table of fmnb",
            note=row.title,
        )
        entry = replace(entry, outputs=(row.makes or "text",), chat=row.chat)
        yield _with_file(entry, path, here, in_memory)
    for d in here.values():
        if d.source not in shown:
            entry = Entry(d.source, d.source.partition(":")[0], ready="yes", price_in=0.0, price_out=0.0, license=d.license, size=d.size)
            yield _with_file(entry, d.path, here, in_memory)
    yield Entry(
        "echo:",
        "echo",
        ready="yes",
        price_in=0.0,
        price_out=0.0,
        license="Apache-2.0",
        source="fmnb itself",
        note="repeats its input; for tests and bug reports",
    )


def _located(source: str) -> Path | None:
    try:
        return weights.locate(source)
    except FmnbError:  # damaged or ambiguous: reported when the model is used
        return None


def _with_file(e: Entry, path: Path | None, here: dict[str, weights.DownloadedModel], in_memory: dict[str, residents.LoadedModel]) -> Entry:
    """Facts about local weights, read from their files."""
    if path is None:
        return e
    pulled, loaded, info = here.get(str(path)), in_memory.get(str(path)), _info(path, e.model)
    if info is not None:
        e = replace(
            e,
            context=info.context,
            inputs=info.inputs,
            outputs=info.outputs,
            chat=info.chat,
            license=e.license or info.license,
            size=info.size or e.size,
            memory=info.memory,
            source="the file",
        )
    if missing := install_engine(engine_for(path)):
        e = replace(e, ready=missing)
    if loaded is not None:
        e = replace(e, ready="loaded", memory=loaded.memory or e.memory)
    return replace(e, used=pulled.used) if pulled else e


def _info(path: Path, name: str) -> ModelInfo | None:
    try:
        info: ModelInfo = load(ENGINES[engine_for(path)])(path, name).info
        return info
    except (FmnbError, ImportError, OSError):  # the engine is not installed, or the file is damaged
        return None


def _served(p: Profile, names: tuple[str, ...]) -> Iterator[Entry]:
    for m in names:
        at = for_model(p, m)  # the server forwards some models to another host
        price_in, price_out = prices.per_million(at, m)
        yield Entry(
            f"{p.name}:{m}",
            p.name,
            ready="yes",
            host=at.host,
            local=at.local,
            price_in=price_in,
            price_out=price_out,
            source="the server",
            at=time.time(),
            note=f"served by {p.label}",
        )


def _hosted(p: Profile, all_of_them: bool, more: dict[str, int]) -> Iterator[Entry]:
    """The curated models of a service; with `all_of_them` also those of its list or the price table."""
    known = model_lists.cached_list(p)
    own = at_own_address(p)
    theirs = {m.name: m for m in (known.models if known else prices.table(p) if own else ())}
    source, at = (f"{p.label}'s list", known.at) if known else (prices.edition(), None)
    names = [*p.models, *(m for m in theirs if m not in p.models)]
    if not all_of_them:
        shown = list(p.models) if own or p.models else names[:_LISTED]
        if rest := len(names) - len(shown):
            more[p.name] = rest
        names = shown
    have = not p.needs_key or bool(keys.status(p.key_env, p.name))
    blank = Entry(
        f"{p.name}:…",
        p.name,
        ready="yes" if have else f"%fm key set {p.name}",
        host=p.recipient,
        local=False,
        inputs=(),
        outputs=(),
        note=p.notes,
    )
    for name in names:
        yield _hosted_entry(p, name, theirs.get(name) or ListedModel(name), replace(blank, note=""), source if name in theirs else "", at)
    if not names:
        yield blank


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _hosted_entry(p: Profile, name: str, told: ListedModel, blank: Entry, source: str, at: float | None) -> Entry:
    price_in, price_out = told.price_in, told.price_out
    context = told.context
    own = own_price(p, name) is not None
    if own or (price_in is None and p.prices):
        price_in, price_out = prices.per_million(p, name)
        context = context or prices.context(p, name)
    inputs, outputs = told.inputs, told.outputs
    made = next((kind for kind, of in (("image", p.image_models), ("video", p.video_models)) if _fits(name, of)), "")
    if made:
        outputs = (made,)
    elif "embed" in name.lower():
        outputs = ("vector",)
    elif not outputs and (name in p.models or (price_out and not any(word in name.lower() for word in _NON_TEXT))):
        outputs = ("text",)
    if not inputs:
        sees = _fits(name, p.vision_models) and "vector" not in outputs and not any(word in name for word in _NON_VISION)
        inputs = ("text", "image") if sees else ("text",) if name in p.models else ()
    facts = "fmnb.toml" if own else source or (prices.edition() if price_in is not None else "table of fmnb")
    return dataclasses.replace(
        blank,
        model=f"{p.name}:{name}",
        context=context,
        inputs=inputs,
        outputs=outputs,
        price_in=price_in,
        price_out=price_out,
        source=facts,
        at=at,
    )
