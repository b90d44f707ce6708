"""Notes, numbers and missing intervals as a reader of the report sees them."""

from __future__ import annotations

import pandas
import pytest

from fmnb.core.records import Rows
from fmnb.evals.evaluate import evaluate
from fmnb.evals.import_scores import from_scores
from fmnb.evals.report import page

FEW = [{"q": i, "user": f"u{i % 2}", "a": int(i % 3 > 0), "b": i % 2} for i in range(6)]
MANY = [{"q": i, "a": int(i % 3 > 0), "b": i % 2} for i in range(60)]


@pytest.fixture
def few():
    return from_scores(FEW, ["a", "b"], group="user")


def test_code_in_notes_is_shown_as_code():
    table = [{"q": str(i), "target": str(i)} for i in range(12)]
    evaluate("{{ q }}", table, ["echo:"])
    e = evaluate("{{ q }}", table, ["echo:"])
    assert any("`" in s for s in e.findings + e.problems)
    for html in (page.findings(e), e._repr_html_()):
        assert "<code>" in html and "`" not in html


def test_shares_are_percent_in_tables_as_in_plots(few):
    assert "66.7%" in str(few.models) and "0.6667" not in str(few.models)
    html = page.findings(few)
    assert "66.7%" in html and "0.6667" not in html
    gap = from_scores(MANY, ["a", "b"]).pairs
    assert "points" in str(gap[0]["gap"]) and "points" in str(Rows([gap[0]]))


def test_their_data_are_numbers(few):
    frame = few.models.df
    assert frame["score"].dtype == float and frame["score"].max() == pytest.approx(4 / 6)
    assert isinstance(frame, pandas.DataFrame) and few.models[0]["score"] + 1 == pytest.approx(1 + 4 / 6)


def test_times_have_a_readable_unit():
    e = evaluate("{{ q }}", [{"q": str(i), "target": str(i)} for i in range(12)], ["echo:", "echo:think"], fresh=True)
    assert "e-0" not in str(e.models) and " ms" in str(e.models)


def test_a_plot_without_intervals_says_why_and_shows_the_whole_axis(few):
    html = page.findings(few)
    assert "no intervals: only 2 users; at least 5 are needed" in html
    svg = html[html.index("<svg") : html.index("</svg>")]
    assert all(f">{tick}</text>" in svg for tick in ("0", "100")) and "score, percent" in svg


def test_axes_have_titles():
    html = page.findings(from_scores(MANY, ["a", "b"]))
    assert html.count("score, percent</text>") == 1 and "gap in points</text>" in html
