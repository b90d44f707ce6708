"""An answer held to its schema while it is written: what may follow, when it has to close, where a list repeats itself.

Both engines read the same expression: llama.cpp as a grammar, torch as a mask. What the text so far allows
is known after each character, so decoding is given a narrower expression when the tokens that are left are
just enough to close, and when a list has come to an item that it already holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .pattern_expression import NotRegular
from .regular import EMPTY, NONE, Expression, after, closed, lit, seq
from .schema_expression import bounded, bounds, expression

_SPARE = 2  # tokens beyond what closing needs: the end token, and one that was on its way
CUT = "the answer was closed at the token limit: give it more with --max-tokens"
REPEATED = "a list was ended where its items began to repeat"


@dataclass(slots=True)
class _Open:
    """An object or list that is not closed yet."""

    schemas: list[dict[str, Any]]
    is_list: bool
    watched: bool = False  # a list whose items must not repeat
    key: str = ""
    separator: int = 0  # where the comma before the item stands
    start: int = 0  # where the item begins
    seen: set[str] = field(default_factory=set)


class Following:
    """The text of one answer, and what may follow it.

    `rest` is the expression that decoding is held to, None where the schema is left to the engine's own
    grammar, `schema` then. `notes` are words for the person.
    """

    def __init__(self, schema: dict[str, Any], tokens: int, prefix: str = ""):
        """`tokens` is how many may be written. Raises BadRequestError for a schema that cannot be followed."""
        limits = bounds(schema, tokens)
        self.schema = bounded(schema, limits)
        self.notes: list[str] = []
        self.text = ""
        self.rest: Expression | None = None
        self._root = schema
        self._tokens = tokens
        self._closing = False
        self._sent = len(prefix)
        try:
            self._whole = expression(schema, limits)
        except NotRegular:
            return
        self.rest = self._whole
        self._scan = _Scan(schema)
        if prefix:
            rest = after(self._whole, prefix)
            if rest is NONE:  # it was written without this schema
                self.rest, self._sent = None, 0
                return
            self.rest, self.text = rest, prefix
            self._scan.read(prefix, 0)
        self._close(tokens)

    @property
    def done(self) -> bool:
        """Whether nothing can follow."""
        return self.rest is EMPTY

    @property
    def complete(self) -> bool:
        """Whether the answer may end here."""
        return self.rest is not None and self.rest.empty

    def add(self, new: str, left: int) -> bool:
        """Take text that was written; True where `rest` is another expression than the one that decoding follows.

        `left` is how many tokens may still be written.
        """
        if self.rest is None:
            self.text += new
            return False
        rest = after(self.rest, new)
        if rest is NONE:  # an engine that wrote something else: its text is kept, nothing can be said of what follows
            self.text, self.rest = self.text + new, None
            return False
        repeated = self._scan.read(new, len(self.text))
        self.text, self.rest = self.text + new, rest
        if repeated is not None and self._end_list(repeated):
            return True
        return not self.done and self._close(left)

    def release(self, everything: bool = False) -> str:
        """Text that will stay and was not given yet; an item of a watched list is held until it is whole."""
        end = len(self.text)
        if not everything and self.rest is not None and (held := self._scan.held()) is not None:
            end = min(end, held)
        new, self._sent = self.text[self._sent : end], max(self._sent, end)
        return new

    def _end_list(self, cut: int) -> bool:
        end = after(after(self._whole, self.text[:cut]), "]")
        if end is NONE:  # it needs more items
            return False
        self._cut(cut)
        self._narrow(seq(lit("]"), end))
        self._say(REPEATED)
        return True

    def _close(self, left: int) -> bool:
        assert self.rest is not None
        if self._closing or left > min(self.rest.closing + _SPARE, max(self._tokens // 2, 1)):
            return False
        shorter = closed(self.rest, left - _SPARE)
        if shorter is self.rest:
            return False
        self._closing = True
        if (cut := self._scan.unfinished()) is not None and (end := after(after(self._whole, self.text[:cut]), "]")) is not NONE:
            shorter = seq(lit("]"), closed(end, left - _SPARE))  # rather one item less than half of one
            self._cut(cut)
        self._narrow(shorter)
        self._say(CUT)
        return True

    def _cut(self, at: int) -> None:
        self.text = self.text[:at]
        self._scan = _Scan(self._root)
        self._scan.read(self.text, 0)

    def _narrow(self, rest: Expression) -> None:
        """Go on with another expression. Text that is certain is written here."""
        self.rest = rest
        if rest.kind == "lit":
            self._scan.read(rest.text, len(self.text))
            self.text, self.rest = self.text + rest.text, EMPTY

    def _say(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


class _Scan:
    """Reads JSON as it comes, and says where a list comes to an item that it already holds."""

    def __init__(self, root: dict[str, Any]):
        self._root = root
        self._stack: list[_Open] = []
        self._text: list[str] = []
        self._string = -1  # where the open string begins
        self._escaped = False

    def held(self) -> int | None:
        """From where on text may still be taken back."""
        watched = [o for o in self._stack if o.watched]
        return watched[0].separator if watched else None

    def unfinished(self) -> int | None:
        """Where the item begins that a watched list has not finished, if it holds others."""
        watched = next((o for o in self._stack if o.watched), None)
        return watched.separator if watched is not None and watched.seen else None

    def read(self, new: str, at: int) -> int | None:
        """Where the list must be cut, if the text ends a repeated item."""
        cut = None
        for i, c in enumerate(new, at):
            self._text.append(c)
            found = self._take(c, i)
            cut = cut if found is None else found
        return cut

    def _take(self, c: str, i: int) -> int | None:
        top = self._stack[-1] if self._stack else None
        if self._string >= 0:
            if self._escaped:
                self._escaped = False
            elif c == "\\":
                self._escaped = True
            elif c == '"':
                start, self._string = self._string, -1
                if top is not None and not top.is_list and not top.key:
                    top.key = "".join(self._text[start + 1 : i])
                elif top is not None and top.is_list:
                    return self._item(top, start, i)
            return None
        if c == '"':
            self._string = i
        elif c in "{[":
            schemas = self._below(top)
            new = _Open(schemas, c == "[", separator=i + 1, start=i + 1)
            new.watched = new.is_list and _free(self._items(schemas), self._root, 3)
            self._stack.append(new)
        elif c in "}]" and self._stack:
            self._stack.pop()
            above = self._stack[-1] if self._stack else None
            if above is not None and above.is_list:
                return self._item(above, above.start, i)
        elif c == "," and top is not None:
            top.key, top.separator, top.start = "", i, i + 2
        return None

    def _item(self, top: _Open, start: int, end: int) -> int | None:
        if not top.watched:
            return None
        item = " ".join("".join(self._text[start : end + 1]).casefold().split())
        if item in top.seen:
            return top.separator
        top.seen.add(item)
        top.separator = end + 1  # it is whole: nothing of it is taken back
        return None

    def _below(self, top: _Open | None) -> list[dict[str, Any]]:
        if top is None:
            return _opened([self._root], self._root)
        if top.is_list:
            return self._items(top.schemas)
        found = []
        for s in top.schemas:
            inner = (s.get("properties") or {}).get(top.key, s.get("additionalProperties"))
            found.append(inner if isinstance(inner, dict) else {})
        return _opened(found, self._root)

    def _items(self, schemas: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _opened([s["items"] if isinstance(s.get("items"), dict) else {} for s in schemas if s.get("items") is not False], self._root)


def _opened(schemas: list[Any], root: dict[str, Any], depth: int = 8) -> list[dict[str, Any]]:
    """What schemas stand for, behind references and alternatives."""
    out: list[dict[str, Any]] = []
    for s in schemas:
        if not isinstance(s, dict) or not depth:
            continue
        if isinstance(to := s.get("$ref"), str):
            at: Any = root
            for part in to.removeprefix("#").strip("/").split("/") if to != "#" else ():
                at = at.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(at, dict) else None
            out += _opened([at], root, depth - 1)
        for name in ("anyOf", "oneOf", "allOf"):
            if isinstance(s.get(name), list):
                out += _opened(s[name], root, depth - 1)
        out.append(s)
    return out


def _free(schemas: list[dict[str, Any]], root: dict[str, Any], depth: int) -> bool:
    """Whether values of these schemas hold free text: labels and numbers may repeat, sentences that do have no end."""
    for s in schemas:
        kinds = s.get("type")
        plain = not {"enum", "const", "pattern", "format"} & s.keys()
        if plain and (kinds == "string" or (isinstance(kinds, list) and "string" in kinds)):
            return True
        inner = [*(s.get("properties") or {}).values(), s.get("additionalProperties"), s.get("items")]
        if depth and _free(_opened(inner, root), root, depth - 1):
            return True
    return False
