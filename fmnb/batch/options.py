"""Options of a batch, and which of them conflict."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

from ..calls.options import CallOptions
from ..core.errors import UsageError

_MINIMUMS = {"head": 1, "concurrency": 1, "budget": 0, "rpm": 0, "tpm": 0}  # a minimum of 1 means whole numbers

# Options that conflict with a batch job of a service, and why.
NOT_WITH_BATCH_API = {
    "on": "the service runs the job itself",
    "fail_fast": "one row cannot stop a submitted job",
    "concurrency": "the service decides the speed",
    "rpm": "the service decides the speed",
    "tpm": "the service decides the speed",
    "replay_only": "--replay-only never calls a model",
}


class BatchOptions(CallOptions, total=False):
    """Options of `fm.map`: how a batch runs and what it may cost, and options of its calls."""

    samples: int
    """Number of answers per row; each sample gets its own columns."""

    head: int | None
    """Only the first N rows."""

    budget: float | None
    """Stop before spending more than this many US dollars."""

    yes: bool
    """Skip the confirmation before an expensive batch."""

    rpm: float | None
    """Maximum requests per minute."""

    tpm: float | None
    """Maximum tokens per minute."""

    concurrency: int | None
    """Maximum calls in flight; by default it adapts to the host."""

    batch_api: bool
    """Submit a batch job, at half the price; the same call collects its answers later."""

    on: str | None
    """Run on Ray: `ray` on this machine, or the address of a cluster (`ray://...`)."""

    retry_errors: bool
    """Send rows with permanent errors again."""

    fail_fast: bool
    """Stop at the first failed row."""


@dataclass(frozen=True)
class Limits:
    """Limits of a batch, and what happens to rows that fail.

    `head` is the number of rows, `budget` US dollars, `rpm` and `tpm` requests and tokens per
    minute, `concurrency` calls in flight. Whole numbers given as floats (`2.0`) or numpy numbers
    become ints. Raises UsageError for a value that is not a number or is too small, and for a
    switch that is neither True nor False.
    """

    head: int | None = None
    budget: float | None = None
    rpm: float | None = None
    tpm: float | None = None
    concurrency: int | None = None
    retry_errors: bool = False
    fail_fast: bool = False

    def __post_init__(self) -> None:
        for name, minimum in _MINIMUMS.items():
            value = getattr(self, name)
            if value is None:
                continue
            number = isinstance(value, Real) and not isinstance(value, bool) and value == value and value < 1e15
            if not number or value < minimum or (minimum == 1 and value != int(value)) or (value == 0 and name != "budget"):
                raise UsageError(
                    f"{name} must be a {'whole number of at least 1' if minimum else 'number greater than 0'}", detail=repr(value)
                )
            object.__setattr__(self, name, int(value) if minimum else float(value))
        _check_switches(retry_errors=self.retry_errors, fail_fast=self.fail_fast)


def check_together(
    limits: Limits, *, yes: Any = False, batch_api: Any = False, on: Any = None, replay_only: Any = None, sources: Any = None
) -> None:
    """Refuse options that conflict, switches that are not bools, and invalid `on`.

    >>> check_together(Limits(concurrency=4), batch_api=True)
    Traceback (most recent call last):
    fmnb.core.errors.UsageError: batch_api and concurrency cannot be combined. The service decides the speed.
    """
    _check_switches(yes=yes, batch_api=batch_api)
    if batch_api:
        values = {"on": on, "replay_only": replay_only} | {n: getattr(limits, n) for n in NOT_WITH_BATCH_API if hasattr(limits, n)}
        if name := next((n for n in NOT_WITH_BATCH_API if values[n]), ""):
            raise UsageError(
                f"batch_api and {name} cannot be combined", hint=f"{NOT_WITH_BATCH_API[name][0].upper()}{NOT_WITH_BATCH_API[name][1:]}."
            )
    if on is None or on == "":
        return
    if not isinstance(on, str):
        raise UsageError("on must name Ray", detail=repr(on), hint='on="ray", or the address of a cluster.')
    if sources:
        raise UsageError("sources and on cannot be combined", hint="Sources are searched in this kernel: leave `on` out.")
    from .ray.start import parse_address

    parse_address(on)


def _check_switches(**switches: Any) -> None:
    """Refuse any value but True and False: a string such as "no" would count as true."""
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise UsageError(f"{name} must be True or False", detail=repr(value))
