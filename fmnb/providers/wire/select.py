"""Selects the interface for a request, and adapts the profile to it.

The default is the profile's `api`; `--api` selects another. Each interface is a `Wire`,
imported on first use.
"""

from __future__ import annotations

import dataclasses
import fnmatch

from ...config.settings import check_allowed
from ...core.errors import UsageError
from ..profiles import Profile, serving
from .base import Wire


def pick(p: Profile, model: str, api: str = "") -> Wire:
    """The interface for one model.

    It is the requested one, the one that the model needs, or the profile's default.

    Raises UsageError for an interface that the service does not have, and names providers that do.

    >>> pick(Profile("p", base_url="https://x.example/v1"), "m").path
    '/chat/completions'
    """
    if not api:
        needs = "responses" in p.served and any(fnmatch.fnmatchcase(model, pattern) for pattern in p.responses_models)
        api = "responses" if needs else p.api
    if api not in p.served:
        others = ", ".join(serving(api)) or "no known provider"
        raise UsageError(
            f"{p.label} has no such interface",
            detail=f"--api {api}",
            hint=f"It has {' and '.join(p.served)}: leave --api out. {api} is served by {others}.",
        )
    return _wire(p.native if api == "native" else api)


def _wire(name: str) -> Wire:
    """The interface of that name; only its module is imported."""
    match name:
        case "chat":
            from .chat_completions import WIRE
        case "responses":
            from .responses import WIRE
        case "anthropic":
            from .anthropic_messages import WIRE
        case "cohere":
            from .cohere_chat import WIRE
        case _:
            raise LookupError(name)
    return WIRE


def through(p: Profile, wire: Wire) -> Profile:
    """The profile with the address, key header and fixed headers of that interface.

    Raises LockedError if an administrator's lock forbids the address.
    """
    native = wire.name == p.native
    base_url = (native and p.native_url or p.base_url).rstrip("/")
    check_allowed("urls", base_url)
    own = p.native_auth if native else ""
    return dataclasses.replace(
        p,
        base_url=base_url,
        native_url="",
        api="native" if native else wire.name,
        auth=own or (p.auth if p.auth != "bearer" else wire.auth or p.auth),
        headers={**wire.headers, **p.headers},
    )
