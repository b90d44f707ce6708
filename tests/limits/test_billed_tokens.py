"""A service that bills more tokens than are counted here does not make a budget be passed."""

from __future__ import annotations

import asyncio
import threading

import pytest

import fmnb as fm
from fmnb.batch.run import batch
from fmnb.core.errors import BudgetError
from fmnb.core.types import ModelInfo, Request, Usage, message
from fmnb.limits import billed_tokens, budget
from tests.batch.service import Service, completion
from tests.batch.test_run import words

INPUT, OUTPUT = 100.0, 500.0  # US dollars per million tokens


class Till:
    """A loopback service with prices, whose `bills` says the tokens of a prompt and of its answer; knows what it was paid."""

    def __init__(self, service, home):
        self.paid, self.calls, self.service = 0.0, 0, service
        self.bills = lambda prompt: (20, 2)
        self._lock = threading.Lock()
        service.answer = self.answer
        (home / "fmnb.toml").write_text(
            f'[provider.till]\nbase_url = "{service.url}"\nneeds_key = false\nprices = {{ input = {INPUT}, output = {OUTPUT} }}\n'
        )

    def answer(self, body):
        into, out = self.bills(body["messages"][-1]["content"])
        with self._lock:
            self.calls += 1
            self.paid += (into * INPUT + out * OUTPUT) / 1e6
        return 200, completion("yes", (into, out))


@pytest.fixture
def till(home):
    with Service(latency=0.005) as running:
        yield Till(running, home)


BILLS = {
    "a flat twenty": lambda prompt: (20, 2),
    "a system prompt of its own": lambda prompt: (400 + len(prompt) // 4, 2),
    "a token for a character": lambda prompt: (len(prompt), 2),
    "thoughts beyond the limit": lambda prompt: (10, 300),
    "some more, some less": lambda prompt: (15 + len(prompt) % 7, 2 + len(prompt) % 3),
}


@pytest.mark.parametrize("bills", BILLS.values(), ids=BILLS)
@pytest.mark.parametrize("whose", ["batch", "kernel"])
def test_a_budget_is_not_passed_whatever_the_service_counts(till, bills, whose):
    till.bills = bills
    rows = [{"w": f"word{n} " * (1 + n % 3)} for n in range(400)]
    each = (bills("Say word100")[0] * INPUT + bills("Say word100")[1] * OUTPUT) / 1e6
    limit = 30 * each
    if whose == "kernel":
        budget.set_limit(limit)
    with pytest.raises(BudgetError) as stopped:
        batch("Say {{ w }}", rows, "till:m", max_tokens=2, yes=True, **({"budget": limit} if whose == "batch" else {}))
    assert f"{till.calls} of 400 answers are stored" in stopped.value.hint, "a call in flight at the end is paid, so its answer is awaited"
    assert till.paid <= limit + 1e-9 and till.calls >= 8
    assert budget.budget().spent == pytest.approx(till.paid) and budget.budget().reserved == pytest.approx(0.0)
    assert till.service.peak > 1, "once the first answer has come, calls go side by side"


@pytest.mark.parametrize("bills", BILLS.values(), ids=BILLS)
def test_cells_one_after_the_other_do_not_pass_the_kernel_s_budget(till, bills):
    till.bills = bills
    limit = 12.5 * (bills("Say word 10")[0] * INPUT + bills("Say word 10")[1] * OUTPUT) / 1e6
    budget.set_limit(limit)
    refused = 0
    for n in range(20):
        try:
            fm.ask(f"Say word {10 + n}", "till:m", max_tokens=2)
        except BudgetError:
            refused += 1
    assert till.paid <= limit + 1e-9 and refused and till.calls >= 5


def test_calls_side_by_side_do_not_pass_it_before_the_first_answer(till):
    till.bills = lambda prompt: (24, 2)
    budget.set_limit(0.02)

    async def many():
        return await asyncio.gather(*(fm.aask(f"Say {n}", "till:m", max_tokens=2) for n in range(40)), return_exceptions=True)

    found = asyncio.run(many())
    assert till.paid <= 0.02 + 1e-9 and 0 < till.calls == sum(not isinstance(r, BaseException) for r in found)


def test_one_call_that_fits_as_counted_here_is_sent_though_nothing_is_known(till):
    budget.set_limit(0.003)
    assert fm.ask("Say hi", "till:m", max_tokens=2).text == "yes"
    budget.reset()
    batch("Say {{ w }}", words(1), "till:m", max_tokens=2, budget=0.003)
    assert till.calls == 2


def test_a_service_that_charges_more_than_the_table_is_expected_to(till):
    plain = till.answer

    def dearer(body):
        status, document = plain(body)
        document["usage"]["cost"] = 0.006  # twice what the table has
        return status, document

    till.service.answer = dearer
    till.bills = lambda prompt: (20, 2)
    with pytest.raises(BudgetError):
        batch("Say {{ w }}", words(100), "till:m", max_tokens=2, budget=0.1)
    assert till.calls * 0.006 <= 0.1 + 1e-9 and till.calls >= 14


def expects(samples, content):
    info, request = ModelInfo("x:m", "x", "there", price_in=1.0, price_out=1.0), Request("m", (message("user", "?"),))
    billed_tokens.forget()
    for counted, billed in samples:
        billed_tokens.learn(info, request, counted + 4, Usage(billed, 1))
    return billed_tokens.expected(info, request, content + 4)


@pytest.mark.parametrize(
    "bills", [lambda n: n + 4, lambda n: 3 * n, lambda n: n + 700, lambda n: 2 * n + 300, lambda n: n // 2], ids=range(5)
)
def test_what_prompts_of_about_the_length_were_billed_is_enough_for_the_next(bills):
    for content in (1, 10, 40, 90, 400):
        found = expects([(n, bills(n)) for n in (max(1, content // 2), content, content * 2)], content)
        assert found.learned and bills(content) <= found.tokens <= max(2 * bills(content) + 64, content + 4)


def test_prompts_of_another_length_tell_little():
    found = expects([(1, 20)], 2_000)
    assert not found.learned and found.counted == 2_004 and found.tokens >= 8_000
    assert expects([(1, 20), (1_500, 1_600)], 2_000).tokens <= 2_150


def test_a_worse_answer_counts_until_many_others_have_come():
    assert expects([(10, 40), *[(10, 12)] * 20], 10).tokens == 40
    assert expects([(10, 40), *[(10, 12)] * 64], 10).tokens == 14


def test_estimates_and_local_models_teach_nothing():
    info, request = ModelInfo("x:m", "x", "there", price_in=1.0, price_out=1.0), Request("m", (message("user", "?"),))
    billed_tokens.forget()
    billed_tokens.learn(info, request, 10, Usage(500, 1, estimated=True))
    assert not billed_tokens.expected(info, request, 10).learned
    billed_tokens.learn(info, request, 10, None)
    assert billed_tokens.expected(info, request, 10).tokens == 10, "whose service says nothing is charged what is counted here"
