"""`--with history`: earlier answers of this notebook as a source."""

from __future__ import annotations

import datetime
from typing import Any

from ..calls.session import session
from ..core.errors import UsageError
from ..core.sources import Passage, Retrieved, without_passages
from ..store import log
from .index.query import full_text_query, words

NAME = "history"
_PROMPT = 300  # characters of an earlier prompt that are shown
_WORDS = 50


class History:
    """The answers that the log has of this notebook, found by the words of their prompts and texts."""

    name = NAME

    def retrieve(self, question: str, *, limit: int = 8, model: Any = None) -> Retrieved:
        """The passages for a question. Raises UsageError outside a notebook."""
        if not session.notebook:
            raise UsageError("`history` is the earlier answers of a notebook", hint="Here is none: run this in a saved notebook.")
        if not log.enabled():
            return Retrieved(notes=("the log is off, so there is no history: `%fm log on`",))
        query = full_text_query(words(question)[:_WORDS])
        found = log.relevant(query, session.notebook, limit) if query else []
        return Retrieved(tuple(_passage(r) for r in found))


def _passage(row: dict[str, Any]) -> Passage:
    """An answer with the beginning of its prompt, without its model: a blind comparison hides that."""
    prompt = " ".join(without_passages(row["prompt"] or "").split())
    prompt = prompt if len(prompt) <= _PROMPT else prompt[: _PROMPT - 1] + "…"
    when = datetime.datetime.fromtimestamp(row["started"])
    text = f"Question: {prompt}\nAnswer: {row['text'].strip()}"
    return Passage(text, NAME, title=f"answer of {when:%Y-%m-%d %H:%M}", location=f"run {row['run']}", time=row["started"])
