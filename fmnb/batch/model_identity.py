"""What a model of the notebook's own is, so that an answer of one is never taken for another's: its code and the values it works with.

Two closures of one source line differ by what they captured; a function by the globals it reads;
an object by its state. What has no content that can be compared (a connection, weights) counts
as itself: known while it lives in this kernel, and as something new afterwards.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
import re
import secrets
import sys
import sysconfig
import types
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from ..core.errors import FmnbError, error_from_dict, with_earlier_keys
from .code_names import attributes_written, code_text, names_read, source_of
from .stored_names import is_ours, stored_name, stored_source

_MOST, _DEEP, _LARGE = 20_000, 12, 16 << 20  # values and depth that are looked at; bytes of an array
_ITSELF = "itself:"
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_PLAIN = (str, bytes, int, float, complex, bool, type(None), type(Ellipsis))
_INSTALLED = tuple(p for n, p in sysconfig.get_paths().items() if n in ("stdlib", "platstdlib", "purelib", "platlib"))
_tokens: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


class _OpaqueError(Exception):
    """A value without content that can be compared."""


def identity(thing: Any) -> str:
    """A hex digest of what a function or an object is: the same for equal ones, also in another kernel.

    Args:
        thing: A function, a bound method, a partial, an object.

    Returns:
        Sixteen hex digits.

    >>> def made(prefix): return lambda text: prefix + text
    >>> identity(made("a")) == identity(made("a")), identity(made("a")) == identity(made("b"))
    (True, False)
    """
    return hashlib.sha256("\x1f".join(_Teller().of(thing)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _Teller:
    """Describes values piece by piece; one that was met is named by its number, so that circles end."""

    def __init__(self) -> None:
        self._met: dict[int, int] = {}
        self._kept: list[Any] = []  # an address must not be given to another value meanwhile
        self._left = _MOST

    def of(self, value: Any, depth: int = 0) -> Iterator[str]:
        """What a value is, in texts."""
        self._left -= 1
        if isinstance(value, _PLAIN):
            yield f"{type(value).__name__}:{value!r}"
            return
        if id(value) in self._met:
            yield f"met:{self._met[id(value)]}"
            return
        self._met[id(value)] = len(self._met)
        self._kept.append(value)
        if depth > _DEEP or self._left < 0:
            raise _OpaqueError
        try:
            yield from list(self._content(value, depth + 1))
        except Exception:  # opaque, or a property that raises, a lazy object that is broken
            yield f"{_ITSELF}{_token(value)}"

    def _content(self, value: Any, depth: int) -> Iterator[str]:
        if isinstance(value, types.FunctionType):
            yield from self._function(value, depth)
        elif isinstance(value, types.MethodType):
            yield from self.of(value.__func__, depth)
            yield from self.of(value.__self__, depth)
        elif isinstance(value, functools.partial):
            for part in (value.func, value.args, value.keywords):
                yield from self.of(part, depth)
        elif isinstance(value, (types.ModuleType, types.BuiltinFunctionType)):
            yield f"{value.__name__}:{getattr(value, '__version__', '')}"
        elif isinstance(value, type):
            yield from self._class(value, depth)
        elif _is_collection(value):
            yield from self._collection(value, depth)
        else:
            yield from self._object(value, depth)

    def _function(self, f: types.FunctionType, depth: int) -> Iterator[str]:
        if stored := stored_source(f):
            source, defaults = stored
            yield source
            for default in defaults:
                yield from self.of(default, depth)
            return
        source = source_of(f)
        yield source or f.__qualname__
        if not source or f.__name__ == "<lambda>":  # several lambdas of one line have one source
            yield code_text(f.__code__)
        read = names_read(f.__code__)
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            if name in read:
                yield f"captured:{name}"
                try:
                    content = cell.cell_contents
                except ValueError:
                    continue  # not yet filled
                yield from self.of(content, depth)
        for default in (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).items()):
            yield from self.of(default, depth)
        if _is_installed(f):
            return
        for name in sorted(read - set(f.__code__.co_freevars)):
            if name in f.__globals__ and not isinstance(f.__globals__[name], types.ModuleType):
                yield f"global:{name}"
                yield from self._global(f.__globals__[name], depth)

    def _global(self, value: Any, depth: int) -> Iterator[str]:
        """A global that has no content of its own (a client) is the kernel's, and no part of the function."""
        try:
            if isinstance(value, (types.FunctionType, type)) and _is_installed(value):
                yield ".".join(stored_name(value))
            else:
                found = list(self.of(value, depth))
                yield from [] if any(x.startswith(_ITSELF) for x in found) else found
        except _OpaqueError:
            return

    def _class(self, kind: type, depth: int) -> Iterator[str]:
        for k in kind.__mro__:
            yield ".".join(stored_name(k))
            if not _is_installed(k):
                yield source_of(k)
                for method in vars(k).values():
                    if isinstance(method, types.FunctionType):
                        yield from self.of(method, depth)

    def _collection(self, value: Any, depth: int) -> Iterator[str]:
        yield f"{type(value).__name__}:{len(value)}"
        if isinstance(value, Mapping):
            for k, v in value.items():
                yield from self.of(k, depth)
                yield from self.of(v, depth)
        elif isinstance(value, (set, frozenset)):
            yield from sorted("\x1e".join(self.of(v, depth)) for v in value)
        else:
            for v in value:
                yield from self.of(v, depth)

    def _object(self, value: Any, depth: int) -> Iterator[str]:
        kind = type(value)
        yield from self._class(kind, depth)
        if hasattr(value, "state_dict"):  # weights: too much to read, and no text of theirs shows them
            raise _OpaqueError
        state = dict(getattr(value, "__dict__", {}))
        slots = [n for k in kind.__mro__ for n in _names(getattr(k, "__slots__", ())) if n not in ("__dict__", "__weakref__")]
        state |= {n: getattr(value, n) for n in slots if hasattr(value, n)}
        if _is_installed(kind) or not state:
            yield _pickled(value)
            return
        if _says_what_it_is(kind) and not _ADDRESS.search(said := repr(value)):
            yield said
            return
        written = {n for k in kind.__mro__ if not _is_installed(k) for n in attributes_written(source_of(k))}
        for name in sorted(state.keys() - written):
            yield name
            yield from self.of(state[name], depth)


def _says_what_it_is(kind: type) -> bool:
    """Whether somebody wrote a `__repr__` for a class; that of a dataclass is made, and shortens arrays."""
    by = next(k for k in kind.__mro__ if "__repr__" in vars(k))
    return not _is_installed(by) and "__dataclass_fields__" not in vars(by)


def _is_collection(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset, Mapping))


def _names(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


class _Digest:
    """A file that keeps a digest of what is written, up to a size."""

    def __init__(self) -> None:
        self.hash, self._left = hashlib.sha256(), _LARGE

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self._left -= size
        if self._left < 0:
            raise _OpaqueError
        self.hash.update(data)
        return size


class _OursError(Exception):
    """A class or function of this package is in what is written."""


_Python: Any = pickle._Pickler  # type: ignore[attr-defined]  # the one whose names can be others


class _Fast(pickle.Pickler):
    """The usual pickler, up to the first thing of this package."""

    def reducer_override(self, obj: Any) -> Any:
        if is_ours(obj if isinstance(obj, (type, types.FunctionType)) else type(obj)):
            raise _OursError
        return NotImplemented


class _Stable(_Python):  # type: ignore[misc, valid-type]
    """Writes the same bytes, with the stored names of what is of this package in place of the present ones."""

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if not is_ours(obj):
            super().save_global(obj, name)
            return
        if getattr(sys.modules.get(obj.__module__), obj.__qualname__, None) is not obj:
            raise pickle.PicklingError("it is not what its name says")
        for part in stored_name(obj):
            self.save(part)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(obj)

    def reducer_override(self, obj: Any) -> Any:
        return (error_from_dict, (with_earlier_keys(obj.to_dict()),)) if isinstance(obj, FmnbError) else NotImplemented

    dispatch = {**_Python.dispatch, types.FunctionType: save_global}


def _pickled(value: Any) -> str:
    """A digest of an object's content; of one that cannot be written down, what it says of itself, if it does."""
    if _size(value) <= _LARGE:
        try:
            try:
                file = _Digest()
                _Fast(file, protocol=4).dump(value)
            except _OursError:
                file = _Digest()
                _Stable(file, protocol=4).dump(value)
            return file.hash.hexdigest()
        except _OpaqueError:
            raise
        except Exception:
            said = repr(value)
            if not hasattr(value, "__array__") and not (said.startswith("<") and _ADDRESS.search(said)):
                return _ADDRESS.sub("", said)
    raise _OpaqueError


def _size(value: Any) -> int:
    """Bytes of an array or a frame, 0 where an object does not say."""
    size = value.memory_usage() if hasattr(value, "memory_usage") else getattr(value, "nbytes", 0)
    return int(size.sum() if hasattr(size, "sum") else size)


def _is_installed(thing: Any) -> bool:
    """Whether a function or class comes with Python or a package, and not from the notebook or a file beside it."""
    module = getattr(thing, "__module__", None) or "__main__"
    if module == "__main__" or module not in sys.modules:
        return False
    file = getattr(sys.modules[module], "__file__", None)
    return file is None or module.split(".")[0] == __package__.split(".")[0] or file.startswith(_INSTALLED)


def _token(value: Any) -> str:
    """A name for a living object; another one in another kernel."""
    try:
        return _tokens.setdefault(value, secrets.token_hex(8))
    except TypeError:  # neither hashable nor weakly referable: never the same twice
        return secrets.token_hex(8)
