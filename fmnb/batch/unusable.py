"""When a model that gives only unusable answers gets no more calls.

An answer is unusable if it is empty or does not match its schema, also after the repair request.
Such a row keeps its error. If none of the first answers of a model is usable, the prompt, the
schema and the model do not fit, and the other rows would be paid for in vain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import FmnbError, error_from_dict

FIRST_ANSWERS = 30  # if one in five answers is usable, all of these are unusable once in 800 batches
_UNUSABLE = ("SchemaMismatchError", "EmptyAnswerError")


@dataclass
class UnusableAnswers:
    """Counts the answers of one model, until one is usable.

    Answers from the log count apart: a usable one shows that the model can answer, and so many
    unusable ones show that a person has seen them and runs the batch again to ask the other rows.

    >>> seen = UnusableAnswers()
    >>> for _ in range(30):
    ...     seen.add({"kind": "EmptyAnswerError", "message": "The answer is empty"})
    >>> seen.too_many
    True
    """

    too_many: bool = False  # the model gets no more calls, even if a call in flight is usable
    answers: int = 0
    usable: int = 0
    cached: int = 0  # unusable answers of earlier runs
    first_error: Mapping[str, Any] | None = None

    def add(self, error: Mapping[str, Any] | None, *, cached: bool = False) -> None:
        """Count the answer of one call; a call that failed for another reason has none."""
        if error is None:
            self.usable += 1
        elif error.get("kind") not in _UNUSABLE:
            return
        elif cached:
            self.cached += 1
            return
        else:
            self.first_error = self.first_error or error
        self.answers += 1
        self.too_many = self.too_many or (not self.usable and self.cached < FIRST_ANSWERS <= self.answers)

    def to_exception(self, model: str, rows: int, resumable: bool) -> FmnbError:
        """The error of a model with too many unusable answers; its class is that of the first one."""
        first = self.first_error or {}
        e = error_from_dict({**first, "message": f"None of the first {FIRST_ANSWERS} answers of {model} is usable"})
        cause = " ".join(f"{first.get('message')}: {first.get('detail') or ''}".split()).rstrip(":")
        e.detail = f"the table has {rows:,} row{'' if rows == 1 else 's'}, and the others were not sent. The first error: {cause}"[:400]
        e.hint = "Change the prompt, the schema or the model."
        if resumable:
            e.hint += " Running this again sends the other rows anyway; --retry-errors (retry_errors=True) sends the same rows again."
        return e
