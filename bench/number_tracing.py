"""How well figures are traced: free statements, generated ones, random wrong figures, passages, answers of a model.

    python bench/number_tracing.py [--failures tuning|generated|answers|passages] [--draws 3]

Statements are hand-written (`number_tracing_held_out.txt`, `number_tracing_final.txt`, `number_tracing_tuning.txt`)
or generated over a table of 10,000 rows. Failures of the first two are never listed, so that nobody tunes on them.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from bench.number_tracing_generated import generated, shipments  # noqa: E402
from bench.number_tracing_statement import Statement, read_passages, read_statements  # noqa: E402
from bench.number_tracing_tables import final, held_out, tuning  # noqa: E402
from fmnb.data.numbers.matching import matches  # noqa: E402
from fmnb.data.numbers.parse import figures  # noqa: E402
from fmnb.data.numbers.report import Figure  # noqa: E402
from fmnb.data.numbers.tracer import Tracer  # noqa: E402


@dataclass(frozen=True)
class Outcome:
    """One labeled figure and what the tracer said of it."""

    statement: Statement
    start: int
    end: int
    right: bool
    figure: Figure | None

    @property
    def traced(self) -> bool:
        """Whether it was traced."""
        return self.figure is not None and self.figure.traced

    @property
    def amber(self) -> bool:
        """Whether another value was named beside it."""
        return self.figure is not None and self.figure.state == "differs"


def outcomes(statements: list[Statement], tracers: dict[str, Tracer]) -> list[Outcome]:
    """What the tracer says of each labeled figure."""
    found = []
    for statement in statements:
        report = tracers[statement.source].check(statement.text)
        for start, end, right in statement.labels:
            figure = next((f for f in report.figures if f.span[0] < end and start < f.span[1]), None)
            found.append(Outcome(statement, start, end, right, figure))
    return found


def summary(found: list[Outcome]) -> dict[str, Any]:
    """The shares that the goals are about."""
    right, wrong = [o for o in found if o.right], [o for o in found if not o.right]
    traced, amber = [o for o in found if o.traced], [o for o in found if o.amber]
    share = lambda part, whole: round(100 * part / whole, 1) if whole else None  # noqa: E731
    return {
        "right figures": len(right),
        "traced of right, %": share(sum(o.traced for o in right), len(right)),
        "wrong figures": len(wrong),
        "traced of wrong": sum(o.traced for o in wrong),
        "traced": len(traced),
        "right of traced, %": share(sum(o.right for o in traced), len(traced)),
        "amber": len(amber),
        "wrong of amber, %": share(sum(not o.right for o in amber), len(amber)),
    }


def altered(statements: list[Statement], tracers: dict[str, Tracer], draws: int, seed: int = 3) -> list[Outcome]:
    """Each right figure replaced by a random one within half to one and a half of it, written alike."""
    rng = random.Random(seed)
    found = []
    for statement in statements:
        for start, end, _ in statement.labels if right_only(statement) else ():
            written = statement.text[start:end]
            for _ in range(draws):
                other = _random_figure(written, rng)
                if other is None:
                    continue
                text = statement.text[:start] + other + statement.text[end:]
                changed = Statement(statement.source, text, ((start, start + len(other), False),))
                found += outcomes([changed], {statement.source: tracers[statement.source]})
    return found


def slips(statements: list[Statement], by_source: dict[str, Tracer], seed: int = 4) -> list[Outcome]:
    """Errors as models make them: one digit changed, or two figures of a statement in each other's place."""
    rng = random.Random(seed)
    found = []
    for statement in statements:
        spots = [(a, b) for a, b, _ in statement.labels] if right_only(statement) else []
        for start, end in spots:
            written = statement.text[start:end]
            others = [statement.text[a:b] for a, b in spots if _swappable(written, statement.text[a:b])]
            for other in [_changed_digit(written, rng), *others[:1]]:
                if other and other != written:
                    text = statement.text[:start] + other + statement.text[end:]
                    changed = Statement(statement.source, text, ((start, start + len(other), False),))
                    found += outcomes([changed], by_source)
    return found


def _swappable(one: str, other: str) -> bool:
    a, b = figures(one + " "), figures(other + " ")
    alike = len(a) == len(b) == 1 and a[0].kind == b[0].kind and a[0].unit == b[0].unit
    return alike and not matches(a[0], b[0].value) and not matches(b[0], a[0].value)


def _changed_digit(written: str, rng: random.Random) -> str | None:
    places = [i for i, c in enumerate(written) if c.isdigit()]
    parsed = figures(written + " ")
    if not places or len(parsed) != 1 or parsed[0].kind == "date":
        return None
    i = rng.choice(places)
    other = written[:i] + rng.choice([c for c in "123456789" if c != written[i]]) + written[i + 1 :]
    again = figures(other + " ")
    return other if len(again) == 1 and not matches(parsed[0], again[0].value) and not matches(again[0], parsed[0].value) else None


def right_only(statement: Statement) -> bool:
    """Whether all labels of a statement are right."""
    return all(right for *_, right in statement.labels)


def _random_figure(written: str, rng: random.Random) -> str | None:
    digits = [i for i, c in enumerate(written) if c.isdigit()]
    parsed = figures(written + " ")
    if not digits or len(parsed) != 1 or parsed[0].kind == "date":
        return None
    core = written[digits[0] : digits[-1] + 1]
    value = float(core.replace(",", ""))
    places = len(core.partition(".")[2])
    for _ in range(20):
        drawn = f"{rng.uniform(0.5, 1.5) * value:,.{places}f}"
        drawn = drawn if "," in core else drawn.replace(",", "")
        other = written[: digits[0]] + drawn + written[digits[-1] + 1 :]
        reparsed = figures(other + " ")
        if len(reparsed) == 1 and not matches(parsed[0], reparsed[0].value) and not matches(reparsed[0], parsed[0].value):
            return other
    return None


def failures(found: list[Outcome]) -> Iterator[str]:
    """Right figures that were not traced, wrong ones that were, and amber ones that are right."""
    for o in found:
        what = "missed" if o.right and not o.traced else "WRONG TRACED" if not o.right and o.traced else ""
        if o.amber and o.right:
            what += " AMBER"
        if what:
            text = o.statement.text
            marked = text[: o.start] + "[[" + text[o.start : o.end] + "]]" + text[o.end :]
            state = f"{o.figure.state}: {o.figure.explanation}" if o.figure else "no figure"
            yield f"{what} | {o.statement.source} | {marked} | {state}"


def tracers(tables: dict[str, Any]) -> dict[str, Tracer]:
    """One tracer a table."""
    return {name: Tracer({name: table}) for name, table in tables.items()}


def milliseconds(statements: list[Statement], by_source: dict[str, Tracer]) -> list[float]:
    """CPU time of each statement."""
    found = []
    for statement in statements:
        began = time.process_time()
        by_source[statement.source].check(statement.text)
        found.append((time.process_time() - began) * 1e3)
    return found


def row(name: str, statements: list[Statement], by_source: dict[str, Tracer], draws: int) -> dict[str, Any]:
    """What the benchmark says of one set of statements."""
    times = sorted(milliseconds(statements, by_source))
    found: dict[str, Any] = {"set": name, "statements": len(statements), **summary(outcomes(statements, by_source))}
    for what, changed in (("random", altered(statements, by_source, draws)), ("slips", slips(statements, by_source))):
        if changed:
            found[what] = len(changed)
            found[f"{what} traced, %"] = round(100 * sum(o.traced for o in changed) / len(changed), 2)
    return found | {"ms median": round(statistics.median(times), 2), "ms p95": round(times[int(0.95 * len(times))], 2)}


HOSTILE = ["1 ", "1.", "1,", "a1", "a_", "-", "$", "(", "one and ", "12% of ", "North 12 ", "|", "`", "in 2021 ", "5 times more than "]


def slowest(tracer: Tracer) -> dict[str, Any]:
    """The longest CPU time of 50 kB that repeat a short piece."""
    took = {}
    for piece in HOSTILE:
        began = time.process_time()
        tracer.check((piece * 50_000)[:50_000])
        took[piece] = time.process_time() - began
    worst = max(took, key=lambda piece: took[piece])
    return {"set": "50 kB of one repeated piece, the slowest", "piece": repr(worst), "seconds": round(took[worst], 2)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--failures", choices=["tuning", "generated", "answers", "passages"], default=None)
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    frame = shipments()
    began = time.process_time()
    wide = Tracer({"shipments": frame})
    index = round((time.process_time() - began) * 1e3)
    answers = json.loads((HERE / "number_tracing_answers.json").read_text("utf-8"))
    sets = {
        "tuning": (read_statements(HERE / "number_tracing_tuning.txt"), tracers(tuning())),
        "held out": (read_statements(HERE / "number_tracing_held_out.txt"), tracers(held_out())),
        "final": (read_statements(HERE / "number_tracing_final.txt"), tracers(final())),
        "generated": ([s for _, s in generated(frame)], {"shipments": wide}),
        "answers": (read_statements(HERE / "number_tracing_answers.txt"), tracers(answers)),
        "passages": read_passages(HERE / "number_tracing_passages.txt"),
    }
    for name, (statements, by_source) in sets.items():
        if options.failures == name:
            print("\n".join(failures(outcomes(statements, by_source))))
        print(json.dumps(row(name, statements, by_source, options.draws)), flush=True)
    print(json.dumps({"set": "index of a table of 10,000 rows and 20 columns", "ms": index}))
    print(json.dumps(slowest(wide)))


if __name__ == "__main__":
    main()
