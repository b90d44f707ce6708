"""Prompt tokens that services bill, learned from their answers: often more than fmnb counts.

A service may add a system prompt of its own, use another tokenizer, count the frame of each
message, or bill reasoning beyond the limit of an answer. None of this is known before the first
answer. The last answers of each model are remembered while the kernel runs, and the next call is
assumed to cost as much as the worst of those whose prompts had about its length.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from ..core.runtime import state
from ..core.types import ModelInfo, Request, Usage

_TOKENS_PER_MESSAGE = 4  # tokens that fmnb's own count adds for each message
_REMEMBERED = 64  # answers remembered per model
_MAX_FACTOR = 4  # billed tokens per counted token, which is four bytes: no tokenizer produces more than one token per byte
_DEFAULT_OVERHEAD = 500  # tokens a service is assumed to add while no answer is known
_SIMILAR = 2  # prompts within this factor in length are compared
_SHORT = 16  # tokens; shorter prompts count as similar


@dataclass(frozen=True, slots=True)
class ExpectedTokens:
    """Most tokens a prompt may be billed for.

    `learned` is False while no answer is known; `counted` is fmnb's own count.
    """

    tokens: int
    counted: int
    learned: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer: its tokens, its limit, and its cost factor.

    The tokens are the counted prompt tokens (without frames), the billed prompt tokens, and the
    output tokens.
    """

    counted: int
    billed: int
    output_tokens: int
    limit: int | None
    cost_factor: float


class _BilledTokens:
    """The last answers of each model of a Runtime."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], deque[_Answer]] = {}


_lock = threading.Lock()


def learn(info: ModelInfo, request: Request, tokens: int, usage: Usage | None, limit: int | None = None) -> None:
    """Record what an answer was billed for.

    Args:
        card: The model.
        request: The request.
        tokens: Prompt tokens as counted before the request was sent.
        usage: The reported usage; None where there is no report, so that fmnb's count is billed.
        limit: The max_tokens that was sent, where it differs from the request's.
    """
    if info.local or (usage is not None and (usage.estimated or usage.input_tokens is None)):
        return
    counted = _content(request, tokens)
    billed, out = (tokens, 0) if usage is None else (usage.input_tokens or 0, usage.output_tokens or 0)
    dearer = 1.0
    if usage is not None and usage.cost is not None and info.price_in is not None and info.price_out is not None:
        table_cost = (billed * info.price_in + out * info.price_out) / 1e6
        dearer = min(float(_MAX_FACTOR), max(1.0, usage.cost / table_cost)) if table_cost > 0 else 1.0
    with _lock:
        answers = state(_BilledTokens).answers.setdefault(_key(info), deque(maxlen=_REMEMBERED))
        answers.append(_Answer(counted, billed, out, request.max_tokens if limit is None else limit, dearer))


def expected(info: ModelInfo, request: Request, tokens: int) -> ExpectedTokens:
    """Estimate what a prompt of `tokens` tokens, as counted by fmnb, will be billed for.

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
        answers = list(state(_BilledTokens).answers.get(_key(info), ()))
    estimates = [_billed(a, content) for a in answers if _similar_length(a.counted, content)]
    if estimates:
        return ExpectedTokens(max(tokens, *estimates), tokens, True)
    overhead = max([_DEFAULT_OVERHEAD, *(a.billed - _MAX_FACTOR * a.counted for a in answers)])
    return ExpectedTokens(_MAX_FACTOR * tokens + overhead, tokens, False)


def tokens_beyond_limit(info: ModelInfo, limited: bool) -> int:
    """Output tokens billed beyond the limit, such as reasoning; without a limit, the longest answer."""
    with _lock:
        answers = list(state(_BilledTokens).answers.get(_key(info), ()))
    if limited:
        return max((a.output_tokens - a.limit for a in answers if a.limit is not None and a.output_tokens > a.limit), default=0)
    return max((a.output_tokens for a in answers if a.limit is None), default=0)


def cost_factor(info: ModelInfo) -> float:
    """Highest ratio of billed cost to the price table in the last answers; cache writes may cost more."""
    with _lock:
        return max((a.cost_factor for a in state(_BilledTokens).answers.get(_key(info), ())), default=1.0)


def forget() -> None:
    """Forget what was learned about all models."""
    with _lock:
        state(_BilledTokens).answers.clear()


def _key(info: ModelInfo) -> tuple[str, str]:
    return info.host, info.name


def _content(request: Request, tokens: int) -> int:
    return max(1, tokens - _TOKENS_PER_MESSAGE * len(request.messages))


def _similar_length(a: int, b: int) -> bool:
    return a <= _SIMILAR * b + _SHORT and b <= _SIMILAR * a + _SHORT


def _billed(a: _Answer, content: int) -> int:
    """The most a prompt of that length may be billed, judging by this answer: a multiple, or a surcharge."""
    times = min(float(_MAX_FACTOR), a.billed / a.counted)
    by_times = content * times + max(0.0, a.billed - times * a.counted)
    return -int(-max(by_times, content + a.billed - a.counted) // 1)
