"""Settings, locks and folders.

In order of increasing precedence: administrator's defaults, user's `fmnb.toml`, project's
`fmnb.toml`, environment. An administrator's `[lock]` table overrides all. A project file may
name models and parameters (`[default]`, `[alias]`); everything else in it (URLs, headers, key
variables, folders, log settings) only applies after the user trusted that exact file.

    [default]            model = "embedded"   temperature = 0.2
    [alias]              fast = "openai:gpt-5-mini"
    [provider.mine]      base_url = "http://localhost:8000/v1"   key_env = ["MINE_KEY"]
    [source.air]         url = "https://air.example.com/{city}"   ttl = "10m"
    [log]                keep_days = 30
    [models]             dir = "..."   shared = ["/opt/models"]
    [lock]               providers, models, urls, budget, models_dir, keep_days   (administrator only)
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.atomic_write import replace_file
from ..core.errors import LockedError, SettingsError
from ..core.file_lock import alone_with
from . import environment, lock_patterns
from .settings_file import check_administrators
from .settings_file import read_toml as read_toml  # for other rooms, which read tables of their own

FILE = "fmnb.toml"
_UNTRUSTED = ("default", "alias")  # tables that apply in an untrusted project file


def home() -> Path:
    """The user's folder: `FMNB_HOME`, else the platform's data folder. Not created here."""
    if set_ := os.environ.get("FMNB_HOME"):
        return _path(set_)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library/Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    return base / "fmnb"


def state_dir() -> Path:
    """The folder of log and cache: `FMNB_STATE` (for network homes), else `home()`."""
    set_ = os.environ.get("FMNB_STATE")
    return _path(set_) if set_ else home()


@functools.lru_cache(8)
def _path(named: str) -> Path:
    """A path from a variable; cached, since the log checks it with every write."""
    return Path(named).expanduser()


def models_dir() -> Path:
    """The folder for downloaded weights.

    The first of: a lock, `FMNB_MODELS`, the setting `models.dir`, `home()/models`.
    """
    s = settings()
    chosen = s.lock("models_dir") or os.environ.get("FMNB_MODELS") or s.get("models.dir")
    return Path(chosen).expanduser() if chosen else home() / "models"


def shared_models_dirs() -> list[Path]:
    """Read-only folders that are searched before a download.

    From `FMNB_MODELS_SHARED` (a path list) and the setting `models.shared`.
    """
    env = [p for p in os.environ.get("FMNB_MODELS_SHARED", "").split(os.pathsep) if p]
    return [Path(p).expanduser() for p in [*env, *settings().get("models.shared", [])]]


def working_folder() -> Path | None:
    """The working folder; None if it was deleted."""
    try:
        return Path.cwd()
    except OSError:
        return None


_INITIAL_FOLDER, _INITIAL_PREFIX = working_folder() or Path("/"), sys.prefix


def _admin_files() -> list[Path]:
    """Jupyter's system config folders, highest precedence last: those that only root can write.

    They are fixed at kernel start, so that no cell can lift a lock, or name an address that keys go to.
    """
    extra = environment.initial("FMNB_ADMIN_CONFIG")
    roots = [_INITIAL_FOLDER / extra] if extra else []
    roots.append(Path(_INITIAL_PREFIX) / "etc/jupyter")
    if sys.platform == "win32":
        roots.append(Path(environment.initial("PROGRAMDATA") or r"C:\ProgramData") / "jupyter")
    else:
        roots += [Path("/usr/local/etc/jupyter"), Path("/etc/jupyter")]
    return [r / FILE for r in roots]


def home_set_by_notebook() -> bool:
    """Whether a cell moved the folder with the user's settings, keys and trusted projects.

    The settings file there then counts as a project's: somebody else may have written it.
    """
    chosen = "FMNB_HOME" if os.environ.get("FMNB_HOME") or environment.initial("FMNB_HOME") else ""
    if not chosen and sys.platform == "win32":
        return environment.set_here("LOCALAPPDATA") or (not os.environ.get("LOCALAPPDATA") and environment.set_here("USERPROFILE"))
    if not chosen and sys.platform != "darwin" and (os.environ.get("XDG_DATA_HOME") or environment.initial("XDG_DATA_HOME")):
        chosen = "XDG_DATA_HOME"
    return environment.set_here(chosen or "HOME")


def user_file() -> Path:
    """The user's own settings file (it may not exist)."""
    return home() / FILE


def project_file(start: Path | None = None) -> Path | None:
    """The nearest `fmnb.toml` at or above the working folder, not above the home folder."""
    here = start.resolve() if start else working_folder()
    if here is None:
        return None
    stop = {Path.home().resolve(), Path(here.anchor)}
    for folder in (here, *here.parents):
        if (folder / FILE).is_file() and (folder / FILE) != user_file():
            return folder / FILE
        if folder in stop:
            break
    return None


@dataclass(frozen=True)
class Settings:
    """All layers merged. `origins` are the files read; `untrusted` is a file that applies in part:
    a project's, or the user's in a folder that a cell set."""

    values: dict[str, Any] = field(default_factory=dict)
    locks: dict[str, Any] = field(default_factory=dict)
    origins: tuple[str, ...] = ()
    untrusted: Path | None = None
    layers: tuple[tuple[str, dict[str, Any]], ...] = ()

    def get(self, dotted: str, default: Any = None) -> Any:
        """The value at `table.name`."""
        at: Any = self.values
        for part in dotted.split("."):
            if not isinstance(at, dict) or part not in at:
                return default
            at = at[part]
        return at

    def lock(self, name: str) -> Any:
        """An administrator's lock, or None."""
        return self.locks.get(name)

    def origin_of(self, dotted: str) -> str:
        """The layer that set a value: administrator, user, project, or ""."""
        table, _, name = dotted.partition(".")
        found = ""
        for origin, values in self.layers:
            if name in values.get(table, {}):
                found = origin
        return found


_cache: tuple[Any, Settings] | None = None
_frozen: Settings | None = None
_holders = 0
_frozen_lock = threading.Lock()
_PATH_VARIABLES = ("FMNB_HOME", "XDG_DATA_HOME", "HOME", "LOCALAPPDATA", "USERPROFILE", "PROGRAMDATA")


def settings() -> Settings:
    """The current settings. Files are read again when their modification times change."""
    global _cache
    if (held_now := _frozen) is not None:
        return held_now
    places = (str(working_folder() or ""), *map(os.environ.get, _PATH_VARIABLES))
    stamp = (places, tuple(map(_mtime, _candidates(places))))
    if _cache is None or _cache[0] != stamp:
        project = project_file()
        files = [("administrator", p) for p in _admin_files()] + [("user", user_file())]
        _cache = (stamp, _read(files + ([("project", project)] if project else [])))
    return _cache[1]


@contextlib.contextmanager
def frozen() -> Iterator[None]:
    """Freeze the settings for the duration of a call, which reads them a dozen times."""
    global _frozen, _holders
    now = settings()
    with _frozen_lock:
        _holders += 1
        _frozen = now
    try:
        yield
    finally:
        with _frozen_lock:
            _holders -= 1
            if not _holders:
                _frozen = None


@functools.lru_cache(maxsize=16)
def _candidates(places: tuple[str | None, ...]) -> tuple[str, ...]:
    """All files that can affect the settings, for one working folder and environment."""
    above = (here, *here.parents) if places[0] and (here := Path(places[0])) else ()
    return tuple(map(str, (*_admin_files(), user_file(), home() / "trusted.json", *(folder / FILE for folder in above))))


def _mtime(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _read(files: list[tuple[str, Path]]) -> Settings:
    values: dict[str, Any] = {}
    locks: dict[str, Any] = {}
    layers: list[tuple[str, dict[str, Any]]] = []
    untrusted = None
    for origin, path in files:
        if not (_exists(path) if origin == "administrator" else path.is_file()):
            continue
        data = read_toml(path)
        if origin == "administrator":
            check_administrators(data, path)
        lock = data.pop("lock", None)
        if lock and origin == "administrator":
            locks.update(lock)
        theirs = origin == "project" and not trusted(path) or origin == "user" and home_set_by_notebook()
        if theirs and set(data) - set(_UNTRUSTED):
            untrusted = path
            data = {t: v for t, v in data.items() if t in _UNTRUSTED}
        layers.append((origin, data))
        for table, content in data.items():
            if isinstance(content, dict):
                values[table] = {**values.get(table, {}), **content}
            else:
                values[table] = content
    return Settings(values, locks, tuple(str(p) for o, p in files if p.is_file()), untrusted, tuple(layers))


def _exists(path: Path) -> bool:
    """Whether an administrator's file exists; an inaccessible one counts, and then fails to be read."""
    try:
        return path.lstat() is not None
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def trusted(path: Path) -> bool:
    """Whether the user trusts the exact content of a project file."""
    if home_set_by_notebook():
        return False
    try:
        known = json.loads((home() / "trusted.json").read_text("utf-8"))
        return known.get(str(path.resolve())) == hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError):
        return False


def untrusted_hint(path: Path) -> str:
    """What to do about a settings file that applies in part."""
    if path == user_file():
        return "A cell moved fmnb's folder: set FMNB_HOME before Jupyter starts, and restart the kernel."
    return "`%fm trust` shows its contents."


def trust(path: Path) -> None:
    """Trust a project file in its current content: URLs, headers and key variables in it apply.

    Raises SettingsError if a cell moved the folder in which trusted files are listed.
    """
    if home_set_by_notebook():
        raise SettingsError(
            "Nothing can be trusted while a cell has moved fmnb's folder",
            detail=str(home()),
            hint="Set FMNB_HOME before Jupyter starts, and restart the kernel.",
        )
    file = home() / "trusted.json"
    try:
        known = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        known = {}
    known[str(path.resolve())] = hashlib.sha256(path.read_bytes()).hexdigest()
    _replace(file, json.dumps(known, indent=1))


def distrust(path: Path) -> bool:
    """Withdraw the trust in a project file; True if it was trusted."""
    file = home() / "trusted.json"
    try:
        known = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    if known.pop(str(path.resolve()), None) is None:
        return False
    _replace(file, json.dumps(known, indent=1))
    return True


def set_user(table: str, name: str, value: Any) -> None:
    """Write one value to the user's settings file; None removes it. The rest of the file is unchanged.

    Raises SettingsError if the file cannot be read or written, or edited line by line.
    """
    file = user_file()
    with alone_with(file):
        _set(file, table, name, value)


def _set(file: Path, table: str, name: str, value: Any) -> None:
    before = read_toml(file) if file.is_file() else {}
    if value is None and name not in before.get(table, {}):
        return
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    key = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
    at = next((i for i, line in enumerate(lines) if re.fullmatch(rf"\s*\[\s*{re.escape(table)}\s*\]\s*(#.*)?", line)), None)
    new = None if value is None else f"{key} = {json.dumps(value, ensure_ascii=False)}"
    if at is None:
        if new is not None:
            lines += ([""] if lines else []) + [f"[{table}]", new]
    else:
        end = next((i for i in range(at + 1, len(lines)) if lines[i].lstrip().startswith("[")), len(lines))
        old = next((i for i in range(at + 1, end) if lines[i].split("=")[0].strip() in (key, name, json.dumps(name))), None)
        if old is not None:
            lines[old : old + 1] = [] if new is None else [new]
        elif new is not None:
            lines.insert(at + 1, new)
    text = "\n".join(lines) + "\n"
    after = {**before, table: {n: v for n, v in before.get(table, {}).items() if n != name} | ({} if value is None else {name: value})}
    if _parsed(text) != after:
        raise SettingsError(
            f"{file} cannot be edited automatically", detail=f"[{table}] {name}", hint=f"Edit it by hand: {new or 'remove ' + name}."
        )
    _replace(file, text)


def _parsed(text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _replace(file: Path, text: str) -> None:
    """Write a file atomically, also while another kernel does."""
    global _frozen
    _frozen = None  # frozen settings are outdated now
    temporary = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, "utf-8")
        replace_file(temporary, file)
    except OSError as e:
        try:
            temporary.unlink(missing_ok=True)
        except OSError:
            pass
        raise SettingsError(
            f"{file} cannot be written",
            detail=e.strerror or str(e),
            hint="Free some disk space, or set FMNB_HOME to a writable folder and restart the kernel.",
        ) from None


def allowed(kind: str, value: str) -> bool:
    """Whether a lock (`providers`, `models`, `urls`) allows `value`; see `lock_patterns`."""
    patterns = settings().lock(kind)
    return patterns is None or any(lock_patterns.matches(kind, value, p) for p in ([patterns] if isinstance(patterns, str) else patterns))


def check_allowed(kind: str, value: str) -> None:
    """Raise LockedError if an administrator's lock forbids `value`."""
    if not allowed(kind, value):
        what = {"providers": "provider", "models": "model", "urls": "address"}[kind]
        patterns = settings().lock(kind)
        raise LockedError(
            f"This machine's administrator does not allow the {what}",
            detail=value,
            hint=f"Allowed: {(patterns if isinstance(patterns, str) else ', '.join(patterns)) or 'none'}. `%fm models` lists what can be used.",
        )
