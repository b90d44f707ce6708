"""`fm.check_numbers`: the figures of a text, traced to tables and passages by code alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...core.errors import UsageError
from ...core.sources import Passage
from ...core.typing import TableLike
from .report import NumberReport
from .tracer import Tracer


def check_numbers(
    text: str,
    tables: Mapping[str, TableLike] | None = None,
    passages: Sequence[str | Passage] = (),
    *,
    units: Mapping[str, str] | None = None,
    aliases: Mapping[str, str] | None = None,
) -> NumberReport:
    """Trace each figure of a text to a cell, a recomputation that its sentence names, or a passage.

    No model is asked. A traced figure can be relied on; one that is not traced may still be right.
    Only English is read.

    Args:
        text: The answer; its first 50,000 characters and 200 figures are read.
        tables: The tables that the answer is about, by name: DataFrames of pandas or polars, Arrow tables, lists of dicts.
        passages: The texts that the answer is about, or what an index found.
        units: Units of columns, such as `{"temp": "°C"}`; those in names (`price_usd`, `Time (hours)`) and in `df.attrs["units"]` are known.
        aliases: Other words for columns, such as `{"horses": "Horsepower"}`.

    Returns:
        The figures with their states, sources and explanations.

    Raises:
        fm.errors.UsageError: if the text is no string, or a table has no rows that can be read.

    Example:
        >>> import fmnb as fm
        >>> cities = [{"city": "Oslo", "rain_mm": 763}, {"city": "Rome", "rain_mm": 878}]
        >>> report = fm.check_numbers("Oslo gets 763 mm of rain, 115 mm less than Rome.", {"cities": cities})
        >>> [(f.text, f.state) for f in report.figures]
        [('763', 'exact'), ('115', 'recomputed')]
    """
    if not isinstance(text, str):
        raise UsageError(f"check_numbers reads a text, not {type(text).__name__}. Pass response.text.")
    if tables is not None and not isinstance(tables, Mapping):
        raise UsageError("Tables have names here", detail=type(tables).__name__, hint='For example check_numbers(text, {"sales": sales}).')
    plain = [p if isinstance(p, str) else p.text for p in passages]
    return Tracer(tables, plain, units, aliases).check(text)
