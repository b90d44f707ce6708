"""The base of all widgets: their files, messages from the page, and their static view.

    page ── {do: "vote", ...} ─► Widget.on_vote(...)          one method per message
    page ◄─ send({...}) / traits ── Widget

The static view is plain HTML in an output of its own, for places without live widgets: a saved
notebook, an export, a viewer. The page hides it while the widget is live.
"""

from __future__ import annotations

import html
import importlib
import sys
import traceback
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

from ...core.errors import FmnbError, Interrupted
from ...views.bundle import error_text
from ...views.live import display
from ...views.look import look

HERE = Path(__file__).parent
Bundle = tuple[dict[str, Any], dict[str, Any]]


def assets(*names: str) -> dict[str, str]:
    """`_esm` and `_css` of the last-named widget, preceded by the shared files and those named before."""
    files = {kind: "".join((HERE / f"{name}.{end}").read_text("utf-8") for name in ("base", *names)) for kind, end in _EXTENSIONS}
    return {**files, "_css": look() + files["_css"]}


_EXTENSIONS = (("_esm", "js"), ("_css", "css"))


class Widget(anywidget.AnyWidget):
    """Base of all widgets. `error` is the last error as text.

    `static_id` is the id of the static view's output. With `static_hidden`, the page hides the
    static view while the live widget shows at least as much. `kind` is the
    widget's name in the saved notebook.
    """

    kind: ClassVar[str]
    static_hidden = traitlets.Bool(True).tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)
    static_id = traitlets.Unicode("").tag(sync=True)

    def __init__(self, **traits: Any):
        super().__init__(**traits)
        self.on_msg(self._on_page_message)

    def static_view(self) -> Bundle | None:
        """(data, metadata) of plain HTML and text in place of the widget; None if it has no static view."""
        return None

    def _on_page_message(self, _: Any, message: dict[str, Any], __: Any) -> None:
        """Handle a message of the page: `do` names a method `on_...`, the rest are its arguments."""
        what = {k: v for k, v in message.items() if k != "do"}
        act = getattr(self, f"on_{message.get('do')}", None)
        if act is None:
            return
        self.run_safely(lambda: act(**what))

    def run_safely(self, work: Any) -> Any:
        """Run `work`. The widget shows errors; a bug is also printed to the kernel's log, with its traceback."""
        self.error = ""
        try:
            return work()
        except Interrupted:
            return None
        except FmnbError as e:
            self.error = error_lines(e)
        except Exception as e:
            traceback.print_exc(file=sys.__stderr__)
            self.error = f"A bug in fmnb: {type(e).__name__}: {e}"
        return None

    def update_static_view(self) -> None:
        """Update the static view. With our extension the page updates it too, also after a reload."""
        face = self.static_view()
        if face is None or not self.static_id:
            return
        display(mark_static_view(face, self.static_id), self.static_id, True)
        self.send({"do": "face", "id": self.static_id, "data": face[0], "metadata": face[1]})

    def _repr_mimebundle_(self, **_: Any) -> Bundle:
        """The live view only: a front end without widgets shows nothing here, and the static view below."""
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        return {**data, "text/html": "", "text/plain": ""}, {**metadata, "fmnb": {"widget": self.kind}}

    def _ipython_display_(self) -> None:
        """Two outputs: the widget, and its static view."""
        publish(self._repr_mimebundle_())
        face = self.static_view()
        if face is not None:
            self.static_id = self.static_id or f"fmnb-face-{self.model_id}"
            display(mark_static_view(face, self.static_id), self.static_id, False)


def error_lines(error: Exception) -> str:
    """An error and what to do about it, one per line."""
    if isinstance(error, FmnbError):
        lines = error_text(error.to_dict()).removeprefix("✗ ").splitlines()
        return "\n".join(line.strip() for line in lines[:-1])  # the last line is about billing, and nothing was sent
    return f"{type(error).__name__}: {error}"


def publish(bundle: Bundle) -> None:
    """Display an output that is not updated later."""
    data, metadata = bundle
    importlib.import_module("IPython.display").publish_display_data(data, metadata)


def mark_static_view(bundle: Bundle, name: str) -> Bundle:
    """Mark a static view, so that the page can hide it while its widget is live."""
    data, metadata = bundle
    return {**data, "text/html": f'<div class="fmnb-face" data-fmnb-face="{html.escape(name)}">\n{data["text/html"]}</div>\n'}, metadata


def in_kernel() -> bool:
    """Whether there is a notebook to show a widget in."""
    shell = importlib.import_module("IPython.core.getipython").get_ipython()
    return getattr(shell, "kernel", None) is not None
