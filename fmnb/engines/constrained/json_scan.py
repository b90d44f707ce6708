"""JSON read as it comes: where a list or a string in it begins to repeat itself, and what may still be taken back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...core.cycles import tail_of
from ...core.repetition import FIELD, LoopDetector

_SAME = 10  # values of a list in a cycle that are enough to end it
_TAIL = 5  # values in a cycle that are left out where a limit ends the list


@dataclass(frozen=True, slots=True)
class Repeat:
    """What repeats itself: the text stays up to `at`, then comes `end`. `floors` are places behind `at` that would do too."""

    at: int
    end: str
    floors: tuple[int, ...] = ()


@dataclass(slots=True)
class _Open:
    """An object or list that is not closed yet."""

    schemas: list[dict[str, Any]]
    is_list: bool
    watched: bool = False  # a list whose items must not repeat
    key: str = ""
    separator: int = 0  # where the comma before the item stands
    start: int = 0  # where the item begins
    items: list[str] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)  # where each item ends

    def certain(self) -> int:
        """Up to where the list stays, whatever comes."""
        if self.watched:
            return self.separator
        first = min((len(self.items) - count + period for period, count in tail_of(self.items)), default=len(self.items))
        return self.ends[first - 1] if first else self.start


class Scan:
    """Reads JSON as it comes, and says where a list or a string repeats itself."""

    def __init__(self, root: dict[str, Any], most: int = 0):
        """`most` is how many items a list may have that states no limit itself; 0 for any."""
        self._root, self._most = root, most
        self._stack: list[_Open] = []
        self._text: list[str] = []
        self._string = -1  # where the open string begins
        self._escaped = False
        self._loop: LoopDetector | None = None  # of an open string that is a value
        self._characters = 0  # of the open string
        self.most_items = self.most_characters = 0  # of the longest list and the longest string so far

    def held(self) -> int | None:
        """From where on text may still be taken back."""
        found = [o.certain() for o in self._stack if o.is_list]
        if self._loop is not None:
            found.append(self._string + 1 + self._loop.certain)
        return min(found, default=None)

    def unfinished(self) -> int | None:
        """Where the item begins that a watched list has not finished, if it holds others."""
        watched = next((o for o in self._stack if o.watched), None)
        return watched.separator if watched is not None and watched.items else None

    def tail(self) -> Repeat | None:
        """What the innermost list, if it is open, repeats at its end: to be left out where the limit ends it."""
        top = self._stack[-1] if self._stack else None
        return _cycle(top, _TAIL) if top is not None and top.is_list and not top.watched else None

    def read(self, new: str, at: int) -> Repeat | None:
        """What the text has come to repeat."""
        found = None
        for i, c in enumerate(new, at):
            self._text.append(c)
            found = self._take(c, i) or found
        return found

    def _take(self, c: str, i: int) -> Repeat | None:
        top = self._stack[-1] if self._stack else None
        if self._string >= 0:
            return self._within(top, c, i)
        if c == '"':
            self._string, self._characters = i, 0
            if top is None or top.is_list or top.key:
                self._loop = LoopDetector(FIELD)
        elif c in "{[":
            schemas = self._below(top)
            new = _Open(schemas, c == "[", separator=i + 1, start=i + 1)
            new.watched = new.is_list and _free(self._items(schemas), self._root, 3)
            self._stack.append(new)
        elif c in "}]" and self._stack:
            last = self._stack[-1]
            found = self._scalar(last, i)
            if last.is_list and len(last.items) == self._most and not any("maxItems" in s for s in last.schemas):
                found = found or _cycle(last, _TAIL)
            self._stack.pop()
            above = self._stack[-1] if self._stack else None
            if above is not None and above.is_list:
                return self._item(above, above.start, i) or found
            return found
        elif c == "," and top is not None:
            found = self._scalar(top, i) or (_cycle(top) if top.is_list and not top.watched else None)
            top.key, top.separator, top.start = "", i, i + 2
            return found
        return None

    def _within(self, top: _Open | None, c: str, i: int) -> Repeat | None:
        """A character in a string."""
        if not self._escaped and c == '"':
            start, self._string, self._loop = self._string, -1, None
            if top is not None and not top.is_list and not top.key:
                top.key = "".join(self._text[start + 1 : i])
            elif top is not None and top.is_list:
                return self._item(top, start, i)
            return None
        self._escaped = not self._escaped and c == "\\"
        self._characters += not self._escaped
        if self._loop is not None:
            self.most_characters = max(self.most_characters, self._characters)
        if self._loop is not None and self._loop.add(c):
            return Repeat(self._string + 1 + self._loop.cut, '"')
        return None

    def _scalar(self, top: _Open, i: int) -> Repeat | None:
        """A list's number, truth value or null has ended before this place."""
        if top.is_list and len("".join(self._text[top.start : i]).strip()) and (not top.ends or top.ends[-1] <= top.start):
            return self._item(top, top.start, i - 1)
        return None

    def _item(self, top: _Open, start: int, end: int) -> Repeat | None:
        item = " ".join("".join(self._text[start : end + 1]).casefold().split())
        if top.watched and item in top.items:
            return Repeat(top.separator, "]")
        top.items.append(item)
        top.ends.append(end + 1)
        self.most_items = max(self.most_items, len(top.items))
        if top.watched:
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


def _cycle(top: _Open, least: int = _SAME) -> Repeat | None:
    """What a list of values that may repeat has come to repeat for too long."""
    for period, count in tail_of(top.items):
        if count >= max(least, period * (4 if period < 4 and least == _SAME else 3)):
            first = len(top.items) - count + period
            return Repeat(top.ends[first - 1], "]", tuple(top.ends[first:]))
    return None


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
