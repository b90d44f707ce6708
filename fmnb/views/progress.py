"""A long step outside a cell magic: a line with a bar while it runs, and its warnings at the end."""

from __future__ import annotations

import sys
import time
from typing import Any

from ..core.events import Cancelled, Event, Failed, Finished, Notice, Progress, Waiting
from .bundle import progress_html, waiting_html
from .footer import escape_terminal
from .live import display
from .router import in_notebook
from .status_text import progress_line, share, waiting_line

_QUICK = 0.7  # seconds; shorter steps show no bar
_TICK = 0.1


class ProgressView:
    """The sink of one run: a temporary output in a notebook, an overwritten line on a terminal."""

    name = "the progress bar"

    def __init__(self) -> None:
        ipython = sys.modules.get("IPython")
        self._notebook = ipython is not None and in_notebook(ipython.get_ipython())  # type: ignore[attr-defined]
        self._began = time.monotonic()
        self._drawn = 0.0
        self._id = ""

    def __call__(self, event: Event) -> None:
        """Handle one event."""
        now = time.monotonic()
        if isinstance(event, (Progress, Waiting)) and now - self._began > _QUICK and now - self._drawn > _TICK:
            self._drawn = now
            self._show(event)
        elif isinstance(event, Notice) and event.kind == "warning":
            self._say(event.text)
        elif isinstance(event, (Finished, Failed, Cancelled)):
            self._clear()

    def _show(self, event: Progress | Waiting) -> None:
        line = waiting_line(event) if isinstance(event, Waiting) else progress_line(event)
        if self._notebook:
            html = waiting_html(line) if isinstance(event, Waiting) else progress_html(line, share(event))
            data: dict[str, Any] = {"text/html": html, "text/plain": escape_terminal(line)}
            update, self._id = bool(self._id), self._id or f"fmnb-progress-{id(self)}-{event.run}"
            display((data, {}), self._id, update)
        elif sys.stderr.isatty():
            self._id = "line"
            sys.stderr.write(f"\r\x1b[2K{escape_terminal(line)[:100]}")
            sys.stderr.flush()

    def _say(self, text: str) -> None:
        self._clear()
        sys.stderr.write(f"fmnb: {escape_terminal(text)}\n")

    def _clear(self) -> None:
        if self._id and self._notebook:
            display(({"text/html": "", "text/plain": ""}, {}), self._id, True)
        elif self._id:
            sys.stderr.write("\r\x1b[2K")
        self._id = "" if not self._notebook else self._id
