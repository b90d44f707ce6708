"""Waits, retries and progress as text, the same in every view."""

from __future__ import annotations

from ..core.events import Progress, Waiting


def run_label(name: str) -> str:
    """The header line for a name.

    >>> run_label("openai:gpt-5-mini"), run_label("echo:")
    ('openai:gpt-5-mini:\\n', 'echo:\\n')
    """
    return f"{name.removesuffix(':')}:\n"


def waiting_line(event: Waiting) -> str:
    """The reason and duration of a wait.

    >>> waiting_line(Waiting(reason="Too many requests", seconds=11.6, attempt=2))
    'Too many requests: next try in 12 s (attempt 2)'
    """
    line = event.reason.rstrip(". ")
    if event.seconds is not None:
        line += f": next try in {max(1, round(event.seconds))} s"
    else:
        line += ": waiting"
    return f"{line} (attempt {event.attempt})" if event.attempt > 1 else line


def progress_line(event: Progress) -> str:
    """The progress of a step.

    >>> progress_line(Progress(stage="downloading", done=12_000_000, total=98_000_000, unit="bytes"))
    'downloading: 12.0 of 98.0 MB'
    """
    if event.unit == "bytes":
        scale, unit = (1e9, "GB") if (event.total or event.done) >= 1e9 else (1e6, "MB")
        done, total = f"{event.done / scale:.1f}", f"{(event.total or 0) / scale:.1f}"
    else:
        unit, done, total = event.unit, f"{event.done:,.0f}", f"{event.total or 0:,.0f}"
    amount = f"{done} of {total} {unit}" if event.total else f"{done} {unit}" if event.done else ""
    line = f"{event.stage}: {amount.strip()}" if amount else event.stage
    return f"{line} ({event.note})" if event.note else line


def share(event: Progress) -> float | None:
    """The completed share, from 0 to 1, or None if the total is unknown."""
    return min(1.0, event.done / event.total) if event.total else None


def thinking_line(words: int) -> str:
    """The line for reasoning while it streams."""
    return f"thinking… {words:,} words"
