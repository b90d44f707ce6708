"""The sidebar at its least usual width: everything can be read, and the keys work where the focus is."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import WIDTH

PANEL = "#fmnb-panel"
CLIPPED = """(panel) => [...panel.querySelectorAll('button, h3, .fmnb-GroupName, .fmnb-Cost, .fmnb-State, .fmnb-NameTail, .fm-chip')]
    .filter(e => e.offsetParent && (e.getBoundingClientRect().right > panel.getBoundingClientRect().right + 1))
    .map(e => e.textContent)"""
OVERLAPS = """(panel) => {
    const rows = [...panel.querySelectorAll('.fmnb-VirtualRow')].map(e => e.getBoundingClientRect());
    const inner = [...panel.querySelectorAll('.fmnb-Group > *, .fmnb-Row > *')].filter(e => e.scrollHeight > e.parentElement.offsetHeight + 1);
    return rows.slice(1).filter((r, i) => r.top < rows[i].bottom - 1).length + inner.length;
}"""


@pytest.fixture
def narrow(notebook):
    nb = notebook("%load_ext fmnb")
    nb.run(0)
    nb.command("application:toggle-left-area")
    nb.command("fmnb:show-models")
    nb.page.evaluate(WIDTH, 250)
    nb.page.locator(f"{PANEL} .fmnb-Row").first.wait_for()
    yield nb
    nb.command("fmnb:show-models")


def test_at_250_pixels_nothing_is_cut_at_the_edge_and_nothing_overlaps(narrow):
    panel = narrow.page.locator(PANEL)
    assert panel.bounding_box()["width"] < 262
    for name in ("models", "local", "keys", "activity", "prompts"):
        narrow.command(f"fmnb:show-{name}")
        expect(panel.get_by_role("tab", selected=True)).to_have_attribute("id", f"fmnb-tab-{name}")
        panel.locator("button").nth(3).wait_for()
        assert panel.evaluate(CLIPPED) == [], name
        assert panel.evaluate(OVERLAPS) == 0, name


def test_names_that_begin_alike_can_be_told_apart(narrow):
    panel = narrow.page.locator(PANEL)
    panel.get_by_role("searchbox").fill("gpt-oss")
    rows = panel.locator(".fmnb-Row .fmnb-Name")
    expect(rows.first).to_contain_text("gpt-oss")
    split = panel.locator(".fmnb-mod-split")
    expect(split.first).to_be_visible()
    tails = split.evaluate_all(
        "names => names.map(n => [n.title, n.lastChild.textContent, n.lastChild.scrollWidth <= n.lastChild.clientWidth + 1])"
    )
    assert tails and all(title.endswith(tail) and whole for title, tail, whole in tails), tails
    panel.get_by_role("searchbox").fill("")


def test_pages_without_room_for_a_tab_are_in_the_menu(narrow):
    panel = narrow.page.locator(PANEL)
    tabs = panel.get_by_role("tab").count()
    more = panel.get_by_role("button", name="More", exact=True)
    if tabs == 5:
        pytest.skip("this font is narrow: all tabs fit")
    more.focus()
    narrow.page.keyboard.press("ArrowDown")
    items = panel.get_by_role("menuitem")
    assert items.count() == 5 - tabs
    expect(items.first).to_be_focused()
    narrow.page.keyboard.press("End")
    narrow.page.keyboard.press("Enter")
    expect(panel.get_by_role("tab", selected=True)).to_have_text("Prompts")
    expect(panel.get_by_role("menu")).to_have_count(0)


def test_tabs_follow_another_font(narrow):
    panel = narrow.page.locator(PANEL)
    try:
        for font in ("monospace", "serif", "monospace"):
            narrow.page.evaluate("f => document.body.style.setProperty('--jp-ui-font-family', f)", font)
            narrow.page.wait_for_function(
                "([p, f]) => getComputedStyle(document.querySelector(p + ' [role=tab]')).fontFamily === f", arg=[PANEL, font]
            )
            narrow.page.wait_for_function(
                "p => { const l = document.querySelector(p + ' [role=tablist]'); return l.scrollWidth <= l.clientWidth }", arg=PANEL
            )
            assert panel.evaluate(CLIPPED) == []
    finally:
        narrow.page.evaluate("document.body.style.removeProperty('--jp-ui-font-family')")


def test_the_focus_lands_where_the_keys_work(narrow):
    page, panel = narrow.page, narrow.page.locator(PANEL)
    narrow.command("fmnb:show")
    expect(panel.get_by_role("treegrid")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(panel.locator("[data-active]")).to_have_count(1)
    page.keyboard.press("/")
    expect(panel.get_by_role("searchbox")).to_be_focused()
    panel.get_by_role("tab", selected=True).focus()
    page.keyboard.press("/")
    expect(panel.get_by_role("searchbox")).to_be_focused()


def test_the_focus_stays_in_the_panel_when_the_button_that_had_it_goes(narrow):
    page, panel = narrow.page, narrow.page.locator(PANEL)
    narrow.command("fmnb:use-model", model="echo:")
    clear = panel.get_by_role("button", name="Clear", exact=True)
    clear.focus()
    page.keyboard.press("Enter")
    expect(clear).to_have_count(0)
    expect(panel.get_by_role("treegrid")).to_be_focused()


def test_the_picker_offers_models_that_answer_with_text(narrow):
    page = narrow.page
    page.evaluate("() => { window.jupyterapp.commands.execute('fmnb:choose-model'); }")
    options = page.locator(".fmnb-Picker").get_by_role("option")
    expect(options.first).to_be_visible()
    for word, shown in (("embedded", True), ("minilm", False), ("sd-turbo", False)):
        page.get_by_role("combobox", name="Model").fill(f"{word} local")
        expect(options.filter(has_text=word)).to_have_count(1 if shown else 0)
    page.keyboard.press("Escape")
