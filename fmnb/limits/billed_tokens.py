"""What a service bills for a prompt, learned from its answers: often more than is counted here.

A service may add a system prompt of its own, have another tokenizer, count a message's frame or
bill thoughts beyond the limit of an answer. Nobody knows before the first answer. The last
answers of each model are remembered while the kernel runs, and the next call of it is taken to
cost as much as the worst of those whose prompts were of about its length.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from ..core.types import ModelInfo, Request, Usage

_TOKENS_PER_MESSAGE = 4  # tokens that our own count adds for each message
_REMEMBERED = 64  # answers of a model
_MAX_FACTOR = 4  # billed tokens for each one counted here, which stands for four bytes: no tokenizer has more than a token for a byte
_DEFAULT_OVERHEAD = 500  # tokens that a service is taken to add where nothing is known
_SIMILAR = 2  # times as long or as short are prompts that tell about each other
_SHORT = 16  # tokens: prompts below that are alike


@dataclass(frozen=True, slots=True)
class ExpectedTokens:
    """Tokens a prompt will be billed for, at most. Where it is not `learned`, no answer has told, and `counted` is what is counted here."""

    tokens: int
    counted: int
    learned: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer: tokens of its prompt as counted here (without frames) and as billed, of its own, its limit, and its price by the table's."""

    counted: int
    billed: int
    output_tokens: int
    limit: int | None
    cost_factor: float


_answers: dict[tuple[str, str], deque[_Answer]] = {}
_lock = threading.Lock()


def learn(info: ModelInfo, request: Request, tokens: int, usage: Usage | None, limit: int | None = None) -> None:
    """Remember what an answer was billed for.

    Args:
        card: The model.
        request: What was asked.
        tokens: The prompt's, as they were counted before it was sent.
        usage: What the service said; None where it said nothing, so that our own count is what is billed.
        limit: The longest answer it was told to give, where that is not the request's.
    """
    if info.local or (usage is not None and (usage.estimated or usage.input_tokens is None)):
        return
    counted = _content(request, tokens)
    billed, out = (tokens, 0) if usage is None else (usage.input_tokens or 0, usage.output_tokens or 0)
    dearer = 1.0
    if usage is not None and usage.cost is not None and info.price_in is not None and info.price_out is not None:
        by_table = (billed * info.price_in + out * info.price_out) / 1e6
        dearer = min(float(_MAX_FACTOR), max(1.0, usage.cost / by_table)) if by_table > 0 else 1.0
    with _lock:
        answers = _answers.setdefault(_key(info), deque(maxlen=_REMEMBERED))
        answers.append(_Answer(counted, billed, out, request.max_tokens if limit is None else limit, dearer))


def expected(info: ModelInfo, request: Request, tokens: int) -> ExpectedTokens:
    """What a prompt of so many tokens, as counted here, will be billed for.

    >>> from fmnb.core.types import message
    >>> info, asked = ModelInfo("x:m", "x", "there", price_in=1.0, price_out=1.0), Request("m", (message("user", "Hi"),))
    >>> expected(info, asked, 5).learned
    False
    >>> learn(info, asked, 5, Usage(20, 1))
    >>> expected(info, asked, 5)
    ExpectedTokens(tokens=20, counted=5, learned=True)
    >>> forget()
    """
    if info.local:
        return ExpectedTokens(tokens, tokens, True)
    content = _content(request, tokens)
    with _lock:
        answers = list(_answers.get(_key(info), ()))
    told = [_billed(a, content) for a in answers if _similar_length(a.counted, content)]
    if told:
        return ExpectedTokens(max(tokens, *told), tokens, True)
    added = max([_DEFAULT_OVERHEAD, *(a.billed - _MAX_FACTOR * a.counted for a in answers)])
    return ExpectedTokens(_MAX_FACTOR * tokens + added, tokens, False)


def tokens_beyond_limit(info: ModelInfo, limited: bool) -> int:
    """Tokens of answer that the last ones were billed for beyond their limit, such as thoughts; of those without a limit the longest."""
    with _lock:
        answers = list(_answers.get(_key(info), ()))
    if limited:
        return max((a.output_tokens - a.limit for a in answers if a.limit is not None and a.output_tokens > a.limit), default=0)
    return max((a.output_tokens for a in answers if a.limit is None), default=0)


def cost_factor(info: ModelInfo) -> float:
    """How many times the table's price the last answers cost at most: what a service writes into its cache may cost more."""
    with _lock:
        return max((a.cost_factor for a in _answers.get(_key(info), ())), default=1.0)


def forget() -> None:
    """Forget what every model billed."""
    with _lock:
        _answers.clear()


def _key(info: ModelInfo) -> tuple[str, str]:
    return info.host, info.name


def _content(request: Request, tokens: int) -> int:
    return max(1, tokens - _TOKENS_PER_MESSAGE * len(request.messages))


def _similar_length(a: int, b: int) -> bool:
    return a <= _SIMILAR * b + _SHORT and b <= _SIMILAR * a + _SHORT


def _billed(a: _Answer, content: int) -> int:
    """What this answer lets one fear of a prompt of that many tokens, whether it was billed a multiple or something in addition."""
    times = min(float(_MAX_FACTOR), a.billed / a.counted)
    by_times = content * times + max(0.0, a.billed - times * a.counted)
    return -int(-max(by_times, content + a.billed - a.counted) // 1)
