"""Completion of the Python in a prompt: in `{{ }}` and in `{% for %}` and `{% if %}`."""

from __future__ import annotations

import ast
import builtins
import re
from typing import Any

from .column_names import in_quotes, is_attribute, is_name, literal
from .complete_line import over_data, split_words
from .completions import Completions
from .value_kinds import all_columns_of, attributes_of, columns_of, is_frame, is_module, kind_of, module_names, own_names

_NOT_OURS = re.compile(r"\s*(?:[#/>!^&@~*\\]|else\b)")  # Handlebars
_STATEMENT = re.compile(r"\{%[ \t]*(?:for\b[^%\n]*?\bin|if|elif)\b([^%\n]*)$")
_LOOP = re.compile(r"\{%[ \t]*(?:for[ \t]+([^%\n]*?)[ \t]+in\b[^\n]*?|(endfor)[ \t]*)%\}")
_STRING = re.compile(r"""(\"(?:\\.|[^"\\])*\"|'(?:\\.|[^'\\])*')|["'].*""", re.DOTALL)  # complete, or open to the end
_KEY = re.compile(r"""(?<![\w.])(\w+)\[\s*(["'])((?:\\.|(?!\2)[^\\])*)$""", re.DOTALL)
_BRACKET = re.compile(r"(?<![\w.])(\w+)\[\s*$")
_ATTRIBUTE = re.compile(r"(?<![\w.)\]])([^\W\d]\w*)\.(\w*)$")
_NAME = re.compile(r"(?<![\w.])(\w*)$")
_TRIES = 60  # maximum number of `}}` inside one expression
_ROW, _NOTEBOOK = "row", "notebook"


def complete_prompt(before: str, line: str, shell: Any) -> Completions:
    """Completions in a prompt, given its text before the cursor and the line of options."""
    words, last = split_words(line)
    words.append(last)
    source = None if "--raw" in words else open_expression(before)
    if source is None:
        return Completions()
    columns = columns_of(over_data(words, shell))
    return _complete_source(source, _loop_names(before), columns, own_names(shell))


def open_expression(before: str) -> str | None:
    """The part of an expression before the cursor, or None in prose.

    >>> open_expression("All of {{ a }} and {{ b.c")
    ' b.c'
    """
    at = before.find("{{")
    while at >= 0:
        if before.startswith("{{{", at):  # `{{{{` writes braces; three are text
            at = before.find("{{", at + (4 if before.startswith("{{{{", at) else 3))
            continue
        end = _end(before, at + 2)
        if end < 0:
            source = before[at + 2 :]
            return None if _NOT_OURS.match(source) else source
        at = before.find("{{", end)
    statement = _STATEMENT.search(before)
    return statement[1] if statement else None


def _end(text: str, start: int) -> int:
    """The offset after the `}}` that ends the expression at `start`, or -1 if it is open."""
    first = end = text.find("}}", start)
    for _ in range(_TRIES):
        if end < 0:
            break
        try:
            ast.parse(f"(\n{text[start:end]}\n)", mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError):  # the last two for hundreds of brackets
            end = text.find("}}", end + 1)
        else:
            return end + 2
    return first + 2 if first >= 0 else -1


def _loop_names(before: str) -> dict[str, str]:
    """The names of the loops that are open at the cursor."""
    opened: list[list[str]] = []
    for target, end in _LOOP.findall(before):
        if not end:
            opened.append(re.findall(r"[^\W\d]\w*", target))
        elif opened:
            opened.pop()
    return {name: "loop variable" for names in opened for name in names}


def _complete_source(source: str, loops: dict[str, str], columns: dict[str, str], own: dict[str, Any]) -> Completions:
    code = _without_strings(source)
    if key := _KEY.search(code):
        name, quote, typed = key.groups()
        return Completions(
            typed, [(in_quotes(column, quote), kind) for column, kind in _keys(name, columns, own) if isinstance(column, str)]
        )
    if "'" in code or '"' in code:  # in a string
        return Completions()
    if (bracket := _BRACKET.search(code)) and (keys := _keys(bracket[1], columns, own)):
        return Completions("", [(literal(column), kind) for column, kind in keys])
    if attribute := _ATTRIBUTE.search(code):
        name, typed = attribute.groups()
        bound = name in loops or name in columns
        return Completions(typed) if bound or name not in own else _after_dot(name, typed, own[name])
    if (plain := _NAME.search(code)) is None:
        return Completions()
    typed = plain[1]
    items = [(name, kind) for name, kind in columns.items() if is_name(name)]
    items += [(f"{_ROW}[{literal(column)}]", kind) for column, kind in _keys(_ROW, columns, own) if not is_name(column)]
    items += list(loops.items())
    if columns:
        items += [(name, kind) for name, kind in ((_ROW, "row of the table"), (_NOTEBOOK, "variables")) if name not in columns]
    items += sorted(((name, kind_of(value)) for name, value in own.items() if name.isidentifier()), key=lambda item: _rank(own[item[0]]))
    items.append(("schema", "function"))
    if typed and not any(name.startswith(typed) for name, _ in items):  # the front end would sort them among the notebook's own
        items += [(name, kind_of(value)) for name, value in vars(builtins).items() if name[0].islower()]
    return Completions(typed, items)


def _keys(name: str, columns: dict[str, str], own: dict[str, Any]) -> list[tuple[object, str]]:
    """The columns that can stand in the brackets after a name."""
    return list(columns.items()) if name == _ROW and columns else list(all_columns_of(own.get(name)).items())


def _without_strings(source: str) -> str:
    """The source with its complete strings blanked out, at the same offsets."""
    return _STRING.sub(lambda string: " " * len(string[0]) if string[1] else string[0], source)


def _after_dot(name: str, typed: str, value: Any) -> Completions:
    """What can follow the dot: columns of a frame first. One that needs brackets replaces the dot."""
    if is_module(value):
        return Completions(typed, list(module_names(value).items()))
    columns = all_columns_of(value) if is_frame(value) else {}
    found = {column: kind for column, kind in columns.items() if str(column).startswith(typed)}
    others = [(entry, kind) for entry, kind in attributes_of(value).items() if entry.startswith(typed)]
    if all(is_attribute(value, column) for column in found):
        return Completions(typed, [(str(column), kind) for column, kind in found.items()] + others)
    written = [(f"{name}.{c}" if is_attribute(value, c) else f"{name}[{literal(c)}]", kind) for c, kind in found.items()]
    return Completions(f"{name}.{typed}", written + [(f"{name}.{entry}", kind) for entry, kind in others], chosen=True)


def _rank(value: Any) -> int:
    """Frames first, then other values, functions and classes, modules."""
    if is_frame(value):
        return 0
    if is_module(value):
        return 3
    return 2 if kind_of(value) in ("function", "class") else 1
