"""An incremental JSON scanner: detects repetition in lists and strings, and removable text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...core.cycles import tail_of
from ...core.repetition import FIELD, LoopDetector

_MIN_CYCLE = 10  # values in a cycle after which a list is ended
_MIN_CYCLE_AT_LIMIT = 5  # values in a cycle that are removed if the limit ends the list


@dataclass(frozen=True, slots=True)
class Repetition:
    """A repetition: keep the text up to `position`, then append `closing`.

    `later_positions` work too.
    """

    position: int
    closing: str
    later_positions: tuple[int, ...] = ()


@dataclass(slots=True)
class _Container:
    """An open object or list."""

    schemas: list[dict[str, Any]]
    is_list: bool
    unique: bool = False  # whether items of the list must not repeat
    key: str = ""
    separator: int = 0  # position of the comma before the item
    start: int = 0  # start of the item
    items: list[str] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)  # end of each item

    def final_end(self) -> int:
        """The position up to which the list is final."""
        if self.unique:
            return self.separator
        first = min((len(self.items) - count + period for period, count in tail_of(self.items)), default=len(self.items))
        return self.ends[first - 1] if first else self.start


class JsonScanner:
    """Scans JSON incrementally and reports repetition in lists and strings."""

    def __init__(self, root: dict[str, Any], max_items: int = 0):
        """`max_items` is the limit of items for lists without a limit in the schema; 0 for no limit."""
        self._root, self._max_items = root, max_items
        self._stack: list[_Container] = []
        self._text: list[str] = []
        self._string = -1  # start of the open string
        self._escaped = False
        self._loop: LoopDetector | None = None  # of an open string that is a value
        self._characters = 0  # of the open string
        self.most_items = self.most_characters = 0  # of the longest list and the longest string so far

    def held_back_from(self) -> int | None:
        """The position from which text may still be removed."""
        positions = [o.final_end() for o in self._stack if o.is_list]
        if self._loop is not None:
            positions.append(self._string + 1 + self._loop.certain_length)
        return min(positions, default=None)

    def unfinished_item(self) -> int | None:
        """The start of the unfinished item in a watched list that has other items."""
        watched = next((o for o in self._stack if o.unique), None)
        return watched.separator if watched is not None and watched.items else None

    def repetition_at_end(self) -> Repetition | None:
        """The repetition at the end of the innermost open list, to be removed if the limit ends it."""
        top = self._stack[-1] if self._stack else None
        return _find_cycle(top, _MIN_CYCLE_AT_LIMIT) if top is not None and top.is_list and not top.unique else None

    def feed(self, new: str, at: int) -> Repetition | None:
        """Scan new text; returns the repetition, if any."""
        repetition = None
        for i, c in enumerate(new, at):
            self._text.append(c)
            repetition = self._feed_char(c, i) or repetition
        return repetition

    def _feed_char(self, c: str, i: int) -> Repetition | None:
        top = self._stack[-1] if self._stack else None
        if self._string >= 0:
            return self._feed_string_char(top, c, i)
        if c == '"':
            self._string, self._characters = i, 0
            if top is None or top.is_list or top.key:
                self._loop = LoopDetector(FIELD)
        elif c in "{[":
            schemas = self._child_schemas(top)
            new = _Container(schemas, c == "[", separator=i + 1, start=i + 1)
            new.unique = new.is_list and _has_free_text(self._item_schemas(schemas), self._root, 3)
            self._stack.append(new)
        elif c in "}]" and self._stack:
            last = self._stack[-1]
            repetition = self._end_scalar(last, i)
            if last.is_list and len(last.items) == self._max_items and not any("maxItems" in s for s in last.schemas):
                repetition = repetition or _find_cycle(last, _MIN_CYCLE_AT_LIMIT)
            self._stack.pop()
            above = self._stack[-1] if self._stack else None
            if above is not None and above.is_list:
                return self._end_item(above, above.start, i) or repetition
            return repetition
        elif c == "," and top is not None:
            repetition = self._end_scalar(top, i) or (_find_cycle(top) if top.is_list and not top.unique else None)
            top.key, top.separator, top.start = "", i, i + 2
            return repetition
        return None

    def _feed_string_char(self, top: _Container | None, c: str, i: int) -> Repetition | None:
        """Process a character in a string."""
        if not self._escaped and c == '"':
            start, self._string, self._loop = self._string, -1, None
            if top is not None and not top.is_list and not top.key:
                top.key = "".join(self._text[start + 1 : i])
            elif top is not None and top.is_list:
                return self._end_item(top, start, i)
            return None
        self._escaped = not self._escaped and c == "\\"
        self._characters += not self._escaped
        if self._loop is not None:
            self.most_characters = max(self.most_characters, self._characters)
        if self._loop is not None and self._loop.add(c):
            return Repetition(self._string + 1 + self._loop.cut_at, '"')
        return None

    def _end_scalar(self, top: _Container, i: int) -> Repetition | None:
        """Process the end of a number, boolean or null in a list."""
        if top.is_list and len("".join(self._text[top.start : i]).strip()) and (not top.ends or top.ends[-1] <= top.start):
            return self._end_item(top, top.start, i - 1)
        return None

    def _end_item(self, top: _Container, start: int, end: int) -> Repetition | None:
        item = " ".join("".join(self._text[start : end + 1]).casefold().split())
        if top.unique and item in top.items:
            return Repetition(top.separator, "]")
        top.items.append(item)
        top.ends.append(end + 1)
        self.most_items = max(self.most_items, len(top.items))
        if top.unique:
            top.separator = end + 1  # the item is complete, so nothing of it is removed
        return None

    def _child_schemas(self, top: _Container | None) -> list[dict[str, Any]]:
        if top is None:
            return _resolve([self._root], self._root)
        if top.is_list:
            return self._item_schemas(top.schemas)
        children = []
        for s in top.schemas:
            inner = (s.get("properties") or {}).get(top.key, s.get("additionalProperties"))
            children.append(inner if isinstance(inner, dict) else {})
        return _resolve(children, self._root)

    def _item_schemas(self, schemas: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _resolve(
            [s["items"] if isinstance(s.get("items"), dict) else {} for s in schemas if s.get("items") is not False], self._root
        )


def _find_cycle(top: _Container, least: int = _MIN_CYCLE) -> Repetition | None:
    """A cycle of values that has repeated too long in a list where values may repeat."""
    for period, count in tail_of(top.items):
        if count >= max(least, period * (4 if period < 4 and least == _MIN_CYCLE else 3)):
            first = len(top.items) - count + period
            return Repetition(top.ends[first - 1], "]", tuple(top.ends[first:]))
    return None


def _resolve(schemas: list[Any], root: dict[str, Any], depth: int = 8) -> list[dict[str, Any]]:
    """Resolve references and alternatives of schemas."""
    out: list[dict[str, Any]] = []
    for s in schemas:
        if not isinstance(s, dict) or not depth:
            continue
        if isinstance(to := s.get("$ref"), str):
            at: Any = root
            for part in to.removeprefix("#").strip("/").split("/") if to != "#" else ():
                at = at.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(at, dict) else None
            out += _resolve([at], root, depth - 1)
        for name in ("anyOf", "oneOf", "allOf"):
            if isinstance(s.get(name), list):
                out += _resolve(s[name], root, depth - 1)
        out.append(s)
    return out


def _has_free_text(schemas: list[dict[str, Any]], root: dict[str, Any], depth: int) -> bool:
    """Whether values of these schemas have free text: labels and numbers may repeat, sentences may not."""
    for s in schemas:
        kinds = s.get("type")
        plain = not {"enum", "const", "pattern", "format"} & s.keys()
        if plain and (kinds == "string" or (isinstance(kinds, list) and "string" in kinds)):
            return True
        inner = [*(s.get("properties") or {}).values(), s.get("additionalProperties"), s.get("items")]
        if depth and _has_free_text(_resolve(inner, root), root, depth - 1):
            return True
    return False
