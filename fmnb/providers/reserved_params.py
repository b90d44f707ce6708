"""Raw parameters that would send a request elsewhere, or to another model, than its name says.

Gateways take lists of other models, routes and hosts beside the model that was named. Where
an administrator locks models, providers or addresses, none of these may be given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..config.settings import settings
from ..core.errors import LockedError

_LOCKS = ("models", "providers", "urls")
_WORDS = re.compile(
    r"model|fallback|rout(?:e|ing)|provider|gateway|baseurl|apibase|apiurl|apihost|endpoint|deployment|preset|plugin|engine|adapter|lora"
    r"|upstream|proxy|header|server|cluster|checkpoint"
)
_NAMES = frozenset(("url", "uri", "host", "target", "targets", "order", "only", "config", "strategy", "transport"))
_DATA = frozenset(  # what a model is given or has to write: names in it are the user's own
    ("schema", "jsonschema", "responseformat", "guidedjson", "tools", "functions", "toolchoice", "metadata", "logitbias", "messages")
)
_ADDRESS = re.compile(r"(?i)^\s*[a-z][a-z0-9+.-]*://")
_PRIVACY = frozenset(("data_collection", "zdr", "require_parameters", "max_price"))  # of `provider`: these only narrow


def check_routing(params: Mapping[str, Any]) -> None:
    """Raise LockedError where raw parameters could reach what a lock forbids.

    Args:
        params: Parameters as they go over the wire, with the tables in them.

    Raises:
        LockedError: One of them names models, providers or addresses while a lock is in force.

    >>> check_routing({"top_k": 5, "models": ["any"]})  # nothing is locked here
    """
    locks = [name for name in _LOCKS if settings().lock(name) is not None] if params else []
    if locks and (found := next(_routes(params), "")):
        raise LockedError(
            "This machine's administrator does not allow the parameter",
            detail=found,
            hint=f"It could reach another model or host than the lock on {' and '.join(locks)} allows: leave it out.",
        )


def _routes(params: Mapping[str, Any], above: str = "") -> Iterator[str]:
    tables: list[tuple[str, Any]] = [(above, params)]
    while tables:
        where, value = tables.pop()
        if isinstance(value, (list, tuple)):
            tables += [(where, v) for v in value]
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                name, said = re.sub(r"[^a-z0-9]", "", str(key).lower()), f"{where}.{key}" if where else str(key)
                narrows = name == "provider" and isinstance(inner, Mapping) and set(inner) <= _PRIVACY
                if name in _DATA or narrows:
                    continue
                if name in _NAMES or _WORDS.search(name) or (isinstance(inner, str) and _ADDRESS.match(inner)):
                    yield said
                tables.append((said, _table(inner)))


def _table(value: Any) -> Any:
    """A table or list that was written as JSON text, as some clients take `extra_body`; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
