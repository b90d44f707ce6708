"""The look of widgets, panels and reports: the tokens and parts of `look.css`."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def look() -> str:
    """The CSS of the tokens and parts.

    >>> "--fm-accent" in look()
    True
    """
    return (Path(__file__).parent / "look.css").read_text("utf-8")
