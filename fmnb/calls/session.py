"""What a kernel remembers between cells: the chosen model, the last call, the tape.

One object per kernel. Nothing here is sent to a model unless the user names it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..config.settings import settings
from ..core.events import Sink
from ..core.runtime import current
from ..store.log_sink import LogSink
from ..store.retention import Sweeper
from . import notebook_model

if TYPE_CHECKING:
    from ..store.tape import Tape
    from .call import PreparedCall
    from .notebook_model import NotebookSearch


@dataclass
class Session:
    """`model_choices` maps a source (kernel, notebook) to (time, model); the later choice holds."""

    model_choices: dict[str, tuple[float, str]] = field(default_factory=dict)
    last: PreparedCall | None = None
    last_comparison: Any = None  # the last comparison
    _tape: Tape | None = None
    _env_tape: str = ""
    notebook: str = ""
    notebook_search: NotebookSearch | None = None  # where the notebook's file may be, when the page does not send its choice
    unknown_reason: str = notebook_model.UNKNOWN  # why the notebook's choice is unknown
    choice_known: bool = False  # whether the notebook's own choice is known; it may be none
    displayed: tuple[Any, int] = (None, -1)  # the last value that is displayed, and the number of its cell
    error: Any = None  # the last exception of a cell and the cell's text, as a magic saw it
    proposed_cells: dict[str, str] = field(default_factory=dict)
    global_sinks: list[Sink] = field(default_factory=list)  # sinks of every run of this kernel, such as the sidebar

    @property
    def tape(self) -> Tape | None:
        """The current tape: of `%fm tape`, or the file that `FMNB_TAPE` names."""
        name = os.environ.get("FMNB_TAPE", "")
        if name != self._env_tape:
            from ..store.tape import Tape

            self._env_tape, self._tape = name, Tape(name) if name else None
        return self._tape

    @tape.setter
    def tape(self, tape: Tape | None) -> None:
        self._tape, self._env_tape = tape, os.environ.get("FMNB_TAPE", "")

    def listeners(self, *sinks: Sink, ticks: bool = False) -> list[Sink]:
        """The sinks of a run: the log first, so that everything displayed is stored, whatever interrupts."""
        return [LogSink(self.notebook, ticks=ticks), Sweeper(), *sinks, *self.global_sinks]

    def set_model(self, model: str, source: str = "kernel") -> None:
        """Remember a choice of `source`: kernel (`%fm use`) or notebook (its metadata). "" removes it."""
        if model:
            self.model_choices[source] = (time.monotonic(), model)
        else:
            self.model_choices.pop(source, None)

    def set_notebook_model(self, model: str) -> None:
        """Set the notebook's own choice, sent by the page.

        The same choice again changes nothing, so that a later `%fm use` stays in effect.
        """
        self.choice_known = True
        if model != self.model_choices.get("notebook", (0.0, ""))[1]:
            self.set_model(model, source="notebook")

    def find_notebook_model(self) -> None:
        """Read the notebook's own choice from its file.

        Does nothing if the page sent it or a later choice exists.
        """
        if self.choice_known or self.notebook_search is None or "kernel" in self.model_choices:
            return
        own = notebook_model.find(self.notebook_search)
        if isinstance(own, str):
            self.unknown_reason = own
        else:
            self.choice_known = True
            self.notebook = self.notebook or own.path
            if own.model:
                self.model_choices["notebook"] = (self.notebook_search.started, own.model)

    @property
    def model_warning(self) -> str:
        """A warning if the model is a default although the notebook's own choice is unknown, otherwise ""."""
        return "" if self.choice_known or self.notebook_search is None or self.model_choices else self.unknown_reason


session = current(Session)
BUILT_IN = "embedded"  # the model that comes with fmnb


def default_model() -> tuple[str, str]:
    """The model of cells that name none, and where that choice comes from.

    `%fm use` and the notebook's choice, the later of the two > environment > project >
    user > administrator's default > the model that comes with fmnb. The notebook's choice counts
    from its first cell on.
    """
    session.find_notebook_model()
    if session.model_choices:
        by, (_, model) = max(session.model_choices.items(), key=lambda kv: kv[1][0])
        return model, {"kernel": "%fm use", "notebook": "this notebook"}.get(by, by)
    if model := os.environ.get("FMNB_MODEL", ""):
        return model, "FMNB_MODEL"
    s = settings()
    if model := s.get("default.model", ""):
        return str(model), f"{s.origin_of('default.model')} fmnb.toml"
    return BUILT_IN, "built in"
