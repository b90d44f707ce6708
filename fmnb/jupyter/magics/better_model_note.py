"""After the first answer of the embedded model, alone or compared: its use, and the next step."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence
from typing import Any

from ...calls.call import PreparedCall
from ...core.inert_text import inert, printable
from ...core.runtime import current
from ...views.colors import MUTED, UI
from ...views.router import in_notebook
from ...views.static_output import is_watched

_WAIT = 1.0  # seconds after the answer; a machine that takes longer shows the note after the next answer


class NoteState:
    """Whether this kernel has shown the note, and the search for it."""

    def __init__(self) -> None:
        self.shown = False
        self.search: Search | None = None


_state = current(NoteState)


class Search:
    """Looks for better models while the embedded one answers."""

    def __init__(self) -> None:
        self.offers: tuple[Any, ...] | None = None
        self._thread = threading.Thread(target=self._run, name="fmnb-better-models", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        from ...catalog.better_model import better_models

        try:
            self.offers = better_models(keyring=False)
        except Exception:  # a note is not worth an error
            self.offers = ()

    def wait(self) -> tuple[Any, ...] | None:
        """The offers; None if they are not there yet."""
        self._thread.join(_WAIT)
        return self.offers


def search(prepared: Sequence[PreparedCall], shell: Any) -> Search | None:
    """Start to look for better models, if a note may follow these calls."""
    if _state.shown or not any(map(_is_embedded, prepared)) or not in_notebook(shell) or not is_watched(shell):
        return None
    _state.search = _state.search or Search()
    return _state.search


def show(search: Search | None, prepared: Sequence[PreparedCall]) -> None:
    """Show the note below the embedded model's first live answer, once in a kernel."""
    answers = [p.response for p in prepared if _is_embedded(p) and p.response is not None]
    if search is None or _state.shown or not any(not r.error and r.source in ("live", "cached") for r in answers):
        return
    offers = search.wait()
    if offers is None:
        return
    display: Any = importlib.import_module("IPython.display").display
    _state.shown = True
    text, html = note(offers)
    button = {"fmnb": {"kind": "better-model", "model": offers[0].model, "offer": offers[0].kind}} if offers else {}
    display({"text/plain": text, "text/html": html}, raw=True, metadata=button)  # type: ignore[no-untyped-call]


def _is_embedded(prepared: PreparedCall) -> bool:
    return prepared.call.target.requested_model == "embedded"


def note(offers: tuple[Any, ...]) -> tuple[str, str]:
    """The note as plain text and as HTML.

    >>> note(())[0].startswith("embedded (135 million parameters) is good for")
    True
    """
    from ...catalog.better_model import GOOD_FOR

    if not offers:
        return GOOD_FOR, _paragraph(inert(GOOD_FOR))
    best = offers[0]
    command = printable(best.command or f"%fm use {best.model}")
    reason = printable(best.reason)
    more = " `%fm doctor` lists more." if len(offers) > 1 else ""
    text = f"{GOOD_FOR} Better here: {printable(best.model)} ({reason}): `{command}`.{more}"
    hint = f'<span class="fm-hint">: <code>{inert(command)}</code></span>'  # hidden where there is a button
    html = f"{inert(GOOD_FOR)} Better here: {inert(best.model)} ({inert(reason)}){hint}."
    return text, _paragraph(html + more.replace("`%fm doctor`", "<code>%fm doctor</code>"))


def _paragraph(html: str) -> str:
    return f'<p role="note" style="font-family:{UI};font-size:12px;color:{MUTED};margin:.3em 0;max-width:60em">{html}</p>\n'
