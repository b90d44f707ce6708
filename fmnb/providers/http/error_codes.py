"""Classifies errors of services by their text, if status and code do not suffice.

Each pattern is applied to an error's code and message, for errors before an answer and for errors
inside a stream.
"""

from __future__ import annotations

import re

CONTEXT = re.compile(
    r"(?i)context[_ -]?(?:length|window|size)|exceed_context_size|maximum (?:context|prompt|number of tokens|input)|prompt is too long|too many (?:input )?tokens"
    r"|input is too long|reduce the length|token count .{0,40}exceeds|too large for model"
)
FILTER = re.compile(
    r"(?i)content[_ ](?:filter|policy|management)|responsibleai|safety (?:system|policy|filter)|flagged|moderation|prohibited_content|blocked (?:by|for|due to) safety"
)
NO_CREDIT = re.compile(
    r"(?i)insufficient[_ ](?:quota|balance|credits?|funds)|billing[_ ](?:hard|error)|exceeded your current quota|out of credits?|no credits?"
    r"|credit balance is too low|payment required"
)
NO_MODEL = re.compile(
    r"(?i)model_?not_?found|\bmodels?\b.{0,120}(?:not found|does(?: not|n't) exist|not exist|unknown|not supported|unavailable|invalid)|(?:unknown|invalid|no such) model|deploymentnotfound|not a valid model"
    r"|^model: \S+$"
)
RATE = re.compile(
    r"(?i)rate[_ -]?limit|too[_ ]many[_ ]requests|per (?:minute|second|hour|day)\b|\b[tr]p[md]\b|quota|throttl|resource[_ ]?(?:has been )?exhausted|slow down"
)
OVERLOADED = re.compile(
    r"(?i)overload|over capacity|at capacity|no capacity|high demand|(?:service|server|temporarily)[_ ](?:is )?(?:temporarily )?unavailable|^unavailable\b|too busy"
)
TIMEOUT = re.compile(r"(?i)time[_ -]?(?:d )?out|timeout|deadline[_ ]exceeded")
KEY = re.compile(
    r"(?i)(?:invalid|incorrect|expired|missing|no)[_ ](?:api[_ -]?key|access token|credentials)|unauthori[sz]ed|unauthenticated"
)

_LIMIT_WORDS = (
    r"(?:max(?:imum)?[_ ](?:(?:completion|output|new|generated|response)[_ ])?(?:tokens?|length)|(?:output|completion|generation|response|answer)(?:[_ ]tokens?)?[_ ]limit"
    r"|(?:output|completion) token (?:budget|count)|token[_ ](?:limit|budget|allowance)|length[_ ]limit|model output limit)"
)
_REACHED_WORDS = r"(?:reached|hit|exhausted|exceeded|used up|run out|ran out|spent)"
_TOKEN_LIMIT = re.compile(
    rf"(?i){_LIMIT_WORDS}[^.;]{{0,60}}?\b{_REACHED_WORDS}\b|\b(?:{_REACHED_WORDS}|stopped at|truncated|cut off|cut short|incomplete)\b[^.;]{{0,60}}?{_LIMIT_WORDS}"
    r"|^(?:max_(?:output_|completion_)?tokens|length|token_limit|output_limit)(?:_reached|_exceeded)?\b|finish[_ ]reason\W{0,5}length"
)
_BAD_VALUE = re.compile(r"(?i)must be|less than|at most|too (?:large|high|big)|supports? (?:at most|up to)|<=|out of range")
# Unsupported by the server, with these weights or its start options: a permanent error.
_UNSUPPORTED = re.compile(
    r"(?i)not[_ ](?:currently |yet )?(?:supported|implemented)|unsupported|unimplemented|(?:does|do) ?n[o']t (?:currently |yet )?support|no support for|cannot support"
    r"|requires? (?:the )?\S{0,3}--?\w[\w-]*|needs? to be started with|start (?:it|the server) with|not enabled on this server|jinja|chat template|roles must alternate"
)
_TRANSIENT = re.compile(r"(?i)temporar|try again|retry|momentar|at the moment|currently loading|loading model")


def is_token_limit(text: str) -> bool:
    """Whether an answer ended at its token limit.

    >>> is_token_limit("Could not finish the message because max_tokens or model output limit was reached.")
    True
    >>> is_token_limit("max_tokens is too large: 100000. This model supports at most 16384 completion tokens.")
    False
    """
    return bool(_TOKEN_LIMIT.search(text)) and not _BAD_VALUE.search(text) and not RATE.search(text)


def is_unsupported(text: str) -> bool:
    """Whether the server does not support the request at all (a permanent error).

    >>> is_unsupported("image input is not supported - hint: you may need to provide the mmproj"), is_unsupported("temporarily not supported, try again")
    (True, False)
    """
    return bool(_UNSUPPORTED.search(text)) and not _TRANSIENT.search(text)


def status_from_text(text: str) -> int | None:
    """The HTTP status for an error's text; None if the text does not identify it.

    >>> status_from_text("Rate limit exceeded"), status_from_text("The model is overloaded"), status_from_text("Oops")
    (429, 529, None)
    """
    if CONTEXT.search(text):
        return 400
    for pattern, number in ((NO_CREDIT, 402), (RATE, 429), (FILTER, 400), (KEY, 401), (OVERLOADED, 529), (TIMEOUT, 504)):
        if pattern.search(text):
            return number
    return 400 if is_token_limit(text) else None
