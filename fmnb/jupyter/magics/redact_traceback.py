"""Tracebacks without keys.

`%xmode Verbose` prints the variables of every frame, and a frame of an HTTP client holds the key.
Keys that this process has used are removed from every traceback that IPython shows.
"""

from __future__ import annotations

from typing import Any


def attach(shell: Any) -> None:
    """Remove keys from the tracebacks of a shell; a second call does nothing."""
    show = shell._showtraceback
    if getattr(show, "fmnb_original", None) is not None:
        return

    def show_redacted(etype: Any, evalue: Any, stb: list[str]) -> None:
        from ...config import keys
        from ...core.errors import redact

        if used := keys.used():
            stb = [redact(line, *used) for line in stb]
        show(etype, evalue, stb)

    show_redacted.fmnb_original = show  # type: ignore[attr-defined]
    shell._showtraceback = show_redacted


def detach(shell: Any) -> None:
    """Show tracebacks unchanged again."""
    original = getattr(shell._showtraceback, "fmnb_original", None)
    if original is not None:
        shell._showtraceback = original
