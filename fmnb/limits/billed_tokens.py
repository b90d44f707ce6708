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

from ..core.types import ModelCard, Request, Usage

_FRAME = 4  # tokens that our own count adds for each message
_REMEMBERED = 64  # answers of a model
_STEEPEST = 4  # billed tokens for each one counted here, which stands for four bytes: no tokenizer has more than a token for a byte
_ADDED = 500  # tokens that a service is taken to add where nothing is known
_ALIKE = 2  # times as long or as short are prompts that tell about each other
_SHORT = 16  # tokens: prompts below that are alike


@dataclass(frozen=True, slots=True)
class Expected:
    """Tokens a prompt will be billed for, at most. Where it is not `sure`, no answer has told, and `least` is what is counted here."""

    tokens: int
    least: int
    sure: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer: tokens of its prompt as counted here (without frames) and as billed, of its own, its limit, and its price by the table's."""

    counted: int
    billed: int
    out: int
    limit: int | None
    dearer: float


_seen: dict[tuple[str, str], deque[_Answer]] = {}
_lock = threading.Lock()


def learn(card: ModelCard, request: Request, tokens: int, usage: Usage | None, limit: int | None = None) -> None:
    """Remember what an answer was billed for.

    Args:
        card: The model.
        request: What was asked.
        tokens: The prompt's, as they were counted before it was sent.
        usage: What the service said; None where it said nothing, so that our own count is what is billed.
        limit: The longest answer it was told to give, where that is not the request's.
    """
    if card.local or (usage is not None and (usage.estimated or usage.input_tokens is None)):
        return
    counted = _content(request, tokens)
    billed, out = (tokens, 0) if usage is None else (usage.input_tokens or 0, usage.output_tokens or 0)
    dearer = 1.0
    if usage is not None and usage.cost is not None and card.price_in is not None and card.price_out is not None:
        by_table = (billed * card.price_in + out * card.price_out) / 1e6
        dearer = min(float(_STEEPEST), max(1.0, usage.cost / by_table)) if by_table > 0 else 1.0
    with _lock:
        answers = _seen.setdefault(_key(card), deque(maxlen=_REMEMBERED))
        answers.append(_Answer(counted, billed, out, request.max_tokens if limit is None else limit, dearer))


def expected(card: ModelCard, request: Request, tokens: int) -> Expected:
    """What a prompt of so many tokens, as counted here, will be billed for.

    >>> from fmnb.core.types import message
    >>> card, asked = ModelCard("x:m", "x", "there", price_in=1.0, price_out=1.0), Request("m", (message("user", "Hi"),))
    >>> expected(card, asked, 5).sure
    False
    >>> learn(card, asked, 5, Usage(20, 1))
    >>> expected(card, asked, 5)
    Expected(tokens=20, least=5, sure=True)
    >>> forget()
    """
    if card.local:
        return Expected(tokens, tokens, True)
    content = _content(request, tokens)
    with _lock:
        answers = list(_seen.get(_key(card), ()))
    told = [_billed(a, content) for a in answers if _alike(a.counted, content)]
    if told:
        return Expected(max(tokens, *told), tokens, True)
    added = max([_ADDED, *(a.billed - _STEEPEST * a.counted for a in answers)])
    return Expected(_STEEPEST * tokens + added, tokens, False)


def beyond(card: ModelCard, limited: bool) -> int:
    """Tokens of answer that the last ones were billed for beyond their limit, such as thoughts; of those without a limit the longest."""
    with _lock:
        answers = list(_seen.get(_key(card), ()))
    if limited:
        return max((a.out - a.limit for a in answers if a.limit is not None and a.out > a.limit), default=0)
    return max((a.out for a in answers if a.limit is None), default=0)


def dearer(card: ModelCard) -> float:
    """How many times the table's price the last answers cost at most: what a service writes into its cache may cost more."""
    with _lock:
        return max((a.dearer for a in _seen.get(_key(card), ())), default=1.0)


def forget() -> None:
    """Forget what every model billed."""
    with _lock:
        _seen.clear()


def _key(card: ModelCard) -> tuple[str, str]:
    return card.host, card.name


def _content(request: Request, tokens: int) -> int:
    return max(1, tokens - _FRAME * len(request.messages))


def _alike(a: int, b: int) -> bool:
    return a <= _ALIKE * b + _SHORT and b <= _ALIKE * a + _SHORT


def _billed(a: _Answer, content: int) -> int:
    """What this answer lets one fear of a prompt of that many tokens, whether it was billed a multiple or something in addition."""
    times = min(float(_STEEPEST), a.billed / a.counted)
    by_times = content * times + max(0.0, a.billed - times * a.counted)
    return -int(-max(by_times, content + a.billed - a.counted) // 1)
