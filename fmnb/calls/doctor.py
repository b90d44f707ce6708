"""`%fm doctor`: what works here, and what to do about what does not."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..catalog import weights
from ..catalog.better_model import better_models
from ..catalog.engine_packages import install_for
from ..catalog.resolve import usable_profiles
from ..config import keys, settings
from ..core.errors import FmnbError
from ..core.event_loop import run_sync
from ..core.records import Rows
from ..core.version import __version__
from ..engines import host
from ..providers import hosted
from ..store import inbox, log
from ..store.db import database

# package -> what it is for, the extra that brings it ("" for a base dependency)
PACKAGES = {
    "openai": ("hosted services", ""),
    "huggingface-hub": ("weights from the hub", ""),
    "keyring": ("keys in the system's store", ""),
    "genai-prices": ("prices", ""),
    "ipywidgets": ("widgets", ""),
    "xllamacpp": ("local models, GGUF", "local"),
    "torch": ("local models, every other kind", "torch"),
    "transformers": ("local models, every other kind", "torch"),
    "pandas": ("answers as DataFrames", "frames"),
    "pypdf": ("text of PDFs", "docs"),
    "python-docx": ("Word files", "docs"),
    "python-pptx": ("PowerPoint files", "docs"),
    "openpyxl": ("Excel workbooks", "docs"),
    "pillow": ("images made smaller", "docs"),
    "jupyterlab": ("JupyterLab", "lab"),
}


def diagnose() -> Rows:
    """A table of what works here: one row per check, with its state and what to do.

    The state is `ok`, `missing`, `off`, `low` or `busy`. Nothing is sent except connection attempts
    to local ports.

    >>> any(r["check"] == "Python" for r in diagnose())
    True
    """
    rows = [*_machine(), *_packages(), *_front_end(), *_models(), *_places(), *_services()]
    return Rows(
        [{"check": check, "state": state, "detail": detail, "hint": hint} for check, state, detail, hint in rows],
        ("check", "state", "detail", "hint"),
        whole=True,
    )


def _machine() -> Iterator[tuple[str, str, str, str]]:
    yield "fmnb", "ok", __version__, ""
    yield "Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}", ""
    free = host.available_memory()
    yield "memory free", "ok" if free is None or free > 1e9 else "low", f"{free / 2**30:.1f} GiB" if free else "unknown", ""
    n, why = host.threads()
    yield "threads for local models", "ok" if not why else "busy", f"{n} of {host.cores()} cores", why


def _packages() -> Iterator[tuple[str, str, str, str]]:
    for name, (purpose, extra) in PACKAGES.items():
        try:
            yield name, "ok", version(name), ""
        except PackageNotFoundError:
            yield name, "missing", f"for {purpose}", f'%pip install "fmnb[{extra}]"' if extra else f"%pip install {name}"


def _front_end() -> Iterator[tuple[str, str, str, str]]:
    """The JupyterLab extension, if it is in this environment.

    It may instead be in the environment that JupyterLab runs in.
    """
    place = Path(sys.prefix, "share", "jupyter", "labextensions", "fmnb", "package.json")
    if place.exists():
        yield "JupyterLab extension", "ok", str(place.parent), ""
    else:
        yield (
            "JupyterLab extension",
            "off",
            "proposed code goes to a new cell each time",
            "install fmnb where JupyterLab runs, Node.js at hand",
        )


def _models() -> Iterator[tuple[str, str, str, str]]:
    path = weights.locate("embedded")
    yield (
        "model embedded",
        "ok" if path else "missing",
        str(path) if path else weights.describe_size("embedded"),
        "for trying cells; often wrong on facts, numbers, labels" if path else _steps("%fm pull embedded"),
    )
    offers = better_models()
    for offer in offers:
        yield (
            f"better: {offer.model}",
            "ready" if not offer.command else "offered",
            offer.reason,
            _steps(offer.command) or f"%fm use {offer.model}",
        )
    if not offers:
        yield (
            "better",
            "none",
            "no server, no key, and no room for a download",
            "a server such as Ollama, `%fm key set NAME`, or free memory",
        )
    folder = settings.models_dir()
    yield "models folder", "ok", str(folder), ""


def _steps(pull: str) -> str:
    """The command that downloads weights, after the one that installs their engine."""
    install = install_for(pull.removeprefix("%fm pull ")) if pull else ""
    return f"needs `{install}` and `{pull}`" if install else pull


def _places() -> Iterator[tuple[str, str, str, str]]:
    if not log.enabled():
        yield "log", "off", "", "%fm log on"
        return
    try:
        db = database()
        yield "log", "ok", f"{db.path} ({db.journal})", ""
        if n := inbox.pending():
            yield "answers", "broken", f"{n:,} of a batch cannot be filed by this version", "a newer fmnb may read them"
    except FmnbError as e:
        yield "log", "broken", e.message, e.hint
    s = settings.settings()
    for file in s.origins:
        yield "settings", "ok", file, ""
    if s.untrusted:
        yield "settings", "untrusted", f"{s.untrusted}: only [default] and [alias] apply", settings.untrusted_hint(s.untrusted)
    if s.locks:
        yield "administrator's locks", "ok", ", ".join(sorted(s.locks)), ""


def _services() -> Iterator[tuple[str, str, str, str]]:
    for name, models in run_sync(hosted.afind_local(0.3)).items():
        yield f"local server {name}", "ok", ", ".join(models[:4]) or "no models", ""
    for p in usable_profiles():
        if p.needs_key and (found := keys.status(p.key_env, p.name)):
            yield f"key for {p.name}", "ok", found, ""
    if not sys.stdin:
        yield "input", "off", "fmnb cannot ask for confirmation here", "pass the option that confirms"
