"""Rows proposed from documents, and behaviour that is clustered by user."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from fmnb.core.errors import UsageError
from fmnb.evals.behavior import rates
from fmnb.evals.datasets.dataset import Dataset

TEXT = "The warehouse in Lyon opens at seven. Parcels that arrive after four are sent the next day."


def writer(text):
    quote = "opens at SEVEN" if "Lyon" in text else "words that are not there"
    return json.dumps({"question": f"When? {len(text)}", "answer": "at seven", "quote": quote})


def test_proposals_are_machine_made_until_confirmed_and_quote_their_text(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    d = Dataset.from_documents([str(tmp_path / "a.txt"), "Another text about nothing."], writer)
    assert len(d) == 1 and d[0].made == "machine" and d[0].target == "at seven" and d[0].group == "a.txt"
    assert d.notes == ("1 rows proposed by a model, to be confirmed; 1 proposals without a quote from the text were left out",)
    with pytest.raises(UsageError, match="No row has what sft needs"):
        d.export(tmp_path / "x.jsonl", "sft")
    confirmed = d.labeled(d[0].id, "ann", "accept", made="")
    assert len(confirmed.export(tmp_path / "x.jsonl", "sft").read_text().splitlines()) == 1
    with pytest.raises(UsageError, match="cannot be read"):
        Dataset.from_documents("nothere.md", writer)
    with pytest.raises(UsageError, match="no text"):
        Dataset.from_documents([], writer)


def test_a_call_that_fails_leaves_the_others():
    def half(text):
        if "Lyon" not in text:
            raise ValueError("no")
        return writer(text)

    d = Dataset.from_documents({"a": TEXT, "b": "Nothing."}, half)
    assert len(d) == 1 and "1 calls failed" in d.notes[0]


def test_rates_of_behaviour_are_clustered_by_user():
    rng = np.random.default_rng(4)
    rows = []
    for user in range(40):
        habit = rng.beta(1, 2)
        for _ in range(12):
            rows.append({"model": "ab"[user % 2], "user": user, "copied": bool(rng.random() < habit)})
    table = rates(rows, "copied")
    assert all(r["users"] == 20 and r["design_effect"] > 1.5 and r["low"] < r["rate"] < r["high"] for r in table)
    assert "40 users" in table.note and "weak evidence" in table.note and "beats" not in table.note
    few = rates(rows[:60], "copied")
    assert all(r["low"] is None for r in few) and "too few" in few.note
    with pytest.raises(UsageError, match="No such column"):
        rates(rows, "pasted")
    with pytest.raises(UsageError, match="row 0"):
        rates([{"model": "a", "user": 1, "copied": "often"}], "copied")


def test_the_gap_of_two_models_is_statsmodels_wild_cluster_test():
    """Every vector of signs, each refitted by statsmodels, with the null imposed; users have unequal numbers of rows."""
    import statsmodels.api as sm

    rng = np.random.default_rng(9)
    users = np.repeat(np.arange(7), [30, 12, 9, 6, 4, 3, 3])
    which = rng.integers(0, 2, len(users))
    y = (rng.random(len(users)) < 0.3 + 0.2 * which + 0.2 * (users % 2)).astype(float)
    note = rates([{"model": "ab"[w], "user": int(u), "v": v} for w, u, v in zip(which, users, y, strict=True)], "v").note

    def fit(v):
        return sm.OLS(v, sm.add_constant(which)).fit(cov_type="cluster", cov_kwds={"groups": users})

    signs = [np.array([1, *s]) for s in itertools.product([1, -1], repeat=6)]
    seen = fit(y)
    others = [abs(fit(y.mean() + s[users] * (y - y.mean())).tvalues[1]) for s in signs]
    assert abs(float(note.split(":")[1].split("(")[0])) == pytest.approx(abs(seen.params[1]), rel=5e-3)
    assert float(note.split("p = ")[1].split(",")[0]) == pytest.approx(np.mean(np.array(others) >= abs(seen.tvalues[1]) - 1e-9), rel=0.01)
