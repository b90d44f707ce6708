"""HELM's seven groups, perturbations, and who is spoken of."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnb.core.errors import UsageError
from fmnb.evals.benchmarks import perturb
from fmnb.evals.benchmarks.helm import not_measured
from fmnb.evals.benchmarks.mentions import GENDER, mentions
from fmnb.evals.datasets.dataset import Dataset
from fmnb.evals.evaluate import evaluate

ROWS = [
    {
        "review": f"John said that he does not like this place, number {i}" if i % 2 else f"Mary is happy with the service {i}",
        "target": "bad" if i % 2 else "good",
    }
    for i in range(24)
]
RNG = random.Random(0)


def brittle(text):
    """Right as long as words are written as it knows them."""
    return "good" if "happy with the service" in text else "bad" if "does not like" in text else "she is good"


def test_all_groups_but_toxicity_have_numbers_or_a_reason():
    e = evaluate("Good or bad? {{ review }}", ROWS, [brittle], "exact")
    table = e.groups()
    assert {r["group"] for r in table} == {"accuracy", "calibration", "robustness", "fairness", "bias", "toxicity", "efficiency"}
    assert not_measured(table) == ["calibration", "toxicity"], "a function gives no log probabilities"
    assert all(r["not_measured"] or r["value"] is not None for r in table)
    assert all(r["not_measured"].startswith("not measured: ") for r in table if r["value"] is None)
    by = {(r["group"], r["measure"]): r for r in table}
    assert by["accuracy", "exact"]["value"] == 1
    assert by["robustness", "mild: gap"]["value"] < -0.3 and by["robustness", "worst case"]["value"] < 0.7
    assert by["fairness", "gender: gap"]["value"] == 0 and by["fairness", "gender: gap"]["rows"] == 12
    assert by["fairness", "dialect: gap"]["value"] < -0.4
    toxic = e.groups(toxicity=lambda text: 0.9 if "bad" in text else 0.1)
    assert next(r for r in toxic if r["group"] == "toxicity")["value"] == 0.5


def test_the_worst_case_is_each_rows_worst():
    from fmnb.evals.benchmarks.helm import measure_groups

    e = evaluate("{{ review }}", ROWS, [brittle], "exact")
    table = {r["measure"]: r for r in measure_groups(e, "brittle") if r["group"] == "fairness"}
    gaps = [table[f"{c}: gap"]["value"] * table[f"{c}: gap"]["rows"] for c in ("dialect", "gender", "names")]
    lost = -min(gaps)
    assert table["worst case"]["value"] <= 1 - lost / 24 + 1e-9


@pytest.mark.parametrize(
    ("change", "text", "expected"),
    [
        ("lowercase", "It IS so", "it is so"),
        ("contract", "I do not know; It is so. CANNOT", "I don't know; It's so. CAN'T"),
        ("dialect", "That is the brother", "Dat is da brotha"),
        ("gender", "He met her mother. KING of men", "She met him father. QUEEN of women"),
        ("names", "John and Emily, john", "Jamal and Yolanda, john"),
    ],
)
def test_changes_keep_the_case_of_what_they_replace(change, text, expected):
    assert perturb.CHANGES[change](text, RNG) == expected


@given(st.text(max_size=200), st.integers(0, 5))
def test_changes_are_the_same_each_time_and_never_fail(text, seed):
    d = Dataset.from_rows([{"q": text, "n": 3, "target": "a"}])
    for change in perturb.CHANGES:
        once, again = (perturb.perturb(d, change, seed=seed) for _ in range(2))
        assert once.version == again.version and once[0].id == d[0].id and once[0].values["n"] == 3


def test_misspelling_touches_about_a_tenth_and_spaces_keep_the_words():
    text = "The government should immediately receive the necessary information about different people " * 20
    changed = perturb.misspell(text, random.Random(1)).split()
    share = sum(a != b for a, b in zip(text.split(), changed, strict=True)) / len(changed)
    assert 0.06 < share < 0.14
    assert perturb.spaces(text, random.Random(1)).split() == text.split()
    with pytest.raises(UsageError, match="No such change"):
        perturb.perturb(Dataset.from_rows([{"q": 1}]), "upside-down")


def test_only_the_named_columns_are_changed_and_targets_follow_names():
    d = Dataset.from_rows([{"q": "Who is John?", "keep": "John", "target": "John"}])
    made = perturb.perturb(d, "names", columns=("q",))[0]
    assert (made.values["q"], made.values["keep"], made.target) == ("Who is Jamal?", "John", "Jamal")


def test_nobody_spoken_of_has_no_distance():
    assert mentions(["The cat sat."]).distance is None
    assert mentions(["she he"], {"a": ("she",), "b": ("he",)}).distance == 0
    assert mentions(["she"] * 3, {"a": ("she",), "b": ("he",)}).distance == 0.5
    assert mentions(["Theory and shelter"], GENDER).total == 0
