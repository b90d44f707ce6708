"""Settings, locks and folders.

Order, later beats earlier: administrator's defaults, user's `fmnb.toml`, project's
`fmnb.toml`, environment. An administrator's `[lock]` table beats all. A project file may
name models and parameters (`[default]`, `[alias]`); everything else in it (URLs, headers,
key variables, folders, what becomes of the log) counts only after the user trusted that
exact file.

    [default]            model = "embedded"   temperature = 0.2
    [alias]              fast = "openai:gpt-5-mini"
    [provider.mine]      base_url = "http://localhost:8000/v1"   key_env = ["MINE_KEY"]
    [log]                keep_days = 30
    [models]             dir = "..."   shared = ["/opt/models"]
    [lock]               providers, models, urls, budget, models_dir, keep_days   (administrator only)
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import LockedError, SettingsError
from . import lock_patterns
from .settings_file import check_administrators
from .settings_file import read_toml as read_toml  # for those above, who read tables of their own

FILE = "fmnb.toml"
_UNTRUSTED = ("default", "alias")  # what a project file may say before it is trusted


def home() -> Path:
    """Where the user's things live: `FMNB_HOME`, else the platform's data folder. Not created here."""
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
    """Where the log and cache live: `FMNB_STATE` (local disk, for network homes), else `home()`."""
    set_ = os.environ.get("FMNB_STATE")
    return _path(set_) if set_ else home()


@functools.lru_cache(8)
def _path(named: str) -> Path:
    """Asked for at every write: the log looks whether its place has changed."""
    return Path(named).expanduser()


def models_dir() -> Path:
    """Where pulled weights go: a lock, `FMNB_MODELS`, the setting `models.dir`, else `home()/models`."""
    s = settings()
    chosen = s.lock("models_dir") or os.environ.get("FMNB_MODELS") or s.get("models.dir")
    return Path(chosen).expanduser() if chosen else home() / "models"


def shared_models_dirs() -> list[Path]:
    """Read-only folders searched before anything is downloaded: `FMNB_MODELS_SHARED` (path list), `models.shared`."""
    env = [p for p in os.environ.get("FMNB_MODELS_SHARED", "").split(os.pathsep) if p]
    return [Path(p).expanduser() for p in [*env, *settings().get("models.shared", [])]]


def set_here(variable: str) -> bool:
    """Whether this process gave an environment variable its value, as a notebook's cell can, and not whoever started it."""
    return os.environ.get(variable) != _INITIAL_ENVIRONMENT.get(variable)


def _initial_environment() -> dict[str, str]:
    """The environment this process was started with; where the system does not keep it, that of now."""
    try:
        pairs = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return dict(os.environ)
    return {os.fsdecode(name): os.fsdecode(value) for name, found, value in (pair.partition(b"=") for pair in pairs) if found}


def working_folder() -> Path | None:
    """Where the kernel stands; None when that folder was deleted under it."""
    try:
        return Path.cwd()
    except OSError:
        return None


_INITIAL_ENVIRONMENT = _initial_environment()
_INITIAL_FOLDER, _INITIAL_PREFIX = working_folder() or Path("/"), sys.prefix


def _admin_files() -> list[Path]:
    """Jupyter's system config folders, the strongest last: what only root can write beats what a user may set up.

    They are those the kernel began with, so that no cell lifts a lock; one that began with
    no FMNB_ADMIN_CONFIG may still be given one, which can only lock more.
    """
    extra = _INITIAL_ENVIRONMENT.get("FMNB_ADMIN_CONFIG") or os.environ.get("FMNB_ADMIN_CONFIG")
    roots = [_INITIAL_FOLDER / extra] if extra else []
    roots += [Path(prefix) / "etc/jupyter" for prefix in dict.fromkeys((sys.prefix, _INITIAL_PREFIX))]
    if sys.platform == "win32":
        roots.append(Path(_INITIAL_ENVIRONMENT.get("PROGRAMDATA", r"C:\ProgramData")) / "jupyter")
    else:
        roots += [Path("/usr/local/etc/jupyter"), Path("/etc/jupyter")]
    return [r / FILE for r in roots]


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
    """All layers merged. `origins` says which files spoke; `untrusted` a project file of which only models and parameters count."""

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
        """Which layer decided a value: administrator, user, project, or ""."""
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
_PATH_VARIABLES = ("FMNB_HOME", "FMNB_ADMIN_CONFIG", "XDG_DATA_HOME", "HOME", "LOCALAPPDATA", "USERPROFILE", "PROGRAMDATA")


def settings() -> Settings:
    """The settings in force now; files are read again when they change. Asked several times a call, so it only looks at dates."""
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
    """The settings as they are now, for the length of one call: a dozen questions, one look at the files."""
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
    """Every file whose coming, going or change can change the settings, for one working folder and environment."""
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
        if origin == "project" and set(data) - set(_UNTRUSTED) and not trusted(path):
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
    """Whether an administrator's file is there; one that may not be looked at counts as there, and then cannot be read."""
    try:
        return path.lstat() is not None
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def trusted(path: Path) -> bool:
    """Whether the user trusted this exact content of a project file."""
    try:
        known = json.loads((home() / "trusted.json").read_text("utf-8"))
        return known.get(str(path.resolve())) == hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError):
        return False


def trust(path: Path) -> None:
    """Trust a project file as it is now: its providers' URLs, headers and key variables count from here on."""
    file = home() / "trusted.json"
    try:
        known = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        known = {}
    known[str(path.resolve())] = hashlib.sha256(path.read_bytes()).hexdigest()
    _replace(file, json.dumps(known, indent=1))


def set_user(table: str, name: str, value: Any) -> None:
    """Write one value into the user's settings file; None removes it. The rest of the file stays as it is.

    Raises SettingsError when the file cannot be read or written, or holds the table in a form that cannot be edited line by line.
    """
    file = user_file()
    with _alone_with(file):
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
            f"{file} cannot be changed for you", detail=f"[{table}] {name}", hint=f"Write it there yourself: {new or 'remove ' + name}."
        )
    _replace(file, text)


@contextlib.contextmanager
def _alone_with(file: Path) -> Iterator[None]:
    """Other kernels wait while this one changes a file; where the system has no such lock, they do not."""
    try:
        fcntl: Any = importlib.import_module("fcntl")
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = open(file.with_name(f".{file.name}.lock"), "w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    except (ImportError, OSError):
        yield
        return
    with lock:
        yield


def _parsed(text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _replace(file: Path, text: str) -> None:
    """Write a file whole or not at all, also beside another kernel that does the same."""
    global _frozen
    _frozen = None  # what a running call holds is no longer so
    temporary = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, "utf-8")
        os.replace(temporary, file)
    except OSError as e:
        try:
            temporary.unlink(missing_ok=True)
        except OSError:
            pass
        raise SettingsError(
            f"{file} cannot be written",
            detail=e.strerror or str(e),
            hint="Make room there, or set FMNB_HOME to a folder of yours and restart the kernel.",
        ) from None


def allowed(kind: str, value: str) -> bool:
    """Whether the lock of that kind (`providers`, `models`, `urls`) lets `value` through; `lock_patterns` has their language."""
    patterns = settings().lock(kind)
    return patterns is None or any(lock_patterns.matches(kind, value, p) for p in ([patterns] if isinstance(patterns, str) else patterns))


def check_allowed(kind: str, value: str) -> None:
    """Raise LockedError when an administrator's lock forbids `value`."""
    if not allowed(kind, value):
        what = {"providers": "provider", "models": "model", "urls": "address"}[kind]
        patterns = settings().lock(kind)
        raise LockedError(
            f"This machine's administrator does not allow the {what}",
            detail=value,
            hint=f"Allowed: {(patterns if isinstance(patterns, str) else ', '.join(patterns)) or 'none'}. `%fm models` lists what can be used.",
        )
