"""One prompt to several models: each gets its own request, and sees none of the others' answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._require import require
from .errors import UsageError
from .events import Sink
from .performing import perform
from .preparing import Asked, options_from, prepare
from .types import Response

if TYPE_CHECKING:
    import pandas

COLUMNS = (
    "model",
    "text",
    "data",
    "error",
    "seconds",
    "first_token_seconds",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost",
    "run",
)


@dataclass(frozen=True)
class Comparison:
    """Answers of several models to one prompt, in the order the models were named."""

    responses: tuple[Response, ...]

    def __len__(self) -> int:
        return len(self.responses)

    def __iter__(self) -> Iterator[Response]:
        return iter(self.responses)

    def __getitem__(self, at: int | str) -> Response:
        """By position, or by the model's name as it was typed."""
        if isinstance(at, int):
            return self.responses[at]
        for r in self.responses:
            if at in (r.extra.get("asked"), r.asked, r.model):
                return r
        raise KeyError(at)

    @property
    def df(self) -> pandas.DataFrame:
        """One row an answer, a pandas DataFrame."""
        pandas = require("pandas", "frames", "to make a DataFrame")
        return pandas.DataFrame([row(r) for r in self.responses], columns=list(COLUMNS))

    def __repr__(self) -> str:
        return f"Comparison({', '.join(r.asked for r in self.responses)})"


def row(r: Response) -> dict[str, Any]:
    """A response under the column names used everywhere."""
    u = r.usage
    return {
        "model": r.asked,
        "text": r.text,
        "data": r.data,
        "error": r.error["what"] if r.error else None,
        "seconds": r.seconds,
        "first_token_seconds": r.first_token_seconds,
        "input_tokens": u.input_tokens,
        "output_tokens": u.output_tokens,
        "cached_tokens": u.cached_tokens,
        "reasoning_tokens": u.reasoning_tokens,
        "cost": u.cost,
        "run": r.run,
    }


def compare(prompt: Any, models: Sequence[Any], *, sinks: Sequence[Sink] = (), **options: Any) -> Comparison:
    """Ask several models the same thing at once.

    A model that fails has its error in its row; when all fail, the first error is raised.
    Options as in `ask`.

    >>> [r.text for r in compare("hi", ["echo:", "echo:slow=500"])]
    ['hi', 'hi']
    """
    if len(models) < 2:
        raise UsageError("A comparison needs two models or more", seen=str(list(models)), todo="Use fm.ask for one.")
    asked = [prepare(prompt, m, options_from(options)) for m in models]
    perform(asked, sinks)
    return comparison_of(asked)


def comparison_of(asked: Sequence[Asked]) -> Comparison:
    """The comparison of calls that were performed; raises the first error when all failed."""
    errors = [a.error for a in asked]
    if all(e is not None for e in errors):
        assert errors[0] is not None
        raise errors[0]
    return Comparison(tuple(a.response for a in asked if a.response is not None))
