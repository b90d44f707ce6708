"""Code for the cell below. Running the same cell again replaces what it proposed.

JupyterLab with our extension does the replacing (it knows which cell is which). Elsewhere
the kernel may only ask for a new cell below: that is done once a cell, and a later proposal
is shown with the words that say where the earlier one is.
"""

from __future__ import annotations

from typing import Any

from ..session import session


def offer(shell: Any, code: str) -> None:
    """Put `code` into the cell below the running one, in place of an earlier proposal."""
    cell = cell_id(shell)
    before = session.proposals.get(cell) if cell else None
    if before == code:
        return  # it is there already
    if cell:
        session.proposals[cell] = code
    from . import front

    if front.send(shell, "propose", {"cell": cell, "code": code, "before": before or ""}):
        return
    shell.set_next_input(code, replace=False)


def cell_id(shell: Any) -> str:
    """The id of the running cell, where the front end tells it."""
    try:
        return str(shell.get_parent().get("metadata", {}).get("cellId", "") or "")
    except AttributeError:
        return ""
