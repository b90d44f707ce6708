"""A new user's first hour in a fresh JupyterLab: `make first-hour` runs it, as often as TIMES says, light and dark in turn.

It fails at a failed cell, at an answer of another model than the chosen one, and at errors of ours in the browser's console.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from fmnb.core.errors import UsageError
from fmnb.jupyter.magics.options import parse
from tests.browser.conftest import (
    DRAWN,
    KERNEL_READY,
    OPEN,
    PATIENCE,
    WIDTH,
    Lab,
    Notebook,
    change_theme,
    end,
    new_page,
    settle,
    start,
    write,
)
from tests.browser.test_tutorials import FAILED, IDS, NOTEBOOKS, RAN
from tests.conftest import MODELS
from tests.environments import lab_python

TIMES = int(os.environ.get("FMNB_FIRST_HOUR") or 0)
FOLDER = os.environ.get("FMNB_SHOTS", "")
pytestmark = [
    pytest.mark.skipif(not TIMES, reason="an hour of a user's work: run by `make first-hour`"),
    pytest.mark.timeout(1200),
]
LONG = 6 * PATIENCE
NOWHERE = "http://127.0.0.1:9"  # the Hugging Face hub is not reached
PATH = "window.jupyterapp.shell.currentWidget?.context?.path ?? ''"
SHUT = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.save();
  await panel.sessionContext.shutdown();
  panel.dispose();
}"""
# Source and answers of each code cell: what our output metadata says of them.
ANSWERS = """() => window.jupyterapp.shell.currentWidget.content.widgets.filter(c => c.model.type === 'code').map(c => [
  c.model.sharedModel.source,
  c.model.sharedModel.getOutputs().map(o => o.metadata?.fmnb).filter(m => m?.run && m.kind !== 'vote'),
])"""
SOME_ROWS = r"""() => {
  const done = /(\d+) of 80/.exec(window.jupyterapp.shell.currentWidget.content.widgets[2].outputArea.node.textContent);
  return done !== null && Number(done[1]) >= 8;
}"""
TABLE = """import pandas as pd
import fmnb as fm
questions = pd.read_csv("bank_questions.csv").head(80)

def right(answer, target):
    return target in answer"""
LABEL = '%%fm embedded --over questions --schema "about delivery|exchange|lost card|top-up" -o labeled\nWhat is it about? {{ question }}'
ASKED = """prompts = [r["prompt"] for r in fm.log(kind="row", limit=1000) if r["prompt"].startswith("What is it about?") and r["finish_reason"] == "stop"]
print(len(prompts), "asked,", len(set(prompts)), "prompts,", len(questions["question"].unique()), "questions,", labeled["about"].notna().sum(), "labels")"""
EVALUATE = f"{LABEL.partition(' -o')[0]} --head 24 --score right --target topic -o e\n{LABEL.partition(chr(10))[2]}"


@dataclass
class Hour:
    """One user's page, and what went wrong in it."""

    lab: Lab
    page: Page
    number: int
    theme: str
    wrong: list[str] = field(default_factory=list)

    def shot(self, name: str, page: Page | None = None) -> None:
        """A picture of the window, where a folder for pictures is named."""
        page = page or self.page
        page.evaluate(DRAWN)
        if FOLDER:
            page.screenshot(path=Path(FOLDER) / f"{self.number}_{self.theme}_{name}.png")

    def take_wrong(self) -> list[str]:
        """What went wrong since the last time."""
        found, self.wrong[:] = list(self.wrong), []
        return found


def listen(context: BrowserContext, wrong: list[str]) -> None:
    """Collect errors of our code in any page: in the console, thrown, and answers of our server."""

    def console(message: Any) -> None:
        said = f"{message.text} ({message.location.get('url', '')})"
        if message.type == "error" and "fmnb" in said:
            wrong.append(said)

    context.on("console", console)
    context.on("weberror", lambda e: "fmnb" in (e.error.stack or str(e.error)) and wrong.append(str(e.error)))
    context.on("response", lambda r: r.status >= 400 and "/fmnb/" in r.url and wrong.append(f"{r.status} {r.url}"))


@pytest.fixture(scope="module", params=range(TIMES or 1), ids=lambda n: f"{n + 1}-{('light', 'dark')[n % 2]}")
def hour(request, browser, tmp_path_factory, extension, embedded_path, minilm_path) -> Iterator[Hour]:
    """A user without settings, log or keys opens JupyterLab, in the environment that `make lab` makes."""
    root = tmp_path_factory.mktemp("hour")
    with pytest.MonkeyPatch.context() as patch:
        if not os.environ.get("FMNB_LAB_PYTHON"):
            patch.setenv("FMNB_LAB_PYTHON", lab_python())
        lab, process = start(root, extension, FMNB_MODELS=str(MODELS), HF_ENDPOINT=NOWHERE)
    page = new_page(browser, viewport={"width": 1440, "height": 1000})
    try:
        found = Hour(lab, page, request.param + 1, ("light", "dark")[request.param % 2])
        listen(page.context, found.wrong)
        page.goto(f"{lab.url}/lab?token={lab.token}")
        page.locator(".jp-Launcher").wait_for()
        change_theme(page, f"JupyterLab {found.theme.title()}")
        yield found
    finally:
        page.context.close()
        end(process)


@pytest.fixture(autouse=True)
def nothing_wrong(hour: Hour) -> Iterator[None]:
    """No step may leave an error of ours behind."""
    yield
    assert hour.take_wrong() == []


def run_all(hour: Hour, page: Page | None = None) -> None:
    """Run All to its end; no cell may fail."""
    page = page or hour.page
    ids = page.evaluate(IDS)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    page.wait_for_function(RAN, arg=ids, timeout=LONG)
    settle(page)
    assert page.evaluate(FAILED) == []


def wrong_models(page: Page, chosen: str) -> list[str]:
    """Cells that another model answered than the named one, or for a cell without a name the chosen one."""
    found, current = [], chosen
    for source, answers in page.evaluate(ANSWERS):
        head = source.partition("\n")[0]
        if head.startswith("%fm use "):
            current = head.split()[2]
        if not head.startswith("%%fm"):
            continue
        try:
            named = parse(head.removeprefix("%%fm")).models
        except UsageError:
            named = ()
        told = [a["requested_model"] for m in answers for a in m.get("answers", [m]) if "requested_model" in a]  # a blind one tells none
        found += [f"{model}: {head}" for model in told if model not in (named or (current,))]
    return found


def open_tutorial(hour: Hour, path: Path) -> None:
    """Click the tutorial's card in the launcher."""
    page = hour.page
    title = json.loads(path.read_text())["cells"][0]["source"]
    if not page.locator(".jp-Launcher:visible").count():
        page.evaluate("async () => { await window.jupyterapp.commands.execute('launcher:create'); }")
    page.locator(".jp-LauncherCard:visible", has_text="".join(title).partition("\n")[0].lstrip("# ")).click()
    page.wait_for_function(f"name => {PATH} === name", arg=path.name)
    page.evaluate(KERNEL_READY)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_tutorial_from_its_card_by_run_all(hour, path):
    if path is NOTEBOOKS[0]:
        hour.page.locator(".jp-LauncherCard", has_text="The first cell").wait_for()
        hour.shot("launcher")
    open_tutorial(hour, path)
    hour.page.evaluate("async () => { await window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs'); }")
    run_all(hour)
    assert wrong_models(hour.page, "embedded") == []
    hour.shot(path.stem)
    hour.page.evaluate(SHUT)


@pytest.mark.parametrize("path", NOTEBOOKS[:2], ids=lambda p: p.stem)
def test_a_model_chosen_in_the_sidebar_answers_every_cell_that_names_none(hour, path):
    page = hour.page
    page.evaluate(OPEN, path.name)
    page.evaluate(KERNEL_READY)
    page.evaluate("async () => { await window.jupyterapp.commands.execute('fmnb:show-models'); }")
    page.evaluate(WIDTH, 320)
    panel = page.locator("#fmnb-panel")
    panel.get_by_role("searchbox").fill("echo:")
    panel.get_by_role("row", name="echo:").first.hover()
    panel.get_by_role("button", name="Use echo: in this notebook").click()
    panel.get_by_role("button", name="echo: set in this notebook").wait_for()
    run_all(hour)
    assert wrong_models(page, "echo:") == []
    hour.shot(f"{path.stem}_chosen")
    panel.get_by_role("searchbox").fill("")
    page.evaluate(SHUT)


def test_a_table_is_labeled_stopped_resumed_and_evaluated(hour):
    page, file = hour.page, hour.lab.work / "label.ipynb"
    shutil.copy(NOTEBOOKS[0].parent / "bank_questions.csv", hour.lab.work)
    write(file, "%load_ext fmnb", TABLE, LABEL, ASKED, EVALUATE, "print(e)", "e.report()", 'e.to_html("report.html")')
    page.evaluate(OPEN, file.name)
    page.evaluate(KERNEL_READY)
    nb = Notebook(page, file)
    nb.run(0, 1)
    nb.start(2)
    page.wait_for_function(SOME_ROWS, timeout=LONG)
    hour.shot("label_running")
    page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Toolbar-item[data-jp-item-name=interrupt]").click()
    expect(nb.cell(2)).to_contain_text("run the cell again to resume")
    nb.wait_end(2)
    stopped = re.search(r"Stopped: (\d+) of 80 answered", nb.text(2))
    assert stopped and 0 < int(stopped[1]) < 80, nb.text(2)
    assert "Traceback" not in nb.text(2)
    hour.shot("label_stopped")
    nb.run(2, 3)
    assert f"80 of 80 answered, {stopped[1]} of them cached" in nb.text(2)
    asked, prompts, questions, labels = map(int, re.findall(r"\d+", nb.text(3)))
    assert asked == prompts == questions and labels == 80, "no row is asked twice"
    nb.run(4, 5, 6, 7)
    assert page.evaluate(FAILED) == []
    assert "24 rows" in nb.text(5)
    nb.cell(6).locator(".fr-window tbody button").first.click()
    expect(nb.cell(6).locator(".fr-detail")).to_contain_text(re.compile(r"right [01]"))
    hour.shot("report")
    report = page.context.new_page()
    report.goto((hour.lab.work / "report.html").as_uri())
    report.locator(".fr-window tbody td").first.wait_for()
    hour.shot("report_file", report)
    report.close()
    page.evaluate(SHUT)


@pytest.mark.skipif(importlib.util.find_spec("notebook") is None, reason="Notebook 7 is not installed: pip install notebook")
def test_notebook_7_runs_a_tutorial(hour, tmp_path, extension):
    """`make lab` does not bring Notebook 7; its server is of the environment of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FMNB_LAB_PYTHON", raising=False)
        lab, process = start(tmp_path, extension, FMNB_MODELS=str(MODELS), HF_ENDPOINT=NOWHERE)
    try:
        tree = hour.page.context.new_page()
        tree.goto(f"{lab.url}/tree?token={lab.token}")
        tree.wait_for_function("window.jupyterapp?.commands?.hasCommand('fmnb:open-tutorial')")
        with tree.context.expect_page() as opened:
            tree.evaluate("() => { window.jupyterapp.commands.execute('fmnb:open-tutorial', { name: '01_first_cell' }); }")
        page = opened.value
        page.set_default_timeout(PATIENCE)
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        page.evaluate(KERNEL_READY)
        change_theme(page, f"JupyterLab {hour.theme.title()}")
        page.evaluate("async () => { await window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs'); }")
        run_all(hour, page)
        assert wrong_models(page, "embedded") == []
        hour.shot("notebook7", page)
        page.close()
        tree.close()
    finally:
        end(process)
