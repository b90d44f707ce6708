"""What all our widgets share: their files, messages from the page, and the face they leave in the notebook.

    page ── {do: "vote", ...} ─► Widget.on_vote(...)          one method a message
    page ◄─ send({...}) / traits ── Widget

The face is an output of its own, plain HTML that is shown where the widget cannot be: in a
saved notebook, an export, a viewer. The page hides it while the widget lives.
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

HERE = Path(__file__).parent
Bundle = tuple[dict[str, Any], dict[str, Any]]


def files(*names: str) -> dict[str, str]:
    """`_esm` and `_css` of the widget whose file is named last, behind what it shares with others: those of all widgets, then those named before."""
    return {kind: "".join((HERE / f"{name}.{end}").read_text("utf-8") for name in ("base", *names)) for kind, end in _KINDS}


_KINDS = (("_esm", "js"), ("_css", "css"))


class Widget(anywidget.AnyWidget):
    """Base of our widgets. `trouble` is the last thing that went wrong, in words; `face_id` names the output that stands for it.

    `face_hidden`: the page hides the face while the widget shows the same and more. `kind` is what the saved notebook calls it.
    """

    kind: ClassVar[str]
    face_hidden = traitlets.Bool(True).tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)
    face_id = traitlets.Unicode("").tag(sync=True)

    def __init__(self, **traits: Any):
        super().__init__(**traits)
        self.on_msg(self._hear)

    def face(self) -> Bundle | None:
        """(data, metadata) of plain HTML and text that stands for the widget as it is now; None for a widget without one."""
        return None

    def _hear(self, _: Any, message: dict[str, Any], __: Any) -> None:
        """A message of the page: `do` names a method `on_...`, the rest are its arguments."""
        what = {k: v for k, v in message.items() if k != "do"}
        act = getattr(self, f"on_{message.get('do')}", None)
        if act is None:
            return
        self.attempt(lambda: act(**what))

    def attempt(self, work: Any) -> Any:
        """Do it; a user's mistake is said in the widget, a bug is said there and written to the kernel's log whole."""
        self.error = ""
        try:
            return work()
        except Interrupted:
            return None
        except FmnbError as e:
            self.error = problem_of(e)
        except Exception as e:
            traceback.print_exc(file=sys.__stderr__)
            self.error = f"A bug in fmnb: {type(e).__name__}: {e}"
        return None

    def show_face(self) -> None:
        """Bring the face up to date. In a front end with our extension the page does so too, also after a reload."""
        face = self.face()
        if face is None or not self.face_id:
            return
        display(marked(face, self.face_id), self.face_id, True)
        self.send({"do": "face", "id": self.face_id, "data": face[0], "metadata": face[1]})

    def _repr_mimebundle_(self, **_: Any) -> Bundle:
        """The view alone: whoever cannot show it shows nothing here, and the face beside it."""
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        return {**data, "text/html": "", "text/plain": ""}, {**metadata, "fmnb": {"widget": self.kind}}

    def _ipython_display_(self) -> None:
        """Two outputs: the widget, and its face."""
        publish(self._repr_mimebundle_())
        face = self.face()
        if face is not None:
            self.face_id = self.face_id or f"fmnb-face-{self.model_id}"
            display(marked(face, self.face_id), self.face_id, False)


def problem_of(error: Exception) -> str:
    """What stands in the way and what to do about it, a line each."""
    if isinstance(error, FmnbError):
        lines = error_text(error.to_dict()).removeprefix("✗ ").splitlines()
        return "\n".join(line.strip() for line in lines[:-1])  # the last says what was billed: nothing was asked
    return f"{type(error).__name__}: {error}"


def publish(bundle: Bundle) -> None:
    """An output that is not updated later."""
    data, metadata = bundle
    importlib.import_module("IPython.display").publish_display_data(data, metadata)


def marked(bundle: Bundle, name: str) -> Bundle:
    """A face the page can find, to hide it while its widget lives."""
    data, metadata = bundle
    return {**data, "text/html": f'<div class="fmnb-face" data-fmnb-face="{html.escape(name)}">\n{data["text/html"]}</div>\n'}, metadata


def in_kernel() -> bool:
    """Whether there is a notebook to show a widget in."""
    shell = importlib.import_module("IPython.core.getipython").get_ipython()
    return getattr(shell, "kernel", None) is not None
