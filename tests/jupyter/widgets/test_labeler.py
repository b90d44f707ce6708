"""The labeller and the report as a page that is not there sees them."""

from __future__ import annotations

import resource

import pytest

import fmnb as fm
from fmnb.core.errors import UsageError
from fmnb.evals.datasets.dataset import Dataset
from fmnb.evals.datasets.sample import Sample
from fmnb.evals.import_scores import from_scores
from fmnb.jupyter.widgets.labeler import Labeler
from fmnb.store import feedback as signals
from tests.jupyter.widgets.page import Page


@pytest.fixture
def rows():
    return Dataset(
        (
            Sample("1", {"q": "sure"}, "yes"),
            Sample("2", {"q": "made"}, "perhaps", made="machine"),
            Sample("3", {"q": "odd"}, extra={"labels": {"x": "accept", "y": "reject"}}),
            Sample("4", {"q": "seen"}, "no", weak=True),
        ),
        "rows",
    )


def shown(page):
    return page.widget.row.get("id")


def test_the_most_telling_rows_come_first_and_every_label_is_on_disk(rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = Page(Labeler(rows, annotator="ann"))
    assert shown(page) == "3", "raters disagree there"
    page.do("label", label="accept")
    assert shown(page) == "2", "a machine made it"
    page.do("label", label="reject")
    saved = Dataset.load("rows")
    assert saved["2"].target is None and saved["2"].extra["rejected"] == ["perhaps"] and saved["3"].extra["labels"]["ann"] == "accept"
    page.do("edit", text="never")
    assert Dataset.load("rows")["4"].target == "never" and not Dataset.load("rows")["4"].weak
    page.do("skip")
    assert shown(page) == "1", "a skipped row comes again"
    page.do("label", label="accept")
    assert page.widget.row == {} and page.widget.about["done"] == 4
    page.do("label", label="accept")
    assert "All rows are done" in page.widget.error


def test_a_label_can_be_taken_back(rows, tmp_path):
    page = Page(Labeler(rows, annotator="ann", path=tmp_path / "r.jsonl"))
    page.do("label", label="accept")
    page.do("label", label="reject")
    page.do("undo")
    assert shown(page) == "2" and Dataset.load(tmp_path / "r.jsonl")["2"].target == "perhaps"
    page.do("undo")
    page.do("undo")
    assert "no label to undo" in page.widget.error and page.widget.dataset.version == rows.version


def test_choices_by_several_raters_and_their_agreement(tmp_path):
    d = Dataset.from_rows([{"q": f"row {i}"} for i in range(12)])
    path = tmp_path / "d.jsonl"
    for rater in ("ann", "bob"):
        page = Page(Labeler(d, annotator=rater, choices=["red", "blue"], path=path))
        while shown(page):
            i = int(page.widget.row["values"][0][1].split()[1])
            page.do("label", label="red" if i % 2 or (rater == "bob" and i == 0) else "blue")
        d = Dataset.load(path)
    targets = {s.values["q"]: s.target for s in d}
    assert (targets["row 1"], targets["row 2"], targets["row 0"]) == ("red", "blue", "blue"), "one against one leaves it as it was"
    assert page.widget.about["agreement"].startswith("2 annotators agree on 92% of 12 rows, kappa 0.8")
    page.do("label", label="green")
    assert page.widget.error


def test_a_disk_that_fails_takes_no_label(rows, tmp_path):
    page = Page(Labeler(rows, annotator="ann", path=tmp_path / "r.jsonl"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, hard))
    try:
        page.do("label", label="accept")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "cannot be written" in page.widget.error and shown(page) == "3" and page.widget.about["done"] == 0
    page.do("label", label="accept")
    assert page.widget.error == "" and shown(page) == "2"


def test_a_label_of_a_logged_answer_is_an_event_of_its_run():
    answer = fm.ask("Say hello", "echo:")
    d = Dataset.from_log("hello")
    page = Page(Labeler(d, annotator="ann"))
    assert page.widget.row["target"] == "Say hello" and not page.widget.row["known"]
    page.do("label", label="accept")
    (kept,) = signals.feedback_on([answer.run])
    assert (kept.kind, kept.value, kept.user) == ("label", "accept", "ann")
    assert page.widget.dataset[0].target == "Say hello"


def test_models_that_disagree_put_a_row_first():
    e = from_scores([{"id": str(i), "q": i, "a": 1, "b": int(i != 7)} for i in range(10)], ["a", "b"])
    assert shown(Page(Labeler(e.dataset, annotator="ann", evaluation=e))) == "7"


def test_what_is_no_data_set_is_refused():
    for bad in ([], Dataset(())):
        with pytest.raises(UsageError, match="needs a data set"):
            Labeler(bad)
    with pytest.raises(UsageError, match="must be different"):
        Labeler(Dataset((Sample("1", {"q": 1}),)), choices=["a", "a"])


def test_its_face_says_how_far_it_is(rows, tmp_path):
    page = Page(Labeler(rows, annotator="<b>", path=tmp_path / "r.jsonl"))
    page.do("label", label="accept")
    assert "1 of 4 rows labeled by &lt;b&gt;" in page.widget.static_view()[0]["text/html"]


def test_the_reports_rows_events_and_filters():
    data = [{"id": f"r{i}", "q": f"{i}", "target": f"{i if i % 3 else 'x'}", "kind": "ab"[i % 2]} for i in range(30)]
    e = fm.evaluate("{{ q }}", data, ["echo:", "echo:think"])
    page = Page(e.report())
    assert page.widget.about["count"] == 30 and "<svg" in page.widget.about["html"]
    page.do("find", filter={"scorer": "exact", "model": "echo:", "below": 1}, number=4)
    found = page.last("found")
    assert found["number"] == 4 and found["rows"] == list(range(0, 30, 3))
    page.do("find", filter={"column": "kind", "value": "a"})
    assert page.last("found")["rows"] == list(range(0, 30, 2))
    page.do("find", filter={"text": "29"})
    assert page.last("found")["rows"] == [29]
    page.do("find", filter={"differ": ["echo:", "echo:think"]})
    assert page.last("found")["rows"] == []
    page.do("rows", rows=[3, 99, -1], number=5)
    (row,) = page.last("rows")["rows"]
    assert row[3] == "x" and row[5][0][0] == "3" and row[5][0][3] == [[0.0, ""]]
    page.do("events", run=row[5][0][1])
    told = page.last("events")["text"]
    assert '"event": "Started"' in told and '"event": "Scored"' in told
    page.do("events", run="nothere")
    assert "no longer in the log" in page.last("events")["text"]
    assert e.sentence.split(":")[0] in page.widget.static_view()[0]["text/plain"]
