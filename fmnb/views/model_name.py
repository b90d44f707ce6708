"""How a model is named where people read: one short name; the full one on demand.

The host stands beside the short name, so the provider is left out of it.
"""

from __future__ import annotations

import re

from ..core.registry import ENGINES
from ..core.response import Response

_LOCAL = "local"
_TEST_PROVIDER = "echo"  # the rest of its name says how it answers
_OURS = ("embedded", "minilm")  # another provider's model of that name keeps its provider
_VERSION = re.compile(r"(==|@)[^/]*$")


def short_name(name: str) -> str:
    """The name of a model without its provider, folders, version and file type.

    Args:
        name: A name as people type it, or as a service reports it.

    Returns:
        The short name; an alias and a custom model are short already.

    >>> short_name("openai:gpt-5-mini"), short_name("hf:org/repo@main/tiny-q4.gguf"), short_name("other:embedded")
    ('gpt-5-mini', 'tiny-q4', 'other:embedded')
    """
    provider, colon, rest = name.partition(":")
    if provider == _TEST_PROVIDER or (colon and (not rest or (rest in _OURS and provider not in ENGINES))):
        return name
    if provider in ("hf", "pypi", "path"):
        rest = _VERSION.sub("", rest)
    last = re.split(r"[/\\]", (rest if colon and not re.search(r"[/\\]", provider) else name).rstrip("/\\"))[-1]
    return last.removesuffix(".gguf") or name


def answer_name(response: Response) -> str:
    """The short name of the model that answered.

    A local model and a dated version of the model that was named keep the name that was named.

    Args:
        response: An answer.

    Returns:
        The short name, or "unknown model".

    >>> answer_name(Response("", model="gpt-5-mini-2026-01-12", requested_model="openai:gpt-5-mini"))
    'gpt-5-mini'
    >>> answer_name(Response("", model="acme/large", requested_model="openrouter:auto"))
    'large'
    """
    named, answered = short_name(response.requested_model), short_name(response.model)
    same = response.host == _LOCAL or answered.casefold().startswith(named.casefold())
    return (named if named and (same or not answered) else answered) or "unknown model"


def full_name(response: Response) -> str:
    """The names that the short one stands for: as typed, and as the answer reports it.

    Args:
        response: An answer.

    Returns:
        The name as typed, then the reported name or the file of local weights; "" if the short
        name says it all.

    >>> full_name(Response("", model="gpt-5-mini-2026-01-12", requested_model="openai:gpt-5-mini"))
    'openai:gpt-5-mini, answered by gpt-5-mini-2026-01-12'
    """
    named, answered = response.requested_model, str(response.extra.get("title") or "") or response.model
    differs = answered not in ("", named, named.rstrip(":")) and not named.endswith(f":{answered}")
    if not named or not differs:
        whole = named or answered
        return "" if whole == answer_name(response) else whole
    return f"{named}, answered by {answered}"
