"""One request among many on its way to an answer: what it reads, what it has written, how its next token is chosen.

All that a choice depends on is the row's own, so its answer does not change with its neighbours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...core.repetition import NOTICE, REASON, LoopDetector
from ...core.types import Request, Usage
from .detokenize import Text, logprob, prompt, room
from .model import TorchModel
from .sampling import Grammar, chooser, sampling

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Answered:
    """One row's answer; `seconds` is the time it had a slot, `labels` the probability of each label where it chose one."""

    text: str
    reason: str
    usage: Usage
    seconds: float
    logprobs: tuple[dict[str, Any], ...] = ()
    labels: dict[str, float] | None = None
    notes: tuple[str, ...] = ()
    unfinished: bool = False  # cut where its schema asks for more


@dataclass(slots=True)
class Row:
    """A request on its way: `unread` are the tokens that its next pass reads, `made` those it has written."""

    number: int
    request: Request
    variables: dict[str, Any]  # of the chat template
    ids: list[int]
    limit: int
    choose: Callable[[Tensor], int] | None  # None takes the likeliest
    grammar: Grammar | None
    text: Text | None  # of a row with stop texts, which must be looked for after each token
    unread: list[int] = field(default_factory=list)
    made: list[int] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    said: str = ""
    reason: str = ""
    began: float = 0.0
    known: int = 0
    loop: LoopDetector = field(default_factory=LoopDetector)
    looked: int = 0  # tokens whose text the loop has seen


def prepared(model: TorchModel, number: int, request: Request, extra: dict[str, Any], written: bool = True) -> Row:
    """A request as a row; `extra` are variables of the chat template. One that chooses a label is not `written`.

    Raises what makes it impossible.
    """
    how = sampling(request)
    ids, _, prefix = prompt(model, request, extra)
    limit = room(model, request, len(ids))
    stops = tuple(s for s in request.stop if s)
    grammar = None
    if written and request.schema is not None:
        grammar = Grammar(request.schema, model.grammar_tokenizer(), Text(model.tokenizer, stops), limit, prefix)
    return Row(
        number,
        request,
        extra,
        ids,
        limit,
        chooser(how) if how.temperature else None,
        grammar,
        Text(model.tokenizer, stops) if stops and grammar is None else None,
    )


def begin(row: Row) -> None:
    """A row gets its slot."""
    row.began = row.began or time.monotonic()


def take(model: TorchModel, row: Row, logits: Tensor, likeliest: int) -> None:
    """Choose a row's next token, and see whether it is its last."""
    ends, endless = model.tokenizer.ends, bool(row.request.extra.get("ignore_eos"))
    if row.grammar is None and row.choose is None and not (endless and likeliest in ends):
        token = likeliest
    else:
        scores = logits.float()
        if row.grammar is not None:
            scores = row.grammar.mask(scores)
        elif endless:
            scores = scores.clone()
            scores[sorted(ends)] = float("-inf")
        token = int(scores.argmax()) if row.choose is None else row.choose(scores)
    row.made.append(token)
    if token in ends:
        row.reason = "stop"
        return
    if row.request.logprobs is not None:
        row.logprobs.append(logprob(model.tokenizer, logits.float(), token, row.request.logprobs))
    if row.text is not None:
        row.said += row.text.add(token)
    if row.grammar is not None:
        row.grammar.take(token)
    if (row.text is not None and row.text.stopped) or (row.grammar is not None and row.grammar.done):
        row.reason = "stop" if row.grammar is None else row.grammar.reason
    elif len(row.made) >= row.limit:
        if row.grammar is not None:
            row.grammar.finish()
        row.reason = "length" if row.grammar is None else row.grammar.reason
    elif row.grammar is None and len(row.made) - row.looked >= _LOOK and _loops(model, row):
        row.reason = REASON
    row.unread = [token]


_LOOK = 16  # tokens between two looks for a loop


def _loops(model: TorchModel, row: Row) -> bool:
    """Whether a row's text repeats itself. Its tokens are decoded in pieces: half a character does not hide a cycle of words."""
    new, row.looked = model.tokenizer.decode(row.made[row.looked :]), len(row.made)
    return row.loop.add(new)


def answered(model: TorchModel, row: Row) -> Answered:
    """What a row that has a reason to end came to."""
    usage = Usage(len(row.ids), len(row.made), row.known, cost=0.0)
    text = _text(model, row)
    notes = tuple(row.grammar.following.notes) if row.grammar is not None else ()
    if row.reason == REASON:
        notes = (NOTICE,)
    unfinished = row.reason == "length" and row.grammar is not None and not row.grammar.complete
    return Answered(text, row.reason, usage, time.monotonic() - row.began, tuple(row.logprobs), notes=notes, unfinished=unfinished)


def _text(model: TorchModel, row: Row) -> str:
    if row.grammar is not None:
        return row.grammar.rest()
    if row.text is not None:
        return row.said + row.text.rest()
    made = row.made[:-1] if row.made[-1] in model.tokenizer.ends else row.made
    whole = model.tokenizer.decode(made)
    if not whole.endswith("\ufffd"):
        return whole
    text = Text(model.tokenizer, ())  # which of them are half a character it alone knows
    return "".join([*map(text.add, made), text.rest()])
