"""Questions to the person at the keyboard; where there is none, an error that names the option instead."""

from __future__ import annotations

from ..errors import UsageError


def confirm(question: str, option: str) -> None:
    """Ask yes or no; anything but yes is a UsageError. `option` is what skips the question."""
    answer = _ask(f"{question} [y/N] ", f"{question.rstrip('?')}? This notebook cannot ask", f"Add {option}.", secret=False)
    if answer.strip().lower() not in ("y", "yes"):
        raise UsageError("Nothing was done", seen=f"answered {answer.strip() or 'no'!r}")


def secret(question: str, todo: str) -> str:
    """Ask for a value without showing it."""
    return _ask(f"{question} ", "A key cannot be typed here", todo, secret=True)


def _ask(question: str, what: str, todo: str, *, secret: bool) -> str:
    import getpass

    try:
        return getpass.getpass(question) if secret else input(question)
    except Exception as e:  # ipykernel's StdinNotImplementedError, EOFError of a pipe, ...
        if type(e).__name__ in ("StdinNotImplementedError", "EOFError", "OSError", "GetPassWarning"):
            raise UsageError(what, todo=todo) from None
        raise
