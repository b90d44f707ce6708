"""One small table for the tests, and how a statement about it is checked."""

from __future__ import annotations

import pandas as pd

from fmnb.data.numbers.report import Figure
from fmnb.data.numbers.tracer import Tracer

SHOPS = pd.DataFrame(
    {
        "shop": ["Oslo", "Oslo", "Bergen", "Bergen", "Rome", "Rome", "Milan", "Milan"],
        "country": ["Norway"] * 4 + ["Italy"] * 4,
        "year": [2021, 2022] * 4,
        "sales_usd": [412.5, 498.25, 233.0, 251.75, 671.0, 655.5, 380.25, 402.0],
        "visitors": [1210, 1333, 780, 845, 2105, 1990, 1100, 1215],
        "rating": [4.1, 4.3, 3.8, None, 4.6, 4.5, 3.9, 4.0],
        "outdoor": [True, True, False, False, True, True, False, True],
    }
)
TRACER = Tracer({"shops": SHOPS})


def figures_of(text: str, tracer: Tracer = TRACER) -> dict[str, Figure]:
    """The figures of a statement by their text."""
    return {f.text: f for f in tracer.check(text).figures}


def states(text: str, tracer: Tracer = TRACER) -> dict[str, str]:
    """The states of a statement's figures that claim something."""
    return {f.text: f.state for f in tracer.check(text).figures if f.counts}
