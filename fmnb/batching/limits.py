"""What a user may say about how a batch runs."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UsageError

_LEAST = {"head": 1, "concurrency": 1, "budget": 0, "rpm": 0, "tpm": 0}  # from 1 on they are whole numbers


@dataclass(frozen=True)
class Limits:
    """`head` rows only, `budget` in US dollars, requests and tokens a minute, calls at once; what happens to rows that fail.

    Raises UsageError for a number that is none, or is too small.
    """

    head: int | None = None
    budget: float | None = None
    rpm: float | None = None
    tpm: float | None = None
    concurrency: int | None = None
    retry_errors: bool = False
    fail_fast: bool = False

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is None:
                continue
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and value == value and value < 1e15
            if not number or value < least or (least == 1 and value != int(value)) or (value == 0 and name != "budget"):
                raise UsageError(f"{name} is a {'whole number from 1 on' if least else 'number above 0'}", seen=repr(value))
