"""Which files of folders and globs may be read, and why the others are skipped.

Nothing outside the root is found: links that lead out are skipped. Hidden files, files with keys and
caches are skipped, too.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UsageError
from ..core.media import format_size
from .limits import LIMITS, Limits
from .read import refuse_address

_CACHES = frozenset(
    "__pycache__ node_modules .git .hg .svn .ipynb_checkpoints .fmnb .venv .tox .nox .mypy_cache .pytest_cache .ruff_cache .cache".split()
)
_SECRET = re.compile(
    r"(?i).*\.env(?:\.[\w-]+)?|.+\.(?:pem|key|p12|pfx|jks|keystore|kdbx|ppk|ovpn|gpg)|id_(?:rsa|dsa|ecdsa|ed25519)(?:\..*)?"
    r"|[._]netrc|\.(?:pgpass|npmrc|pypirc|htpasswd|git-credentials|dockercfg)|credentials(?:\.(?:json|csv|ya?ml|toml|ini|txt))?|secrets?\.(?:toml|ya?ml|json|txt)"
    r"|client_secret.*\.json|service[-_]account.*\.json"
)
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file that may be read: its name is relative to the root, `mtime` in seconds."""

    path: Path
    name: str
    size: int
    mtime: float


@dataclass(frozen=True, slots=True)
class Skipped:
    """A path that is not read, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a walk found, both in the order of their names."""

    files: tuple[FoundFile, ...]
    skipped: tuple[Skipped, ...]


def find_files(paths: str | Path | Iterable[str | Path], *, root: str | Path | None = None, limits: Limits = LIMITS) -> Found:
    """Find the files below folders, those that match globs, and those named.

    Args:
        paths: Files, folders (with all below them) and globs such as `docs/**/*.md`.
        root: Folder that no file may lie outside of. By default each folder is its own root, relative
            paths start at the working folder, and names are relative to it.
        limits: `size` is the largest file that is read.

    Returns:
        The files, and what was skipped with its reason: a path that is not there, hidden, a key, a cache,
        a link that leads out, a pipe or device, too large, or the same file again.

    Raises:
        UsageError: A path is an address such as `https://`, or the root is no folder.

    >>> find_files("no such folder").skipped[0].reason
    'there is no such file or folder'
    """
    base = Path.cwd() if root is None else Path(root).expanduser()
    if root is not None and not base.is_dir():
        raise UsageError("The root is not a folder", detail=str(root), hint="Name a folder that exists.")
    base = base.resolve()
    walk = _Walk(base, base if root is not None else None, limits)
    for path in [paths] if isinstance(paths, (str, Path)) else paths:
        refuse_address(str(path))
        walk.add(Path(path).expanduser())
    order = {f: (f.name.split("/"), f.name) for f in walk.files}
    return Found(tuple(sorted(walk.files, key=lambda f: order[f])), tuple(sorted(walk.skipped, key=lambda s: str(s.path))))


class _Walk:
    def __init__(self, base: Path, root: Path | None, limits: Limits):
        self.files: list[FoundFile] = []
        self.skipped: list[Skipped] = []
        self._base, self._root, self._limits = base, root, limits
        self._seen: dict[Path, Path] = {}  # resolved files, and the path under which each was found

    def add(self, given: Path) -> None:
        """A path as a person named it."""
        path = Path(os.path.abspath(given if given.is_absolute() else self._base / given))
        try:
            exists = os.path.lexists(path)
        except (OSError, ValueError):  # a null character, a name that is too long
            return self._skip(path, "the path cannot be read")
        pattern: list[str] | None = None
        if not exists and _MAGIC.search(str(given)):
            given, path, pattern = path, *_split(path)
            exists = path.is_dir()
        if not exists:
            return self._skip(given if pattern else path, "no file matches" if pattern else "there is no such file or folder")
        if reason := _secret(path) or _cache(path):
            return self._skip(path, reason)
        root = self._root or (path.resolve() if path.is_dir() else path.parent.resolve())
        if path.is_dir() and not path.resolve().is_relative_to(root):
            return self._skip(path, f"it lies outside of {root}")
        matches = self._visit(path, root, pattern)
        if pattern and not matches:
            self._skip(given, "no file matches")

    def _visit(self, top: Path, root: Path, pattern: list[str] | None) -> int:
        """Visit a path and all below it; with a pattern, only files that match. Returns the number of files."""
        matches = 0
        depth = None if pattern is None or "**" in pattern else len(pattern)
        folders: set[Path] = set()  # resolved, so that links cannot make a circle
        left = [(top, 0)]
        while left:
            path, level = left.pop()
            if level and (reason := _secret(path) or _cache(path) or _hidden(path)):
                if not pattern:
                    self._skip(path, reason)
                continue
            try:
                target = path.resolve(strict=True)
                info = target.stat()
            except (OSError, RuntimeError):  # Python before 3.13 raises RuntimeError for links in a circle
                self._skip(path, "a link that leads nowhere" if path.is_symlink() else "it cannot be opened")
                continue
            if stat.S_ISDIR(info.st_mode):
                if not target.is_relative_to(root):
                    self._skip(path, f"a link that leads out of {root}")
                elif target not in folders and (depth is None or level < depth):
                    folders.add(target)
                    left += [(child, level + 1) for child in self._children(path)]
            elif pattern is None or _matches(path.relative_to(top).parts, pattern):
                matches += 1
                self._file(path, target, info, root)
        return matches

    def _children(self, folder: Path) -> list[Path]:
        try:
            return sorted(folder.iterdir(), reverse=True)  # the last is visited first
        except OSError as e:
            self._skip(folder, f"it cannot be opened: {e.strerror or e}")
            return []

    def _file(self, path: Path, target: Path, info: os.stat_result, root: Path) -> None:
        if not target.is_relative_to(root):
            self._skip(path, f"a link that leads out of {root}" if path.is_symlink() else f"it lies outside of {root}")
        elif not stat.S_ISREG(info.st_mode):
            self._skip(path, "a pipe or a device")
        elif reason := _secret(target):
            self._skip(path, reason)
        elif info.st_size > self._limits.size:
            self._skip(path, f"{format_size(info.st_size)}, the limit is {format_size(self._limits.size)}")
        elif target in self._seen:
            if self._seen[target] != path:
                self._skip(path, f"the same file as {self._name(self._seen[target])}")
        else:
            self._seen[target] = path
            self.files.append(FoundFile(target, self._name(path), info.st_size, info.st_mtime))

    def _name(self, path: Path) -> str:
        for known in (path, path.parent.resolve() / path.name):
            if known.is_relative_to(self._base):
                return known.relative_to(self._base).as_posix()
        return path.as_posix()

    def _skip(self, path: Path, reason: str) -> None:
        self.skipped.append(Skipped(path, reason))


def _split(path: Path) -> tuple[Path, list[str]]:
    """The folder that a glob starts at, and its other parts; a folder named `a[1]` is a folder."""
    top = Path(path.parts[0])
    for n, part in enumerate(path.parts[1:], 1):
        if _MAGIC.search(part) and not os.path.lexists(top / part):
            return top, list(path.parts[n:])
        top /= part
    return top.parent, [top.name]


def _secret(path: Path) -> str:
    return "it may hold keys or passwords" if _SECRET.fullmatch(path.name) else ""


def _cache(path: Path) -> str:
    if path.name in _CACHES:
        return "a cache"
    return "a virtual environment" if (path / "pyvenv.cfg").is_file() else ""


def _hidden(path: Path) -> str:
    return "hidden" if path.name.startswith(".") else ""


def _matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a path match those of a glob; `**` is any number of folders.

    >>> _matches(["a", "b", "c.md"], ["**", "*.md"]), _matches(["a", "c.md"], ["*.md"])
    (True, False)
    """
    at = {0}  # how much of the pattern may be used up
    for part in path:
        at |= {n + 1 for n in at if pattern[n : n + 1] == ["**"]}
        at = {
            n if pattern[n] == "**" else n + 1
            for n in at
            if n < len(pattern) and (pattern[n] == "**" or fnmatch.fnmatchcase(part, pattern[n]))
        }
    return len(pattern) in at or (len(pattern) - 1 in at and pattern[-1] == "**")
