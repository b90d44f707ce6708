"""Batch jobs of services: handed in, left alone, collected later, also by another kernel; nothing is handed in twice."""

from __future__ import annotations

import pytest

import fmnb as fm
from fmnb.batch.io import parts
from fmnb.batch.rows import prepare_rows
from fmnb.batch.run import batch, dry_run
from fmnb.calls.call import Options
from fmnb.core.errors import BadRequestError, BudgetError, UsageError
from fmnb.store import db, jobs, leases, log
from fmnb.store.processes import Process
from tests.batch.test_estimate import Priced
from tests.batch.test_run import words
from tests.wire.bulk import BulkService

FORMS = {"openai": "", "mistral": "", "gemini": "", "anthropic": 'api = "native"\nnative = "anthropic"\n'}


@pytest.fixture
def bulk():
    with BulkService() as running:
        yield running


@pytest.fixture(params=FORMS)
def model(request, bulk, home, monkeypatch):
    """A provider `far` on the loopback service, with its key."""
    monkeypatch.setenv("FAR_KEY", "k-far-1234")
    (home / "fmnb.toml").write_text(
        f'[provider.far]\nbase_url = "{bulk.url}"\nkey_env = ["FAR_KEY"]\nbulk = "{request.param}"\n{FORMS[request.param]}'
    )
    return "far:m"


def test_a_job_is_handed_in_shown_as_open_and_collected_by_the_same_call(bulk, model):
    first = batch("Say {{ w }}", words(5), model, batch_api=True)
    assert first.summary.missing == 5 and "run this again" in first.summary.notes[0] and len(bulk.lines) == 5
    assert (
        [r["text"] for r in log.search(open_only=True, kind="job")] == [""]
        and len(fm.log(open=True)) == 1
        and first.result()["text"].isna().all()
    )
    db.close_all()  # as another kernel sees it, on another day
    again = batch("Say {{ w }}", words(5), model, batch_api=True)
    assert len(bulk.lines) == 5 and again.summary.missing == 5 and "since" in again.summary.notes[0]
    bulk.done = True
    last = batch("Say {{ w }}", words(5), model, batch_api=True)
    assert [a.text for a in last.answers] == words(5)["w"].tolist() and last.summary.answered == 5
    assert last.answers[0].input_tokens == 20 and last.answers[0].output_tokens == 4
    assert not fm.log(open=True) and len(bulk.jobs) == 1
    assert batch("Say {{ w }}", words(5), model, batch_api=True).summary.cached == 5
    assert batch("Say {{ w }}", words(5), model).summary.cached == 5  # the rows are rows like any other
    assert all("k-far-1234" in str(h) for h in bulk.headers)


def test_rows_that_are_new_go_into_a_job_of_their_own(bulk, model):
    batch("Say {{ w }}", words(3), model, batch_api=True)
    b = batch("Say {{ w }}", words(5), model, batch_api=True)
    assert len(bulk.jobs) == 2 and len(bulk.lines) == 5 and len(b.summary.notes) == 2
    bulk.done = True
    assert batch("Say {{ w }}", words(5), model, batch_api=True).summary.answered == 5


def test_a_script_hears_that_its_rows_are_in_an_open_job(bulk, model):
    for _ in range(2):  # submitted now, and still open
        with pytest.warns(UserWarning, match="3 of 3 have no answer yet; 3 rows are in batch job .* run this again to collect them"):
            fm.map("Say {{ w }}", words(3), model, batch_api=True)
    with pytest.warns(UserWarning, match="3 of 3 have no answer yet; 3 rows are in a batch job and were not sent"):
        fm.map("Say {{ w }}", words(3), model)


def test_open_jobs_are_looked_up_and_the_whole_log_is_not_gone_through():
    plan = " ".join(str(tuple(r)) for r in db.database().rows(f"EXPLAIN QUERY PLAN {jobs._OPEN}", ("m",)))
    assert "runs_open" in plan and "SCAN" not in plan


def test_rows_in_a_job_are_not_paid_again_by_a_run_without_one(bulk, model, monkeypatch):
    batch("Say {{ w }}", words(3), model, batch_api=True)
    b = batch("Say {{ w }}", words(3), model)
    assert b.summary.missing == 3 and b.summary.calls == 3 and b.result()["text"].isna().all()
    assert b.summary.notes == (
        "3 rows are in a batch job and were not sent: --batch-api (batch_api=True) over the table they came from collects them, --no-cache (cache=False) sends them now",
    )
    bulk.done = True
    assert batch("Say {{ w }}", words(3), model, batch_api=True).summary.answered == 3
    assert batch("Say {{ w }}", words(3), model).summary.notes == ()


def test_rows_of_a_file_that_lie_in_a_job_are_left_out_of_their_part_and_come_into_it_later(bulk, model, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "ROWS", 3)
    words(20).to_parquet(tmp_path / "w.parquet")
    for bulk.done in (False, True):
        batch("Say {{ w }}", words(20).tail(3), model, batch_api=True)
    bulk.done = False
    batch("Say {{ w }}", words(20), model, batch_api=True)
    posted = len(bulk.headers)
    out = fm.map("Say {{ w }}", tmp_path / "w.parquet", model)  # more parts have gaps than are under way together
    assert (
        len(bulk.headers) == posted
        and out.summary.cached == 3
        and out.summary.missing == 17
        and "17 rows are in a batch job" in out.summary.notes[0]
    )
    assert out.df["text"].isna().tolist() == [True] * 17 + [False] * 3 and len(out.files) == 7
    bulk.done = True
    batch("Say {{ w }}", words(20), model, batch_api=True)
    again = fm.map("Say {{ w }}", tmp_path / "w.parquet", model)
    assert again.df["text"].tolist() == words(20)["w"].tolist() and again.summary.notes == ()
    assert len(bulk.headers) == posted


def test_what_was_paid_for_rows_that_are_gone_is_kept(bulk, model):
    batch("Say {{ w }}", words(5), model, batch_api=True)
    bulk.done = True
    assert batch("Say {{ w }}", words(2), model, batch_api=True).summary.answered == 2
    assert batch("Say {{ w }}", words(5), model).summary.cached == 5


def test_a_row_that_fails_in_the_job_has_its_error_and_a_passing_failure_is_handed_in_again(bulk, model):
    bulk.fail = {"word1": 400}
    batch("Say {{ w }}", words(3), model, batch_api=True)
    bulk.done = True
    b = batch("Say {{ w }}", words(3), model, batch_api=True)
    assert [a.text for a in b.answers] == ["word0", "", "word2"] and "no such luck" in b.answers[1].error["detail"]
    assert batch("Say {{ w }}", words(3), model, batch_api=True).summary.missing == 0 and len(bulk.jobs) == 1


@pytest.mark.parametrize("model", ["openai"], indirect=True)
def test_a_row_without_a_word_is_paid_all_the_same(bulk, model):
    rows = [{"w": "word"}, {"w": "nothing"}]
    batch("Say {{ w }}", rows, model, batch_api=True)
    bulk.done = True
    b = batch("Say {{ w }}", rows, model, batch_api=True)
    assert b.answers[1].error["kind"] == "EmptyAnswerError" and b.summary.cost == pytest.approx(0.002)


def test_structured_answers_come_out_typed(bulk, model):
    batch("Say {{ w }}", words(2), model, batch_api=True, schema="word str")
    bulk.done = True
    b = batch("Say {{ w }}", words(2), model, batch_api=True, schema="word str")
    assert [a.data for a in b.answers] == [{"word": "word0"}, {"word": "word1"}]
    assert b.result()["word"].tolist() == ["word0", "word1"]


def test_a_job_that_is_refused_leaves_nothing_open(bulk, model):
    bulk.refuse = 400
    with pytest.raises(BadRequestError):
        batch("Say {{ w }}", words(2), model, batch_api=True)
    assert not fm.log(open=True)
    bulk.refuse = 0
    assert batch("Say {{ w }}", words(2), model, batch_api=True).summary.missing == 2


@pytest.mark.parametrize("model", ["openai", "mistral", "gemini"], indirect=True)
def test_a_job_whose_receipt_was_lost_is_found_by_its_mark(bulk, model):
    def die(*_):
        raise SystemExit("the kernel dies between handing in and writing down")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(jobs, "name", die)
        batch("Say {{ w }}", words(2), model, batch_api=True)
    bulk.done = True
    b = batch("Say {{ w }}", words(2), model, batch_api=True)
    assert b.summary.answered == 2 and len(bulk.jobs) == 1


@pytest.mark.parametrize("model", ["openai"], indirect=True)
def test_half_the_price_is_counted(bulk, model):
    batch("Say {{ w }}", words(2), model, batch_api=True)
    bulk.done = True
    assert batch("Say {{ w }}", words(2), model, batch_api=True).summary.cost == pytest.approx(
        0.002
    )  # of what the service says, 0.002 each


def test_without_batch_jobs_or_a_log_there_is_no_bulk(bulk):
    with pytest.raises(UsageError, match="no batch jobs"):
        batch("Say {{ w }}", words(2), "echo:", batch_api=True)
    with pytest.raises(UsageError, match="no batch jobs"):
        dry_run("Say {{ w }}", words(2), "echo:", batch_api=True)
    log.set_enabled(False)
    with pytest.raises(UsageError, match="log"):
        batch("Say {{ w }}", words(2), "echo:", batch_api=True)


def test_a_budget_is_looked_at_before_anything_is_handed_in(bulk):
    class Jobs(Priced):
        bulk = object()

    said = str(dry_run("Say {{ w }}", words(100), Jobs(), batch_api=True))
    assert "$0.50 to 25.00; within a day" in said
    with pytest.raises(BudgetError, match=r"\$25\.00"):
        batch("Say {{ w }}", words(100), Jobs(), batch_api=True, budget=0.01)


def test_rows_that_another_kernel_asks_are_not_handed_in(bulk, model):
    rows = prepare_rows("Say {{ w }}", [model], Options(), ["w"])
    keys = [rows.calls((w,), n)[0][0] for n, w in enumerate(words(2)["w"])]
    leases.claim("other", Process("another machine", 1), dict.fromkeys(keys, ""))
    b = batch("Say {{ w }}", words(5), model, batch_api=True)
    assert len(bulk.lines) == 3 and "2 rows are in use by another kernel" in b.summary.notes[0]
    assert [lease.batch for lease in leases.active_leases()] == ["other"]
