"""The options of a comparison, in addition to those of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..calls.options import CallOptions
from ..prompts.prompt import PromptLike


class CompareOptions(CallOptions, total=False):
    """Options of `fm.compare`: what varies between answers, and options of the calls."""

    samples: int
    """Number of answers per model, shown side by side."""

    vary: Mapping[str, Sequence[object]]
    """One answer for each value of an option or raw parameter.

    A dict of names and values: `{"temperature": [0, 0.7]}`.
    """

    prompts: Sequence[PromptLike] | Mapping[str, PromptLike]
    """One answer for each prompt, placed before the prompt's own text.

    Texts, `fm.Prompt`s, or names of saved prompts; a dict gives each the name that results show.
    """

    blind: bool
    """Hide model names and shuffle answers until you vote."""
