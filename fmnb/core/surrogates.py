"""Replaces lone surrogates by U+FFFD on input.

They have no UTF-8 form, so neither disk nor network can hold them.
"""

from __future__ import annotations

import re
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")


def replace_surrogates_in_text(text: str) -> str:
    """Replace lone surrogates in a text; surrogate pairs become their character.

    >>> replace_surrogates_in_text("a\\ud83d b") == "a\\ufffd b", replace_surrogates_in_text("\\ud83d\\ude00") == "\\U0001f600"
    (True, True)
    """
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def replace_surrogates(value: Any) -> Any:
    """Replace lone surrogates in all strings within dicts, lists and tuples."""
    if isinstance(value, str):
        return replace_surrogates_in_text(value)
    if isinstance(value, dict):
        return {replace_surrogates(k): replace_surrogates(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(replace_surrogates, value)) if type(value) in (list, tuple) else value
    return value
