"""Code that a model proposes: one cell below the one that asked, replaced as long as nobody has edited it."""

import pytest

from tests.browser.conftest import KERNEL_READY, Notebook, new_page, open_at, write

ASK = "%%fm echo: -f code\n```python\n{{ wish }}\n```"


def _ask_again(nb: Notebook, wish: str) -> None:
    nb.edit(1, f"wish = {wish!r}")
    nb.run(1, 2)


def test_the_second_proposal_replaces_the_first(notebook):
    nb = notebook("wish = 'x = 1; x'", ASK, "'the end'")
    nb.run(1, 2)
    assert nb.sources()[3:] == ["x = 1; x", "'the end'"]
    assert nb.marks()[3]["proposal_of"] == "cell-2"
    nb.run(3)
    assert nb.text(3) == "1"
    _ask_again(nb, "x = 2; x")
    assert nb.sources()[3:] == ["x = 2; x", "'the end'"]
    assert nb.outputs(3).count() == 0  # what the earlier code gave is gone with it


def test_an_edited_proposal_is_the_users_and_stays(notebook):
    nb = notebook("wish = 'x = 1'", ASK)
    nb.run(1, 2)
    nb.edit(3, "x = 1  # mine")
    _ask_again(nb, "x = 2")
    assert nb.sources()[3:] == ["x = 2", "x = 1  # mine"]
    assert nb.marks()[4] is None
    _ask_again(nb, "x = 3")
    assert nb.sources()[3:] == ["x = 3", "x = 1  # mine"]


def test_the_same_code_comes_back_after_its_cell_was_deleted(notebook):
    nb = notebook("wish = 'x = 1'", ASK)
    nb.run(1, 2)
    nb._select(3)
    nb.command("notebook:delete-cell")
    assert len(nb.sources()) == 3
    nb.run(2)
    assert nb.sources()[3:] == ["x = 1"]


def test_proposals_are_known_again_after_the_kernel_restarts(notebook):
    nb = notebook("wish = 'x = 1'", ASK)
    nb.run(1, 2)
    nb.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.restartKernel(); }")
    nb.page.evaluate(KERNEL_READY)
    nb.run(0)
    _ask_again(nb, "x = 2")
    assert nb.sources()[3:] == ["x = 2"]


@pytest.mark.parametrize("app", ["lab/tree", "notebooks"])
def test_proposals_work_after_the_page_is_reloaded_in_lab_and_notebook_7(browser, lab, app):
    file = lab.work / f"reload-{app[:3]}.ipynb"
    write(file, "%load_ext fmnb", "wish = 'x = 1'", ASK)
    page = new_page(browser)
    try:
        nb = open_at(page, lab, file, app)
        nb.run(0, 1, 2)
        assert nb.sources()[3:] == ["x = 1"]
        nb.command("docmanager:save")
        nb = open_at(page, lab, file, app)  # the kernel lives on, and its comm with it
        _ask_again(nb, "x = 2")
        assert nb.sources()[3:] == ["x = 2"]
        page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    finally:
        page.context.close()


@pytest.mark.weights
def test_fix_offers_the_mended_cell_below(notebook):
    nb = notebook("prices = [3, 4, 5]\ntotal = summ(prices)", "answer = %fm fix embedded -t 0 --max-tokens 120", "answer.text")
    nb.run(1)
    assert "NameError" in nb.text(1)
    nb.run(2)
    assert len(nb.sources()) == 5
    assert nb.marks()[3]["proposal_of"] == "cell-2"
    assert "prices" in nb.sources()[3] and "```" not in nb.sources()[3]
