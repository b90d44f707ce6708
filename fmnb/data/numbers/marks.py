"""What a view marks in an answer: places, states and titles in plain words."""

from __future__ import annotations

from dataclasses import dataclass

from .report import NumberReport, State


@dataclass(frozen=True)
class Mark:
    """One place of the answer to mark, and the text to show for it."""

    start: int
    end: int
    state: State
    title: str


def marks(report: NumberReport) -> tuple[Mark, ...]:
    """The places of an answer that are marked: figures that claim something.

    Args:
        report: What `fm.check_numbers` returned.

    Returns:
        Marks in order; conditions, labels and figures without a claim have none.

    Example:
        >>> from .check import check_numbers
        >>> [m.title for m in marks(check_numbers("The mean is 7.", {"t": [{"x": 10.0}, {"x": 20.0}]}))]
        ['not traced']
    """
    return tuple(Mark(*f.span, f.state, f.explanation) for f in report.figures if f.counts)
