"""What a user's process remembers between calls, in one object that can be replaced.

Each room keeps its memory in a small class and asks for the current one with `state`:

>>> class Votes:
...     def __init__(self):
...         self.count = 0
>>> state(Votes).count += 1
>>> state(Votes).count
1

A kernel has one Runtime for its whole life. A server has one for each user, a test one for
itself: what happens inside `with Runtime():` is remembered there and nowhere else.

>>> with Runtime():
...     state(Votes).count
0

The current Runtime follows a call into the event loop, its tasks and worker threads. What
belongs to the machine and not to a user is shared by all: loaded models, connections, the
database, caches of facts about services.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TypeVar, cast

T = TypeVar("T")


class Runtime:
    """One object for each class, created on first use.

    Use it in a `with` statement to make it the current Runtime.
    """

    def __init__(self) -> None:
        self._states: dict[type, object] = {}
        self._lock = threading.RLock()
        self._tokens: list[Token[Runtime]] = []

    def state(self, kind: type[T]) -> T:
        """The one object of this class.

        Args:
            kind: A class that can be made without arguments.

        Returns:
            The object, the same at every call.
        """
        try:
            return cast(T, self._states[kind])
        except KeyError:
            with self._lock:
                if kind not in self._states:
                    self._states[kind] = kind()
                return cast(T, self._states[kind])

    def put(self, value: object) -> None:
        """Set the object of its class, in place of the one that would be made."""
        self._states[type(value)] = value

    def __enter__(self) -> Runtime:
        self._tokens.append(_current.set(self))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _current.reset(self._tokens.pop())


_DEFAULT = Runtime()
_current: ContextVar[Runtime] = ContextVar("fmnb_runtime", default=_DEFAULT)


def runtime() -> Runtime:
    """The current Runtime."""
    return _current.get()


def state(kind: type[T]) -> T:
    """The current Runtime's one object of this class."""
    return _current.get().state(kind)


def current(kind: type[T]) -> T:
    """A proxy for the current Runtime's object of this class.

    Each use looks up the Runtime that is current at that time.

    >>> class Settings:
    ...     color = "blue"
    >>> settings = current(Settings)
    >>> settings.color = "red"
    >>> state(Settings).color
    'red'
    """
    return cast(T, _Current(kind))


class _Current:
    """Passes every attribute on to the current Runtime's object."""

    __slots__ = ("_kind",)

    _kind: type[object]

    def __init__(self, kind: type[object]):
        object.__setattr__(self, "_kind", kind)

    def __getattr__(self, name: str) -> object:
        return getattr(state(self._kind), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(state(self._kind), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(state(self._kind), name)

    def __repr__(self) -> str:
        return repr(state(self._kind))
