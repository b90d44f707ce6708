"""The best models that this machine can have, for somebody who only has the embedded one.

The embedded model has 135 million parameters and comes with fmnb so that the first cell needs no
key and no download. It is good for trying cells and for demonstrations. In order, better are: a
model server that runs here, larger weights that are here already, a service whose key is set, and
a download that fits memory and disk.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ..config import keys, settings
from ..core.errors import FmnbError
from ..core.event_loop import run_sync
from ..core.records import Bytes
from ..engines import host
from ..providers import prices
from ..providers.images.models import media_kinds
from ..providers.model_lists import afind_local
from ..providers.profiles import Profile, at_own_address, for_model, profile
from ..views.footer import money
from . import model_lists, weights
from .engine_packages import install_for
from .entries import Entry, local_entries
from .resolve import usable_profiles

EMBEDDED = "embedded"
GOOD_FOR = "embedded (135 million parameters) is good for trying cells and short rewrites. Its facts, numbers and labels are often wrong."
DOWNLOADS = ("qwen2.5-1.5b", "smollm2-1.7b", "qwen2.5-0.5b")  # of `known.toml`, best first
_SMALLEST = 5e8  # bytes of weights that are clearly better than the embedded model's
_SECONDS = 0.3
_FACTOR = 1.5  # memory that weights need, over their size: context and working memory
_PARAMETERS = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)\s?b(?![a-z])", re.I)


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that would answer better, and what it takes.

    `model` is the name to type. `command` comes first if not empty, such as `%fm pull NAME`. `kind`
    is running, downloaded, key or download. `reason` says in words where it runs, what is sent
    where, and for a download size and license. `size` is bytes to download, None if nothing is.
    """

    model: str
    kind: str
    reason: str
    command: str = ""
    license: str = ""
    size: int | None = None


def better_models(*, keyring: bool = True) -> tuple[Offer, ...]:
    """The offers for this machine, best first.

    Asks the model servers of this machine for their models, within 0.3 seconds, and services with a
    key at an address that is not their own, such as a gateway: only what it lists is offered. Asks
    nobody else.

    Args:
        keyring: Whether keys in the system's keyring count, which may have to be unlocked.

    Returns:
        At most one offer of each kind. Empty if nothing better can be had.

    >>> all(o.model != "embedded" for o in better_models(keyring=False))
    True
    """
    served = run_sync(afind_local(_SECONDS))
    memory, disk = host.available_memory(), _free_disk(settings.models_dir())
    mine = [
        e for e in local_entries() if e.chat and "text" in e.outputs and e.model not in (EMBEDDED, "echo:") and weights.permitted(e.model)
    ]
    with_key = [p for p in usable_profiles() if _has_key(p, keyring)]
    listed = _listed([p for p in with_key if not p.models and not at_own_address(p)])
    found = (
        _running(served),
        _downloaded(mine, memory),
        _with_key(with_key, listed),
        None if _is_offline() else _download({e.model for e in mine if e.ready.startswith("%fm pull")}, memory, disk),
    )
    return tuple(o for o in found if o is not None)


def _running(served: Mapping[str, Iterable[str]]) -> Offer | None:
    """The largest model, by its name, of the servers on this machine."""
    found = []
    for name, models in served.items():
        p = profile(name)
        found += [(p, m) for m in models if for_model(p, m).local and "embed" not in m and _is_allowed(f"{name}:{m}")]
    if not found:
        return None
    p, model = max(found, key=lambda pair: _parameters(pair[1]))
    return Offer(f"{p.name}:{model}", "running", f"{p.label} serves it on this machine")


def _downloaded(entries: Iterable[Entry], memory: int | None) -> Offer | None:
    ready = [e for e in entries if e.ready in ("yes", "loaded") and (e.size or 0) >= _SMALLEST]
    fitting = [e for e in ready if memory is None or (e.memory or (e.size or 0) * _FACTOR) <= memory]
    best = max(fitting, key=lambda e: e.size or 0, default=None)
    if best is None:
        return None
    return Offer(best.model, "downloaded", f"{Bytes(best.size or 0)} of weights, downloaded; runs on this machine", license=best.license)


def _listed(profiles: Sequence[Profile]) -> dict[str, tuple[str, ...]]:
    """The models that these services list now, by provider; nothing of one that does not answer in time."""
    if not profiles:
        return {}
    importlib.import_module("openai")  # takes longer than the services have
    silent = model_lists.refresh(profiles, _SECONDS)
    lists = {p.name: model_lists.cached_list(p) for p in profiles if p.name not in silent}
    return {name: tuple(m.name for m in found.models) for name, found in lists.items() if found}


def _with_key(profiles: Iterable[Profile], listed: Mapping[str, Sequence[str]] = MappingProxyType({})) -> Offer | None:
    """The balanced model of the first service with a key, or the first model that its address lists."""
    for p in profiles:
        if theirs := [m for m in listed.get(p.name, ()) if _is_allowed(f"{p.name}:{m}") and not media_kinds(p, m) and "embed" not in m]:
            return Offer(f"{p.name}:{theirs[0]}", "key", f"prompts go to {p.recipient}, price unknown")
        names = [m for m in p.models if _is_allowed(f"{p.name}:{m}") and not media_kinds(p, m) and "embed" not in m]
        if names:
            model = _balanced(p, names)
            price_in, price_out = _price(p, model) or (None, None)
            price = "price unknown" if price_in is None else f"{money(price_in)} / {money(price_out or 0.0)} per million tokens in / out"
            return Offer(f"{p.name}:{model}", "key", f"prompts go to {p.recipient}, {price}")
    return None


def _balanced(p: Profile, names: Sequence[str]) -> str:
    """Between a service's dearest model and its cheapest: what people would choose who know its list.

    Release dates are not known, but a profile names the current generation first, mostly in three
    sizes. Of the first three models with a price, those whose context window is less than a quarter
    of the largest are of an earlier generation. Of the others, it is the one with the middle price,
    and of two the dearer. A price is that of three tokens of prompt and one of answer. Without
    prices, it is the first model.
    """
    known = [(m, price) for m in names if (price := _price(p, m))][:3]
    windows = {m: prices.context(p, m) for m, _ in known}
    largest = max((w for w in windows.values() if w), default=0)
    known = [(m, price) for m, price in known if (windows[m] or largest) * 4 >= largest]
    by_price = sorted(known, key=lambda pair: 3 * pair[1][0] + pair[1][1])
    return by_price[len(by_price) // 2][0] if by_price else names[0]


def _price(p: Profile, model: str) -> tuple[float, float] | None:
    try:
        price_in, price_out = prices.per_million(p, model)
    except FmnbError:  # the price table is not installed
        return None
    return None if price_in is None or price_out is None else (price_in, price_out)


def _download(names: Collection[str], memory: int | None, disk: int | None) -> Offer | None:
    """The first of `DOWNLOADS` among `names` that fits free memory and disk (bytes, None if unknown)."""
    for name in DOWNLOADS:
        row = weights.known(name)
        size = row.approximate_size
        if name not in names or size is None:
            continue
        if (disk is None or size * 1.1 <= disk) and (memory is None or size * _FACTOR <= memory):
            install = install_for(name)
            needs = f"; needs `{install}` first" if install else ""
            reason = f"about {Bytes(size)}, {row.license}; then runs here, without a key{needs}"
            return Offer(name, "download", reason, f"%fm pull {name}", row.license, size)
    return None


def _is_allowed(model: str) -> bool:
    return settings.allowed("models", model) and settings.allowed("providers", model.partition(":")[0])


def _has_key(p: Profile, keyring: bool) -> bool:
    if p.local or not p.needs_key:
        return False
    return any(os.environ.get(v, "").strip() for v in p.key_env) or (keyring and keys.stored(p.name))


def _parameters(model: str) -> float:
    """Billions of parameters by a model's name; 0 if it does not say.

    >>> _parameters("ollama:llama3.2:3b"), _parameters("lmstudio:qwen2.5-1.5b-instruct"), _parameters("vllm:m")
    (3.0, 1.5, 0.0)
    """
    return max((float(n) for n in _PARAMETERS.findall(model)), default=0.0)


def _free_disk(folder: Path) -> int | None:
    for place in (folder, *folder.parents):
        if place.is_dir():
            try:
                return shutil.disk_usage(place).free
            except OSError:
                return None
    return None


def _is_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
