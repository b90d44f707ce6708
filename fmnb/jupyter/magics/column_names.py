"""How a column is written in an expression: `df.price`, or `df["unit price"]` where the dot fails."""

from __future__ import annotations

import keyword
import unicodedata


def is_name(column: object) -> bool:
    """Whether a column is a name that Python reads as it stands.

    >>> is_name("price"), is_name("unit price"), is_name("class"), is_name(7)
    (True, False, False, False)
    """
    # Python reads names in their NFKC form: `ﬁt` with a ligature would look for the column `fit`.
    return (
        isinstance(column, str)
        and column.isidentifier()
        and not keyword.iskeyword(column)
        and unicodedata.normalize("NFKC", column) == column
    )


def is_attribute(frame: object, column: object) -> bool:
    """Whether `frame.column` is the column: only in pandas, and only if nothing else has the name."""
    kind = type(frame)
    if kind.__module__.split(".")[0] != "pandas" or not is_name(column) or str(column).startswith("_"):
        return False
    return not any(column in vars(base) for base in kind.__mro__)


def literal(column: object) -> str:
    r"""A column as a Python literal.

    >>> literal("unit price"), literal('5" or\nmore'), literal(7)
    ('"unit price"', '"5\\" or\\nmore"', '7')
    """
    return f'"{in_quotes(column, chr(34))}"' if isinstance(column, str) else repr(column)


def in_quotes(column: str, quote: str) -> str:
    """A column as it is written between two quotes of one kind."""
    return "".join(f"\\{c}" if c in ("\\", quote) else c if c.isprintable() else repr(c)[1:-1] for c in column)
