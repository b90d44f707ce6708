"""The sidebar's views Local, Keys, Activity and Prompts in a real JupyterLab, and what a cell's menu inserts."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import KERNEL_READY, new_page, open_at, settle, write

KEY = "sk-typed-0123456789abcdef"
FOLDER = os.environ.get("FMNB_SHOTS", "")
PANEL = "#fmnb-panel"


@pytest.fixture(scope="module")
def side(browser, lab):
    """A page of its own with a notebook and the panel in front."""
    file = lab.work / "views.ipynb"
    write(
        file,
        "%load_ext fmnb",
        "%%fm echo:\nthe quick brown fox",
        "%%fm echo:slow=8\n" + "word " * 400,
        "print('shown')\n1 / 0",
        "%fm budget 5",
    )
    page = new_page(browser)
    nb = open_at(page, lab, file)
    nb.command("application:toggle-left-area")
    nb.run(0)
    nb.command("fmnb:show")
    page.locator(f"{PANEL} [role=tab]").first.wait_for()
    yield nb
    page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    page.context.close()


def tab(nb, name: str):
    """A view in front."""
    panel = nb.page.locator(PANEL)
    tab = panel.get_by_role("tab", name=name)
    panel.get_by_role("tab").first.wait_for()
    if tab.count():
        tab.click()
    else:  # a panel of this width has no room for its tab
        panel.get_by_role("button", name="More", exact=True).click()
        panel.get_by_role("menuitem", name=name).click()
    return nb.page.locator(f"{PANEL} [role=tabpanel]")


def shot(nb, name: str) -> None:
    if FOLDER:
        for theme in ("light", "dark"):
            nb.command("apputils:change-theme", theme=f"JupyterLab {theme.title()}")
            nb.page.wait_for_timeout(500)
            nb.page.locator(PANEL).screenshot(path=Path(FOLDER) / f"sidebar_{name}_{theme}.png", animations="disabled")
        nb.command("apputils:change-theme", theme="JupyterLab Light")


def test_a_key_is_kept_and_is_nowhere_to_be_found_afterwards(side, lab):
    page, view = side.page, tab(side, "Keys")
    bodies: list[str] = []
    page.on("response", lambda r: bodies.append(r.text()) if "/fmnb/" in r.url and "events" not in r.url else None)
    view.get_by_role("button", name="Set the key of Groq").click()
    field = view.get_by_label("API key for Groq, sent to api.groq.com")
    assert field.get_attribute("type") == "password" and field.get_attribute("autocomplete") == "off"
    field.fill(KEY)
    page.keyboard.press("Enter")
    view.get_by_text("from file, sent to api.groq.com").wait_for()
    expect(page.locator("#fmnb-panel").get_by_role("tab", selected=True)).to_be_focused()  # not the next service's button
    shot(side, "keys")
    side.command("docmanager:save")
    assert KEY not in page.content() and KEY not in "".join(bodies) and KEY not in "".join(page.requests)
    assert not any(KEY in (value or "") for value in page.evaluate("[...document.querySelectorAll('input')].map(i => i.value)"))
    kept = [*lab.work.rglob("*.ipynb"), *lab.work.rglob(".ipynb_checkpoints/*"), lab.log]
    assert kept and all(KEY not in f.read_text("utf-8", "replace") for f in kept)
    view.get_by_role("button", name="Remove the key of Groq").click()
    page.locator(".jp-Dialog").get_by_role("button", name="Remove").click()
    view.get_by_role("button", name="Remove the key of Groq").wait_for(state="detached")


def test_a_call_is_in_the_activity_its_question_can_be_inserted_and_its_run_opened(side):
    side.run(1)
    view = tab(side, "Activity")
    row = view.get_by_role("button", name="the quick brown fox")
    row.first.wait_for()
    assert re.search(r"This notebook\s*\d+ calls?", view.inner_text().replace("\n", " "))
    shot(side, "activity")
    view.get_by_role("searchbox").fill("quick fox")
    row.first.wait_for()
    row.first.click()
    run = side.page.locator(".fmnb-RunView")
    run.get_by_role("heading", name="the quick brown fox").wait_for()
    assert "Started" in run.inner_text() and "Finished" in run.inner_text()
    side.page.evaluate("() => { window.jupyterapp.shell.currentWidget.dispose(); }")
    side.page.wait_for_function("window.jupyterapp.shell.currentWidget?.content?.widgets")
    before = len(side.sources())
    view.get_by_role("searchbox").fill("")
    view.get_by_role("button", name="Insert this prompt as a cell").first.click()
    side.page.wait_for_function("n => window.jupyterapp.shell.currentWidget.content.widgets.length > n", arg=before)
    assert any(s.startswith("%%fm echo") and s.endswith("the quick brown fox") and "--raw" in s for s in side.sources())


def test_a_running_call_is_seen_and_its_stop_button_works_while_the_cell_runs(side):
    view = tab(side, "Activity")
    at = next(i for i, s in enumerate(side.sources()) if s.startswith("%%fm echo:slow=8"))
    side.start(at)
    stop = view.get_by_role("button", name="Stop echo:slow=8")
    stop.wait_for()
    side.outputs(at).get_by_text("word").first.wait_for()
    stop.click()
    side.wait_end(at)
    assert "Stopped" in side.text(at) or "stopped" in side.text(at)
    assert "word" in side.text(at), "what had come is kept"
    stop.wait_for(state="detached")


def test_the_budget_of_the_kernel_is_a_bar(side):
    at = next(i for i, s in enumerate(side.sources()) if s == "%fm budget 5")
    side.run(at)
    side.run(1)
    meter = tab(side, "Activity").get_by_label("$0 of $5")
    meter.wait_for()


def test_weights_are_listed_loaded_and_unloaded(side):
    view = tab(side, "Local")
    view.get_by_role("button", name="Load embedded into this notebook").click()
    unload = view.get_by_role("button", name="Unload embedded")
    unload.wait_for(timeout=60_000)
    shot(side, "local")
    assert "free of" in view.inner_text()
    unload.click()
    unload.wait_for(state="detached")
    assert not any("unload" in s for s in side.sources())


def test_a_download_says_what_it_brings_before_it_begins(side):
    view = tab(side, "Local")
    view.get_by_label(re.compile("Weights to download")).fill("embedded")
    view.get_by_role("button", name="Check").click()
    info = view.get_by_role("group", name="Download plan")
    info.wait_for()
    assert "93" in info.inner_text() and "Apache-2.0" in info.inner_text()
    info.get_by_role("button", name="Cancel").click()
    info.wait_for(state="detached")


def test_a_prompt_is_saved_inserted_and_deleted(side):
    view = tab(side, "Prompts")
    side._select(1)
    view.get_by_role("button", name="Save this cell").click()
    dialog = side.page.locator(".jp-Dialog")
    dialog.get_by_role("textbox").fill("fox")
    dialog.get_by_role("button", name="Save").click()
    insert = view.get_by_role("button", name="Insert fox as a cell")
    insert.wait_for()
    shot(side, "prompts")
    insert.click()
    side.page.wait_for_function(
        "[...window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells].some(c => c.source === '%%fm\\nthe quick brown fox')"
    )
    view.get_by_role("button", name="Delete fox").click()
    side.page.locator(".jp-Dialog").get_by_role("button", name="Delete").click()
    insert.wait_for(state="detached")


def test_questions_about_a_cell_are_cells_that_show_what_is_sent(side):
    at = next(i for i, s in enumerate(side.sources()) if s.startswith("print('shown')"))
    side.run(at)
    for command, words in (
        ("fmnb:fix-error", ["%%fm --raw", "This notebook cell fails", "1 / 0", "ZeroDivisionError"]),
        ("fmnb:explain-output", ["%%fm --raw", "Explain this output", "shown"]),
        ("fmnb:ask-about-cell", ["%%fm --raw", "Explain what this notebook cell does", "print('shown')"]),
    ):
        side._select(at)
        before = len(side.sources())
        side.command(command)
        source = side.sources()[at + 1]
        assert len(side.sources()) == before + 1 and all(w in source for w in words), source


def test_the_panel_holds_after_a_kernel_restart(side):
    side.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }")
    side.page.evaluate(KERNEL_READY)
    side.run(0)
    side.run(1)
    tab(side, "Activity").get_by_role("button", name="the quick brown fox").first.wait_for()
    tab(side, "Local").get_by_role("heading", name="This notebook").wait_for()


def test_the_views_are_accessible(side):
    axe = Path(__file__).parents[2] / "labextension/node_modules/axe-core/axe.min.js"
    side.page.add_script_tag(path=axe)
    for name in ("Models", "Local", "Keys", "Activity", "Prompts"):
        tab(side, name)
        settle(side.page)
        found = side.page.evaluate("async () => (await axe.run('#fmnb-panel', { resultTypes: ['violations'] })).violations")
        serious = [(v["id"], v["nodes"][0]["html"][:160]) for v in found if v["impact"] in ("serious", "critical")]
        assert not serious, (name, serious)
