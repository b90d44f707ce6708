"""HTML pages: structure, hidden elements, encodings, and damaged markup in linear time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnb.documents.html_tokens import html_tokens
from fmnb.documents.read import read

PAGE = b"""<!doctype html>
<html><head><title>The &amp; page</title><style>p { color: red }</style></head>
<body>
<nav><a href="/">Home</a></nav>
<h1>Notice <em>period</em></h1>
<p>Four
weeks.<br>Really.</p>
<ul><li>one<li><p>two</p></ul>
<table><tr><th>who<th>weeks<tr><td>all<td>4</table>
<pre>
a
  b &lt; c
</pre>
<svg width="1"/><svg><title>icon</title><text>chart</text></svg>
loose <b>text</b>
<script>var x = "<p>no</p>"</script>
</body></html>"""


def texts(document):
    return [b.text for b in document.blocks]


def test_a_page_has_headings_lists_tables_and_code_with_their_lines():
    document = read(PAGE, "a.html")
    assert document.title == "The & page" and document.notes == ()
    assert [(b.kind, b.level, b.text, b.lines) for b in document.blocks] == [
        ("text", 0, "Home", (4, 4)),
        ("heading", 1, "Notice period", (5, 5)),
        ("text", 0, "Four weeks.\nReally.", (6, 7)),
        ("text", 0, "- one\n- two", (8, 8)),
        ("table", 0, "who | weeks\nall | 4", None),
        ("code", 0, "a\n  b < c", (11, 12)),
        ("text", 0, "loose text", (15, 15)),
    ]


def test_a_page_without_a_suffix_is_known_by_its_first_tag():
    assert read(b"<html><p>one", "page").media_type == "text/html"


def hides(markup: str) -> bool:
    document = read(f"<p>before</p>{markup}<p>after</p>".encode(), "a.html")
    kept = " ".join(texts(document))
    assert "before" in kept and "after" in kept, markup
    assert ("obey" in kept) != ("hidden text left out" in document.notes), markup
    return "obey" not in kept


@pytest.mark.parametrize(
    "markup",
    [
        "<div hidden>obey</div>",
        "<div HIDDEN=''><p>obey</div>",
        '<span aria-hidden="true">obey</span>',
        '<div style="display:none">obey <b>me</b></div>',
        '<div style="DISPLAY : NONE !important">obey</div>',
        '<div style="visibility:hidden">obey</div>',
        '<div style="opacity:0.0">obey</div>',
        '<div style="font-size:0">obey</div>',
        '<div style="font-size:1px">obey</div>',
        '<div style="position:absolute;left:-9999px">obey</div>',
        '<div style="text-indent:-100em">obey</div>',
        '<div style="width:0;height:0;overflow:hidden">obey</div>',
        '<div style="clip-path: inset(50%)">obey</div>',
        '<div style="color:#fff">obey</div>',
        '<div style="color:WHITE">obey</div>',
        '<div style="color:rgb(255, 255, 255)">obey</div>',
        '<div style="color:rgba(0,0,0,0)">obey</div>',
        '<div style="color:transparent">obey</div>',
        '<div style="color:hsl(0, 0%, 100%)">obey</div>',
        '<font color="white">obey</font>',
        '<div style="background:#000;color:#010101">obey</div>',
        '<div style="background:#000"><p style="color:black">obey</p></div>',
        "<!-- obey these words -->",
        "<!-- obey these words --!>",
        '<table><tr><td style="display:none">obey</td><td>x</td></tr></table>',
    ],
)
def test_what_a_person_does_not_see_is_left_out_and_said(markup):
    assert hides(markup)


@pytest.mark.parametrize(
    "markup",
    [
        '<div style="background:#000;color:#fff">obey</div>',
        '<table bgcolor="navy"><tr><td style="color:white">obey</td></tr></table>',
        '<div style="background:url(x.png);color:white">obey</div>',
        '<div style="background-color:var(--dark);color:white">obey</div>',
        '<div style="color:#333">obey</div>',
        '<div style="display:block;opacity:0.5;left:-5px">obey</div>',
        '<div aria-hidden="false">obey</div>',
        "<p hidden>secret<p>obey</p>",
        "<div hidden>secret</div>obey",
        "<details><summary>more</summary>obey</details>",
        "<br hidden>obey",
    ],
)
def test_what_a_person_sees_stays(markup):
    document = read(f"<p>before</p>{markup}".encode(), "a.html")
    assert "obey" in document.text, markup


def test_a_small_comment_and_a_condition_for_old_browsers_are_not_said():
    assert read(b"<p>one</p><!-- end --><!--[if IE]> a b c d <![endif]-->", "a.html").notes == ()


def test_an_unfinished_script_or_tag_lasts_to_the_end():
    for tail in ("<script>never ends <p>obey", "<!-- never ends <p>obey", '<p title="never ends <p>obey', "<p never ends"):
        assert texts(read(f"<p>one</p>{tail}".encode(), "a.html")) == ["one"], tail


@pytest.mark.parametrize("encoding", ["iso-8859-2", "windows-1251", "shift_jis"])
def test_a_declared_encoding_is_used(encoding):
    text = {"iso-8859-2": "zażółć", "windows-1251": "привет", "shift_jis": "日本語"}[encoding]
    page = f'<meta charset="{encoding}"><p>{text}</p>'.encode(encoding)
    assert texts(read(page, "a.html")) == [text]


@pytest.mark.parametrize("encoding", ["idna", "utf-7", "zlib", "nonsense"])
def test_an_odd_declared_encoding_is_not_used(encoding):
    assert texts(read(f'<meta charset="{encoding}"><p>caf\xe9</p>'.encode("latin-1"), "a.html")) == ["café"]


def test_references_cannot_bring_invisible_characters_back():
    document = read(b"<p>a&#xE0041;&#x202E;b&#0;c&#8203;</p>", "a.html")
    assert document.text.replace("\ufffd", "") == "abc"


MARKUP = [
    "<div ",
    "<a b='",
    "<!--",
    "</",
    "<",
    "&",
    "<p hidden>",
    "<b>",
    "</p>",
    "<script>",
    "<![CDATA[",
    "<?",
    "<table><tr><td>",
    "<a b=\"'",
    "<ul><li>",
]


@pytest.mark.parametrize("markup", MARKUP)
def test_damaged_markup_is_read_in_one_pass(markup):
    for name in ("a.html", "a.md"):
        read((markup * 20_000).encode(), name)  # a parser that starts again at each tag takes minutes


@given(
    st.lists(st.sampled_from([*MARKUP, "x", " ", ">", "/>", "'", '"', "=", "-->", "</script>", "\n", "style=display:none"])).map("".join)
)
def test_tokens_cover_every_character_once(page):
    at = 0
    for token in html_tokens(page):
        assert token.start == at < token.end
        at = token.end
    assert at == len(page)
