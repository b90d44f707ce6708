"""Fenced blocks of an answer, paired as Markdown pairs them: a fence is closed by one of its own character that is at least as long."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPENS = re.compile(r"^(.*?)(?<![`~])(`{3,}|~{3,})[ \t]*([^`\n]*)$")
_WORD = re.compile(r"[\w+#.-]*")
_ONE_LINE = re.compile(r"^[ \t]*(`{3,})([\w+#.-]+)?[ \t]+([^`\n]+?)[ \t]*\1[ \t]*$")
_QUOTED = re.compile(r"^[ \t]*>[ \t]?")


@dataclass(frozen=True)
class Block:
    """A fenced block: the first word after its fence in lower case, "" without one, and what stands in it."""

    language: str
    text: str


def blocks(text: str) -> tuple[list[Block], str]:
    """The fenced blocks of a text, and the text outside of them. A block that is not closed goes to the end.

    >>> blocks("First:\\n~~~SQL\\nselect 1\\n~~~\\nDone.")
    ([Block(language='sql', text='select 1')], 'First:\\nDone.')
    """
    found: list[Block] = []
    outside: list[str] = []
    inside: list[str] = []
    fence = language = indent = ""
    for line in text.splitlines():
        if not fence:
            if one := _ONE_LINE.match(line):
                found.append(Block((one[2] or "").lower(), one[3]))
            elif (m := _OPENS.match(line)) and _is_fence(m):
                fence, language, inside = m[2], _first_word(m[3]), []
                indent = "" if m[1].strip() else m[1]
                outside += [m[1]] if m[1].strip() else []
            else:
                outside.append(line)
            continue
        before, closed = _split_closing_fence(line.removeprefix(indent), fence)
        if not closed:
            inside.append(line.removeprefix(indent))
            continue
        found.append(Block(language, _without_quote_marks([*inside, *([before] if before.strip("> \t") else [])])))
        fence = ""
    if fence:
        found.append(Block(language, _without_quote_marks(inside)))
    return found, "\n".join(outside).strip()


def _is_fence(m: re.Match[str]) -> bool:
    """Whether it opens a block: in the middle of a line only with a word or nothing after it."""
    return not m[1].strip("> \t") or _WORD.fullmatch(m[3].strip()) is not None


def _first_word(info: str) -> str:
    """The language that an info string names, also as `{sql}` or `{.sql}`."""
    words = info.strip().strip("{}").split()
    return words[0].strip("{}.,:").lower() if words else ""


def _split_closing_fence(line: str, fence: str) -> tuple[str, bool]:
    """What stands before a closing fence, and whether there is one: backticks may also end the last line of the code."""
    line = line.rstrip()
    before = line.rstrip(fence[0])
    long_enough = len(line) - len(before) >= len(fence)
    return before, long_enough and (fence[0] == "`" or not before.strip("> \t"))


def _without_quote_marks(lines: list[str]) -> str:
    """The lines of a block, without the marks of a quotation around it."""
    if lines and all(_QUOTED.match(line) for line in lines):
        lines = [_QUOTED.sub("", line) for line in lines]
    return "\n".join(lines).strip("\n")
