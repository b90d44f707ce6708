"""Protocols of guards, which check or change requests before they are sent and answers before display.

Policy, redaction and moderation are guards. They stand around every call, of cells and of rows
alike, outside of tape and cache: what a guard changes is what is recorded, cached and sent.
Models that guards need are classifiers, which higher rooms put into the Runtime.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from .errors import UsageError
from .events import Event
from .runtime import state
from .types import Request

Proceed: TypeAlias = Callable[[Request], AsyncIterator[Event]]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a request goes: the model, its host, and whether that is this machine."""

    model: str
    host: str
    local: bool


class Guard(Protocol):
    """Looks at a request and its events; raises a FmnbError to refuse either."""

    def __call__(self, request: Request, destination: Destination, proceed: Proceed, /) -> AsyncIterator[Event]:
        """The events of the request. `proceed` sends it, or a changed one, and yields the answer's events."""
        ...


class Classifier(Protocol):
    """Gives texts probabilities of labels, such as toxic or off topic."""

    async def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        """One mapping of label to probability for each text."""
        ...


class Guardrails:
    """The guards and classifiers of a Runtime. The first guard is the outermost."""

    def __init__(self) -> None:
        self.guards: tuple[Guard, ...] = ()
        self.classifiers: dict[str, Classifier] = {}


def guards() -> tuple[Guard, ...]:
    """The guards in force."""
    return state(Guardrails).guards


def classifier(name: str) -> Classifier:
    """The classifier of that name.

    Raises:
        UsageError: The Runtime has none of that name: nothing passes unchecked.
    """
    classifiers = state(Guardrails).classifiers
    if name not in classifiers:
        raise UsageError(f"There is no classifier {name!r}", detail=f"known: {', '.join(classifiers) or 'none'}")
    return classifiers[name]
