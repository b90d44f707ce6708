"""Questions of a running cell in JupyterLab: the form, keyboard, reload, two pages, two kernels, and ipykernel 6."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Notebook, change_theme, end, new_page, open_at, start, write
from tests.browser.test_axe import axe  # noqa: F401 - a fixture
from tests.environments import ROOT, python_with

SHOTS = os.environ.get("FMNB_SHOTS", "")
IMPORT = "from fmnb.config.question import ask"
ASK = "print('got', ask('Continue?', {'go': 'Go on', 'stop': 'Stop here'}, default='stop', details='640 calls, about $2.10 to $3.40'))"
TWICE = f"{ASK}\n{ASK}"
EDIT = "([i, code]) => window.jupyterapp.shell.currentWidget.content.widgets[i].model.sharedModel.setSource(code)"
DOWN = """() => {
  const { content } = window.jupyterapp.shell.currentWidget;
  content.activeCellIndex = 5;
  content.node.querySelector('.jp-WindowedPanel-outer').scrollTop = 1e6;
}"""
LEAVE = "addEventListener('beforeunload', e => e.stopImmediatePropagation(), true)"  # no question about unsaved changes
SLOW = "%%fm echo:slow=20\n" + "word " * 4000


def form(nb: Notebook, i: int = 2):
    return nb.cell(i).get_by_role("group", name="Question of the running cell")


def answer(nb: Notebook, label: str, i: int = 2) -> None:
    form(nb, i).get_by_role("button", name=label).click()


def reload(nb: Notebook) -> None:
    """Load the page again, with the notebook in front, and do not wait for the kernel."""
    nb.page.reload()
    nb.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()


@pytest.fixture
def own(browser, lab, request):
    """A function that opens a notebook in a page of its own, fmnb loaded."""
    pages, notebooks = [], []

    def make(*cells: str, file: Path | None = None) -> Notebook:
        fresh = file is None
        if file is None:
            file = lab.work / f"{request.node.name}-{len(pages)}.ipynb"
            write(file, "%load_ext fmnb", IMPORT, *cells)
        page = new_page(browser)
        pages.append(page)
        page.add_init_script(LEAVE)
        page.goto(f"{lab.url}/lab/workspaces/q{len(pages)}/tree/{file.name}?token={lab.token}&reset")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        nb = Notebook(page, file)
        if fresh:
            page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'")
            nb.run(0, 1)
            notebooks.append(nb)
        return nb

    yield make
    for nb in notebooks:
        nb.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget?.sessionContext?.shutdown(); }")
    for page in pages:
        page.context.close()


def test_a_question_is_answered_under_its_cell_while_the_cell_runs(notebook):
    nb = notebook(IMPORT, TWICE)
    nb.run(1)
    nb.start(2)
    expect(form(nb)).to_contain_text("640 calls")
    assert form(nb).get_by_role("alert").inner_text() == "Continue?"
    answer(nb, "Go on")
    nb.outputs(2).get_by_text("got go").wait_for()
    answer(nb, "Stop here")
    nb.wait_end(2)
    assert nb.text(2).split("\n")[:4] == ["Continue? Go on", "got go", "Continue? Stop here", "got stop"]
    expect(form(nb)).to_have_count(0)
    assert "fmnb-Question" not in json.dumps(nb.saved())


def test_a_question_by_keyboard_and_no_key_answers_by_accident(notebook):
    nb = notebook(IMPORT, ASK, "1")
    nb.run(1)
    nb.cell(2).locator(".cm-content").click()
    nb.page.keyboard.press("Shift+Enter")
    expect(form(nb)).to_be_focused()
    for key in ("Enter", " ", "d", "d", "Escape"):
        nb.page.keyboard.press(key)
    expect(form(nb)).to_have_count(1)
    assert len(nb.sources()) == 4
    nb.page.keyboard.press("Tab")
    expect(form(nb).get_by_role("region", name="Details")).to_be_focused()
    nb.page.keyboard.press("Tab")
    nb.page.keyboard.press("Tab")
    expect(form(nb).get_by_role("button", name="Stop here")).to_be_focused()
    nb.page.keyboard.press("Enter")
    nb.outputs(2).get_by_text("got stop").wait_for()


def test_axe_finds_nothing_in_the_form(notebook, page, axe):  # noqa: F811
    nb = notebook(IMPORT, ASK)
    nb.run(1)
    nb.start(2)
    form(nb).wait_for()
    page.evaluate(axe)
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        change_theme(page, theme)
        found = page.evaluate(
            "async () => (await axe.run({ include: ['.fmnb-Question'] })).violations.map(v => [v.id, v.nodes.map(n => n.html)])"
        )
        assert found == []
    answer(nb, "Go on")
    nb.wait_end(2)


def test_an_interrupt_closes_the_form(notebook):
    nb = notebook(IMPORT, ASK)
    nb.run(1)
    nb.start(2)
    form(nb).wait_for()
    nb.interrupt()
    nb.outputs(2).get_by_text("KeyboardInterrupt").first.wait_for()
    expect(form(nb)).to_have_count(0)


def test_a_restart_closes_the_form(notebook):
    nb = notebook(IMPORT, ASK)
    nb.run(1)
    nb.start(2)
    form(nb).wait_for()
    nb.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }")
    expect(form(nb)).to_have_count(0)


def test_a_page_loaded_while_the_question_stands_shows_it_and_its_answer_counts(own):
    nb = own(ASK, "print('next')")
    nb.start(2)
    form(nb).wait_for()
    reload(nb)
    form(nb).wait_for()
    answer(nb, "Go on")
    expect(form(nb)).to_have_count(0)
    nb.page.wait_for_function(
        "async () => { const k = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel; await k.requestKernelInfo(); return true; }"
    )
    nb.run(3)
    assert nb.text(3).strip() == "next"


def test_of_two_pages_the_first_answer_wins_and_the_other_form_closes(own):
    one = own(ASK)
    two = own(file=one.file)
    one.start(2)
    form(one).wait_for()
    form(two).wait_for()
    answer(two, "Stop here")
    expect(form(one)).to_have_count(0)
    expect(form(two)).to_have_count(0)
    one.outputs(2).get_by_text("got stop").wait_for()


def test_two_kernels_ask_at_once_and_a_notification_leads_to_the_hidden_one(notebook, page, lab):
    wait = "import os, time\nwhile not os.path.exists('second-is-open'): time.sleep(0.05)\n"
    one = notebook(IMPORT, wait + ASK)
    one.run(1)
    one.start(2)
    two = notebook(IMPORT, ASK)
    two.run(1)
    two.start(2)
    form(two).wait_for()
    (lab.work / "second-is-open").touch()
    page.get_by_text("A running cell asks: Continue?").wait_for()
    answer(two, "Stop here")
    two.outputs(2).get_by_text("got stop").wait_for()
    page.get_by_role("button", name="Show").click()
    answer(one, "Go on")
    one.outputs(2).get_by_text("got go").wait_for()
    expect(page.locator(".Toastify__toast")).to_have_count(0)


def test_a_question_out_of_sight_is_a_notification_that_leads_to_it(notebook, page):
    nb = notebook(IMPORT, ASK, *["print('line')\n" * 40] * 3)
    nb.run(1)
    nb.start(2)
    form(nb).wait_for()
    answer(nb, "Go on")
    nb.wait_end(2)
    expect(page.locator(".Toastify__toast")).to_have_count(0)
    nb.run(3, 4, 5)
    nb.page.evaluate(EDIT, [2, f"import time; time.sleep(1)\n{ASK}"])
    nb.start(2)
    nb.page.evaluate(DOWN)
    page.get_by_text("A running cell asks: Continue?").wait_for()
    page.get_by_role("button", name="Show").click()
    expect(form(nb)).to_be_in_viewport()
    answer(nb, "Stop here")
    nb.outputs(2).get_by_text("got stop").wait_for()


def test_stop_works_after_a_reload_while_the_cell_runs(own):
    nb = own(SLOW, "import fmnb as fm\nprint(fm.log(limit=1)[0])")
    nb.start(2)
    nb.outputs(2).get_by_text("word").first.wait_for()
    reload(nb)
    nb.command("fmnb:show-activity")
    stop = nb.page.locator("#fmnb-panel").get_by_role("button", name="Stop echo:slow=20")
    stop.wait_for()
    stop.click()
    stop.wait_for(state="detached")
    nb.run(3)
    assert "cancelled" in nb.text(3)


def test_a_verb_that_deletes_asks_in_the_page_first(notebook):
    nb = notebook(
        "import fmnb as fm\nfm.ask('kept', 'echo:')",
        "%fm log forget --all",
        "print(len(fm.log()))",
    )
    nb.run(1)
    nb.start(2)
    answer(nb, "Cancel")
    nb.outputs(2).get_by_text("Nothing was done").wait_for()
    nb.run(3)
    assert int(nb.text(3)) > 0


def test_ipykernel_6_asks_by_input_and_the_form_fills_the_field(browser, extension, tmp_path):
    python = python_with("ipykernel6", str(ROOT), "ipykernel==6.30.1")
    spec = tmp_path / "kernels" / "share" / "kernels" / "old"
    spec.mkdir(parents=True)
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "old", "language": "python"}))
    data = os.pathsep.join([str(extension), str(tmp_path / "kernels" / "share")])
    lab, process = start(tmp_path, data)
    page = new_page(browser)
    try:
        file = lab.work / "old.ipynb"
        write(file, "%load_ext fmnb", IMPORT, TWICE, metadata={"kernelspec": {"name": "old", "display_name": "old", "language": "python"}})
        nb = open_at(page, lab, file)
        nb.run(0, 1)
        nb.start(2)
        form(nb).wait_for()
        expect(nb.cell(2).locator(".jp-Stdin")).to_be_hidden()
        answer(nb, "Go on")
        nb.outputs(2).get_by_text("got go").wait_for()
        answer(nb, "Stop here")
        nb.wait_end(2)
        assert "got stop" in nb.text(2)
    finally:
        page.context.close()
        end(process)


@pytest.mark.skipif(not SHOTS, reason="FMNB_SHOTS names no folder for pictures")
def test_pictures_of_a_question(notebook, page):
    nb = notebook(IMPORT, ASK)
    nb.run(1)
    nb.start(2)
    form(nb).wait_for()
    for theme in ("light", "dark"):
        change_theme(page, f"JupyterLab {theme.title()}")
        form(nb).get_by_role("button", name="Stop here").focus()
        nb.cell(2).screenshot(path=Path(SHOTS) / f"question_{theme}.png")
    change_theme(page, "JupyterLab Light")
    answer(nb, "Go on")
    nb.wait_end(2)
