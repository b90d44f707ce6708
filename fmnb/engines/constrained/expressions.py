"""Regular expressions as values: derivatives, the shortest completions, conversion to grammars.

A schema with bounded strings, lists and recursion describes a regular language. The continuations
of a prefix are the derivative of its expression with respect to that prefix (Brzozowski 1964), so
decoding can be inspected, redirected and closed after any character, in the same way on all engines.

Expressions are interned: equal ones are the same object. `min_bytes` is the length in bytes of the
shortest text, `closing_bytes` an upper bound for the texts of `shortest_completions`. A number,
a label or a string with a format is a `scalar`: shorter ones are different values, so all its texts
are kept, and `high` bytes are reserved for it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from weakref import WeakValueDictionary

INFINITE = 1 << 40
_MAX_REPEATS = 2000  # the limit of llama.cpp for one repetition; larger ones are reduced to it
SPREAD = 32  # bytes by which an alternative may exceed the shortest one and stay open near the limit


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Expression:
    """An expression; create it with the functions below.

    `kind` is lit, chars, seq, alt, rep, scalar or none.
    """

    kind: str
    text: str = ""
    ranges: tuple[tuple[int, int], ...] = ()
    parts: tuple[Expression, ...] = ()
    low: int = 0
    high: int = 0
    min_bytes: int = 0
    closing_bytes: int = 0
    reserved_bytes: int = 0  # like `min_bytes`, including the bytes reserved for scalars
    nullable: bool = field(default=False)  # whether it matches the empty text

    def __repr__(self) -> str:
        return f"Expression({as_regex(self)!r})"


_interned: WeakValueDictionary[tuple[Any, ...], Expression] = WeakValueDictionary()
_lock = threading.Lock()


def _intern(kind: str, key: Any, **fields: Any) -> Expression:
    full = (kind, key)
    with _lock:
        expression = _interned.get(full)
        if expression is None:
            expression = _interned[full] = Expression(kind, **fields)
        return expression


NONE = Expression("none", min_bytes=INFINITE, closing_bytes=INFINITE, reserved_bytes=INFINITE)


def lit(text: str) -> Expression:
    """A literal text."""
    size = len(text.encode("utf-8", "replace"))
    return _intern("lit", text, text=text, min_bytes=size, closing_bytes=size, reserved_bytes=size, nullable=not text)


EMPTY = lit("")


def chars(ranges: Iterable[tuple[int, int]]) -> Expression:
    """One character from ranges of code points."""
    joined: list[tuple[int, int]] = []
    for a, b in sorted(r for r in ranges if r[0] <= r[1]):
        if joined and a <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(b, joined[-1][1]))
        else:
            joined.append((a, b))
    if not joined:
        return NONE
    if len(joined) == 1 and joined[0][0] == joined[0][1]:
        return lit(chr(joined[0][0]))
    least, most = _utf8(joined[0][0]), _utf8(joined[-1][1])
    return _intern("chars", tuple(joined), ranges=tuple(joined), min_bytes=least, closing_bytes=most, reserved_bytes=least)


def _utf8(code: int) -> int:
    return 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4


def seq(*parts: Expression) -> Expression:
    """The concatenation of expressions."""
    flat: list[Expression] = []
    for p in parts:
        if p is NONE:
            return NONE
        for q in p.parts if p.kind == "seq" else (p,):
            if q.kind == "lit" and flat and flat[-1].kind == "lit":
                flat[-1] = lit(flat[-1].text + q.text)
            elif q is not EMPTY:
                flat.append(q)
    if len(flat) < 2:
        return flat[0] if flat else EMPTY
    return _intern(
        "seq",
        tuple(map(id, flat)),
        parts=tuple(flat),
        min_bytes=sum(p.min_bytes for p in flat),
        closing_bytes=sum(p.closing_bytes for p in flat),
        reserved_bytes=sum(p.reserved_bytes for p in flat),
        nullable=all(p.nullable for p in flat),
    )


def alt(*options: Expression) -> Expression:
    """One of several alternatives."""
    flat: dict[Expression, None] = {}
    for o in options:
        for p in o.parts if o.kind == "alt" else (o,):
            if p is not NONE:
                flat[p] = None
    parts = tuple(flat)
    if len(parts) < 2:
        return parts[0] if parts else NONE
    lean = min(p.reserved_bytes for p in parts)
    return _intern(
        "alt",
        tuple(map(id, parts)),
        parts=parts,
        min_bytes=min(p.min_bytes for p in parts),
        closing_bytes=max(p.closing_bytes for p in parts if p.reserved_bytes <= lean + SPREAD),
        reserved_bytes=lean,
        nullable=any(p.nullable for p in parts),
    )


def rep(part: Expression, low: int, high: int) -> Expression:
    """An expression repeated `low` to `high` times."""
    if part is NONE or high <= 0 or part is EMPTY:
        return NONE if part is NONE and low > 0 else EMPTY
    if (low, high) == (1, 1):
        return part
    return _intern(
        "rep",
        (id(part), low, high),
        parts=(part,),
        low=low,
        high=high,
        min_bytes=low * part.min_bytes,
        closing_bytes=low * part.closing_bytes,
        reserved_bytes=low * part.reserved_bytes,
        nullable=low == 0 or part.nullable,
    )


def optional(part: Expression) -> Expression:
    """An expression or the empty text."""
    return rep(part, 0, 1)


def scalar(value: Expression, reserve: int) -> Expression:
    """A value that only the model may end, with at least `reserve` bytes reserved.

    A single text becomes a literal.
    """
    if value is NONE or value.kind == "lit":
        return value
    value = value.parts[0] if value.kind == "scalar" else value
    reserved = max(value.min_bytes, min(reserve, max_bytes(value)))
    return _intern(
        "scalar",
        (id(value), reserve),
        parts=(value,),
        high=reserve,
        min_bytes=value.min_bytes,
        closing_bytes=reserved,
        reserved_bytes=reserved,
        nullable=value.nullable,
    )


@lru_cache(maxsize=4096)
def max_bytes(e: Expression) -> int:
    """The length in bytes of the longest text of an expression."""
    if e.kind in ("lit", "chars"):
        return e.closing_bytes
    if e.kind == "seq":
        return sum(max_bytes(p) for p in e.parts)
    if e.kind == "rep":
        return e.high * max_bytes(e.parts[0])
    return max((max_bytes(p) for p in e.parts), default=0)


def derivative(e: Expression, text: str) -> Expression:
    """The derivative: the continuations of a text; NONE if no text of the expression starts with it.

    >>> as_regex(derivative(seq(lit("ab"), rep(chars([(48, 57)]), 1, 3)), "ab1"))
    '[0-9]{0,2}'
    """
    for c in text:
        if e is NONE:
            break
        e = _char_derivative(e, c)
    return e


def _char_derivative(e: Expression, c: str) -> Expression:
    if e.kind == "lit":
        return lit(e.text[1:]) if e.text.startswith(c) else NONE
    if e.kind == "chars":
        code = ord(c)
        return EMPTY if any(a <= code <= b for a, b in e.ranges) else NONE
    if e.kind == "alt":
        return alt(*(_char_derivative(p, c) for p in e.parts))
    if e.kind == "scalar":
        return scalar(_char_derivative(e.parts[0], c), max(2, e.high - 1))
    if e.kind == "rep":
        first = _char_derivative(e.parts[0], c)
        return NONE if first is NONE else seq(first, rep(e.parts[0], max(0, e.low - 1), e.high - 1))
    if e.kind == "seq":
        alternatives = []
        for i, p in enumerate(e.parts):
            if (first := _char_derivative(p, c)) is not NONE:
                alternatives.append(seq(first, *e.parts[i + 1 :]))
            if not p.nullable:
                break
        return alt(*alternatives)
    return NONE


@lru_cache(maxsize=4096)
def shortest_completions(e: Expression, spread: int = SPREAD) -> Expression:
    """The shortest completions of an expression.

    They have minimal repetitions, and alternatives within `spread` bytes of the shortest. Scalars
    keep all their texts.

    >>> as_regex(shortest_completions(seq(rep(chars([(48, 57)]), 0, 9), alt(lit("yes"), lit("no")), lit("]")), 0))
    'no\\\\]'
    """
    if e.kind == "seq":
        return seq(*(shortest_completions(p, spread) for p in e.parts))
    if e.kind == "rep":
        return rep(shortest_completions(e.parts[0], spread), e.low, e.low)
    if e.kind == "alt":
        return alt(*(shortest_completions(p, spread) for p in e.parts if p.reserved_bytes <= e.reserved_bytes + spread))
    return e


@lru_cache(maxsize=256)
def as_regex(e: Expression) -> str:
    """Convert to the syntax of Rust's `regex`, for llguidance."""
    if e.kind == "lit":
        return re.sub(r"([\\.+*?()|\[\]{}^$#&\-~/<>\"])", _escape, e.text).replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    if e.kind == "chars":
        return "[" + "".join(_regex_char(a) if a == b else f"{_regex_char(a)}-{_regex_char(b)}" for a, b in e.ranges) + "]"
    if e.kind == "seq":
        return "".join(as_regex(p) for p in e.parts)
    if e.kind == "alt":
        return "(" + "|".join(as_regex(p) for p in e.parts) + ")"
    if e.kind == "rep":
        inner = as_regex(e.parts[0]) if e.parts[0].kind in ("chars", "alt") else f"({as_regex(e.parts[0])})"
        return inner + ("?" if (e.low, e.high) == (0, 1) else f"{{{e.low},{min(e.high, max(e.low, _MAX_REPEATS))}}}")
    if e.kind == "scalar":
        return as_regex(e.parts[0])
    return "[^\\x00-\\x{10FFFF}]"


def _escape(m: re.Match[str]) -> str:
    return m[0] if m[0] in '<>"/' else "\\" + m[0]


def _regex_char(code: int) -> str:
    c = chr(code)
    return c if c.isascii() and c.isalnum() else f"\\x{{{code:X}}}"


def as_gbnf(e: Expression) -> str:
    """Convert to a grammar of llama.cpp; repeated expressions become separate rules, to avoid duplicates.

    >>> print(as_gbnf(seq(lit("a"), rep(chars([(48, 57)]), 0, 2))))
    root ::= "a" [0-9]{0,2}
    """
    rules: dict[Expression, str] = {}
    lines: list[str] = []

    def named(p: Expression) -> str:
        if p not in rules:
            rules[p] = f"r{len(rules)}"
            lines.append(f"{rules[p]} ::= {written(p)}")
        return rules[p]

    def item(p: Expression) -> str:
        if p.kind == "scalar":
            return item(p.parts[0])
        return written(p) if p.kind in ("lit", "chars", "rep") else named(p)

    def written(p: Expression) -> str:
        if p.kind == "scalar":
            return written(p.parts[0])
        if p.kind == "lit":
            return '"' + "".join(_gbnf_text(c) for c in p.text) + '"'
        if p.kind == "chars":
            return "[" + "".join(_gbnf_char(a) if a == b else f"{_gbnf_char(a)}-{_gbnf_char(b)}" for a, b in p.ranges) + "]"
        if p.kind == "seq":
            return " ".join(item(q) for q in p.parts)
        if p.kind == "alt":
            return " | ".join(item(q) for q in p.parts)
        if p.kind == "rep":
            what = p.parts[0]
            inner = written(what) if what.kind == "chars" else named(what)
            return inner + ("?" if (p.low, p.high) == (0, 1) else f"{{{p.low},{min(p.high, max(p.low, _MAX_REPEATS))}}}")
        raise ValueError("nothing can be written")

    root = written(e)
    return "\n".join([f"root ::= {root}", *lines])


def _gbnf_text(c: str) -> str:
    if c in '"\\':
        return "\\" + c
    return c if c.isprintable() and c.isascii() else _gbnf_code(ord(c))


def _gbnf_char(code: int) -> str:
    c = chr(code)
    return c if c.isascii() and c.isalnum() else _gbnf_code(code)


def _gbnf_code(code: int) -> str:
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
