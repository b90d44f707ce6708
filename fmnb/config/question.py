"""Questions to the person who runs the cell: a form on the notebook page, a text prompt, or an error.

`ask` blocks until there is an answer. `fmnb.jupyter.questions` adds the form, as `page`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from ..core.errors import NotInteractiveError, UsageError

_TRIES = 3  # lines of text that match no choice


@dataclass(frozen=True, slots=True)
class Question:
    """A question with named choices.

    `choices` maps names to labels; an empty line means the name in `default`.
    """

    text: str
    choices: Mapping[str, str]
    default: str = ""
    details: str = ""

    def __post_init__(self) -> None:
        if not self.choices or (self.default and self.default not in self.choices):
            raise ValueError(f"a question needs choices, and its default must be one of them: {self}")

    def prompt(self) -> str:
        """The question as one line of text, with its choices."""
        names = "/".join(n.upper() if n == self.default else n for n in self.choices)
        labels = ", ".join(f"{n}: {label}" for n, label in self.choices.items() if label.lower() != n.lower())
        return "".join([f"{self.details}\n" if self.details else "", f"{self.text} [{names}] ", f"({labels}) " if labels else ""])

    def match(self, answer: str) -> str | None:
        """The choice that a typed answer means; None if it means none.

        The answer is a name, a label, or the beginning of exactly one name.

        >>> q = Question("Continue?", {"yes": "Yes", "no": "Stop"}, default="no")
        >>> q.match("Y"), q.match("stop"), q.match(""), q.match("maybe")
        ('yes', 'no', 'no', None)
        """
        typed = answer.strip().lower()
        if not typed:
            return self.default or None
        exact = [n for n, label in self.choices.items() if typed in (n.lower(), label.lower())]
        found = exact or [n for n in self.choices if n.lower().startswith(typed)]
        return found[0] if len(found) == 1 else None


class Page(Protocol):
    """The notebook page, if it has fmnb's extension."""

    def ask(self, question: Question) -> str | None:
        """The choice made in a form under the running cell. None if the page cannot answer while a cell runs."""
        ...

    def form(self, question: Question) -> AbstractContextManager[None]:
        """Shows the form for as long as `input()` waits; the form fills in the front end's input field."""
        ...


page: Page | None = None


def ask(text: str, choices: Mapping[str, str], *, default: str = "", details: str = "", hint: str = "") -> str:
    """Ask the person who runs the cell, and wait for the answer.

    An interrupt while waiting ends the cell, as any interrupt does. Call it in the thread of the
    cell, or in another thread, but never in the event loop: it blocks.

    Args:
        text: The question, in one sentence.
        choices: Names of the choices with their labels, the main one first.
        default: The choice that an empty line means where the answer is typed.
        details: More text below the question.
        hint: For the error where nobody can answer: how to decide beforehand.

    Returns:
        The name of the choice.

    Raises:
        NotInteractiveError: Nobody can answer here: nbconvert, papermill, a script without a terminal.
        UsageError: What was typed is none of the choices, three times.
    """
    question = Question(text, dict(choices), default, details)
    if page is not None and (answer := page.ask(question)) is not None:
        return answer
    return _typed(question, hint)


def _typed(question: Question, hint: str) -> str:
    refusal = NotInteractiveError(
        f"{question.text.rstrip('?')}? Nobody can answer here", detail=" ".join(question.details.split()), hint=hint
    )
    if not can_type():
        raise refusal
    from IPython.core.error import StdinNotImplementedError

    try:
        for _ in range(_TRIES):
            with page.form(question) if page is not None else nullcontext():
                typed = input(question.prompt())
            if (choice := question.match(typed)) is not None:
                return choice
            print(f"Type one of: {', '.join(question.choices)}")
    except (StdinNotImplementedError, EOFError):
        raise refusal from None
    raise UsageError("Nothing was done", detail=f"answered {typed.strip()!r}", hint=f"Answer with one of: {', '.join(question.choices)}.")


def can_type() -> bool:
    """Whether there may be somebody at a keyboard.

    A kernel asks its front end, which may refuse. Elsewhere there must be a terminal.
    """
    from IPython.core.getipython import get_ipython

    return hasattr(get_ipython(), "kernel") or bool(sys.stdin and sys.stdin.isatty())
