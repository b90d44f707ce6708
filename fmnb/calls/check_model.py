"""A call that shows that a model answers, or loads its weights.

It is counted as spent, and is not listed among the questions of the user.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..core.response import Response
from .call import Options
from .prepare import prepare
from .run import run_calls


def check_model(model: Any, prompt: str = "Hi", *, max_tokens: int = 1) -> Response:
    """Ask a model for a few tokens, outside of the lists of the log, of tape and cache.

    Args:
        model: A model.
        prompt: What it is asked.
        max_tokens: The longest answer.

    Returns:
        The answer.

    Raises:
        FmnbError: The model cannot answer.

    >>> check_model("echo:").text
    'Hi'
    """
    asked = prepare(prompt, model, Options(max_tokens=max_tokens, cache=False))
    asked = replace(asked, call=replace(asked.call, kind="check", tape=None))
    run_calls([asked])
    if asked.error is not None:
        raise asked.error
    assert asked.response is not None
    return asked.response
