"""API keys: from the environment, the system's keyring, or a file that only the user can read.

A key belongs to the hosts of its provider and is given to no other. A Key shows its source and
never its value.
"""

from __future__ import annotations

import fnmatch
import json
import os
import stat
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.atomic_write import replace_file
from ..core.errors import SettingsError, UsageError
from ..core.event_loop import start_thread
from . import settings

SERVICE = "fmnb"
_KEYRING_SECONDS = 3.0  # a locked keyring may wait for a dialog that nobody sees
_keyring_hangs = False
_CACHE_SECONDS = 10.0  # short, since another program may change the keyring; querying it takes longer than a call
_used: set[str] = set()
_Stamp = tuple[int, int]
_cache: dict[tuple[str, str], tuple[float, _Stamp, tuple[str, str, str]]] = {}


@dataclass(frozen=True, slots=True)
class Key:
    """A key and its source: a variable's name, "keyring" or "file"."""

    value: str = field(repr=False)
    source: str

    def __str__(self) -> str:
        return f"key from {self.source}"


def find(key_env: Sequence[str], provider: str, host: str, *, own_hosts: Sequence[str], address: str = "") -> Key | None:
    """The key for `provider` that may be sent to `host`, or None.

    `key_env` are variables in the order of the provider's own tools; `own_hosts` are patterns of
    the hosts that these variables belong to. A stored key is only sent to the host and port it was
    stored for: `address` is "host:port", or "" for the host's usual port.

    >>> find(["NO_SUCH_KEY"], "openai", "evil.example", own_hosts=["api.openai.com"]) is None
    True
    """
    if any(fnmatch.fnmatchcase(host, pattern) for pattern in own_hosts):
        for name in key_env:
            if value := os.environ.get(name, "").strip():
                _used.add(value)
                return Key(value, name)
    value, bound, source = _stored(provider)
    if value and fnmatch.fnmatchcase(address or host, bound):
        _used.add(value)
        return Key(value, source)
    return None


def used() -> frozenset[str]:
    """The keys that this process has used, to remove them from what is shown."""
    return frozenset(_used)


def is_cached(provider: str) -> bool:
    """Whether `find` answers for this provider without a keyring or file access."""
    at = _cache.get((str(settings.home()), provider))
    return at is not None and time.monotonic() - at[0] < _CACHE_SECONDS and at[1] == _last_change()


def set_key(provider: str, value: str, host: str) -> str:
    """Store a key for one provider and `host`, a pattern. Returns "keyring" or "file".

    Raises UsageError for an impossible key, SettingsError if it cannot be stored.
    """
    value = value.strip()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise UsageError(
            "That is not a key", detail="it is empty or contains spaces, line breaks or unusual characters", hint="Copy it again."
        )
    record = json.dumps({"key": value, "host": host})
    # Read back: the null backend, and a keyring without room, accept a password and forget it.
    if _keyring(lambda k: k.set_password(SERVICE, provider, record) or k.get_password(SERVICE, provider)) == record:
        _write_file({n: v for n, v in _read_file().items() if n != provider}, only_if_there=True)
        _announce_change()
        return "keyring"
    _write_file({**_read_file(), provider: {"key": value, "host": host}})
    _announce_change()
    return "file"


def remove_key(provider: str) -> bool:
    """Remove a stored key, in both places; True if there was one. The environment is unchanged."""
    gone = bool(_keyring(lambda k: k.get_password(SERVICE, provider) and (k.delete_password(SERVICE, provider) or True)))
    known = _read_file()
    if known.pop(provider, None) is not None:
        _write_file(known)
        gone = True
    _announce_change()
    return gone


def status(key_env: Sequence[str], provider: str) -> str:
    """The source of the key: "environment (NAME)", "keyring", "file", or "". Never its value."""
    for name in key_env:
        if os.environ.get(name, "").strip():
            return f"environment ({name})"
    return _stored(provider)[2]


def stored(provider: str) -> bool:
    """Whether a key is stored for this provider, in the keyring or the file."""
    return bool(_stored(provider)[0])


def file() -> Path:
    """The key file, used without a keyring."""
    return settings.home() / "keys.json"


def _stored(provider: str) -> tuple[str, str, str]:
    """Value, host and source of the stored key; empty strings without one."""
    at = (str(settings.home()), provider)
    if is_cached(provider):
        return _cache[at][2]
    stamp = _last_change()  # before the reading: a change meanwhile is read the next time
    found = ("", "", "")
    if text := _keyring(lambda k: k.get_password(SERVICE, provider)):
        found = (*_record(_parse(text)), "keyring")
    if not found[0]:
        found = (*_record(_read_file().get(provider)), "file")
    if not found[0]:
        found = ("", "", "")
    _cache[at] = (time.monotonic(), stamp, found)
    return found


def _announce_change() -> None:
    """Tell this and all other processes that their cached keys are out of date."""
    _cache.clear()
    try:
        path = _change_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("The time of this file is when a key was last set or removed.\n", "utf-8")
    except OSError:  # other processes find the key when their caches expire
        pass


def _change_file() -> Path:
    return settings.home() / "keys.changed"


def _last_change() -> _Stamp:
    """When keys were last changed, by any process: the times of two files, 0 for one that is missing."""

    def at(path: Path) -> int:
        try:
            return path.stat().st_mtime_ns
        except OSError:
            return 0

    return at(_change_file()), at(file())


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _record(value: Any) -> tuple[str, str]:
    return (str(value.get("key", "")), str(value.get("host", ""))) if isinstance(value, dict) else ("", "")


def _keyring(ask: Any) -> Any:
    """The value in the keyring; None if there is no keyring, it refuses, or it times out."""
    global _keyring_hangs
    if _keyring_hangs:
        return None
    answer: list[Any] = []

    def body() -> None:
        try:
            import keyring

            answer.append(ask(keyring))
        except Exception:  # no backend, locked, refused: use the file
            answer.append(None)

    worker = start_thread("fmnb-keyring", body)
    worker.join(_KEYRING_SECONDS)
    if not answer:
        _keyring_hangs = True
        warnings.warn("fmnb: the system's keyring does not answer; keys come from the environment or the key file", stacklevel=3)
        return None
    return answer[0]


def _read_file() -> dict[str, Any]:
    path = file()
    try:
        mode = path.stat().st_mode
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            path.chmod(0o600)
            warnings.warn(f"fmnb: {path} was readable by other users; its mode is corrected. Renew the keys in it.", stacklevel=3)
        known = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        warnings.warn(f"fmnb: the key file {path} cannot be read and is ignored", stacklevel=3)
        return {}
    return known if isinstance(known, dict) else {}


def _write_file(known: dict[str, Any], *, only_if_there: bool = False) -> None:
    path = file()
    if only_if_there and not path.exists():
        return
    fresh = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as f:
            json.dump(known, f)
        replace_file(fresh, path)
    except OSError as e:
        raise SettingsError(
            "The key could not be stored", detail=f"{path}: {e.strerror}", hint="Set it in the environment instead."
        ) from None
