"""The plots of an evaluation with matplotlib say what its tables say."""

from __future__ import annotations

import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
from fmnb.core.errors import UsageError  # noqa: E402
from fmnb.evals.import_scores import from_scores  # noqa: E402
from tests.cells.conftest import cells  # noqa: E402, F401  a fixture


@pytest.fixture
def evaluation():
    return from_scores([{"q": i, "a": int(i % 3 > 0), "b": i % 2} for i in range(60)], ["a", "b"])


def test_scores_and_their_intervals_are_those_of_the_table(evaluation):
    ax = evaluation.plot()
    drawn = sorted(float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "o")
    assert drawn == pytest.approx(sorted(100 * r["score"] for r in evaluation.models))
    ends = sorted(tuple(map(float, line.get_xdata())) for line in ax.lines if len(line.get_xdata()) == 2)
    assert [e[0] for e in ends] == pytest.approx(sorted(100 * r["low"] for r in evaluation.models))


def test_gaps_are_drawn_from_zero_into_given_axes_and_can_be_saved(evaluation, tmp_path):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert evaluation.plot("gaps", ax=ax) is ax
    (gap,) = [float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "o"]
    assert abs(gap) == pytest.approx(100 * abs(evaluation.pairs[0]["gap"]))
    ax.figure.savefig(tmp_path / "gaps.pdf")
    assert (tmp_path / "gaps.pdf").stat().st_size > 1000


def test_what_cannot_be_plotted_says_so(evaluation):
    with pytest.raises(UsageError, match="no such plot"):
        evaluation.plot("bars")
    with pytest.raises(UsageError, match="no gaps"):
        from_scores([{"q": i, "a": i % 2} for i in range(40)], ["a"]).plot("gaps")


def test_without_intervals_it_says_why_and_shows_the_whole_axis(evaluation):
    few = from_scores([{"q": i, "user": f"u{i % 2}", "a": int(i % 3 > 0), "b": i % 2} for i in range(6)], ["a", "b"], group="user")
    ax = few.plot()
    assert "no intervals: only 2 users" in ax.get_xlabel() and ax.get_xlim()[0] <= 0 and ax.get_xlim()[1] >= 100
    assert "interval" not in evaluation.plot().get_xlabel()


def test_as_the_value_of_a_cell_its_name_is_not_printed_over_the_picture(cells, evaluation):  # noqa: F811
    import pickle

    cells.ns["e"] = evaluation
    cells("e.plot()")
    assert "Axes" not in cells.out
    ax = pickle.loads(pickle.dumps(evaluation.plot().figure)).axes[0]
    assert ax.get_xlabel()
