"""Figures that claim nothing about data: list numbers, steps, headings, idioms."""

from __future__ import annotations

import re

from .figure_text import FigureText

_LIST_NUMBER = re.compile(r"^[\s#>]*(?:[-*•]\s*)?(?:\*\*)?\(?(\d{1,2}|[ivx]+)(?:[.)]|:)(?:\s|$|\*)")
_LABEL = re.compile(
    r"(?:\b(?:step|figure|fig\.?|section|chapter|option|part|example|note|version|python|page|question|row|line|footnote|appendix|level"
    r"|phase|tier|item|point|reason|case|v|table|equation|eq\.?)\s?$)|\bv$|\[\^?$",
    re.I,
)
_POINTS = re.compile(
    r"^\s?(?:(?:main |key |major |important |big |simple |good |possible |obvious |quick |further |common |clear |notable |short |brief "
    r"|other )*(?:reasons?|ways?|steps?|things?|takeaways?|observations? (?:stand|emerge|follow|are worth)|patterns?|ideas?|tips?"
    r"|questions?|caveats?|factors?|findings?|insights?|examples?|notes?|options?|sentences?|bullets?|paragraphs?|parts?|sides?|issues?"
    r"|trends? (?:stand|emerge)|conclusions?|remarks?|explanations?|points? (?:stand|to))\b|/7\b|-?(?:step|part|way|sided|fold path"
    r"|dimensional|fold cross)\b|\s?(?:decimals?|decimal places?|significant (?:digits?|figures?))\b|%?\s?(?:certain\w*|sure|confiden\w+"
    r"|significance)\b)",
    re.I,
)
_OWN_ORDINAL = re.compile(
    r"^(?:\s?(?:,|of all\b|thing\b|place,|and foremost|half\b|hand\b|time\b|glance\b|step\b|look\b|sight\b|column\b|row\b|class\b|reason\b"
    r"|point\b|decade\b)|[\s-](?:rows?|order|few|version|attempt|draft|pass|line|look|opinion|nature|hand|person|party)\b)",
    re.I,
)
_IDIOM = re.compile(r"\s?(?:certain\w*|sure\b|confiden\w+|significance|level\b|of the time\b)", re.I)
_STANDS_FOR = re.compile(r"\b(?:of the|all|these|those|the other|of these|of those|the|other) $", re.I)
_AFTER_STAND = re.compile(r"\s?(?:[,.;:)]|(?:for|at|in|is|are|was|were|and|on|by)\b|$)", re.I)
_RATED = re.compile(r"rating|score|satisf|rated", re.I)


def no_claim(figure: FigureText, text: str) -> str:
    """Why the figure claims nothing, or an empty string.

    >>> from .parse import figures
    >>> text = "1. Three things stand out: 46 cars."
    >>> [no_claim(f, text) for f in figures(text)]
    ['the number of a list', 'counts points of the answer itself', '']
    """
    before, after = text[: figure.start], text[figure.end :]
    listed = _LIST_NUMBER.match(text)
    if listed and listed.start(1) <= figure.start < listed.end(1):
        return "the number of a list"
    if figure.kind == "fraction":
        half = abs(figure.value - 0.5) < 1e-9
        if half and re.search(r"\bmedian\b", text) and re.search(r"\b(?:below|above|under|over|more|less)\b", after):
            return "what a median is"
    if re.search(r"\b24/$", before) or re.search(r"\b(?:confidence|certainty)\b[^.]{0,12}\d{0,3}/?$", before[-40:]):
        return "an idiom, or the answer's own mark"
    if re.match(r"/(?:5|7|10|100)\b", after) and not _RATED.search(text):
        return "an idiom, or the answer's own mark"
    if figure.kind == "number" and abs(figure.value) < 1000 and _LABEL.search(before[-12:]):
        return "a label"
    if figure.kind == "percent" and _IDIOM.match(after):
        return "an idiom"
    if figure.kind in ("number", "ordinal", "multiple", "points") and abs(figure.value) <= 12 and _POINTS.match(after):
        return "counts points of the answer itself"
    if (
        figure.kind == "number"
        and figure.value in (5, 10, 100)
        and re.search(r"\bout of $|\bon a scale (?:of|from) \d+ to $", before[-22:])
    ):
        return "the end of a scale" if _RATED.search(text) else ""
    if figure.kind == "ordinal":
        return _ordinal(figure, before, after)
    return _word(figure, before, after)


def _ordinal(figure: FigureText, before: str, after: str) -> str:
    own = _OWN_ORDINAL.match(after) or not before.strip(" -*•#>")
    idiom = re.search(r"(?:the|a|at|in the|for the) $", before) and re.match(r"\s?(?:time|glance|place,|sight|step)", after)
    return "an ordinal that counts the answer's own points" if own or idiom else ""


def _word(figure: FigureText, before: str, after: str) -> str:
    if not figure.in_words:
        return ""
    if figure.kind == "multiple":
        return "no multiple" if re.match(r"[\s-](?:check|click|count\w*|digit|bed|room)\b", after) else ""
    if figure.kind != "number":
        return ""
    if figure.value <= 12 and _STANDS_FOR.search(before) and _AFTER_STAND.match(after):
        return "stands for things named before"
    if figure.value == 1:
        alone = re.match(r"\s?[(,.;:]|\s(?:with|in|for|from|has|had|at|here|there)\b", after) and re.search(r"[A-Za-z] $", before)
        pronoun = re.match(r"\s(?:of|could|can|may|might|would|should|is|was|that|who|which|thing|way|day|another|more)\b|[,.]|$", after)
        if alone or pronoun or re.search(r"\b(?:no|any|each|every|this|that|the|only) $", before):
            return "the word one"
    return ""
