"""The spending cap: what passes, what counts, what an administrator's cap does to it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

import fmnb as fm
from fmnb.batch.run import batch
from fmnb.core.errors import BudgetError, LockedError
from fmnb.core.events import UsageReported
from fmnb.core.types import ModelInfo, Request, Usage, message
from fmnb.limits import budget
from fmnb.views.footer import footer_text
from tests.admin_config import use_admin_folder
from tests.calls.test_pipeline import Paid
from tests.wire.server import Server


def costs(dollars, **more):
    return Paid([0.02, UsageReported(usage=Usage(1, 1, cost=dollars))], **more)


@pytest.fixture
def admin(tmp_path, monkeypatch):
    def write(text):
        (tmp_path / "fmnb.toml").write_text(text)
        use_admin_folder(monkeypatch, tmp_path)

    return write


def test_without_a_cap_spending_is_counted_and_nothing_refused():
    fm.ask("hi", costs(3.0))
    fm.ask("hi", costs(4.0))
    assert budget.budget() == budget.Budget(None, 7.0)


def test_a_call_that_could_pass_the_cap_is_refused_before_it_is_sent():
    budget.set_limit(0.002)
    paid = costs(0.001, price=1.0)  # a thousand tokens of answer are a tenth of a cent
    fm.ask("hi", paid)
    with pytest.raises(BudgetError, match="exceed the budget") as refused:
        fm.ask("hi", paid)
    assert paid.calls == 1 and refused.value.billed is False
    assert fm.ask("hi", paid, max_tokens=10).text == "done"


def test_calls_side_by_side_cannot_pass_the_cap_together():
    budget.set_limit(0.005)
    paid = costs(0.001)

    async def many():
        return await asyncio.gather(*(fm.aask("hi", paid) for _ in range(20)), return_exceptions=True)

    refused = [r for r in asyncio.run(many()) if isinstance(r, BudgetError)]
    assert 0 < paid.calls <= 5 and len(refused) == 20 - paid.calls
    assert budget.budget().spent <= 0.005 and budget.budget().reserved == pytest.approx(0)


def test_what_was_set_aside_is_given_back_when_a_call_fails():
    budget.set_limit(1.0)
    with pytest.raises(fm.FmnbError):
        fm.ask("hi", Paid([fm.FmnbError("no")]))
    assert budget.budget().reserved == 0 and budget.budget().spent == 0


def test_a_warning_comes_once_at_four_fifths():
    budget.set_limit(1.0)
    notes = [fm.ask("hi", costs(0.3)).notes for _ in range(3)]
    assert [len(n) for n in notes] == [0, 0, 1] and "90% of the budget of $1" in notes[2][0]


def test_an_unknown_price_counts_as_over_the_cap_unless_allowed():
    budget.set_limit(5.0)
    unknown = Paid([UsageReported(usage=Usage(1, 1))], price=None)
    with pytest.raises(BudgetError, match="unknown"):
        fm.ask("hi", unknown)
    budget.set_limit(5.0, allow_unknown=True)
    assert fm.ask("hi", unknown).cost is None and budget.budget().unknown_calls == 1


def test_a_cap_that_is_spent_holds_for_unknown_prices_too_however_they_are_allowed():
    budget.set_limit(0.02, allow_unknown=True)
    fm.ask("hi", costs(0.0246), max_tokens=1)
    unknown = Paid([UsageReported(usage=Usage(1, 1))], price=None)
    with pytest.raises(BudgetError, match=r"budget of \$0.02 is spent: \$0.0246 spent"):
        fm.ask("hi", unknown)
    assert unknown.calls == 0
    with pytest.raises(BudgetError):
        fm.ask("hi", costs(0.001), max_tokens=1)
    assert fm.ask("hi", "echo:").text == "hi", "what costs nothing goes on"


def test_a_gateway_on_this_machine_is_neither_free_nor_here(home):
    with Server() as server:
        (home / "fmnb.toml").write_text(f'[provider.gateway]\nbase_url = "{server.url}"\nneeds_key = false\n')
        answer = fm.ask("hi", "gateway:plain")
        assert answer.cost is None and answer.host == server.url.removeprefix("http://").removesuffix("/v1")
        assert "price unknown" in footer_text(answer) and budget.budget().unknown_calls == 1
        budget.set_limit(0.02)
        sent = len(server.requests)
        with pytest.raises(BudgetError, match="price of this model is unknown"):
            fm.ask("hi", "gateway:plain")
        with pytest.raises(BudgetError, match="price of this model is unknown"):
            batch("Say {{ w }}", [{"w": "hi"}], "gateway:plain")
        assert len(server.requests) == sent
        (home / "fmnb.toml").write_text(f'[provider.gateway]\nbase_url = "{server.url}"\nneeds_key = false\nlocal = true\n')
        budget.set_limit(0.0)
        here = fm.ask("hi", "gateway:plain")
        assert (here.cost, here.host) == (0.0, "local") and "free" in footer_text(here)


def test_rows_of_unknown_price_stop_when_the_cap_is_spent(home):
    with Server() as server:
        (home / "fmnb.toml").write_text(f'[provider.gateway]\nbase_url = "{server.url}"\nneeds_key = false\n')
        budget.set_limit(0.02, allow_unknown=True)
        budget.add(0.0246)
        with pytest.raises(BudgetError, match="is spent"):
            batch("Say {{ w }}", [{"w": "hi"}], "gateway:plain")
        assert server.requests == []


def test_local_models_are_free_under_any_cap():
    budget.set_limit(0.0)
    assert fm.ask("hi", "echo:").text == "hi"


def test_an_administrators_cap_holds_without_one_of_ones_own(admin):
    admin("[lock]\nbudget = 0.0001\n")
    with pytest.raises(BudgetError):
        fm.ask("hi", costs(0.1))


@pytest.mark.parametrize("mine", [None, 10.0])
def test_an_administrators_cap_cannot_be_raised(admin, mine):
    admin("[lock]\nbudget = 2\n")
    with pytest.raises(LockedError, match=r"\$2"):
        budget.set_limit(mine)
    assert budget.set_limit(1.0).limit == 1.0


def test_an_administrators_cap_lets_no_unknown_price_pass(admin):
    admin("[lock]\nbudget = 2\n")
    budget.set_limit(1.0, allow_unknown=True)
    with pytest.raises(BudgetError, match="unknown"):
        fm.ask("hi", Paid([], price=None))


def test_a_picture_is_expected_to_cost_what_a_large_one_does():
    info = ModelInfo("p:m", "p", "host", price_in=5.0, price_out=30.0)
    picture = Request("m", (message("user", "a cat"),), format="image")
    one = budget.estimate(info, picture, 10)
    assert one is not None and 0.1 < one < 0.5
    assert budget.estimate(info, replace(picture, extra={"n": 2}), 10) == pytest.approx(2 * one, rel=0.01)


@pytest.mark.parametrize("name", ["n", "num_images"])
def test_several_pictures_are_expected_to_cost_as_many_times(name):
    info = ModelInfo("m", "p", "far.example", price_in=1.0, price_out=10.0)
    one = Request("m", (message("user", "a cat"),), format="image")
    assert budget.estimate(info, replace(one, extra={name: 5}), 0) == 5 * budget.estimate(info, one, 0)
