"""An answer by SQL: shown as text and safe HTML, and as cells that run."""

from __future__ import annotations

import pytest

import fmnb as fm
from tests.data.sql.test_tables import frames

pytest.importorskip("duckdb")
pandas = pytest.importorskip("pandas")

ROWS = [{"region": "north", "qty": 1}, {"region": "south", "qty": 2}, {"region": "north", "qty": 3}]
PER_REGION = "select region, sum(qty) as n from t group by 1 order by 1"


def asked(frame, query=PER_REGION):
    return fm.sql("Quantity per region?", {"t": frame}, lambda prompt: query)


@pytest.mark.parametrize("kind", frames())
def test_text_html_and_cells_of_every_kind_of_frame(kind):
    frame = frames()[kind]
    answer = asked(frame)
    assert "north" in str(answer) and "2 rows · query " in str(answer)
    assert "north" in answer._repr_html_() and "sum" in answer._repr_html_()
    values = {"t": frame}
    exec(answer.cell.removesuffix("\nresult"), values)
    assert len(fm.sql("?", {"r": values["result"]}, lambda p: "select * from r").text().splitlines()) == 3


@pytest.mark.parametrize("kind", frames())
def test_the_chart_of_every_kind_of_frame_runs(kind, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, "show", lambda: None)
    values = {"t": frames()[kind]}
    exec(asked(frames()[kind]).chart, values)
    assert [bar.get_width() for bar in values["ax"].patches] == [4, 2]
    assert values["ax"].get_xlabel() == "n" and values["ax"].get_title() == "Quantity per region?"
    plt.close("all")


def test_dates_make_a_line():
    frame = pandas.DataFrame({"day": pandas.date_range("2024-01-01", periods=3), "qty": [1, 2, 3]})
    chart = asked(frame, "select day, qty from t").chart
    assert "ax.plot(x, y)" in chart and "autofmt_xdate" in chart


@pytest.mark.parametrize(
    "query", ["select 1 n", "select region from t", "select qty, qty from t", "select region, region from t", "select * from t where false"]
)
def test_where_no_chart_is_obvious_there_is_none(query):
    assert asked(pandas.DataFrame(ROWS), query).chart == ""


@pytest.mark.parametrize("query", ['select \'"""\' as "a b", \'\\n\' as "c"', 'select 1 as "x"'])
def test_a_query_with_quotes_and_backslashes_is_the_same_in_a_cell(query):
    answer, values = asked(ROWS, query), {"t": ROWS}
    exec(answer.cell.removesuffix("\nresult"), values)
    assert values["result"] == answer.df


def test_nothing_of_a_row_acts_in_the_html():
    answer = asked([{"a": "<script>alert(1)</script>"}], "select a, '<img src=x onerror=alert(1)>' as b from t")
    html = answer._repr_html_()
    assert "<script" not in html and "<img" not in html and "&lt;img" in html


def test_files_and_odd_names_are_in_the_cell(tmp_path):
    path = tmp_path / "it's.csv"
    pandas.DataFrame(ROWS).to_csv(path, index=False)
    answer = fm.Tables({"my table": path}, sales=path).ask("?", lambda p: "select * from \"my table\" where region = 'south'")
    values: dict = {}
    exec(answer.cell.removesuffix("\nresult"), values)
    assert values["result"]["qty"].tolist() == [2] and answer.tables == ("my table",)


def test_more_rows_than_are_shown_and_none():
    many = asked([{"n": i} for i in range(50)], "select n from t order by n")
    assert "20 of 50 rows" in str(many) and "50 rows · " in str(many)
    assert "no rows" in str(asked(ROWS, "select * from t where false")) and asked(ROWS, "select * from t where false").text() == "no rows"
