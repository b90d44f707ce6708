"""TeX in Markdown: protected from the Markdown parser, and typeset only if it is mathematics.

`$...$`, `$$...$$`, `\\(...\\)` and `\\[...\\]` go through as typed, each in an element of its
own, where every command in it is known to be harmless. What is not is shown as code, which
no typesetter reads. Words, prices, shell variables and columns between dollar signs are text.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from ..core.inert_text import literal, undirected
from ..core.tex import safe_formula

_OPERATOR = re.compile(r"[=+*^<>|\u00b1\u00d7\u00f7\u0370-\u03ff\u2190-\u22ff]|\\[A-Za-z{,;:!#&%]|_\{|/\{")
_JOINED = re.compile(r"[/_-]")  # also joins the words of a name or a path
_WORD = re.compile(r"[^\W\d_]{3,}")
_COMMAND = re.compile(r"\\(?:text\w*|math[a-z]+|operatorname|mbox)\s*\{[^{}]*\}|\\[A-Za-z]+")
_PROSE = re.compile(r"[^\W\d_]{2,}[,;:]?\s+[^\W\d_]{2,}|[`\"]")  # two words, or what quotes text and code
_SYMBOLS = re.compile(
    r"[\[(]\s*-?(?:\d+(?:\.\d+)?|[A-Za-z]{1,2})(?:,\s*-?(?:\d+(?:\.\d+)?|[A-Za-z]{1,2}))*\s*[\])]"
    r"|\(?(?:[A-Za-z][!']*|\d*[A-Za-z]!?)(?:\([A-Za-z0-9, ]{1,8}\))?(?:,\s?[A-Za-z0-9]{1,2}){0,3}\)?|\d+(?:[.,]\d+)*\s?(?:\\?%|!)?"
)
_ORDINAL = re.compile(r"\$(?:[A-Za-z]|\d+)\$(?:st|nd|rd|th|s)\b")
_LINES = 100  # of display math; without a limit thousands of openings would each be followed to the end


def install_math(md: Any) -> None:
    """Teach a markdown-it parser to leave mathematics alone."""
    md.inline.ruler.before("escape", "math", _inline)
    md.block.ruler.before("fence", "math_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    md.renderer.rules["math"] = lambda tokens, i, options, env: _show(tokens[i].content)
    md.renderer.rules["math_block"] = lambda tokens, i, options, env: (
        f'<p dir="ltr" style="overflow-x:auto">{_show(tokens[i].content)}</p>\n'
    )


def is_math(content: str) -> bool:
    """Whether the text between two dollar signs reads as mathematics.

    It has an operator, a relation, a command or an index, and no two words side by side; or it is
    a letter or two, such as `x`, `2n`, `f(x)` or `x, y`.

    >>> [is_math(c) for c in (r"\\frac{1}{2}", "E = mc^2", "x", "f(x)", "not math", "PATH", "6, x")]
    [True, True, True, True, False, False, False]
    """
    content = content.strip()
    if not content or content[0] in "/_^=" or content[-1] in "/_^=" or _PROSE.search(_COMMAND.sub(" ", content)):
        return False
    if _OPERATOR.search(content) or _SYMBOLS.fullmatch(content):
        return True
    return bool(_JOINED.search(content)) and not _WORD.search(content)


def _stands_alone(text: str, at: int, end: int) -> bool:
    """Whether no code or price has the dollar signs, as `df$a`, `$a-$b`, `^$`. `$n$th` is mathematics."""
    if at and (text[at - 1].isalnum() or text[at - 1] == "^"):
        return False
    return not text[end : end + 1].isalnum() or bool(_ORDINAL.match(text, at))


def _show(source: str) -> str:
    return f"<span>{escape(undirected(source))}</span>" if safe_formula(source) else f"<code>{literal(undirected(source))}</code>"


def _inline(state: Any, silent: bool) -> bool:
    text, at = state.src, state.pos
    if text[at] == "$":
        end = _dollars(text, at, state.posMax)
    elif text[at] == "\\" and text[at + 1 : at + 2] in ("(", "["):
        close = "\\)" if text[at + 1] == "(" else "\\]"
        end = text.find(close, at + 2, state.posMax)
        end = end + 2 if end > at + 2 and is_math(text[at + 2 : end]) else 0
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
    them. What is between must read as mathematics, on one line.
    """
    if text.startswith("$$", at):
        end = text.find("$$", at + 2, limit)
        return end + 2 if end > at + 2 and is_math(text[at + 2 : end]) else 0
    if at + 1 >= limit or text[at + 1].isspace():
        return 0
    end = at
    while (end := text.find("$", end + 1, limit)) > 0:
        if text[end - 1] == "\\":
            continue
        content = text[at + 1 : end]
        ok = content and not content[-1].isspace() and "\n" not in content and _stands_alone(text, at, end + 1)
        return end + 1 if ok and is_math(content) else 0
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
        if text[end + 2 :].strip() or not is_math(content[2 : len(content) - len(text) + end]):
            return False  # words follow on the same line: the inline rule takes it
        if not silent:
            token = state.push("math_block", "", 0)
            token.block = True
            token.content = content.rstrip()
            token.map = [first, line + 1]
            state.line = line + 1
        return True
    return False
