"""The coming events of an iCal calendar."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from fmnb.core.errors import UnexpectedResponseError
from fmnb.data.sources import calendars
from fmnb.data.sources.calendars import upcoming

NOW = datetime(2026, 11, 27, 9, 0).astimezone()


def calendar(*events):
    return "\r\n".join(["BEGIN:VCALENDAR", *(f"BEGIN:VEVENT\r\n{e}\r\nEND:VEVENT" for e in events), "END:VCALENDAR", ""])


def lines(*events, days=14):
    return [line[2:] for line in upcoming(calendar(*events), NOW, days).splitlines() if line.startswith("- ")]


def local(*at):
    return datetime(*at, tzinfo=ZoneInfo("UTC")).astimezone()


def test_events_are_listed_in_order_of_time():
    found = lines(
        "DTSTART;VALUE=DATE:20261201\r\nDTEND;VALUE=DATE:20261203\r\nSUMMARY:Fair",
        "DTSTART:20261127T130000Z\r\nDTEND:20261127T140000Z\r\nSUMMARY:Stand\r\n up\\, daily\r\nLOCATION:Room 3",
        "DTSTART:20261227T130000Z\r\nSUMMARY:After the last day",
        "DTSTART:20261120T130000Z\r\nSUMMARY:Over",
        "DTSTART:20261128T130000Z\r\nSTATUS:CANCELLED\r\nSUMMARY:Off",
        "SUMMARY:Without a start",
    )
    start, end = local(2026, 11, 27, 13), local(2026, 11, 27, 14)
    assert found == [f"Fri {start:%Y-%m-%d %H:%M} to {end:%H:%M}: Standup, daily (Room 3)", "Tue 2026-12-01 to Wed 2026-12-02: Fair"]


def test_a_zone_is_heeded_and_an_unknown_one_is_local():
    known, unknown = lines("DTSTART;TZID=Asia/Tokyo:20261129T090000\r\nSUMMARY:a", "DTSTART;TZID=Custom Zone:20261130T090000\r\nSUMMARY:b")
    assert f"{local(2026, 11, 29, 0):%Y-%m-%d %H:%M}: a" in known and "2026-11-30 09:00: b" in unknown


def test_an_alarm_inside_an_event_is_not_the_event():
    [found] = lines("DTSTART:20261128T100000Z\r\nBEGIN:VALARM\r\nSUMMARY:Alarm\r\nDTSTART:20200101T000000Z\r\nEND:VALARM\r\nSUMMARY:Talk")
    assert found.endswith("Talk")


def test_a_series_is_listed_at_each_of_its_times():
    pytest.importorskip("dateutil")
    weekly = "UID:1\r\nDTSTART:20260105T100000Z\r\nDTEND:20260105T110000Z\r\nRRULE:FREQ=WEEKLY;BYDAY=MO\r\nSUMMARY:Weekly"
    assert len(lines(weekly)) == 2
    assert len(lines(weekly + "\r\nEXDATE:20261130T100000Z")) == 1
    assert len(lines(weekly.replace("BYDAY=MO", "BYDAY=MO;UNTIL=20261201T000000Z"))) == 1
    assert len(lines(weekly.replace("BYDAY=MO", "BYDAY=MO;COUNT=3"))) == 0
    moved = "UID:1\r\nRECURRENCE-ID:20261130T100000Z\r\nDTSTART:20261201T120000Z\r\nSUMMARY:Weekly, moved"
    assert [line.rpartition(": ")[2] for line in lines(weekly, moved)] == ["Weekly, moved", "Weekly"]
    assert len(lines("DTSTART;VALUE=DATE:20200101\r\nRRULE:FREQ=DAILY\r\nSUMMARY:Every day")) == 14


def test_a_series_keeps_its_time_of_day_when_clocks_change():
    pytest.importorskip("dateutil")
    [found] = lines("DTSTART;TZID=Europe/Oslo:20260701T100000\r\nRRULE:FREQ=MONTHLY\r\nSUMMARY:Monthly")
    assert f"{datetime(2026, 12, 1, 10, tzinfo=ZoneInfo('Europe/Oslo')).astimezone():%Y-%m-%d %H:%M}" in found


@pytest.mark.parametrize("rule", ["FREQ=SECONDLY", "FREQ=MINUTELY", "FREQ=DAILY;BYSECOND=1,2,3", "FREQ=NONSENSE", "FREQ=WEEKLY;BYDAY=XX"])
def test_a_rule_that_is_not_followed_is_shown(rule):
    assert f"repeats ({rule})" in lines(f"DTSTART:19700101T000000Z\r\nRRULE:{rule}\r\nSUMMARY:x")[0]


def test_without_dateutil_a_rule_is_shown(monkeypatch):
    monkeypatch.setattr(calendars, "find_spec", lambda name: None)
    assert "repeats (FREQ=DAILY)" in lines("DTSTART:20260101T000000Z\r\nRRULE:FREQ=DAILY\r\nSUMMARY:x")[0]


def test_a_rule_that_never_happens_ends():
    pytest.importorskip("dateutil")
    assert lines("DTSTART:20260101T000000Z\r\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30\r\nSUMMARY:never") == []


def test_an_empty_calendar_says_so_and_what_is_none_is_an_error():
    assert upcoming(calendar(), NOW).endswith("\nnone")
    with pytest.raises(UnexpectedResponseError):
        upcoming("hello")


def test_nonsense_in_an_event_is_left_out():
    assert (
        lines(
            "DTSTART:20269999T000000Z\r\nSUMMARY:x", "DTSTART:x\r\nSUMMARY:y", "DTSTART;TZID=../../etc/passwd:20261128T000000\r\nSUMMARY:z"
        )[:0]
        == []
    )
    many = [f"DTSTART:{NOW + timedelta(hours=1):%Y%m%dT%H%M%S}\r\nSUMMARY:{n}" for n in range(150)]
    assert "… and 50 more" in upcoming(calendar(*many), NOW)
