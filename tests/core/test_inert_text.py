"""Whatever stands in a view, no typesetter finds a mark in it outside mathematics that is known to be harmless."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from fmnb.calls.preview import Preview
from fmnb.core.inert_text import inert, one_block
from fmnb.core.markdown import neutral_markdown
from fmnb.core.records import Rows
from fmnb.core.response import Response
from fmnb.core.tex import safe_formula
from fmnb.core.types import File, Image, TokenCount, Usage, message
from fmnb.views.bundle import FORMATS, answer_bundle, error_html, progress_html, reasoning_bundle, waiting_html
from fmnb.views.comparison import AnswerFeedback, columns_bundle, layout
from fmnb.views.html import render

EVIL = [
    r"$\href{javascript:alert(1)}{click}$",
    r"$$\href{https://evil.example}{click}$$",
    r"\(\href{javascript:alert(1)}{click}\)",
    r"\[\unicode[style]{x}\]",
    r"\begin{equation}\class{jp-mod}{x}\end{equation}",
    r"\begin{align*}\require{html}\end{align*}",
    r"\ref{a} \eqref{b}",
    r"a $x$ b $\cssId{x}{y}$",
    r"$\def\frac#1{\href{https://evil.example}{#1}}$",
]


class Nodes(HTMLParser):
    """The text nodes that a typesetter reads: none in code, no two joined."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.nodes: list[str] = []
        self.inside: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in ("br", "hr", "img"):
            self.inside.append(tag)
        self.nodes.append("")

    def handle_endtag(self, tag):
        assert self.inside.pop() == tag
        self.nodes.append("")

    def handle_data(self, data):
        if not {"pre", "code"} & set(self.inside):
            self.nodes[-1:] = [(self.nodes or [""])[-1] + data]


def marks(html):
    """Text nodes that a typesetter would act on, beyond harmless mathematics."""
    found = []
    for node in Nodes(html).nodes:
        text = node.strip()
        if text in ("$", "\\") or safe_formula(text):
            continue
        if text.count("$") > 1 or "\\" in text:
            found.append(node)
    return found


def hostile(text):
    error = {"kind": "CallError", "message": text, "detail": text, "hint": f"Do `{text}`", "billed": None}
    return Response(
        text, run=text, model=text, requested_model=text, host=text, reasoning=text, usage=Usage(), finish_reason="error", error=error, notes=(text,),
        not_applied=(text,), media=(Image(b"no picture", "image/png", text), File(b"x", "video/mp4", text)),
        extra={"title": text, "size": text, "sources": [{"title": text, "text": text, "url": text}], "citations": [{"document_title": text, "cited_text": text}]},
    )  # fmt: skip


def views(text):
    r = hostile(text)
    for format in FORMATS:
        yield answer_bundle(r, format=format, header=text, failure=error_html(r.error))[0]["text/html"]
        yield answer_bundle(r, format=format, header=text, blind=True)[0]["text/html"]
    yield answer_bundle(r, streaming=True, header=text, status=waiting_html(text))[0]["text/html"]
    yield progress_html(text, 0.5)
    yield reasoning_bundle(text, 1.0, False)[0]["text/html"]
    said = AnswerFeedback({0: text}, frozenset({0}), {1: text}, text)
    axes = [{"model": m, "prompt": p} for m in (text, "b") for p in (text, "q")]
    labels = [f"{text}{i}" for i in range(4)]
    yield columns_bundle([r] * 4, labels, layout(axes, labels), run="r", feedback=said)[0]["text/html"]
    rows = Rows([{text: text, "n": 1}], note=text)
    yield rows._repr_html_()
    yield Rows([], note=text)._repr_html_()
    yield Preview(text, text, (message("user", text),), {text: text}, TokenCount(3, True, text), None, text, text)._repr_html_()
    yield render(
        f"![{text}](https://e.example/{text}) [{text}](https://e.example/) **{text}** | {text} |\n\n# {text}\n\n> {text}\n\n|{text}|\n|-|\n|{text}|"
    )


@pytest.mark.parametrize("text", EVIL)
def test_no_view_has_a_mark_of_tex_in_any_slot(text):
    for html in views(text):
        assert marks(html) == [], html
        assert "\n\n" not in html or html.startswith("<p")  # of a document in Markdown it stays one block


@pytest.mark.parametrize(
    "formula",
    [
        r"$\frac{a}{b}$",
        r"$$\sum_{i=1}^n x_i \le \left\lVert v \right\rVert$$",
        r"\(\alpha\to\beta\)",
        r"\[\begin{pmatrix} a & b \\ c & d \end{pmatrix}\]",
        r"$\text{if } x \in \mathbb{R}$",
        r"$$\begin{aligned} a &= b \\ &= c \end{aligned}$$",
        r"$P(A \mid B) = 50\%$",
    ],
)
def test_mathematics_is_left_to_the_typesetter_and_to_exports(formula):
    html = render(f"So {formula} holds.")
    assert [n for n in Nodes(html).nodes if safe_formula(n.strip())] == [formula]
    assert formula in neutral_markdown(f"So {formula} holds.")


@pytest.mark.parametrize(
    "formula",
    [
        *(e for e in EVIL if e.startswith(("$\\", "$$", "\\(", "\\["))),
        r"$\input{/etc/passwd}$",
        r"$^^5cinput{x}$",
        r"$x % \$ \write18{id}$",
        r"$\begin{filecontents}{x}\end{filecontents}$",
        r"$\begin {document}$",
        r"$\text{$\href{x}{y}$}$",
        r"$\rule{99em}{99em}$",
        r"$\unknown$",
        r"$\begin$",
        "$a\\",
    ],
)
def test_what_is_not_only_mathematics_is_shown_as_it_was_typed(formula):
    assert not safe_formula(formula) and marks(render(f"a {formula} b")) == []


def test_prices_are_no_mathematics():
    assert inert("$0.50") == "$0.50" and marks(f"<p>{inert('between $5 and $6')}</p>") == []


def test_html_is_one_block_of_a_markdown_document():
    html = answer_bundle(Response("```\na\n\n![x](https://evil.example/a.png)\n\n\n```\n", model="m"))[0]["text/html"]
    assert "\n\n" not in html.strip() and "\n \n" not in html
    assert one_block("a\n  \n\nb") == "a\n  &#10;&#10;b"


@pytest.mark.parametrize("text", ["a\x1b[2Jb", "a\x9b2Jb", "a\x07b", "a\x1b]8;;https://evil.example\x1b\\b", "a\rb", "\x00\x7f\x85"])
def test_no_control_character_reaches_a_table_or_a_node(text):
    for shown in (str(Rows([{text: text, "n": 1}, {text: 5}, {text: [text]}], note=text)), inert(text), str(Rows([], note=text))):
        assert not any(ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160 for c in shown)
