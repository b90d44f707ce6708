"""Code for the cell below. Running the same cell again replaces what it inserted.

JupyterLab and Notebook 7 with our extension do the replacing: they know the cells, and whether
somebody has edited one. Elsewhere a kernel can only request one more cell below; for the same
code that is done once per cell.
"""

from __future__ import annotations

from typing import Any

from ...calls.session import session
from .. import comm


def propose(shell: Any, code: str) -> None:
    """Insert `code` below the running cell, in place of an earlier proposal."""
    cell = cell_id(shell)
    if cell and comm.send("propose", cell=cell, code=code):
        return
    if cell and session.proposed_cells.get(cell) == code:
        return
    if cell:
        session.proposed_cells[cell] = code
    shell.set_next_input(code, replace=False)


def cell_id(shell: Any) -> str:
    """The id of the running cell, if the front end sends it."""
    try:
        return str(shell.get_parent().get("metadata", {}).get("cellId", "") or "")
    except AttributeError:
        return ""
