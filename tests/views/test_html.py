"""Model text becomes HTML of a fixed, harmless vocabulary."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnb.core.markdown import neutral_markdown
from fmnb.core.response import Response
from fmnb.views.bundle import answer_bundle
from fmnb.views.html import Rendering, render
from tests.test_exports import without_code
from tests.views.hostile import HOSTILE

TAGS = set("p br em strong s a small span code pre h1 h2 h3 h4 h5 h6 ul ol li blockquote hr div table thead tbody tr th td".split())
ATTRIBUTES = {"dir", "style", "start", "href", "title", "target", "rel"}
VOID = {"br", "hr"}


class Checker(HTMLParser):
    """Collects what is not on the list, and checks that everything opened is closed."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.wrong, self.open, self.links, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in TAGS:
            self.wrong.append(f"<{tag}>")
        for name, value in attrs:
            if name not in ATTRIBUTES or len([n for n, _ in attrs if n == name]) > 1:
                self.wrong.append(f"{tag} {name}")
            if name == "href":
                self.links.append(value)
                if urlsplit(value).scheme not in ("http", "https", "mailto"):
                    self.wrong.append(f"href {value}")
            if name == "style" and any(bad in value.lower() for bad in ("url(", "position", "expression(", "@import", "\\", "behavior")):
                self.wrong.append(f"style {value}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")

    def handle_comment(self, data):
        self.wrong.append(f"<!--{data}")

    def handle_decl(self, decl):
        self.wrong.append(f"<!{decl}")

    def unknown_decl(self, data):
        self.wrong.append(f"<![{data}")

    def handle_pi(self, data):
        self.wrong.append(f"<?{data}")

    def handle_data(self, data):
        self.text.append(data)


def check(html):
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert not checker.wrong, checker.wrong
    assert not checker.open, checker.open
    return checker


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_inside_the_allowed_vocabulary(text):
    check(render(text))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_carries_no_live_tex_command(text):
    shown = "".join(check(render(text)).text)
    for command in ("\\href{", "\\style{", "\\class{", "\\cssId{", "\\def\\", "\\newcommand{"):
        if command in shown:
            at = render(text).index(command.replace("\\", "&#92;"))
            before = render(text)[:at]
            assert before.rfind("<code") > before.rfind("</code"), "a typesetter reads everything but code"


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_the_markdown_form_has_no_tag_image_or_script_link(text):
    out = without_code(neutral_markdown(text))
    lowered = out.lower()
    assert not any(f"<{t}" in lowered for t in ("script", "img", "svg", "iframe", "style", "meta", "form", "a ", "math", "/"))
    assert "](javascript:" not in lowered and "](data:" not in lowered and "![" not in out.replace("\\![", "")


def test_there_are_enough_attacks():
    assert len(HOSTILE) >= 60


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("<>\"'&;:=/!?-[](){}*_`~$\\|#+.\n\t abhrefscriptonload0\x00\u202e\u200b")), max_size=200))
def test_any_text_stays_inside_the_allowed_vocabulary(text):
    check(render(text))


def test_no_image_is_loaded_and_its_host_is_named():
    html = render("![chart](https://e.example/p.png?s=1)")
    assert "<img" not in html and "src=" not in html
    assert "image not loaded: chart (e.example/p.png)" in html


def test_a_link_shows_where_it_leads_when_its_text_does_not_say():
    assert "(e.example)" in render("[https://bank.example](https://e.example/login)")
    assert "<small" not in render("<https://e.example/a>")
    assert 'title="https://e.example/login"' in render("[x](https://e.example/login)")


def test_a_link_with_a_user_name_before_its_host_is_no_link():
    assert "<a" not in render("[x](https://bank.example@e.example/)")


def test_prices_are_not_mathematics():
    html = render("It costs $5 and then $10.")
    assert html.count("<span>&#36;</span>") == 2


@pytest.mark.parametrize(
    "text",
    [
        "$$ not math $$",
        "$$not math$$",
        "$$\nonly words\n$$",
        "\\( hello there \\)",
        "\\[ hello there \\]",
        "$PATH:$HOME/bin",
        "df$col1 and df$col2 in R",
        "From $5 to $6, x$",
        "a $b c$ d",
        '["$5 and $6 `x`", 1]\n["$a", 2]',
        "1<a$b and c$d>2",
        "set $MY_VAR$ and $HOME/bin$",
        "a $b\nc$ d",
        "${a}_${b}",
        "s/^$/x$/",
        "^$|^a$",
        "$a-$b",
        "$a*$b and $x<$y",
        "pipe $x|$y",
        "foreach ($a as $k=>$v)",
        "$i=0;$i<10;$i++",
        "$x = 1$y",
    ],
)
def test_words_prices_and_code_are_not_mathematics(text):
    html = render(text)
    assert "$" not in html.replace("&#36;", "") and "\\(" not in html and "\\[" not in html, "a typesetter would read it"


@pytest.mark.parametrize(
    "text",
    [
        "$x$",
        "the $n$th item",
        "$[0, 1]$",
        "$(-1, 2.5)$",
        "$a\\,b$",
        "$\\{1, 2\\}$",
        "$n-1$",
        "($O(n \\log n)$)",
        "$\\text{two words} = 1$",
        "$$ p < 0.05 $$",
        "\\( x \\in A \\)",
        "**$R^2$**:",
    ],
)
def test_mathematics_is_recognized(text):
    assert "<span>" in render(text) and "&#36;" not in render(text)


def test_mathematics_goes_through_untouched_by_emphasis():
    assert "$a_1 * b_2 * c_3$" in render("so $a_1 * b_2 * c_3$ holds")
    assert "\\(x_1 + y_1\\)" in render("so \\(x_1 + y_1\\) holds")
    assert "$$\na_1\n- b_1\n$$" in render("$$\na_1\n- b_1\n$$")


def test_mathematics_with_a_forbidden_command_is_shown_as_code():
    assert render("$\\href{javascript:x}{y}$") == '<p dir="auto"><code>&#36;&#92;href{javascript:x}{y}&#36;</code></p>\n'


def test_right_to_left_text_gets_its_own_direction():
    assert render("- שלום").count('dir="auto"') >= 2
    assert render("שלום") == '<p dir="auto" style="text-align:start">שלום</p>\n'


def test_text_that_reverses_what_follows_is_shown():
    assert "[U+202E]" in render("a\u202eb") and "[U+202E]" in render("`a\u202eb`")


def test_code_is_coloured_by_theme_variables():
    html = render("```python\ndef f(): return 1\n```")
    assert "var(--jp-mirror-editor-keyword-color," in html
    assert "class=" not in html


def test_a_diagram_stays_code():
    assert ">graph TD; A--&gt;B\n</code>" in render("```mermaid\ngraph TD; A-->B\n```")


def test_a_short_answer_looks_the_same_with_and_without_the_parser():
    from fmnb.views import html

    for text in ("Positive, 4.2 of 5.", "Déjà vu (50% of 3/4)?"):
        assert html._plain(text) == html._markdown().render(text) != ""


PIECES = st.sampled_from(
    ["# h", "para", "- item", "  - nested", "1. one", "```python", "```", "    code", "> quote", "a | b", "---|---", "1 | 2", "", "", "", "---", "===",
     "$$", "x_1", "\\[", "\\]", "[r]", "[r]: https://e.example/", "**b", "b**", "`c", "<b>", "+", "* x", "~~~", "| c |", "text  ", "\\", "$a$", "2)"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=25), st.lists(st.integers(1, 9), min_size=1, max_size=60))
def test_rendering_piece_by_piece_equals_rendering_whole(lines, steps):
    text = "\n".join(lines)
    growing, at = Rendering(), 0
    for step in steps:
        at = min(len(text), at + step)
        assert growing.html(text[:at]) == render(text[:at])
    assert growing.html(text) == render(text)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab*_`#->|$\\[]()!\n 1.", max_size=120), st.integers(1, 5))
def test_rendering_random_marks_piece_by_piece_equals_rendering_whole(text, step):
    growing = Rendering()
    for at in range(0, len(text) + 1, step):
        assert growing.html(text[:at]) == render(text[:at])
    assert growing.html(text) == render(text)


def test_closed_blocks_are_not_rendered_again():
    growing = Rendering()
    growing.html("first\n\nsecond\n\nthi")
    assert growing.kept == "first\n\nsecond\n\n"[: len(growing.kept)] and "first" in growing.done
    growing.html("another answer")
    assert growing.kept == ""


def test_hostile_text_takes_no_unreasonable_work():
    start = time.process_time()
    for text in HOSTILE:
        render(text)
    assert time.process_time() - start < 60  # a guard against quadratic or worse, not a benchmark


def test_an_answer_of_thousands_of_brackets_keeps_its_footer():
    response = Response("[" * 3000, model="echo:", run="1m8dc33metgxqdn9")
    data, _ = answer_bundle(response, format="json")
    assert "1m8dc33metgxqdn9" in data["text/html"] and len(data["text/html"]) > 3000
