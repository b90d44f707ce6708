"""The target of a row is withheld from the models: a prompt that uses it is refused in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ..core.errors import PromptError, UsageError
from ..prompts.prompt import Prompt, names
from .datasets.dataset import Dataset

_DEFAULTS = ("target", "ideal")


def check_target_is_withheld(prompts: Iterable[Any], dataset: Dataset, target: str | None, values: Mapping[str, Any]) -> None:
    """Raise UsageError if the target is the only column, PromptError if a prompt uses it.

    Args:
        prompts: The prompts to render for each row.
        dataset: The rows, with their targets taken out.
        target: The target's column, None if it is a default one.
        values: Names of the notebook, which a prompt may use as well.
    """
    columns = list(dict.fromkeys(k for s in dataset for k in s.values))
    if len(dataset) and not columns:
        raise UsageError(
            "The table has no column besides the target",
            detail=target or "",
            hint="The target is withheld from the model. Add a column with what to ask about.",
        )
    if all(s.target is None for s in dataset):
        return
    for prompt in prompts:
        used: set[str] = set()
        if isinstance(prompt, (str, Prompt)):
            with suppress(PromptError):  # reported when the prompt is rendered
                used = names(prompt)
        for name in sorted(used & ({target} if target else set(_DEFAULTS)) - {*columns, *values}):
            raise PromptError(
                f"{{{{ {name} }}}} is the target, which is withheld from the model",
                detail="the prompt must not contain the right answer",
                hint=f"Columns for the prompt: {', '.join(columns[:8])}{', ...' if len(columns) > 8 else ''}.",
            )
