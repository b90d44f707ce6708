"""`%fm log RUN` of a batch: counts, cost, models, first rows and how it goes on, however it ended."""

from __future__ import annotations

import asyncio
import re

import pandas as pd
import pytest

from fmnb.batch.run import batch
from fmnb.core.errors import BudgetError, ContentFilterError, Interrupted
from fmnb.core.events import Cancelled, Failed, Finished, Progress, TextDelta, UsageReported
from fmnb.core.types import Usage
from fmnb.store import log
from fmnb.store.db import database
from tests.batch.test_estimate import Priced

ROWS = [{"w": f"word{n}"} for n in range(20)]


class Picky(Priced):
    """A tenth of a dollar a row; refuses rows whose word ends in 7."""

    def __init__(self, most=1000):
        super().__init__(price=1000.0, out=100)
        self.most = most  # calls that it answers

    async def stream(self, request):
        self.calls += 1
        if self.calls > self.most:
            await asyncio.Event().wait()
        text = request.messages[-1].parts[0].text
        if text.endswith("7"):
            raise ContentFilterError("It was refused", billed=False)
        yield TextDelta(text=f"said {text}")
        yield UsageReported(usage=Usage(10, self.out, cost=0.1))
        yield Finished()


def shown(cells, run):
    """What the cell gives, as text, and as HTML without its tags."""
    found = cells(f"%fm log {run}")
    bundle = found._repr_mimebundle_()
    assert bundle["text/plain"] == str(found)
    return found, str(found), re.sub(r"<[^>]*>", " ", bundle["text/html"])


def test_a_finished_batch_shows_its_counts_its_cost_and_its_first_rows(cells):
    done = batch("Say {{ w }}", ROWS, Picky(), yes=True)
    found, text, html = shown(cells, done.run)
    for said in ("batch of 20 rows", "finished", "18 of 20 answered", "2 failed", "$1.80", "2 × It was refused (first in row 7)", "Picky"):
        assert said in text and said.replace("'", "&#x27;") in html, said
    assert "--retry-errors retries the failed rows" in text and "Say {{ w }}" in text
    assert "word0 | said Say word0" in text and "✗ It was refused" in text and "word8" not in text, "the first rows"
    assert found.state == "finished" and found.result()[3]["text"] == "said Say word3"
    table = found.result(pd.DataFrame(ROWS))
    assert list(table["w"])[:2] == ["word0", "word1"] and table["text"][1] == "said Say word1"


def test_one_that_took_its_rows_from_the_log_says_so(cells):
    model = Picky()
    batch("Say {{ w }}", ROWS[:5], model, yes=True)
    again = batch("Say {{ w }}", ROWS[:6], model, yes=True)
    _, text, _ = shown(cells, again.run)
    assert "6 of 6 answered, 5 of them cached" in text and "$0.10" in text
    assert "takes the answers from the log" in text


def test_one_that_ran_into_its_budget_says_why_and_how_it_goes_on(cells):
    with pytest.raises(BudgetError) as stop:
        batch("Say {{ w }}", ROWS, Picky(), budget=0.55, max_tokens=100)
    found, text, html = shown(cells, stop.value.run)
    s = found.batch.summary
    assert found.state == "failed" and s.answered == 5 and "5 of 20 answered" in text and "$0.50" in text
    assert s.missing == 15 - s.failed and f"{s.missing} not sent" in text
    assert "would exceed the budget" in text and "would exceed the budget" in html
    assert f"run the same cell again to resume: {s.missing} rows are left" in text


def test_one_that_was_stopped(cells):
    def stop(event):
        if isinstance(event, Progress) and event.done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        batch("Say {{ w }}", ROWS, Picky(most=3), sinks=[stop], concurrency=1, yes=True)
    found, text, _ = shown(cells, stopped.value.run)
    answered = sum(bool(a.run) and a.error is None for a in found.batch.answers)
    assert found.state == "stopped" and answered >= 3 and f"{answered} of 20 answered" in text
    assert "run the same cell again to resume" in text and "said Say word0" in text


def test_one_whose_kernel_was_killed_and_one_that_another_went_on_with(cells):
    run = batch("Say {{ w }}", ROWS, Picky(), yes=True).run
    with database().write() as db:
        db.execute("DELETE FROM events WHERE run = ? AND n = (SELECT MAX(n) FROM events WHERE run = ?)", (run, run))
        db.execute("DELETE FROM batch_rows WHERE batch = ? AND row > 9", (run,))
        db.execute("UPDATE runs SET ended = NULL, finish = NULL WHERE run = ?", (run,))
    found, text, _ = shown(cells, run)
    assert found.state == "open" and "9 of 20 answered" in text and "10 waiting" in text and "its kernel was killed" in text
    batch("Say {{ w }}", ROWS, Picky(), yes=True)
    assert shown(cells, run)[0].state == "continued" and "a later run of the same cell resumed it" in shown(cells, run)[1]


def test_several_models_samples_and_a_schema(cells):
    done = batch("About {{ w }}", ROWS[:2], ["echo:", "echo:think"], samples=2, schema="mood good|bad, words int")
    _, text, _ = shown(cells, done.run)
    assert "2 rows × 2 samples · echo:, echo:think" in text and "8 of 8 answered" in text
    assert "row | model | prompt | mood | words" in text and text.count("good") == 8 and "the first 8 calls" in text


def test_no_words_of_a_model_or_a_table_act(cells):
    done = batch("Say {{ w }}", [{"w": "<img src=x onerror=alert(1)> \x1b[31m"}], "echo:")
    found = cells(f"%fm log {done.run}")
    assert "<img" not in found._repr_mimebundle_()["text/html"] and "\x1b" not in str(found)


def test_an_evaluation_is_reopened_whole(cells):
    cells("rows = [{'q': 'a', 'target': 'a'}, {'q': 'b', 'target': 'b'}]")
    e = cells("%%fm echo: --over rows --score exact\n{{ q }}")
    assert cells(f"%fm log {e.run}").sentences == e.sentences


def test_a_batch_that_is_written_otherwise_is_still_listed(cells):
    run = batch("Say {{ w }}", ROWS[:1], "echo:").run
    with database().write() as db:
        db.execute("""UPDATE events SET event = replace(event, '"models"', '"modles"') WHERE run = ?""", (run,))
    assert [r["run"] for r in cells("%fm log") if r["run"] == run] == [run]
    cells(f"%fm log {run}")
    assert isinstance(log.events_of(run)[-1], (Finished, Failed, Cancelled))
