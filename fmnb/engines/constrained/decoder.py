"""The state of a constrained answer: allowed continuations, closing near the limit, repetition.

Both engines use the same expression: llama.cpp as a grammar, torch as a mask. The allowed
continuations are known after each character, so decoding switches to a narrower expression when
the remaining tokens just suffice to close, and when a list or a string starts to repeat itself.
From then on, forced text is inserted directly, and the model decides only the open choices.

A text or a list may be ended early. A number, label or date may not, since a shorter one is a
different value: if the tokens end within one, the answer is rolled back to a point where it can
end without it (null, or one field or item less). If the schema requires the value, the answer is
`truncated`: it stays incomplete.
"""

from __future__ import annotations

import json
from typing import Any

from ...core.errors import BadRequestError
from .expressions import EMPTY, NONE, Expression, derivative, lit, seq, shortest_completions
from .json_scan import JsonScanner, Repetition
from .pattern_expression import NotRegularError
from .schema_expression import bounds, expression, with_bounds
from .shortest_ending import Count, Endings, after_scalar, at_choice, forced_prefix, in_bytes, neutral_ending

_SPARE_TOKENS = 4  # tokens in addition to those for closing: one character may take this many
CLOSED_AT_LIMIT = "the answer was closed at the token limit"
_AFTER_A_SCALAR = (",", "}", "]")
LIST_REPEATED = "a list was ended where its items began to repeat"
TEXT_REPEATED = "a text was ended where it began to repeat itself"


class ConstrainedDecoder:
    """The text of one answer, and its allowed continuations.

    `expression` constrains decoding; None if the engine's own grammar handles the
    schema, which is then `schema`.
    """

    def __init__(self, schema: dict[str, Any], tokens: int, prefix: str = "", count: Count = in_bytes):
        """`tokens` is the token limit, `count` counts the tokens of a text.

        Raises BadRequestError for an unsupported schema, or one whose shortest answer exceeds the limit.
        """
        self._limits = bounds(schema, tokens)
        self.schema = with_bounds(schema, self._limits)
        self.text = ""
        self.expression: Expression | None = None
        self._notes: list[str] = []
        self._schema = schema
        self._max_tokens = tokens
        self._endings = Endings(count)
        self._closing = False
        self.truncated = False  # the token limit was reached where the answer could not end
        self._safe_end = -1  # the last position from which the answer can end without an invented value
        self._sent = len(prefix)
        try:
            self._full = expression(schema, self._limits)
        except NotRegularError:
            return
        self.expression = self._unnarrowed = self._full
        self._scan = JsonScanner(schema, self._limits.items)
        self._update_safe_end(0)
        if prefix:
            rest = derivative(self._full, prefix)
            if rest is NONE:  # the prefix does not match this schema
                self.expression, self._sent = None, 0
                return
            self.expression = rest
            self._append(prefix)
        least = self._endings.tokens(self._endings.shortest(self.expression))
        if least > tokens:
            raise BadRequestError(
                f"No answer with this schema fits {tokens} {'token' if tokens == 1 else 'tokens'}",
                detail=f"the shortest one takes {least}: {self._endings.shortest(self.expression)[:200]}",
                hint=f"Set --max-tokens to at least {least}; free text needs a few times more.",
            )
        self._close_near_limit(tokens, self.text, self.expression)

    @property
    def done(self) -> bool:
        """Whether the answer is complete and nothing can follow."""
        return self.expression is EMPTY

    @property
    def complete(self) -> bool:
        """Whether the answer may end here."""
        return self.expression is not None and self.expression.nullable and not self.truncated

    @property
    def limited(self) -> bool:
        """Whether the answer is complete, but the limit ended a text or a list in it."""
        return not self.truncated and (self._limit_note() in self._notes or bool(self._at_bounds()))

    @property
    def forced_text(self) -> str:
        """The forced text that comes next, once the answer is closing."""
        return forced_prefix(self.expression) if self._closing and self.expression is not None else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user: what limited the length of the answer."""
        return (*self._notes, *self._at_bounds())

    def add(self, new: str, remaining: int) -> bool:
        """Append generated text; True if decoding must switch to the new `expression`.

        `remaining` is the number of remaining tokens.
        """
        if self.expression is None:
            self.text += new
            return False
        before, rest = (self.text, self.expression), derivative(self.expression, new)
        if rest is NONE:  # the engine generated other text, which is kept; its continuations are unknown
            self.text, self.expression = self.text + new, None
            return False
        self.expression = rest
        repeated = self._append(new)
        if repeated is not None and self._end_repetition(repeated, remaining):
            return True
        if self._closing and rest.kind == "lit" and not self.done:
            self._narrow(rest)
            return True
        return not self.done and self._close_near_limit(remaining, *before)

    def append_forced(self, remaining: int) -> int:
        """Append forced text; returns how many of the `remaining` tokens it takes."""
        tokens = 0
        while (text := self.forced_text) and self.expression is not None and self._endings.tokens(text) <= remaining - tokens:
            tokens += self._endings.tokens(text)
            before, self.expression = (self.text, self.expression), derivative(self.expression, text)
            repeated = self._append(text)
            if (repeated is None or not self._end_repetition(repeated, remaining - tokens)) and not self.done:
                self._close_near_limit(remaining - tokens, *before)
        return tokens

    def finish(self) -> None:
        """End the answer when no tokens are left; rolls back as far as needed to avoid an invented value."""
        if self.expression is None or self.done:
            return
        self._closing = True
        if (tail := self._scan.repetition_at_end()) is not None and self._end_repetition(tail, 0) and self.done:
            return
        end = self._neutral_ending(self._safe_end) if self._safe_end >= self._sent else None
        if end is None:
            self.truncated = True
            return
        self._roll_back(self._safe_end)
        self._narrow(lit(end))
        self._add_note(self._limit_note())

    def _neutral_ending(self, at: int) -> str | None:
        """The ending of the answer from a position without an invented value; None if there is none."""
        rest = derivative(self._full, self.text[:at])
        return neutral_ending(after_scalar(rest) if self.text[at : at + 1] in _AFTER_A_SCALAR else rest)

    def _append(self, new: str) -> Repetition | None:
        """Append text; returns the repetition, if any."""
        for i, c in enumerate(new, len(self.text)):
            if c in _AFTER_A_SCALAR and self._safe_end < i and neutral_ending(after_scalar(self._unnarrowed)) is not None:
                self._safe_end = i
            self._unnarrowed = derivative(self._unnarrowed, c)
            self._update_safe_end(i + 1)
        at, self.text = len(self.text), self.text + new
        return self._scan.feed(new, at)

    def _update_safe_end(self, at: int) -> None:
        if neutral_ending(self._unnarrowed) is not None:
            self._safe_end = at

    def release(self, everything: bool = False) -> str:
        """New text that is final; text that may be removed as a repetition is held back."""
        end = len(self.text)
        if not everything and self.expression is not None and (held_back := self._scan.held_back_from()) is not None:
            end = min(end, held_back)
        if not everything and self.expression is not None and self._safe_end >= 0:
            end = min(end, self._safe_end)
        new, self._sent = self.text[self._sent : end], max(self._sent, end)
        return new

    def _end_repetition(self, repeat: Repetition, remaining: int) -> bool:
        """End a list or a string before its repetition."""
        for position in (repeat.position, *repeat.later_positions) if repeat.closing == "]" else (max(repeat.position, self._sent),):
            if repeat.closing == '"' and self._splits_an_escape(position):
                position += 1
            end = derivative(derivative(self._full, self.text[:position]), repeat.closing)
            if position >= self._sent and end is not NONE:
                self._roll_back(position)
                self._narrow(seq(lit(repeat.closing), end))
                if self._closing and self.expression is not EMPTY and self.expression is not None:
                    self._narrow(self._endings.within(self.expression, remaining) or shortest_completions(self.expression, 0))
                self._add_note(LIST_REPEATED if repeat.closing == "]" else TEXT_REPEATED)
                return True
        return False  # the schema requires more

    def _close_near_limit(self, remaining: int, text: str, rest: Expression) -> bool:
        """Start closing if the remaining tokens just suffice.

        `text` and `rest` are the state before the last token.
        """
        assert self.expression is not None
        if (
            self.expression.closing_bytes + _SPARE_TOKENS < remaining
            or self._endings.max_tokens(shortest_completions(self.expression)) + _SPARE_TOKENS < remaining
        ):
            return self._closing and bool(self.forced_text)
        near, self._closing = self._closing, True
        if (tail := self._scan.repetition_at_end()) is not None and self._end_repetition(tail, remaining):
            return True
        if not at_choice(self.expression):  # the current value cannot be made shorter
            return bool(self.forced_text)
        shorter = self._endings.within(self.expression, remaining)
        if shorter is None and not near and (shorter := self._endings.within(rest, remaining)) is not None:
            self._roll_back(len(text))  # the last token opened more than can be closed
        elif shorter is None:
            shorter = shortest_completions(self.expression, 0)
        if shorter is self.expression:
            return bool(self.forced_text)
        if (item_start := self._scan.unfinished_item()) is not None and item_start >= self._sent:
            end = derivative(derivative(self._full, self.text[:item_start]), "]")
            if end is not NONE and (sooner := self._endings.within(seq(lit("]"), end), remaining)) is not None:
                self._roll_back(item_start)  # one item less is better than a partial item
                shorter = sooner
        self._narrow(shorter)
        self._add_note(self._limit_note())
        return True

    def _roll_back(self, at: int) -> None:
        text, self.text, self._unnarrowed, self._safe_end = self.text[:at], "", self._full, -1
        self._scan = JsonScanner(self._schema, self._limits.items)
        self._update_safe_end(0)
        self._append(text)

    def _narrow(self, rest: Expression) -> None:
        """Switch to another expression. If only forced text remains, it is appended here."""
        self.expression = rest
        if rest.kind == "lit":
            self._append(rest.text)
            self.expression = EMPTY

    def _splits_an_escape(self, at: int) -> bool:
        before = self.text[:at]
        return (len(before) - len(before.rstrip("\\"))) % 2 == 1

    def _limit_note(self) -> str:
        return f"{CLOSED_AT_LIMIT} of {self._max_tokens:,}: `%fm retry --max-tokens {2 * self._max_tokens}` retries with more"

    def _at_bounds(self) -> list[str]:
        """Notes about lists and strings that reached bounds set by fmnb."""
        if self.expression is None:
            return []
        stated, scan, out = json.dumps(self._schema), self._scan, []
        if scan.most_items == self._limits.items and f'"maxItems": {scan.most_items}' not in stated:
            out.append(
                f"a list was ended at {scan.most_items} items, the most for {self._max_tokens:,} tokens: raise --max-tokens for more"
            )
        texts = (self._limits.text, self._limits.text_in_list)
        if scan.most_characters in texts and f'"maxLength": {scan.most_characters}' not in stated:
            out.append(
                f"a text was ended at {scan.most_characters:,} characters, the most for {self._max_tokens:,} tokens: raise --max-tokens for more"
            )
        return out

    def _add_note(self, note: str) -> None:
        if note not in self._notes:
            self._notes.append(note)
