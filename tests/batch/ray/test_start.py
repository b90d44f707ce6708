"""Ray's start: once more where its processes were too slow, and in words."""

from __future__ import annotations

import pytest

from fmnb.batch.ray.start import _init
from fmnb.core.errors import UsageError


class SlowRay:
    """Stands for Ray on a busy machine, whose real wait is thirty seconds: its first starts fail as Ray's do."""

    def __init__(self, failures: int, message: str = "The current node timed out during startup. This could happen"):
        self.failures, self.message, self.calls = failures, message, []

    def init(self, **options):
        self.calls.append(options)
        if len(self.calls) <= self.failures:
            raise Exception(self.message)

    def shutdown(self):
        self.calls.append("shutdown")


def test_a_slow_start_is_tried_twice_with_the_same_options():
    ray = SlowRay(1)
    _init(ray, num_cpus=2)
    assert ray.calls == [{"num_cpus": 2}, "shutdown", {"num_cpus": 2}]


def test_a_second_slow_start_is_an_error_in_words():
    ray = SlowRay(9)
    with pytest.raises(UsageError, match="Ray did not start in time"):
        _init(ray)
    assert ray.calls == [{}, "shutdown", {}]


def test_another_error_is_raised_at_once():
    ray = SlowRay(1, "no such cluster")
    with pytest.raises(Exception, match="no such cluster"):
        _init(ray)
    assert len(ray.calls) == 1
