"""An answer held to its schema while it is written: what may follow, when it has to close, where it repeats itself.

Both engines read the same expression: llama.cpp as a grammar, torch as a mask. What the text so far allows
is known after each character, so decoding is given a narrower expression when the tokens that are left are
just enough to close, and when a list or a string begins to repeat itself. From then on what is certain is
written as it is, and the model decides what is left open.

A text or a list may be ended early. A number, a label, a date may not, since a shorter one is another value:
where the tokens end within one, the answer goes back to where it can end without it (null, a field or an
item less). Where the schema asks for it, the answer is `cut`: it has no end.
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

_SPARE = 4  # tokens beyond what closing needs: a character may take so many before it is known
CUT = "the answer was closed at the token limit"
_AFTER_A_SCALAR = (",", "}", "]")
REPEATED = "a list was ended where its items began to repeat"
REPEATED_TEXT = "a text was ended where it began to repeat itself"


class Following:
    """The text of one answer, and what may follow it.

    `rest` is the expression that decoding is held to, None where the schema is left to the engine's own
    grammar, `schema` then.
    """

    def __init__(self, schema: dict[str, Any], tokens: int, prefix: str = "", count: Count = in_bytes):
        """`tokens` is how many may be written, `count` says how many a text takes.

        Raises BadRequestError for a schema that cannot be followed, or whose shortest answer takes more tokens.
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
        self.cut = False  # the tokens ended where the answer could not
        self._safe = -1  # the last place from which the answer can end without a value that the model did not write
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
            if rest is NONE:  # it was written without this schema
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
        """Whether nothing can follow."""
        return self.rest is EMPTY

    @property
    def complete(self) -> bool:
        """Whether the answer may end here."""
        return self.rest is not None and self.rest.empty and not self.cut

    @property
    def limited(self) -> bool:
        """Whether the answer is whole, and the limit has ended a text or a list in it."""
        return not self.cut and (self._cut_note() in self._notes or bool(self._at_bounds()))

    @property
    def certain(self) -> str:
        """The text that must come next, once the end is near."""
        return certain(self.rest) if self._closing and self.rest is not None else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Words for the person: what kept the answer from being longer."""
        return (*self._notes, *self._at_bounds())

    def add(self, new: str, left: int) -> bool:
        """Take text that was written; True where `rest` is another expression than the one that decoding follows.

        `left` is how many tokens may still be written.
        """
        if self.rest is None:
            self.text += new
            return False
        before, rest = (self.text, self.rest), after(self.rest, new)
        if rest is NONE:  # an engine that wrote something else: its text is kept, nothing can be said of what follows
            self.text, self.rest = self.text + new, None
            return False
        self.rest = rest
        repeated = self._write(new)
        if repeated is not None and self._end(repeated, left):
            return True
        if self._closing and rest.kind == "lit" and not self.done:
            self._narrow(rest)
            return True
        return not self.done and self._close(left, *before)

    def jump(self, left: int) -> int:
        """Write what is certain; gives how many of the `left` tokens that takes."""
        taken = 0
        while (text := self.certain) and self.rest is not None and self._endings.tokens(text) <= left - taken:
            taken += self._endings.tokens(text)
            before, self.rest = (self.text, self.rest), after(self.rest, text)
            repeated = self._write(text)
            if (repeated is None or not self._end(repeated, left - taken)) and not self.done:
                self._close(left - taken, *before)
        return taken

    def finish(self) -> None:
        """No token is left: end here, or as far back as it takes to end without making up a value."""
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
        """How the answer can end at a place of its text without a value that the model did not write."""
        rest = after(self._whole, self.text[:at])
        return neutral(ended(rest) if self.text[at : at + 1] in _AFTER_A_SCALAR else rest)

    def _write(self, new: str) -> Repeat | None:
        """Put text behind what there is; gives what has come to repeat itself."""
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
        """Text that will stay and was not given yet; what may be taken back as a repetition is held until it is not."""
        end = len(self.text)
        if not everything and self.rest is not None and (held := self._scan.held()) is not None:
            end = min(end, held)
        if not everything and self.rest is not None and self._safe >= 0:
            end = min(end, self._safe)
        new, self._sent = self.text[self._sent : end], max(self._sent, end)
        return new

    def _end(self, repeat: Repeat, left: int) -> bool:
        """End a list or a string before what it repeats."""
        for cut in (repeat.at, *repeat.floors) if repeat.end == "]" else (max(repeat.at, self._sent),):
            if repeat.end == '"' and self._splits_an_escape(cut):
                cut += 1
            end = after(after(self._whole, self.text[:cut]), repeat.end)
            if cut >= self._sent and end is not NONE:
                self._cut(cut)
                self._narrow(seq(lit(repeat.end), end))
                if self._closing and self.rest is not EMPTY and self.rest is not None:
                    self._narrow(self._endings.within(self.rest, left) or closed(self.rest, 0))
                self._say(REPEATED if repeat.end == "]" else REPEATED_TEXT)
                return True
        return False  # the schema asks for more

    def _close(self, left: int, text: str, rest: Expression) -> bool:
        """Go on to the end where the tokens left are just enough for it. `text` and `rest` are what was before the last token."""
        assert self.rest is not None
        if self.rest.closing + _SPARE < left or self._endings.most(closed(self.rest)) + _SPARE < left:
            return self._closing and bool(self.certain)
        near, self._closing = self._closing, True
        if (tail := self._scan.tail()) is not None and self._end(tail, left):
            return True
        if not at_choice(self.rest):  # what the model is writing cannot be made shorter
            return bool(self.certain)
        shorter = self._endings.within(self.rest, left)
        if shorter is None and not near and (shorter := self._endings.within(rest, left)) is not None:
            self._cut(len(text))  # the last token has opened more than can be closed
        elif shorter is None:
            shorter = closed(self.rest, 0)
        if shorter is self.rest:
            return bool(self.certain)
        if (cut := self._scan.unfinished()) is not None and cut >= self._sent:
            end = after(after(self._whole, self.text[:cut]), "]")
            if end is not NONE and (sooner := self._endings.within(seq(lit("]"), end), left)) is not None:
                self._cut(cut)  # rather one item less than half of one
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
        """Go on with another expression. Text that is certain to the end is written here."""
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
        """Which of our own bounds lists and strings have come to."""
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
