"""Free paraphrases of held-out rows are refused where an embedder is here, rows of other topics are not.

`data/rewordings.jsonl` has 188 texts of seven kinds with 335 rewordings, 32 of them written after the
first rule was chosen. `bench/heldout.py` prints the whole measurement.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from fmnb.evals.datasets import heldout
from fmnb.evals.datasets.dataset import Dataset
from fmnb.evals.datasets.paraphrases import HeldoutVectors, make_background
from fmnb.evals.datasets.sample import Sample
from tests.conftest import MODELS
from tests.evals.datasets.test_heldout import DATA, OTHERS

HERE = Path(__file__).parents[1] / "data"
ROWS = [json.loads(line) for line in (HERE / "rewordings.jsonl").read_text(encoding="utf-8").splitlines()]
KEPT_BACK = [r for r in ROWS if r["part"] == "kept back"]
TUNED = [r for r in ROWS if r["part"] != "kept back"]
OTHER_TOPICS = [
    *OTHERS[len(DATA["others"]) :],
    *(json.loads(line)["question"] for line in (HERE / "gsm8k_sample.jsonl").read_text(encoding="utf-8").splitlines()),
    *(
        f"How do I write a {a} in {b}?"
        for a in ("loop", "parser", "unit test", "web server", "regular expression")
        for b in ("Rust", "Go", "C", "R")
    ),
    *(
        f"Essay topic {i}: the {a} of {b} under {c}"
        for i, (a, b, c) in enumerate(
            (a, b, c)
            for a in ("trade", "laws", "army", "coins", "roads", "temples", "poetry", "slavery")
            for b in ("Rome", "Egypt", "Persia", "Athens", "Carthage", "Babylon")
            for c in ("peace", "siege", "debt", "drought", "plague")
        )
    ),
]


def samples(texts):
    return [Sample(str(i), {"text": t}) for i, t in enumerate(texts)]


def refused(texts):
    return {int(m.row) for m in heldout.find_matches(samples(texts))}


@pytest.fixture
def hold(tmp_path, monkeypatch):
    """Hold out texts in a state folder of their own."""
    monkeypatch.setenv("FMNB_STATE", str(tmp_path / "guard"))
    monkeypatch.setenv("FMNB_MODELS", str(MODELS))

    def hold(texts):
        heldout.remember_rows(samples(texts))
        if not heldout._index().has_vectors:
            pytest.skip("the embedder is not here")

    return hold


def test_free_paraphrases_that_were_kept_back_are_refused(hold):
    rows = random.Random(0).sample(KEPT_BACK, 20)
    hold([r["text"] for r in rows])
    found = heldout.find_matches(samples([r["free"] for r in rows]))
    assert len(found) >= 18
    assert all(m.heldout_id == m.row for m in found), "the refusal names the row that was reworded"
    others = refused(OTHER_TOPICS)
    assert len(others) <= len(OTHER_TOPICS) // 100, [OTHER_TOPICS[i] for i in others]


@pytest.mark.parametrize("size", [20, 156])
def test_many_held_out_rows_do_not_blind_the_rule(hold, size):
    rows = random.Random(1).sample(TUNED, size)
    hold([r["text"] for r in rows])
    for strength, least in (("light", 1.0), ("synonyms", 0.95), ("free", 0.8 if size == 20 else 0.6)):
        texts = [r[strength] for r in rows if strength in r]
        assert len(refused(texts)) >= least * len(texts), strength


def test_versions_of_one_text_do_not_blind_the_rule(hold):
    rows = random.Random(2).sample(KEPT_BACK, 20)
    hold(
        [
            f"{r['text']}{end}"
            for r in rows
            for end in ("", " Please.", " Thank you so much.", " That is all.", " (second mail)", " Regards, Kim")
        ]
    )
    assert len(refused([r["free"] for r in rows])) >= 17


def test_a_template_around_paraphrases_hides_none(hold):
    rows = random.Random(3).sample(KEPT_BACK, 20)
    hold([r["text"] for r in rows])
    template = "You are a careful assistant who reads what people wrote.\nText: {}\nAnswer in one short sentence and say nothing else."
    bare, wrapped = ([*(r["free"] for r in rows), *OTHER_TOPICS[:40]], [])
    wrapped = [template.format(t) for t in bare]
    assert len(refused(wrapped) & set(range(20))) >= 17
    assert len(refused(wrapped) ^ refused(bare)) <= 1


def test_the_other_rows_of_the_data_set_are_no_paraphrases(hold, tmp_path):
    rows = [{"text": t, "target": "x"} for t in [*DATA["held"], *DATA["others"][:200]]]
    d = Dataset.from_rows(rows, name="bank").split(heldout=0.1)
    hold([])
    kept = d.without_heldout()
    assert len(kept) >= 0.98 * len(d["train"]), "rows that were there when the held-out ones were chosen"
    kept.export(tmp_path / "a.jsonl", "chat", prompt="{{ text }}")


def test_a_text_with_neighbors_where_it_stands_must_be_nearer():
    random_ = np.random.default_rng(0)

    def unit(x):
        return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)

    held = unit(random_.normal(size=(5, 64)))
    text = unit(held[0] + 0.06 * random_.normal(size=64))
    far, close = unit(random_.normal(size=(60, 64))), unit(text + 0.1 * random_.normal(size=(60, 64)))
    alone, one_of_many = (HeldoutVectors(held).near(text, make_background([text, *others]))[0] for others in (far, close))
    assert alone[:2] == one_of_many[:2] and alone[2] > one_of_many[2] + 0.1


def test_messages_of_one_bank_about_other_things_are_let_through(hold):
    bank = [r for r in ROWS if r["kind"] == "bank"]
    hold([r["text"] for r in bank[:20]])
    assert len(refused(DATA["others"])) <= 0.03 * len(DATA["others"])  # some of them ask what a held-out row asks
