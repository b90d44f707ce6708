"""What a batch gives: an Answer for every row, model and sample, and the table with them as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from ..comparison.comparison import COLUMNS
from ..schemas.spec import SchemaSpec
from .io.tables import Column, Table, free_name

KINDS = {
    **dict.fromkeys(("model", "text", "error", "vote", "run"), "str"),
    **dict.fromkeys(("seconds", "first_token_seconds", "cost"), "float"),
    **dict.fromkeys(("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"), "int"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a batch: to row number `row`, from `model` as it was asked for, the `sample`-th time.

    `run` reopens it; `data` is the structured answer as JSON holds it; `error` is None or what
    `FmnbError.to_dict` says; `finish` is "" where the row was never asked. `cost` is US
    dollars, None where unknown, and 0 in all but one of the rows that asked the same, so that the
    sum of a batch's answers is what they cost together; where it is `estimated`, so is part of the tokens. `labels` are the probabilities of a closed set of labels, from
    engines that choose by scoring.
    """

    row: int
    model: str
    sample: int = 0
    run: str = ""
    text: str = ""
    data: Any = None
    error: dict[str, Any] | None = None
    finish: str = ""
    seconds: float | None = None
    first_token_seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: float | None = None
    source: str = "live"
    estimated: bool = False
    logprobs: tuple[dict[str, Any], ...] = ()
    labels: Mapping[str, float] = field(default_factory=dict)


_FROM_LOG = tuple(n for n in Answer.__slots__ if n not in ("row", "model", "sample", "logprobs", "labels"))


def answer(row: int, model: str, sample: int, columns: Mapping[str, Any]) -> Answer:
    """The answer that a run's columns in the log are."""
    found = {n: columns[n] for n in _FROM_LOG} | {"estimated": bool(columns["estimated"])}
    return Answer(row, model, sample, **found, logprobs=columns.get("logprobs", ()), labels=columns.get("labels", {}))


def from_before(a: Answer) -> Answer:
    """An answer that was not paid for now."""
    return replace(a, source="cached") if a.source == "live" else a


def repeated(a: Answer) -> Answer:
    """The same answer in a row that asked the same as another, which has what it cost."""
    return replace(from_before(a), cost=None if a.cost is None else 0.0)


def added(
    table: Table, answers: Sequence[Answer], models: Sequence[str], samples: int, spec: SchemaSpec | None
) -> tuple[list[Column], dict[str, list[str]]]:
    """The columns to add to a table, and what columns are called whose name is taken.

    `answers` are in the order of row, model, sample; each model and sample has a set of columns.
    """
    each = len(models) * samples
    taken: list[str] = [*table.columns, *table.taken]
    changed: dict[str, list[str]] = {}
    out = []
    for m, model in enumerate(models):
        for s in range(samples):
            some = answers[m * samples + s :: each] if each > 1 else answers
            label = ("_" + model if len(models) > 1 else "") + (f"_{s + 1}" if samples > 1 else "")
            for column in [*_fields(some, spec), *_usual(some)]:
                wanted = column.name + label
                name = free_name(wanted, taken)
                if name != wanted:
                    changed.setdefault(wanted, []).append(name)
                taken.append(name)
                out.append(Column(name, column.values, column.kind))
    return out, changed


def suffixed(changed: Mapping[str, Sequence[str]]) -> list[str]:
    """What is said of names that were taken.

    >>> suffixed({"text": ["text_fm"]})
    ["text is there already: the answers' column is called text_fm"]
    """
    if not changed:
        return []
    called = [name for some in changed.values() for name in some]
    return [
        f"{', '.join(changed)} {'is' if len(changed) == 1 else 'are'} there already: the answers'"
        f" {'column is' if len(called) == 1 else 'columns are'} called {', '.join(called)}"
    ]


def _usual(answers: Sequence[Answer]) -> Iterator[Column]:
    for name in COLUMNS:
        if name == "error":
            yield Column(name, [_words(a.error) for a in answers], "str")
        elif name == "vote":
            yield Column(name, [None] * len(answers), "str")
        elif name == "text":
            yield Column(name, [a.text if a.run else None for a in answers], "str")  # of a row that was not asked there is none
        else:
            yield Column(name, [getattr(a, name) for a in answers], KINDS.get(name, "object"))


def _words(error: Mapping[str, Any] | None) -> str | None:
    if error is None:
        return None
    return f"{error['message']}: {error['detail']}" if error.get("detail") else str(error["message"])


def _fields(answers: Sequence[Answer], spec: SchemaSpec | None) -> Iterator[Column]:
    """A typed column for each field of the schema; a schema that is no record is one column."""
    if spec is None:
        return
    schema = spec.schema
    if spec.wrapped or "properties" not in schema:
        yield Column("items" if spec.wrapped else "value", [a.data for a in answers], "object")
        return
    for name, field_ in schema["properties"].items():
        kind = _kind(field_)
        values = [a.data.get(name) if isinstance(a.data, dict) else None for a in answers]
        yield Column(name, [_typed(v, kind) for v in values], kind)


def _kind(field_: Mapping[str, Any]) -> str:
    """What kind of column a field of a JSON schema makes.

    >>> _kind({"anyOf": [{"type": "integer"}, {"type": "null"}]})
    'int'
    """
    if "anyOf" in field_:
        inner = [f for f in field_["anyOf"] if f.get("type") != "null"]
        return _kind(inner[0]) if len(inner) == 1 else "object"
    if field_.get("format") == "date":
        return "date"
    if "enum" in field_ and all(isinstance(v, str) or v is None for v in field_["enum"]):
        return "str"
    if (
        field_.get("type") == "array"
        and (field_.get("items") or {}).get("type") == "string"
        and not (field_.get("items") or {}).get("format")
    ):
        return "list"
    kind = field_.get("type")
    if isinstance(kind, list):
        kinds = [k for k in kind if k != "null"]
        kind = kinds[0] if len(kinds) == 1 else ""
    return {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}.get(str(kind), "object")


def _typed(value: Any, kind: str) -> Any:
    try:
        match kind:
            case "int" if isinstance(value, float):
                return int(value)
            case "float" if isinstance(value, int):
                return float(value)
            case "date" if isinstance(value, str):
                return date.fromisoformat(value)
    except (ValueError, OverflowError):
        return None
    return value
