"""The sampler, which chooses the next token from the logits, and the grammar for structured output."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...core.errors import BadRequestError
from ...core.optional import require
from ...core.types import Request
from ..constrained.decoder import ConstrainedDecoder
from ..constrained.expressions import as_regex

if TYPE_CHECKING:
    from torch import Tensor

    from .detokenize import Detokenizer


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """`temperature` 0 is greedy; otherwise top_k, top_p and min_p filter the tokens, in this order.

    With `seed` None, each run is different.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int | None = None


def sampling_params(request: Request) -> SamplingParams:
    """The sampling options of a request. Raises BadRequestError for an invalid value.

    >>> sampling_params(Request("m", (), temperature=0.7, extra={"top_k": 5}))
    SamplingParams(temperature=0.7, top_k=5, top_p=1.0, min_p=0.0, seed=None)
    """

    def number(name: str, default: float, most: float) -> float:
        value = request.extra.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
            raise BadRequestError(f"{name} is out of range", detail=repr(value), hint=f"Use a number from 0 to {most:g}.")
        return value

    if request.temperature is not None and not 0 <= request.temperature <= 100:
        raise BadRequestError("The temperature is out of range", detail=repr(request.temperature), hint="Use 0 or a small positive number.")
    return SamplingParams(
        request.temperature or 0.0,
        int(number("top_k", 0, 1e9)),
        number("top_p", 1.0, 1.0),
        number("min_p", 0.0, 1.0),
        None if request.seed is None else request.seed + request.sample,
    )


def make_sampler(params: SamplingParams) -> Callable[[Tensor], int]:
    """A function from logits [vocabulary] to a token, with its own random state."""
    import torch

    if params.temperature == 0:
        return lambda logits: int(logits.argmax())
    generator = torch.Generator()
    if params.seed is None:
        generator.seed()
    else:
        generator.manual_seed(params.seed)

    def choose(logits: Tensor) -> int:
        # subtracting the maximum first avoids overflow at tiny temperatures
        p, order = _filter_probabilities(((logits - logits.max()) / params.temperature).float().cpu(), params)
        total = p.double().cumsum(0)
        # one random number decides: one for each token would take longer than everything else
        at = int(torch.searchsorted(total, torch.rand(1, generator=generator, dtype=torch.float64) * total[-1], right=True))
        at = min(at, len(p) - 1)
        return at if order is None else int(order[at])

    return choose


_TOP_P_CANDIDATES = 1024  # tokens that mostly include those of top_p, so that not all must be sorted


def _filter_probabilities(scores: Tensor, params: SamplingParams) -> tuple[Tensor, Tensor | None]:
    """Probabilities after top_k, top_p and min_p, with their tokens, most likely first.

    If the tokens are None, the probabilities are in token order.
    """
    order = None
    if params.top_k and params.top_k < len(scores):
        scores, order = scores.topk(params.top_k)
    p = scores.softmax(0)
    if params.top_p < 1:
        best, places = p.topk(min(_TOP_P_CANDIDATES, len(p)))
        if float(best.sum()) <= params.top_p:
            best, places = p.sort(descending=True)
        order = places if order is None else order[places]
        p = best * (best.cumsum(0) - best < max(params.top_p, 1e-9))  # the token that crosses the bound is included
    if params.min_p:
        p = p * (p >= params.min_p * p.max())
    return p, order


class Grammar:
    """Constrains decoding to a JSON schema: masks the tokens that are not allowed at each step.

    The text of the answer is in `decoder`: if a list repeats itself, a generated item is removed.
    """

    def __init__(self, schema: dict[str, Any], tokenizer: Any, text: Detokenizer, limit: int, prefix: str = ""):
        """Prepare the mask for a schema, with at most `limit` tokens.

        `tokenizer` is for llguidance, `text` converts tokens to text. `prefix` is the existing
        start of the answer. Raises BadRequestError for an unsupported schema.
        """
        self.decoder = ConstrainedDecoder(schema, limit, prefix, lambda text: len(tokenizer.tokenize_str(text)))
        self._tokenizer = tokenizer
        self._forced_tokens: deque[int] = deque()  # tokens of forced text
        self._detokenizer = text
        self._remaining = limit
        self._stops = text.stops
        self._matcher = self._new_matcher()

    def _new_matcher(self) -> Any:
        library = require("llguidance", "torch", "for structured output")
        try:
            if self.decoder.expression is not None:
                grammar = library.LLMatcher.grammar_from_regex(as_regex(self.decoder.expression))
            else:
                # fixed whitespace, otherwise a small model fills its answer with it
                plain = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
                grammar = library.LLMatcher.grammar_from_json_schema(json.dumps(self.decoder.schema), defaults=plain)
        except ValueError as e:
            raise _schema_error(str(e)) from None
        matcher = library.LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise _schema_error(matcher.get_error())
        return matcher

    @property
    def done(self) -> bool:
        """Whether the answer is complete and nothing can follow."""
        return self.decoder.done or self._detokenizer.stopped or bool(self._matcher.is_stopped())

    @property
    def complete(self) -> bool:
        """Whether the answer may end here."""
        return not self.decoder.truncated and (self.decoder.complete or self.done)

    @property
    def finish_reason(self) -> str:
        """The finish reason: `length` if the limit ended the answer or a value in it."""
        return "stop" if self._detokenizer.stopped or (self.complete and not self.decoder.limited) else "length"

    def mask(self, logits: Tensor) -> Tensor:
        """The logits with -inf for tokens that are not allowed."""
        import torch

        if (certain := self._forced_token()) is not None:
            only = torch.full_like(logits, float("-inf"))
            only[certain] = 0
            return only
        allowed = torch.frombuffer(bytearray(self._matcher.compute_logit_bias()), dtype=torch.uint8)
        if self._matcher.is_error():
            raise _schema_error(self._matcher.get_error())
        n = min(len(allowed), len(logits))
        masked = torch.full_like(logits, float("-inf"))
        masked[:n] = logits[:n].masked_fill((allowed[:n] == 0).to(logits.device), float("-inf"))
        return masked

    def append_token(self, token: int) -> None:
        """Append the chosen token."""
        self._remaining -= 1
        if self._forced_tokens:
            self._forced_tokens.popleft()
        new = self._detokenizer.add(token)
        if new and self.decoder.add(new, self._remaining):
            if not self.decoder.done:
                self._matcher = self._new_matcher()
        else:
            self._matcher.consume_token(token)

    def _forced_token(self) -> int | None:
        """The next token of forced text: near the limit, a longer tokenization is not allowed."""
        if not self._forced_tokens and (text := self.decoder.forced_text):
            tokens = self._tokenizer.tokenize_str(text)
            if self._matcher.validate_tokens(tokens) == len(tokens):
                self._forced_tokens.extend(tokens)
        return self._forced_tokens[0] if self._forced_tokens else None

    def finish(self) -> None:
        """Close the answer as the schema requires, when no tokens are left."""
        if not self._detokenizer.stopped:
            self.decoder.finish()

    def release(self) -> str:
        """New text that is final. With stop strings it is returned at the end, as one may start anywhere."""
        return "" if self._stops else self.decoder.release()

    def rest(self) -> str:
        """The text still held back after the last token."""
        if tail := self._detokenizer.rest():
            self.decoder.add(tail, self._remaining)
        return self.decoder.release(everything=True)


def _schema_error(reason: str) -> BadRequestError:
    return BadRequestError("The engine does not support this schema", detail=reason[:300], hint="Simplify the schema.")
