"""A budget is kept to the cent, however long the answers are, and whatever the service says of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from itertools import repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fmnb as fm
from fmnb.batch.run import batch
from fmnb.batch.scheduler import DEFAULT_CONCURRENCY
from fmnb.core.errors import BudgetError
from fmnb.core.events import Finished, TextDelta, UsageReported
from fmnb.core.types import ModelInfo, Request, Usage, message
from fmnb.limits import budget
from fmnb.limits.batch_budget import BatchBudget
from fmnb.store import log
from tests.batch.service import Service, completion
from tests.batch.test_estimate import Failing, Priced
from tests.batch.test_run import words
from tests.conftest import FULL


@pytest.mark.parametrize("seconds", [0.0, 0.005])
def test_a_budget_is_never_passed_and_the_same_call_goes_on_with_a_larger_one(seconds):
    model = Priced(out=100, seconds=seconds)  # ten cents a row
    with pytest.raises(BudgetError, match="would exceed the budget") as e:
        batch("Say {{ w }}", words(50), model, budget=1.05, max_tokens=100)
    assert model.calls == 10 and "10 of 50 answers are stored" in str(e.value)
    assert e.value.billed, "the rows before it were paid"
    assert "run this again with another --budget to resume; the new budget starts at zero" in e.value.hint
    assert len(e.value.partial) == 50 and e.value.partial["cost"].sum() == pytest.approx(1.0)
    assert "The table so far is the attribute `partial` of this error" in str(e.value)
    assert "larger" not in str(e.value) and "run this again to resume" not in str(e.value)
    b = batch("Say {{ w }}", words(50), model, budget=4.0, max_tokens=100)
    assert b.summary.answered == 50 and model.calls == 50 and b.summary.cost == pytest.approx(4.0)


def test_answers_longer_than_was_thought_are_thought_longer_from_then_on():
    model = Priced(out=5000, seconds=0.01)  # five dollars a row, where one was assumed
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(50), model, budget=100.0, concurrency=2)
    assert model.calls <= 20


class Thinking(Priced):
    """Answers of these lengths, cut at the longest they may have, at ten dollars a million tokens.

    Knows what it was paid, how many calls were under way at most, and which answers were cut.
    """

    def __init__(self, lengths, usage=True, longest=None):
        super().__init__(price=10.0, seconds=0.01)
        self.info = replace(self.info, max_output=longest)
        self.lengths, self.usage = lengths if callable(lengths) else lambda request: next(lengths), usage
        self.paid, self.now, self.peak, self.cut = 0.0, 0, 0, []

    async def stream(self, request):
        length = self.lengths(request)
        out = min(length, request.max_tokens or self.info.max_output or length)
        self.calls, self.now = self.calls + 1, self.now + 1
        self.peak = max(self.peak, self.now)
        await asyncio.sleep(self.seconds)
        self.now, self.paid = self.now - 1, self.paid + out * self.price / 1e6
        yield TextDelta(text="done" if self.usage else "word" * out)
        if self.usage:
            yield UsageReported(usage=Usage(10, out, cost=out * self.price / 1e6))
        if out < length:
            self.cut.append(out)
        yield Finished(reason="length" if out < length else "stop")


@pytest.mark.parametrize(("length", "limit"), [(20_000, 1.0), (5_000, 0.25), (100, 0.25)])
def test_answers_of_any_length_do_not_pass_a_budget_together(length, limit):
    model = Thinking(repeat(length))
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(400), model, budget=limit)
    assert model.paid == pytest.approx(limit), "all of it, and no more"


def by_word(long, short=100):
    """Every seventh row has a long answer, whichever comes first and however often it is asked."""
    return lambda request: long if int(request.messages[-1].parts[0].text.split("word")[-1]) % 7 == 3 else short


@pytest.mark.parametrize("longest", [64_000, 8_000, None])
@pytest.mark.parametrize("limit", [0.02, 0.1, 0.5])
def test_where_a_few_answers_are_much_longer_a_budget_is_not_passed_either(longest, limit):
    model = Thinking(by_word(4_000), longest=longest)
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(400), model, budget=limit)
    assert model.paid <= limit + 1e-9, "not by one call"
    assert model.paid >= limit - 0.045 and (model.peak > 1 or limit < 0.1)


@settings(max_examples=300 if FULL else 25, deadline=None)
@given(
    st.lists(st.sampled_from([1, 20, 100, 700, 3_000, 8_000]), min_size=1, max_size=60),
    st.floats(0.0005, 0.5),
    st.sampled_from([8_000, 64_000]),
    st.sampled_from([1, 4, 16]),
    st.booleans(),
)
def test_whatever_the_answers_the_budget_and_the_kernel_s_are_not_passed(lengths, limit, longest, at_once, kernel):
    budget.reset()
    model = Thinking(lambda request: lengths[int(request.messages[-1].parts[0].text.split("word")[-1])], longest=longest)
    if kernel:
        budget.set_limit(limit)
    with suppress(BudgetError):
        done = batch(
            "Say {{ w }}", words(len(lengths)), model, concurrency=at_once, cache=False, yes=True, **({} if kernel else {"budget": limit})
        )
        assert done.summary.answered == len(lengths)
    assert model.paid <= limit + 1e-9
    assert budget.budget().spent == pytest.approx(model.paid) and budget.budget().reserved == pytest.approx(0.0)


def test_an_answer_that_was_cut_for_the_budget_is_asked_for_again_and_whole_in_the_end():
    model = Thinking(lambda request: 3_000 if request.messages[-1].parts[0].text == "Say word60" else 50, longest=16_000)
    done = batch("Say {{ w }}", words(64), model, budget=0.5, concurrency=4)
    assert done.summary.answered == 64 and done.summary.cost == pytest.approx(model.paid) and model.paid < 0.5
    assert model.cut and model.calls == 64 + len(model.cut), "each cut is one more call"
    kept = log.reopen(done.answers[60].run)
    assert kept.finish_reason == "stop" and kept.text == "done" and kept.usage.output_tokens == 3_000 + sum(model.cut)
    assert log.events_of(kept.run)[0].request.max_tokens is None, "the question is the one that was put"
    assert batch("Say {{ w }}", words(64), model, budget=0.5).summary.cached == 64


def test_what_was_written_before_the_budget_ended_is_in_the_log():
    model = Thinking(repeat(40_000), longest=64_000)
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(4), model, budget=0.1, concurrency=1)
    assert model.paid == pytest.approx(0.1, abs=1e-4) and model.cut == [10_000]
    row = log.search("done", kind="row")[0]
    assert log.reopen(row["run"]).text == "done" and row["cost"] == pytest.approx(0.1, abs=1e-4) and row["error"]


def test_a_limit_of_one_s_own_is_not_touched_and_an_ample_budget_names_none():
    asked = []
    ample, mine, thinking = (Thinking(lambda request: asked.append(request.max_tokens) or 100, longest=8_000) for _ in range(3))
    batch("Say {{ w }}", words(40), ample, budget=50.0)
    batch("Do {{ w }}", words(40), mine, budget=0.5, max_tokens=200)
    batch("See {{ w }}", words(40), thinking, budget=0.5, params={"thinking": {"type": "enabled", "budget_tokens": 4_000}})
    assert asked == [None] * 40 + [200] * 40 + [None] * 40 and thinking.peak <= 6


def test_an_answer_longer_than_the_longest_there_was_thought_to_be_passes_a_budget_by_itself_alone():
    model = Thinking(repeat(40_000))  # whose longest is not known, and is taken to be 32,000
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(40), model, budget=1.0)
    assert model.paid <= 1.0 + 40_000 * 10 / 1e6


class Sold:
    """A service whose models have a price: `lengths` of answers by their prompt, cut where it is told to."""

    def __init__(self, service, length, thinks=False):
        self.length, self.thinks, self.told, self.paid = length, thinks, [], 0.0
        service.answer = self.answer

    def answer(self, body):
        most = body.get("max_completion_tokens") or body.get("max_tokens")
        self.told.append(most)
        length = self.length(body["messages"][-1]["content"])
        out = min(length, most or length)
        self.paid += out * 10 / 1e6
        done = completion("" if self.thinks and out < length else "well", (20, out))
        done["choices"][0]["finish_reason"] = "length" if out < length else "stop"
        return 200, {**done, "usage": {**done["usage"], "cost": out * 10 / 1e6}}


@pytest.fixture
def sold(monkeypatch):
    """The loopback service as `vllm`, at ten dollars a million tokens, whose longest answer has 64,000."""
    with Service(latency=0.01) as running:
        monkeypatch.setenv("VLLM_BASE_URL", running.url)
        info = ModelInfo("vllm:m", "vllm", running.url, price_in=0.0, price_out=10.0, max_output=64_000)
        monkeypatch.setattr("fmnb.providers.hosted.HostedModel.info", info)
        yield running


@pytest.mark.parametrize("thinks", [False, True], ids=["words", "thoughts alone"])
def test_a_service_is_told_how_long_an_answer_may_be_when_the_budget_is_small(sold, thinks):
    shop = Sold(sold, lambda prompt: 3_000 if prompt.endswith("7") else 50, thinks)
    done = batch("Say {{ w }}", words(64), "vllm:m", budget=0.7)
    assert done.summary.answered == 64 and {a.text for a in done.answers} == {"well"}
    assert done.summary.cost == pytest.approx(shop.paid) and shop.paid <= 0.7
    assert shop.told[0] is None and any(shop.told), "the first may be as long as any"
    with pytest.raises(BudgetError):
        batch("Do {{ w }}", words(400), "vllm:m", budget=0.05)
    assert done.summary.cost + 0.05 >= shop.paid - 1e-9


def test_rows_that_fail_and_are_paid_all_the_same_end_a_budget_too(sold):
    shop = Sold(sold, lambda prompt: 9_000, thinks=True)
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(400), "vllm:m", budget=0.1, max_tokens=500)
    assert 0.09 <= shop.paid <= 0.1 + 1e-9, "thoughts that left no room for an answer"
    rows = log.search(kind="row", limit=1000)
    assert 20 < len(rows) <= 60 and sum(r["cost"] or 0 for r in rows) == pytest.approx(shop.paid)


def test_a_budget_that_is_ample_makes_nobody_wait_and_a_small_one_only_at_first():
    ample, small = Thinking(repeat(100)), Thinking(repeat(100))
    batch("Say {{ w }}", words(100), ample, budget=50.0)
    batch("Do {{ w }}", words(200), small, budget=1.0)
    assert ample.peak == small.peak == DEFAULT_CONCURRENCY


def test_a_model_that_tells_no_usage_is_charged_what_is_counted():
    model = Thinking(repeat(5_000), usage=False)
    with pytest.raises(BudgetError, match=r"\$0\.2[0-9]+ spent"):
        batch("Say {{ w }}", words(400), model, budget=0.25)
    assert model.paid == pytest.approx(0.25, abs=0.051)
    budget.set_limit(budget.budget().spent + 0.25)
    with pytest.raises(BudgetError):
        batch("Do {{ w }}", words(400), model, yes=True)
    assert model.paid == pytest.approx(0.5, abs=0.102)


def test_tokens_without_a_price_are_charged_by_the_model_s_price():
    model = Priced(price=10.0, out=5_000)
    model.price = None  # as its answers say it
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(400), model, budget=0.25)
    assert model.calls == 5


def test_what_came_of_a_call_before_it_failed_is_charged():
    class Broken(Thinking):
        async def stream(self, request):
            async for event in super().stream(request):
                if isinstance(event, Finished):
                    raise fm.errors.StreamInterruptedError("cut off")
                yield event

    model = Broken(repeat(5_000))
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(400), model, budget=0.25)
    assert model.calls == 5


def test_calls_that_send_nothing_cost_nothing():
    failing = Failing(fm.errors.ContentFilterError("no"))
    assert batch("x {{ w }}", words(30), failing, budget=100.0).summary.failed == 30


def test_each_model_s_answers_are_thought_as_long_as_its_own():
    info = Priced(price=10.0).info
    other, request = replace(info, name="object:other"), Request("m", (message("user", "x"),))

    async def go():
        purse = BatchBudget(1.0)
        purse.settle(await purse.reserve(info, request, 0), 0.0, 10)
        held = [(await purse.reserve(c, request, 0)).amount for c in (info, other)]
        known = await purse.reserve(replace(info, max_output=2_000), replace(request, model="n"), 0)
        return held, known.amount

    held, known = asyncio.run(go())
    assert held == pytest.approx([0.04096, 0.32]) and known == pytest.approx(0.02)


def test_the_kernel_s_own_budget_is_not_passed_by_long_answers_together():
    budget.set_limit(1.0)
    model = Thinking(repeat(20_000))
    with pytest.raises(BudgetError, match="%fm budget LIMIT"):
        batch("Say {{ w }}", words(400), model, yes=True)
    assert model.paid == pytest.approx(1.0) and budget.budget().reserved == pytest.approx(0.0)
    b = budget.budget()
    budget.set_limit(b.spent + 100)
    assert batch("Do {{ w }}", words(40), Thinking(repeat(100)), yes=True).summary.answered == 40


def test_the_kernel_s_own_budget_stops_a_batch_too():
    budget.set_limit(0.55)
    model = Priced(out=100)
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(50), model, max_tokens=100, yes=True)
    assert model.calls <= 5 and budget.budget().spent <= 0.55


def test_a_small_budget_is_for_all_models():
    class Other(Priced):
        def __repr__(self):
            return "Other()"

    a, b = Priced(seconds=0.002), Other(seconds=0.002)
    b.info = ModelInfo("object:other", "object", "other.example", price_in=0.0, price_out=1000.0)
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(400), [a, b], budget=20.0)
    assert a.calls + b.calls <= 200 and min(a.calls, b.calls) > 5


def test_a_purse_waits_for_calls_under_way_before_it_says_no():
    info, request = Priced(out=0).info, Request("m", (message("user", "x"),), max_tokens=1000)

    async def go():
        purse = BatchBudget(1.5)
        first = await purse.reserve(info, request, 0)
        second = asyncio.ensure_future(purse.reserve(info, request, 0))
        for _ in range(20):  # as many turns of the loop as it may want
            await asyncio.sleep(0)
        waits = not second.done()
        purse.settle(first, 0.1, 100)
        held = await second
        purse.settle(held, 1.0, 1000)
        with pytest.raises(BudgetError):
            await purse.reserve(info, request, 0)
        return waits, purse.spent

    assert asyncio.run(go()) == (True, 1.1)


def test_a_budget_too_small_for_what_is_assumed_says_that_a_smaller_limit_helps():
    async def refused(**said):
        asked = Request("m", (message("user", "Hi"),), **said)
        await BatchBudget(0.05).reserve(ModelInfo("x:m", "x", "there", price_in=100.0, price_out=200.0), asked, 5)

    with pytest.raises(BudgetError) as caught:
        asyncio.run(refused())
    assert "an answer of 1,000 tokens is assumed" in caught.value.detail
    assert caught.value.hint == "Give it a larger --budget, or a --max-tokens below 1,000."
    with pytest.raises(BudgetError) as caught:
        asyncio.run(refused(max_tokens=500))
    assert "assumed" not in caught.value.detail and caught.value.hint == "Give it a larger --budget."
    asyncio.run(refused(max_tokens=100))
