"""The plots of an evaluation with matplotlib say what its tables say."""

from __future__ import annotations

import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
from fmnb.core.errors import UsageError  # noqa: E402
from fmnb.evals.import_scores import from_scores  # noqa: E402


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
