"""Before anything is sent: what it will take, and whether one is asked."""

from __future__ import annotations

import asyncio

import pytest

import fmnb as fm
from fmnb.batch.duration import HostLoad, estimate_seconds
from fmnb.batch.options import Limits
from fmnb.batch.run import batch, dry_run
from fmnb.core.backend import estimate_tokens
from fmnb.core.errors import AuthenticationError, BudgetError, PromptError, UsageError
from fmnb.core.events import Finished, TextDelta, UsageReported
from fmnb.core.types import ModelInfo, Usage
from fmnb.limits import rate_limit
from fmnb.store import log
from tests.batch.test_run import MODEL, words


class Priced:
    """A hosted model with a price; every answer has `out` tokens and costs what they cost."""

    def __init__(self, price=1000.0, out=100, seconds=0.0):
        self.info = ModelInfo("object:priced", "object", "far.example", price_in=0.0, price_out=price)
        self.price, self.out, self.seconds = price, out, seconds
        self.calls = 0

    def __repr__(self):
        return "Priced()"

    async def stream(self, request):
        self.calls += 1
        await asyncio.sleep(self.seconds)
        yield TextDelta(text="done")
        yield UsageReported(usage=Usage(10, self.out, cost=None if self.price is None else self.out * self.price / 1e6))
        yield Finished()

    def count(self, request):
        return estimate_tokens(request)

    def deterministic(self, request):
        return False


def test_an_estimate_counts_calls_tokens_and_money_and_sends_nothing():
    model = Priced()
    found = dry_run("Say {{ w }}", words(1000), model, samples=2, max_tokens=50)
    assert model.calls == 0 and found.calls == 2000 and found.rows == 1000
    assert found.input_tokens == pytest.approx(2000 * 7, rel=0.1) and found.cost[1] == pytest.approx(2000 * 50 * 1000 / 1e6)
    assert "2,000 calls" in str(found) and "time unknown" in str(found)


def test_what_rows_took_before_narrows_the_estimate():
    model = Priced(out=7)
    wide = dry_run("Say {{ w }}", words(200), model)
    batch("Say {{ w }}", words(200), model, head=20, yes=True)
    narrow = dry_run("Say {{ w }}", words(200), model)
    assert 10 <= narrow.cached <= 30 and narrow.cost[0] <= 180 * 7 * 1000 / 1e6 * 1.1
    assert narrow.cost[1] < 190 * 9 * 1000 / 1e6 < wide.cost[1] and narrow.seconds is not None


def test_rows_that_are_asked_again_are_no_rows_answered_before():
    model = Priced()
    batch("x {{ w }}", words(300), model, yes=True)
    assert dry_run("x {{ w }}", words(300), model).cached == 300
    again = dry_run("x {{ w }}", words(300), model, cache=False)
    assert again.cached == 0 and again.cost[1] > 30 and "cached" not in str(again)
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
    assert dry_run("x {{ w }}", words(30), model).cached == 30
    assert dry_run("x {{ w }}", words(30), model, retry_errors=True).cached == 0
    with pytest.raises(UsageError, match="--yes"):
        batch("x {{ w }}", words(30), model, retry_errors=True)


def test_rows_that_failed_for_a_refused_key_are_not_answered():
    model = Failing(AuthenticationError("no"))
    with pytest.raises(AuthenticationError):
        batch("x {{ w }}", words(300), model, yes=True)
    found = dry_run("x {{ w }}", words(300), model)
    assert (found.calls, found.cached) == (300, 0) and found.needs_confirmation


def test_what_a_tape_holds_is_free_and_what_it_lacks_has_its_price(tmp_path):
    from fmnb.calls.session import session
    from fmnb.store.tape import Tape

    session.tape = Tape(tmp_path / "n.fmtape")
    model = Priced()
    batch("x {{ w }}", words(20), model, yes=True)
    assert dry_run("x {{ w }}", words(20), model, cache=False).cached == 20, "a tape is replayed all the same"
    found = dry_run("x {{ w }}", words(40), model)
    assert found.cached == 20 and found.cost is not None and found.cost[1] > 0
    assert dry_run("x {{ w }}", words(40), model, replay_only=True).cost == (0.0, 0.0)


def test_the_first_rows_narrow_the_estimate_of_a_long_table_and_weigh_no_more_than_they_are():
    model = Priced(out=7)
    batch("Say {{ w }}", words(5000), model, head=20, yes=True)
    found = dry_run("Say {{ w }}", words(5000), model)
    assert (found.calls, found.cached) == (5000, 20)
    assert found.output_tokens[0] == 4980 * 7 and found.output_tokens[1] <= 4980 * 8 and found.seconds is not None
    assert "0.0 s" not in str(found)


def test_rows_in_the_middle_that_were_answered_count_by_their_share():
    model = Priced()
    batch("Say {{ w }}", words(1000, 1000), model, yes=True)
    assert 800 <= dry_run("Say {{ w }}", words(4000), model).cached <= 1200


def test_when_all_was_answered_it_says_that_nothing_is_left():
    model = Priced()
    batch("Say {{ w }}", words(5), model, yes=True)
    assert str(dry_run("Say {{ w }}", words(5), model)) == "5 calls, about 5 of them cached; no calls left to make"


def test_equal_rows_are_planned_as_one_call():
    model = Priced()
    rows = [{"w": ("a", "b")[n % 2], "id": n} for n in range(10_000)]
    found = dry_run("Say {{ w }}", rows, model)
    assert (found.rows, found.calls, found.duplicates) == (10_000, 2, 9_998) and not found.needs_confirmation
    assert str(found).startswith("2 calls; duplicates among the 10,000 rows share a call; ")
    assert batch("Say {{ w }}", rows, model).summary.answered == 10_000 and model.calls == 2


def test_rows_are_equal_when_what_is_asked_is():
    assert dry_run("Say {{ w }}", [{"w": w} for w in (1, 1.0, True, "1", -1, -2)], "echo:").calls == 5
    assert dry_run("Say {{ w }}", [{"w": w} for w in (None, float("nan"), float("nan"))], "echo:").calls == 1
    assert dry_run("Say {{ w }}", [{"w": w} for w in ([1], [1], {"a": [2]}, {"a": [3]})], "echo:").calls == 3
    whole = dry_run("Say {{ row['w'] }}", [{"w": n % 2, "id": n} for n in range(3_000)], "echo:")
    assert whole.calls == 2 and str(whole).startswith("about 2 calls; duplicates among")


def test_a_prompt_that_no_row_can_fill_is_said_before_anything_is_sent():
    with pytest.raises(PromptError, match="txt"):
        dry_run("Read {{ row['txt'] }}", [{"text": f"t{n}"} for n in range(1000)], "echo:")
    some = dry_run("{{ 1 / n }}", [{"n": n % 4, "id": n} for n in range(100)], "echo:")
    assert (some.calls, some.unrenderable, some.duplicates) == (3, 25, 72)
    assert "; the prompt cannot be rendered for 25 rows (" in str(some)
    many = dry_run("{{ 1 / (n % 4) }} {{ n }}", [{"n": n} for n in range(8_000)], "echo:")
    assert 1_000 < many.unrenderable < 3_000 and "for about " in str(many) and many.calls + many.unrenderable == pytest.approx(8_000, abs=2)


@pytest.mark.parametrize(
    "odd",
    [{"head": 0}, {"head": 2.5}, {"budget": -3}, {"concurrency": 0}, {"on": "dask"}, {"on": True}, {"yes": "no"}, {"batch_api": "no"}]
    + [{"retry_errors": "no"}, {"fail_fast": 1}],
    ids=str,
)
def test_odd_options_are_refused_by_a_plan_as_by_a_run(odd, tmp_path):
    (tmp_path / "words.csv").write_text("w\na\nb\n")
    for ask in (dry_run, batch, lambda *given, **more: fm.map(given[0], tmp_path / "words.csv", given[2], **more)):
        with pytest.raises(UsageError):
            ask("Say {{ w }}", words(3), "echo:", **odd)
    assert not log.search(kind="batch")


def test_whole_numbers_may_come_as_floats():
    assert len(batch("Say {{ w }}", words(5), "echo:", head=2.0, concurrency=1.0).answers) == 2
    assert dry_run("Say {{ w }}", words(5), "echo:", head=2.0).calls == 2
    limits = Limits(head=words(3)["w"].count(), concurrency=2.0)
    assert type(limits.head) is int is type(limits.concurrency)


@pytest.mark.parametrize("other", [{"fail_fast": True}, {"concurrency": 4}, {"on": "ray"}, {"rpm": 60}, {"replay_only": True}], ids=str)
def test_what_does_not_go_with_a_batch_job_is_refused_in_python_as_in_a_cell(other):
    name = next(iter(other))
    for ask in (dry_run, batch):
        with pytest.raises(UsageError, match=f"batch_api and {name} cannot be combined"):
            ask("Say {{ w }}", words(3), "openai:m", batch_api=True, **other)


def test_what_its_calls_took_before_tells_how_long_and_what_its_host_refused(service):
    service.answer = None
    batch("Say {{ w }}", words(8), MODEL)
    took = sorted(log.recent_seconds(MODEL, "row"))
    found = dry_run("Do say {{ w }}", words(640), MODEL)
    assert (
        len(took) == 8 and found.seconds[0] == pytest.approx(640 * took[2] / 64) and found.seconds[1] == pytest.approx(640 * took[6] / 16)
    )
    assert dry_run("Do say {{ w }}", words(640), MODEL, concurrency=1).seconds[0] == pytest.approx(640 * took[2])
    assert dry_run("Do say {{ w }}", words(640), MODEL, rpm=60).seconds == pytest.approx((640, 640))


def test_a_single_call_before_gives_a_wide_range(service):
    """Its time includes the connection's start; rows may be much faster."""
    fm.ask("hello", MODEL)
    (took,) = log.recent_seconds(MODEL, "call")
    assert dry_run("Say {{ w }}", words(640), MODEL).seconds == pytest.approx((640 * took / 4 / 64, 640 * took / 16))


def test_hosts_are_asked_side_by_side_and_one_host_s_models_after_each_other(monkeypatch):
    a, b = (HostLoad(host, 160, 0, [1.0] * 4) for host in ("a.example", "b.example"))
    assert estimate_seconds([a, b], None, None, None) == estimate_seconds([a], None, None, None) == (2.5, 10.0)
    assert estimate_seconds([a, a], None, None, None) == (5.0, 20.0)
    slow = rate_limit.HostLimits(
        concurrency=4, refused=True, quotas=(rate_limit.QuotaRate("requests", 10, 0.5), rate_limit.QuotaRate("tokens", 0, 1e9))
    )
    monkeypatch.setattr(rate_limit, "host_limits", lambda host: slow)
    assert estimate_seconds([a], None, None, None) == (300.0, 300.0), "what it allows"
    assert estimate_seconds([HostLoad("a.example", 12, 0, [1.0] * 4)], None, None, None) == (4.0, 4.0)
    assert estimate_seconds([], None, None, None) == (0.0, 0.0)


def test_much_is_asked_about_and_where_nobody_can_be_asked_the_error_names_the_option():
    model = Priced()
    with pytest.raises(UsageError, match="--yes") as e:
        batch("Say {{ w }}", words(100), model)
    assert model.calls == 0 and "100 calls" in str(e.value)
    assert batch("Say {{ w }}", words(100), model, yes=True).summary.answered == 100
    assert batch("Say {{ w }}", words(100), model).summary.cached == 100  # nothing is left to pay


def test_the_answer_at_the_keyboard_decides(monkeypatch):
    asked = []
    monkeypatch.setattr("fmnb.batch.estimate.confirm", lambda question, option, yes, details: asked.append(details))
    batch("Say {{ w }}", words(100), Priced())
    assert "$" in asked[0] and "100 calls" in asked[0]


def test_many_calls_of_unknown_price_are_asked_about_and_a_budget_refuses_them():
    model = Priced(price=None)
    with pytest.raises(UsageError, match="price unknown") as e:
        batch("Say {{ w }}", words(1001), model)
    assert "--yes" in e.value.hint and "--budget" not in e.value.hint, "a budget would be refused"
    with pytest.raises(BudgetError, match="unknown"):
        batch("Say {{ w }}", words(3), model, budget=1.0)
    assert model.calls == 0 and batch("Say {{ w }}", words(3), model).summary.cost is None


def test_a_local_model_is_free_and_never_asked_about():
    found = dry_run("Say {{ w }}", words(5000), "echo:")
    assert found.cost == (0.0, 0.0) and "free" in str(found) and not found.needs_confirmation
