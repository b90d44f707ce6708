"""One row of a test set: the prompt's values, the target, and the group it belongs to."""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...core.surrogates import replace_surrogates_in_text

SPLITS = ("train", "dev", "heldout")


@dataclass(frozen=True, slots=True)
class Sample:
    """One row: `values` are inserted into the prompt, `target` is a correct answer, or None if unknown.

    A list as target means that any of its items is correct. `group` names the user or template that
    rows share. `weak`: the target comes from behavior, not from a judgment. `made` is "machine" until a
    person confirms the row. `extra` holds chosen and rejected answers, runs, and annotators' labels.
    """

    id: str
    values: Mapping[str, Any]
    target: Any = None
    group: str | None = None
    split: str = ""
    weak: bool = False
    made: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The form that JSON can hold, without empty fields."""
        out: dict[str, Any] = {"id": self.id, "values": to_json_value(self.values)}
        for name in ("target", "group", "split", "weak", "made", "extra"):
            value = getattr(self, name)
            if value is not None and value is not False and value not in ("", {}):
                out[name] = to_json_value(value)
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Sample:
        """Rebuild a sample from the output of `to_dict`; unknown fields are ignored."""
        fields = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        fields["id"] = str(fields.get("id") or content_id(fields.get("values") or {}, fields.get("target")))
        return cls(**fields)

    @property
    def text(self) -> str:
        """The values as one text, for search and near duplicates."""
        return "\n".join(v if isinstance(v, str) else json.dumps(to_json_value(v), ensure_ascii=False) for v in self.values.values())

    @property
    def fingerprint(self) -> str:
        """Hex digest of the values, ignoring column names, case and spacing."""
        return fingerprint(self.text)


def fingerprint(text: str) -> str:
    """Hex digest of a text, ignoring case and spacing.

    >>> fingerprint("A  b") == fingerprint("a b ")
    True
    """
    flat = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.sha256(flat.encode("utf-8", "surrogatepass")).hexdigest()


def content_id(values: Mapping[str, Any], target: Any = None) -> str:
    """An id computed from the content, for rows without an id."""
    text = json.dumps([to_json_value(values), to_json_value(target)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def to_json_value(value: Any) -> Any:
    """Convert a value to a JSON value: numpy numbers, dates, missing values.

    An unpaired surrogate becomes U+FFFD.

    >>> to_json_value({"a": (1, float("nan"))})
    {'a': [1, None]}
    """
    if isinstance(value, str):
        return replace_surrogates_in_text(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): to_json_value(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [to_json_value(v) for v in value]
    if hasattr(value, "item") and not getattr(value, "shape", ()):
        return to_json_value(value.item())
    if hasattr(value, "tolist"):
        return to_json_value(value.tolist())
    return str(value) if value == value else None  # NaN and NaT are not equal to themselves


def batch_rows(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """The values of the samples as rows of a batch, in order."""
    names = list(dict.fromkeys(k for s in samples for k in s.values))
    return [{n: s.values.get(n) for n in names} for s in samples]
