"""A saved notebook in VS Code's own notebook editor: every output is there, can be read in every theme, and loads nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nbformat
import pytest

from tests.browser.conftest import new_page
from tests.browser.outputs import CELLS, QUIET, executed, readable
from tests.browser.vscode import choose_theme, installed, open_notebook, serving
from tests.conftest import FULL

SHOTS = os.environ.get("FMNB_SHOTS", "")
pytestmark = [
    pytest.mark.skipif(not (FULL or os.environ.get("FMNB_FIRST_HOUR")), reason="installs VS Code's server: part of `make test-full`"),
    pytest.mark.timeout(1200),
]
THEMES = {
    "Default Light Modern": "vscode-light",
    "Default Dark Modern": "vscode-dark",
    "Default High Contrast": "vscode-high-contrast",
    "Default High Contrast Light": "vscode-high-contrast-light",
}
# Cells that have an output. A widget's own output is empty without the Jupyter extension; its HTML is in the next one.
SHOWN = "[...document.querySelectorAll('.cell_container')].filter(c => c.querySelector('.output_container'))"
OWN = ("https://vscode-remote+", "https://open-vsx.org/")  # VS Code's own parts, and its list of extensions
PAPER = "getComputedStyle(document.documentElement).getPropertyValue('--vscode-editor-background')"


@pytest.fixture(scope="module")
def server(tmp_path_factory, embedded_path):
    """VS Code's server: its folder, its address, a saved notebook in it."""
    try:
        installed()
    except subprocess.CalledProcessError as e:
        pytest.skip(f"code-server could not be installed: `{' '.join(map(str, e.cmd))}` failed")
    root = tmp_path_factory.mktemp("vscode")
    (root / "work").mkdir()
    file = root / "work" / "outputs.ipynb"
    nbformat.write(executed(root), file)
    with serving(root) as url:
        yield root, url, file


@pytest.mark.parametrize("theme", THEMES)
def test_every_output_is_there_can_be_read_and_loads_nothing(browser, server, theme):
    root, url, file = server
    choose_theme(root, theme)
    page = new_page(browser, viewport={"width": 1100, "height": 14_000})  # all cells are in sight: VS Code draws no others
    try:
        frame = open_notebook(page, url, file)
        frame.wait_for_function("kind => document.body.dataset.vscodeThemeKind === kind", arg=THEMES[theme])
        frame.wait_for_function(
            f"{SHOWN}.length === {len(CELLS) - len(QUIET)} && {SHOWN}.every(c => c.innerText.trim() || c.querySelector('img'))"
        )
        text = readable(frame, ".output_container", frame.evaluate(PAPER))
        dim = [(words[:60], round(ratio, 1)) for words, ratio in text if ratio < 4.5]
        assert len(text) > 300 and not dim, dim
        assert frame.locator(".output_container :is(script, [onclick], [onload])").count() == 0
        assert not [u for u in page.requests if u.startswith("http") and not u.startswith((url, *OWN))]
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(SHOTS) / f"{THEMES[theme].replace('-', '_')}.png")
    finally:
        page.context.close()
