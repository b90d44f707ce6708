"""Cells that the sidebar and a cell's menu insert: the menu itself, whole questions, saved prompts by the palette's commands."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import new_page, open_at, write

LONG = "lorem ipsum " * 300


@pytest.fixture(scope="module")
def side(browser, lab):
    file = lab.work / "cells.ipynb"
    write(
        file,
        "%load_ext fmnb",
        "print('{{ kept }}')\nundefined_name",
        f"%%fm echo:think --raw\n{LONG}{{{{ kept }}}}",
        "%%fm echo:\n{{ 1 + 1 }}",
    )
    page = new_page(browser)
    nb = open_at(page, lab, file)
    nb.command("application:toggle-left-area")
    nb.run(0, 2, 1)
    nb.command("fmnb:show-activity")
    yield nb
    page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    page.context.close()


def test_the_menu_of_a_cell_asks_about_it_in_a_cell_below(side):
    page, menu = side.page, side.page.locator(".lm-Menu")
    side.cell(1).locator(".jp-InputArea-editor").click(button="right")
    menu.get_by_text("Foundation Models", exact=True).hover()
    for label in ("Ask About This Cell", "Explain This Output", "Fix This Error"):
        expect(menu.get_by_text(label)).to_be_visible()
    menu.get_by_text("Fix This Error").click()
    page.wait_for_function("window.jupyterapp.shell.currentWidget.content.widgets.length === 5")
    source = side.sources()[2]
    assert source.startswith("%%fm --raw\n") and "{{ kept }}" in source and "NameError" in source and "\x1b" not in source
    assert page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets[2].model.executionCount") is None, "nothing is sent yet"


def test_a_cell_without_an_error_has_none_to_fix(side):
    side._select(0)
    enabled = "c => window.jupyterapp.commands.isEnabled(c)"
    assert not side.page.evaluate(enabled, "fmnb:fix-error") and side.page.evaluate(enabled, "fmnb:ask-about-cell")


def test_the_whole_question_of_a_run_is_inserted_and_asked_as_it_was(side):
    before = len(side.sources())
    row = side.page.locator("#fmnb-panel").get_by_role("listitem").filter(has_text="lorem ipsum").first
    row.get_by_role("button", name="Insert").click()
    side.page.wait_for_function("n => window.jupyterapp.shell.currentWidget.content.widgets.length > n", arg=before)
    inserted = [s for s in side.sources() if s.startswith("%%fm echo:think --raw") and LONG in s and s.endswith("{{ kept }}")]
    assert len(inserted) == 2, "beyond what the list shows, from the model that was asked"


def test_a_prompt_is_saved_and_inserted_by_commands_alone(side):
    at = side.sources().index("%%fm echo:\n{{ 1 + 1 }}")
    side._select(at)
    for command in ("fmnb:save-prompt", "fmnb:insert-saved"):
        side.page.evaluate("async c => { await window.jupyterapp.commands.execute(c, { name: 'sum' }); }", command)
    assert "%%fm\n{{ 1 + 1 }}" in side.sources()


def test_what_can_be_done_with_a_cell_is_one_entry_of_its_menu(side):
    side.cell(1).locator(".jp-InputArea-editor").click(button="right")
    menu = side.page.locator(".lm-Menu").first
    expect(menu.get_by_text("Foundation Models", exact=True)).to_have_count(1)
    expect(menu.get_by_text("Ask About This Cell")).to_have_count(0)
    side.page.keyboard.press("Escape")
