"""Before anything is sent: what it will take, and whether one is asked; a budget is kept to the cent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import cycle, repeat

import pytest

import fmnb as fm
from fmnb.backend import estimate_tokens
from fmnb.batching.duration import Load, duration
from fmnb.batching.flow import FEW
from fmnb.batching.limits import Limits
from fmnb.batching.run import batch, planned
from fmnb.errors import BudgetError, KeyRefusedError, PromptError, UsageError
from fmnb.events import Finished, TextDelta, Used
from fmnb.guard import budget, pace
from fmnb.guard.purse import Purse
from fmnb.store import log
from fmnb.types import ModelCard, Request, Usage, message
from tests.batching.test_run import MODEL, words


class Priced:
    """A hosted model with a price; every answer has `out` tokens and costs what they cost."""

    def __init__(self, price=1000.0, out=100, seconds=0.0):
        self.card = ModelCard("object:priced", "object", "far.example", price_in=0.0, price_out=price)
        self.price, self.out, self.seconds = price, out, seconds
        self.calls = 0

    def __repr__(self):
        return "Priced()"

    async def stream(self, request):
        self.calls += 1
        await asyncio.sleep(self.seconds)
        yield TextDelta(text="done")
        yield Used(usage=Usage(10, self.out, cost=None if self.price is None else self.out * self.price / 1e6))
        yield Finished()

    def count(self, request):
        return estimate_tokens(request)

    def deterministic(self, request):
        return False


def test_an_estimate_counts_calls_tokens_and_money_and_sends_nothing():
    model = Priced()
    found = planned("Say {{ w }}", words(1000), model, samples=2, max_tokens=50)
    assert model.calls == 0 and found.calls == 2000 and found.rows == 1000
    assert found.input_tokens == pytest.approx(2000 * 7, rel=0.1) and found.cost[1] == pytest.approx(2000 * 50 * 1000 / 1e6)
    assert "2,000 calls" in str(found) and "time unknown" in str(found)


def test_what_rows_took_before_narrows_the_estimate():
    model = Priced(out=7)
    wide = planned("Say {{ w }}", words(200), model)
    batch("Say {{ w }}", words(200), model, head=20, yes=True)
    narrow = planned("Say {{ w }}", words(200), model)
    assert 10 <= narrow.known <= 30 and narrow.cost[0] <= 180 * 7 * 1000 / 1e6 * 1.1
    assert narrow.cost[1] < 190 * 9 * 1000 / 1e6 < wide.cost[1] and narrow.seconds is not None


def test_rows_that_are_asked_again_are_no_rows_answered_before():
    model = Priced()
    batch("x {{ w }}", words(300), model, yes=True)
    assert planned("x {{ w }}", words(300), model).known == 300
    again = planned("x {{ w }}", words(300), model, cache=False)
    assert again.known == 0 and again.cost[1] > 30 and "answered before" not in str(again)
    with pytest.raises(UsageError, match="--yes"):
        batch("x {{ w }}", words(300), model, cache=False)
    assert model.calls == 300


class Failing(Priced):
    """Fails every call, with an error that stays with its row or one that passes."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    async def stream(self, request):
        raise self.error
        yield


def test_rows_that_failed_for_good_are_asked_again_when_that_is_wanted():
    model = Failing(fm.errors.ContentFilterError("no"))
    batch("x {{ w }}", words(30), model, yes=True)
    assert planned("x {{ w }}", words(30), model).known == 30
    assert planned("x {{ w }}", words(30), model, retry_errors=True).known == 0
    with pytest.raises(UsageError, match="--yes"):
        batch("x {{ w }}", words(30), model, retry_errors=True)


def test_rows_that_failed_for_a_refused_key_are_not_answered():
    model = Failing(KeyRefusedError("no"))
    with pytest.raises(KeyRefusedError):
        batch("x {{ w }}", words(300), model, yes=True)
    found = planned("x {{ w }}", words(300), model)
    assert (found.calls, found.known) == (300, 0) and found.much


def test_what_a_tape_holds_is_free_and_what_it_lacks_has_its_price(tmp_path):
    from fmnb.session import session
    from fmnb.store.tape import Tape

    session.tape = Tape(tmp_path / "n.fmtape")
    model = Priced()
    batch("x {{ w }}", words(20), model, yes=True)
    assert planned("x {{ w }}", words(20), model, cache=False).known == 20, "a tape is replayed all the same"
    found = planned("x {{ w }}", words(40), model)
    assert found.known == 20 and found.cost is not None and found.cost[1] > 0
    assert planned("x {{ w }}", words(40), model, replay_only=True).cost == (0.0, 0.0)


def test_the_first_rows_narrow_the_estimate_of_a_long_table_and_weigh_no_more_than_they_are():
    model = Priced(out=7)
    batch("Say {{ w }}", words(5000), model, head=20, yes=True)
    found = planned("Say {{ w }}", words(5000), model)
    assert (found.calls, found.known) == (5000, 20)
    assert found.output_tokens[0] == 4980 * 7 and found.output_tokens[1] <= 4980 * 8 and found.seconds is not None
    assert "0.0 s" not in str(found)


def test_rows_in_the_middle_that_were_answered_count_by_their_share():
    model = Priced()
    batch("Say {{ w }}", words(1000, 1000), model, yes=True)
    assert 800 <= planned("Say {{ w }}", words(4000), model).known <= 1200


def test_when_all_was_answered_it_says_that_nothing_is_left():
    model = Priced()
    batch("Say {{ w }}", words(5), model, yes=True)
    assert str(planned("Say {{ w }}", words(5), model)) == "5 calls, about 5 of them answered before; nothing is left to ask"


def test_equal_rows_are_planned_as_one_call():
    model = Priced()
    rows = [{"w": ("a", "b")[n % 2], "id": n} for n in range(10_000)]
    found = planned("Say {{ w }}", rows, model)
    assert (found.rows, found.calls, found.equal) == (10_000, 2, 9_998) and not found.much
    assert str(found).startswith("2 calls; equal ones of the 10,000 rows are asked once; ")
    assert batch("Say {{ w }}", rows, model).summary.answered == 10_000 and model.calls == 2


def test_rows_are_equal_when_what_is_asked_is():
    assert planned("Say {{ w }}", [{"w": w} for w in (1, 1.0, True, "1", -1, -2)], "echo:").calls == 5
    assert planned("Say {{ w }}", [{"w": w} for w in (None, float("nan"), float("nan"))], "echo:").calls == 1
    assert planned("Say {{ w }}", [{"w": w} for w in ([1], [1], {"a": [2]}, {"a": [3]})], "echo:").calls == 3
    whole = planned("Say {{ row['w'] }}", [{"w": n % 2, "id": n} for n in range(3_000)], "echo:")
    assert whole.calls == 2 and str(whole).startswith("about 2 calls; equal ones of")


def test_a_prompt_that_no_row_can_fill_is_said_before_anything_is_sent():
    with pytest.raises(PromptError, match="txt"):
        planned("Read {{ row['txt'] }}", [{"text": f"t{n}"} for n in range(1000)], "echo:")
    some = planned("{{ 1 / n }}", [{"n": n % 4, "id": n} for n in range(100)], "echo:")
    assert (some.calls, some.unfilled, some.equal) == (3, 25, 72)
    assert "; the prompt cannot be filled from 25 rows (" in str(some)
    many = planned("{{ 1 / (n % 4) }} {{ n }}", [{"n": n} for n in range(8_000)], "echo:")
    assert 1_000 < many.unfilled < 3_000 and "from about " in str(many) and many.calls + many.unfilled == pytest.approx(8_000, abs=2)


@pytest.mark.parametrize(
    "odd",
    [{"head": 0}, {"head": 2.5}, {"budget": -3}, {"concurrency": 0}, {"on": "dask"}, {"on": True}, {"yes": "no"}, {"bulk": "no"}]
    + [{"retry_errors": "no"}, {"fail_fast": 1}],
    ids=str,
)
def test_odd_options_are_refused_by_a_plan_as_by_a_run(odd, tmp_path):
    (tmp_path / "words.csv").write_text("w\na\nb\n")
    for ask in (planned, batch, lambda *given, **more: fm.map(given[0], tmp_path / "words.csv", given[2], **more)):
        with pytest.raises(UsageError):
            ask("Say {{ w }}", words(3), "echo:", **odd)
    assert not log.search(kind="batch")


def test_whole_numbers_may_come_as_floats():
    assert len(batch("Say {{ w }}", words(5), "echo:", head=2.0, concurrency=1.0).answers) == 2
    assert planned("Say {{ w }}", words(5), "echo:", head=2.0).calls == 2
    limits = Limits(head=words(3)["w"].count(), concurrency=2.0)
    assert type(limits.head) is int is type(limits.concurrency)


@pytest.mark.parametrize("other", [{"fail_fast": True}, {"concurrency": 4}, {"on": "ray"}, {"rpm": 60}, {"replay_only": True}], ids=str)
def test_what_does_not_go_with_a_batch_job_is_refused_in_python_as_in_a_cell(other):
    name = next(iter(other))
    for ask in (planned, batch):
        with pytest.raises(UsageError, match=f"bulk and {name} do not go together"):
            ask("Say {{ w }}", words(3), "openai:m", bulk=True, **other)


def test_what_its_calls_took_before_tells_how_long_and_what_its_host_refused(service):
    service.answer = None
    batch("Say {{ w }}", words(8), MODEL)
    took = sorted(log.seconds_of(MODEL))
    found = planned("Do say {{ w }}", words(640), MODEL)
    assert (
        len(took) == 8 and found.seconds[0] == pytest.approx(640 * took[2] / 64) and found.seconds[1] == pytest.approx(640 * took[6] / 16)
    )
    assert planned("Do say {{ w }}", words(640), MODEL, concurrency=1).seconds[0] == pytest.approx(640 * took[2])
    assert planned("Do say {{ w }}", words(640), MODEL, rpm=60).seconds == pytest.approx((640, 640))


def test_hosts_are_asked_side_by_side_and_one_host_s_models_after_each_other(monkeypatch):
    a, b = (Load(host, 160, 0, [1.0]) for host in ("a.example", "b.example"))
    assert duration([a, b], None, None, None) == duration([a], None, None, None) == (2.5, 10.0)
    assert duration([a, a], None, None, None) == (5.0, 20.0)
    slow = pace.Known(at_once=4, refused=True, supplies=(pace.Supply("requests", 10, 0.5), pace.Supply("tokens", 0, 1e9)))
    monkeypatch.setattr(pace, "known", lambda host: slow)
    assert duration([a], None, None, None) == (300.0, 300.0), "what it allows"
    assert duration([Load("a.example", 12, 0, [1.0])], None, None, None) == (4.0, 4.0)
    assert duration([], None, None, None) == (0.0, 0.0)


def test_much_is_asked_about_and_where_nobody_can_be_asked_the_error_names_the_option():
    model = Priced()
    with pytest.raises(UsageError, match="--yes") as e:
        batch("Say {{ w }}", words(100), model)
    assert model.calls == 0 and "100 calls" in str(e.value)
    assert batch("Say {{ w }}", words(100), model, yes=True).summary.answered == 100
    assert batch("Say {{ w }}", words(100), model).summary.reused == 100  # nothing is left to pay


def test_the_answer_at_the_keyboard_decides(monkeypatch):
    asked = []
    monkeypatch.setattr("fmnb.batching.run.confirm", lambda question, option: asked.append(question))
    batch("Say {{ w }}", words(100), Priced())
    assert "$" in asked[0] and "Go on?" in asked[0]


def test_many_calls_of_unknown_price_are_asked_about_and_a_budget_refuses_them():
    model = Priced(price=None)
    with pytest.raises(UsageError, match="price unknown") as e:
        batch("Say {{ w }}", words(1001), model)
    assert "--yes" in e.value.todo and "--budget" not in e.value.todo, "a budget would be refused"
    with pytest.raises(BudgetError, match="unknown"):
        batch("Say {{ w }}", words(3), model, budget=1.0)
    assert model.calls == 0 and batch("Say {{ w }}", words(3), model).summary.cost is None


@pytest.mark.parametrize("seconds", [0.0, 0.005])
def test_a_budget_is_never_passed_and_the_same_call_goes_on_with_a_larger_one(seconds):
    model = Priced(out=100, seconds=seconds)  # ten cents a row
    with pytest.raises(BudgetError, match="would be passed") as e:
        batch("Say {{ w }}", words(50), model, budget=1.05, max_tokens=100)
    assert model.calls == 10 and "10 of 50 answers are kept" in str(e.value)
    assert e.value.billed, "the rows before it were paid"
    assert "the same again with another --budget goes on, and that budget counts anew" in e.value.todo
    assert "larger" not in str(e.value) and "run the same again" not in str(e.value)
    b = batch("Say {{ w }}", words(50), model, budget=4.0, max_tokens=100)
    assert b.summary.answered == 50 and model.calls == 50 and b.summary.cost == pytest.approx(4.0)


def test_answers_longer_than_was_thought_are_thought_longer_from_then_on():
    model = Priced(out=5000, seconds=0.01)  # five dollars a row, where one was assumed
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(50), model, budget=100.0, concurrency=2)
    assert model.calls <= 20


class Thinking(Priced):
    """Answers of these lengths, at ten dollars a million tokens; knows what it was paid and how many calls were under way at most."""

    def __init__(self, lengths, usage=True):
        super().__init__(price=10.0, seconds=0.01)
        self.lengths, self.usage = iter(lengths), usage
        self.paid, self.now, self.peak = 0.0, 0, 0

    async def stream(self, request):
        out = next(self.lengths)
        self.calls, self.now = self.calls + 1, self.now + 1
        self.peak = max(self.peak, self.now)
        await asyncio.sleep(self.seconds)
        self.now, self.paid = self.now - 1, self.paid + out * self.price / 1e6
        yield TextDelta(text="done" if self.usage else "word" * out)
        if self.usage:
            yield Used(usage=Usage(10, out, cost=out * self.price / 1e6))
        yield Finished()


@pytest.mark.parametrize(("length", "limit"), [(20_000, 1.0), (5_000, 0.25), (100, 0.25)])
def test_answers_of_any_length_do_not_pass_a_budget_together(length, limit):
    model = Thinking(repeat(length))
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(400), model, budget=limit)
    assert model.paid == pytest.approx(limit), "all of it, and no more"


def test_where_a_few_answers_are_long_one_call_at_most_passes_the_budget():
    model = Thinking(cycle([1_000] * 9 + [20_000]))
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(400), model, budget=1.0)
    assert 0.7 < model.paid < 1.2 and model.peak > 1


def test_answers_longer_than_the_longest_that_was_thought_of_pass_a_budget_by_one_call_at_most():
    model = Thinking(repeat(40_000))
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(40), model, budget=1.0)
    assert model.paid <= 1.0 + 40_000 * 10 / 1e6


def test_a_budget_that_is_ample_makes_nobody_wait_and_a_small_one_only_at_first():
    ample, small = Thinking(repeat(100)), Thinking(repeat(100))
    batch("Say {{ w }}", words(100), ample, budget=50.0)
    batch("Do {{ w }}", words(200), small, budget=1.0)
    assert ample.peak == small.peak == FEW


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
                    raise fm.errors.StreamCutError("cut off")
                yield event

    model = Broken(repeat(5_000))
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(400), model, budget=0.25)
    assert model.calls == 5


def test_calls_that_send_nothing_cost_nothing():
    failing = Failing(fm.errors.ContentFilterError("no"))
    assert batch("x {{ w }}", words(30), failing, budget=100.0).summary.failed == 30


def test_each_model_s_answers_are_thought_as_long_as_its_own():
    card = Priced(price=10.0).card
    other, request = replace(card, name="object:other"), Request("m", (message("user", "x"),))

    async def go():
        purse = Purse(1.0)
        purse.settle(await purse.hold(card, request, 0), 0.0, 10)
        held = [(await purse.hold(c, request, 0)).amount for c in (card, other)]
        known = await purse.hold(replace(card, max_output=2_000), replace(request, model="n"), 0)
        return held, known.amount

    held, known = asyncio.run(go())
    assert held == pytest.approx([0.16, 0.32]) and known == pytest.approx(0.01)


def test_the_kernel_s_own_budget_is_not_passed_by_long_answers_together():
    budget.set_limit(1.0)
    model = Thinking(repeat(20_000))
    with pytest.raises(BudgetError, match="%fm budget LIMIT"):
        batch("Say {{ w }}", words(400), model, yes=True)
    assert model.paid == pytest.approx(1.0) and budget.budget().held == pytest.approx(0.0)
    b = budget.budget()
    budget.set_limit(b.spent + 100)
    assert batch("Do {{ w }}", words(40), Thinking(repeat(100)), yes=True).summary.answered == 40


def test_the_kernel_s_own_budget_stops_a_batch_too():
    budget.set_limit(0.55)
    model = Priced(out=100)
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(50), model, max_tokens=100, yes=True)
    assert model.calls <= 5 and budget.budget().spent <= 0.55


def test_a_local_model_is_free_and_never_asked_about():
    found = planned("Say {{ w }}", words(5000), "echo:")
    assert found.cost == (0.0, 0.0) and "free" in str(found) and not found.much


def test_a_small_budget_is_for_all_models():
    class Other(Priced):
        def __repr__(self):
            return "Other()"

    a, b = Priced(seconds=0.002), Other(seconds=0.002)
    b.card = ModelCard("object:other", "object", "other.example", price_in=0.0, price_out=1000.0)
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(400), [a, b], budget=20.0)
    assert a.calls + b.calls <= 200 and min(a.calls, b.calls) > 5


def test_a_purse_waits_for_calls_under_way_before_it_says_no():
    card, request = Priced(out=0).card, Request("m", (message("user", "x"),), max_tokens=1000)

    async def go():
        purse = Purse(1.5)
        first = await purse.hold(card, request, 0)
        second = asyncio.ensure_future(purse.hold(card, request, 0))
        await asyncio.sleep(0.01)
        waits = not second.done()
        purse.settle(first, 0.1, 100)
        held = await second
        purse.settle(held, 1.0, 1000)
        with pytest.raises(BudgetError):
            await purse.hold(card, request, 0)
        return waits, purse.spent

    assert asyncio.run(go()) == (True, 1.1)
