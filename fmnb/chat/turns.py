"""Turns of a conversation: which messages belong to one exchange."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.errors import UsageError
from ..core.response import Response
from ..core.types import Message

Messages = tuple[Message, ...]


@dataclass(frozen=True)
class Turn:
    """One exchange: the prompt as typed, names and paths of attachments, and the answer."""

    prompt: str
    attach: tuple[str, ...]
    response: Response


def turn_starts(messages: Sequence[Message]) -> list[int]:
    """Index of each turn's first message: those of the user."""
    return [i for i, m in enumerate(messages) if m.role == "user"]


def turn_start(messages: Sequence[Message], turn: int) -> int:
    """Index of a turn's first message. UsageError if there is no such turn."""
    starts = turn_starts(messages)
    if not isinstance(turn, int) or not 0 <= turn < len(starts):
        raise UsageError("No such turn", detail=repr(turn), hint=f"The conversation has {len(starts)}, from 0.")
    return starts[turn]


def turn_end(messages: Sequence[Message], start: int) -> int:
    """Index after the last message of the turn that begins at `start`."""
    return next((i for i in range(start + 1, len(messages)) if messages[i].role == "user"), len(messages))


def system_messages(messages: Messages) -> Messages:
    """The system prompt, if the conversation begins with one."""
    return tuple(m for m in messages[:1] if m.role == "system")


def last_turns(messages: Messages, turns: int) -> Messages:
    """The system prompt and the last turns."""
    starts, head = turn_starts(messages), system_messages(messages)
    start = starts[-turns] if 0 < turns <= len(starts) else (len(messages) if turns == 0 else len(head))
    return head + messages[max(start, len(head)) :]
