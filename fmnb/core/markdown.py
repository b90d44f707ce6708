"""Model text made safe for Markdown renderers other than fmnb's.

A notebook front end may render Markdown with raw HTML, scripts and remote images, and parsers
differ, so nothing here depends on where a parser thinks code begins. The Response keeps the exact
text; this form is for display and for exports: nbconvert passes it to pandoc, which reads TeX,
attributes and metadata in Markdown and writes LaTeX, PDF, reStructuredText and AsciiDoc.
"""

from __future__ import annotations

import re

from .inert_text import undirected
from .markdown_code import code_parts
from .tex import BREAK, break_formula, safe_formula

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_IMAGE = re.compile(r"!(?=\[)")
_SCHEME = re.compile(r"(?i)\b(javascript|vbscript|data|file)(?=\s*(?::|&))")
_ENTITY_IN_TARGET = re.compile(r"(\]\(\s*<?|\]:\s*<?)([^\s)>]*&[^\s)>]*)")
_DIAGRAM = re.compile(r"(?im)^([^\S\n]*(?:`{3,}|~{3,})[^\S\n]*)(mermaid|vega|vega-lite|geojson|html)\b")
_MATH = re.compile(
    r"\$\$(?:[^$\\]|\\.){1,5000}\$\$|\$(?![\s$])(?:[^$\\\n]|\\.){1,2000}(?<!\s)\$(?!\d)|\\\[.{1,5000}?\\\]|\\\(.{1,2000}?\\\)", re.S
)
_METADATA = re.compile(r"(?m)^(---)(?=[ \t]*$)")
_TITLE = re.compile(r"(?m)^(?=%)")
_ATTRIBUTES = re.compile(r"\{(?=\s*[#.=:]|\s*[\w:-]+\s*=)")  # of pandoc: ids, classes, events, and {=latex}
_RST = re.compile(r"\.\.(?=\s+\S[^\n]*?::|\s*\|)")
_ASCIIDOC = re.compile(
    r"\b(include|ifn?def|ifeval|endif|image|video|audio|toc|link|xref|pass|stem|latexmath|asciimath|icon|eval|sys|load)(?=::?\S*\[)"
)
_PASS = re.compile(r"\+\+(?=\+)")


def neutral_markdown(text: str) -> str:
    r"""Markdown that shows `text` without side effects.

    It has no tags, no images, no script links, and no TeX except mathematics.

    >>> neutral_markdown("a <b>c</b> ![x](http://e/t.png) \\input{x} $\\pi$").replace("\u200b", "|")
    'a <|b>c<|/b> !|[x](http://e/t.png) \\|input{x} $\\pi$'
    """
    text = re.sub("\r\n|[\r\x0b\x0c\x85\u2028\u2029]", "\n", text)  # other programs treat these as line ends
    parts, at = [], 0
    for start, end in code_parts(text):
        parts += [_outside(text[at:start]), _in_code(text[start:end])]
        at = end
    return "".join([*parts, _outside(text[at:])])


def _outside(text: str) -> str:
    parts, at = [], 0
    for m in _MATH.finditer(text):
        if safe_formula(m[0]):
            parts += [_neutral(text[at : m.start()]), _TAG.sub("<" + BREAK, m[0])]
            at = m.end()
    return "".join([*parts, _neutral(text[at:])])


def _in_code(text: str) -> str:
    """Leave code unchanged, because users run it, except for directives that AsciiDoc obeys in listings."""
    return undirected(text)


def _neutral(text: str) -> str:
    text = _TAG.sub("<" + BREAK, text)
    text = _IMAGE.sub("!" + BREAK, text)
    text = _SCHEME.sub(lambda m: m[1] + BREAK, text)
    text = _ENTITY_IN_TARGET.sub(lambda m: m[1] + m[2].replace("&", "&amp;"), text)
    text = _METADATA.sub("-----", text)
    text = _TITLE.sub(BREAK, text)
    text = _ATTRIBUTES.sub("{" + BREAK, text)
    text = _RST.sub(".." + BREAK, text)
    text = _ASCIIDOC.sub(lambda m: m[1] + BREAK, text)
    text = _PASS.sub("++" + BREAK, text)
    return _DIAGRAM.sub(lambda m: f"{m[1]}text", break_formula(text))
