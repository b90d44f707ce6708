"""What this kernel remembers between cells: the choice, the last exchange, the tape.

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
    from .call import Asked
    from .notebook_model import Place


@dataclass
class Session:
    """`chosen` maps who chose (kernel, notebook) to (when, model); the later one holds."""

    chosen: dict[str, tuple[float, str]] = field(default_factory=dict)
    last: Asked | None = None
    compared: Any = None  # the last comparison
    _tape: Tape | None = None
    _env_tape: str = ""
    notebook: str = ""
    place: Place | None = None  # what is known of the notebook's file, where nobody tells its choice
    unfound: str = notebook_model.UNKNOWN  # why the choice is not known
    told: bool = False  # whether the notebook's own choice is known, be it none
    displayed: tuple[Any, int] = (None, -1)  # the last value of a cell that is on screen, and the number of that cell
    error: Any = None  # the last exception of a cell and the cell's text, as a magic saw it
    proposals: dict[str, str] = field(default_factory=dict)
    ears: list[Sink] = field(default_factory=list)  # who hears every run of this kernel: the sidebar

    @property
    def tape(self) -> Tape | None:
        """The tape in use: `%fm tape`, else the file `FMNB_TAPE` names."""
        name = os.environ.get("FMNB_TAPE", "")
        if name != self._env_tape:
            from ..store.tape import Tape

            self._env_tape, self._tape = name, Tape(name) if name else None
        return self._tape

    @tape.setter
    def tape(self, tape: Tape | None) -> None:
        self._tape, self._env_tape = tape, os.environ.get("FMNB_TAPE", "")

    def listeners(self, *sinks: Sink, ticks: bool = False) -> list[Sink]:
        """The sinks of a run: the log first, so that what is shown is written down, whatever interrupts."""
        return [LogSink(self.notebook, ticks=ticks), Sweeper(), *sinks, *self.ears]

    def choose(self, model: str, by: str = "kernel") -> None:
        """Remember a choice; by is kernel (`%fm use`) or notebook (its metadata). "" takes it back."""
        if model:
            self.chosen[by] = (time.monotonic(), model)
        else:
            self.chosen.pop(by, None)

    def tell(self, model: str) -> None:
        """The notebook's own choice, as the front end says it; the same again changes nothing, so that a later `%fm use` stays."""
        self.told = True
        if model != self.chosen.get("notebook", (0.0, ""))[1]:
            self.choose(model, by="notebook")

    def look(self) -> None:
        """Read the notebook's own choice from its file, where nobody has told it and no later choice stands."""
        if self.told or self.place is None or "kernel" in self.chosen:
            return
        own = notebook_model.find(self.place)
        if isinstance(own, str):
            self.unfound = own
        else:
            self.told = True
            self.notebook = self.notebook or own.path
            if own.model:
                self.chosen["notebook"] = (self.place.began, own.model)

    @property
    def unsure(self) -> str:
        """What the reader of an answer should know where nobody named the model and the notebook's own choice is unknown, else ""."""
        return "" if self.told or self.place is None or self.chosen else self.unfound


session = current(Session)


def default_model() -> tuple[str, str]:
    """(model, who says so) when a cell names none; ("", "") when nobody does.

    `%fm use` and the notebook's choice, the later of the two > environment > project >
    user > administrator's default. The notebook's choice counts from its first cell on.
    """
    session.look()
    if session.chosen:
        by, (_, model) = max(session.chosen.items(), key=lambda kv: kv[1][0])
        return model, {"kernel": "%fm use", "notebook": "this notebook"}.get(by, by)
    if model := os.environ.get("FMNB_MODEL", ""):
        return model, "FMNB_MODEL"
    s = settings()
    if model := s.get("default.model", ""):
        return str(model), f"{s.origin_of('default.model')} fmnb.toml"
    return "", ""
