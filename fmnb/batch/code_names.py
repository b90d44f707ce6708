"""Names that code reads: those of a function, and attributes of a class.

Names that it only writes to are left out.
"""

from __future__ import annotations

import ast
import dis
import inspect
import textwrap
import types
from typing import Any

_WRITES = frozenset(("append", "appendleft", "add", "extend", "update", "insert", "put", "put_nowait", "write"))


def source_of(thing: Any) -> str:
    """The source of a function or class, "" if unknown."""
    try:
        return inspect.getsource(thing)
    except (TypeError, OSError):
        return ""


def code_text(code: types.CodeType) -> str:
    """A code object with its constants, independent of its lines and file."""
    consts = [
        code_text(c) if isinstance(c, types.CodeType) else repr(sorted(map(repr, c)) if isinstance(c, frozenset) else c)
        for c in code.co_consts
    ]
    return "\x1e".join([code.co_code.hex(), *consts, *code.co_names, *code.co_varnames])


def names_read(code: types.CodeType) -> set[str]:
    """Outer names that a function reads, without those it only writes to, such as counters."""
    read, written = set(), set()
    steps = list(dis.get_instructions(code))
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        if step.opname in ("STORE_DEREF", "STORE_GLOBAL", "DELETE_DEREF", "DELETE_GLOBAL"):
            written.add(step.argval)
        elif step.opname in ("LOAD_DEREF", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"):
            if after is None or after.opname not in ("LOAD_ATTR", "LOAD_METHOD") or after.argval not in _WRITES:
                read.add(step.argval)
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            read |= names_read(const)
    return {str(n) for n in read - written}


def attributes_written(source: str) -> set[str]:
    """Attributes of `self` that a class only counts up or appends to: they do not affect its answers.

    >>> attributes_written("class A:\\n  def f(self):\\n    self.n += 1\\n    self.log.append(self.x)\\n    return self.x")  == {"n", "log"}
    True
    """
    try:
        nodes = list(ast.walk(ast.parse(textwrap.dedent(source))))
    except SyntaxError:
        return set()
    changed = [n.target.value if isinstance(n.target, ast.Subscript) else n.target for n in nodes if isinstance(n, ast.AugAssign)]
    changed += [n.func.value for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr in _WRITES]
    at = {id(n) for n in changed}
    mine = [n for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "self"]
    read = {n.attr for n in mine if id(n) not in at and isinstance(n.ctx, ast.Load)}
    return {n.attr for n in mine if id(n) in at} - read
