"""A real JupyterLab on a loopback port of its own, and real cells run in a headless Chromium.

One server and one page a session; each test has a notebook of its own, with its own kernel.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.chromium import find
from tests.conftest import MODELS

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # cells out of sight stay in the page, for tests to find
}
PATIENCE = 90_000  # ms; on shared cores a first page may take half a minute
expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass
class Lab:
    """A running server: its address, the folder it serves, the file it writes its log to, the user's folder of fmnb."""

    url: str
    token: str
    work: Path
    log: Path
    home: Path


@pytest.fixture(scope="session")
def extension(tmp_path_factory) -> Path:
    """A Jupyter data folder in which JupyterLab finds our extension, built from the source as it is."""
    builder = runpy.run_path(str(ROOT / "labextension" / "build.py"))
    trouble = builder["build"]()
    assert not trouble, trouble
    data = tmp_path_factory.mktemp("data")
    (data / "labextensions").mkdir()
    (data / "labextensions" / "fmnb").symlink_to(builder["BUILT"])
    return data


@pytest.fixture(scope="session")
def lab(tmp_path_factory, extension, embedded_path):
    with socket.create_server(("127.0.0.1", 0)) as hole:  # the hub: takes calls and never answers
        root = tmp_path_factory.mktemp("lab")
        found, process = start(root, extension, FMNB_MODELS=str(MODELS), HF_ENDPOINT=f"http://127.0.0.1:{hole.getsockname()[1]}")
        try:
            yield found
        finally:
            end(process)


def start(root: Path, extension: Path, *, again: Lab | None = None, **env: str) -> tuple[Lab, subprocess.Popen]:
    """A JupyterLab that keeps everything in `root`; `env` is added to ours. `again` starts one that has ended, at its address."""
    (work := root / "work").mkdir(exist_ok=True)
    for name, values in SETTINGS.items():
        settings = root / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(json.dumps(values))
    token = again.token if again else secrets.token_hex(16)
    port = int(again.url.rpartition(":")[2]) if again else _free_port()
    around = os.environ | {
        "HOME": str(root),
        "JUPYTER_PATH": str(extension),
        "JUPYTER_CONFIG_DIR": str(root / "config"),
        "JUPYTER_RUNTIME_DIR": str(root / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(root / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(root / "workspaces"),
        "IPYTHONDIR": str(root / "ipython"),
        "FMNB_HOME": str(root / "fmnb"),
        **env,
    }
    command = [
        os.environ.get("FMNB_LAB_PYTHON") or sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
        f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={work}",
        "--ServerApp.jpserver_extensions={'fmnb': True}",
        "--LabApp.extension_manager=readonly", "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True",
    ]  # fmt: skip
    file = root / "server.log"
    with file.open("a") as log:
        process = subprocess.Popen(command, env=around, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    found = Lab(f"http://127.0.0.1:{port}", token, work, file, root / "fmnb")
    try:
        _wait_for(found, process)
    except BaseException:
        end(process)
        raise
    return found, process


def end(process: subprocess.Popen) -> None:
    """Stop a server and what it started."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:  # what it started holds it up
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(lab: Lab, process: subprocess.Popen) -> None:
    for _ in range(900):
        try:
            with urllib.request.urlopen(f"{lab.url}/api?token={lab.token}", timeout=5) as answer:
                answer.read()
            return
        except OSError:
            assert process.poll() is None, lab.log.read_text()
            time.sleep(0.1)
    raise TimeoutError(lab.log.read_text())


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="session")
def browser():
    path = find()
    assert path, "no Chromium: run `python tests/chromium.py`, or set FMNB_CHROMIUM"
    with sync_playwright() as p:
        found = p.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield found
        found.close()


def new_page(browser: Any, **options: Any) -> Page:
    """A page that remembers what scripts said, what was requested, and dialogs."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **options})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.said, page.requests, page.dialogs = [], [], []
    page.on("console", lambda m: page.said.append((m.type, m.text)))
    page.on("pageerror", lambda e: page.said.append(("pageerror", str(e))))
    context.on("request", lambda r: page.requests.append(r.url))
    context.on("requestfailed", lambda r: page.requests.remove(r.url) if r.failure in ("csp", "origin") else None)  # never left the page
    page.on("dialog", lambda d: (page.dialogs.append(d.message), d.dismiss()))
    return page


@pytest.fixture(scope="session")
def page(browser, lab):
    """JupyterLab, open for the whole session."""
    page = new_page(browser)
    page.goto(f"{lab.url}/lab?token={lab.token}&reset")
    page.locator(".jp-Launcher").wait_for()
    page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
    yield page
    page.context.close()


class Notebook:
    """An open notebook: run cells, look at them, save."""

    def __init__(self, page: Page, file: Path):
        self.page = page
        self.file = file

    def command(self, name: str, **args: Any) -> Any:
        """Run a command of the application and wait for its end."""
        return self.page.evaluate("async ([name, args]) => { await window.jupyterapp.commands.execute(name, args); }", [name, args])

    def run(self, *which: int) -> None:
        """Run cells, each to its end."""
        for i in which:
            self._select(i)
            self.command("notebook:run-cell")

    def start(self, i: int) -> None:
        """Run a cell and do not wait."""
        self._select(i)
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell'); }")

    def _select(self, i: int) -> None:
        self.page.evaluate("i => { const n = window.jupyterapp.shell.currentWidget.content; n.deselectAll(); n.activeCellIndex = i; }", i)

    def watch(self, i: int) -> None:
        """From here on remember what a cell's outputs show, each time it changes."""
        self.page.evaluate(WATCH, i)

    def seen(self) -> list[tuple[float, str]]:
        """What was remembered: milliseconds, text."""
        return [(t, text) for t, text in self.page.evaluate("window.seen")]

    def interrupt(self) -> None:
        """What the stop button of the toolbar does."""
        self.command("notebook:interrupt-kernel")

    def wait_end(self, i: int, timeout: float = PATIENCE) -> None:
        """Wait until a cell that was started for the first time has ended."""
        number = "window.jupyterapp.shell.currentWidget.content.widgets[i].model.sharedModel.execution_count"
        self.page.wait_for_function(f"i => {number} !== null", arg=i, timeout=timeout)

    def cell(self, i: int) -> Locator:
        """The i-th cell."""
        return self._root.locator(".jp-Notebook .jp-Cell").nth(i)

    def outputs(self, i: int) -> Locator:
        """The outputs of a cell, without their prompts."""
        return self.cell(i).locator(".jp-OutputArea-output")

    def text(self, i: int) -> str:
        """All output text of a cell."""
        return "\n".join(self.outputs(i).all_inner_texts())

    @property
    def _root(self) -> Locator:
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def sources(self) -> list[str]:
        """The source of every cell."""
        return self.page.evaluate(SOURCES)

    def marks(self) -> list[Any]:
        """Our metadata of every cell, None where there is none."""
        return self.page.evaluate(
            "[...window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells].map(c => c.getMetadata('fmnb') ?? null)"
        )

    def edit(self, i: int, source: str) -> None:
        """Replace a cell's source, as typing does."""
        editor = self.cell(i).locator(".cm-content")
        editor.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)

    def saved(self) -> dict[str, Any]:
        """Save, and what the file then holds."""
        self.command("docmanager:save")
        return json.loads(self.file.read_text())


SOURCES = "[...window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells].map(c => c.source)"
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
HEARD = """async () => {
  const kernel = window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel;
  if (kernel && kernel.connectionStatus === 'connected') await kernel.requestKernelInfo();
}"""
THEME = """name => document.body.dataset.jpThemeName === name && document.getAnimations().every(
  a => a.playState !== 'running' || a.effect.getComputedTiming().iterations === Infinity)"""


def settle(page: Page) -> None:
    """Wait until what was clicked and typed has been heard and drawn: a question to the kernel and back, where there is one, then two frames."""
    page.evaluate(HEARD)
    page.evaluate(DRAWN)


def change_theme(page: Page, name: str) -> None:
    """Change the theme, and wait until its style sheet is there and nothing fades any more."""
    page.evaluate("async name => { await window.jupyterapp.commands.execute('apputils:change-theme', { theme: name }); }", name)
    page.wait_for_function(THEME, arg=name)
    page.evaluate(DRAWN)


WATCH = """i => {
  const area = window.jupyterapp.shell.currentWidget.content.widgets[i].outputArea.node;
  const seen = window.seen = [];
  new MutationObserver(() => {
    const text = [...area.querySelectorAll('.jp-OutputArea-output')].map(n => n.textContent).join('\\n');
    if (text && text !== seen.at(-1)?.[1]) {
      seen.push([performance.now(), text]);
    }
  }).observe(area, { childList: true, subtree: true, characterData: true });
}"""
KERNEL_READY = """async () => {
  const context = window.jupyterapp.shell.currentWidget.sessionContext;
  await context.ready;
  await context.session.kernel.info;
}"""  # status icons say idle before any kernel is connected


# Give the right side bar so many pixels.
WIDTH = """width => {
  const { _hsplitPanel: split } = window.jupyterapp.shell;
  const all = split.node.clientWidth;
  split.setRelativeSizes([0, all - width, width]);
}"""


def write(file: Path, *cells: str, metadata: dict[str, Any] | None = None) -> None:
    """A notebook file with these code cells; `metadata` is added to its own."""
    made = [
        {"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "source": s, "outputs": [], "execution_count": None}
        for i, s in enumerate(cells)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    file.write_text(json.dumps({"cells": made, "metadata": {"kernelspec": kernel} | (metadata or {}), "nbformat": 4, "nbformat_minor": 5}))


def open_at(page: Page, lab: Lab, file: Path, app: str = "lab/tree") -> Notebook:
    """Open a notebook by its own address, as a fresh page: `app` is `notebooks` for Notebook 7."""
    page.goto(f"{lab.url}/{app}/{file.name}?token={lab.token}" + ("&reset" if app == "lab/tree" else ""))
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.evaluate(KERNEL_READY)
    return Notebook(page, file)


# Opening and closing move the focus about for a while: ask for it until it is there.
OPEN = """async path => {
  const { commands, shell } = window.jupyterapp;
  const panel = await commands.execute('docmanager:open', { path });
  await panel.context.ready;
  while (shell.currentWidget !== panel) {
    shell.activateById(panel.id);
    await new Promise(done => setTimeout(done, 50));
  }
}"""
CLOSE = """async path => {
  const panel = await window.jupyterapp.commands.execute('docmanager:open', { path });
  await panel.context.save();
  await panel.sessionContext.shutdown();
  panel.dispose();
}"""


@pytest.fixture
def notebook(page, lab, request):
    """A function that opens a new notebook of these cells; `%load_ext fmnb` has been run in its cell 0."""
    opened: list[Notebook] = []

    def make(*cells: str, metadata: dict[str, Any] | None = None) -> Notebook:
        file = lab.work / f"{request.node.name.replace('[', '-').replace(']', '')}-{len(opened)}.ipynb"
        write(file, "%load_ext fmnb", *cells, metadata=metadata)
        nb = Notebook(page, file)
        opened.append(nb)
        page.evaluate(OPEN, file.name)
        page.evaluate(KERNEL_READY)
        nb.run(0)
        return nb

    yield make
    for nb in opened:
        page.evaluate(CLOSE, nb.file.name)


def choose_from_menu(group: Locator, *items: str) -> None:
    """Choose entries of a widget's menu, one after the other; the menu is closed at the end."""
    for item in items:
        button = group.locator("button[aria-haspopup=menu]")
        if button.get_attribute("aria-expanded") != "true":
            button.click()
        group.locator("[role^=menuitem]").filter(has_text=re.compile(rf"^{re.escape(item)}\w?$")).first.click()
    if group.locator("button[aria-haspopup=menu][aria-expanded=true]").count():
        group.page.keyboard.press("Escape")
