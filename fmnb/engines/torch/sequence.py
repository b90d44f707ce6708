"""One sequence of a batch: its prompt tokens, generated tokens and sampler.

All sampling state is separate for each row, so its answer does not depend on its neighbors.
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
    """The answer of a row.

    `seconds` is its time in a slot, `labels` are the probabilities of scored labels.
    """

    text: str
    reason: str
    usage: Usage
    seconds: float
    logprobs: tuple[dict[str, Any], ...] = ()
    labels: dict[str, float] | None = None
    notes: tuple[str, ...] = ()
    unfinished: bool = False  # truncated before the schema is complete


@dataclass(slots=True)
class Row:
    """A running request: `unread` are the input tokens of its next pass, `made` its generated tokens."""

    number: int
    request: Request
    variables: dict[str, Any]  # of the chat template
    ids: list[int]
    limit: int
    choose: Callable[[Tensor], int] | None  # None: greedy
    grammar: Grammar | None
    text: Text | None  # for a row with stop strings, which are checked after each token
    unread: list[int] = field(default_factory=list)
    made: list[int] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    said: str = ""
    reason: str = ""
    began: float = 0.0
    known: int = 0
    loop: LoopDetector = field(default_factory=LoopDetector)
    looked: int = 0  # tokens that the loop detection has processed


def prepared(model: TorchModel, number: int, request: Request, template_variables: dict[str, Any], generate: bool = True) -> Row:
    """A request as a row.

    `extra` are variables of the chat template. `written` is False for label scoring.

    Raises the error of an invalid request.
    """
    params = sampling(request)
    ids, _, prefix = prompt(model, request, template_variables)
    limit = room(model, request, len(ids))
    stops = tuple(s for s in request.stop if s)
    grammar = None
    if generate and request.schema is not None:
        grammar = Grammar(request.schema, model.grammar_tokenizer(), Text(model.tokenizer, stops), limit, prefix)
    return Row(
        number,
        request,
        template_variables,
        ids,
        limit,
        chooser(params) if params.temperature else None,
        grammar,
        Text(model.tokenizer, stops) if stops and grammar is None else None,
    )


def begin(row: Row) -> None:
    """Start a row, which has got a slot."""
    row.began = row.began or time.monotonic()


def take(model: TorchModel, row: Row, logits: Tensor, likeliest: int) -> None:
    """Choose the next token of a row, and check whether it is the last."""
    ends, ignore_eos = model.tokenizer.ends, bool(row.request.extra.get("ignore_eos"))
    if row.grammar is None and row.choose is None and not (ignore_eos and likeliest in ends):
        token = likeliest
    else:
        scores = logits.float()
        if row.grammar is not None:
            scores = row.grammar.mask(scores)
        elif ignore_eos:
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


_LOOK = 16  # tokens between two checks for a loop


def _loops(model: TorchModel, row: Row) -> bool:
    """Whether the text of a row repeats itself. Decodes in chunks; split characters do not hide a cycle."""
    new, row.looked = model.tokenizer.decode(row.made[row.looked :]), len(row.made)
    return row.loop.add(new)


def answered(model: TorchModel, row: Row) -> Answered:
    """The answer of a finished row."""
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
    output_ids = row.made[:-1] if row.made[-1] in model.tokenizer.ends else row.made
    decoded = model.tokenizer.decode(output_ids)
    if not decoded.endswith("\ufffd"):
        return decoded
    detokenizer = Text(model.tokenizer, ())  # only it can handle incomplete characters
    return "".join([*map(detokenizer.add, output_ids), detokenizer.rest()])
