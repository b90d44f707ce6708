"""The words and switches of a `%fm` line."""

from __future__ import annotations

import shlex

from ...core.errors import UsageError


def words_of(rest: str) -> list[str]:
    r"""The words of a line: split at spaces, grouped by quotes; every other character is itself.

    An unclosed quote is a UsageError.

    >>> print(*words_of(r"echo: --attach C:\temp\a.png -s 'be brief' # not a comment"), sep=" | ")
    echo: | --attach | C:\temp\a.png | -s | be brief | # | not | a | comment
    """
    lexer = shlex.shlex(rest, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    try:
        return list(lexer)
    except ValueError as e:
        raise UsageError("A quote is not closed on this line", detail=rest, hint=str(e)) from None


def flags_of(rest: str, *known: str) -> tuple[list[str], set[str]]:
    """Words, and the switches among them; a switch that is not `known` is a UsageError.

    >>> flags_of("embedded --yes", "--yes")
    (['embedded'], {'--yes'})
    """
    words = words_of(rest)
    flags = {w for w in words if w.startswith("--")}
    if unknown := flags - set(known):
        raise UsageError(
            "No such option here", detail=sorted(unknown)[0], hint=f"Options: {', '.join(known)}." if known else "It has no options."
        )
    return [w for w in words if w not in flags], flags
