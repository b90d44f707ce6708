"""The tables of the benchmark of number tracing: data that packages ship, and two business tables made by a seed.

`held_out()` are those of the free statements that the tracer was never tuned on; `tuning()` are the others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def _vega(name: str) -> Any:
    import pandas as pd
    import vega_datasets

    path = Path(vega_datasets.__file__).parent / "_data" / name
    return pd.read_json(path) if name.endswith(".json") else pd.read_csv(path)


def orders(rows: int = 1200, seed: int = 5) -> Any:
    """Orders of a shop: dates, regions, channels, products, amounts."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    price = {"Desk lamp": 39.0, "Office chair": 249.0, "Standing desk": 599.0, "Monitor arm": 119.0, "Bookshelf": 179.0}
    product = rng.choice(list(price), rows, p=[0.3, 0.22, 0.13, 0.2, 0.15])
    quantity = rng.integers(1, 7, rows)
    unit_price = np.array([price[p] for p in product]) * rng.choice([1.0, 0.95, 0.9], rows)
    return pd.DataFrame(
        {
            "order_id": np.arange(10001, 10001 + rows),
            "order_date": pd.Timestamp("2023-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 730, rows)), unit="D"),
            "region": rng.choice(["North", "South", "East", "West"], rows, p=[0.34, 0.27, 0.22, 0.17]),
            "channel": rng.choice(["online", "store", "partner"], rows, p=[0.55, 0.3, 0.15]),
            "product": product,
            "quantity": quantity,
            "unit_price_usd": unit_price.round(2),
            "revenue_usd": (quantity * unit_price).round(2),
            "returned": rng.random(rows) < 0.083,
            "delivery_days": rng.poisson(4.2, rows) + 1,
        }
    )


def tickets(rows: int = 640, seed: int = 6) -> Any:
    """Tickets of a help desk: priorities, teams, agents, times, satisfaction with gaps."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    team = rng.choice(["Billing", "Hardware", "Network", "Accounts"], rows, p=[0.31, 0.27, 0.24, 0.18])
    priority = rng.choice(["low", "normal", "high", "urgent"], rows, p=[0.25, 0.45, 0.22, 0.08])
    base = {"low": 30.0, "normal": 18.0, "high": 9.0, "urgent": 4.0}
    hours = np.array([base[p] for p in priority]) * rng.lognormal(0, 0.6, rows)
    score = rng.integers(1, 6, rows).astype(float)
    score[rng.random(rows) < 0.21] = np.nan
    return pd.DataFrame(
        {
            "Ticket": [f"T-{i}" for i in range(1, rows + 1)],
            "Opened": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 366, rows)), unit="D"),
            "Team": team,
            "Agent": rng.choice(["Amara Okafor", "Ben Holt", "Chiara Rossi", "Dev Patel", "Elif Kaya", "Frank Moreau"], rows),
            "Priority": priority,
            "Resolution time (hours)": hours.round(1),
            "Replies": rng.poisson(3.1, rows) + 1,
            "Satisfaction": score,
            "Reopened": rng.random(rows) < 0.12,
        }
    )


def employees(rows: int = 180, seed: int = 7) -> Any:
    """Employees of a company: department, office, salary, tenure."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    department = rng.choice(["Engineering", "Sales", "Finance", "Support", "Legal"], rows, p=[0.4, 0.25, 0.13, 0.16, 0.06])
    pay = {"Engineering": 98_000, "Sales": 74_000, "Finance": 82_000, "Support": 56_000, "Legal": 105_000}
    return pd.DataFrame(
        {
            "employee_id": np.arange(1, rows + 1),
            "department": department,
            "office": rng.choice(["Berlin", "Lisbon", "Toronto"], rows, p=[0.5, 0.2, 0.3]),
            "salary_eur": (np.array([pay[d] for d in department]) * rng.lognormal(0, 0.15, rows)).round(-2),
            "tenure_years": rng.gamma(2.0, 2.2, rows).round(1),
            "hired": pd.Timestamp("2010-01-01") + pd.to_timedelta(rng.integers(0, 5400, rows), unit="D"),
            "remote": rng.random(rows) < 0.37,
            "vacation_days": rng.integers(20, 34, rows),
        }
    )


def held_out() -> dict[str, Any]:
    """Tables that only the kept-back statements use."""
    import statsmodels.api as sm

    crime = sm.datasets.statecrime.load_pandas().data.reset_index()
    grunfeld = sm.datasets.grunfeld.load_pandas().data
    grunfeld["year"] = grunfeld["year"].astype(int)
    return {
        "barley": _vega("barley.json"),
        "electricity": _vega("iowa-electricity.csv"),
        "victims": _vega("la-riots.csv"),
        "driving": _vega("driving.json"),
        "statecrime": crime,
        "grunfeld": grunfeld,
        "orders": orders(),
        "tickets": tickets(),
    }


def tuning() -> dict[str, Any]:
    """Tables that the tracer was written with."""
    return {
        "cars": _vega("cars.json"),
        "weather": _vega("seattle-weather.csv"),
        "stocks": _vega("stocks.csv"),
        "wheat": _vega("wheat.json"),
        "employees": employees(),
    }


def final() -> dict[str, Any]:
    """Tables of the statements that were written when the tracer was finished."""
    import statsmodels.api as sm

    macro = sm.datasets.macrodata.load_pandas().data.drop(columns=["m1", "realdpi", "realint"])
    macro["year"] = macro["year"].astype(int)
    macro["quarter"] = macro["quarter"].astype(int)
    return {"crimea": _vega("crimea.json"), "macro": macro, "airports": _vega("airports.csv"), "students": students()}


def students(rows: int = 320, seed: int = 8) -> Any:
    """Students of a school: grade, club, distance, absences, test scores with gaps."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    grade = rng.integers(7, 11, rows)
    math = np.clip(rng.normal(68 + 2 * (grade - 7), 12, rows), 0, 100).round(0)
    reading = np.clip(0.5 * math + rng.normal(36, 9, rows), 0, 100).round(0)
    reading[rng.random(rows) < 0.05] = np.nan
    return pd.DataFrame(
        {
            "student": [f"S{i:03d}" for i in range(1, rows + 1)],
            "grade": grade,
            "club": rng.choice(["chess", "drama", "soccer", "robotics", "none"], rows, p=[0.12, 0.18, 0.3, 0.15, 0.25]),
            "math_score": math,
            "reading_score": reading,
            "absences": rng.poisson(4.5, rows),
            "distance_to_school_km": rng.gamma(2.0, 1.6, rows).round(1),
            "scholarship": rng.choice(["yes", "no"], rows, p=[0.16, 0.84]),
        }
    )
