"""Saved outputs on pages that are not JupyterLab: no variables of a theme, VS Code's, Colab's; light and dark."""

from __future__ import annotations

import pytest

from tests.browser.conftest import new_page
from tests.browser.outputs import QUIET, executed, html_of, readable

# Colab shows an output in a frame of its own, with `theme=dark` on its root where the page is dark. The names are those that
# google.colab's own outputs use (github.com/googlecolab/colabtools); Colab's page itself is not public.
PAGES = {
    "light": ("", "color:#1f1f1f", "#ffffff"),
    "dark": ("", "color:#e3e3e3", "#1e1e1e"),
    "colab light": (
        "",
        "color:#1f1f1f;--colab-primary-text-color:#1f1f1f;--colab-primary-surface-color:#fff;--colab-border-color:#dadce0",
        "#ffffff",
    ),
    "colab dark": (
        'theme="dark"',
        "color:#e3e3e3;--colab-primary-text-color:#e3e3e3;--colab-primary-surface-color:#383838;--colab-border-color:#5f6368",
        "#383838",
    ),
    "vscode dark": (
        "",
        "color:#cccccc;--vscode-editor-foreground:#cccccc;--vscode-descriptionForeground:#9d9d9d;--vscode-textLink-foreground:#4daafc;"
        "--vscode-errorForeground:#f85149;--vscode-debugTokenExpression-name:#c586c0;--vscode-debugTokenExpression-string:#ce9178",
        "#1f1f1f",
    ),
}
# VS Code's bundle of ipywidgets sets JupyterLab's light colors for the whole page, also in a dark editor.
LEAKED = (
    "--jp-content-font-color1:black;--jp-ui-font-color2:rgba(0,0,0,.54);--jp-layout-color1:white;--jp-layout-color2:#eee;"
    "--jp-cell-editor-background:#f5f5f5;--jp-rendermime-error-background:#fdd;--jp-error-color1:#d32f2f;--jp-content-link-color:#1976d2;"
    "--jp-mirror-editor-keyword-color:#008000;--jp-mirror-editor-string-color:#ba2121;--jp-border-color2:#e0e0e0;--jp-brand-color1:#2196f3"
)
attributes, style, paper = PAGES["vscode dark"]
PAGES["vscode dark after a widget"] = (
    attributes,
    f"{style};{LEAKED};--vscode-textCodeBlock-background:#2b2b2b;--vscode-inputValidation-errorBackground:#5a1d1d;--vscode-editorWarning-foreground:#cca700;"
    "--vscode-terminal-ansiGreen:#23d18b;--vscode-debugTokenExpression-boolean:#4e94ce",
    paper,
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory, embedded_path):
    return html_of(executed(tmp_path_factory.mktemp("executed")))


@pytest.mark.parametrize("where", PAGES)
def test_every_output_can_be_read(browser, outputs, where):
    attributes, style, paper = PAGES[where]
    shown = "".join(f'<section title="{name}">{"".join(found)}</section>' for name, found in outputs.items())
    page = new_page(browser, viewport={"width": 900, "height": 900}, java_script_enabled=True)
    try:
        page.set_content("<iframe sandbox='allow-scripts allow-same-origin' style='width:100%;height:800px'></iframe>")
        frame = page.frames[1]
        frame.set_content(f'<!doctype html><html {attributes} style="{style};background:{paper}"><body>{shown}')
        text = readable(frame, "section", paper)
        dim = [(words[:60], round(ratio, 1)) for words, ratio in text if ratio < 4.5]
        assert not dim, dim
        empty = frame.evaluate(
            "[...document.querySelectorAll('section')].filter(s => !s.innerText.trim() && !s.querySelector('img')).map(s => s.title)"
        )
        assert set(empty) <= {*QUIET, "plot", "help"}, "the latter two are an image and plain text"
        assert frame.locator("script").count() == 0 and not [u for u in page.requests if u.startswith("http")]
    finally:
        page.context.close()
