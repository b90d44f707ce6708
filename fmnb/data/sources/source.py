"""`fm.source`: a typed function as a source of live facts."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import CodeType
from typing import Any, Generic, ParamSpec, TypeVar

from ...core.errors import CustomModelError, FmnbError, UsageError
from ...core.event_loop import run_sync
from ...core.labels import column_label, join
from ...core.sources import UNTRUSTED, Passage, Retrieved
from ...core.types import Label, Text
from ...core.typing import ModelLike
from ...prompts.dataframes import table_of
from ...prompts.describe import describe
from .parameters import Parameter, fill, parameters_of
from .times import as_of, seconds_of
from .values import Value, value_of

P = ParamSpec("P")
R = TypeVar("R")
_CELLS = 5_000  # of a table that figures are traced to
_PROCESS = secrets.token_hex(8)


class LiveSource(Generic[P, R]):
    """A function whose result is fetched when a question needs it, and kept until it expires.

    Calling it calls the function, without the cache. `fm.source` makes one. With `preview`, which one with
    arguments has, it asks a model for each prompt.
    """

    preview: Callable[[str], Retrieved]

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str,
        ttl: float,
        stale: bool = False,
        parameters: tuple[Parameter, ...] = (),
        identity: str = "",
        fetch: Callable[[Mapping[str, Any], Value | None], Value] | None = None,
    ):
        functools.update_wrapper(self, function)
        self.name = name
        self.ttl = ttl
        self.stale = stale
        self._function = function
        self._parameters = parameters
        self._identity = identity
        self._fetch = fetch or self._call
        if parameters:
            self.preview = self._preview

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's own result, fetched now."""
        return self._function(*args, **kwargs)

    def state(self) -> str:
        """A constant, since a replay uses the values that a tape recorded, however old."""
        return "live"

    def retrieve(self, question: str, *, limit: int = 8, model: ModelLike | None = None) -> Retrieved:
        """The current value as a passage to cite; for `--with`.

        Args:
            question: The prompt, from which the model fills in arguments.
            limit: The most passages; there is one.
            model: The model that fills in arguments.

        Returns:
            A passage that says how old the value is. If the prompt does not give a required argument, a
            note says so.

        Raises:
            UsageError: There are required arguments and no model.
            FmnbError: The fetch failed, and a stale value is not wanted or there is none.
        """
        filled = fill(self._parameters, self.name, inspect.getdoc(self) or "", question, model)
        notes = (filled.note,) if filled.note else ()
        if filled.missing:
            missing = f"{self.name}: the prompt does not say its {' and '.join(filled.missing)}"
            return Retrieved(notes=notes or (missing,))
        given = filled.arguments
        arguments = {p.name: given[p.name] if p.name in given else p.default for p in self._parameters}
        shown = f"{self.name}({', '.join(f'{n}={v!r}' for n, v in arguments.items())})"
        key = hashlib.sha256(json.dumps([self.name, self._identity, arguments], sort_keys=True, default=repr).encode()).hexdigest()
        value, failure = value_of(key, shown, self.ttl, self.stale, lambda known: self._fetch(arguments, known))
        if failure:
            notes = (*notes, f"{self.name} could not be fetched, so its value is STALE: {failure}")
        age = as_of(value.at, time.time())
        passage = Passage(
            text=f"({'STALE, ' if failure else ''}{age})\n{value.text}",
            source=self.name,
            title=shown,
            location=value.location,
            time=value.at,
            stale=bool(failure),
            details={"arguments": json.loads(json.dumps(arguments, default=str)), "ttl": self.ttl},
            label=join([UNTRUSTED, value.label]) or UNTRUSTED,
        )
        return Retrieved((passage,)[:limit], {self.name: list(value.rows)} if value.rows else {}, notes)

    def _preview(self, question: str) -> Retrieved:
        """What `retrieve` would do, for a dry run; nothing is fetched and no model is asked."""
        names = ", ".join(p.name for p in self._parameters)
        text = f"(Here the current value will stand. A call before this one lets the model fill in {names} from the prompt.)"
        return Retrieved(
            (Passage(text, self.name, title=f"{self.name}({names})"),), notes=(f"{self.name}: its arguments cost one call more",)
        )

    def _call(self, arguments: Mapping[str, Any], known: Value | None) -> Value:
        """The result of the function as a value."""
        function: Callable[..., Any] = self._function
        try:
            result = function(**arguments)
            if inspect.isawaitable(result):
                result = run_sync(_awaited(result))
        except FmnbError:
            raise
        except Exception as e:  # whatever the user's function raises
            raise CustomModelError(f"The source {self.name} failed", detail=f"{type(e).__name__}: {e}"[:300]) from e
        return value_from(result, self.name)

    def __repr__(self) -> str:
        return f"LiveSource({self.name}, ttl={self.ttl:g} s)"


async def _awaited(result: Any) -> Any:
    return await result


def value_from(result: object, name: str, **more: Any) -> Value:
    """A result as a value: its text, and its rows if it is a table.

    Raises:
        UsageError: It is empty.
    """
    text = "\n".join(p.text for p in describe(result, name) if isinstance(p, Text)).strip() if result is not None else ""
    if not text:
        raise UsageError(f"The source {name} returned nothing", hint="Return text, a number, a dict, a list or a table.")
    return Value(text, time.time(), _rows(result), label=_label(result), **more)


def _rows(result: object) -> tuple[dict[str, Any], ...]:
    """The rows of a table, to trace figures to; none of a large one."""
    table = table_of(result)
    if table is None or not table.rows or table.rows * table.columns > _CELLS:
        return ()
    rows = table.take(list(range(table.rows)), table.columns)
    return tuple({n: _plain(v) for n, v in zip(table.names, row, strict=True)} for row in rows)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    value = value.item() if hasattr(value, "item") and not hasattr(value, "isoformat") else value
    return value if isinstance(value, (int, float, bool, str, type(None))) else str(value)


def _label(result: object) -> Label | None:
    """What a frame says of its content: its data class."""
    attributes = getattr(result, "attrs", None)
    return column_label(attributes, map(str, getattr(result, "columns", ()))) if isinstance(attributes, dict) and attributes else None


def source(*, ttl: str | float | timedelta, name: str = "", stale: bool = False) -> Callable[[Callable[P, R]], LiveSource[P, R]]:
    """Make a source of live facts from a typed function, for `--with`.

        @fm.source(ttl="5m")
        def stock(sku: str) -> dict:
            "Pieces in stock now, by warehouse."
            return shop.stock(sku)

    The model of an answer fills in arguments from the prompt; its docstring tells the model what the function
    does. The result is kept until it expires, then fetched again. The function may be async.

    Args:
        ttl: How long a result is true: "30s", "5m", "2h", "1d", a number of seconds, or a timedelta.
        name: The name for `--with`; by default, that of the function.
        stale: Whether an expired result is used, marked STALE, if the fetch fails. By default, that is an error.

    Returns:
        A decorator; what it returns is called like the function, and is a source.

    Raises:
        UsageError: The time to live is invalid, or an argument has no type.

    >>> @source(ttl="5m")
    ... def stock() -> str:
    ...     return "12 pieces"
    >>> stock()
    '12 pieces'
    >>> stock.retrieve("How many are left?").passages[0].text
    '(as of ..., just fetched)\\n12 pieces'
    """
    seconds = seconds_of(ttl)

    def decorate(function: Callable[P, R]) -> LiveSource[P, R]:
        if not callable(function):
            raise UsageError("Only a function can be a source", detail=type(function).__name__)
        known = name or getattr(function, "__name__", "source")
        return LiveSource(
            function,
            name=known,
            ttl=seconds,
            stale=stale,
            parameters=parameters_of(function, known),
            identity=_identity(function),
        )

    return decorate


def _identity(function: Callable[..., object]) -> str:
    """What changes with a function's code and what it encloses: another one does not get its results."""
    plain = inspect.unwrap(function)
    code = getattr(plain, "__code__", None)
    text = _code_text(code) if isinstance(code, CodeType) else _own(plain)
    enclosed = [_own(getattr(cell, "cell_contents", None)) for cell in getattr(plain, "__closure__", None) or ()]
    bound = _own(getattr(plain, "__self__", None))
    where = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
    return hashlib.sha256("\n".join([where, text, bound, *enclosed]).encode("utf-8", "surrogatepass")).hexdigest()


def _own(value: object) -> str:
    """A value that code encloses; an object counts as itself, in this process alone."""
    if isinstance(value, tuple):
        return f"({','.join(map(_own, value))})"
    plain = isinstance(value, (str, bytes, int, float, bool, type(None)))
    return repr(value) if plain else f"{type(value).__qualname__} {id(value)} {_PROCESS}"


def _code_text(code: CodeType) -> str:
    constants = [_code_text(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return "\x1f".join([code.co_code.hex(), *constants, *code.co_names])
