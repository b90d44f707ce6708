"""Colors and fonts of HTML with inline styles, for answers, tables, errors and progress.

Each is a variable of the front end's theme: VS Code's, else JupyterLab's, else Colab's. VS Code's come
first, since its widgets bring JupyterLab's light colors along, also where the editor is dark. Without
any of them (an exported page, a mail) the last value is mixed from the color of the surrounding text,
so it can be read on a light and on a dark page. Widgets, panels and reports have the tokens of
`look.css` instead.
"""

from __future__ import annotations


def _mixed(color: str, share: int) -> str:
    """A color, mixed with that of the text around it: darker on a light page, lighter on a dark page."""
    return f"color-mix(in srgb,{color} {share}%,currentColor)"


MONO = "var(--vscode-editor-font-family,var(--jp-code-font-family,ui-monospace,SFMono-Regular,Menlo,Consolas,monospace))"
UI = "var(--jp-ui-font-family,system-ui,sans-serif)"
BORDER = "var(--vscode-editorWidget-border,var(--jp-border-color2,var(--colab-border-color,rgba(128,128,128,.35))))"
SHADE = "var(--vscode-textCodeBlock-background,var(--jp-layout-color2,rgba(128,128,128,.12)))"
PAPER = (
    "var(--vscode-textCodeBlock-background,var(--jp-cell-editor-background,rgba(128,128,128,.1)))"  # background for the theme's code colors
)
TEXT = "var(--vscode-foreground,var(--jp-ui-font-color1,inherit))"
MUTED = f"var(--vscode-descriptionForeground,var(--jp-ui-font-color2,{_mixed('transparent', 20)}))"
LINK = f"var(--vscode-textLink-foreground,var(--jp-content-link-color,{_mixed('#1a73e8', 45)}))"
ACCENT = "var(--vscode-progressBar-background,var(--jp-brand-color1,#1976d2))"  # a bar, the edge of what was chosen
WARNING = _mixed("var(--vscode-editorWarning-foreground,var(--jp-warn-color1,#b35900))", 45)  # JupyterLab's alone is too pale for text
ERROR = f"var(--vscode-errorForeground,var(--jp-error-color1,{_mixed('#d32f2f', 45)}))"  # text and edges
ERROR_SHADE = "var(--vscode-inputValidation-errorBackground,var(--jp-rendermime-error-background,rgba(211,47,47,.1)))"

# Kinds of code: JupyterLab's variable, VS Code's, and a color without a theme.
_CODE = {
    "keyword": ("keyword", "debugTokenExpression-name", "#8250c4"),
    "builtin": ("builtin", "debugTokenExpression-boolean", "#0a7ea4"),
    "def": ("def", "textLink-foreground", "#3778c2"),
    "meta": ("meta", "editorWarning-foreground", "#8a6d00"),
    "property": ("property", "textLink-foreground", "#3778c2"),
    "attribute": ("attribute", "textLink-foreground", "#3778c2"),
    "string": ("string", "debugTokenExpression-string", "#b5533c"),
    "number": ("number", "terminal-ansiGreen", "#2f855a"),
    "operator": ("operator", "debugTokenExpression-name", "#8250c4"),
    "comment": ("comment", "descriptionForeground", "#6f7f7f"),
    "error": ("error", "errorForeground", "#c0392b"),
    "inserted": ("string-2", "terminal-ansiGreen", "#2f855a"),
}


def code_color(kind: str) -> str:
    """The color of a kind of code, such as keyword or string.

    >>> code_color("string")
    'var(--vscode-debugTokenExpression-string,var(--jp-mirror-editor-string-color,color-mix(in srgb,#b5533c 45%,currentColor)))'
    """
    lab, vscode, bare = _CODE[kind]
    return f"var(--vscode-{vscode},var(--jp-mirror-editor-{lab}-color,{_mixed(bare, 45)}))"
