"""What an update of an index did: counts, names and reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...core.inert_text import inert, inert_with_code, printable

_NAMES = 8  # names of a kind that are shown


@dataclass(frozen=True)
class SkippedFile:
    """A file that is not in the index, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class UpdateReport:
    """The result of an update.

    Attributes:
        name: The index.
        added: Paths of new files.
        changed: Paths of files with new content.
        removed: Paths of files that left the index, since they no longer exist or were left out.
        unchanged: Number of files with the same content as before.
        skipped: Files that are not indexed, with the reason.
        chunks: Number of chunks in the index now.
        vectors: Number of chunks with a vector.
        embedded: Number of texts that were embedded.
        seconds: Time of the update.
        notes: Notes for the reader, such as pages without text.
    """

    name: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: int = 0
    skipped: tuple[SkippedFile, ...] = ()
    chunks: int = 0
    vectors: int = 0
    embedded: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def _summary(self) -> str:
        counts = [(len(self.added), "added"), (len(self.changed), "changed"), (len(self.removed), "removed"), (self.unchanged, "unchanged")]
        words = ", ".join(f"{n:,} {what}" for n, what in counts if n) or "no files"
        if self.skipped:
            words += f", {len(self.skipped):,} skipped"
        by = "words and meaning" if self.vectors and self.vectors == self.chunks else "words"
        return f"{self.name}: {words}; {self.chunks:,} {'chunk' if self.chunks == 1 else 'chunks'}, searched by {by} ({self.seconds:.1f} s)"

    def _lines(self) -> list[str]:
        lists = [(what, names) for what, names in (("added", self.added), ("changed", self.changed), ("removed", self.removed)) if names]
        lines = [f"{what}: {_some(names)}" for what, names in lists]
        reasons: dict[str, list[str]] = {}
        for s in self.skipped:
            reasons.setdefault(s.reason, []).append(s.path)
        return [*lines, *(f"skipped, {reason}: {_some(paths)}" for reason, paths in reasons.items()), *self.notes]

    def __repr__(self) -> str:
        return "\n".join(map(printable, [self._summary(), *("  " + line for line in self._lines())]))

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{inert_with_code(line)}</li>" for line in self._lines())
        return f"<div>{inert(self._summary())}{f'<ul>{items}</ul>' if items else ''}</div>"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES])
    return f"{shown} and {len(names) - _NAMES:,} more" if len(names) > _NAMES else shown
