"""A failed call of which nobody knows whether it was billed is said to be one, and a budget counts it as gone."""

from __future__ import annotations

import pytest

import fmnb as fm
import fmnb.calls.steps.retry
from fmnb.batch.run import batch
from fmnb.core.errors import BudgetError, CallError, FmnbError
from fmnb.limits import budget
from fmnb.store import log
from fmnb.views.footer import footer_text
from tests.wire import server as wire
from tests.wire.server import Server
from tests.wire.shop import WIRES, open_shop, price

PROMPT = "Tell me everything that you know about the sea."
TRIES = fmnb.calls.steps.retry.ATTEMPTS
UNBILLED = {400: "bad value", 401: "bad key", 403: "not allowed", 404: "nothing here", 429: "too many"}


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture(autouse=True)
def shop(home, server, monkeypatch):
    monkeypatch.setattr(fmnb.calls.steps.retry, "FIRST_WAIT", 0.001)
    open_shop(home, server.url)
    return server


def down(seen, attempt):
    return [wire.reply(500, {"error": {"message": "oh no"}})]


def refuses(status, words, code="x"):
    for table in (wire.BEHAVIOURS, *wire.DIALECTS.values()):
        table["refuses"] = lambda seen, attempt: [wire.reply(status, {"error": {"message": words, "code": code}})]


def failing_then(name, good, tries):
    """`name`, a model that fails some times before it answers."""
    bad = wire.reply(500, {"error": {"message": "oh no"}})
    wire.BEHAVIOURS[name] = lambda seen, attempt: [bad] if attempt <= tries else good


def failed(model):
    with pytest.raises(FmnbError) as caught:
        fm.ask(PROMPT, model)
    return caught.value


@pytest.mark.parametrize("api", WIRES)
@pytest.mark.parametrize("status, words", UNBILLED.items())
def test_a_refusal_before_any_answer_is_not_billed(api, status, words):
    refuses(status, words)
    e = failed(f"shop-{api}:refuses")
    assert e.billed is False and (budget.budget().spent, budget.budget().uncertain_calls) == (0, 0)
    assert "billed: unknown" not in footer_text(e.response) and "$" not in footer_text(e.response)
    assert log.totals()["unknown"] == 0
    if status == 400:  # the others end a batch
        done = batch(PROMPT + "{{ n }}", [{"n": ""}], f"shop-{api}:refuses")
        assert done.summary.uncertain == 0 and "billed" not in str(done.summary)


@pytest.mark.parametrize("api", WIRES)
@pytest.mark.parametrize("status, words", [(400, "flagged by our content policy"), (500, "oh no"), (503, "busy"), (504, "too slow")])
def test_a_failure_that_may_be_billed_is_said_to_be_one(api, status, words):
    refuses(status, words, "content_policy_violation" if status == 400 else "x")
    e = failed(f"shop-{api}:refuses")
    said = footer_text(e.response)
    assert e.billed is None and "billed: unknown" in said and "free" not in said and "$" not in said
    assert log.totals()["unknown"] == 1 and log.search()[0]["cost"] is None
    b = budget.budget()
    tries = 1 if status == 400 else TRIES
    assert b.spent == 0 and b.uncertain_calls == tries and b.uncertain_cost >= tries * price(10, 1)
    done = batch(PROMPT + "{{ n }}", [{"n": ""}], f"shop-{api}:refuses")
    assert done.summary.uncertain == 1 and "1 failed call billed: unknown" in str(done.summary)
    assert done.answers[0].cost is None


def test_an_answer_after_tries_that_failed_costs_about_what_it_says():
    failing_then("recovers", wire.BEHAVIOURS["plain"](None, 1), 2)
    got = fm.ask(PROMPT, "shop-chat:recovers")
    said = footer_text(got)
    assert got.usage.estimated and "about $" in said and "2 tries before it failed and may have been billed, too" in said
    assert log.search()[0]["estimated"] == 1 and budget.budget().spent == pytest.approx(got.cost)


def test_a_call_that_is_refused_after_a_try_that_failed_is_not_called_unbilled():
    failing_then("refuses-then", [wire.reply(400, {"error": {"message": "bad value"}})], 1)
    e = failed("shop-chat:refuses-then")
    assert e.billed is None and budget.budget().uncertain_calls == 1


def test_the_cap_counts_what_may_have_been_billed(shop):
    wire.BEHAVIOURS["down"] = down
    budget.set_limit(0.02)
    before, refused = len(shop.requests), None
    for _ in range(30):
        try:
            fm.ask(PROMPT, "shop-chat:down", max_tokens=8)
        except BudgetError as e:
            refused = e
        except CallError:
            pass
    sent = len(shop.requests) - before
    assert refused is not None and f"{sent} failed calls may have been billed" in refused.detail
    assert 2 <= sent <= 0.02 / price(10, 8) and budget.budget().spent == 0 and budget.budget().reserved == pytest.approx(0)


def test_a_batch_s_budget_counts_it_too(shop):
    wire.BEHAVIOURS["down"] = down
    before = len(shop.requests)
    with pytest.raises(BudgetError, match="failed calls may have been billed"):
        batch(PROMPT + "{{ n }}", [{"n": n} for n in range(30)], "shop-chat:down", max_tokens=8, budget=0.02)
    assert 2 <= len(shop.requests) - before <= 0.02 / price(10, 8)


def test_models_on_this_machine_are_in_no_doubt():
    with pytest.raises(CallError):
        fm.ask("hi", "echo:fail=server")
    assert budget.budget().uncertain_calls == 0


def torn(body=b'{"id": "x", "choices": ['):
    """An answer whose body ends before its length."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
    return lambda seen, attempt: [wire.Raw(head + body), wire.CLOSE]


def torn_chunks(seen, attempt):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return [wire.Raw(head + b'a\r\n{"id": "x"\r\n'), wire.CLOSE]


@pytest.mark.parametrize("body", [torn(), torn(b""), torn_chunks])
def test_a_body_that_is_cut_counts_as_what_it_may_have_cost(shop, body):
    wire.BEHAVIOURS["torn"] = body
    before = len(shop.requests)
    with pytest.raises(BudgetError, match="failed calls may have been billed"):
        batch(PROMPT + "{{ n }}", [{"n": n} for n in range(30)], "shop-chat:torn", max_tokens=500, budget=0.8, concurrency=4)
    sent = len(shop.requests) - before
    assert 2 <= sent <= 0.8 / price(10, 500) and budget.budget().uncertain_cost >= sent * price(10, 500)
    row = log.search(kind="row")[0]
    assert row["cost"] is None
    done = batch(PROMPT + "{{ n }}", [{"n": ""}], "shop-chat:torn", max_tokens=8)
    assert done.answers[0].cost is None and "1 failed call billed: unknown" in str(done.summary)


def test_a_stream_that_is_cut_before_its_text_counts_as_what_it_may_have_cost():
    wire.BEHAVIOURS["headers"] = lambda seen, attempt: [wire.Raw(STREAM), wire.CLOSE]
    with pytest.raises(FmnbError) as caught:
        fm.ask(PROMPT, "shop-chat:headers", max_tokens=100)
    b = budget.budget()
    assert caught.value.billed is None and "billed: unknown" in footer_text(caught.value.response)
    assert (b.spent, b.uncertain_calls) == (0, TRIES) and b.uncertain_cost >= TRIES * price(10, 100)


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("api", WIRES)
def test_a_stream_that_is_cut_counts_up_to_its_limit(api):
    budget.set_limit(1.0)
    refused, cut = None, 0
    for _ in range(30):
        try:
            fm.ask(PROMPT, f"shop-{api}:cut", max_tokens=500)
        except BudgetError as e:
            refused = e
            break
        except CallError as e:
            cut += 1
            assert "about $0.0" in footer_text(e.response) and e.response.cost < price(200, 40), "what is shown is the estimate"
    b = budget.budget()
    assert refused is not None and f"{cut} failed call" in refused.detail
    assert 2 <= cut <= 1.0 / price(10, 500) and b.spent + b.uncertain_cost >= cut * price(10, 500) and b.reserved == pytest.approx(0)


def test_rows_that_are_cut_in_a_stream_count_up_to_their_limit_too(shop):
    before = len(shop.requests)
    with pytest.raises(BudgetError):
        batch(PROMPT + "{{ n }}", [{"n": n} for n in range(30)], "shop-chat:cut", max_tokens=500, budget=1.0)
    assert 2 <= len(shop.requests) - before <= 1.0 / price(10, 500)


def test_a_stop_counts_what_may_be_on_its_way_and_no_more():
    pieces = iter(fm.stream(PROMPT, "shop-chat:stalls", max_tokens=500))
    assert next(pieces) == "Hello"
    pieces.close()
    b = budget.budget()
    assert b.spent == pytest.approx(log.search()[0]["cost"]) and b.uncertain_cost == pytest.approx(price(0, 64)) and b.uncertain_calls == 0
    assert "stopped calls may have been billed" in budget.spent_text(b)


def test_a_loop_that_is_closed_counts_what_may_be_on_its_way():
    wire.BEHAVIOURS["loops"] = lambda seen, attempt: [*wire.says(*["It is the minimum of the maximum. "] * 200), wire.HANG]
    got = fm.ask(PROMPT, "shop-chat:loops", max_tokens=5000)
    b = budget.budget()
    assert got.finish_reason == "loop" and b.spent == pytest.approx(got.cost)
    assert (
        b.uncertain_cost == pytest.approx(price(0, 64))
        and b.uncertain_calls == 0
        and not any("may have been billed" in n for n in got.notes)
    )
