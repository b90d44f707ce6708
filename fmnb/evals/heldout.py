"""What must never be trained on: fingerprints of held-out rows and of the prompts made from them, kept for this user.

A fingerprint says nothing of the row. The file only grows; `fm.Dataset` adds to it when rows are
held out, an evaluation adds the prompts it made of them, and every export asks here first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..config import state_dir
from ..errors import StoreError, UsageError
from .sample import Sample, fingerprint

_NAMED = 3  # rows named in a refusal


def _file() -> Path:
    return state_dir() / "heldout.txt"


def known() -> set[str]:
    """All fingerprints."""
    try:
        return set(_file().read_text(encoding="ascii").split())
    except FileNotFoundError:
        return set()


def hold(texts: Iterable[str]) -> int:
    """Add texts (a sample's `text`, a prompt); gives how many were new."""
    new = {fingerprint(t) for t in texts} - known()
    if new:
        try:
            _file().parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(_file(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "a", encoding="ascii") as f:
                f.write("".join(f"{n}\n" for n in sorted(new)))
        except OSError as e:
            raise StoreError(
                "Held-out rows cannot be remembered", seen=str(e), todo="Make room, or set FMNB_STATE to another folder."
            ) from None
    return len(new)


def refuse(samples: Sequence[Sample], texts: Sequence[str] = ()) -> None:
    """Raises UsageError where a sample is held out, by its split or by its fingerprint, or one of `texts` (the prompts) is."""
    held = known()
    bad = [s.id for s in samples if s.split == "heldout" or s.fingerprint in held]
    bad += [s.id for s, t in zip(samples, texts, strict=False) if s.id not in bad and fingerprint(t) in held]
    if bad:
        named = ", ".join(bad[:_NAMED]) + (f" and {len(bad) - _NAMED:,} more" if len(bad) > _NAMED else "")
        raise UsageError(
            f"{len(bad):,} of {len(samples):,} rows are held out and must not be trained on",
            seen=named,
            todo='Export the others: `dataset["train"].export(...)`, or `dataset.without_heldout()`.',
        )
