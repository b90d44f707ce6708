"""Yes-or-no questions and secrets, answered by the person who runs the cell.

Where nobody can answer, they raise an error with the next step.
"""

from __future__ import annotations

from ..core.errors import NotInteractiveError, UsageError
from .question import ask, can_type

LIVE = "Run this in a live notebook or a terminal, where a person can answer."


def confirm(text: str, option: str = "", *, yes: str = "Yes", details: str = "") -> None:
    """Ask yes or no; raises UsageError for every answer but yes. A cell shows it as one plain line.

    `option` skips the question ("" where a person must answer), `yes` is the label of the button.
    """
    hint = f"Add {option}." if option else LIVE
    choice = ask(text, {"yes": yes, "no": "No" if yes == "Yes" else "Cancel"}, default="no", details=details, hint=hint)
    if choice != "yes":
        raise declined()


def declined() -> UsageError:
    """The error after a no. Under the magics, a cell prints its message and goes on."""
    error = UsageError("Nothing was done", detail="answered no")
    error.declined = True
    return error


def secret(text: str, hint: str) -> str:
    """Ask for a value without showing it."""
    import getpass

    from IPython.core.error import StdinNotImplementedError

    refusal = NotInteractiveError("A key cannot be typed here", hint=hint)
    if not can_type():
        raise refusal
    try:
        return getpass.getpass(f"{text} ")
    except (StdinNotImplementedError, EOFError):
        raise refusal from None
