"""Which parameters a model supports, as far as that is known before a call.

Whether a service refuses one for a single model shows with the first call: the footer then says "not applied".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..catalog.resolve import SCHEMES, Target, engine_for
from ..core.errors import FmnbError
from ..core.registry import ENGINES
from ..core.types import Request, message
from .prepare import DTYPES, FORMATS, QUANTS


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its name in `fm.ask`, its kind, its choices and bounds.

    The kinds are number, whole, text, texts and choice.
    """

    name: str
    kind: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


_ALL = (
    Parameter("temperature", "number", minimum=0, maximum=2),
    Parameter("max_tokens", "whole", minimum=1),
    Parameter("seed", "whole"),
    Parameter("stop", "texts"),
    Parameter("format", "choice", FORMATS),
    Parameter("schema", "text"),
    Parameter("api", "choice"),
    Parameter("quant", "choice", QUANTS),
    Parameter("dtype", "choice", DTYPES),
)
_PICTURES = ("seed", "format")


def parameters(target: Target) -> tuple[Parameter, ...]:
    """The parameters that a model supports, in the order of display. Nothing is sent or loaded.

    >>> from fmnb.catalog.resolve import resolve
    >>> [p.name for p in parameters(resolve("echo:"))]
    ['temperature', 'max_tokens', 'seed', 'stop', 'format', 'schema']
    """
    without = _unsupported(target)
    served = target.profile.served if target.profile is not None else ()
    found = [p for p in _ALL if p.name not in without]
    if len(served) < 2:
        found = [p for p in found if p.name != "api"]
    found = [replace(p, choices=("", *served)) if p.name == "api" else p for p in found]
    if "text" not in _image_parameters(target):
        found = [replace(p, choices=("image",)) if p.name == "format" else p for p in found if p.name in _PICTURES]
    return tuple(found)


def _image_parameters(target: Target) -> tuple[str, ...]:
    try:
        return target.open().info.outputs
    except FmnbError:  # its weights or its engine's package are missing: an error of the call
        return ("text",)


def _unsupported(target: Target) -> set[str]:
    """Parameters without an effect on this model."""
    if target.profile is not None:
        from ..providers.wire.select import pick

        wire = pick(target.profile, target.name.partition(":")[2])
        return {*target.profile.ignores, *wire.unsupported, "quant", "dtype"}
    if not target.known:
        return {*_ignored(target), "quant", "dtype", "api"}
    return {"api"} if _engine(target.name) in ("torch", "") else {"api", "quant", "dtype"}


def _engine(name: str) -> str:
    """The engine that will run weights of that name; "" if they are not downloaded."""
    head = name.partition(":")[0]
    if head in ENGINES or head not in SCHEMES:
        return head
    from ..catalog.weights import locate

    path = locate(name)
    return "" if path is None else engine_for(path)


def _ignored(target: Target) -> set[str]:
    """Parameters that a custom model does not accept.

    A function accepts those that it has arguments for; a chain or engine of another library accepts
    only text.
    """
    function = getattr(target.make(), "_value", None)
    if not callable(function):
        return {"temperature", "max_tokens", "seed", "stop"}
    request = Request("m", (message("user", ""),), temperature=0.0, max_tokens=1, seed=0, stop=("x",))
    from ..providers.objects.base import arguments

    _, _, lost = arguments(function, request)
    return set(lost)
