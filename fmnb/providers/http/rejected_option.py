"""Which option of a request a refusal is about, where it is about an option at all.

An option counts as refused when the answer names it as a parameter: in a field of its own
(`param`, a validator's `loc`), or in a sentence whose subject it is ("Unsupported parameter:
'seed'"). Words of the prompt that a refusal quotes do not count, nor does a value that is
out of range.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_NEVER = ("model", "messages", "input", "system", "instructions", "documents", "_swapped")  # the prompt itself, and our own mark
_KINDS = re.compile(
    r"(?i)unsupported|unknown_|unrecogni[sz]ed|not_supported|extra_forbidden|value_error\.extra|unexpected_(?:field|keyword)|not_permitted"
)
# Words that say of an option that it is not taken, rather than of its value that it is wrong.
_WORDS = (
    r"unsupported|not (?:\w+ )?(?:supported|support)|(?:does ?n[o']t|cannot) (?:\w+ )?support|unrecogni[sz]ed|unknown|unexpected|unavailable"
    r"|extra (?:inputs?|fields?) (?:are )?not permitted|not (?:permitted|allowed|available|accepted|recogni[sz]ed)|only the default|may only be set"
    r"|no such (?:field|parameter)|incompatible|deprecated|cannot find field"
)
_SAYS_SO = re.compile(rf"(?i){_WORDS}")
# A value that is wrong: another value helps, and leaving the option out is not for us to decide.
_RANGE = re.compile(
    r"(?i)must be|less than|greater than|between|at most|at least|maximum|minimum|out of range|[<>]=|too (?:large|high|low|small|long)"
)
_THING = r"(?:parameter|param|argument|option|field|property|key|name|value|keyword)s?"
_AROUND = 12  # characters beside an option's name by which words of the prompt are recognized
_QUOTE = r"[\"'`’‘“”]"


def refused_option(body: dict[str, Any], error: Any) -> str:
    """The key of `body` that a 400 or 422 is about, or "" when it is not about one option.

    >>> refused_option({"seed": 1, "model": "m"}, {"error": {"message": "Unsupported parameter", "param": "seed", "code": "unsupported_parameter"}})
    'seed'
    >>> refused_option({"seed": 1, "model": "m"}, {"error": {"message": "The prompt is about a seed, which is not allowed"}})
    ''
    """
    inner = error.get("error", error) if isinstance(error, dict) else error
    inner = inner[0] if isinstance(inner, list) and inner else inner
    document = inner if isinstance(inner, dict) else {"message": str(inner)}
    detail = document.get("detail", error.get("detail") if isinstance(error, dict) else None)
    message = document.get("message") or document.get("msg") or (detail if isinstance(detail, str) else "")
    message = message if isinstance(message, str) else json.dumps(message, default=str)
    kind = f"{document.get('code') or ''} {document.get('type') or ''}"
    if isinstance(param := document.get("param"), str) and param:
        named = _option(body, param)
        return named if named and (_KINDS.search(kind) or _SAYS_SO.search(message)) else ""
    for item in detail if isinstance(detail, list) else ():
        if isinstance(item, dict) and (_KINDS.search(str(item.get("type"))) or _SAYS_SO.search(str(item.get("msg")))):
            loc = [str(x) for x in item.get("loc") or () if x != "body"]
            if loc and (found := _option(body, loc[0])):
                return found
    prompt = _letters(" ".join(_texts(body)))
    for name in sorted(body, key=len, reverse=True):  # names contain each other
        if name not in _NEVER and _refuses(name, message, prompt):
            return name
    return ""


def _option(body: dict[str, Any], path: str) -> str:
    """The key of the body that a path such as `text.format` or `tools[0]` begins with."""
    head, rest = re.fullmatch(r"([^.\[]*)(.*)", path, re.DOTALL).groups()  # type: ignore[union-attr]
    if re.match(r"\[|\.\d", rest) and head not in ("include", "stop"):
        return ""  # one of the tools, say: without all of them it is another question
    return head if head in body and head not in _NEVER else ""


def _refuses(name: str, message: str, prompt: str) -> bool:
    """Whether a sentence of the message rejects the option.

    It must name the option as one and report that it is not supported; words quoted from the prompt
    do not count.
    """
    spelt = re.escape(name).replace("_", "_?")  # some services answer in camel case
    path = rf"{spelt}(?:\.[a-z_][\w.]*)?"
    bare = rf"(?<![\w.]){path}(?!\w)"
    named = re.compile(
        rf"(?i){_QUOTE}{path}{_QUOTE}"  # 'seed'
        rf"|\b{_THING}(?: supplied| provided| given)?:? *{bare}|{bare} (?:{_THING}|type)\b"  # parameter seed, argument supplied: seed
        rf"|^{bare}(?:: |,? (?:is|was|are|does|may|cannot|can) )"  # seed: not supported; seed is not supported
        rf"|support(?:ed)? (?:the )?(?:use of )?{bare}(?:$| with| for| on| in)"  # does not support tools
        rf"|: *{bare}$"  # not supported by this model: seed
    )
    for sentence in re.split(r"[.;!]\s+|[.;!]$|\n", message):
        if not _SAYS_SO.search(sentence) or _RANGE.search(sentence):
            continue
        for found in named.finditer(sentence):
            around = _letters(sentence[max(0, found.start() - _AROUND) : found.end() + _AROUND])
            if around not in prompt:
                return True
    return False


def _texts(value: Any) -> Iterator[str]:
    """Every text of the prompt in a body."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in _NEVER[1:] or key in ("content", "text", "parts"):
                yield from _texts(item)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()
