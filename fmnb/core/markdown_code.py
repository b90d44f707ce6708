"""Where code is in Markdown.

Only what every Markdown parser treats as code counts and is left unchanged. These are fences at the
margin around whole blocks, and single backticks that pair in only one way. What parsers could
interpret in two ways does not count, nor does anything in a text that contains a fence of another
kind.
"""

from __future__ import annotations

import re

_FENCE = re.compile(r"^[^\S\n]*(?:(?:[>*+-]|\d+[.)])[^\S\n]*)*(`{3,}|~{3,})([^\n]*)$", re.M)
_LAZY = re.compile(r"(?m)^[^\S\n]*[>|:+=]|^\[\^")  # blocks that some readers continue on the following lines
_DEFINES = re.compile(r"(?m)^[^\S\n]*(?:\[[^\n]*\]:|[:~](?:\s|\Z))")  # notes, targets and terms, whose text may continue below
_WORD = re.compile(r"[^\S\n]*[\w+#.-]*[^\S\n]*")
_BLANK = re.compile(r"\n[^\S\n]*\n")
_RUN = re.compile(r"`+")
_SPAN = re.compile(r"`([^`\n]+)`")
_OWN_WAYS = re.compile(r"[$<\\]|\^\[|&#|\]\(|\]:|^[ ]{0,3}\[", re.M)  # what a reader may take before a backtick, or instead of one


def code_parts(text: str) -> list[tuple[int, int]]:
    r"""Start and end of each piece of code, without its marks.

    >>> text = "Use `\\n`:\n\n```python\nprint('\\n')\n```\n"
    >>> [text[a:b] for a, b in code_parts(text)]
    ['\\n', "print('\\n')\n"]
    """
    blocks = _blocks(text)
    if blocks is None:
        return []
    parts: list[tuple[int, int]] = []
    at = 0
    for begin, start, end, close in blocks:
        parts += [*_spans(text, at, begin), (start, end)]
        at = close
    return [*parts, *_spans(text, at, len(text))]


def _blocks(text: str) -> list[tuple[int, int, int, int]] | None:
    """Fenced blocks: start of the opening line, code, closing line and rest; None if a fence is ambiguous."""
    fences = list(_FENCE.finditer(text))
    if len(fences) % 2:
        return None
    found = []
    for opening, closing in zip(fences[::2], fences[1::2], strict=True):
        mark = opening[1]
        plain = opening[0].startswith(mark) and closing[0].rstrip() == mark and mark[0] == "`" and _WORD.fullmatch(opening[2])
        above = text[: opening.start()].rpartition("\n\n")[2]
        if not plain or _LAZY.search(above):
            return None
        found.append((opening.start(), min(opening.end() + 1, closing.start()), closing.start(), closing.end()))
    return None if _others(text, found) else found


def _others(text: str, blocks: list[tuple[int, int, int, int]]) -> bool:
    """Whether something outside the blocks may extend into them."""
    at = 0
    for begin, _, _, close in [*blocks, (len(text), 0, 0, 0)]:
        between = text[at:begin]
        if "```" in between or "~~~" in between or _DEFINES.search(between):
            return True
        at = close
    return False


def _spans(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Inline code, in paragraphs whose backticks pair in only one way."""
    found = []
    while start < end:
        gap = _BLANK.search(text, start, end)
        stop = gap.start() if gap else end
        paragraph = text[start:stop]
        spans = list(_SPAN.finditer(paragraph))
        around = _SPAN.sub("``", paragraph)
        indented = re.search(r"(?m)^(?: {4}| *\t)", paragraph)
        single = all(len(m[0]) == 1 for m in _RUN.finditer(paragraph)) and len(_RUN.findall(paragraph)) == 2 * len(spans)
        if (
            spans
            and single
            and not indented
            and not _OWN_WAYS.search(around)
            and not any("|" in m[1] or m[1].endswith("\\") for m in spans)
        ):
            found += [(start + m.start(1), start + m.end(1)) for m in spans]
        start = gap.end() if gap else end
    return found
