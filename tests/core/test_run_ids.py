"""Run ids: of one length, in the order they were made, never twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from fmnb.core import run_ids
from fmnb.core.run_ids import new_run


def test_run_ids_are_of_one_length_and_do_not_repeat():
    ids = [new_run() for _ in range(5000)]
    assert len(set(ids)) == 5000 and {len(i) for i in ids} == {16}


def test_run_ids_of_one_millisecond_do_not_repeat_in_any_thread(monkeypatch):
    monkeypatch.setattr(run_ids.time, "time", lambda: 1_700_000_000.0)
    with ThreadPoolExecutor(8) as pool:
        lots = list(pool.map(lambda _: [new_run() for _ in range(10_000)], range(8)))
    assert len({i for lot in lots for i in lot}) == 80_000  # of 35 random bits alone, one would repeat every tenth time
    assert all(lot == sorted(lot) for lot in lots)


def test_run_ids_sort_by_time(monkeypatch):
    times = iter(range(1_700_000_000, 1_900_000_000, 10_000_000))
    monkeypatch.setattr(run_ids.time, "time", lambda: next(times))
    ids = [new_run() for _ in range(20)]
    assert ids == sorted(ids)
