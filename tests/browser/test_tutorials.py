"""The tutorials by Run All: in JupyterLab in the environment that `make lab` makes, and in Notebook 7. `make shots` draws them, light and dark."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.browser.conftest import PATIENCE, change_theme, end, new_page, open_at, settle, start
from tests.conftest import FULL, MODELS
from tests.environments import lab_python

FOLDER = os.environ.get("FMNB_SHOTS", "")
pytestmark = [
    pytest.mark.skipif(not (FULL or FOLDER), reason="five notebooks, two applications: part of `make test-full`"),
    pytest.mark.timeout(900),
]
NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
APPLICATIONS = ("lab/tree", "notebooks")
CLEAR = "notebook:clear-all-cell-outputs"
IDS = "window.jupyterapp.shell.currentWidget.content.widgets.filter(c => c.model.type === 'code').map(c => c.model.id)"
RAN = """ids => window.jupyterapp.shell.currentWidget.content.widgets.every(
  c => !ids.includes(c.model.id) || c.model.sharedModel.execution_count !== null)"""
FAILED = """() => window.jupyterapp.shell.currentWidget.content.widgets.filter(
  c => c.model.type === 'code' && !(c.model.getMetadata('tags') ?? []).includes('raises-exception')).flatMap(
  c => c.model.sharedModel.getOutputs().filter(o => o.output_type === 'error').map(o => o.ename + ': ' + o.evalue))"""


@pytest.fixture(scope="module", params=APPLICATIONS)
def app(request):
    return request.param


@pytest.fixture(scope="module")
def lab_of_tutorials(app, tmp_path_factory, extension, embedded_path, minilm_path):
    """A server with the tutorials in its folder; JupyterLab is that of `make lab`, which does not bring Notebook 7."""
    root = tmp_path_factory.mktemp("tutorials")
    with pytest.MonkeyPatch.context() as patch:
        if app == "lab/tree":
            patch.setenv("FMNB_LAB_PYTHON", lab_python())
        lab, process = start(root, extension, FMNB_MODELS=str(MODELS))
    for file in NOTEBOOKS[0].parent.iterdir():
        if file.is_file():
            shutil.copy(file, lab.work)
    try:
        yield lab
    finally:
        end(process)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_run_all_answers_every_cell(browser, lab_of_tutorials, path, app):
    page = new_page(browser, viewport={"width": 1280, "height": 1200})
    try:
        nb = open_at(page, lab_of_tutorials, lab_of_tutorials.work / path.name, app=app)
        nb.command(CLEAR)
        ids = page.evaluate(IDS)  # a cell may propose another below it
        nb.command("notebook:run-all-cells")
        page.wait_for_function(RAN, arg=ids, timeout=5 * PATIENCE)
        assert page.evaluate(FAILED) == []
        settle(page)
        if FOLDER and app == "lab/tree":
            for theme in ("JupyterLab Light", "JupyterLab Dark"):
                change_theme(page, theme)
                _draw(page, Path(FOLDER) / "tutorials" / f"{path.stem}_{theme.split()[1].lower()}.png")
    finally:
        page.context.close()


def _draw(page, file: Path) -> None:
    """The whole notebook in one picture: the window is made as high as its cells."""
    file.parent.mkdir(parents=True, exist_ok=True)
    height = page.evaluate("Math.max(...[...document.querySelectorAll('.jp-Notebook-cell')].map(c => c.offsetTop + c.offsetHeight))")
    page.set_viewport_size({"width": 1280, "height": min(12_000, int(height) + 200)})
    page.evaluate("document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer').scrollTop = 0")
    settle(page)
    page.screenshot(path=file)
    page.set_viewport_size({"width": 1280, "height": 1200})
