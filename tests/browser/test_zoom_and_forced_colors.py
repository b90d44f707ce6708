"""All that fmnb shows in a notebook, at 200 % zoom and in forced colors: nothing is cut off, nothing disappears."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Notebook
from tests.browser.test_error_help import FAILS, MODEL, change, press
from tests.browser.test_labelling import LABEL, REPORT
from tests.browser.test_prompt_cells import go, is_prompt

CELLS = [
    MODEL,
    FAILS,
    "%%fm echo: -t 0\nHello {{ 1 + 1 }}",
    "%%fm echo: echo:think\nIn one sentence: what is a median?",
    "%%fm openai:gpt-5-mini\nhi",
    "rows = [{'word': w} for w in ('red', 'green')]\nget_ipython().run_cell_magic('fm', 'echo: --over rows -o words', 'Word {{ word }}')",
    LABEL,
    REPORT,
    "fm.Playground('echo:', 'Say {{ word }}', temperature=0)",
    "fm.Interact('Say {{ word }}', word=['yes', 'no'])",
    "%fm doctor",
]
OURS = ".jp-OutputArea-output, .fmnb-Change, .fmnb-ErrorButtons, .fmnb-Feedback"

# Controls that reach beyond the cell they are in, and are not inside of something that scrolls.
CUT = """ours => {
  const scrolls = (e, end) => { for (; e && e !== end; e = e.parentElement) if (/auto|scroll/.test(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth) return true; };
  return [...document.querySelectorAll(`:is(${ours}) :is(button, select, input, textarea, summary)`)]
    .filter(e => e.checkVisibility({ visibilityProperty: true }))
    .map(e => [e, e.closest('.jp-Cell')]).filter(([e, cell]) => cell && !scrolls(e.parentElement, cell))
    .filter(([e, cell]) => e.getBoundingClientRect().right > cell.getBoundingClientRect().right + 1)
    .map(([e]) => e.outerHTML.slice(0, 160));
}"""

# Controls that forced colors leave without an edge, and text in the color of its ground.
LOST = """ours => {
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$/.test(c)) return c; } return 'rgb(255, 255, 255)'; };
  const shown = e => e.checkVisibility({ visibilityProperty: true });
  const edgeless = [...document.querySelectorAll(`:is(${ours}) :is(button:not([role^=menuitem]), select, textarea)`)].filter(shown)
    .filter(e => { const s = getComputedStyle(e); return (s.borderTopStyle === 'none' || s.borderTopWidth === '0px') && (s.borderBottomStyle === 'none' || s.borderBottomWidth === '0px') && !/underline/.test(s.textDecorationLine) && s.color === getComputedStyle(e.parentElement).color; })
    .map(e => ['no edge', e.outerHTML.slice(0, 160)]);
  const unreadable = [...document.querySelectorAll(`:is(${ours}) *`)].filter(shown)
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && getComputedStyle(e).color === ground(e))
    .map(e => ['no contrast', e.outerHTML.slice(0, 160)]);
  return [...edgeless, ...unreadable];
}"""


@pytest.fixture
def everything(notebook) -> Notebook:
    """A notebook in which each kind of output stands, with a proposed change and an open menu."""
    nb = notebook(*CELLS)
    nb.run(*range(1, len(CELLS) + 1))
    press(nb, "Fix")
    expect(change(nb)).to_contain_text("proposed by mend")
    is_prompt(nb, 3)
    assert nb.page.locator(f":is({OURS}) :is(button, select, textarea):visible").count() > 40
    missing = [s for s in OURS.split(", ") if not nb.page.locator(s).count()]
    assert missing == []
    return nb


@pytest.mark.weights
def test_at_200_percent_nothing_is_cut_off(everything):
    page = everything.page
    before = page.viewport_size
    try:
        page.set_viewport_size({"width": 640, "height": 450})  # what 200 % leaves of 1280 by 900
        page.wait_for_function("() => document.querySelector('.jp-Notebook').offsetWidth < 640")
        assert page.evaluate(CUT, OURS) == []
        sized = "() => { const n = document.querySelector('.jp-WindowedPanel-outer'); return n.scrollWidth <= n.clientWidth + 1; }"
        assert page.evaluate(sized), "the notebook does not scroll sideways"
        go(everything, 3, "Control+End")
        page.keyboard.type("\n{{")
        page.locator(".jp-Completer:visible").wait_for()
        box = page.locator(".jp-Completer:visible").bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 641
        page.keyboard.press("Escape")
        grid = everything.cell(4)
        grid.locator("button[aria-haspopup=menu]").first.click()
        menu = page.get_by_role("menu").first
        menu.wait_for()
        box = menu.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 641
        page.keyboard.press("Escape")
    finally:
        page.set_viewport_size(before)


@pytest.mark.weights
def test_forced_colors_leave_every_control_an_edge_and_every_text_a_contrast(everything):
    page = everything.page
    try:
        page.emulate_media(forced_colors="active")
        assert page.evaluate(LOST, OURS) == []
        removed = change(everything).locator(".cm-deletedChunk .cm-deletedLine, .cm-deletedChunk .cm-deletedText").first
        assert "line-through" in removed.evaluate("e => getComputedStyle(e).textDecorationLine"), (
            "removed text is not marked by color alone"
        )
        page.add_style_tag(content=".fm-button { border: none !important }")
        assert page.evaluate(LOST, OURS), "the check sees what is lost"
    finally:
        page.emulate_media(forced_colors="none")
