"""Help at an error: a proposed change to accept or reject, an explanation, the key that is missing, and one bar for one failure."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Notebook, change_theme, new_page, open_at, settle, write
from tests.browser.test_axe import axe  # noqa: F401 - a fixture

SHOTS = os.environ.get("FMNB_SHOTS", "")
FAILS = "total = 10\ncount = 0\n# one\n# two\n# three\n# four\n# five\n# six\n# seven\nmean = total / count\nprint(mean)"
FIXED = FAILS.replace("count = 0", "count = 4").replace("print(mean)", "print('mean', mean)")
MODEL = f"""FIXED = {FIXED!r}
import threading
hold = threading.Event(); hold.set()
asked = []
def mend(prompt):
    asked.append(prompt)
    hold.wait(60)
    return "Here:\\n```python\\n" + FIXED + "\\n```" if "corrected cell" in prompt else "You divide by zero."
%fm use mend"""
EDIT = "([i, code]) => window.jupyterapp.shell.currentWidget.content.widgets[i].model.sharedModel.setSource(code)"
UNDO = "() => { window.jupyterapp.shell.currentWidget.content.widgets[2].editor.undo(); }"
FOCUSED_KEY = "() => document.activeElement?.getAttribute('aria-label') ?? ''"


def help_of(nb: Notebook, i: int = 2):
    return nb.cell(i).get_by_role("group", name="Help with this error")


def press(nb: Notebook, label: str, i: int = 2) -> None:
    help_of(nb, i).get_by_role("button", name=label).click()


def change(nb: Notebook, i: int = 2):
    return nb.cell(i).get_by_role("group", name="Proposed change")


@pytest.fixture
def failed(notebook):
    """A notebook whose cell 2 has failed, and whose model is a function that knows the correction."""
    nb = notebook(MODEL, FAILS, "# below")
    nb.run(1, 2)
    return nb


def test_the_correction_is_a_change_that_is_accepted_in_one_step(failed):
    press(failed, "Fix")
    expect(change(failed)).to_contain_text("proposed by mend")
    expect(change(failed).locator(".cm-changedLine").first).to_contain_text("count = 4")
    expect(change(failed).locator(".cm-deletedChunk").first).to_contain_text("count = 0")
    assert failed.sources()[2] == FAILS, "nothing is in the notebook yet"
    change(failed).get_by_role("button", name="Accept").click()
    expect(change(failed)).to_have_count(0)
    assert failed.sources()[2] == FIXED and len(failed.sources()) == 4
    failed.page.evaluate(UNDO)
    assert failed.sources()[2] == FAILS, "one undo takes it back"
    failed.page.evaluate(EDIT, [2, FIXED])
    failed.run(2)
    assert failed.text(2).strip() == "mean 2.5"
    expect(help_of(failed)).to_have_count(0)
    assert failed.marks()[2] is None
    assert not any(word in json.dumps(failed.saved()["cells"][2]) for word in ("proposed", "button", "Fix"))


def test_a_rejected_change_leaves_the_cell_alone(failed):
    press(failed, "Fix")
    change(failed).get_by_role("button", name="Reject", exact=True).click()
    expect(change(failed)).to_have_count(0)
    assert failed.sources()[2] == FAILS
    press(failed, "Fix")
    press(failed, "Fix")  # a second click, while the first is under way or after it
    expect(change(failed)).to_have_count(1)


def test_one_difference_can_be_rejected_alone(failed):
    press(failed, "Fix")
    change(failed).get_by_role("button", name="Reject this").last.click()
    change(failed).get_by_role("button", name="Accept").click()
    assert failed.sources()[2] == FAILS.replace("count = 0", "count = 4")
    failed.page.evaluate(EDIT, [2, FAILS])
    failed.run(2)
    press(failed, "Fix")
    change(failed).get_by_role("button", name="Reject this").last.click()
    change(failed).get_by_role("button", name="Reject this").click()
    expect(change(failed)).to_have_count(0)


def test_what_is_typed_meanwhile_is_shown_as_what_accepting_replaces(failed):
    press(failed, "Fix")
    change(failed).wait_for()
    expect(change(failed).get_by_role("status")).to_be_hidden()
    failed.page.evaluate(EDIT, [2, FAILS + "\n# typed since"])
    expect(change(failed).get_by_role("status")).to_contain_text("was changed since it failed")
    expect(change(failed).locator(".cm-deletedChunk").last).to_contain_text("# typed since")
    change(failed).get_by_role("button", name="Reject this").last.click()
    change(failed).get_by_role("button", name="Accept").click()
    assert "count = 4" in failed.sources()[2] and failed.sources()[2].endswith("print(mean)\n# typed since")


def test_the_accepted_change_is_not_one_step_with_what_was_typed_before(failed):
    press(failed, "Fix")
    change(failed).wait_for()
    failed.cell(2).locator(".jp-InputArea .cm-line").last.click()
    failed.page.keyboard.press("End")
    failed.page.keyboard.insert_text("  # typed")
    change(failed).get_by_role("button", name="Accept").click()
    failed.page.evaluate(UNDO)
    assert failed.sources()[2] == FAILS + "  # typed"


def test_progress_is_visible_and_can_be_stopped(failed):
    failed.page.evaluate(EDIT, [3, "%fm use echo:slow=5"])
    failed.run(3)
    press(failed, "Fix")
    form = failed.cell(2).get_by_role("group", name="Fix of this cell")
    expect(form).to_contain_text("characters")
    form.get_by_role("button", name="Stop").click()
    expect(form).to_contain_text("Stopped.")
    form.get_by_role("button", name="Close").click()
    expect(form).to_have_count(0)
    assert failed.sources()[2] == FAILS
    failed.page.evaluate(EDIT, [3, "print('alive')"])
    failed.run(3)
    assert failed.text(3).strip() == "alive"


def test_a_busy_kernel_and_a_model_that_fails_are_said_at_that_place(failed):
    form = failed.cell(2).get_by_role("group", name="Fix of this cell")
    failed.page.evaluate(EDIT, [3, "import os, time\nwhile not os.path.exists('go-on'): time.sleep(0.05)"])
    failed.start(3)
    failed.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'")
    press(failed, "Fix")
    expect(form).to_contain_text("The kernel is busy")
    (failed.file.parent / "go-on").touch()
    failed.wait_end(3)
    failed.page.evaluate(EDIT, [3, "%fm use echo:fail=server"])
    failed.run(3)
    press(failed, "Fix")
    expect(form).to_contain_text("echo")
    expect(form.get_by_role("button", name="Close")).to_be_visible()
    failed.page.evaluate(EDIT, [3, "FIXED = FIXED.replace('count = 4', 'count = 0').replace(\"'mean', \", '')\n%fm use mend"])
    failed.run(3)
    press(failed, "Fix")
    expect(form).to_contain_text("proposes no change")
    expect(form).to_have_count(1)


def test_after_a_restart_the_buttons_go_and_come_back_with_fmnb(failed):
    failed.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }")
    expect(help_of(failed)).to_have_count(0)
    failed.run(0)
    press(failed, "Fix")
    expect(failed.cell(2).get_by_role("group", name="Fix of this cell")).to_contain_text("Run it again")


def test_explain_asks_in_a_cell_below(failed):
    press(failed, "Explain")
    failed.outputs(3).get_by_text("You divide by zero.").wait_for()
    source = failed.sources()[3]
    assert source.startswith("%%fm --raw\n") and "ZeroDivisionError" in source and "count = 0" in source
    assert failed.sources()[4] == "# below"


def test_a_cell_that_fails_twice_has_one_bar_and_a_stopped_one_has_none(failed):
    failed.run(2)
    expect(help_of(failed)).to_have_count(1)
    failed.page.evaluate(EDIT, [2, "import time\ntime.sleep(60)"])
    failed.start(2)
    failed.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'")
    failed.interrupt()
    failed.outputs(2).get_by_text("KeyboardInterrupt").first.wait_for()
    settle(failed.page)
    expect(help_of(failed)).to_have_count(0)


def test_a_failed_answer_is_one_bar_without_thumbs(notebook):
    nb = notebook("%%fm echo:fail=server\nhi", "%%fm echo:fail=server echo:\nhi")
    nb.run(1)
    nb.cell(1).get_by_role("alert").wait_for()
    expect(nb.cell(1).get_by_text("as shown above")).to_be_hidden()
    assert any("as shown above" in json.dumps(o) for o in nb.saved()["cells"][1]["outputs"])
    settle(nb.page)
    expect(nb.cell(1).get_by_role("group", name="Rate this answer")).to_have_count(0)
    expect(nb.cell(1).get_by_role("group", name="Help with this error")).to_have_count(0)
    nb.run(1)
    expect(nb.cell(1).get_by_role("alert")).to_have_count(1)
    nb.run(2)
    expect(nb.cell(2).get_by_role("group", name="Rate this answer")).to_have_count(1)


def test_a_missing_key_is_one_click_from_its_field(notebook):
    nb = notebook("%%fm openai:gpt-5-mini\nhi", "%%fm openai:gpt-5-mini echo:\nhi", "import fmnb as fm\nfm.ask('hi', 'openai:gpt-5-mini')")
    for i in (1, 2, 3):
        nb.run(i)
        expect(nb.cell(i).get_by_role("button", name="Set a Key")).to_have_count(1)
        assert "Keys tab" in nb.cell(i).inner_text()
        nb.cell(i).get_by_role("button", name="Set a Key").click()
        nb.page.locator("#fmnb-tab-keys[aria-selected=true]").wait_for()
        nb.page.wait_for_function(f"({FOCUSED_KEY})().startsWith('API key for OpenAI')")
        nb.command("fmnb:show-models")
    nb.command("application:toggle-right-area")


def test_axe_finds_nothing_in_the_buttons_and_the_change(failed, axe):  # noqa: F811
    press(failed, "Fix")
    change(failed).wait_for()
    failed.page.evaluate(axe)
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        change_theme(failed.page, theme)
        found = failed.page.evaluate(
            "async () => (await axe.run({ include: ['.fmnb-Change', '.fmnb-ErrorButtons'] })).violations.map(v => [v.id, v.nodes.map(n => n.html)])"
        )
        assert found == []


def test_in_notebook_7_a_change_is_proposed_and_accepted(browser, lab):
    page = new_page(browser)
    try:
        file = lab.work / "fix-in-notebook-7.ipynb"
        write(file, "%load_ext fmnb", MODEL, FAILS, "%%fm openai:gpt-5-mini\nhi")
        nb = open_at(page, lab, file, app="notebooks")
        nb.run(0, 1, 2, 3)
        press(nb, "Fix")
        change(nb).get_by_role("button", name="Accept").click()
        assert nb.sources()[2] == FIXED
        nb.cell(3).get_by_role("button", name="Set a Key").click()
        page.wait_for_function(f"({FOCUSED_KEY})().startsWith('API key for OpenAI')")
        page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    finally:
        page.context.close()


@pytest.mark.skipif(not SHOTS, reason="FMNB_SHOTS names no folder for pictures")
def test_pictures_of_a_fix(failed, page):
    failed.page.evaluate(EDIT, [3, "%%fm openai:gpt-5-mini\nhi"])
    failed.run(3)
    failed.cell(3).get_by_role("button", name="Set a Key").wait_for()
    press(failed, "Fix")
    change(failed).wait_for()
    for theme in ("light", "dark"):
        change_theme(page, f"JupyterLab {theme.title()}")
        failed.cell(2).screenshot(path=Path(SHOTS) / f"fix_{theme}.png")
        failed.cell(3).screenshot(path=Path(SHOTS) / f"key_{theme}.png")
    change_theme(page, "JupyterLab Light")


def test_after_a_restart_one_click_loads_fmnb_and_runs_the_cell(notebook):
    nb = notebook("%%fm echo:\nalive")
    nb.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }")
    nb.run(1)
    expect(nb.cell(1)).to_contain_text("Cell magic `%%fm` not found")
    nb.cell(1).get_by_role("button", name="Load fmnb").click()
    expect(nb.outputs(1).first).to_contain_text("alive")
    expect(nb.cell(1).get_by_role("button", name="Load fmnb")).to_have_count(0)
    assert len(nb.sources()) == 2, "the notebook's own cell loads it"
    assert nb.page.evaluate("() => document.activeElement !== document.body")


def test_where_no_cell_loads_fmnb_one_is_inserted_above(notebook):
    nb = notebook("%%fm echo:\nalive")
    nb.edit(0, "# notes")
    nb.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }")
    nb.run(1)
    nb.cell(1).get_by_role("button", name="Load fmnb").click()
    expect(nb.outputs(2).first).to_contain_text("alive")
    assert nb.sources() == ["%load_ext fmnb", "# notes", "%%fm echo:\nalive"]
