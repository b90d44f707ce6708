r"""Escaping of untrusted text for HTML, TeX typesetters, Markdown and terminals.

JupyterLab and exported pages typeset the text of every output, so a `$`, a `\(` or a
`\begin` in a path, a label or an error would be read as mathematics, and mathematics may
contain links with hidden targets. A mark in an element of its own is harmless: typesetters do
not join text across elements.
"""

from __future__ import annotations

import re
from html import escape

_MARK = re.compile(r"&#(?:36|92);")
_MARKDOWN = re.compile(r"[`~]|\[(?!U\+[0-9A-F]{4}\])")
_LITERAL = re.compile(r"[`~$\\]|\[(?!U\+[0-9A-F]{4}\])")
_CODE = re.compile(r"&#96;(?!&#96;)([^\n]+?)&#96;")
_PRICE = re.compile(r"\$\d")
_ESCAPES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def inert(text: object) -> str:
    r"""Escape any text for an HTML text node or attribute; it is shown as it is and has no effect.

    >>> inert(r"costs $n <b> \(x\)")
    'costs <span>&#36;</span>n &lt;b&gt; <span>&#92;</span>(x<span>&#92;</span>)'
    """
    plain = undirected(printable(str(text)))
    if "\\" not in plain and plain.count("$") == 1 and _PRICE.search(plain):
        return _MARKDOWN.sub(_entity, escape(plain))  # a single price pairs with nothing
    return _MARK.sub(lambda m: f"<span>{m[0]}</span>", literal(plain))


def inert_with_code(text: object) -> str:
    """`inert` for our own sentences: what stands between backticks is shown as code.

    >>> inert_with_code("`%fm help` lists <all>")
    '<code>%fm help</code> lists &lt;all&gt;'
    """
    return _CODE.sub(r"<code>\1</code>", inert(text))


def literal(text: str) -> str:
    r"""Escape text for code elements, which typesetters skip, so that Markdown readers do not interpret it.

    Pandoc reads the HTML in a Markdown document as Markdown: mathematics, raw TeX, links. Entities
    prevent that, and copying from the page still copies the character.

    >>> literal(r"`\input{x}`")
    '&#96;&#92;input{x}&#96;'
    """
    return _LITERAL.sub(_entity, escape(text))


def _entity(m: re.Match[str]) -> str:
    return f"&#{ord(m[0])};"


def printable(text: str) -> str:
    r"""Make terminal escapes, overwriting and reversed directions visible.

    >>> printable("a\x1b[2Jb\rc\u202ed")
    'a␛[2Jb\nc[U+202E]d'
    """
    text = text.replace("\r\n", "\n")
    text = _ESCAPES.sub(lambda m: "\n" if m[0] in "\r\x0b\x0c\x85" else "␛" if m[0] == "\x1b" else "\ufffd", text)
    text = _TURNING.sub(lambda m: f"[U+{ord(m[0]):04X}]", text)
    return _SURROGATE.sub("\ufffd", text).replace("\u2028", "\n").replace("\u2029", "\n")


def undirected(text: str) -> str:
    r"""Escape lines that AsciiDoc interprets even in a listing, or that end a listing.

    nbconvert writes such listings.

    >>> undirected("include::/etc/passwd[]").replace("\u200b", "|")
    'include|::/etc/passwd[]'
    """
    return _DIRECTIVE.sub(lambda m: f"{m[0]}\u200b", text)


_DIRECTIVE = re.compile(r"(?m)\b(?:include|ifn?def|ifeval|endif)(?=::\S)|^[ \t]*\+\+(?=\+\+)")  # pandoc wraps lines: anywhere


def one_block(html: str) -> str:
    """Remove blank lines from HTML: inside Markdown, a blank line would end the HTML block.

    >>> one_block("<pre>a\\n\\nb</pre>")
    '<pre>a\\n&#10;b</pre>'
    """
    html = re.sub("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", " ", html)  # other programs see lines there
    return re.sub(r"(?<=\n)([ \t]*)\n", r"\1&#10;", html)
