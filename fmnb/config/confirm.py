"""Questions to the person at the keyboard; where there is none, an error that names the option instead."""

from __future__ import annotations

import sys

from ..core.errors import UsageError


def confirm(question: str, option: str) -> None:
    """Ask yes or no; anything but yes is a UsageError. `option` is what skips the question."""
    answer = _ask(f"{question} [y/N] ", f"{question.rstrip('?')}? This notebook cannot ask", f"Add {option}.", secret=False)
    if answer.strip().lower() not in ("y", "yes"):
        raise UsageError("Nothing was done", detail=f"answered {answer.strip() or 'no'!r}")


def secret(question: str, hint: str) -> str:
    """Ask for a value without showing it."""
    return _ask(f"{question} ", "A key cannot be typed here", hint, secret=True)


def _ask(question: str, message: str, hint: str, *, secret: bool) -> str:
    import getpass

    from IPython.core.error import StdinNotImplementedError
    from IPython.core.getipython import get_ipython

    # A kernel asks its front end; elsewhere a terminal must be there, or a secret would be echoed.
    if not hasattr(get_ipython(), "kernel") and not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(message, hint=hint)
    try:
        return getpass.getpass(question) if secret else input(question)
    except (StdinNotImplementedError, EOFError):
        raise UsageError(message, hint=hint) from None
    except KeyboardInterrupt:
        raise UsageError("Nothing was done", detail="stopped at the question") from None
