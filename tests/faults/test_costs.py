"""An answer that does not come to its end costs what it used, in the log and for the budget, by every interface."""

from __future__ import annotations

import pytest

import fmnb as fm
import fmnb.calls.steps.retry
from fmnb.batch.result import reopen
from fmnb.batch.run import batch
from fmnb.calls import run as calls_run
from fmnb.calls.prepare import prepare
from fmnb.core.backend import estimate_text_tokens, estimate_tokens
from fmnb.core.errors import BudgetError, CallError, Interrupted, StreamInterruptedError
from fmnb.core.events import Finished, Progress, Started, TextDelta
from fmnb.core.types import Request, Usage, message
from fmnb.limits import budget
from fmnb.store import log
from fmnb.views.footer import footer_text
from tests.calls.test_pipeline import Paid
from tests.wire import server as wire
from tests.wire.server import Server
from tests.wire.shop import WIRES, open_shop, price

PROMPT = "Tell me everything that you know about the sea."
INTO = estimate_tokens(Request("m", (message("user", PROMPT),))).tokens
# What Anthropic's interface says at the start of an answer: the prompt's tokens, those of its cache among them, and one of the answer.
SAID_FIRST = {"anthropic": (127, 1)}


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture(autouse=True)
def shop(home, server, monkeypatch):
    monkeypatch.setattr(fmnb.calls.steps.retry, "FIRST_WAIT", 0.01)
    open_shop(home, server.url)
    return server


def expected(api, text):
    into, out = SAID_FIRST.get(api, (INTO, 0))
    return into, out + estimate_text_tokens(text)


def only_run(kind="call"):
    (row,) = [r for r in log.search(kind=kind) if r["kind"] == kind]
    return row


def cut(model, **options):
    with pytest.raises(StreamInterruptedError) as caught:
        fm.ask(PROMPT, model, **options)
    return caught.value.response


@pytest.mark.parametrize("api", WIRES)
def test_an_answer_that_is_cut_costs_its_prompt_and_its_text(api):
    got = cut(f"shop-{api}:cut")
    into, out = expected(api, "Hello")
    assert (got.text, got.usage.input_tokens, got.usage.output_tokens, got.usage.estimated) == ("Hello", into, out, True)
    assert got.cost == pytest.approx(price(into, out)) == budget.budget().spent
    row = only_run()
    assert row["cost"] == pytest.approx(got.cost) and row["estimated"] == 1
    assert log.reopen(row["run"]).usage == got.usage
    assert f"about {into:,}" in footer_text(got) and f"tokens in, {out} out" in footer_text(got) and "· about $0.0" in footer_text(got)


@pytest.mark.parametrize("api", WIRES)
def test_an_answer_that_is_stopped_costs_its_prompt_and_its_text(api):
    pieces = iter(fm.stream(PROMPT, f"shop-{api}:stalls"))
    assert next(pieces) == "Hello"
    pieces.close()
    row = only_run()
    assert (row["finish_reason"], row["estimated"]) == ("cancelled", 1)
    assert row["cost"] == pytest.approx(price(*expected(api, "Hello"))) == budget.budget().spent
    assert log.reopen(row["run"]).usage.estimated


@pytest.mark.parametrize("api", WIRES)
def test_rows_that_are_cut_cost_their_prompts_and_their_text(api, shop):
    before = len(shop.requests)
    done = batch(PROMPT + "{{ n }}", [{"n": ""}], f"shop-{api}:cut")
    (a,) = done.answers
    tries = len(shop.requests) - before
    assert (a.error["kind"], a.estimated, tries) == ("ConnectionFailedError", True, fmnb.calls.steps.retry.ATTEMPTS)
    assert a.cost == pytest.approx(tries * price(*expected(api, "Hello"))) == budget.budget().spent
    assert done.summary.cost == pytest.approx(a.cost) and "about $" in str(done.summary)
    assert only_run("row")["estimated"] == 1


def test_usage_that_had_come_is_taken_as_it_is():
    got = cut("shop-chat:cut-after-usage")
    assert not got.usage.estimated and got.cost == pytest.approx(price(7, 5)) == budget.budget().spent


def test_text_after_the_last_usage_is_added_to_it():
    got = cut("shop-chat:cut-within-usage")
    assert got.usage.estimated and got.usage.output_tokens == 2 + estimate_text_tokens(" to all") and got.usage.input_tokens == 7


def test_an_answer_whose_service_never_says_its_usage_has_an_estimate():
    got = fm.ask(PROMPT, "shop-chat:without-usage")
    assert (
        got.finish_reason == "stop" and got.usage.estimated and got.cost == pytest.approx(price(INTO, estimate_text_tokens("Hello world!")))
    )


def test_of_a_whole_answer_that_is_torn_nobody_knows_what_it_cost(shop):
    before = len(shop.requests)
    (a,) = batch(PROMPT + "{{ n }}", [{"n": ""}], "shop-chat:torn-whole").answers
    tries = len(shop.requests) - before
    assert (a.error["kind"], tries) == ("ConnectionFailedError", fmnb.calls.steps.retry.ATTEMPTS)
    b = budget.budget()
    assert a.cost is None and a.error.get("billed") is None and (b.spent, b.uncertain_calls) == (0, tries)
    assert b.uncertain_cost == pytest.approx(tries * price(INTO, 1000), rel=0.05)


def test_answers_that_are_cut_at_the_last_event_end_a_budget(shop):
    wire.BEHAVIOURS["cut-late"] = lambda seen, attempt: [*wire.says("word " * 30), wire.CLOSE]
    budget.set_limit(0.02)
    before, refused = len(shop.requests), 0
    for _ in range(30):
        try:
            fm.ask(PROMPT, "shop-chat:cut-late", max_tokens=8)
        except BudgetError:
            refused += 1
        except StreamInterruptedError:
            pass
    sent = len(shop.requests) - before
    assert refused and sent + refused == 30 and 0 < sent < 4
    assert budget.budget().spent == pytest.approx(sum(r["cost"] or 0.0 for r in log.search()))


def test_rows_that_are_cut_end_a_budget(shop):
    wire.BEHAVIOURS["cut-late"] = lambda seen, attempt: [*wire.says("word " * 30), wire.CLOSE]
    budget.set_limit(0.02)
    before = len(shop.requests)
    with pytest.raises(BudgetError):
        batch(PROMPT + "{{ n }}", [{"n": n} for n in range(30)], "shop-chat:cut-late", max_tokens=8, concurrency=1)
    assert 0 < len(shop.requests) - before < 4


def test_a_call_that_is_refused_before_an_answer_costs_nothing():
    with pytest.raises(CallError):
        fm.ask(PROMPT, "shop-chat:server-error")
    assert budget.budget().spent == 0 and only_run()["cost"] is None


def test_a_run_that_is_stopped_alone_says_what_it_used():
    asked = prepare(PROMPT, "shop-chat:stalls")

    def stop(event):
        if isinstance(event, TextDelta):
            calls_run.stop(event.run)

    calls_run.run_calls([asked], [stop])
    assert isinstance(asked.error, Interrupted) and asked.response.usage.estimated
    assert asked.response.cost == pytest.approx(price(*expected("chat", "Hello"))) == budget.budget().spent


def test_a_model_of_the_notebook_with_a_price_is_counted_when_it_fails():
    paid = Paid([TextDelta(text="Hello"), RuntimeError("broken")])
    with pytest.raises(Exception, match="broken"):
        fm.ask(PROMPT, paid)
    row = only_run()
    assert row["estimated"] == 1 and row["cost"] == pytest.approx((INTO + 2) / 1e6) == budget.budget().spent


def test_a_call_that_is_stopped_twice_is_counted_once():
    asked = prepare(PROMPT, "shop-chat:stalls")
    seen = []

    def stop(event):
        seen.append(event)
        if isinstance(event, TextDelta):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        calls_run.run_calls([asked], [stop])
    first = asked.call.meter.stopped()
    assert asked.call.meter.stopped() is first and budget.budget().spent == first.cost
    assert isinstance(seen[0], Started) and not any(isinstance(e, Finished) for e in seen)


@pytest.mark.parametrize(
    "model, text", [("limit-in-stream", "Hello"), ("limit-in-stream-at-once", ""), ("error-with-usage-inside", "Hello")]
)
def test_what_an_error_in_a_stream_says_it_cost_is_counted(model, text):
    with pytest.raises(CallError) as caught:
        fm.ask(PROMPT, f"shop-chat:{model}")
    got = caught.value.response
    assert (got.text, got.usage) == (text, Usage(20, 30, cost=0.0125)) and budget.budget().spent == 0.0125
    assert only_run()["cost"] == 0.0125


@pytest.mark.parametrize("model, tries", [("limit-in-stream", 1), ("error-with-usage-inside", 1)])
def test_what_it_cost_is_counted_for_rows_too(model, tries):
    (a,) = batch(PROMPT + "{{ n }}", [{"n": ""}], f"shop-chat:{model}").answers
    assert a.cost == pytest.approx(tries * 0.0125) == budget.budget().spent and not a.estimated and a.error


SAID = {
    "model": "m",
    "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3},
}
wire.fixed("sold", wire.reply(200, SAID))
EQUAL = [{"w": w} for w in "aabbbcaab"]


def told(b):
    return [(a.row, a.cost, a.source) for a in b.answers]


def test_the_costs_of_equal_rows_add_up_to_the_bill(shop):
    before = len(shop.requests)
    done = batch("Say {{ w }}", EQUAL, "shop-chat:sold")
    each = price(9, 3)
    assert len(shop.requests) - before == 3
    paid = [0, 2, 5]
    assert told(done) == [(n, pytest.approx(each if n in paid else 0.0), "live" if n in paid else "cached") for n in range(9)]
    assert sum(a.cost for a in done.answers) == pytest.approx(done.summary.cost) == budget.budget().spent
    assert sum(r["cost"] for r in done.result()) == pytest.approx(3 * each)
    again = reopen(done.run)
    assert told(again) == told(done) and again.summary.cost == pytest.approx(done.summary.cost)


def test_a_batch_that_goes_on_has_each_cost_once_too(shop):
    batch("Say {{ w }}", EQUAL[:2], "shop-chat:sold")
    done = batch("Say {{ w }}", EQUAL, "shop-chat:sold")
    each = price(9, 3)
    assert done.summary.cost == pytest.approx(2 * each), "what was paid now"
    assert [a.cost for a in done.answers] == [pytest.approx(each if n in (0, 2, 5) else 0.0) for n in range(9)]
    assert [a.source for a in done.answers] == ["live" if n in (2, 5) else "cached" for n in range(9)]
    assert told(reopen(done.run)) == told(done) and sum(a.cost for a in done.answers) == pytest.approx(budget.budget().spent)


def test_rows_that_are_stopped_cost_their_prompts(shop):
    """What they would have said nobody knows; that they were sent is known, and the cap counts the longest that it may be."""
    wire.fixed("never", wire.HANG)

    def stop(event):
        if isinstance(event, Progress) and sum(r.body.get("model") == "never" for r in shop.requests) == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        batch("Say {{ w }}", EQUAL, "shop-chat:never", sinks=[stop])
    runs = [r for r in log.search(kind="row")]
    into = estimate_tokens(Request("m", (message("user", "Say a"),))).tokens
    assert [(r["finish_reason"], r["estimated"], r["cost"]) for r in runs] == [("cancelled", 1, pytest.approx(price(into, 0)))] * 3
    assert budget.budget().spent == pytest.approx(3 * price(into, 0))
    most = 3 * price(into, 1000)  # what their service may have written of them
    assert budget.budget().spent + budget.budget().uncertain_cost == pytest.approx(most) and budget.budget().uncertain_calls == 0
