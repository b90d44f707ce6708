"""Whether a text that is not whole yet can still become JSON."""

from __future__ import annotations

import json
import re

_BEGINS = 50  # brackets that are tried: words before the JSON may hold some
_CUT_OFF = re.compile(r"t(r(ue?)?)?|f(a(l(se?)?)?)?|n(u(ll?)?)?|-|\.|[eE][+-]?")


def is_json_prefix(text: str) -> bool:
    """Whether a text holds JSON, perhaps after some words, that is not closed yet and has no mistake so far.

    >>> is_json_prefix('Sure: {"items": ["no", "n'), is_json_prefix('{"a": 1} and'), is_json_prefix('{"a" 1'), is_json_prefix("no")
    (True, False, False, False)
    """
    decoder = json.JSONDecoder()
    first = re.match(r"\s*(?=[\"{\[])", text)
    for begin in [first.end()] if first else [m.start() for m in re.finditer(r"[{\[]", text)][:_BEGINS]:
        try:
            decoder.raw_decode(text, begin)
        except json.JSONDecodeError as e:
            if _ends_there(text, e):
                return True
        except RecursionError:
            return False
    return False


def _ends_there(text: str, e: json.JSONDecodeError) -> bool:
    """Whether the one mistake is that the text ends."""
    if e.msg.startswith("Unterminated string"):
        return True
    rest = text[e.pos :]
    if e.msg.startswith("Invalid control"):
        return False
    if e.msg.startswith("Invalid \\"):
        return len(rest) < 6  # of an escape's four digits
    return not rest.strip(" \t\r\n,") or _CUT_OFF.fullmatch(rest.strip()) is not None
