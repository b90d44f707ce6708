"""The state of a constrained answer: allowed continuations, closing near the limit, repetition.

Both engines use the same expression: llama.cpp as a grammar, torch as a mask. The allowed
continuations are known after each character, so decoding switches to a narrower expression when
the remaining tokens just suffice to close, and when a list or a string starts to repeat itself.
From then on, forced text is inserted directly, and the model decides only the open choices.

A text or a list may be ended early. A number, label or date may not, since a shorter one is a
different value: if the tokens end within one, the answer is rolled back to a point where it can
end without it (null, or one field or item less). If the schema requires the value, the answer is
`cut`: it stays incomplete.
"""

from __future__ import annotations

import json
from typing import Any

from ...core.errors import BadRequestError
from .expressions import EMPTY, NONE, Expression, after, closed, lit, seq
from .json_scan import Repeat, Scan
from .pattern_expression import NotRegular
from .schema_expression import bounded, bounds, expression
from .shortest_ending import Count, Endings, at_choice, certain, ended, in_bytes, neutral

_SPARE = 4  # tokens in addition to those for closing: one character may take this many
CUT = "the answer was closed at the token limit"
_AFTER_A_SCALAR = (",", "}", "]")
REPEATED = "a list was ended where its items began to repeat"
REPEATED_TEXT = "a text was ended where it began to repeat itself"


class Following:
    """The text of one answer, and its allowed continuations.

    `rest` is the expression that constrains decoding; None if the engine's own grammar handles the
    schema, which is then `schema`.
    """

    def __init__(self, schema: dict[str, Any], tokens: int, prefix: str = "", count: Count = in_bytes):
        """`tokens` is the token limit, `count` counts the tokens of a text.

        Raises BadRequestError for an unsupported schema, or one whose shortest answer exceeds the limit.
        """
        self._limits = bounds(schema, tokens)
        self.schema = bounded(schema, self._limits)
        self.text = ""
        self.rest: Expression | None = None
        self._notes: list[str] = []
        self._root = schema
        self._tokens = tokens
        self._endings = Endings(count)
        self._closing = False
        self.cut = False  # the token limit was reached where the answer could not end
        self._safe = -1  # the last position from which the answer can end without an invented value
        self._sent = len(prefix)
        try:
            self._whole = expression(schema, self._limits)
        except NotRegular:
            return
        self.rest = self._wide = self._whole
        self._scan = Scan(schema, self._limits.items)
        self._look(0)
        if prefix:
            rest = after(self._whole, prefix)
            if rest is NONE:  # the prefix does not match this schema
                self.rest, self._sent = None, 0
                return
            self.rest = rest
            self._write(prefix)
        least = self._endings.tokens(self._endings.shortest(self.rest))
        if least > tokens:
            raise BadRequestError(
                f"No answer with this schema fits {tokens} {'token' if tokens == 1 else 'tokens'}",
                detail=f"the shortest one takes {least}: {self._endings.shortest(self.rest)[:200]}",
                hint=f"Give at least --max-tokens {least}; a few times as many leave room for words.",
            )
        self._close(tokens, self.text, self.rest)

    @property
    def done(self) -> bool:
        """Whether the answer is complete and nothing can follow."""
        return self.rest is EMPTY

    @property
    def complete(self) -> bool:
        """Whether the answer may end here."""
        return self.rest is not None and self.rest.empty and not self.cut

    @property
    def limited(self) -> bool:
        """Whether the answer is complete, but the limit ended a text or a list in it."""
        return not self.cut and (self._cut_note() in self._notes or bool(self._at_bounds()))

    @property
    def certain(self) -> str:
        """The forced text that comes next, once the answer is closing."""
        return certain(self.rest) if self._closing and self.rest is not None else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user: what limited the length of the answer."""
        return (*self._notes, *self._at_bounds())

    def add(self, new: str, remaining: int) -> bool:
        """Append generated text; True if decoding must switch to the new expression in `rest`.

        `left` is the number of remaining tokens.
        """
        if self.rest is None:
            self.text += new
            return False
        before, rest = (self.text, self.rest), after(self.rest, new)
        if rest is NONE:  # the engine generated other text: it is kept, but continuations are unknown
            self.text, self.rest = self.text + new, None
            return False
        self.rest = rest
        repeated = self._write(new)
        if repeated is not None and self._end(repeated, remaining):
            return True
        if self._closing and rest.kind == "lit" and not self.done:
            self._narrow(rest)
            return True
        return not self.done and self._close(remaining, *before)

    def jump(self, remaining: int) -> int:
        """Append forced text; returns how many of the `left` tokens it takes."""
        tokens = 0
        while (text := self.certain) and self.rest is not None and self._endings.tokens(text) <= remaining - tokens:
            tokens += self._endings.tokens(text)
            before, self.rest = (self.text, self.rest), after(self.rest, text)
            repeated = self._write(text)
            if (repeated is None or not self._end(repeated, remaining - tokens)) and not self.done:
                self._close(remaining - tokens, *before)
        return tokens

    def finish(self) -> None:
        """End the answer when no tokens are left; rolls back as far as needed to avoid an invented value."""
        if self.rest is None or self.done:
            return
        self._closing = True
        if (tail := self._scan.tail()) is not None and self._end(tail, 0) and self.done:
            return
        end = self._neutral(self._safe) if self._safe >= self._sent else None
        if end is None:
            self.cut = True
            return
        self._cut(self._safe)
        self._narrow(lit(end))
        self._say(self._cut_note())

    def _neutral(self, at: int) -> str | None:
        """The ending of the answer from a position without an invented value; None if there is none."""
        rest = after(self._whole, self.text[:at])
        return neutral(ended(rest) if self.text[at : at + 1] in _AFTER_A_SCALAR else rest)

    def _write(self, new: str) -> Repeat | None:
        """Append text; returns the repetition, if any."""
        for i, c in enumerate(new, len(self.text)):
            if c in _AFTER_A_SCALAR and self._safe < i and neutral(ended(self._wide)) is not None:
                self._safe = i
            self._wide = after(self._wide, c)
            self._look(i + 1)
        at, self.text = len(self.text), self.text + new
        return self._scan.read(new, at)

    def _look(self, at: int) -> None:
        if neutral(self._wide) is not None:
            self._safe = at

    def release(self, everything: bool = False) -> str:
        """New text that is final; text that may be removed as a repetition is held back."""
        end = len(self.text)
        if not everything and self.rest is not None and (held_back := self._scan.held()) is not None:
            end = min(end, held_back)
        if not everything and self.rest is not None and self._safe >= 0:
            end = min(end, self._safe)
        new, self._sent = self.text[self._sent : end], max(self._sent, end)
        return new

    def _end(self, repeat: Repeat, remaining: int) -> bool:
        """End a list or a string before its repetition."""
        for position in (repeat.at, *repeat.floors) if repeat.end == "]" else (max(repeat.at, self._sent),):
            if repeat.end == '"' and self._splits_an_escape(position):
                position += 1
            end = after(after(self._whole, self.text[:position]), repeat.end)
            if position >= self._sent and end is not NONE:
                self._cut(position)
                self._narrow(seq(lit(repeat.end), end))
                if self._closing and self.rest is not EMPTY and self.rest is not None:
                    self._narrow(self._endings.within(self.rest, remaining) or closed(self.rest, 0))
                self._say(REPEATED if repeat.end == "]" else REPEATED_TEXT)
                return True
        return False  # the schema requires more

    def _close(self, remaining: int, text: str, rest: Expression) -> bool:
        """Start closing if the remaining tokens just suffice.

        `text` and `rest` are the state before the last token.
        """
        assert self.rest is not None
        if self.rest.closing + _SPARE < remaining or self._endings.most(closed(self.rest)) + _SPARE < remaining:
            return self._closing and bool(self.certain)
        near, self._closing = self._closing, True
        if (tail := self._scan.tail()) is not None and self._end(tail, remaining):
            return True
        if not at_choice(self.rest):  # the current value cannot be made shorter
            return bool(self.certain)
        shorter = self._endings.within(self.rest, remaining)
        if shorter is None and not near and (shorter := self._endings.within(rest, remaining)) is not None:
            self._cut(len(text))  # the last token opened more than can be closed
        elif shorter is None:
            shorter = closed(self.rest, 0)
        if shorter is self.rest:
            return bool(self.certain)
        if (item_start := self._scan.unfinished()) is not None and item_start >= self._sent:
            end = after(after(self._whole, self.text[:item_start]), "]")
            if end is not NONE and (sooner := self._endings.within(seq(lit("]"), end), remaining)) is not None:
                self._cut(item_start)  # one item less is better than a partial item
                shorter = sooner
        self._narrow(shorter)
        self._say(self._cut_note())
        return True

    def _cut(self, at: int) -> None:
        text, self.text, self._wide, self._safe = self.text[:at], "", self._whole, -1
        self._scan = Scan(self._root, self._limits.items)
        self._look(0)
        self._write(text)

    def _narrow(self, rest: Expression) -> None:
        """Switch to another expression. If only forced text remains, it is appended here."""
        self.rest = rest
        if rest.kind == "lit":
            self._write(rest.text)
            self.rest = EMPTY

    def _splits_an_escape(self, at: int) -> bool:
        before = self.text[:at]
        return (len(before) - len(before.rstrip("\\"))) % 2 == 1

    def _cut_note(self) -> str:
        return f"{CUT} of {self._tokens:,}: `%fm retry --max-tokens {2 * self._tokens}` asks again with more"

    def _at_bounds(self) -> list[str]:
        """Notes about lists and strings that reached bounds set by fmnb."""
        if self.rest is None:
            return []
        stated, scan, out = json.dumps(self._root), self._scan, []
        if scan.most_items == self._limits.items and f'"maxItems": {scan.most_items}' not in stated:
            out.append(f"a list was ended at {scan.most_items} items, the most for {self._tokens:,} tokens: --max-tokens gives it more")
        texts = (self._limits.text, self._limits.text_in_list)
        if scan.most_characters in texts and f'"maxLength": {scan.most_characters}' not in stated:
            out.append(
                f"a text was ended at {scan.most_characters:,} characters, the most for {self._tokens:,} tokens: --max-tokens gives it more"
            )
        return out

    def _say(self, note: str) -> None:
        if note not in self._notes:
            self._notes.append(note)
