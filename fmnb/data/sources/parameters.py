"""The arguments of a source: types from its signature, values from the prompt, as a model reads it."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ...calls.model import ask
from ...core.errors import SchemaMismatchError, UsageError
from ...schemas.python_types import of_type
from ...schemas.spec import Json, SchemaSpec, dict_builder, nullable, object_schema, optional

_TASK = """\
Fill in the arguments of this function from the request below. Its result will help to answer the request. \
Use null for an argument that the request says nothing about.

{signature}{description}

Request:
{question}"""


@dataclass(frozen=True)
class Parameter:
    """One argument: its JSON schema, how to build its value, and its default."""

    name: str
    schema: Json
    build: Callable[[Any], Any]
    default: Any = inspect.Parameter.empty
    shown: str = ""

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is inspect.Parameter.empty


def parameters_of(function: Callable[..., object], name: str) -> tuple[Parameter, ...]:
    """The parameters of a typed function.

    Raises:
        UsageError: One has no type, or a kind that cannot be filled by name.
        SchemaError: A type cannot be expressed as a schema.

    >>> def weather(city: str, days: int = 1) -> str: ...
    >>> [(p.name, p.required) for p in parameters_of(weather, "weather")]
    [('city', True), ('days', False)]
    """
    plain = inspect.unwrap(function)
    annotations = {n: a for n, a in getattr(plain, "__annotations__", {}).items() if n != "return"}  # what it returns may be unknown here
    try:
        hints = typing.get_type_hints(
            SimpleNamespace(__annotations__=annotations), getattr(plain, "__globals__", None), include_extras=True
        )
    except NameError as e:
        raise UsageError(f"{name} has a type that is not defined", detail=str(e), hint="Run the cell that defines it first.") from None
    found = []
    for p in inspect.signature(function).parameters.values():
        if p.kind not in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
            raise UsageError(f"{name} takes arguments without names", detail=str(p), hint="Name each argument of a source.")
        if p.name not in hints:
            raise UsageError(f"An argument of {name} has no type", detail=p.name, hint=f"For example {p.name}: str.")
        schema, _, _, build = of_type(hints[p.name], f"{name}.{p.name}", ())
        found.append(Parameter(p.name, schema, build, p.default, _shown(p)))
    return tuple(found)


def _shown(p: inspect.Parameter) -> str:
    """A parameter as its function states it, also where annotations are strings."""
    default = "" if p.default is p.empty else f" = {p.default!r}"
    return f"{p.name}: {p.annotation}{default}" if isinstance(p.annotation, str) else str(p)


@dataclass(frozen=True)
class Filled:
    """Arguments by name; `missing` are required ones that the prompt lacks. `note` is for the user."""

    arguments: Mapping[str, Any]
    missing: tuple[str, ...] = ()
    note: str = ""


def fill(parameters: Sequence[Parameter], name: str, description: str, question: str, model: Any) -> Filled:
    """The arguments for a question, as a model reads it; defaults for what it leaves open.

    Raises:
        UsageError: There are required arguments and no model.
        FmnbError: The call of the model failed.
    """
    required = tuple(p.name for p in parameters if p.required)
    if not parameters:
        return Filled({})
    if model is None:
        if required:
            raise UsageError(f"{name} needs a model to fill in its arguments", detail=", ".join(required), hint="Give `model=`.")
        return Filled({})
    spec = SchemaSpec(
        object_schema({p.name: p.schema if "anyOf" in p.schema else nullable(p.schema) for p in parameters}),
        "arguments",
        build=dict_builder({p.name: optional(p.build) for p in parameters}),
    )
    signature = f"{name}({', '.join(p.shown or p.name for p in parameters)})"
    prompt = _TASK.format(signature=signature, description=f"\n{description}" if description else "", question=question.strip())
    asking: Any = ask  # a schema that is made already is no public form of one
    try:
        data = asking(prompt, model, schema=spec, temperature=0.0).data
    except SchemaMismatchError as e:
        return Filled({}, required, f"{name}: the model did not fill in the arguments ({e.message})")
    given = {p.name: data[p.name] for p in parameters if data.get(p.name) is not None}
    missing = tuple(p.name for p in parameters if p.required and p.name not in given and not _takes_none(p))
    return Filled({**{p.name: None for p in parameters if p.required and _takes_none(p)}, **given}, missing)


def _takes_none(p: Parameter) -> bool:
    return {"type": "null"} in p.schema.get("anyOf", ())
