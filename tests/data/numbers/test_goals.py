"""What the documentation promises of tracing, on the benchmark's statements or a seeded part of them."""

from __future__ import annotations

import json

import pytest

from bench import number_tracing as bench
from bench.number_tracing_generated import generated, shipments
from bench.number_tracing_tables import final, held_out


@pytest.fixture(scope="module")
def free():
    """Free statements that the tracer was not tuned on, and their tracers."""
    sets = {"number_tracing_held_out.txt": held_out(), "number_tracing_final.txt": final()}
    found = [(bench.read_statements(bench.HERE / name), bench.tracers(tables)) for name, tables in sets.items()]
    return [s for statements, _ in found for s in statements], {k: v for _, tracers in found for k, v in tracers.items()}


def test_three_of_four_right_figures_of_free_statements_are_traced_and_traced_ones_are_right(free):
    statements, tracers = free
    assert len(statements) >= 200
    summary = bench.summary(bench.outcomes(statements, tracers))
    assert summary["traced of right, %"] >= 75 and summary["right of traced, %"] >= 99
    assert summary["wrong of amber, %"] >= 80


def test_a_random_wrong_figure_is_hardly_ever_traced(free):
    statements, tracers = free
    found = bench.altered(statements[::2], tracers, draws=2)
    assert len(found) > 300 and sum(o.traced for o in found) <= 0.01 * len(found)


def test_slips_and_swapped_figures_are_hardly_ever_traced(free):
    statements, tracers = free
    found = bench.slips(statements[::2], tracers)
    assert len(found) > 200 and sum(o.traced for o in found) <= 0.03 * len(found)


def test_generated_statements_over_ten_thousand_rows():
    frame = shipments()
    assert frame.shape == (10_000, 20)
    statements = [s for _, s in generated(frame, per_type=4, seed=23)]
    summary = bench.summary(bench.outcomes(statements, {"shipments": bench.Tracer({"shipments": frame})}))
    assert summary["traced of right, %"] >= 90 and summary["right of traced, %"] >= 99 and summary["wrong of amber, %"] >= 80


def test_answers_of_a_real_model():
    tables = json.loads((bench.HERE / "number_tracing_answers.json").read_text("utf-8"))
    statements = bench.read_statements(bench.HERE / "number_tracing_answers.txt")
    summary = bench.summary(bench.outcomes(statements, bench.tracers(tables)))
    assert summary["right figures"] >= 100 and summary["right of traced, %"] >= 99


def test_statements_about_passages():
    summary = bench.summary(bench.outcomes(*bench.read_passages(bench.HERE / "number_tracing_passages.txt")))
    assert summary["traced of right, %"] >= 90 and summary["right of traced, %"] >= 99
