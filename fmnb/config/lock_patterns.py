"""Patterns of an administrator's locks on models, providers and addresses.

A name is matched part by part. `*` and `?` stay within one part: they never match `/`, `:`
or `@`, nor the dots of a host. `**` matches any number of parts. A lone `*` allows everything.
Patterns and names that cannot be parsed do not match.

    gateway:small        that model                 gateway:*     its models with a plain name
    gateway:**           every model of a provider  embedded      weights, by their short name
    hf:org/*             repositories of one owner, at their usual revision; hf:org/** their files, too
    pypi:name, pypi:name*, pypi:name==1.2           a package in any version, or in one; the whole name must match
    path:/opt/models/**  files below a folder, after links and `..` are resolved
    https://*.example.com/v1                        scheme, host, port and path, each apart
"""

from __future__ import annotations

import fnmatch
import functools
import os
import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

_WHOLE = ("*", "**")
_WILD = re.compile(r"[*?\[]")
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\%#]|(?:^|[/:])\.\.?(?:[/:@]|$)")  # escapes and path steps that a service may resolve to another name
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|[0-9a-f:]+")
_PORTS = {"http": 80, "https": 443}
_PACKAGE = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(\*|==(?P<version>[A-Za-z0-9.!+_*?-]+))?(?:/(?P<file>.+))?")


def matches(kind: str, value: str, pattern: str) -> bool:
    """Whether a pattern of a lock allows a value.

    Args:
        kind: The lock: `providers`, `models` or `urls`.
        value: The provider's name, the model's full name, or the address.
        pattern: One pattern of the lock.

    Returns:
        True if the whole value matches.

    >>> matches("models", "hf:org/name", "hf:org/*"), matches("models", "hf:org/name@pr", "hf:org/*")
    (True, False)
    """
    if kind == "urls":
        return _url(value, pattern)
    if kind == "providers":
        return fnmatch.fnmatchcase(value, pattern)
    scheme = value.partition(":")[0]
    if scheme == "path":
        return pattern in _WHOLE or _path(value, pattern)
    if pattern in _WHOLE:
        return True
    if scheme == "pypi":
        return _package(value, pattern)
    if _UNSAFE.search(value):
        return False
    if scheme == "hf" and pattern.partition(":")[0] != "hf":
        return False
    return bool(_glob(pattern, "@" if scheme == "hf" else "").fullmatch(value))


def pattern_error(kind: str, pattern: str) -> str:
    """The error in a pattern, as text; "" if it is valid.

    >>> pattern_error("urls", "example.com")
    'an address begins with https:// or http://'
    """
    if not pattern.strip():
        return "it is empty"
    if pattern in _WHOLE:
        return ""
    if kind == "urls":
        parts = _split(pattern)
        if parts is None:
            return "it is not an address"
        if parts.scheme not in _PORTS:
            return "an address begins with https:// or http://"
        return "" if parts.netloc and "@" not in parts.netloc else "the host is missing, or has a user's name before it"
    scheme, _, rest = pattern.partition(":")
    if kind == "models" and scheme == "pypi" and rest not in _WHOLE and not _PACKAGE.fullmatch(rest):
        return "a package name must be complete, as in pypi:name or pypi:name==1.2"
    if kind == "models" and scheme == "path" and not os.path.isabs(rest):
        return "a path begins at the root, as in path:/opt/models/**"
    return ""


@functools.lru_cache(256)
def _glob(pattern: str, never: str = "", apart: str = "/:@") -> re.Pattern[str]:
    """A pattern as a regular expression. `never` are characters that even `**` does not match."""
    one, out, i = f"[^{re.escape(apart)}]", "", 0
    while i < len(pattern):
        if pattern.startswith("**", i):
            out += f"[^{re.escape(never)}]*" if never else "(?s:.)*"
            i += 2
            continue
        c = pattern[i]
        close = pattern.find("]", i + 2) if c == "[" else -1
        if c == "*":
            out += f"{one}*"
        elif c == "?":
            out += one
        elif close > 0:
            inside = pattern[i + 1 : close]
            no = inside[:1] in "!^"
            chosen = "".join(c if c == "-" else re.escape(c) for c in inside[no:])
            out += f"(?={one})[{'^' if no else ''}{chosen}]"
            i = close
        else:
            out += re.escape(c)
        i += 1
    try:
        return re.compile(out)
    except re.error:
        return re.compile(r"(?!)")


def _package(value: str, pattern: str) -> bool:
    """Match a package; the whole name must match, since anybody may register a similar name."""
    scheme, _, rest = pattern.partition(":")
    if scheme != "pypi":
        return False
    if rest in _WHOLE:
        return True
    found, asked = _PACKAGE.fullmatch(rest), _PACKAGE.fullmatch(value.partition(":")[2])
    if found is None or asked is None or asked[2] == "*" or _plain(found[1]) != _plain(asked[1]):
        return False
    version, file = found["version"], found["file"]
    if version and not _glob(version).fullmatch(asked["version"] or ""):
        return False
    return not file or bool(_glob(file).fullmatch(asked["file"] or ""))


def _plain(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def _path(value: str, pattern: str) -> bool:
    """Match a resolved path against the resolved fixed folders of the pattern."""
    scheme, _, rest = pattern.partition(":")
    if scheme != "path" or not os.path.isabs(rest):
        return False
    try:
        place = Path(value.partition(":")[2]).expanduser().resolve().as_posix()
        if not _WILD.search(rest):
            return place == Path(rest).resolve().as_posix()
        parts = Path(rest).parts
        fixed = next(i for i, part in enumerate(parts) if _WILD.search(part))
        root = Path(*parts[:fixed]).resolve().as_posix().rstrip("/")
    except (OSError, RuntimeError, ValueError):
        return False
    below = place.removeprefix(f"{root}/")
    return below != place and bool(_glob("/".join(parts[fixed:]), apart="/").fullmatch(below))


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.hostname  # noqa: B018  what cannot be read raises here
        return parts
    except ValueError:
        return None


def _port(netloc: str, scheme: str) -> str:
    """The port, or the default port of the scheme."""
    said = re.search(r":([^:\]]*)$", netloc)
    return said[1] if said and said[1] else str(_PORTS.get(scheme, ""))


def _url(value: str, pattern: str) -> bool:
    if pattern in _WHOLE:
        return True
    v, p = _split(value), _split(pattern)
    if v is None or p is None or pattern_error("urls", pattern) or re.search(r"[\x00-\x20\x7f\\]", value):
        return False
    host = v.hostname or ""
    if v.scheme != p.scheme or "@" in v.netloc or v.fragment or not _HOST.fullmatch(host):
        return False
    wanted = p.hostname or ""
    if ":" in host or ":" in wanted:  # an IPv6 address has no parts to match
        if host != wanted:
            return False
    elif not _glob(wanted, apart=".").fullmatch(host):
        return False
    if not fnmatch.fnmatchcase(_port(v.netloc, v.scheme), _port(p.netloc, p.scheme)):
        return False
    path = v.path.rstrip("/")
    if "%" in path or "//" in path or any(step in (".", "..") for step in path.split("/")):
        return False
    if not _glob(p.path.rstrip("/"), apart="/").fullmatch(path):
        return False
    return not v.query or bool(p.query) and fnmatch.fnmatchcase(v.query, p.query)
