"""Renders model text as inert HTML, for JupyterLab, exports and web viewers.

The output only has inline styles: no scripts, event attributes, classes, ids, forms, or remote
loads. Raw HTML is shown as text, an image becomes a note, and a link shows its target.
Mathematics is left to the front end's typesetter, without commands that have effects or change
other cells. Colors are variables of the theme, for light and dark.
"""

from __future__ import annotations

import importlib
import re
from html import escape
from typing import Any
from urllib.parse import unquote, urlsplit

from ..core.inert_text import inert, literal, undirected
from .colors import BORDER, LINK, MONO, MUTED, PAPER, SHADE, code_color
from .math import install_math

_HEAVY = 4_000  # markers in one paragraph; Markdown's rules are slow beyond that, and nobody writes so
_LONG_CODE = 60_000  # characters; longer code is shown plain


def render(text: str) -> str:
    """Markdown from a model as safe HTML.

    >>> render("a <b>c</b>")
    '<p dir="auto">a &lt;b&gt;c&lt;/b&gt;</p>\\n'
    """
    if plain := _plain(text):
        return plain
    return _markdown().render(_clean(text))


class Rendering:
    """Renders a growing text incrementally: closed blocks are kept, only the rest is rendered again.

    A block is closed when a blank line ends it and another block has begun. A text with reference
    links is rendered completely each time, since a later definition affects earlier text.

    >>> r = Rendering(); r.html("a") == render("a"), r.html("a\\n\\nb") == render("a\\n\\nb")
    (True, True)
    """

    def __init__(self) -> None:
        self.kept = ""  # source of the closed blocks
        self.done = ""  # and their HTML

    def html(self, text: str) -> str:
        """The result of `render(text)`."""
        if not self.kept and (plain := _plain(text)):
            return plain
        text = _clean(text)
        if not text.startswith(self.kept):  # the answer was restarted
            self.kept = self.done = ""
        md = _markdown()
        if _DEFINITION.search(text):
            return md.render(text)
        tail = text[len(self.kept) :]
        lines = tail.split("\n")
        tokens = md.parse(tail)
        # The last block may continue, and so may the last, unfinished line.
        starts = [t.map[0] for t in tokens if t.level == 0 and t.map and t.nesting >= 0]
        cut = next((s for s in reversed(starts) if 0 < s < len(lines) - 1 and not lines[s - 1].strip()), 0)
        if not cut:
            return self.done + _draw(md, tokens)
        first = next(i for i, t in enumerate(tokens) if t.level == 0 and t.map and t.map[0] == cut)
        self.done += _draw(md, tokens[:first])
        self.kept += "\n".join(lines[:cut]) + "\n"
        return self.done + _draw(md, tokens[first:])


_DEFINITION = re.compile(r"\]:")
_SIMPLE = re.compile(r"[A-Za-z][A-Za-z0-9\u00c0-\u024f ,.;()?%/]*(?<! )")  # no characters with a meaning in Markdown or HTML
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")


def _plain(text: str) -> str:
    """Render one simple line, without loading a Markdown parser."""
    return f'<p dir="auto">{text}</p>\n' if len(text) < 2_000 and _SIMPLE.fullmatch(text) else ""


def _clean(text: str) -> str:
    """Control characters become visible or vanish; line ends become `\\n`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    text = text.replace("\u2028", "\n").replace("\u2029", "\n")  # other programs treat these as line ends
    return _CONTROL.sub("\ufffd", text)


def _draw(md: Any, tokens: list[Any]) -> str:
    return md.renderer.render(tokens, md.options, {})


_parser: Any = None


def _markdown() -> Any:
    global _parser
    if _parser is None:
        library = importlib.import_module("markdown_it")
        md = library.MarkdownIt("commonmark", {"html": False, "maxNesting": 24}).enable(["table", "strikethrough"])
        md.disable(["html_block", "html_inline"])
        md.validateLink = _allowed
        md.core.ruler.at("inline", _inline)
        install_math(md)
        rules = md.renderer.rules
        rules["text"] = lambda tokens, i, options, env: _text(tokens[i].content)
        rules["code_inline"] = lambda tokens, i, options, env: _code_inline(tokens[i].content)
        rules["fence"] = lambda tokens, i, options, env: code(tokens[i].content, unquote(tokens[i].info).strip().split(" ")[0])
        rules["code_block"] = lambda tokens, i, options, env: code(tokens[i].content)
        rules["image"] = _image
        rules["link_open"] = _link_open
        rules["link_close"] = _link_close
        rules["table_open"] = lambda *_: f'<div style="overflow-x:auto;margin:.6em 0"><table style="{_TABLE}">\n'
        rules["table_close"] = lambda *_: "</table></div>\n"
        rules["hr"] = lambda *_: f'<hr style="border:0;border-top:1px solid {BORDER};margin:1em 0">\n'
        for tag, style in _STYLES.items():
            rules[f"{tag}_open"] = _opener(style)
        _parser = md
    return _parser


_TABLE = "border-collapse:collapse;margin:0;table-layout:auto"
_CELL = f"padding:.3em .8em;border:1px solid {BORDER};vertical-align:top;white-space:normal;max-width:60ch;text-align:"
_STYLES = {
    "paragraph": "",
    "list_item": "",
    "bullet_list": "",
    "ordered_list": "",
    "blockquote": f"border-left:3px solid {BORDER};margin:.6em 0;padding:0 0 0 1em;color:{MUTED}",
    "heading": "",
    "tr": "background:none",  # JupyterLab shades rows; shade under proportional text is the footer's alone
    "th": _CELL,
    "td": _CELL,
}
_HEADINGS = {"h1": "1.4em", "h2": "1.25em", "h3": "1.1em", "h4": "1em", "h5": ".95em", "h6": ".9em"}


def _opener(style: str) -> Any:
    def rule(tokens: Any, i: int, options: Any, env: Any) -> str:
        token = tokens[i]
        if token.hidden:
            return ""
        css = style
        if token.tag in ("th", "td"):
            align = str(token.attrGet("style") or "").removeprefix("text-align:")
            css += align if align in ("left", "right", "center") else "left"
            css += ";font-weight:600" if token.tag == "th" else ""
            css += (
                ";min-width:11em" if len(tokens[i + 1].content) > 22 else ""
            )  # in a narrow window the table scrolls instead of breaking words
        elif token.tag in _HEADINGS:
            css = f"font-size:{_HEADINGS[token.tag]};font-weight:600;line-height:1.3;margin:.9em 0 .4em"
        if token.tag in ("p", *_HEADINGS) and _RIGHT_TO_LEFT.search(tokens[i + 1].content):
            css = f"{css};text-align:start" if css else "text-align:start"  # Lab sets left on every paragraph
        start = ""
        if token.tag == "ol" and str(token.attrGet("start") or "").isdigit():
            start = f' start="{token.attrGet("start")}"'
        # dir=auto on each block: right-to-left text gets its own direction and cannot turn its neighbours round
        out = f'<{token.tag}{start} dir="auto"' + (f' style="{css}"' if css else "") + ">"
        return out + ("\n" if token.tag in ("ul", "ol", "blockquote") else "")

    return rule


def _inline(state: Any) -> None:
    """Parse inline Markdown; a paragraph with thousands of markers is plain text."""
    for token in state.tokens:
        if token.type != "inline":
            continue
        if sum(map(token.content.count, "[]*_`$<!~\\&")) > _HEAVY:
            text = type(token)("text", "", 0)
            text.content = token.content
            token.children = [text]
        else:
            token.children = token.children or []
            state.md.inline.parse(token.content, state.md, state.env, token.children)


def _visible(text: str) -> str:
    """Make direction marks visible, since they can disguise code and links."""
    return _BIDI.sub(lambda m: f"[U+{ord(m[0]):04X}]", text)


def _text(content: str) -> str:
    """Text outside mathematics, with TeX marks escaped."""
    return inert(_COMMAND.sub("\\\\\u200b", content))


_COMMAND = re.compile(r"\\(?=[A-Za-z]+\s*\{)")


def _code_inline(content: str) -> str:
    return f'<code style="font-family:{MONO};font-size:.92em;color:inherit;background:{SHADE};padding:.1em .35em;border-radius:3px">{literal(undirected(_visible(content)))}</code>'


def code(source: str, language: str = "") -> str:
    """A block of code, highlighted if the language is known."""
    source = undirected(_visible(_clean(source)))
    body = _highlighted(source, language) if language and len(source) <= _LONG_CODE else ""
    return (
        f'<pre dir="ltr" style="font-family:{MONO};font-size:.92em;line-height:1.45;background:{PAPER};border:1px solid {BORDER};padding:.7em .9em;margin:.6em 0;'
        f'border-radius:4px;overflow-x:auto;white-space:pre;text-align:left"><code style="{_BARE}">{body or literal(source)}</code></pre>\n'
    )


_BARE = "background:none;border:0;padding:0;font:inherit;color:inherit;white-space:inherit;word-break:normal;overflow-wrap:normal"  # override the front end's style for code

_COLORS = {
    "Keyword": "keyword",
    "Name.Builtin": "builtin",
    "Name.Function": "def",
    "Name.Class": "def",
    "Name.Decorator": "meta",
    "Name.Tag": "property",
    "Name.Attribute": "attribute",
    "Literal.String": "string",
    "Literal.Number": "number",
    "Operator": "operator",
    "Comment": "comment",
    "Generic.Deleted": "error",
    "Generic.Inserted": "inserted",
}


def _highlighted(source: str, language: str) -> str:
    if not re.fullmatch(r"[\w+#.-]{1,30}", language) or language.lower() in ("text", "txt", "plain", "mermaid"):
        return ""
    try:
        lexer = importlib.import_module("pygments.lexers").get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except (ImportError, ValueError):  # ValueError: no lexer of that name
        return ""
    out: list[str] = []
    style, run = "", ""
    for kind, value in lexer.get_tokens(source):
        new = _style(str(kind)[6:])
        if new != style and value.strip():
            out.append(_span(style, run))
            style, run = new, ""
        run += value
    out.append(_span(style, run))
    return "".join(out)


def _style(kind: str) -> str:
    while kind:
        if kind in _COLORS:
            name = _COLORS[kind]
            italic = ";font-style:italic" if name == "comment" else ""
            return f"color:{code_color(name)}{italic}"
        kind = kind.rpartition(".")[0]
    return ""


def _span(style: str, text: str) -> str:
    return f'<span style="{style}">{literal(text)}</span>' if style and text else literal(text)


_TARGET = re.compile(r"(?i)(https?)://([^/?#]+)[^\x00-\x20]*|mailto:[^\x00-\x20<>\"]+")


def _allowed(url: str) -> bool:
    """Whether a URL is allowed: absolute http, https or mailto, without a user name, with a plain host."""
    m = _TARGET.fullmatch(url.strip())
    if not m:
        return False
    return not m[2] or bool(re.fullmatch(r"[\w.-]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?", m[2]))


def _host(url: str) -> str:
    """The target of a link: host or mail address."""
    if url.lower().startswith("mailto:"):
        return unquote(url[7:].partition("?")[0])
    try:
        return urlsplit(url).netloc
    except ValueError:
        return url


def _link_open(tokens: Any, i: int, options: Any, env: Any) -> str:
    url = str(tokens[i].attrGet("href") or "")
    return (
        f'<a style="color:{LINK}" href="{escape(url)}" title="{escape(_visible(url))}" target="_blank" rel="noopener noreferrer nofollow">'
    )


def _link_close(tokens: Any, i: int, options: Any, env: Any) -> str:
    """Append the target of a link, unless its text is the target."""
    depth, start = 0, i
    while start > 0:
        start -= 1
        if tokens[start].type == "link_close":
            depth += 1
        elif tokens[start].type == "link_open":
            if not depth:
                break
            depth -= 1
    url = str(tokens[start].attrGet("href") or "")
    said = "".join(t.content for t in tokens[start + 1 : i])
    host = _host(url)
    if said in (url, unquote(url), host) or (url.lower().startswith("mailto:") and said == host):
        return "</a>"
    return f'</a> <small style="color:{MUTED}">({inert(host)})</small>'


def _image(tokens: Any, i: int, options: Any, env: Any) -> str:
    """Replace a remote image with a note: loading it could leak data to its host."""
    token = tokens[i]
    url = str(token.attrGet("src") or "")
    where = _host(url) + (urlsplit(url).path[:40] if "://" in url else "")
    alt = f": {token.content}" if token.content else ""
    note = inert(f"image not loaded{alt} ({where})")
    return f'<span style="border:1px dashed {BORDER};border-radius:3px;padding:0 .4em;color:{MUTED}">{note}</span>'
