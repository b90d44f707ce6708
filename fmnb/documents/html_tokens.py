"""Tags, comments and text of HTML, in one pass.

Follows the HTML standard where a page is damaged: an unfinished tag or comment lasts to the end. So the
time is linear in the length of any page; `html.parser` needs minutes for 100 kB of unfinished tags.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Literal

_NAME = re.compile(r"[a-zA-Z][^\s/>]*")
_ATTRIBUTE = re.compile(r"[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|(?![\"'])([^\s>]*)))?")
_OPEN_QUOTE = re.compile(r"\s*=\s*[\"']")
_TAG_END = re.compile(r"[\s/]*>")
_COMMENT_END = re.compile(r"--!?>")
_RAW = frozenset(("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"))  # no tags inside


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a page: `start` and `end` are its offsets."""

    kind: Literal["text", "start", "end", "comment"]
    start: int
    end: int
    tag: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    closed: bool = False  # ends in `/>`, which counts for svg and math alone


def html_tokens(page: str) -> Iterator[Token]:
    """Split a page into tokens; every character belongs to one of them.

    Args:
        page: HTML, or text with some of it.

    Returns:
        The tokens in order. References such as `&amp;` in text are not resolved.

    >>> [(t.kind, t.tag) for t in html_tokens("<p id=a>one<!-- two --></p>")]
    [('start', 'p'), ('text', ''), ('comment', ''), ('end', 'p')]
    """
    at, length = 0, len(page)
    while at < length:
        mark = page.find("<", at)
        if mark < 0:
            yield Token("text", at, length)
            return
        token = _markup(page, mark)
        if token is None:  # a `<` that begins no tag
            yield Token("text", at, mark + 1)
            at = mark + 1
            continue
        if mark > at:
            yield Token("text", at, mark)
        yield token
        at = token.end
        if token.kind == "start" and token.tag in _RAW:
            found = _end_tag(token.tag).search(page, at)
            end = found.start() if found else length
            if end > at:
                yield Token("text", at, end)
            at = end


def _markup(page: str, mark: int) -> Token | None:
    """The tag or comment that begins at an offset, or None."""
    after = page[mark + 1 : mark + 2]
    if page.startswith("<!--", mark):
        found = _COMMENT_END.search(page, mark + 2)
        return Token("comment", mark, found.end() if found else len(page))
    name = _NAME.match(page, mark + 2 if after == "/" else mark + 1)
    if name is None:
        if after not in ("!", "?", "/"):
            return None
        end = page.find(">", mark)
        return Token("comment", mark, end + 1 if end >= 0 else len(page))
    attributes, end = _attributes(page, name.end())
    return Token("end" if after == "/" else "start", mark, end, name[0].lower(), attributes, page[end - 2 : end] == "/>")


def _attributes(page: str, at: int) -> tuple[dict[str, str], int]:
    found: dict[str, str] = {}
    while not (end := _TAG_END.match(page, at)):
        attribute = _ATTRIBUTE.match(page, at)
        if attribute is None or _OPEN_QUOTE.match(page, attribute.end()):
            return found, len(page)  # the tag is not finished
        value = next((v for v in attribute.groups()[1:] if v is not None), "")
        found.setdefault(attribute[1].lower(), unescape(value))
        at = attribute.end()
    return found, end.end()


@functools.cache
def _end_tag(tag: str) -> re.Pattern[str]:
    return re.compile(rf"(?i)</{tag}(?=[\s/>])")
