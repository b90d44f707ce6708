"""What widgets that ask models have in common: calls that run while the notebook goes on, each with a stop, and the notebook's names."""

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
from .answer_stream import Answer, whole_of

_KEPT = 200  # answers a widget can show again to a page that came late


class Asking(base.Widget):
    """A widget that asks. Messages of every one: stop, whole."""

    def __init__(self, **traits: Any):
        super().__init__(**traits)
        self._answers: dict[str, Answer | dict[str, Any]] = {}

    def begin(self, asked: PreparedCall, then: Callable[[], object]) -> str:
        """Ask; the answer streams into the widget, and `then` is called when it has ended. Gives the run."""
        run = asked.call.run
        answer = Answer(run, self.send, format=display_format(asked))
        self.keep_answer(run, answer)
        background.start_silently([asked], [answer], lambda: self.attempt(then))
        return run

    def keep_answer(self, run: str, answer: Answer | dict[str, Any]) -> None:
        """Have an answer, or the message that shows it, at hand for the page."""
        self._answers[run] = answer
        while len(self._answers) > _KEPT:
            self._answers.pop(next(iter(self._answers)))

    def show_asked(self, asked: PreparedCall) -> None:
        """Show an answer that is there."""
        if asked.response is not None:
            message = whole_of(asked.response, format=display_format(asked))
            self.keep_answer(asked.call.run, message)
            self.send(message)

    def on_stop(self, run: str) -> None:
        """Stop a call of this widget; what came is kept."""
        if run in self._answers:
            stop(run)

    def on_whole(self, run: str) -> None:
        """An answer from its beginning: the page came late, or missed a piece."""
        answer = self._answers.get(run)
        if message := answer.whole() if isinstance(answer, Answer) else answer:
            self.send(message)


def weigh(asked: PreparedCall, waiting: tuple[str, ...], then: Callable[[dict[str, str]], object]) -> None:
    """Tokens and price of a call, in words, worked out beside the notebook's own work and given to `then`."""

    def told(found: dry.Preview | Exception) -> None:
        if isinstance(found, Exception):
            then({"problem": base.problem_of(found)})
            return
        words = {
            "tokens": short_tokens(found),
            "price": "price unknown" if found.cost is None else found.price_line(),
            "how": found.tokens_line("tokens in"),
            "problem": found.problem,
        }
        if waiting:
            words["waiting"] = ", ".join(waiting)
        then(words)

    background.in_background(lambda: dry.preview(asked), told)


def short_tokens(preview: dry.Preview) -> str:
    """The number alone: exact, or about."""
    t = preview.tokens
    return f"{'' if t.exact else 'about '}{t.tokens:,} tokens"


def names() -> Mapping[str, Any]:
    """The notebook's names; a script's own in a script."""
    module = sys.modules.get("IPython.core.getipython")
    shell = module.get_ipython() if module else None
    if shell is not None:
        return dict(shell.user_ns)
    return dict(vars(importlib.import_module("__main__")))
