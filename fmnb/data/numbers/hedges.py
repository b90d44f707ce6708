"""Words before a figure that widen or bound it: about 30, over 30, at least 30."""

from __future__ import annotations

import re

_ARTICLE = r"\s(?:an? )?(?:US)?[$€£¥]?$"  # "over the 4 years" is no bound
_HEDGE = re.compile(
    r"(?:\b(?:about|around|approximately|approx\.?|roughly|some|circa|ca\.?|an estimated|close to|nearly|almost|just (?:over|under|above"
    r"|below|shy of)|a little (?:over|under|more than|less than)|slightly (?:over|under|more than|less than|above|below)|or so)|~|≈)"
    r"\s?(?:a |an |the )?(?:US)?[$€£¥]?\s?$",
    re.I,
)
_MORE = re.compile(
    r"\b(?:more than|over|above|exceed(?:s|ing|ed)?|greater than|higher than|upwards? of|north of|longer than|older than|heavier than"
    r"|larger than|bigger than|warmer than|hotter than|later than|better than|past|beyond|in excess of|tops|topped|clears|cleared"
    r"|faster than|taller than|richer than|costlier than)" + _ARTICLE,
    re.I,
)
_AT_LEAST = re.compile(r"\b(?:at least|no (?:fewer|less) than|not less than|a minimum of)" + _ARTICLE, re.I)
_LESS = re.compile(
    r"\b(?:less than|fewer than|under|below|lower than|shorter than|smaller than|lighter than|colder than|cheaper than|younger than"
    r"|short of|slower than)" + _ARTICLE,
    re.I,
)
_AT_MOST = re.compile(r"(?<!add )(?<!adds )(?<!added )\b(?:at most|no more than|(?<!\d )up to|not more than|within)" + _ARTICLE, re.I)
_VERB = re.compile(r"(?<!the )(?<!the very )\b(?:top|exceed|beat|break|crack|clear)\s[$€£¥]?$", re.I)
_RANGE = re.compile(r"\b(?:from|between|rang\w+|goes|runs|span\w*)\b[^.;]{0,40}\bup to\s(?:a )?[$€£¥]?$", re.I)
_OVER_A = re.compile(  # exceed a weight of 6 kg
    r"\b(?:(?P<more>exceed(?:s|ing|ed)?|above|over|more than)|below|under|less than) an? (?!period|total|span|course)[a-z_]+(?: [a-z_]+){0,3} of (?:US)?[$€£¥]?$",
    re.I,
)
_ADVERB = re.compile(r"\b(?:just|slightly|a little|well|significantly|far)\s", re.I)


def before(text: str, start: int, end: int, unit: str | None) -> tuple[bool, str]:
    """Whether the figure at this place is hedged, and its bound.

    >>> before("nearly 30", 7, 9, None), before("more than 30", 10, 12, None)
    ((True, ''), (False, '>'))
    """
    near = text[max(0, start - 24) : start]
    hedged = bool(_HEDGE.search(near)) or text[end : end + 6] == " or so"
    plain = _ADVERB.sub("", near)
    if _MORE.search(plain):
        return hedged, ">"
    if _AT_LEAST.search(near):
        return hedged, ">="
    if _LESS.search(plain):
        return hedged, "<"
    if over := _OVER_A.search(text[max(0, start - 60) : start]):
        return hedged, ">" if over.group("more") else "<"
    if _AT_MOST.search(near):
        return hedged, "" if _RANGE.search(text[max(0, start - 60) : start]) else "<="
    return hedged, ">" if unit and _VERB.search(near) else ""
