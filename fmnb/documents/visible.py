"""Which HTML elements a person sees, as far as attributes and inline styles tell.

Knows nothing of style sheets: an element that a class hides is read. Text in the color of its
background is hidden; where no background is stated, it is white.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from .html_tokens import Token, html_tokens

Color = tuple[int, int, int]

VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
CODE = frozenset("script style template noscript iframe object svg".split())  # no text of the page
_PARAGRAPH_ENDS = frozenset(
    "address article aside blockquote div dl fieldset footer form h1 h2 h3 h4 h5 h6 header hr main nav ol p pre section table ul".split()
)
_ENDS = {  # start tags that end an open element
    "li": {"li"}, "dt": {"dt", "dd"}, "dd": {"dt", "dd"}, "option": {"option"},
    "td": {"td", "th"}, "th": {"td", "th"}, "tr": {"td", "th", "tr"}, "tbody": {"td", "th", "tr", "thead", "tbody"},
    "tfoot": {"td", "th", "tr", "thead", "tbody"},
}  # fmt: skip
_COLORS: Mapping[str, Color] = {
    "white": (255, 255, 255), "black": (0, 0, 0), "snow": (255, 250, 250), "ivory": (255, 255, 240), "ghostwhite": (248, 248, 255),
    "whitesmoke": (245, 245, 245), "floralwhite": (255, 250, 240), "red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255),
    "yellow": (255, 255, 0), "gray": (128, 128, 128), "grey": (128, 128, 128), "navy": (0, 0, 128),
}  # fmt: skip
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_ALIKE = 40  # sum of the differences of red, green and blue below which text cannot be read
_STYLE = 2_000  # characters of a style that are read
_LENGTH = re.compile(r"(-?\d*\.?\d+)(px|em|rem|pt|%|vw|vh|in|cm|)")
_PIXELS = {"": 1.0, "px": 1.0, "pt": 1.33, "em": 16.0, "rem": 16.0, "%": 10.0, "vw": 10.0, "vh": 8.0, "in": 96.0, "cm": 38.0}
SUSPECT = re.compile(r"(?i)<!--|<(?:script|style|template)\b|<[^<>]*\b(?:hidden|style|color|bgcolor)\b")  # markup that may hide text


class _Open(NamedTuple):
    tag: str
    hidden: bool
    color: Color
    background: Color | None  # None: an image, or a color that is not understood


class Elements:
    """The open elements of a page while it is parsed."""

    def __init__(self) -> None:
        self._stack = [_Open("", False, _BLACK, _WHITE)]
        self._count: Counter[str] = Counter()
        self._in_code = 0

    @property
    def hidden(self) -> bool:
        """Whether text at this point is hidden."""
        return self._stack[-1].hidden

    @property
    def in_code(self) -> bool:
        """Whether an element is open whose content is no text of the page, such as a script."""
        return self._in_code > 0

    def inside(self, tag: str) -> bool:
        """Whether an element of that tag is open."""
        return self._count[tag] > 0

    def open(self, token: Token) -> None:
        """A start tag; elements that it ends without an end tag are closed."""
        tag, attributes = token.tag, token.attributes
        ends = {"p"} if tag in _PARAGRAPH_ENDS else _ENDS.get(tag, set())
        while self._stack[-1].tag in ends:
            self._pop()
        above = self._stack[-1]
        if attributes:
            style = _style(attributes)
            color, background = _colors(attributes, style, above)
            unreadable = background is not None and sum(abs(a - b) for a, b in zip(color, background, strict=True)) < _ALIKE
            found = _Open(tag, above.hidden or unreadable or _hides(attributes, style), color, background)
        else:
            found = above._replace(tag=tag)
        if tag not in VOID and not (token.closed and tag in ("svg", "math")):
            self._stack.append(found)
            self._count[tag] += 1
            self._in_code += tag in CODE

    def close(self, tag: str) -> None:
        """An end tag; one without its start tag is ignored."""
        if self._count[tag]:
            while self._pop() != tag:
                pass

    def _pop(self) -> str:
        tag = self._stack.pop().tag
        self._count[tag] -= 1
        self._in_code -= tag in CODE
        return tag


def _style(attributes: Mapping[str, str]) -> dict[str, str]:
    text = re.sub(r"/\*.*?\*/|!important", "", attributes.get("style", "")[:_STYLE].lower(), flags=re.S)
    return {k.strip(): v.strip() for k, _, v in (d.partition(":") for d in text.split(";"))}


def _hides(attributes: Mapping[str, str], style: Mapping[str, str]) -> bool:
    if "hidden" in attributes or attributes.get("aria-hidden", "").strip().lower() == "true":
        return True
    if not style:
        return False
    if style.get("display") == "none" or style.get("visibility") in ("hidden", "collapse"):
        return True
    if re.fullmatch(r"0*\.?0+%?", style.get("opacity", "")) or _pixels(style.get("font-size", "")) in (0.0, 1.0):
        return True
    if any(
        (_pixels(style.get(k, "")) or 0.0) <= -500 for k in ("left", "right", "top", "bottom", "text-indent", "margin-left", "margin-top")
    ):
        return True
    if re.match(r"rect\(\s*[01](px)?\b", style.get("clip", "")) or re.match(r"inset\(\s*(50|100)%", style.get("clip-path", "")):
        return True
    small = any(_pixels(style.get(k, "")) in (0.0, 1.0) for k in ("width", "height", "max-height", "max-width"))
    return small and style.get("overflow") in ("hidden", "clip")


def _pixels(length: str) -> float | None:
    m = _LENGTH.fullmatch(length)
    return float(m[1]) * _PIXELS[m[2]] if m else None


def _colors(attributes: Mapping[str, str], style: Mapping[str, str], above: _Open) -> tuple[Color, Color | None]:
    stated = style.get("background-color") or style.get("background") or attributes.get("bgcolor") or attributes.get("background", "")
    background = above.background
    if stated and stated not in ("none", "transparent", "inherit"):
        background = _color(stated)
    wanted = style.get("color") or attributes.get("color") or attributes.get("text", "")
    if wanted == "transparent" or re.match(r"(?:rgb|hsl)a\(.*[,/]\s*0(?:\.0*)?%?\s*\)", wanted):
        return background or _WHITE, background or _WHITE
    return (_color(wanted) or ((128, 128, 128) if wanted not in ("", "inherit") else above.color)), background


def _color(text: str) -> Color | None:
    text = text[:_STYLE].strip().lower()
    if text in _COLORS:
        return _COLORS[text]
    if m := re.fullmatch(r"#?([0-9a-f]{3})[0-9a-f]?", text):
        return int(m[1][0] * 2, 16), int(m[1][1] * 2, 16), int(m[1][2] * 2, 16)
    if m := re.fullmatch(r"#?([0-9a-f]{6})(?:[0-9a-f]{2})?", text):
        return int(m[1][:2], 16), int(m[1][2:4], 16), int(m[1][4:], 16)
    if m := re.fullmatch(r"rgba?\(\s*(\d+)%?[\s,]+(\d+)%?[\s,]+(\d+)%?.*\)", text):
        scale = 2.55 if "%" in text.split("/")[0] else 1
        return int(int(m[1]) * scale), int(int(m[2]) * scale), int(int(m[3]) * scale)
    if text.startswith("hsl") and len(parts := re.findall(r"(\d+)%", text)) >= 2:
        return _WHITE if int(parts[1]) >= 97 else _BLACK if int(parts[1]) <= 3 else None
    return None


def hidden_spans(text: str) -> list[tuple[int, int]]:
    """Where the markup in a text hides something: comments and hidden elements.

    Args:
        text: Text with HTML elements in it, such as Markdown.

    Returns:
        First and last offset of each span, in order.

    >>> hidden_spans("a<!-- b -->c<b hidden>d</b>")
    [(1, 11), (12, 27)]
    """
    elements = Elements()
    spans: list[tuple[int, int]] = []
    for token in html_tokens(text):
        hidden = elements.hidden  # of the parent: an end tag is hidden with its element
        if token.kind == "start":
            elements.open(token)
            hidden = elements.hidden or token.tag in CODE
        elif token.kind == "end":
            elements.close(token.tag)
        if hidden or token.kind == "comment" or elements.in_code:
            start = spans.pop()[0] if spans and spans[-1][1] == token.start else token.start
            spans.append((start, token.end))
    return spans
