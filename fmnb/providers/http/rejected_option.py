"""Finds the option of a request that an error response rejects, if it rejects one.

An option counts as rejected if the response names it as a parameter: in a separate field (`param`,
a validator's `loc`), or in a sentence about it ("Unsupported parameter: 'seed'"). Words that the
response quotes from the prompt do not count, nor does a value that is out of range.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_NOT_OPTIONS = ("model", "messages", "input", "system", "instructions", "documents", "_swapped")  # the prompt, and an internal flag
_REJECTING_CODES = re.compile(
    r"(?i)unsupported|unknown_|unrecogni[sz]ed|not_supported|extra_forbidden|value_error\.extra|unexpected_(?:field|keyword)|not_permitted"
)
# Words for an option that is not supported, as opposed to one with a wrong value.
_REJECTING_WORDS = (
    r"unsupported|not (?:\w+ )?(?:supported|support)|(?:does ?n[o']t|cannot) (?:\w+ )?support|unrecogni[sz]ed|unknown|unexpected|unavailable"
    r"|extra (?:inputs?|fields?) (?:are )?not permitted|not (?:permitted|allowed|available|accepted|recogni[sz]ed)|only the default|may only be set"
    r"|no such (?:field|parameter)|incompatible|deprecated|cannot find field"
)
_REJECTS = re.compile(rf"(?i){_REJECTING_WORDS}")
# A wrong value: the user decides whether to change or remove it.
_BAD_VALUE = re.compile(
    r"(?i)must be|less than|greater than|between|at most|at least|maximum|minimum|out of range|[<>]=|too (?:large|high|low|small|long)"
)
_NOUN = r"(?:parameter|param|argument|option|field|property|key|name|value|keyword)s?"
_QUOTE_CONTEXT = 12  # characters around an option's name that are compared with the prompt
_QUOTE = r"[\"'`’‘“”]"


def rejected_option(body: dict[str, Any], error: Any) -> str:
    """The key of `body` that a 400 or 422 response rejects, or "".

    >>> rejected_option({"seed": 1, "model": "m"}, {"error": {"message": "Unsupported parameter", "param": "seed", "code": "unsupported_parameter"}})
    'seed'
    >>> rejected_option({"seed": 1, "model": "m"}, {"error": {"message": "The prompt is about a seed, which is not allowed"}})
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
        named = _option_of_path(body, param)
        return named if named and (_REJECTING_CODES.search(kind) or _REJECTS.search(message)) else ""
    for item in detail if isinstance(detail, list) else ():
        if isinstance(item, dict) and (_REJECTING_CODES.search(str(item.get("type"))) or _REJECTS.search(str(item.get("msg")))):
            loc = [str(x) for x in item.get("loc") or () if x != "body"]
            if loc and (option := _option_of_path(body, loc[0])):
                return option
    prompt = _letters(" ".join(_prompt_texts(body)))
    for name in sorted(body, key=len, reverse=True):  # some names contain others
        if name not in _NOT_OPTIONS and _rejects(name, message, prompt):
            return name
    return ""


def _option_of_path(body: dict[str, Any], path: str) -> str:
    """The key of the body that a path such as `text.format` or `tools[0]` starts with."""
    head, rest = re.fullmatch(r"([^.\[]*)(.*)", path, re.DOTALL).groups()  # type: ignore[union-attr]
    if re.match(r"\[|\.\d", rest) and head not in ("include", "stop"):
        return ""  # such as one of the tools: the request without all tools would be a different one
    return head if head in body and head not in _NOT_OPTIONS else ""


def _rejects(name: str, message: str, prompt: str) -> bool:
    """Whether a sentence of the message rejects the option.

    It must name the option as one and report that it is not supported; words quoted from the prompt
    do not count.
    """
    spelt = re.escape(name).replace("_", "_?")  # some services answer in camel case
    path = rf"{spelt}(?:\.[a-z_][\w.]*)?"
    bare = rf"(?<![\w.]){path}(?!\w)"
    named = re.compile(
        rf"(?i){_QUOTE}{path}{_QUOTE}"  # 'seed'
        rf"|\b{_NOUN}(?: supplied| provided| given)?:? *{bare}|{bare} (?:{_NOUN}|type)\b"  # parameter seed, argument supplied: seed
        rf"|^{bare}(?:: |,? (?:is|was|are|does|may|cannot|can) )"  # seed: not supported; seed is not supported
        rf"|support(?:ed)? (?:the )?(?:use of )?{bare}(?:$| with| for| on| in)"  # does not support tools
        rf"|: *{bare}$"  # not supported by this model: seed
    )
    for sentence in re.split(r"[.;!]\s+|[.;!]$|\n", message):
        if not _REJECTS.search(sentence) or _BAD_VALUE.search(sentence):
            continue
        for match in named.finditer(sentence):
            around = _letters(sentence[max(0, match.start() - _QUOTE_CONTEXT) : match.end() + _QUOTE_CONTEXT])
            if around not in prompt:
                return True
    return False


def _prompt_texts(value: Any) -> Iterator[str]:
    """All texts of the prompt in a body."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _prompt_texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in _NOT_OPTIONS[1:] or key in ("content", "text", "parts"):
                yield from _prompt_texts(item)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()
