"""The options of an evaluation, beside those of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from ..batch.options import BatchOptions
from ..prompts.prompt import PromptLike


class EvaluateOptions(BatchOptions, total=False):
    """Options of `fm.evaluate`: how the test set is read and scored, and options of the batch."""

    prompts: Sequence[PromptLike] | Mapping[str, PromptLike]
    """Prompts to evaluate like models, each put above the prompt's own text.

    Texts, `fm.Prompt`s, or names of saved ones; a dict gives each the name that the report shows.
    """

    target: str | None
    """Column of good answers; `target` without it."""

    group: str | None
    """Column of users or templates whose rows belong together; `group`, `user` or `template` without it."""

    id: str | None
    """Column of the rows' ids; `id` without it, or ids made from the content."""

    missing: Literal["drop", "failure"]
    """What a failed answer does: "drop" leaves its row out for all models, "failure" counts 0."""

    max_failures: float
    """Share of failed answers, 0 to 1, above which a model gets no verdict; 0.05 by default."""

    fresh: bool
    """Ask again for answers that are known."""
