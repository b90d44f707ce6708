"""Questions as a form under the running cell. The page's side is labextension/src/questions.ts.

A question goes down `fmnb.front`, its answer comes up `fmnb.control`, in the thread of a
subshell, while the cell waits. The first answer wins; all pages then close their forms. A page
that is loaded meanwhile sends hello and gets the open questions again, from the waiting thread.

A kernel without subshells (ipykernel 6) gets no answer while it runs a cell. There `input()`
waits, and the same form fills the front end's input field.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..config import question as questions
from ..config.question import Question
from . import comm

_POLL_SECONDS = 0.05  # seconds between two checks for an interrupt or a new page
_CONNECT_SECONDS = 3.0  # seconds in which a page that ran the cell opens its control comm


@dataclass(slots=True)
class _OpenQuestion:
    """A question that waits for its answer."""

    question: Question
    cell: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    answered: threading.Event = field(default_factory=threading.Event)
    choice: str = ""

    def show(self, via: str) -> None:
        q = self.question
        choices = [{"name": name, "label": label} for name, label in q.choices.items()]
        comm.send("ask", id=self.id, cell=self.cell, via=via, text=q.text, details=q.details, choices=choices, default=q.default)


_open: dict[str, _OpenQuestion] = {}
_lock = threading.Lock()


class _CellForm:
    """The page, as `config.question` uses it."""

    def ask(self, question: Question) -> str | None:
        cell = _running_cell()
        if not cell or not _has_subshells() or not comm.wait_for_control(_CONNECT_SECONDS):
            return None
        with _open_question(question, cell, "control") as waiting:
            pages = comm.pages()
            while not waiting.answered.wait(_POLL_SECONDS):
                if comm.pages() != pages:
                    pages = comm.pages()
                    waiting.show("control")
        print(f"{question.text} {question.choices[waiting.choice]}")
        return waiting.choice

    @contextmanager
    def form(self, question: Question) -> Iterator[None]:
        cell = _running_cell()
        if not cell:
            yield
            return
        with _open_question(question, cell, "input"):
            yield


@contextmanager
def _open_question(question: Question, cell: str, via: str) -> Iterator[_OpenQuestion]:
    waiting = _OpenQuestion(question, cell)
    _open[waiting.id] = waiting
    try:
        waiting.show(via)
        yield waiting
    finally:
        _open.pop(waiting.id, None)
        comm.send("answered", id=waiting.id)


def _answer(data: dict[str, Any]) -> None:
    """An answer from a page, in the thread of its subshell. The first valid one counts."""
    waiting = _open.get(str(data.get("question")))
    choice = data.get("choice")
    with _lock:
        if waiting is not None and isinstance(choice, str) and choice in waiting.question.choices and not waiting.answered.is_set():
            waiting.choice = choice
            waiting.answered.set()


def _running_request() -> dict[str, Any]:
    """The request that runs the cell."""
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    found = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return found if isinstance(found, dict) else {}


def _running_cell() -> str:
    """The id of the running cell if a user can answer there; "" otherwise.

    The cell must come from a page with our extension.
    """
    request = _running_request()
    metadata = request.get("metadata") or {}
    if "fmnb" not in metadata or (request.get("content") or {}).get("allow_stdin") is False:
        return ""
    return str(metadata.get("cellId") or "")


def _has_subshells() -> bool:
    from IPython.core.getipython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_supports_kernel_subshells", False))


def attach() -> None:
    """Ask through the page from now on."""
    comm.on_control("answer", _answer)
    questions.page = _CellForm()


def detach() -> None:
    """Ask by `input()` alone."""
    questions.page = None
