"""Citations and retrieved sources, in a closed fold below the answer."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.inert_text import inert
from ..core.response import Response
from ..core.sources import Passage
from .colors import BORDER, MUTED
from .footer import escape_terminal
from .html import code

_QUOTE = 300  # characters of a source that are shown


@dataclass(frozen=True, slots=True)
class Source:
    """One source: title, excerpt, address; of a passage that fmnb sent also its number, place and time."""

    title: str
    text: str = ""
    url: str = ""
    number: int | None = None
    place: str = ""
    query: str = ""
    cited: bool = field(default=False, compare=False)


def sources(response: Response) -> list[Source]:
    """The distinct sources of an answer, in order of appearance.

    >>> [(s.title, s.text) for s in sources(Response("", extra={"sources": [{"title": "a.pdf, page 3", "text": "Cats purr."}]}))]
    [('a.pdf, page 3', 'Cats purr.')]
    """
    cited = {n for c in response.citations for n in c.numbers}
    found = [_passage(n, p, n in cited) for n, p in response.sources.items()]
    found += [_source(s) for s in _list(response.extra.get("sources")) if isinstance(s, Mapping) and "n" not in s]
    for c in _list(response.extra.get("citations")):
        if isinstance(c, Mapping):
            found += _cited(c)
    return list(dict.fromkeys(s for s in found if s.title or s.url or s.text))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _source(s: Mapping[str, Any]) -> Source:
    return Source(_text(s, "title", "name", "file_name"), _text(s, "text", "snippet"), _text(s, "url", "uri"))


def _passage(number: int, p: Passage, cited: bool) -> Source:
    shape = "fetched %Y-%m-%d %H:%M" if "ttl" in p.details else "%Y-%m-%d"  # of what expires, the minute counts
    changed = datetime.datetime.fromtimestamp(p.time).strftime(shape) if p.time else ""
    place = " · ".join(filter(None, (p.location, " > ".join(p.headings), "STALE" if p.stale else "", changed)))
    query = p.details.get("sql")
    return Source(p.title or p.source, p.text, number=number, place=place, query=query if isinstance(query, str) else "", cited=cited)


def _cited(c: Mapping[str, Any]) -> Iterator[Source]:
    """The sources of one citation, in the formats of Anthropic, Cohere and OpenAI."""
    inner = [s for s in _list(c.get("sources")) if isinstance(s, Mapping)]
    for s in inner:
        document: Mapping[str, Any] = d if isinstance(d := s.get("document"), Mapping) else {}
        yield Source(_text(document, "title", "id") or _text(s, "id"), _text(document, "snippet", "text"), _text(document, "url"))
    if not inner:
        number = c.get("document_index")
        title = _text(c, "document_title", "title", "filename", "file_id") or (f"document {number + 1}" if isinstance(number, int) else "")
        yield Source(title + _pages(c.get("start_page_number"), c.get("end_page_number")), _text(c, "cited_text", "quote"), _text(c, "url"))


def _pages(first: Any, after: Any) -> str:
    """Pages of a document; `after` is the page after the last."""
    if not isinstance(first, int):
        return ""
    return f", page {first}" if not isinstance(after, int) or after <= first + 1 else f", pages {first}-{after - 1}"


def _text(s: Mapping[str, Any], *names: str) -> str:
    return next((v for n in names if isinstance(v := s.get(n), str) and v), "")


def sources_html(response: Response) -> str:
    """A closed fold with the sources, or "". Addresses are plain text: nothing is loaded or clickable."""
    found = sources(response)
    if not found:
        return ""
    rows = "".join(f'<li style="margin:.3em 0"{_value(s)}>{_row(s)}</li>' for s in found)
    return (
        f'<details style="margin:.4em 0;border-left:2px solid {BORDER};padding-left:.8em">'
        f'<summary style="cursor:pointer;color:{MUTED}">{_count(found)}</summary><ol style="margin:.3em 0;padding-left:1.6em">{rows}</ol></details>\n'
    )


def _count(found: list[Source]) -> str:
    count = f"{len(found)} source{'' if len(found) == 1 else 's'}"
    cited = sum(s.cited for s in found)
    return f"{count}, {cited} cited" if cited else count


def _value(s: Source) -> str:
    """The number of a list item, so that it is the one that the answer cites."""
    return f' value="{s.number}"' if s.number is not None else ""


def _row(s: Source) -> str:
    quote = s.text if len(s.text) <= _QUOTE else s.text[: _QUOTE - 1] + "…"
    whole = s.number is not None and quote != s.text
    parts = [
        f"<b>{inert(escape_terminal(s.title))}</b>" if s.title else "",
        f"<code>{inert(escape_terminal(s.url))}</code>" if s.url else "",
        f'<span style="color:{MUTED}">{inert(escape_terminal(s.place))}</span>' if s.place else "",
        "<small>cited</small>" if s.cited else "",
    ]
    head = " ".join(filter(None, parts))
    said = f'<div style="color:{MUTED};white-space:pre-wrap">{inert(escape_terminal(quote))}</div>' if quote else ""
    if s.query:
        head += code(s.query, "sql")
    if whole:
        text = f'<div style="white-space:pre-wrap">{inert(escape_terminal(s.text))}</div>'
        said = f'<details><summary style="cursor:pointer;color:{MUTED}">{inert(escape_terminal(quote))}</summary>{text}</details>'
    return head + said


def sources_text(response: Response, *, problems: bool = False) -> str:
    """One line of text for each source, and with `problems` for each citation that failed its check.

    Text that was printed as it came cannot be marked where it stands.
    """
    found = sources(response)
    lines = [
        f"  {s.number or i}. {escape_terminal(' '.join(filter(None, (s.title, s.url, s.place))) or s.text[:80])}"
        for i, s in enumerate(found, 1)
    ]
    if problems:
        failed = [c for c in response.citations if c.problem]
        lines += [f"  unverified: {response.text[c.start : c.end]}: {escape_terminal(c.problem)}" for c in failed]
    return "\n".join([f"{_count(found)}:", *lines]) if found else ""
