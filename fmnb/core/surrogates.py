"""Half of a surrogate pair has no UTF-8 form, so neither disk nor wire can carry it: it becomes U+FFFD where text comes in."""

from __future__ import annotations

import re
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")


def whole_text(text: str) -> str:
    """The text; two halves that stand together become the one character they are.

    >>> whole_text("a\\ud83d b") == "a\\ufffd b", whole_text("\\ud83d\\ude00") == "\\U0001f600"
    (True, True)
    """
    if text.isascii() or not _HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def whole(value: Any) -> Any:
    """The same for every text within dicts, lists and tuples."""
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, dict):
        return {whole(k): whole(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(whole, value)) if type(value) in (list, tuple) else value
    return value
