"""The coming events of a calendar in iCal format (RFC 5545)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from datetime import time as clock
from importlib.util import find_spec
from typing import Any
from zoneinfo import ZoneInfo

from ...core.errors import UnexpectedResponseError

DAYS = 14
_EVENTS = 100  # lines of a passage
_LINE = re.compile(r'([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^";:,]*)(?:,(?:"[^"]*"|[^";:,]*))*)*):(.*)', re.DOTALL)
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?")
_REPEATS = re.compile(r"(?:^|;)FREQ=(?:DAILY|WEEKLY|MONTHLY|YEARLY)(?:;|$)")
_TOO_OFTEN = re.compile(r"BYHOUR|BYMINUTE|BYSECOND")  # rules that make thousands of events a day


@dataclass(frozen=True)
class _Event:
    """An event, or the first of a series. A start without a time of day is an event of whole days."""

    start: date
    end: date | None = None
    summary: str = "(no title)"
    place: str = ""
    uid: str = ""
    rule: str = ""
    except_: frozenset[date] = field(default_factory=frozenset)
    instead_of: date | None = None


def upcoming(text: str, now: datetime | None = None, days: int = DAYS) -> str:
    """The events of today and the coming days, in local time, one a line.

    Events that repeat by a rule are listed at each of their times if `dateutil` is installed, which comes with
    pandas, and with their rule otherwise.

    Args:
        text: A calendar.
        now: The current time.
        days: How many days to list.

    Raises:
        UnexpectedResponseError: It is no calendar.
    """
    if "BEGIN:VCALENDAR" not in text:
        raise UnexpectedResponseError("That is no calendar", detail="there is no BEGIN:VCALENDAR")
    now = (now or datetime.now()).astimezone()
    first = datetime.combine(now.date(), clock()).astimezone()
    last = first + timedelta(days=days)
    events = list(_events(text))
    moved = {(e.uid, _moment(e.instead_of)) for e in events if e.instead_of is not None}
    found: list[_Event] = []
    unread: list[str] = []
    for e in events:
        if not e.rule:
            found.append(e)
            continue
        times = _times(e, first, last)
        if times is None:
            unread.append(f"- {e.summary}: since {_shown(e.start)}, repeats ({e.rule})")
        else:
            length = e.end - e.start if e.end is not None else None
            found += [replace(e, start=t, end=t + length if length else None) for t in times if (e.uid, _moment(t)) not in moved]
    shown = sorted((e for e in found if _moment(e.end or e.start) >= first and _moment(e.start) < last), key=lambda e: _moment(e.start))
    lines = [_line(e) for e in shown[:_EVENTS]]
    head = f"Events from {first:%Y-%m-%d} to {last - timedelta(days=1):%Y-%m-%d}, times in {now:%Z} (UTC{now:%z}):"
    more = [f"… and {len(shown) - _EVENTS} more"] if len(shown) > _EVENTS else []
    return "\n".join([head, *(lines or ["none"]), *more, *unread[:_EVENTS]])


def _events(text: str) -> Iterator[_Event]:
    """The events of a calendar; cancelled ones and those without a readable start are left out."""
    inside: dict[str, list[tuple[str, str]]] | None = None
    depth = 0  # of alarms inside an event
    for line in re.sub(r"\r?\n[ \t]", "", text).splitlines():
        m = _LINE.fullmatch(line)
        if m is None:
            continue
        name, parameters, value = m[1].upper(), m[2], m[3]
        if name == "BEGIN":
            depth += inside is not None
            inside = {} if value.upper() == "VEVENT" and inside is None else inside
        elif name == "END":
            if inside is not None and not depth:
                if (event := _event(inside)) is not None:
                    yield event
                inside = None
            depth = max(0, depth - 1)
        elif inside is not None and not depth:
            inside.setdefault(name, []).append((parameters, value))


def _event(properties: dict[str, list[tuple[str, str]]]) -> _Event | None:
    def first(name: str) -> tuple[str, str]:
        return properties.get(name, [("", "")])[0]

    start = _time(*first("DTSTART"))
    if start is None or first("STATUS")[1].upper() == "CANCELLED":
        return None
    end = _time(*first("DTEND"))
    excluded = [_time(p, v) for p, values in properties.get("EXDATE", []) for v in values.split(",")]
    same = end is not None and isinstance(end, datetime) == isinstance(start, datetime)
    return _Event(
        start,
        end if same else None,
        _plain(first("SUMMARY")[1]) or "(no title)",
        _plain(first("LOCATION")[1]),
        first("UID")[1],
        first("RRULE")[1].upper(),
        frozenset(_moment(t) for t in excluded if t is not None),
        _time(*first("RECURRENCE-ID")),
    )


def _plain(text: str) -> str:
    return " ".join(re.sub(r"\\([nN,;\\])", lambda m: " " if m[1] in "nN" else m[1], text).split())[:200]


def _time(parameters: str, value: str) -> date | None:
    """A date, or a time in its zone; without one, local time. None if it cannot be read."""
    m = _TIME.fullmatch(value.strip())
    if m is None:
        return None
    try:
        day = date(int(m[1]), int(m[2]), int(m[3]))
        if m[4] is None:
            return day
        at = datetime.combine(day, clock(int(m[4]), int(m[5]), min(59, int(m[6]))))
        if m[7]:
            return at.replace(tzinfo=ZoneInfo("UTC"))
        zone = re.search(r'TZID="?([^";:]+)', parameters, re.I)
        return at.replace(tzinfo=ZoneInfo(zone[1].lstrip("/"))) if zone else at.astimezone()
    except (ValueError, OSError, OverflowError):
        return None
    except KeyError:  # a zone that is not in the system's data, such as Outlook's
        return at.astimezone()


def _moment(t: date) -> datetime:
    """A point in time to compare with others; a whole day begins at local midnight."""
    return t if isinstance(t, datetime) else datetime.combine(t, clock()).astimezone()


def _times(e: _Event, first: datetime, last: datetime) -> list[date] | None:
    """The starts of a series between two times; None if its rule cannot be read here."""
    if not find_spec("dateutil") or not _REPEATS.search(e.rule) or _TOO_OFTEN.search(e.rule):
        return None
    from dateutil.rrule import rrulestr

    whole_day = not isinstance(e.start, datetime)
    zone = None if whole_day else e.start.tzinfo  # type: ignore[attr-defined]
    begin = datetime.combine(e.start, clock()) if whole_day else e.start.replace(tzinfo=None)  # type: ignore[call-arg]
    until = re.search(r"UNTIL=(\d{8}(?:T\d{6}Z?)?)", e.rule)
    end = _time("", until[1]) if until else None
    try:
        limit = last.astimezone(zone).replace(tzinfo=None)
        if end is not None:
            stop = _moment(end).astimezone(zone).replace(tzinfo=None) if isinstance(end, datetime) else datetime.combine(end, clock.max)
            limit = min(limit, stop)
        length = e.end - e.start if e.end is not None else timedelta()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a rule with both COUNT and UNTIL
            rule: Any = rrulestr(re.sub(r";?UNTIL=[^;]*", "", e.rule).strip(";"), dtstart=begin)
            found = rule.replace(until=limit).between(first.astimezone(zone).replace(tzinfo=None) - length, limit, inc=True)
    except (ValueError, OverflowError, TypeError, AttributeError):
        return None
    times: list[date] = [t.date() if whole_day else t.replace(tzinfo=zone) for t in found]
    return [t for t in times if _moment(t) not in e.except_]


def _line(e: _Event) -> str:
    end = ""
    if isinstance(e.start, datetime) and isinstance(e.end, datetime):
        start, stop = e.start.astimezone(), e.end.astimezone()
        end = f" to {stop:%H:%M}" if start.date() == stop.date() else f" to {_shown(stop)}"
    elif e.end is not None and e.end - e.start > timedelta(days=1):
        end = f" to {_shown(e.end - timedelta(days=1))}"  # the day after the last one
    return f"- {_shown(e.start)}{end}: {e.summary}{f' ({e.place})' if e.place else ''}"


def _shown(t: date) -> str:
    return f"{t.astimezone():%a %Y-%m-%d %H:%M}" if isinstance(t, datetime) else f"{t:%a %Y-%m-%d}"
