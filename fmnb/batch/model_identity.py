"""The identity of a custom model: its code and the values it uses, so that answers are never mixed up.

Two closures of one source line differ by the values they captured, functions by the globals
they read, objects by their state. What has no comparable content (a connection, weights) is
identified by the object itself: the same while it lives in this kernel, and new afterwards.
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
from ..core.types import File, Image, Text, ToolResult
from .code_names import attributes_written, code_text, names_read, source_of
from .stored_names import is_fmnb, stored_name, stored_source

_MAX_VALUES, _MAX_DEPTH, _MAX_BYTES = 20_000, 12, 16 << 20  # values and depth to describe; bytes of an array
_OPAQUE = "itself:"
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_PLAIN = (str, bytes, int, float, complex, bool, type(None), type(Ellipsis))
_INSTALLED = tuple(p for n, p in sysconfig.get_paths().items() if n in ("stdlib", "platstdlib", "purelib", "platlib"))
_tokens: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


class _OpaqueError(Exception):
    """A value without comparable content."""


def identity(thing: Any) -> str:
    """A hex digest of a function or object: the same for equal ones, also in another kernel.

    Args:
        thing: A function, a bound method, a partial, an object.

    Returns:
        Sixteen hex digits.

    >>> def made(prefix): return lambda text: prefix + text
    >>> identity(made("a")) == identity(made("a")), identity(made("a")) == identity(made("b"))
    (True, False)
    """
    return hashlib.sha256("\x1f".join(_Describer().of(thing)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _Describer:
    """Describes values piece by piece; a repeated value is named by its number, so that cycles end."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._references: list[Any] = []  # keeps addresses from being reused meanwhile
        self._remaining = _MAX_VALUES

    def of(self, value: Any, depth: int = 0) -> Iterator[str]:
        """The pieces of text that describe a value."""
        self._remaining -= 1
        if isinstance(value, _PLAIN):
            yield f"{type(value).__name__}:{value!r}"
            return
        if id(value) in self._numbers:
            yield f"met:{self._numbers[id(value)]}"
            return
        self._numbers[id(value)] = len(self._numbers)
        self._references.append(value)
        if depth > _MAX_DEPTH or self._remaining < 0:
            raise _OpaqueError
        try:
            yield from list(self._content(value, depth + 1))
        except Exception:  # opaque, a property that raises, or a broken lazy object
            yield f"{_OPAQUE}{_token(value)}"

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
        if not source or f.__name__ == "<lambda>":  # several lambdas on one line have the same source
            yield code_text(f.__code__)
        read = names_read(f.__code__)
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            if name in read:
                yield f"captured:{name}"
                try:
                    content = cell.cell_contents
                except ValueError:
                    continue  # not assigned yet
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
        """A global without comparable content (a client) belongs to the kernel, not to the function."""
        try:
            if isinstance(value, (types.FunctionType, type)) and _is_installed(value):
                yield ".".join(stored_name(value))
            else:
                pieces = list(self.of(value, depth))
                yield from [] if any(x.startswith(_OPAQUE) for x in pieces) else pieces
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
        if hasattr(value, "state_dict"):  # weights: too large to read, and their repr does not show them
            raise _OpaqueError
        state = dict(getattr(value, "__dict__", {}))
        slots = [n for k in kind.__mro__ for n in _names(getattr(k, "__slots__", ())) if n not in ("__dict__", "__weakref__")]
        state |= {n: getattr(value, n) for n in slots if hasattr(value, n)}
        if _is_installed(kind) or not state:
            yield _pickled(value)
            return
        if _has_own_repr(kind) and not _ADDRESS.search(text := repr(value)):
            yield text
            return
        written = {n for k in kind.__mro__ if not _is_installed(k) for n in attributes_written(source_of(k))}
        for name in sorted(state.keys() - written):
            yield name
            yield from self.of(state[name], depth)


def _has_own_repr(kind: type) -> bool:
    """Whether the class has a written `__repr__`; that of a dataclass is generated and shortens arrays."""
    by = next(k for k in kind.__mro__ if "__repr__" in vars(k))
    return not _is_installed(by) and "__dataclass_fields__" not in vars(by)


def _is_collection(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset, Mapping))


def _names(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


class _Digest:
    """A file object that computes a digest of what is written, up to a size."""

    def __init__(self) -> None:
        self.hash, self._remaining = hashlib.sha256(), _MAX_BYTES

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self._remaining -= size
        if self._remaining < 0:
            raise _OpaqueError
        self.hash.update(data)
        return size


class _PackageTypeError(Exception):
    """The pickle contains a class or function of this package."""


_PythonPickler: Any = pickle._Pickler  # type: ignore[attr-defined]  # the pure Python one, whose names can be replaced


class _FastPickler(pickle.Pickler):
    """The usual pickler, up to the first object of this package."""

    def reducer_override(self, obj: Any) -> Any:
        if is_fmnb(obj if isinstance(obj, (type, types.FunctionType)) else type(obj)):
            raise _PackageTypeError
        return NotImplemented


class _StablePickler(_PythonPickler):  # type: ignore[misc, valid-type]
    """Writes the same bytes, with stored names in place of the present names of this package's classes."""

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if not is_fmnb(obj):
            super().save_global(obj, name)
            return
        if getattr(sys.modules.get(obj.__module__), obj.__qualname__, None) is not obj:
            raise pickle.PicklingError("its name refers to another object")
        for part in stored_name(obj):
            self.save(part)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(obj)

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, FmnbError):
            return error_from_dict, (with_earlier_keys(obj.to_dict()),)
        if isinstance(obj, (Text, Image, File, ToolResult)):  # without the labels, their last field: they decide no answer
            reduced: Any = obj.__reduce_ex__(4)
            return reduced[0], reduced[1], reduced[2][:-1]
        return NotImplemented

    dispatch = {**_PythonPickler.dispatch, types.FunctionType: save_global}


def _pickled(value: Any) -> str:
    """A digest of an object's pickle; if it cannot be pickled, its repr, if that is stable."""
    if _size(value) <= _MAX_BYTES:
        try:
            try:
                file = _Digest()
                _FastPickler(file, protocol=4).dump(value)
            except _PackageTypeError:
                file = _Digest()
                _StablePickler(file, protocol=4).dump(value)
            return file.hash.hexdigest()
        except _OpaqueError:
            raise
        except Exception:
            text = repr(value)
            if not hasattr(value, "__array__") and not (text.startswith("<") and _ADDRESS.search(text)):
                return _ADDRESS.sub("", text)
    raise _OpaqueError


def _size(value: Any) -> int:
    """Bytes of an array or a frame, 0 if an object does not tell."""
    size = value.memory_usage() if hasattr(value, "memory_usage") else getattr(value, "nbytes", 0)
    return int(size.sum() if hasattr(size, "sum") else size)


def _is_installed(thing: Any) -> bool:
    """Whether a function or class comes with Python or a package, not from the user's code."""
    module = getattr(thing, "__module__", None) or "__main__"
    if module == "__main__" or module not in sys.modules:
        return False
    file = getattr(sys.modules[module], "__file__", None)
    return file is None or module.split(".")[0] == __package__.split(".")[0] or file.startswith(_INSTALLED)


def _token(value: Any) -> str:
    """A name for a living object; another kernel gets another one."""
    try:
        return _tokens.setdefault(value, secrets.token_hex(8))
    except TypeError:  # neither hashable nor weakly referenceable: a new one each time
        return secrets.token_hex(8)
