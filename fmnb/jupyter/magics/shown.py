"""A value that a cell has displayed already is not displayed again as the value of the cell."""

from __future__ import annotations

from typing import Any

from ...calls.session import session


def mark_displayed(result: Any, shell: Any) -> Any:
    """Mark a result as displayed, so that the notebook does not display it again under the same cell."""
    kind = type(result)
    if hasattr(shell, "kernel"):
        formatter = shell.display_formatter.ipython_display_formatter
        if kind not in formatter.type_printers:
            formatter.for_type(kind, lambda value: _show_once(value, shell))
        session.displayed = result, shell.execution_count
    return result


def _show_once(value: Any, shell: Any) -> None:
    """Display nothing for the value that the running cell has displayed already; any other as usual."""
    shown, cell = session.displayed
    if value is not shown or cell != shell.execution_count:
        raise NotImplementedError  # IPython then tries its other formatters
