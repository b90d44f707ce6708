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
from .detokenize import Detokenizer, logprob, model_input, output_limit
from .model import TorchModel
from .sampling import Grammar, make_sampler, sampling_params

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class SequenceResult:
    """The answer of a row.

    `seconds` is its time in a slot, `labels` are the probabilities of scored labels.
    """

    text: str
    finish_reason: str
    usage: Usage
    seconds: float
    logprobs: tuple[dict[str, Any], ...] = ()
    labels: dict[str, float] | None = None
    notes: tuple[str, ...] = ()
    unfinished: bool = False  # truncated before the schema is complete


@dataclass(slots=True)
class SequenceState:
    """A running request: `pending` are the input tokens of its next pass, `output_ids` its output."""

    number: int
    request: Request
    variables: dict[str, Any]  # of the chat template
    prompt_ids: list[int]
    max_tokens: int
    sampler: Callable[[Tensor], int] | None  # None: greedy
    grammar: Grammar | None
    detokenizer: Detokenizer | None  # for a row with stop strings, which are checked after each token
    pending: list[int] = field(default_factory=list)
    output_ids: list[int] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    text: str = ""
    finish_reason: str = ""
    started_at: float = 0.0
    cached_tokens: int = 0
    loop: LoopDetector = field(default_factory=LoopDetector)
    n_checked: int = 0  # tokens that the loop detection has processed


def prepare(model: TorchModel, number: int, request: Request, template_variables: dict[str, Any], generate: bool = True) -> SequenceState:
    """A request as a row.

    `generate` is False for label scoring.

    Raises the error of an invalid request.
    """
    params = sampling_params(request)
    ids, _, prefix = model_input(model, request, template_variables)
    limit = output_limit(model, request, len(ids))
    stops = tuple(s for s in request.stop if s)
    grammar = None
    if generate and request.schema is not None:
        grammar = Grammar(request.schema, model.grammar_tokenizer(), Detokenizer(model.tokenizer, stops), limit, prefix)
    return SequenceState(
        number,
        request,
        template_variables,
        ids,
        limit,
        make_sampler(params) if params.temperature else None,
        grammar,
        Detokenizer(model.tokenizer, stops) if stops and grammar is None else None,
    )


def mark_started(row: SequenceState) -> None:
    """Start a row, which has got a slot."""
    row.started_at = row.started_at or time.monotonic()


def append_token(model: TorchModel, row: SequenceState, logits: Tensor, likeliest: int) -> None:
    """Choose the next token of a row, and check whether it is the last."""
    ends, ignore_eos = model.tokenizer.ends, bool(row.request.extra.get("ignore_eos"))
    if row.grammar is None and row.sampler is None and not (ignore_eos and likeliest in ends):
        token = likeliest
    else:
        scores = logits.float()
        if row.grammar is not None:
            scores = row.grammar.mask(scores)
        elif ignore_eos:
            scores = scores.clone()
            scores[sorted(ends)] = float("-inf")
        token = int(scores.argmax()) if row.sampler is None else row.sampler(scores)
    row.output_ids.append(token)
    if token in ends:
        row.finish_reason = "stop"
        return
    if row.request.logprobs is not None:
        row.logprobs.append(logprob(model.tokenizer, logits.float(), token, row.request.logprobs))
    if row.detokenizer is not None:
        row.text += row.detokenizer.add(token)
    if row.grammar is not None:
        row.grammar.append_token(token)
    if (row.detokenizer is not None and row.detokenizer.stopped) or (row.grammar is not None and row.grammar.done):
        row.finish_reason = "stop" if row.grammar is None else row.grammar.finish_reason
    elif len(row.output_ids) >= row.max_tokens:
        if row.grammar is not None:
            row.grammar.finish()
        row.finish_reason = "length" if row.grammar is None else row.grammar.finish_reason
    elif row.grammar is None and len(row.output_ids) - row.n_checked >= _LOOP_INTERVAL and _is_looping(model, row):
        row.finish_reason = REASON
    row.pending = [token]


_LOOP_INTERVAL = 16  # tokens between two checks for a loop


def _is_looping(model: TorchModel, row: SequenceState) -> bool:
    """Whether the text of a row repeats itself. Decodes in chunks; split characters do not hide a cycle."""
    new, row.n_checked = model.tokenizer.decode(row.output_ids[row.n_checked :]), len(row.output_ids)
    return row.loop.add(new)


def finish(model: TorchModel, row: SequenceState) -> SequenceResult:
    """The answer of a finished row."""
    usage = Usage(len(row.prompt_ids), len(row.output_ids), row.cached_tokens, cost=0.0)
    text = _text(model, row)
    notes = tuple(row.grammar.decoder.notes) if row.grammar is not None else ()
    if row.finish_reason == REASON:
        notes = (NOTICE,)
    unfinished = row.finish_reason == "length" and row.grammar is not None and not row.grammar.complete
    return SequenceResult(
        text, row.finish_reason, usage, time.monotonic() - row.started_at, tuple(row.logprobs), notes=notes, unfinished=unfinished
    )


def _text(model: TorchModel, row: SequenceState) -> str:
    if row.grammar is not None:
        return row.grammar.rest()
    if row.detokenizer is not None:
        return row.text + row.detokenizer.rest()
    output_ids = row.output_ids[:-1] if row.output_ids[-1] in model.tokenizer.ends else row.output_ids
    decoded = model.tokenizer.decode(output_ids)
    if not decoded.endswith("\ufffd"):
        return decoded
    detokenizer = Detokenizer(model.tokenizer, ())  # only it can handle incomplete characters
    return "".join([*map(detokenizer.add, output_ids), detokenizer.rest()])
