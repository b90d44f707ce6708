"""The corrected source of a failed cell, for the page to show as a change to accept or reject.

The page runs it silently, so nothing is displayed: it follows the run's events on the comm. The
other side is labextension/src/errors/.
"""

from __future__ import annotations

from typing import Any

from ...calls import follow_up
from ...calls.failed_cell import FailedCell
from ...calls.prepare import options_from, prepare, target_for
from ...calls.run import run_calls
from ...calls.session import session
from ...core.errors import UnexpectedResponseError, UsageError
from .. import comm
from .cell import variables_of
from .notebook_choice import read_request


def propose_change(cell: str, shell: Any) -> None:
    """Ask the notebook's model for the corrected source of a failed cell, and send it to the page."""
    failed: FailedCell | None = shell._fmnb_last_error.by_id.get(cell)
    if failed is None:
        raise UsageError("This cell has not failed since the kernel was started", hint="Run it again.")
    read_request()  # a silent request has no event that does it
    before = session.last
    prepared = prepare(follow_up.fix_prompt(failed), target_for(None, variables_of(shell)), options_from({"format": "code"}))
    comm.send("fixing", cell=cell, run=prepared.call.run)
    try:
        run_calls([prepared])
    finally:
        session.last = before  # `%fm retry` repeats what the user typed
    if prepared.error is not None:
        raise prepared.error
    response = prepared.response
    assert response is not None
    code = follow_up.code_of(response.text)
    if not code:
        raise UnexpectedResponseError("The answer contains no code", detail=response.text[:80], hint="Try again, or choose another model.")
    comm.send("change", cell=cell, source=failed.source, code=code, model=response.requested_model)
