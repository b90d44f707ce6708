"""A page that is not there: what it says to a widget, and what the widget sends to it."""

from __future__ import annotations

import sys
from typing import Any


def put(monkeypatch: Any, **values: Any) -> None:
    """Values under names of the notebook: a shell's, where an earlier test has left one, else a script's."""
    module = sys.modules.get("IPython.core.getipython")
    shell = module.get_ipython() if module else None
    for name, value in values.items():
        if shell is not None:
            monkeypatch.setitem(shell.user_ns, name, value)
        monkeypatch.setattr(sys.modules["__main__"], name, value, raising=False)


class Page:
    """Listens to one widget. `said` are the messages it got, in order."""

    def __init__(self, widget: Any):
        self.widget = widget
        self.said: list[dict[str, Any]] = []
        widget.send = lambda message, buffers=None: self.said.append(message)

    def do(self, what: str, **more: Any) -> list[dict[str, Any]]:
        """Say something, and give what came back."""
        before = len(self.said)
        self.widget._on_page_message(None, {"do": what, **more}, [])
        return self.said[before:]

    def last(self, do: str) -> dict[str, Any]:
        """The last message of a kind."""
        return next(m for m in reversed(self.said) if m["do"] == do)

    def text(self, run: str) -> str:
        """The HTML that a page has put together of an answer's messages."""
        done = tail = ""
        for m in self.said:
            if m["do"] == "answer" and m["run"] == run:
                done = done + m["add"] if m["from"] else m["add"]
                tail = m["tail"]
        return done + tail
