"""Fenced blocks of an answer, paired as in Markdown.

A closing fence has the character of the opening one and is at least as long.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPENING_FENCE = re.compile(r"^(.*?)(?<![`~])(`{3,}|~{3,})[ \t]*([^`\n]*)$")
_WORD = re.compile(r"[\w+#.-]*")
_ONE_LINE_BLOCK = re.compile(r"^[ \t]*(`{3,})([\w+#.-]+)?[ \t]+([^`\n]+?)[ \t]*\1[ \t]*$")
_QUOTE_MARK = re.compile(r"^[ \t]*>[ \t]?")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language in lower case ("" without one), and its text."""

    language: str
    text: str


def blocks(text: str) -> tuple[list[Block], str]:
    """The fenced blocks of a text, and the text outside of them.

    An unclosed block extends to the end.

    >>> blocks("First:\\n~~~SQL\\nselect 1\\n~~~\\nDone.")
    ([Block(language='sql', text='select 1')], 'First:\\nDone.')
    """
    result: list[Block] = []
    outside: list[str] = []
    lines: list[str] = []
    fence = language = indent = ""
    for line in text.splitlines():
        if not fence:
            if match := _ONE_LINE_BLOCK.match(line):
                result.append(Block((match[2] or "").lower(), match[3]))
            elif (opening := _OPENING_FENCE.match(line)) and _is_fence(opening):
                fence, language, lines = opening[2], _first_word(opening[3]), []
                indent = "" if opening[1].strip() else opening[1]
                outside += [opening[1]] if opening[1].strip() else []
            else:
                outside.append(line)
            continue
        before, closed = _split_closing_fence(line.removeprefix(indent), fence)
        if not closed:
            lines.append(line.removeprefix(indent))
            continue
        result.append(Block(language, _without_quote_marks([*lines, *([before] if before.strip("> \t") else [])])))
        fence = ""
    if fence:
        result.append(Block(language, _without_quote_marks(lines)))
    return result, "\n".join(outside).strip()


def _is_fence(m: re.Match[str]) -> bool:
    """Whether the match opens a block: in the middle of a line only if a word or nothing follows."""
    return not m[1].strip("> \t") or _WORD.fullmatch(m[3].strip()) is not None


def _first_word(info: str) -> str:
    """The language in an info string, also written as `{sql}` or `{.sql}`."""
    words = info.strip().strip("{}").split()
    return words[0].strip("{}.,:").lower() if words else ""


def _split_closing_fence(line: str, fence: str) -> tuple[str, bool]:
    """The text before a closing fence, and whether the line has one.

    Backticks may also end the last line of code.
    """
    line = line.rstrip()
    before = line.rstrip(fence[0])
    long_enough = len(line) - len(before) >= len(fence)
    return before, long_enough and (fence[0] == "`" or not before.strip("> \t"))


def _without_quote_marks(lines: list[str]) -> str:
    """The lines of a block without the quotation marks (`>`) around it."""
    if lines and all(_QUOTE_MARK.match(line) for line in lines):
        lines = [_QUOTE_MARK.sub("", line) for line in lines]
    return "\n".join(lines).strip("\n")
