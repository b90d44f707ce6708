"""Widgets of a saved notebook, drawn by the bundle that VS Code's Jupyter extension draws widgets with, on the white that it puts behind them."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import anywidget
import pytest

from tests.browser.conftest import new_page
from tests.browser.outputs import executed, readable
from tests.conftest import FULL
from tests.environments import FOLDER

SHOTS = os.environ.get("FMNB_SHOTS", "")
PACKAGES = ("@vscode/jupyter-ipywidgets8@1.0.9", "requirejs@2.3.8")
STATE = "application/vnd.jupyter.widget-state+json"
KINDS = ("Which is best?", "Conversation", "Search", "not significantly different", "System prompt", "of 6 by", "Say {{ word }}")
pytestmark = pytest.mark.skipif(not (FULL or os.environ.get("FMNB_FIRST_HOUR")), reason="from the npm registry: part of `make test-full`")

THEMES = {
    "vscode-dark": "--vscode-editor-background:#1f1f1f;--vscode-editor-foreground:#cccccc;--vscode-descriptionForeground:#9d9d9d;"
    "--vscode-textLink-foreground:#4daafc;--vscode-errorForeground:#f85149;--vscode-button-background:#0078d4;--vscode-button-foreground:#fff;"
    "--vscode-textCodeBlock-background:#2b2b2b;--vscode-editorWidget-border:#313131;--vscode-editor-font-family:monospace",
    "vscode-light": "--vscode-editor-background:#fff;--vscode-editor-foreground:#3b3b3b;--vscode-descriptionForeground:#3b3b3b;"
    "--vscode-textLink-foreground:#005fb8;--vscode-errorForeground:#f85149;--vscode-button-background:#005fb8;--vscode-button-foreground:#fff;"
    "--vscode-textCodeBlock-background:#f8f8f8;--vscode-editorWidget-border:#e5e5e5;--vscode-editor-font-family:monospace",
}
PAGE = """<!doctype html><html style="%s"><body class="%s" data-vscode-theme-kind="%s">
<script src="require.js"></script>
<script type="module">
import { activate } from './ipywidgets.js';
require.config({ baseUrl: '.' });
activate();
window.vscIPyWidgets8.load();
const nothing = { connect() {}, disconnect() {} };
const kernel = {
  registerCommTarget() {}, removeCommTarget() {}, statusChanged: nothing, connectionStatusChanged: nothing, disposed: nothing,
  iopubMessage: nothing, anyMessage: nothing, status: 'idle', connectionStatus: 'connected', handleComms: true,
  requestCommInfo: async () => ({ content: { status: 'ok', comms: {} } }),
};
const scripts = { widgetsRegisteredInRequireJs: new Set(), loadWidgetScript: async () => {}, successHandler() {}, errorHandler() {} };
const state = await (await fetch('state.json')).json();
const manager = new window.vscIPyWidgets.WidgetManager(kernel, document.body, scripts, () => {}, state);
for (const model of await manager.set_state(state)) {
  if (model.name !== 'AnyModel') continue;
  const node = document.createElement('section');
  node.style.background = 'white';
  document.body.append(node);
  await manager.display_view({}, await manager.create_view(model, {}), { node });
}
window.drawn = true;
</script>"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory, embedded_path):
    """A folder with the bundle, anywidget and the state of every widget of a saved notebook; and its address."""
    kept = FOLDER.parent / "vscode-widgets"
    if not (npm := shutil.which("npm")):
        pytest.skip("no npm")
    if not (kept / "node_modules/requirejs").exists():
        kept.mkdir(parents=True, exist_ok=True)
        got = subprocess.run([npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES], cwd=kept, capture_output=True)
        if got.returncode:
            pytest.skip(f"{PACKAGES[0]} could not be installed")
    root = tmp_path_factory.mktemp("site")
    shutil.copy(kept / "node_modules/@vscode/jupyter-ipywidgets8/dist/ipywidgets.js", root)
    shutil.copy(kept / "node_modules/requirejs/require.js", root)
    shutil.copy(Path(anywidget.__file__).parent / "nbextension/index.js", root / "anywidget.js")
    (root / "state.json").write_text(json.dumps(executed(root).metadata["widgets"][STATE]))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield root, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("theme", THEMES)
def test_every_widget_is_drawn_and_can_be_read(browser, site, theme):
    root, url = site
    (root / f"{theme}.html").write_text(PAGE % (THEMES[theme], theme, theme))
    page = new_page(browser, viewport={"width": 900, "height": 3000})
    try:
        page.goto(f"{url}/{theme}.html")
        page.wait_for_function("window.drawn && document.querySelectorAll('section .fm-box').length")
        shown = page.locator("body").inner_text()
        assert [kind for kind in KINDS if kind not in shown] == []
        dim = [(words[:60], round(ratio, 1)) for words, ratio in readable(page, "section .fm-box", "#ffffff") if ratio < 4.5]
        assert not dim, dim
        if SHOTS:
            page.screenshot(path=Path(SHOTS) / f"widgets_{theme}.png", full_page=True)
    finally:
        page.context.close()
