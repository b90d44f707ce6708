"""Raw parameters that would send a request to another host or model than the named one.

Gateways accept lists of other models, routes and hosts besides the named model. If an
administrator locks models, providers or addresses, none of these parameters is allowed.
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
_DATA = frozenset(  # inputs and outputs of a model: names in them belong to the user
    ("schema", "jsonschema", "responseformat", "guidedjson", "tools", "functions", "toolchoice", "metadata", "logitbias", "messages")
)
_ADDRESS = re.compile(r"(?i)^\s*[a-z][a-z0-9+.-]*://")
_PRIVACY = frozenset(("data_collection", "zdr", "require_parameters", "max_price"))  # keys of `provider` that only restrict the choice


def check_routing(params: Mapping[str, Any]) -> None:
    """Raise LockedError if raw parameters could bypass a lock.

    Args:
        params: Parameters as they are sent, including nested tables.

    Raises:
        LockedError: A parameter names models, providers or addresses while a lock is in force.

    >>> check_routing({"top_k": 5, "models": ["any"]})  # nothing is locked here
    """
    locks = [name for name in _LOCKS if settings().lock(name) is not None] if params else []
    if locks and (parameter := next(_routes(params), "")):
        raise LockedError(
            "This machine's administrator does not allow the parameter",
            detail=parameter,
            hint=f"It could reach another model or host than the lock on {' and '.join(locks)} allows: leave it out.",
        )


def _routes(params: Mapping[str, Any], above: str = "") -> Iterator[str]:
    tables: list[tuple[str, Any]] = [(above, params)]
    while tables:
        path_above, value = tables.pop()
        if isinstance(value, (list, tuple)):
            tables += [(path_above, v) for v in value]
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                name, path = re.sub(r"[^a-z0-9]", "", str(key).lower()), f"{path_above}.{key}" if path_above else str(key)
                narrows = name == "provider" and isinstance(inner, Mapping) and set(inner) <= _PRIVACY
                if name in _DATA or narrows:
                    continue
                if name in _NAMES or _WORDS.search(name) or (isinstance(inner, str) and _ADDRESS.match(inner)):
                    yield path
                tables.append((path, _table(inner)))


def _table(value: Any) -> Any:
    """Parse a table or list in JSON text, as some clients write `extra_body`.

    Other values are returned unchanged.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
