"""A rendered prompt: message parts, and what was inserted."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.types import Part, Text


@dataclass(frozen=True, slots=True)
class Inserted:
    """One inserted value: its expression, kind, and estimated size in tokens."""

    expression: str
    kind: str
    tokens: int
    line: int
    column: int
    omitted: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered prompt: text and image parts in order, and the inserted values (for `--dry-run`)."""

    parts: tuple[Part, ...]
    inserted: tuple[Inserted, ...] = ()

    @property
    def text(self) -> str:
        """The text parts joined."""
        return "".join(p.text for p in self.parts if isinstance(p, Text))

    def _prompt_parts_(self) -> tuple[Part, ...]:
        """The parts to insert into another prompt."""
        return self.parts or (Text(""),)

    def __str__(self) -> str:
        return self.text
