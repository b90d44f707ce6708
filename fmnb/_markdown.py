"""Model text made harmless for a Markdown renderer that is not ours.

A notebook front end may render Markdown with raw HTML, scripts and remote images, and
their parsers differ, so nothing here depends on where a parser thinks code begins. The
exact text is kept in the Response and in `text/plain`; this is for display alone.
"""

from __future__ import annotations

import re

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_IMAGE = re.compile(r"!(?=\[)")
_SCHEME = re.compile(r"(?i)\b(javascript|vbscript|data|file)(?=\s*(?::|&))")
_ENTITY_IN_TARGET = re.compile(r"(\]\(\s*<?|\]:\s*<?)([^\s)>]*&[^\s)>]*)")
_DIAGRAM = re.compile(r"(?im)^(\s*(?:`{3,}|~{3,})\s*)(mermaid|vega|vega-lite|geojson|html)\b")
_BREAK = "\u200b"  # zero-width space: invisible, and `<` followed by it opens no tag


def neutral_markdown(text: str) -> str:
    r"""Markdown that shows `text` and cannot act: no tags, no images, no script links.

    >>> neutral_markdown("a <b>c</b> ![x](http://e/t.png)").replace("\u200b", "|")
    'a <|b>c<|/b> \\![x](http://e/t.png)'
    """
    text = _TAG.sub("<" + _BREAK, text)
    text = _IMAGE.sub(r"\\!", text)
    text = _SCHEME.sub(lambda m: m[1] + _BREAK, text)
    text = _ENTITY_IN_TARGET.sub(lambda m: m[1] + m[2].replace("&", "&amp;"), text)
    return _DIAGRAM.sub(lambda m: f"{m[1]}text", text)
