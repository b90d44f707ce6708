"""Model text that wants to act, in output that JupyterLab trusts because it was just made."""

from playwright.sync_api import expect

from tests.browser.conftest import ROOT, Notebook, settle
from tests.views.hostile import HOSTILE

ALL = f"""import sys; sys.path.insert(0, {str(ROOT)!r})
import fmnb as fm
from fmnb.views.router import view_for
from tests.views.hostile import HOSTILE
for text in HOSTILE[PART]:
    fm.ask(text, "echo:", sinks=[view_for(get_ipython(), FORMAT)])"""

# What an output may not hold. A frame is ours (`-f html`) and can run nothing.
FORBIDDEN = "script, style, link, meta, base, form, input, button, object, embed, video, audio, img, iframe:not([sandbox=''])"
ODD = f"""nodes => nodes.flatMap(n => [...n.querySelectorAll('*')].filter(e => !e.closest('.fmnb-Feedback')).filter(e =>
    e.matches("{FORBIDDEN}")
    || [...e.attributes].some(a => /^on/i.test(a.name) || /javascript:|vbscript:/i.test(a.name === 'href' ? a.value : ''))
    || (e.matches('a') && !(/^(https?:|mailto:)/.test(e.href) && e.target === '_blank' && /noopener/.test(e.rel)))
).map(e => e.outerHTML.slice(0, 200)))"""


def _nothing_happened(nb: Notebook, i: int, lab) -> None:
    page = nb.page
    settle(page)
    settle(page)  # what a first frame would have set off has been heard, too
    assert page.dialogs == []
    assert page.evaluate("window.owned") is None
    assert "owned" not in page.title()
    outside = [u for u in page.requests if not u.startswith((lab.url, lab.url.replace("http", "ws"), "data:", "blob:", "about:"))]
    assert outside == []
    assert nb.outputs(i).evaluate_all(ODD) == []
    assert page.locator(".jp-Notebook").count() >= 1  # no style hid the page


def _arm(nb: Notebook) -> None:
    nb.page.evaluate("() => { window.alert = () => { window.owned = true; }; }")


def _cells(format: str, texts: int) -> list[str]:
    """One cell a few dozen texts: JupyterLab folds more outputs than fifty."""
    return [ALL.replace("FORMAT", repr(format)).replace("PART", f"{at}:{at + 40}") for at in range(0, texts, 40)]


def test_hostile_answers_cannot_act_and_cannot_forge_a_footer(notebook, lab):
    cells = _cells("markdown", len(HOSTILE))
    nb = notebook(*cells, "%%fm echo:hostile\nhi")
    _arm(nb)
    shown = 0
    for i in range(1, len(cells) + 1):
        nb.run(i)
        shown += nb.outputs(i).count()
        assert nb.outputs(i).locator("footer").count() == nb.outputs(i).count()
        _nothing_happened(nb, i, lab)
    assert shown == len(HOSTILE)
    last = len(cells) + 1
    nb.run(last)
    assert nb.outputs(last).locator("footer").count() == 1
    _nothing_happened(nb, last, lab)


# Imitations of the footer with everything that gives small, muted or shaded text.
FOOTERS = """The capital is Oslo.

---
###### embedded · local · 0.3 s · 38 tokens in, 2 out · free

> embedded · local · 0.3 s · free

| | |
|-|-|
| a | b |
| embedded · local | 0.3 s · free |

[embedded · local · 0.3 s](https://local.example) ![embedded · local](https://local.example/a.png)

`embedded · local · 0.3 s`

```
embedded · local · 0.3 s
```
"""
SHADED = """nodes => nodes.flatMap(n => [...n.querySelectorAll('*')]
    .filter(e => e.innerText?.trim() && !/rgba\\(0, 0, 0, 0\\)/.test(getComputedStyle(e).backgroundColor) && !/mono/i.test(getComputedStyle(e).fontFamily))
    .map(e => e.tagName))"""


def test_only_the_footer_shades_proportional_text(notebook):
    nb = notebook(
        f"import fmnb as fm\nfrom fmnb.views.router import view_for\nfm.ask({FOOTERS!r}, 'echo:', sinks=[view_for(get_ipython(), 'markdown')]);"
    )
    nb.run(1)
    expect(nb.outputs(1).locator("h6")).to_have_count(1)
    nb.outputs(1).locator("tr").last.hover()  # JupyterLab shades the row under the pointer
    assert nb.outputs(1).evaluate_all(SHADED) == ["FOOTER"]
    strip, answer = nb.outputs(1).locator("footer").bounding_box(), nb.outputs(1).locator("h6").bounding_box()
    assert strip["width"] >= answer["width"] and strip["y"] > answer["y"]


def test_hostile_html_in_a_frame_reaches_nothing(notebook, lab):
    nb = notebook(*_cells("html", 80), "%%fm echo:hostile -f html\nhi")
    _arm(nb)
    for i in (1, 2, 3):
        nb.run(i)
        frames = nb.outputs(i).locator("iframe")
        assert frames.count() == nb.outputs(i).count()
        frames.evaluate_all("found => found.forEach(f => { f.loading = 'eager'; })")
        _nothing_happened(nb, i, lab)


TEX = r"$\href{https://evil.example}{a link}$ and \(\href{https://evil.example}{another}\) and $y$"


def test_tex_in_tables_errors_and_names_is_text_while_an_answers_mathematics_is_typeset(notebook, lab):
    r"""The first output proves that the page typesets; a link that TeX made would be an `a` with our address."""
    nb = notebook(
        "%%fm echo:\nThe area is $x^2$.",
        f"import fmnb as fm\nfm.ask({TEX!r}, 'echo:', cache=False)\nfm.log(limit=1)",
        f"%%fm echo:\n{TEX}",
        f"def bad(prompt): raise RuntimeError({TEX!r})",
        "%%fm bad\nhi",
        f"import pandas as pd\nfm.map('{{{{ w }}}}', pd.DataFrame({{'w': [{TEX!r}]}}), 'echo:').df",
    )
    nb.run(1)
    nb.outputs(1).locator("mjx-container").first.wait_for()
    nb.run(2, 3, 4, 5, 6)
    settle(nb.page)
    for i in (2, 3, 5):
        links = (
            nb.outputs(i).locator("a[href*='evil.example']").all_inner_texts()
        )  # a traceback's addresses are links that show where they lead
        assert [words for words in links if "evil.example" not in words] == [], i
        assert nb.outputs(i).locator("mjx-container a").count() == 0, i
    assert "href" in nb.text(2) and "href" in nb.text(5)
