"""How far a batch is: a rate that is calm, a time left that is known, and nothing said of what there is nothing to say."""

from __future__ import annotations

import re

from fmnb.batch.progress import ProgressText
from fmnb.batch.run import batch
from fmnb.batch.summary import Tally
from fmnb.core.events import Progress


def said(arrivals, total, until, step=0.1, **more):
    """What is said each tenth of a second while rows come at these times."""
    so_far, out = ProgressText(), []
    for i in range(1, int(until / step) + 1):
        t = Tally()
        t.answered = sum(at <= i * step for at in arrivals)
        out.append((i * step, so_far.text(t, total, i * step, **more)))
    return out


def lefts(words):
    """The times left that were said, in seconds."""
    found = (re.search(r"([\d.]+) (s|min) left", w) for _, w in words)
    return [float(m[1]) * (60 if m[2] == "min" else 1) for m in found if m]


def test_no_time_is_left_before_some_rows_are_in():
    words = said([0.2 * n for n in range(1, 100)], 200, 10)
    assert all("left" not in w and "/" not in w for at, w in words if at < 3)
    assert "35 s left" in words[-1][1] or "30 s left" in words[-1][1]


def test_a_rate_keeps_its_unit_where_it_swings_about_it():
    bursts = [5 * k + 0.02 * n for k in range(1, 20) for n in range(10)]  # two a second, ten at a time
    words = [w for _, w in said(bursts, 190, 90)]
    assert {m[1] for w in words if (m := re.search(r"[\d.]+/(\w+)", w))} == {"s"}


def test_rows_that_come_in_bursts_after_a_slow_start_do_not_make_it_jump():
    bursts = [8 + 4 * k + 0.02 * n for k in range(20) for n in range(40)]
    words = said(bursts, 800, 84)
    expected = [(at, 84 - at) for at, w in words if "left" in w]
    assert all(abs(told - left) <= 0.35 * left + 6 for (at, left), told in zip(expected, lefts(words), strict=True) if at > 20)


def test_a_slow_model_has_a_time_left_too():
    assert "left" in said([15, 30, 45, 60], 10, 65)[-1][1]


def test_a_standstill_is_seen():
    arrivals = [0.1 * n for n in range(1, 101)]
    assert lefts(said(arrivals, 1000, 60))[-1] > 3 * lefts(said(arrivals, 1000, 10))[-1]


def test_rows_from_before_are_no_rate():
    so_far, t = ProgressText(), Tally()
    t.answered, t.cached, t.failed, t.cached_failures = 100, 100, 5, 5
    for at in range(1, 20):
        words = so_far.text(t, 200, float(at))
    assert words == "5 failed · 100 cached"


def test_money_failures_and_calls_at_once_are_said_where_there_are_some():
    t = Tally()
    assert ProgressText().text(t, 10, 1.0, in_flight=0) == ""
    t.failed, t.cost = 3, 0.0123
    assert ProgressText().text(t, 10, 1.0, in_flight=16) == "3 failed · $0.012 · 16 in flight"
    t.unpriced, t.cost = 1, 0.0
    assert ProgressText().text(t, 10, 1.0, in_flight=16, last=True) == "3 failed · price unknown"


def test_what_an_engine_has_in_hand_is_not_called_calls_at_once():
    heard = []
    batch("say {{ w }}", [{"w": str(i)} for i in range(20)], "echo:slow=200", sinks=[heard.append])
    notes = [e.note for e in heard if isinstance(e, Progress)]
    assert notes and not any("in flight" in n for n in notes)
