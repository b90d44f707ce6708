"""The text of an answer with sources: figures marked by where they come from, failed citations named.

Marks are set in the Markdown text as characters of the private use area, which the renderer leaves
alone, and become elements in its HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from ..core.answer_checks import CheckedFigure
from ..core.inert_text import inert
from ..core.response import Response
from .colors import MUTED, WARNING

_OPEN, _MIDDLE, _CLOSE = "\ue0f0", "\ue0f1", "\ue0f2"
_DIGITS = {ord(str(d)): chr(0xE100 + d) for d in range(10)}
_PLAIN = {0xE100 + d: str(d) for d in range(10)}
_PRIVATE = re.compile("[\ue0f0-\ue0f2\ue100-\ue109]")
_MARK = re.compile(f"{_OPEN}([\ue100-\ue109]+){_MIDDLE}([^{_OPEN}{_CLOSE}]*){_CLOSE}")
_ADDRESS = re.compile(r"\S*(?:://|www\.)\S*|\]\([^)\s]*\)|`[^`\n]*`")
_BULLET = re.compile(r"[-+–] +")
_LINES = {
    "exact": "underline solid",
    "recomputed": "underline dotted",
    "passage": "underline dashed",
    "differs": "underline wavy",
    "untraced": "underline dotted",
}


def cited_text(response: Response) -> str:
    """The text in which each citation that failed its check says so.

    >>> from fmnb.core.sources import Passage, passage_to_dict
    >>> cited_text(Response("So it is [2].", extra={"sources": [passage_to_dict(Passage("It is.", "kb"), 1)]}))
    'So it is [2] (unverified: there is no passage 2).'
    """
    return _with(response.text, list(_notes(response)))


def marked_text(response: Response) -> str:
    """The Markdown text with marks around figures, for `marks_as_html`."""
    if _PRIVATE.search(response.text):
        return cited_text(response)
    return _with(response.text, [*_notes(response), *_figures(response)])


def marks_as_html(html: str, response: Response) -> str:
    """Rendered Markdown in which marks are elements with what a figure was traced to."""
    checks = response.checks
    figures = checks.figures if checks is not None else ()

    def element(m: re.Match[str]) -> str:
        figure = figures[int(m[1].translate(_PLAIN))]
        return _element(figure, m[2])

    if _PRIVATE.search(response.text):
        return html
    return _PRIVATE.sub("", _MARK.sub(element, html))


def _notes(response: Response) -> Iterator[tuple[int, str]]:
    for c in response.citations:
        if c.problem:
            yield c.end, f" (unverified: {c.problem})"


def _figures(response: Response) -> Iterator[tuple[int, str]]:
    checks = response.checks
    addresses = [m.span() for m in _ADDRESS.finditer(response.text)]
    for i, figure in enumerate(checks.figures if checks is not None else ()):
        start, end = figure.span
        if bullet := _BULLET.match(response.text, start, end):  # a list's "- 5" is no minus
            start = bullet.end()
        if figure.counts and not any(a < end and start < b for a, b in addresses):
            yield start, _OPEN + str(i).translate(_DIGITS) + _MIDDLE
            yield end, _CLOSE


def _with(text: str, insertions: list[tuple[int, str]]) -> str:
    """The text with pieces inserted, at one place in their order."""
    parts, at = [], 0
    for place, piece in sorted(insertions, key=lambda item: item[0]):
        parts += [text[at:place], piece]
        at = place
    return "".join([*parts, text[at:]])


def _element(figure: CheckedFigure, inner: str) -> str:
    """A figure with its line, and a sentence on hover; a close other value stands beside it."""
    color = {"untraced": MUTED, "differs": WARNING}.get(figure.state, "currentColor")
    style = f"text-decoration:{_LINES[figure.state]} {color};text-decoration-thickness:1px;text-underline-offset:3px"
    beside = f' <small style="color:{WARNING}">[{inert(figure.explanation)}]</small>' if figure.state == "differs" else ""
    return f'<span style="{style}" title="{escape(figure.explanation)}">{inner}</span>{beside}'
