"""Published and recomputed numbers on real graded answers: GSM8K, BBQ, and a worked example of votes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from fmnb.stats.bradley_terry import bradley_terry
from fmnb.stats.level import level
from fmnb.stats.mcnemar import mcnemar
from fmnb.stats.means import cluster_codes, clustered_error, estimate, standard_error
from fmnb.stats.paired import paired
from fmnb.stats.power import detectable_gap, rows_needed
from fmnb.stats.resampling import FINAL, bootstrap, sign_flip

DATA = Path(__file__).parents[1] / "evals" / "data"


def unpacked(text: str, rows: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), dtype=np.uint8))[:rows].astype(float)


@pytest.fixture(scope="module")
def gsm8k():
    d = json.loads((DATA / "gsm8k_graded.json").read_text())
    return {name: unpacked(bits, d["rows"]) for name, bits in d["right"].items()}


def test_four_systems_have_286_515_458_and_742_right(gsm8k):
    assert [int(x.sum()) for x in gsm8k.values()] == [286, 515, 458, 742]
    e = level(gsm8k["6b_verification"]).estimate
    assert (round(e.low, 6), round(e.high, 6)) == (0.364474, 0.417057)


def test_the_two_middle_systems_differ_by_four_points_on_all_rows(gsm8k):
    r = paired(gsm8k["6b_verification"], gsm8k["175b_finetuning"])
    assert (round(r.gap.value, 6), round(r.gap.standard_error, 6)) == (-0.043215, 0.014361)
    assert (r.only_a, r.only_b, round(r.p, 8)) == (209, 152, 0.00315066) and r.significant and r.test == "McNemar, exact"
    t = mcnemar(209, 152)
    assert (t.chi2, round(t.chi2_p, 8), round(t.chi2_corrected, 6)) == (9.0, 0.00269980, 8.686981)
    d = gsm8k["175b_finetuning"] - gsm8k["6b_verification"]
    i = bootstrap(d, draws=FINAL)
    assert [i.low, i.high] == pytest.approx([-0.0713, -0.0144], abs=0.0015)
    assert sign_flip(d) == pytest.approx(0.003, abs=0.0025)
    unpaired = (standard_error(gsm8k["6b_verification"]) ** 2 + standard_error(gsm8k["175b_finetuning"]) ** 2) ** 0.5
    assert unpaired == pytest.approx(0.018776, abs=2e-6) and r.gap.standard_error / unpaired == pytest.approx(0.765, abs=5e-4)


def test_on_the_first_hundred_rows_they_are_tied(gsm8k):
    r = paired(gsm8k["6b_verification"][:100], gsm8k["175b_finetuning"][:100])
    assert r.gap.value == 0 and not r.significant and r.p == 1


def test_power_on_the_same_pair(gsm8k):
    spread = float((gsm8k["175b_finetuning"] - gsm8k["6b_verification"]).std(ddof=1))
    assert [rows_needed(spread, g) for g in (0.05, 0.03, 0.02)] == [855, 2373, 5338]
    assert round(detectable_gap(spread / 10), 3) == 0.146


def test_strengths_with_ties_as_halves(gsm8k):
    wins = {}
    for a, b in itertools.combinations(gsm8k, 2):
        tied = float((gsm8k[a] == gsm8k[b]).sum()) / 2
        wins[a, b] = float((gsm8k[a] > gsm8k[b]).sum()) + tied
        wins[b, a] = float((gsm8k[b] > gsm8k[a]).sum()) + tied
    found = bradley_terry(wins).strengths
    assert [round(1000 + found[n] * 400 / np.log(10), 2) for n in gsm8k] == [942.10, 1003.89, 988.63, 1065.37]


def test_templates_make_the_error_of_bbq_four_times_as_large():
    d = json.loads((DATA / "bbq_unifiedqa.json").read_text())["categories"]
    right = np.concatenate([unpacked(c["right"], c["rows"]) for c in d.values()])
    templates = [(name, q) for name, c in d.items() for q, times in c["templates"] for _ in range(times)]
    assert (len(right), len(set(templates)), round(right.mean(), 6)) == (11_956, 150, 0.750669)
    codes, count = cluster_codes(templates, len(right))
    assert round(standard_error(right), 6) == 0.003957
    assert round(clustered_error(right, codes, count, finite=False), 6) == 0.015296
    e = estimate(right, templates)
    assert round(clustered_error(right, codes, count), 6) == 0.015347 and e.standard_error == pytest.approx(0.015347, rel=0.01)
    assert e.design_effect == pytest.approx((e.standard_error / standard_error(right)) ** 2) and e.clusters == 150


@pytest.mark.parametrize("seed", range(3))
def test_strengths_are_those_of_choix(seed):
    import choix

    random = np.random.default_rng(seed)
    games = [(int(a), int(b)) for a, b in (random.choice(5, 2, replace=False) for _ in range(200))]
    wins = {}
    for pair in games:
        wins[pair] = wins.get(pair, 0) + 1
    assert list(bradley_terry(wins).strengths.values()) == pytest.approx(choix.ilsr_pairwise(5, games, max_iter=500).tolist(), abs=1e-7)
    assert list(bradley_terry(wins).strengths.values()) == pytest.approx(choix.opt_pairwise(5, games, tol=1e-12).tolist(), abs=1e-5)
