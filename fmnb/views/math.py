"""TeX in Markdown: protected from the Markdown parser, and typeset only if it is mathematics.

`$...$`, `$$...$$`, `\\(...\\)` and `\\[...\\]` go through as typed, each in an element of its
own, where every command in it is known to be harmless. What is not is shown as code, which
no typesetter reads.
"""

from __future__ import annotations

from html import escape
from typing import Any

from ..core.inert_text import literal, undirected
from ..core.tex import safe_formula

_LINES = 100  # of display math; without a limit thousands of openings would each be followed to the end


def install_math(md: Any) -> None:
    """Teach a markdown-it parser to leave mathematics alone."""
    md.inline.ruler.before("escape", "math", _inline)
    md.block.ruler.before("fence", "math_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    md.renderer.rules["math"] = lambda tokens, i, options, env: _show(tokens[i].content)
    md.renderer.rules["math_block"] = lambda tokens, i, options, env: (
        f'<p dir="ltr" style="overflow-x:auto">{_show(tokens[i].content)}</p>\n'
    )


def _show(source: str) -> str:
    return f"<span>{escape(undirected(source))}</span>" if safe_formula(source) else f"<code>{literal(undirected(source))}</code>"


def _inline(state: Any, silent: bool) -> bool:
    text, at = state.src, state.pos
    if text[at] == "$":
        end = _dollars(text, at, state.posMax)
    elif text[at] == "\\" and text[at + 1 : at + 2] in ("(", "["):
        close = "\\)" if text[at + 1] == "(" else "\\]"
        end = text.find(close, at + 2, state.posMax)
        end = end + 2 if end > at + 2 else 0
    else:
        return False
    if not end:
        return False
    if not silent:
        state.push("math", "", 0).content = text[at:end]
    state.pos = end
    return True


def _dollars(text: str, at: int, limit: int) -> int:
    """The end of math that starts at `at`, or 0.

    Pandoc's rule distinguishes it from prices: no space inside the dollar signs, no digit after
    them.
    """
    if text.startswith("$$", at):
        end = text.find("$$", at + 2, limit)
        return end + 2 if end > at + 2 else 0
    if at + 1 >= limit or text[at + 1].isspace():
        return 0
    end = at
    while (end := text.find("$", end + 1, limit)) > 0:
        if text[end - 1] == "\\":
            continue
        ok = end > at + 1 and not text[end - 1].isspace() and not text[end + 1 : end + 2].isdigit()
        return end + 1 if ok else 0
    return 0


def _block(state: Any, first: int, last: int, silent: bool) -> bool:
    """Display math that starts a line; it holds no blank line, as in TeX."""
    if state.sCount[first] - state.blkIndent >= 4:
        return False
    start = state.bMarks[first] + state.tShift[first]
    opening = state.src[start : start + 2]
    if opening not in ("$$", "\\["):
        return False
    closing = "$$" if opening == "$$" else "\\]"
    lines: list[str] = []
    for line in range(first, min(last, first + _LINES)):
        if state.sCount[line] < state.blkIndent and line > first:
            return False
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
        if not text.strip():
            return False
        lines.append(text)
        end = text.find(closing, 0 if line > first else 2)
        if end < 0:
            continue
        content = "\n".join(lines)
        if text[end + 2 :].strip() or not content[2 : len(content) - len(text) + end].strip():
            return False  # words follow on the same line: the inline rule takes it
        if not silent:
            token = state.push("math_block", "", 0)
            token.block = True
            token.content = content.rstrip()
            token.map = [first, line + 1]
            state.line = line + 1
        return True
    return False
