"""Answers side by side as static HTML: the output of a comparison in the notebook.

Columns are laid out by CSS grid alone, side by side or below each other depending on the width. In
viewers without styles, each answer is still a titled section.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from ..core.inert_text import inert, one_block
from ..core.markdown import neutral_markdown
from ..core.response import Response
from ..core.version import __version__
from .bundle import (
    HIDDEN,
    Bundle,
    anonymized,
    answer_bundle,
    answer_html,
    body_html,
    error_html,
    media_html,
    provenance,
    reasoning_bundle,
    stopped_html,
)
from .colors import ACCENT, BORDER, MUTED, SHADE, UI
from .footer import escape_terminal, footer_html
from .sources import sources_html

MOST_ROWS = 10  # rows that are shown; `.widget()` and `.df` have all
_WHOLE = 30_000  # characters of an answer that are saved with the notebook
_UI = f"font-family:{UI}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The grid of a comparison: titles of rows and columns, and the place of each answer.

    `places` has (row, column) of each answer, in the order of the requests. A single row has no
    title; `shared` says that a column's title is the whole label of its answer.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    places: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class AnswerFeedback:
    """Feedback by index of the answer: labels under the name, stars, edited texts."""

    labels: Mapping[int, str] = field(default_factory=dict)
    stars: frozenset[int] = frozenset()
    edits: Mapping[int, str] = field(default_factory=dict)
    comment: str = ""


def layout(axes: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> Layout:
    """Lay out models as columns and other variations as rows; a single variation is one row.

    >>> layout([{"model": "a", "sample": 0}, {"model": "b", "sample": 0}, {"model": "a", "sample": 1}, {"model": "b", "sample": 1}], list("abcd"))
    Layout(rows=('sample 0', 'sample 1'), columns=('a', 'b'), places=((0, 0), (0, 1), (1, 0), (1, 1)))
    """
    models = list(dict.fromkeys(str(a["model"]) for a in axes))
    others = [_rest(a) for a in axes]
    rows = list(dict.fromkeys(others))
    places = tuple((rows.index(o), models.index(str(a["model"]))) for a, o in zip(axes, others, strict=True))
    if len(models) == 1 or len(rows) == 1 or len(set(places)) < len(axes):
        return Layout(("",), tuple(labels), tuple((0, i) for i in range(len(axes))))
    return Layout(tuple(rows), tuple(models), places)


def _rest(axis: Mapping[str, Any]) -> str:
    return ", ".join(str(v) if n in ("prompt", "row") else f"{n} {v}" for n, v in axis.items() if n != "model")


def letter(position: int) -> str:
    """The label of an answer with a hidden model.

    >>> letter(0), letter(27)
    ('A', 'AB')
    """
    return (letter(position // 26 - 1) if position >= 26 else "") + chr(65 + position % 26)


def columns_bundle(
    responses: Sequence[Response],
    labels: Sequence[str],
    where: Layout,
    *,
    run: str = "",
    display_order: Sequence[int] = (),
    blind: bool = False,
    format: str = "markdown",
    feedback: AnswerFeedback | None = None,
) -> Bundle:
    """(data, metadata) of a finished comparison; with `blind`, only run ids identify models."""
    feedback = feedback or AnswerFeedback()
    order = list(display_order) or list(range(len(responses)))
    by_row: dict[int, list[int]] = {}
    for i in order:
        by_row.setdefault(where.places[i][0], []).append(i)
    rows = sorted(by_row)
    parts, words, marks = [], [], []
    for row in rows[:MOST_ROWS]:
        title = where.rows[row]
        if title:
            parts.append(f'<p style="{_UI};font-size:12px;color:{MUTED};margin:.9em 0 .3em">{inert(escape_terminal(title))}</p>\n')
        cells = []
        for i in by_row[row]:
            name = labels[i] if len(where.rows) == 1 else (labels[i] if blind else where.columns[where.places[i][1]])
            cells.append(_column(responses[i], name, blind, format, feedback, i, tall=len(rows) == 1))
            text, _ = answer_bundle(_shortened(responses[i]), format=format, header=labels[i], blind=blind)
            words.append(text["text/plain"])
            marks.append(f"**{neutral_markdown(labels[i])}**\n\n{text['text/markdown']}")
        parts.append(f'<div style="{_GRID}">\n{"".join(cells)}</div>\n')
    if len(rows) > MOST_ROWS:
        more = f"{len(rows) - MOST_ROWS:,} more rows: .widget() shows them all, .df has them as a table"
        parts.append(f'<p style="{_UI};font-size:12px;color:{MUTED}">{more}</p>\n')
        words.append(more)
        marks.append(more)
    if feedback.comment:
        parts.append(f'<p dir="auto" style="{_UI};font-size:12px;margin:.5em 0">“{inert(escape_terminal(feedback.comment))}”</p>\n')
    html = f'<div data-fmnb-grid="{escape(run)}" role="group" aria-label="{len(responses)} answers">\n{"".join(parts)}</div>\n'
    answers = [{"run": r.run} if blind else provenance(r) for r in (responses[i] for i in order)]
    about = {"run": run, "kind": "compare", "answers": answers, "blind": blind, "version": __version__}
    return {"text/html": one_block(html), "text/markdown": "\n\n".join(marks), "text/plain": "\n\n".join(words)}, {"fmnb": about}


_GRID = "display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,19em),1fr));gap:10px;align-items:start;margin:.3em 0"


def _column(r: Response, name: str, blind: bool, format: str, said: AnswerFeedback, i: int, tall: bool) -> str:
    badge = said.labels.get(i, "")
    star = '<span title="starred" aria-label="starred" style="margin-left:.4em">★</span>' if i in said.stars else ""
    chip = (
        f'<span style="margin-left:.6em;font-weight:400;border:1px solid {BORDER};border-radius:9px;padding:0 .55em;font-size:11px">'
        f"{inert(badge)}</span>"
        if badge
        else ""
    )
    edge = f"2px solid {ACCENT}" if badge.startswith("✓") else f"1px solid {BORDER}"
    body = text_html(r, format) + media_html(anonymized(r) if blind else r)
    if not blind:
        body = thought_html(r) + body + sources_html(r)
    body += failure_html(r, blind)
    if i in said.edits:
        body += (
            f'<details open style="margin:.6em 0 0;border-top:1px dashed {BORDER};padding:.4em 0 0"><summary style="{_UI};font-size:12px;cursor:pointer">as edited</summary>\n'
            f'<div dir="auto" style="white-space:pre-wrap;overflow-wrap:anywhere">{inert(said.edits[i])}</div></details>\n'
        )
    height = "38em" if tall else "18em"
    return (
        f'<section aria-label="{escape(escape_terminal(name))}" style="border:{edge};border-radius:4px;min-width:0;overflow:hidden">\n'
        f'<p style="{_UI};font-size:12px;font-weight:600;margin:0;padding:.45em .8em;background:{SHADE};overflow-wrap:anywhere">{inert(escape_terminal(name))}{star}{chip}</p>\n'
        f'<div tabindex="0" role="region" aria-label="Answer of {escape(escape_terminal(name))}" style="max-height:{height};overflow:auto;padding:.3em .8em .2em;unicode-bidi:plaintext">\n{body}</div>\n'
        f'<div style="padding:0 .8em .3em">{footer_html(r, blind, name)}</div></section>\n'
    )


def _shortened(r: Response) -> Response:
    """The answer with its text shortened to the saved length."""
    more = len(r.text) - _WHOLE
    return replace(r, text=f"{r.text[:_WHOLE]}\n\n({more:,} more characters)") if more > 0 else r


def thought_html(r: Response) -> str:
    """Reasoning as a closed fold."""
    return reasoning_bundle(r.reasoning[:_WHOLE], None, False)[0]["text/html"] if r.reasoning else ""


def text_html(r: Response, format: str) -> str:
    """The text of an answer as HTML; long text is shortened with a note."""
    text = r.text
    if format == "json" and isinstance(r.data, list):  # a list is wrapped in an object; show the list
        text = json.dumps(r.data, ensure_ascii=False, indent=2, default=lambda v: getattr(v, "__dict__", str(v)))
    short = len(text) <= _WHOLE and format != "json"
    body = answer_html(r, format, False) if short else body_html(text[:_WHOLE], format, False)
    if len(text) > _WHOLE:
        body += f'<p style="{_UI};font-size:12px;color:{MUTED}">{len(text) - _WHOLE:,} more characters: `%fm log {escape(r.run)}` has them</p>\n'
    return body


def failure_html(r: Response, blind: bool) -> str:
    """Why an answer is incomplete; not shown for a hidden model, since it could identify the model."""
    if r.error and blind:
        return f'<p role="status" style="font-size:12px;color:{MUTED}">{HIDDEN}</p>\n'
    if r.error:
        return error_html(r.error, len(r.text), r.host)
    return stopped_html(len(r.text), len(r.media)) if r.finish_reason == "cancelled" else ""
