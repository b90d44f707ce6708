"""The options of an evaluation, in addition to those of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from ..batch.options import BatchOptions
from ..prompts.prompt import PromptLike


class EvaluateOptions(BatchOptions, total=False):
    """Options of `fm.evaluate`: how the test set is read and scored, and options of the batch."""

    prompts: Sequence[PromptLike] | Mapping[str, PromptLike]
    """Prompts to evaluate like models, each placed before the prompt's own text.

    Texts, `fm.Prompt`s, or names of saved prompts; a dict gives each the name that the report shows.
    """

    target: str | None
    """Column with the correct answers (default: `target`)."""

    group: str | None
    """Column of users or templates whose rows form clusters (default: `group`, `user`, `template`)."""

    id: str | None
    """Column with row ids (default: `id`, or ids computed from the content)."""

    missing: Literal["drop", "failure"]
    """How to treat failed answers: "drop" excludes the row for all models, "failure" counts 0."""

    max_failures: float
    """Share of failed answers, 0 to 1, above which a model gets no verdict (default: 0.05)."""

    fresh: bool
    """Send requests again instead of using cached answers."""
