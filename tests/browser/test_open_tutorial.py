"""Tutorials from the launcher, the palette and Notebook 7: each opens as a copy in the current folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import change_theme, new_page

SHOTS = os.environ.get("FMNB_SHOTS", "")
PATH = "window.jupyterapp.shell.currentWidget?.context?.path ?? ''"
CLOSE = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.sessionContext.shutdown();
  panel.dispose();
}"""


@pytest.fixture
def launcher(browser, lab):
    """A page with the launcher in the folder `course`."""
    (lab.work / "course").mkdir(exist_ok=True)
    page = new_page(browser)
    page.goto(f"{lab.url}/lab/workspaces/tutorials?token={lab.token}&reset")
    page.locator(".jp-Launcher").wait_for()
    page.evaluate("async () => { await window.jupyterapp.commands.execute('filebrowser:open-path', { path: 'course' }); }")
    page.locator(".jp-Launcher-cwd", has_text="course").wait_for()
    yield page
    page.context.close()


def card(page, title: str):
    return page.locator(".jp-LauncherCard", has_text=title)


def test_a_card_opens_a_copy_in_the_current_folder_and_a_second_one_overwrites_nothing(launcher, lab):
    expect(launcher.locator(".jp-Launcher-section", has_text="Foundation models").locator(".jp-LauncherCard")).to_have_count(6)
    assert "sends a prompt" in card(launcher, "The first cell").get_attribute("title")
    card(launcher, "The first cell").click()
    launcher.wait_for_function(f"{PATH} === 'course/01_first_cell.ipynb'")
    expect(launcher.locator(".jp-Notebook")).to_contain_text("%load_ext fmnb")
    mine = lab.work / "course" / "01_first_cell.ipynb"
    edited = json.loads(mine.read_text())
    edited["cells"][0]["source"] = "# Mine"
    mine.write_text(json.dumps(edited))
    launcher.evaluate(CLOSE)
    launcher.evaluate(
        "async () => { await window.jupyterapp.commands.execute('fmnb:open-tutorial', { name: '01_first_cell', cwd: 'course' }); }"
    )
    launcher.wait_for_function(f"{PATH} === 'course/01_first_cell-1.ipynb'")
    assert json.loads(mine.read_text())["cells"][0]["source"] == "# Mine"
    launcher.evaluate(CLOSE)


def test_the_palettes_command_lists_the_tutorials(launcher):
    launcher.evaluate("() => { window.jupyterapp.commands.execute('fmnb:open-tutorial'); }")
    launcher.locator(".jp-Dialog select, .jp-Dialog input").first.wait_for()
    launcher.locator(".jp-Dialog select").select_option(label="Compare, and vote")
    launcher.get_by_role("button", name="Open a copy").click()
    launcher.wait_for_function(f"{PATH} === '03_compare.ipynb'")
    launcher.evaluate(CLOSE)


def test_a_folder_that_is_gone_is_said_in_words(launcher):
    launcher.evaluate("() => { window.jupyterapp.commands.execute('fmnb:open-tutorial', { name: '01_first_cell', cwd: 'gone' }); }")
    expect(launcher.locator(".jp-Dialog")).to_contain_text("No such folder: 'gone'")


def test_in_notebook_7_a_tutorial_opens_in_a_page_of_its_own(browser, lab):
    page = new_page(browser)
    try:
        page.goto(f"{lab.url}/tree?token={lab.token}")
        page.wait_for_function("window.jupyterapp?.commands?.hasCommand('fmnb:open-tutorial')")
        with page.context.expect_page() as opened:
            page.evaluate("() => { window.jupyterapp.commands.execute('fmnb:open-tutorial', { name: '02_choose_a_model' }); }")
        new = opened.value
        new.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        expect(new.locator(".jp-Notebook")).to_contain_text("Choose a model")
    finally:
        page.context.close()


@pytest.mark.skipif(not SHOTS, reason="FMNB_SHOTS names no folder for pictures")
def test_pictures_of_the_launcher(launcher):
    card(launcher, "The first cell").scroll_into_view_if_needed()
    for theme in ("light", "dark"):
        change_theme(launcher, f"JupyterLab {theme.title()}")
        launcher.screenshot(path=Path(SHOTS) / f"launcher_{theme}.png")
    change_theme(launcher, "JupyterLab Light")
