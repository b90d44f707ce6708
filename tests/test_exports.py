"""A model's text in what nbconvert makes of a notebook: nothing in it acts, in LaTeX, PDF, slides, HTML, Markdown, RST or AsciiDoc."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

import fmnb as fm
from fmnb.batch.log_view import load_batch
from fmnb.batch.run import batch
from fmnb.core.markdown import neutral_markdown
from fmnb.core.markdown_code import code_parts
from fmnb.core.response import Response
from fmnb.views.batch import bar_html
from fmnb.views.bundle import FORMATS, answer_bundle
from fmnb.views.diff import diff_html
from tests.conftest import FULL
from tests.core.test_inert_text import views

ATTACKS = {
    "command": r"\input{/etc/passwd}",
    "shell": r"\immediate\write18{id}",
    "in math": r"$\input{/etc/passwd}$",
    "in display math": "$$\n\\input{/etc/passwd}\n$$",
    "in brackets": r"\(\input{/etc/passwd}\) \[\input{/etc/passwd}\]",
    "in an environment": "\\begin{equation}\n\\input{/etc/passwd}\n\\end{equation}",
    "after math": r"$x$\input{/etc/passwd}$y$",
    "by characters": r"$^^5cinput{/etc/passwd}$ ^^5cinput{/etc/passwd} $$^^5c^^69nput{/etc/passwd}$$",
    "out of verbatim": "```\n\\end{verbatim}\n\\input{/etc/passwd}\n\\begin{verbatim}\n```",
    "out of indented verbatim": "text\n\n    \\end{verbatim}\\input{/etc/passwd}\n",
    "out of a coloured block": "```python\n\\end{Highlighting}\\end{Shaded}\\input{/etc/passwd}\n```",
    "in inline code": r"`\input{/etc/passwd}`",
    "raw block": "```{=latex}\n\\input{/etc/passwd}\n```",
    "raw inline": r"`\input{/etc/passwd}`{=latex}",
    "spaced raw inline": r"`\input{/etc/passwd}`{ =latex }",
    "category": r"\catcode`\|=0 |input{/etc/passwd}",
    "definition": r"\def\x{\input}\x{/etc/passwd} \let\y\input \newcommand{\z}{\input}",
    "name": r"\csname input\endcsname{/etc/passwd}",
    "starred": r"\@input{/etc/passwd} \@@input /etc/passwd",
    "link": r"\href{javascript:alert(1)}{x} $\href{javascript:alert(1)}{x}$",
    "markdown link": "[x](javascript:alert(1)) [y](<javascript:alert(1)>)",
    "metadata": "---\nheader-includes: |\n  \\input{/etc/passwd}\n---\n\ntext",
    "metadata inside": 'text\n\n---\ntitle: "\\\\input{/etc/passwd}"\n...\n\nmore',
    "title": "% \\input{/etc/passwd}\n% me\n\ntext",
    "html": "<script>alert(1)</script>\n\n<img src=x onerror=alert(1)>\n\n<iframe src=https://evil.example></iframe>",
    "html in code": "```\n\n<script>alert(1)</script>\n\n![x](https://evil.example/a.png)\n```",
    "image": "![x](/etc/passwd) \\![y](https://evil.example/a.png) \\\\![z](https://evil.example/b.png)",
    "attributes": '[x](https://a.example){onclick="alert(1)"} # h {#id onclick="alert(1)"}',
    "rst include": ".. include:: /etc/passwd\n\n.. raw:: html\n   :file: /etc/passwd",
    "wrapped rst": "word " * 14 + ".. include:: /etc/passwd",
    "rst by another line end": "```\na\u2028.. include:: /etc/passwd\n```\n\nb\u2029.. include:: /etc/passwd",
    "asciidoc in code": "```\n----\n\ninclude::/etc/passwd[]\n\n++++\n<script>alert(1)</script>\n++++\n```",
    "wrapped asciidoc": "word " * 14 + "include::/etc/passwd[]",
    "asciidoc": "include::/etc/passwd[]\n\nlink:javascript:alert(1)[x] pass:[<script>alert(1)</script>] +++<script>alert(1)</script>+++",
}
LIVE_TEX = re.compile(
    r"(?<!\\textbackslash\{\})\\(?:@*input|include|write|immediate|catcode|def|let|csname|newcommand|openin|read)(?![A-Za-z])|\^\^5c"
)


VERBATIM = re.compile(r"\\begin\{verbatim\}\n.*?\n\\end\{verbatim\}\n", re.S)


@pytest.fixture(scope="module")
def pandoc():
    """The program that nbconvert makes LaTeX with, from the system or from the package that brings it."""
    if shutil.which("pandoc"):
        yield
        return
    if importlib.util.find_spec("pypandoc") is None:
        pytest.skip("pandoc is not here")
    import pypandoc

    before = os.environ["PATH"]
    os.environ["PATH"] = f"{Path(pypandoc.get_pandoc_path()).parent}{os.pathsep}{before}"
    yield
    os.environ["PATH"] = before


def notebook(texts, formats=("markdown",)):
    """A notebook with an answer of a model in each cell, as it is saved."""
    cells = []
    for text in texts:
        outputs = []
        for format in formats:
            data, metadata = answer_bundle(Response(text, model="m", run="r"), format=format)
            outputs.append(new_output("display_data", data, metadata=metadata))
        cells.append(new_code_cell("%%fm m\nhi", outputs=outputs))
    return nbformat.from_dict(new_notebook(cells=cells))


def export(name, texts, formats=("markdown",)):
    from nbconvert import get_exporter

    return get_exporter(name)().from_notebook_node(notebook(texts, formats))[0]


def body(tex):
    """A document without what nbconvert itself defines before it begins."""
    return tex.partition("\\begin{document}")[2]


def without_code(text):
    """Markdown without what every reader takes for code."""
    at, out = 0, ""
    for start, end in code_parts(text):
        out, at = out + text[at:start], end
    return out + text[at:]


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_markdown_form_has_no_command_but_mathematics(attack):
    shown = without_code(neutral_markdown(ATTACKS[attack]))
    assert not LIVE_TEX.search(shown) and "{=" not in shown and "^^" not in shown
    assert not re.search(r"(?m)^---[ \t]*$|^%|<[A-Za-z/!?]|!\[|\]\(<?javascript:", shown)


def test_nothing_of_a_model_acts_in_latex(pandoc):
    made = body(export("latex", list(ATTACKS.values())[:: 1 if FULL else 3], FORMATS))
    made = made.replace(r"{\def\LTcaptype{none}", "{")  # of pandoc's own tables
    made = VERBATIM.sub("", made)
    assert not LIVE_TEX.search(made), LIVE_TEX.search(made)
    assert made.count("\\begin{verbatim}") == made.count("\\end{verbatim}")
    assert not re.search(r"\\(?:href|url)\{javascript:|\\includegraphics[^{]*\{(?!.*\\maxwidth)", made)
    assert "/etc/passwd" in made  # it is all there, as words


def test_mathematics_reaches_latex(pandoc):
    made = body(export("latex", [r"So $\frac{a}{b}$ and" + "\n\n$$\n\\sum_{i=1}^n x_i\n$$\n"]))
    assert r"\frac{a}{b}" in made and r"\sum_{i=1}^n x_i" in made


def test_nothing_of_a_model_acts_in_restructured_text(pandoc):
    made = export("rst", ATTACKS.values(), FORMATS)
    lines = made.splitlines()  # as docutils splits them
    assert not [x for x in lines if re.match(r"\.\. (?!code::|raw:: html$|parsed-literal::)", x)]


def test_nothing_of_a_model_acts_in_asciidoc(pandoc):
    made = export("asciidoc", ATTACKS.values(), FORMATS)
    assert not re.search(r"(?m)^[ \t]*(?:include|ifn?def|ifeval)::\S|^\+{4,}$|^pass:\[", made)


@pytest.mark.parametrize("name", ["html", "slides", "markdown"])
def test_nothing_of_a_model_acts_in_pages(name):
    made = export(name, ATTACKS.values(), FORMATS)
    if name != "markdown":
        made = made[made.index("<body") :] if "<body" in made else made
    outputs = re.findall(r'<div style="overflow-x:auto.*?</footer>', made, re.S)
    assert len(outputs) >= len(ATTACKS)
    for shown in outputs:
        outside = re.sub(r'srcdoc="[^"]*"', "", shown)  # a frame that runs and loads nothing
        assert not re.search(r"<script|<img|onerror=[^&]*>|href=\"javascript", outside)
        assert name != "markdown" or "\n\n" not in shown  # a page in Markdown reads on as Markdown after a blank line


CODE = """Take `\\n` and `$HOME`, then:

```python
print("a\\tb\\n", x["k"], f"<b>{y}</b>")
```

1. Step one:
```latex
\\frac{a}{b}
```
"""


def test_code_is_copied_from_the_markdown_form_as_it_was_written():
    assert neutral_markdown(CODE) == CODE
    assert neutral_markdown("use `<br>` here") == "use `<br>` here"


NEAR_CODE = [
    "> quote\n```\na\n\n\\input{/etc/passwd}\n```",
    "text ```\n```\n\n\\input{/etc/passwd}\n\n```",
    "[^1]: \n\n```\n\n\\input{/etc/passwd}\n\n```\n\na[^1]",
    ": \n\n```\n\n\\input{/etc/passwd}\n\n```",
    "`` ` \\input{/etc/passwd} ` `` `\\input{/etc/passwd}",
    "` `\\input{/etc/passwd}` `",
    "\\`\\input{/etc/passwd}`",
    "$x `$\\input{/etc/passwd}` y$",
    "| `a | \\input{/etc/passwd}` |\n|---|---|",
    "[x](`\\input{/etc/passwd})`",
    "    `\\input{/etc/passwd}`",
    "```\na\n~~~\n```\n\\input{/etc/passwd}\n```\n~~~",
    "```` `\n\n\\input{/etc/passwd}\n\n````",
    "`\\input{/etc/passwd}`{=latex} `x`{=latex}",
    "^[`{=latex}>^[$$\\input{/etc/passwd}\\`",
]


@pytest.mark.parametrize("format", ["markdown", "gfm", "commonmark_x"])
def test_what_a_reader_may_not_take_for_code_is_broken(pandoc, format):
    import pypandoc

    for text in (*NEAR_CODE, *ATTACKS.values(), CODE):
        made = pypandoc.convert_text(neutral_markdown(text), "latex", format=format)
        made = re.sub(r"\\textbackslash ?(?:\{\})?|\\def\\(?:labelenumi|LTcaptype)", "", VERBATIM.sub("", made))
        assert not LIVE_TEX.search(made), (text, made)


@pytest.mark.parametrize("format", ["markdown", "gfm", "commonmark_x"])
@pytest.mark.parametrize("to", ["latex", "rst", "html"] if FULL else ["html"])
def test_no_view_in_a_markdown_document_acts(pandoc, format, to):
    import pypandoc

    attacks = [
        r"$\input{/etc/passwd}$",
        r"`\input{/etc/passwd}`{=latex}",
        "~~~{=latex}\n\\input{/etc/passwd}\n~~~",
        "![x](/etc/passwd)",
        "$1 and $2 \\input{/etc/passwd} x$",
    ]
    for text in attacks:
        for html in views(text):
            made = pypandoc.convert_text(html.strip(), to, format=format)
            if to == "latex":
                made = re.sub(r"\\textbackslash ?(?:\{\})?|\\def\\(?:labelenumi|LTcaptype)", "", VERBATIM.sub("", made))
                assert not LIVE_TEX.search(made) and "includegraphics" not in made, (html, made)
            elif to == "rst":
                assert ":math:" not in made and ".. raw:: latex" not in made and ".. image:: /etc" not in made and "|x|" not in made
            else:
                assert not re.search(r'class="math[^>]*>[^<]*input', made) and '<img src="/etc' not in made


@pytest.fixture
def tables(home):
    """What batches, evaluations, reports and diffs show, with a hostile text wherever one may stand."""
    text = r"x $\input{/etc/passwd}$ `\input{/etc/passwd}`{=latex} ![x](/etc/passwd)"
    rows = [{"q": f"{text} {n}", "label": text} for n in range(4)]
    e = fm.evaluate(f"{text} {{{{ q }}}}", rows, ["echo:", "echo:think"], score="exact", target="label")
    return {
        "bar": bar_html(text, 0.5),
        "diff": diff_html(text, f"{text} more"),
        "batch": load_batch(batch("{{ q }}", rows, "echo:").run)._repr_mimebundle_()["text/html"],
        "evaluation": e._repr_html_(),
        "report": e.to_html(),
        "report in Markdown": e.to_markdown(),
    }


def test_no_table_or_report_in_a_markdown_document_acts(pandoc, tables):
    import pypandoc

    for format in ("markdown", "gfm", "commonmark_x"):
        for name, shown in tables.items():
            made = pypandoc.convert_text(shown, "latex", format=format)
            made = re.sub(r"\\textbackslash ?(?:\{\})?|\\def\\(?:labelenumi|LTcaptype)", "", VERBATIM.sub("", made))
            assert not LIVE_TEX.search(made) and "includegraphics" not in made, (name, format, made)
