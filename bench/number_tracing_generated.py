"""Statements made from templates over a table of 10,000 rows and 20 columns, each right and altered in the ways of real errors."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from typing import Any

from bench.number_tracing_statement import Statement

MEASURES = {
    "weight_kg": ("weight", " kg", 1),
    "distance_km": ("distance", " km", 0),
    "cost_usd": ("cost", "$", 2),
    "fuel_surcharge_usd": ("fuel surcharge", "$", 2),
    "duration_hours": ("duration", " hours", 1),
    "delay_minutes": ("delay", " minutes", 1),
    "packages": ("number of packages", "", 1),
}
GROUPS = {
    "carrier": ["Norvik", "Halden", "Transmar", "Ostberg", "Celer", "Bluepost"],
    "service": ["express", "standard", "economy"],
    "customer_segment": ["retail", "industry", "public"],
    "container_type": ["box", "pallet", "crate", "tube"],
}
CITIES = ["Hamburg", "Gdansk", "Antwerp", "Malmo", "Riga", "Tallinn", "Bergen", "Turku", "Kiel", "Aarhus", "Bremen", "Oulu"]


def shipments(rows: int = 10_000, seed: int = 11) -> Any:
    """A table of 10,000 rows and 20 columns."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    data: dict[str, Any] = {"shipment_id": np.arange(500_001, 500_001 + rows)}
    data["shipped"] = pd.Timestamp("2021-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 1095, rows)), unit="D")
    for name, values in GROUPS.items():
        share = rng.dirichlet(np.full(len(values), 6.0))
        data[name] = rng.choice(values, rows, p=share)
    data["origin_city"] = rng.choice(CITIES[:6], rows)
    data["destination_city"] = rng.choice(CITIES[6:], rows)
    data["weight_kg"] = rng.lognormal(3.0, 0.8, rows).round(1)
    data["volume_l"] = rng.lognormal(5.0, 0.7, rows).round(0)
    data["distance_km"] = rng.gamma(3.0, 240.0, rows).round(0)
    data["cost_usd"] = (12 + 0.21 * data["weight_kg"] + 0.06 * data["distance_km"] * rng.lognormal(0, 0.3, rows)).round(2)
    data["fuel_surcharge_usd"] = (0.07 * data["cost_usd"] * rng.lognormal(0, 0.2, rows)).round(2)
    data["duration_hours"] = (data["distance_km"] / 45 + rng.gamma(2.0, 5.0, rows)).round(1)
    data["delay_minutes"] = rng.gamma(1.2, 30.0, rows).round(0)
    data["delay_minutes"][rng.random(rows) < 0.06] = np.nan
    data["packages"] = rng.poisson(2.4, rows) + 1
    data["insured"] = rng.random(rows) < 0.31
    data["damaged"] = rng.random(rows) < 0.023
    data["rating"] = rng.integers(1, 6, rows).astype(float)
    data["rating"][rng.random(rows) < 0.4] = np.nan
    data["warehouse"] = rng.choice(["W1", "W2", "W3"], rows)
    return pd.DataFrame(data)


def write(value: float, unit: str, places: int) -> str:
    """A value as an analyst writes it."""
    if abs(value) >= 1e6:
        number = f"{value / 1e6:,.2f} million"
    else:
        number = f"{value:,.{places}f}"
    return f"${number}" if unit == "$" else number + unit


AGGREGATES = {
    "mean": ["The average {c} of {g} shipments is {x}.", "Shipments by {g} have a mean {c} of {x}.", "On average, {g} shows a {c} of {x}."],
    "median": ["The median {c} for {g} is {x}.", "For {g}, the {c} has a median of {x}."],
    "sum": ["Total {c} for {g} comes to {x}.", "Altogether, {g} accounts for a {c} of {x} in total."],
    "max": ["The highest {c} recorded for {g} is {x}.", "{g}: maximum {c} {x}."],
    "min": ["The lowest {c} for {g} was {x}.", "{g} has a minimum {c} of {x}."],
}
COUNTS = ["There are {x} {g} shipments.", "{x} shipments belong to {g}.", "{g} handled {x} shipments."]
TWO_COUNTS = ["{x} of the {g} shipments were {h}.", "{g} carried {x} {h} shipments."]
SHARES = ["{g} accounts for {x} of all shipments.", "{x} of shipments are {g}.", "The share of {g} is {x}."]
SHARES_WITHIN = ["Among {g} shipments, {x} are {h}.", "{x} of {g} shipments are {h}."]
OVER = ["{x} {g} shipments have a {c} above {t}.", "For {g}, {x} shipments exceed a {c} of {t}."]
PAIRS = [
    "{g} averages a {c} of {x}, compared with {y} for {h}.",
    "The mean {c} is {x} for {g} and {y} for {h}.",
    "{g} ({x}) and {h} ({y}) differ in average {c}.",
]
GAPS = ["The average {c} of {g} is {x} higher than that of {h}.", "On average, the {c} of {g} exceeds that of {h} by {x}."]
RATIOS = ["The average {c} of {g} is {x} times that of {h}."]
PERCENTS = ["The average {c} of {g} is {x} higher than that of {h}."]
GROWTH = ["From {p} to {q}, the total {c} of {g} changed from {y} to {z}, {w} of {x}."]
YEARS = ["In {p}, the average {c} of {g} was {x}.", "{g} had a total of {n} shipments in {p}."]
DISTINCT = ["The table lists {x} different {c}s.", "There are {x} distinct values of {c}."]
MISSING = ["{x} values of {c} are missing.", "The {c} is missing for {x} shipments."]
FLAGS = ["{x} of {g} shipments were {f}.", "For {g}, {x} shipments were {f}."]
RANKS = ["{g} ranks {x} by average {c}."]
_ORDINALS = {1: "1st", 2: "2nd", 3: "3rd"}


def generated(frame: Any, per_type: int = 12, seed: int = 1) -> list[tuple[str, Statement]]:
    """Statements with their types; an altered one has a wrong figure in the place of a right one."""
    rng = random.Random(seed)
    found = []
    for _ in range(per_type):
        for kind, text, figure, wrong in _all(frame, rng):
            if figure:
                found.append((kind, _statement(text, figure, right=True)))
            for other in wrong:
                if other and _differs(other, figure):
                    found.append((kind, _statement(text, other, right=False)))
    return found


def _statement(text: str, figure: str, *, right: bool) -> Statement:
    start = text.index("\x01")
    full = text.replace("\x01", figure)
    return Statement("shipments", full, ((start, start + len(figure), right),))


def _differs(one: str, other: str) -> bool:
    if not other:
        return True
    numbers = [re.sub(r"[^\d.]", "", t) for t in (one, other)]
    try:
        return abs(float(numbers[0]) - float(numbers[1])) > 0.5 * 10.0 ** -len(numbers[1].partition(".")[2]) + 1e-9
    except ValueError:
        return one != other


def _digit(figure: str, rng: random.Random) -> str | None:
    places = [i for i, c in enumerate(figure) if c.isdigit()]
    if not places:
        return None
    i = rng.choice(places)
    digit = rng.choice([d for d in "123456789" if d != figure[i]])
    return figure[:i] + digit + figure[i + 1 :]


def _aggregate(frame: Any, column: str, operation: str) -> float:
    return float(getattr(frame[column], operation)())


def _all(frame: Any, rng: random.Random) -> Iterator[tuple[str, str, str, list[str | None]]]:
    by = rng.choice(list(GROUPS))
    g, h = rng.sample(GROUPS[by], 2)
    other_by = rng.choice([name for name in GROUPS if name != by])
    second = rng.choice(GROUPS[other_by])
    column = rng.choice(list(MEASURES))
    name, unit, places = MEASURES[column]
    mine, theirs = frame[frame[by] == g], frame[frame[by] == h]
    fill = {"g": g, "h": h, "c": name}

    def text(templates: list[str], **more: str) -> str:
        return rng.choice(templates).format(**{**fill, "x": "\x01", **more})

    for operation, templates in AGGREGATES.items():
        if operation == "sum" and column == "duration_hours":
            continue
        value = _aggregate(mine, column, operation)
        shown = write(value, unit, places)
        neighbor = write(_aggregate(theirs, column, operation), unit, places)
        statistic = write(_aggregate(mine, column, {"mean": "median", "median": "mean"}.get(operation, "mean")), unit, places)
        yield operation, text(templates), shown, [_digit(shown, rng), neighbor, statistic]
    n, m = len(mine), len(theirs)
    yield "count", text(COUNTS), f"{n:,}", [_digit(f"{n:,}", rng), f"{m:,}", f"{n + 1:,}"]
    both = int((mine[other_by] == second).sum())
    wrong = int((theirs[other_by] == second).sum())
    yield "count of two", text(TWO_COUNTS, h=second), f"{both:,}", [_digit(f"{both:,}", rng), f"{wrong:,}"]
    share, their_share = 100 * n / len(frame), 100 * m / len(frame)
    yield "share", text(SHARES), f"{share:.1f}%", [_digit(f"{share:.1f}%", rng), f"{their_share:.1f}%"]
    within, their_within = 100 * both / n, 100 * wrong / m
    base = 100 * both / int((frame[other_by] == second).sum())
    yield (
        "share within",
        text(SHARES_WITHIN, h=second),
        f"{within:.1f}%",
        [_digit(f"{within:.1f}%", rng), f"{their_within:.1f}%", f"{base:.1f}%"],
    )
    limit = float(mine[column].quantile(0.8).round(0))
    over, their_over = int((mine[column] > limit).sum()), int((theirs[column] > limit).sum())
    stated = write(limit, unit, 0)
    yield "threshold", text(OVER, t=stated), f"{over:,}", [_digit(f"{over:,}", rng), f"{their_over:,}"]
    a, b = _aggregate(mine, column, "mean"), _aggregate(theirs, column, "mean")
    shown, other = write(a, unit, places + 1), write(b, unit, places + 1)
    yield "two figures", text(PAIRS, y=other), shown, [_digit(shown, rng)]
    yield "swapped", text(PAIRS, y=shown), "", [other]  # each beside the other's name
    if abs(a - b) > 0.02 * max(abs(a), abs(b)):
        big, small = (g, h) if a > b else (h, g)
        more = {"g": big, "h": small}
        gap = write(abs(a - b), unit, places + 1)
        yield "difference", text(GAPS, **more), gap, [_digit(gap, rng), write(max(a, b), unit, places + 1)]
        ratio = max(a, b) / min(a, b)
        yield "ratio", text(RATIOS, **more), f"{ratio:.2f}", [_digit(f"{ratio:.2f}", rng), f"{1 / ratio:.2f}"]
        percent = 100 * (ratio - 1)
        yield (
            "percent difference",
            text(PERCENTS, **more),
            f"{percent:.1f}%",
            [_digit(f"{percent:.1f}%", rng), f"{100 * (1 - 1 / ratio):.1f}%"],
        )
    years = frame["shipped"].dt.year
    p, q = sorted(rng.sample([2021, 2022, 2023], 2))
    if column not in ("duration_hours",):
        one, two = float(mine[years[mine.index] == p][column].sum()), float(mine[years[mine.index] == q][column].sum())
        growth = 100 * (two / one - 1)
        word = "an increase" if growth > 0 else "a decrease"
        shown = f"{abs(growth):.1f}%"
        sums = {"y": write(one, unit, 0), "z": write(two, unit, 0), "w": word}
        yield "growth", text(GROWTH, p=str(p), q=str(q), **sums), shown, [_digit(shown, rng), f"{abs(100 * (one / two - 1)):.1f}%"]
    of_year = write(_aggregate(mine[years[mine.index] == p], column, "mean"), unit, places + 1)
    of_other = write(_aggregate(mine[years[mine.index] == q], column, "mean"), unit, places + 1)
    yield "mean of a year", YEARS[0].format(**fill, x="\x01", p=p), of_year, [_digit(of_year, rng), of_other]
    in_year, in_other = int((years[mine.index] == p).sum()), int((years[mine.index] == q).sum())
    yield "count of a year", YEARS[1].format(**fill, n="\x01", p=p), f"{in_year:,}", [_digit(f"{in_year:,}", rng), f"{in_other:,}"]
    yield "distinct", text(DISTINCT, c=by.replace("_", " ")), str(len(GROUPS[by])), [str(len(GROUPS[by]) + 1)]
    gaps = rng.choice(["delay_minutes", "rating"])
    count = int(frame[gaps].isna().sum())
    yield "missing", text(MISSING, c=gaps.split("_")[0]), f"{count:,}", [_digit(f"{count:,}", rng), f"{count + 5:,}"]
    flag = rng.choice(["insured", "damaged"])
    flagged = 100 * float(mine[flag].mean())
    yield (
        "flag share",
        FLAGS[0].format(**fill, x="\x01", f=flag),
        f"{flagged:.1f}%",
        [_digit(f"{flagged:.1f}%", rng), f"{100 * theirs[flag].mean():.1f}%"],
    )
    hits = int(mine[flag].sum())
    yield "flag count", FLAGS[1].format(**fill, x="\x01", f=flag), f"{hits:,}", [_digit(f"{hits:,}", rng), f"{int(theirs[flag].sum()):,}"]
    order = frame.groupby(by)[column].mean().sort_values(ascending=False)
    place = list(order.index).index(g) + 1
    if place <= 3 and math.isfinite(a):
        yield "rank", text(RANKS), _ORDINALS[place], [_ORDINALS[place % 3 + 1]]
