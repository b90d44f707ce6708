"""Pictures of the sidebar for people to look at: light, dark, forced colours, 200 % zoom. `make shots` draws them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import WIDTH, new_page, open_at, write
from tests.browser.test_shots import FOLDER

pytestmark = pytest.mark.skipif(not FOLDER, reason="drawn by `make shots`")


def _panel(page, name: str) -> None:
    page.mouse.move(5, 5)
    page.wait_for_timeout(400)
    page.locator("#fmnb-panel").screenshot(path=Path(FOLDER) / f"sidebar_{name}.png", animations="disabled")


def _open(page, lab, file, width: int = 300):
    nb = open_at(page, lab, file)
    nb.command("application:toggle-left-area")
    nb.run(0)
    nb.command("fmnb:show")
    page.evaluate(WIDTH, width)
    page.locator("#fmnb-panel .fmnb-Row").first.wait_for()
    return nb


def _go_through(page, nb, theme: str) -> None:
    panel = page.locator("#fmnb-panel")
    _panel(page, f"models_{theme}")
    page.screenshot(path=Path(FOLDER) / f"sidebar_whole_{theme}.png")
    panel.get_by_role("row", name="embedded").click()
    for name in ("embedded", "echo:"):
        panel.get_by_role("row", name=name).first.locator(".fmnb-Checkbox").click()
    panel.get_by_role("treegrid").focus()
    _panel(page, f"details_{theme}")
    panel.get_by_role("row", name="embedded").first.click()
    panel.get_by_role("searchbox").fill("gemini vision")
    page.wait_for_timeout(1500)
    _panel(page, f"search_{theme}")
    panel.get_by_role("searchbox").fill("")
    panel.get_by_role("button", name="Clear").last.click()
    page.evaluate("() => { window.jupyterapp.commands.execute('fmnb:choose-model'); }")
    page.get_by_role("combobox", name="Model").press("ArrowDown")
    page.wait_for_timeout(500)
    page.screenshot(path=Path(FOLDER) / f"sidebar_picker_{theme}.png")
    page.keyboard.press("Escape")


@pytest.mark.weights
def test_shots_of_the_sidebar(browser, lab):
    file = lab.work / "sidebar-shots.ipynb"
    write(file, "%load_ext fmnb", "%%fm\nWhat is a median?")
    page = new_page(browser, device_scale_factor=2)
    try:
        nb = _open(page, lab, file)
        for theme in ("light", "dark"):
            nb.command("apputils:change-theme", theme=f"JupyterLab {theme.title()}")
            page.wait_for_timeout(800)
            _go_through(page, nb, theme)
        nb.command("apputils:change-theme", theme="JupyterLab Light")
        page.emulate_media(forced_colors="active")
        _go_through(page, nb, "forced")
        page.emulate_media(forced_colors="none")
        page.set_viewport_size({"width": 640, "height": 450})  # what 200 % leaves of 1280 by 900
        page.evaluate(WIDTH, 300)
        _panel(page, "models_zoom")
        page.screenshot(path=Path(FOLDER) / "sidebar_whole_zoom.png")
        page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    finally:
        page.context.close()
