"""Shared by widgets that call models: background calls that can be stopped, and notebook variables."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ...calls import background
from ...calls import preview as dry
from ...calls.call import PreparedCall
from ...calls.run import stop
from ...comparison.compare import display_format
from . import base
from .answer_stream import AnswerStream, complete_message

_MAX_ANSWERS = 200  # stored answers, for pages that connect late


class AskMixin(base.Widget):
    """A widget that calls models. Its messages: stop, whole."""

    def __init__(self, **traits: Any):
        super().__init__(**traits)
        self._answers: dict[str, AnswerStream | dict[str, Any]] = {}

    def start_call(self, prepared: PreparedCall, on_end: Callable[[], object]) -> str:
        """Start a call; the answer streams into the widget. `on_end` is called at its end. Returns the run."""
        run = prepared.call.run
        answer = AnswerStream(run, self.send, format=display_format(prepared))
        self.store_answer(run, answer)
        background.start_silently([prepared], [answer], lambda: self.run_safely(on_end))
        return run

    def store_answer(self, run: str, answer: AnswerStream | dict[str, Any]) -> None:
        """Store an answer, or the message that shows it, for the page."""
        self._answers[run] = answer
        while len(self._answers) > _MAX_ANSWERS:
            self._answers.pop(next(iter(self._answers)))

    def show_answer(self, prepared: PreparedCall) -> None:
        """Show a complete answer."""
        if prepared.response is not None:
            message = complete_message(prepared.response, format=display_format(prepared))
            self.store_answer(prepared.call.run, message)
            self.send(message)

    def on_stop(self, run: str) -> None:
        """Stop a call of this widget; the partial answer is kept."""
        if run in self._answers:
            stop(run)

    def on_whole(self, run: str) -> None:
        """Send an answer from its beginning: the page connected late, or missed a message."""
        answer = self._answers.get(run)
        if message := answer.full_message() if isinstance(answer, AnswerStream) else answer:
            self.send(message)


def estimate_cost(prepared: PreparedCall, undefined: tuple[str, ...], callback: Callable[[dict[str, str]], object]) -> None:
    """Compute tokens and price of a call in the background, and pass the texts to `callback`."""

    def on_preview(preview: dry.Preview | Exception) -> None:
        if isinstance(preview, Exception):
            callback({"problem": base.error_lines(preview)})
            return
        words = {
            "tokens": short_tokens(preview),
            "price": "price unknown" if preview.cost is None else preview.price_line(),
            "how": preview.tokens_line("tokens in"),
            "problem": preview.problem,
        }
        if undefined:
            words["waiting"] = ", ".join(undefined)
        callback(words)

    background.in_background(lambda: dry.preview(prepared), on_preview)


def short_tokens(preview: dry.Preview) -> str:
    """The number of tokens, with "about" if it is estimated."""
    t = preview.tokens
    return f"{'' if t.exact else 'about '}{t.tokens:,} token{'' if t.tokens == 1 else 's'}"


def notebook_variables() -> Mapping[str, Any]:
    """The variables of the notebook, or of a script's main module."""
    module = sys.modules.get("IPython.core.getipython")
    shell = module.get_ipython() if module else None
    if shell is not None:
        return dict(shell.user_ns)
    return dict(vars(importlib.import_module("__main__")))
