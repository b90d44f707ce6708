"""A comparison to look at and to vote on.

While answers stream, the widget shows them in columns (`grid_stream.py` feeds it). Afterwards
the answers are plain HTML in the notebook, and the widget has the buttons: vote, star, edit,
comment, raw text, differences, continue with one answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import traitlets

from ...calls.follow_up import code_of
from ...calls.session import session
from ...chat.chat import Chat
from ...chat.named import chats
from ...comparison.compare import reopen
from ...comparison.comparison import Comparison
from ...comparison.feedback import feedback, retract, vote
from ...config.settings import set_user, settings
from ...core.errors import UsageError
from ...core.events import Event, Feedback
from ...core.inert_text import inert
from ...core.markdown import neutral_markdown
from ...views.bundle import anonymized, media_html
from ...views.colors import MONO, MUTED, UI
from ...views.comparison import failure_html, text_html
from ...views.diff import diff_html
from ...views.footer import escape_terminal, footer_html
from ...views.live import display
from ...views.sources import sources_html
from . import base
from .cell_source import cell_of

BLOCK = 25  # rows per message
VIEWS = ("rendered", "raw", "data", "diff")


class Grid(base.Widget):
    """The view of one Comparison.

    `about` describes the layout, without model names while they are hidden; `frame` is the streamed
    content so far; `feedback` the votes, stars, edits and comment. Positions are those on screen.
    """

    kind = "Grid"
    _esm = base.assets("grid")["_esm"]
    _css = base.assets("grid")["_css"]
    about = traitlets.Dict().tag(sync=True)
    frame: Any = traitlets.List().tag(sync=True)
    feedback = traitlets.Dict().tag(sync=True)
    single_keys = traitlets.Bool(True).tag(sync=True)

    def __init__(self, comparison: Comparison | None = None, *, panel: str = "rendered", line_id: str = "", **traits: Any):
        """Make the widget.

        `panel` is the open view, "" for none; `line_id` names this widget's output, which a
        one-line summary replaces in the end.
        """
        super().__init__(single_keys=settings().get("widgets.keys", True) is not False, **traits)
        self.comparison = comparison
        self.stop: Callable[[int], None] = lambda at: None
        self._line_id = line_id
        self._collapsed = False
        self._panel = panel
        if comparison is not None:
            self.show_comparison(comparison, panel)

    # State and display

    def show_comparison(self, comparison: Comparison, panel: str = "") -> None:
        """Show a finished comparison."""
        self.comparison = comparison
        self._panel = panel
        self.frame = []
        self._push_state()
        if comparison.run:
            _follow(self)

    def _push_state(self) -> None:
        c = self._c
        layout = c.layout
        order = list(c.display_order)
        names = c.labels
        feedback = c.feedback
        positions = {i: p for p, i in enumerate(order)}
        won = {layout.places[i][0] if c.by_row else 0: positions[i] for i, w in feedback.labels.items() if w.startswith("✓")}
        self.about = {
            "phase": "rest",
            "run": c.run,
            "panel": self._panel,
            "cells": [
                {
                    "title": escape_terminal(names[i]),
                    "row": layout.places[i][0],
                    "column": layout.places[i][1],
                    "failed": bool(c.responses[i].error),
                    "column_title": escape_terminal(names[i] if c.hidden or len(layout.rows) == 1 else layout.columns[layout.places[i][1]]),
                }
                for i in order
            ],
            "rows": list(layout.rows),
            "columns": len(layout.columns),
            "hidden": c.hidden,
            "blind": c.blind,
            "logged": bool(c.run),
            "data": any(r.data is not None for r in c.responses),
            "line": bool(self._line_id),
            "by_row": c.by_row,
        }
        self.feedback = {
            "votes": self._votes(),
            "won": {str(row): position for row, position in won.items()},
            "stars": sorted(positions[i] for i in feedback.stars),
            "edits": {str(positions[i]): text for i, text in feedback.edits.items()},
            "comment": feedback.comment,
        }

    def _votes(self) -> dict[str, str]:
        """Votes by row; row 0 if all answers are to one prompt."""
        c = self._c
        row_of = {r.run: at[0] for r, at in zip(c.responses, c.layout.places, strict=True)}
        return {str(row_of[s.value["runs"][0]] if c.by_row else 0): s.value["said"] for s in c.votes if s.kind == "vote"}

    def static_view(self) -> base.Bundle | None:
        """The answers with feedback, for the saved notebook."""
        return self.comparison.bundle() if self.comparison is not None else None

    @property
    def _c(self) -> Comparison:
        if self.comparison is None:
            raise UsageError("The answers are not complete yet", hint="Wait until they have ended.")
        return self.comparison

    def _index(self, at: int) -> int:
        try:
            return self._c.display_order[int(at)]
        except (IndexError, TypeError, ValueError):
            raise UsageError("No such answer", detail=repr(at)) from None

    def handle_feedback(self, event: Feedback) -> None:
        """Show new feedback, given here or elsewhere (such as `%fm vote`)."""
        if event.run not in (self._c.run, *(r.run for r in self._c.responses)):
            return
        if self._collapsed:
            display(line_bundle(self._c), self._line_id, True)
        elif event.kind == "vote" and self._line_id and not self._c.by_row:
            self.collapse()
            return
        else:
            self._push_state()
        self.update_static_view()

    # Messages from the page

    def on_stop(self, at: int = -1) -> None:
        """Stop one answer, or all."""
        self.stop(at)

    def on_vote(self, choice: str | int, row: int = 0) -> None:
        """Vote; the widget then collapses to a line.

        If rows are different prompts, the vote is for one of them, and the widget stays.
        """
        c = self._row_comparison(row)
        if isinstance(choice, int):
            chosen = self._c.responses[self._index(choice)]
            choice = next((i for i, r in enumerate(c.responses) if r is chosen), -1)
            if choice < 0:
                raise UsageError("That answer is in another row")
        vote(c, choice)
        self.send({"do": "announce", "text": "Voted"})

    def on_undo(self, row: int = 0) -> None:
        """Retract the vote."""
        retract(self._row_comparison(row))

    def _row_comparison(self, row: int) -> Comparison:
        return self._c.row(row) if self._c.by_row else self._c

    def on_star(self, at: int, on: bool = True) -> None:
        """Star an answer, or remove its star."""
        r = self._c.responses[self._index(at)]
        retract(r, "star")
        if on:
            feedback(r, "star", True)

    def on_edit(self, at: int, text: str = "") -> None:
        """Store an edited text as the reference for this answer; the original text retracts the edit."""
        r = self._c.responses[self._index(at)]
        retract(r, "edit")
        if text.strip() and text != r.text:
            feedback(r, "edit", text)

    def on_comment(self, text: str = "") -> None:
        """Store a comment on the comparison; an empty one retracts it."""
        retract(self._c.run, "comment")
        if text.strip():
            feedback(self._c.run, "comment", True, text=text.strip())

    def on_rows(self, view: str = "rendered", start: int = 0, base_at: int = 0) -> None:
        """Send the answers of some rows as HTML, in one of the VIEWS.

        `base_at` is the base of the differences.
        """
        c = self._c
        where = c.layout
        base_text = c.responses[self._index(base_at)].text
        cells = {
            str(p): self._html(i, view, base_text, i == self._index(base_at))
            for p, i in enumerate(c.display_order)
            if start <= where.places[i][0] < start + BLOCK
        }
        self.send({"do": "rows", "view": view, "start": start, "base_at": base_at, "cells": cells})

    def _html(self, i: int, view: str, base_text: str, is_base: bool) -> str:
        r, hidden = self._c.responses[i], self._c.hidden
        end = f"{failure_html(r, hidden)}{footer_html(r, hidden, self._c.labels[i])}"
        if view == "raw":
            return f'<pre class="fm-raw" dir="auto">{inert(escape_terminal(r.text))}</pre>{end}'
        if view == "data":
            shown = json.dumps(_to_json(r.data), ensure_ascii=False, indent=2, default=str) if r.data is not None else "no structured data"
            return f'<pre class="fm-raw">{inert(shown)}</pre>{end}'
        if view == "diff" and is_base:
            head = f'<p style="font-size:12px;color:{MUTED};margin:0 0 .4em">base of the comparison</p>'
            return f'{head}<div dir="auto" style="white-space:pre-wrap;overflow-wrap:anywhere">{inert(escape_terminal(r.text))}</div>{end}'
        if view == "diff":
            return diff_html(base_text, r.text) + end
        media = media_html(anonymized(r)) if hidden else media_html(r) + sources_html(r)
        return text_html(r, self._c.format) + media + end

    def on_text(self, at: int, why: str = "copy") -> None:
        """Send the text of an answer, to copy or to edit."""
        i = self._index(at)
        edit = self._c.feedback.edits.get(i)
        text = edit if why == "edit" and edit is not None else self._c.responses[i].text
        self.send({"do": "text", "at": at, "why": why, "text": text})

    def on_use(self, at: int) -> None:
        """Set this answer's model as the kernel's model."""
        model = self._visible_model(at, "set as the model")
        session.set_model(model)
        self.send({"do": "use", "model": model})

    def on_chat(self, at: int) -> None:
        """Continue from this answer as a new conversation."""
        model = self._visible_model(at, "used in a conversation")
        r = self._c.responses[self._index(at)]
        number = next(n for n in range(1, 10_000) if f"chat{n}" not in chats())
        name = f"chat{number}"
        chats()[name] = Chat(model, None, name, r.messages)
        self.send({"do": "insert", "source": f"%%fm --chat {name}\n"})

    def on_cell(self, at: int) -> None:
        """Insert the request to this answer's model as a cell."""
        model = self._visible_model(at, "inserted")
        request = self._c.responses[self._index(at)].request
        if request is None:
            raise UsageError("The request is no longer known")
        self.send({"do": "insert", "source": cell_of(request, model)})

    def on_answer(self, at: int) -> None:
        """Insert the answer as a cell: code as code, anything else as inert Markdown."""
        text = self._c.responses[self._index(at)].text
        code = code_of(text) if self._c.format == "code" else ""
        self.send({"do": "insert", "source": code or neutral_markdown(text), "cell": "code" if code else "markdown"})

    def _visible_model(self, at: int, verb: str) -> str:
        if self._c.hidden:
            raise UsageError(f"A model whose name is hidden cannot be {verb}", hint="Vote first.")
        return self._c.responses[self._index(at)].requested_model

    def on_keys(self, on: bool = True) -> None:
        """Switch single-key shortcuts on or off for this user."""
        self.single_keys = on
        set_user("widgets", "keys", None if on else False)

    def on_close(self) -> None:
        """Collapse to a line without a vote."""
        self.collapse()

    def expand(self) -> None:
        """Show the buttons from now on, after they were a line."""
        self._collapsed = False

    def collapse(self) -> None:
        """Replace the widget with a one-line summary, which later feedback updates."""
        self._collapsed = bool(self._line_id)
        line = line_bundle(self._c)
        self.update_static_view()
        if self._line_id:
            display(line, self._line_id, True)
        self.send({"do": "line", "data": line[0], "metadata": line[1]})


def retract_vote(run: str) -> dict[str, Any]:
    """Retract the vote on a comparison; its buttons and answers as the page shows them then."""
    grid = next((g for g in reversed(_following) if g.comparison is not None and g.comparison.run == run), None)
    if grid is None:  # of an earlier kernel
        grid = Grid(reopen(run), panel="", line_id=f"fmnb-{run}-grid-line", static_id=f"fmnb-{run}-grid", static_hidden=False)
    grid.expand()
    retract(grid.comparison)
    buttons, answers = grid._repr_mimebundle_(), grid.static_view()
    return {"run": run, "face": grid.static_id, "buttons": _fields(buttons), "answers": _fields(answers) if answers else None}


def _fields(bundle: base.Bundle) -> dict[str, Any]:
    return {"data": bundle[0], "metadata": bundle[1]}


def show(c: Comparison) -> None:
    """Display a comparison as two outputs: its answers as plain HTML, and the buttons below."""
    name = f"fmnb-{c.run or id(c)}-grid"
    display(base.mark_static_view(c.bundle(), name), name, False)
    grid = Grid(c, panel="", line_id=f"{name}-line", static_id=name, static_hidden=False)
    display(grid._repr_mimebundle_(), f"{name}-line", False)


_following: list[Grid] = []  # displayed widgets, and collapsed ones
_MAX_FOLLOWING = 50  # how many of the newest follow feedback given elsewhere


def _follow(grid: Grid) -> None:
    if grid not in _following:
        _following.append(grid)
    del _following[:-_MAX_FOLLOWING]
    if _on_event not in session.global_sinks:
        session.global_sinks.append(_on_event)


def _on_event(event: Event) -> None:
    if isinstance(event, Feedback):
        for grid in tuple(_following):
            grid.handle_feedback(event)


def line_bundle(c: Comparison) -> base.Bundle:
    """One line: the vote, and how to retract it."""
    feedback = c.feedback
    winner = next((c.labels[i] for i, w in feedback.labels.items() if w.startswith("✓")), "")
    others = [name for name in c.labels if name != winner]
    if winner:
        than = f" over {', '.join(others)}" if len(others) <= 3 else f" of {len(c)}"
        words = f"You preferred {winner}{than}."
    elif feedback.labels:
        words = "You voted for a tie." if next(iter(feedback.labels.values())).startswith("=") else "You voted that none is good."
    else:
        words = "No vote."
    again = "`%fm vote --undo` retracts the vote." if feedback.labels else "`%fm vote` votes."
    hint = again if c.run else "The log is off, so nothing was stored."
    text = f"{escape_terminal(words)} {hint}"
    hint = re.sub("&#96;(.+?)&#96;", rf'<code style="font-family:{MONO};font-size:.95em">\1</code>', inert(hint))
    html = (
        f'<p style="font-family:{UI};font-size:12px;color:{MUTED};margin:.3em 0">'
        f'<strong>{inert(escape_terminal(words))}</strong> <span class="fm-hint">{hint}</span></p>\n'
    )
    return {"text/html": html, "text/markdown": text, "text/plain": text}, {
        "fmnb": {"run": c.run, "kind": "vote", "voted": bool(feedback.labels)}
    }


def _to_json(value: Any) -> Any:
    return [getattr(v, "__dict__", v) for v in value] if isinstance(value, list) else getattr(value, "__dict__", value)
