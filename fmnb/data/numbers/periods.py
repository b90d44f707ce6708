"""Which rows the dates of a sentence mean: a year, since a month, from A to B, the year before."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .columns import Column
from .condition import Condition
from .figure_text import FigureText, When
from .link_columns import ColumnMention
from .number_words import number_of
from .table import Table

FIRST, LAST = "1000-01-01", "9999-12-31"
_JOINED = re.compile(r"\s?(?:to|and|through|until|till|-|–|—|up to|into)\s?(?:the )?(?:end of )?", re.I)
_DASHES = {"-", "–", "—", "to", "through", "until"}
_LATER = re.compile(
    r"\b(?:(?:the )?(?P<next>following|next) year|(?P<count>an?|one|two|three|four|five|six|seven|eight|nine|ten|\d{1,2}) years? (?P<way>later"
    r"|earlier|before)|(?:the )?(?:year (?P<before>before|earlier|after)|(?P<previous>previous|prior|preceding) year))\b",
    re.I,
)


@dataclass(frozen=True)
class Periods:
    """The periods of a sentence in order, and the two that it compares, if any.

    `used` are the places of dates that choose rows; other dates are labels.
    """

    conditions: tuple[Condition, ...] = ()
    pair: tuple[Condition, Condition] | None = None
    used: frozenset[int] = frozenset()


def periods(
    text: str, dates: Sequence[FigureText], table: Table, columns: Sequence[ColumnMention], carried: Condition | None = None
) -> Periods:
    """The periods that a sentence names, as conditions on the table's date or year.

    Args:
        text: The sentence.
        dates: Its dates.
        table: The table.
        columns: The columns that it names: a named date column is preferred.
        carried: The period of an earlier sentence, which "the year before" refers to.

    Returns:
        The periods; empty where the table has no column of dates or years.
    """
    time = _column(table, columns, lambda c: c.kind == "date")
    year = _column(table, columns, lambda c: c.year)
    month = _column(table, columns, lambda c: c.month)
    found: list[Condition] = []
    used: set[int] = set()
    for date in dates:
        assert date.when is not None
        made = _conditions(text, date, date.when, time, year, month)
        if made:
            found += made
            used.add(date.start)
    found = sorted([*found, *_relative(text, found, time, year, carried)], key=lambda c: c.start)
    return _joined(text, found, frozenset(used))


def _column(table: Table, named: Sequence[ColumnMention], fits: Callable[[Column], bool]) -> Column | None:
    candidates = [m.column for m in named] + list(table.columns.values())
    return next((c for c in candidates if fits(c)), None)


def _conditions(text: str, date: FigureText, when: When, time: Column | None, year: Column | None, month: Column | None) -> list[Condition]:
    at = (date.start, date.end)
    if when.grain in ("month of any year", "quarter of any year") or (when.grain == "day" and not when.year):
        if when.grain == "month of any year" and month:
            return [Condition(month.name, "=", float(when.month), *at)]
        if not time:
            return []
        if when.grain == "day":
            return _day_of_one_year(time, when, at)
        return [Condition(time.name, "month" if when.grain == "month of any year" else "quarter", when.month, *at)]
    if when.grain in ("year", "decade", "century") and year and not time:
        low, high = _span(when)
        return [Condition(year.name, "period", (low, high), *at)]
    if not time:
        if year and month and when.grain == "month":
            parts = (f"{when.year}-01-01", f"{when.year}-12-31")
            return [Condition(year.name, "period", parts, *at), Condition(month.name, "=", float(when.month), *at)]
        return []
    low, high = _span(when)
    before = text[max(0, date.start - 24) : date.start].lower()
    if when.grain == "year":
        if re.search(r"\b(?:start|beginning|outset|open(?:ing)?|early)\s(?:of\s|in\s)?$|\bopened\s(?:in\s)?$", before):
            high = f"{when.year}-01-31"
        elif re.search(r"\b(?:end|close|late)\s(?:of\s|in\s)?$|\bclosed\s(?:in\s)?$", before):
            low = f"{when.year}-12-01"
    return [Condition(time.name, "period", (low, high), *at)]


def _day_of_one_year(time: Column, when: When, at: tuple[int, int]) -> list[Condition]:
    """A day without its year, if the table has it in one year alone, or mostly."""
    assert time.days is not None
    known = time.days[~np.isnat(time.days)]
    months = known.astype("datetime64[M]")
    day = (known - months).astype(int) + 1
    years = np.unique(known[(months.astype(int) % 12 + 1 == when.month) & (day == when.day)].astype("datetime64[Y]"))
    if len(years) != 1:
        return []
    date = f"{years[0]}-{when.month:02d}-{when.day:02d}"
    return [Condition(time.name, "period", (date, date), *at)]


def _span(when: When) -> tuple[str, str]:
    y, m = when.year, when.month
    match when.grain:
        case "day":
            day = f"{y:04d}-{m:02d}-{min(when.day, _last_day(y, m)):02d}"
            return day, day
        case "month":
            return f"{y:04d}-{m:02d}-01", f"{y:04d}-{m:02d}-{_last_day(y, m):02d}"
        case "quarter":
            return f"{y:04d}-{m:02d}-01", f"{y:04d}-{m + 2:02d}-{_last_day(y, m + 2):02d}"
        case "decade":
            return f"{y:04d}-01-01", f"{y + 9:04d}-12-31"
        case "century":
            return f"{y:04d}-01-01", f"{y + 99:04d}-12-31"
    return f"{y:04d}-01-01", f"{y:04d}-12-31"


def _last_day(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]


def _relative(
    text: str, found: Sequence[Condition], time: Column | None, year: Column | None, carried: Condition | None
) -> list[Condition]:
    """Years that are stated by their distance: two years later, the year before."""
    made = []
    for m in _LATER.finditer(text):
        earlier = [c for c in found if c.relation == "period" and c.start < m.start()]
        anchor = earlier[-1] if earlier else next((c for c in found if c.relation == "period"), carried)
        if anchor is None or not isinstance(anchor.value, tuple) or str(anchor.value[0])[:4] != str(anchor.value[1])[:4]:
            continue
        if m.group("count"):
            count = 1 if m.group("count").lower() in ("a", "an") else int(number_of(m.group("count")) or 0) or _digits(m.group("count"))
            step = count if m.group("way").lower() == "later" else -count
        else:
            step = 1 if m.group("next") or (m.group("before") or "").lower() == "after" else -1
        low, high = (f"{int(str(v)[:4]) + step:04d}{str(v)[4:]}".replace("-02-29", "-02-28") for v in anchor.value)
        made.append(Condition(anchor.column, "period", (low, high), m.start(), m.end()))
    return made


def _digits(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _joined(text: str, found: list[Condition], used: frozenset[int]) -> Periods:
    """From A to B becomes one period; since, before and until open it."""
    out: list[Condition] = []
    pair = None
    i = 0
    while i < len(found):
        one, two = found[i], found[i + 1] if i + 1 < len(found) else None
        if two and one.relation == two.relation == "period":
            between = text[one.end : two.start]
            before = text[max(0, one.start - 10) : one.start].lower()
            ranged = re.search(r"\b(?:from|between)\s(?:the )?$", before) or between.strip().lower() in _DASHES
            if _JOINED.fullmatch(between) and ranged:
                assert isinstance(one.value, tuple) and isinstance(two.value, tuple)
                pair = (one, two)
                out.append(Condition(one.column, "period", (str(one.value[0]), str(two.value[1])), one.start, two.end))
                i += 2
                continue
        out.append(_opened(text, one))
        i += 1
    if pair is None:
        spans = [c for c in out if c.relation == "period"]
        if len(spans) == 2 and spans[0].value != spans[1].value:
            pair = (spans[0], spans[1])
    return Periods(tuple(out), pair, used)


def _opened(text: str, condition: Condition) -> Condition:
    if condition.relation != "period" or not isinstance(condition.value, tuple):
        return condition
    low, high = map(str, condition.value)
    before = text[max(0, condition.start - 14) : condition.start].lower()
    if re.search(r"\bsince\s$", before):
        return replace(condition, value=(low, LAST))
    if re.search(r"\bafter\s$", before):
        return replace(condition, value=(str(np.datetime64(high) + 1), LAST))
    if re.search(r"\b(?:before|prior to)\s$", before):
        return replace(condition, value=(FIRST, str(np.datetime64(low) - 1)))
    if re.search(r"\b(?:until|through|up to)\s$", before):
        return replace(condition, value=(FIRST, high))
    return condition
