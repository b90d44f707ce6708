"""Keys and rows go to no cluster that only a cell has named."""

from __future__ import annotations

import os

import pytest

from fmnb.batch.ray import address as addresses
from fmnb.batch.ray.address import check_address
from fmnb.batch.ray.start import _initial_code_variables, start
from fmnb.batch.run import batch
from fmnb.config import environment
from fmnb.core.errors import NotInteractiveError

AWAY = "ray://head.example:10001"


@pytest.fixture
def asked(monkeypatch):
    """The questions asked, all answered with yes."""
    questions = []
    monkeypatch.setattr(addresses, "confirm", lambda text, **more: questions.append(text))
    addresses._agreed.addresses.clear()
    yield questions
    addresses._agreed.addresses.clear()


def test_an_address_that_a_cell_named_is_asked_for_once(asked):
    check_address(AWAY)
    check_address(AWAY)
    assert asked == [f"Run batches on the Ray cluster at {AWAY}?"]
    check_address("10.0.0.7:6379")
    assert len(asked) == 2


def test_the_address_that_the_kernel_started_with_and_this_machine_are_not_asked_for(asked, monkeypatch):
    monkeypatch.setitem(environment._initial, "RAY_ADDRESS", AWAY)
    for address in (AWAY, "", "auto", "local"):
        check_address(address)
    assert asked == []


@pytest.mark.parametrize("on", [AWAY, "auto", "ray"])
def test_a_batch_goes_to_no_cluster_where_nobody_can_agree(on, monkeypatch):
    ray = pytest.importorskip("ray")
    addresses._agreed.addresses.clear()
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **options: pytest.fail("connected without a yes"))
    monkeypatch.setenv("RAY_ADDRESS", AWAY)
    with pytest.raises(NotInteractiveError, match=r"Run batches on the Ray cluster at ray://head\.example:10001") as e:
        batch("Say {{ w }}", [{"w": "hi"}], "echo:", on=on)
    assert f"RAY_ADDRESS={AWAY}" in e.value.hint


def test_ray_on_this_machine_does_not_inherit_code_that_a_cell_set(monkeypatch):
    monkeypatch.setitem(environment._initial, "PYTHONPATH", "/of/the/user")
    monkeypatch.delitem(environment._initial, "LD_PRELOAD", raising=False)
    monkeypatch.setenv("PYTHONPATH", "/of/a/cell")
    monkeypatch.setenv("LD_PRELOAD", "/of/a/cell.so")
    with _initial_code_variables():
        assert os.environ["PYTHONPATH"] == "/of/the/user" and "LD_PRELOAD" not in os.environ
    assert os.environ["PYTHONPATH"] == "/of/a/cell" and os.environ["LD_PRELOAD"] == "/of/a/cell.so"


def test_ray_is_started_with_them(monkeypatch):
    ray = pytest.importorskip("ray")
    seen = []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **options: seen.append((options.get("address"), os.environ.get("PYTHONSTARTUP"))))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delitem(environment._initial, "PYTHONSTARTUP", raising=False)
    monkeypatch.setenv("PYTHONSTARTUP", "/of/a/cell.py")
    start()
    assert seen == [(None, None)]
