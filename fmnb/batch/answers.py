"""The answers of a batch: one per row, model and sample, and the table with answer columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from ..comparison.comparison import COLUMNS
from ..core.types import Label
from ..schemas.spec import SchemaSpec
from .io.tables import Column, Table, free_name

COLUMN_KINDS = {
    **dict.fromkeys(("model", "text", "error", "vote", "run"), "str"),
    **dict.fromkeys(("seconds", "first_token_seconds", "cost"), "float"),
    **dict.fromkeys(("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"), "int"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a batch: `row` is the row number, `model` the requested model, `sample` its number.

    `run` reopens it; `data` is the structured answer as JSON values; `error` is None or a dict of
    `FmnbError.to_dict`; `finish_reason` is "" if the row was not sent. `cost` is US dollars, None
    if unknown. Rows with the same request share one call: all but one of them have a cost of 0, so
    that the sum over a batch is correct. If the cost is `estimated`, so is part of the tokens.
    `labels` are the probabilities of a closed set of labels, from engines that choose by scoring.
    """

    row: int
    model: str
    sample: int = 0
    run: str = ""
    text: str = ""
    data: Any = None
    error: dict[str, Any] | None = None
    finish_reason: str = ""
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


# Fields of an answer that are columns of the log: field -> column
_FROM_LOG = {n: n for n in Answer.__slots__ if n not in ("row", "model", "sample", "logprobs", "labels")} | {"finish_reason": "finish"}


def answer_from_columns(row: int, model: str, sample: int, columns: Mapping[str, Any]) -> Answer:
    """The answer from a run's columns in the log."""
    fields = {name: columns[column] for name, column in _FROM_LOG.items()} | {"estimated": bool(columns["estimated"])}
    return Answer(row, model, sample, **fields, logprobs=columns.get("logprobs", ()), labels=columns.get("labels", {}))


def as_cached(a: Answer) -> Answer:
    """The answer of an earlier run, which cost nothing now."""
    return replace(a, source="cached") if a.source == "live" else a


def as_duplicate(a: Answer) -> Answer:
    """The same answer for a row with the same request; the first row has the cost."""
    return replace(as_cached(a), cost=None if a.cost is None else 0.0)


def answer_columns(
    table: Table, answers: Sequence[Answer], models: Sequence[str], samples: int, spec: SchemaSpec | None, content: Label | None = None
) -> tuple[list[Column], dict[str, list[str]]]:
    """The columns to add to a table, and the new names of those whose name is in use.

    `answers` are ordered by row, model, sample; each model and sample has its own columns.
    `content` is the label of what the prompts contain.
    """
    each = len(models) * samples
    used_names: list[str] = [*table.columns, *table.reserved]
    renamed: dict[str, list[str]] = {}
    out = []
    for m, model in enumerate(models):
        for s in range(samples):
            selected = answers[m * samples + s :: each] if each > 1 else answers
            label = ("_" + model if len(models) > 1 else "") + (f"_{s + 1}" if samples > 1 else "")
            for column in [*_schema_columns(selected, spec), *_standard_columns(selected)]:
                wanted = column.name + label
                name = free_name(wanted, used_names)
                if name != wanted:
                    renamed.setdefault(wanted, []).append(name)
                used_names.append(name)
                out.append(Column(name, column.values, column.kind, content))
    return out, renamed


def renamed_column_notes(renamed: Mapping[str, Sequence[str]]) -> list[str]:
    """A note about answer columns that got another name.

    >>> renamed_column_notes({"text": ["text_fm"]})
    ['the table already has text: the answer column is text_fm']
    """
    if not renamed:
        return []
    names = [name for some in renamed.values() for name in some]
    return [
        f"the table already has {', '.join(renamed)}: the answer {'column is' if len(names) == 1 else 'columns are'} {', '.join(names)}"
    ]


def _standard_columns(answers: Sequence[Answer]) -> Iterator[Column]:
    for name in COLUMNS:
        if name == "error":
            yield Column(name, [_error_text(a.error) for a in answers], "str")
        elif name == "vote":
            yield Column(name, [None] * len(answers), "str")
        elif name == "text":
            yield Column(name, [a.text if a.run else None for a in answers], "str")  # a row that was not sent has no text
        else:
            yield Column(name, [getattr(a, name) for a in answers], COLUMN_KINDS.get(name, "object"))


def _error_text(error: Mapping[str, Any] | None) -> str | None:
    if error is None:
        return None
    return f"{error['message']}: {error['detail']}" if error.get("detail") else str(error["message"])


def _schema_columns(answers: Sequence[Answer], spec: SchemaSpec | None) -> Iterator[Column]:
    """A typed column for each field of the schema; a schema without fields is one column."""
    if spec is None:
        return
    schema = spec.schema
    if spec.wrapped or "properties" not in schema:
        yield Column("items" if spec.wrapped else "value", [a.data for a in answers], "object")
        return
    for name, field_ in schema["properties"].items():
        kind = _column_kind(field_)
        values = [a.data.get(name) if isinstance(a.data, dict) else None for a in answers]
        yield Column(name, [_convert(v, kind) for v in values], kind)


def _column_kind(field_: Mapping[str, Any]) -> str:
    """The kind of column for a field of a JSON schema.

    >>> _column_kind({"anyOf": [{"type": "integer"}, {"type": "null"}]})
    'int'
    """
    if "anyOf" in field_:
        inner = [f for f in field_["anyOf"] if f.get("type") != "null"]
        return _column_kind(inner[0]) if len(inner) == 1 else "object"
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


def _convert(value: Any, kind: str) -> Any:
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
