"""Whether an unfinished text can still become JSON."""

from __future__ import annotations

import json
import re

_BEGINS = 50  # brackets that are tried: text before the JSON may contain some
_CUT_OFF = re.compile(r"t(r(ue?)?)?|f(a(l(se?)?)?)?|n(u(ll?)?)?|-|\.|[eE][+-]?")


def is_json_prefix(text: str) -> bool:
    """Whether a text contains unclosed JSON without an error so far, possibly after other text.

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
    """Whether the only error is that the text ends."""
    if e.msg.startswith("Unterminated string"):
        return True
    rest = text[e.pos :]
    if e.msg.startswith("Invalid control"):
        return False
    if e.msg.startswith("Invalid \\"):
        return len(rest) < 6  # in the four digits of an escape
    return not rest.strip(" \t\r\n,") or _CUT_OFF.fullmatch(rest.strip()) is not None
