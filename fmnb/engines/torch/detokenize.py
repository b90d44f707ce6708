"""The text of an answer on torch: detokenization, stop strings, and the limit of the context window."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...core.errors import ContextTooLongError
from ...core.stop_text import StopText
from ...core.types import Request
from ..chat_format import split_answer_prefix
from .model import TextTokenizer, TorchModel

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_MAX_TOKENS = 512


_MAX_REMEMBERED = 32  # answers whose tokens are remembered
_remembered: OrderedDict[tuple[str, str], tuple[int, ...]] = OrderedDict()


def remember_tokens(model: TorchModel, text: str, token_ids: Sequence[int]) -> None:
    """Remember the tokens of an answer, so that continuing it uses the same tokenization."""
    _remembered[f"{id(model.tokenizer)}", text] = tuple(token_ids)
    while len(_remembered) > _MAX_REMEMBERED:
        _remembered.popitem(last=False)


def model_input(model: TorchModel, request: Request, extra: dict[str, Any]) -> tuple[list[int], dict[str, Any], str]:
    """The input of the model: token ids, image tensors, and the existing start of the answer."""
    turns, prefix = split_answer_prefix(request)
    ids, pixels = model.prompt(turns.messages, extra)
    if prefix:
        ids = [*ids, *(_remembered.get((f"{id(model.tokenizer)}", prefix)) or model.tokenizer.encode(prefix))]
    return ids or sorted(model.tokenizer.ends)[:1] or [0], pixels, prefix


def output_limit(model: TorchModel, request: Request, prompt_tokens: int) -> int:
    """The maximum output tokens after a prompt of `prompt_tokens` tokens.

    Raises ContextTooLongError if they do not fit.
    """
    max_tokens, remaining = request.max_tokens, model.remaining_context(prompt_tokens)
    over = (0 if model.has_separate_contexts and remaining < 0 else max_tokens or 1) - remaining
    if over > 0:
        raise ContextTooLongError(
            f"Prompt and answer exceed the context window by {over:,} tokens",
            detail=f"prompt {prompt_tokens:,}, answer {max_tokens or 'at least 1'}, context window {model.context:,} tokens",
            hint="Shorten the prompt (a smaller sample of the data), lower --max-tokens, or use a model with a larger context window.",
        )
    return min(DEFAULT_MAX_TOKENS, remaining) if max_tokens is None else max_tokens


def logprob(tokenizer: TextTokenizer, logits: Tensor, token: int, how_many: int) -> dict[str, Any]:
    """The log-probability of a token before sampling and schema, and those of the most likely tokens."""
    p = logits.log_softmax(0)
    best = p.topk(min(how_many, len(p)))
    top = [[tokenizer.token(i), v] for v, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)]
    return {"token": tokenizer.token(token), "logprob": float(p[token]), "top": top}


class Detokenizer:
    """Incremental detokenizer: holds back incomplete characters and possible starts of stop strings."""

    def __init__(self, tokenizer: TextTokenizer, stops: tuple[str, ...]):
        self._tokenizer = tokenizer
        self.stops = tuple(s for s in stops if s)
        self._text = StopText(self.stops)
        self._ids: list[int] = []
        self._n_decoded = 0  # number of `_ids` whose text was returned; decoding with earlier tokens gives the right spaces
        self._before = ""

    @property
    def stopped(self) -> bool:
        """Whether a stop string was found."""
        return self._text.stopped

    def add(self, token: int) -> str:
        """Add a token; returns the text that can be shown now."""
        self._ids.append(token)
        text = self._tokenizer.decode(self._ids)
        if text.endswith("\ufffd") and len(self._ids) - self._n_decoded < 8:  # possibly an incomplete character
            return ""
        new = text[len(self._before) :]
        self._ids = self._ids[self._n_decoded :]
        self._n_decoded = len(self._ids)
        self._before = self._tokenizer.decode(self._ids)
        return self._text.add(new)

    def rest(self) -> str:
        """The text still held back after the last token."""
        if self.stopped:
            return ""
        tail = self._tokenizer.decode(self._ids)[len(self._before) :].rstrip("\ufffd")
        return self._text.add(tail) + self._text.rest()
