r"""Text that is not ours as it is shown: in HTML without marks that a page's typesetter acts on, in a terminal without its escapes.

JupyterLab and exported pages typeset the text of every output, so a `$`, a `\(` or a
`\begin` in a path, a label or an error would be read as mathematics, and mathematics may
hold links whose target nobody sees. A mark in an element of its own is none: a typesetter
joins no text across elements.
"""

from __future__ import annotations

import re
from html import escape

_MARK = re.compile(r"&#(?:36|92);")
_MARKDOWN = re.compile(r"[`~]|\[(?!U\+[0-9A-F]{4}\])")
_LITERAL = re.compile(r"[`~$\\]|\[(?!U\+[0-9A-F]{4}\])")
_PRICE = re.compile(r"\$\d")
_ESCAPES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def inert(text: object) -> str:
    r"""Any text as HTML that shows it and nothing else, for a text node or an attribute's value it is not meant for.

    >>> inert(r"costs $n <b> \(x\)")
    'costs <span>&#36;</span>n &lt;b&gt; <span>&#92;</span>(x<span>&#92;</span>)'
    """
    plain = undirected(printable(str(text)))
    if "\\" not in plain and plain.count("$") == 1 and _PRICE.search(plain):
        return _MARKDOWN.sub(_entity, escape(plain))  # one price pairs with nothing
    return _MARK.sub(lambda m: f"<span>{m[0]}</span>", literal(plain))


def literal(text: str) -> str:
    r"""Text as HTML for code and the like, which typesetters leave alone, with nothing that a reader of Markdown acts on.

    Pandoc reads the HTML in a Markdown document as Markdown: mathematics, raw TeX, links. An entity is none of these,
    and who copies from the page copies the character.

    >>> literal(r"`\input{x}`")
    '&#96;&#92;input{x}&#96;'
    """
    return _LITERAL.sub(_entity, escape(text))


def _entity(m: re.Match[str]) -> str:
    return f"&#{ord(m[0])};"


def printable(text: str) -> str:
    r"""The text without what a terminal or a reader's eye would be led by: escapes, overwriting, reversed directions.

    >>> printable("a\x1b[2Jb\rc\u202ed")
    'a␛[2Jb\nc[U+202E]d'
    """
    text = text.replace("\r\n", "\n")
    text = _ESCAPES.sub(lambda m: "\n" if m[0] in "\r\x0b\x0c\x85" else "␛" if m[0] == "\x1b" else "\ufffd", text)
    text = _TURNING.sub(lambda m: f"[U+{ord(m[0]):04X}]", text)
    return _SURROGATE.sub("\ufffd", text).replace("\u2028", "\n").replace("\u2029", "\n")


def undirected(text: str) -> str:
    r"""The text without lines that AsciiDoc obeys even in a listing, or that end one: nbconvert puts what we show there.

    >>> undirected("include::/etc/passwd[]").replace("\u200b", "|")
    'include|::/etc/passwd[]'
    """
    return _DIRECTIVE.sub(lambda m: f"{m[0]}\u200b", text)


_DIRECTIVE = re.compile(r"(?m)\b(?:include|ifn?def|ifeval|endif)(?=::\S)|^[ \t]*\+\+(?=\+\+)")  # pandoc wraps lines: anywhere


def one_block(html: str) -> str:
    """HTML without blank lines: a Markdown document that holds it would end the block there and read on as Markdown.

    >>> one_block("<pre>a\\n\\nb</pre>")
    '<pre>a\\n&#10;b</pre>'
    """
    html = re.sub("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", " ", html)  # other programs see lines there
    return re.sub(r"(?<=\n)([ \t]*)\n", r"\1&#10;", html)
