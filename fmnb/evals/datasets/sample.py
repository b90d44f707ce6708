"""One row of a test set: what a prompt is filled with, what a good answer is, and whose it is."""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.surrogates import replace_surrogates_in_text

SPLITS = ("train", "dev", "heldout")


@dataclass(frozen=True, slots=True)
class Sample:
    """`values` are what `{{ names }}` of a prompt find; `target` a good answer (a list: any of them), None if unknown.

    `group` names whom or what rows hang together by: a user, a template. `weak` says that
    behaviour stood in for a judgement, `made` is "machine" until a person confirmed the row.
    `extra` holds what else is known: chosen and rejected answers, runs, raters' labels.
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
        """JSON-able form; what is empty is left out."""
        out: dict[str, Any] = {"id": self.id, "values": to_json_value(self.values)}
        for name in ("target", "group", "split", "weak", "made", "extra"):
            value = getattr(self, name)
            if value is not None and value is not False and value not in ("", {}):
                out[name] = to_json_value(value)
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Sample:
        """The sample that `to_dict` described; unknown fields are ignored."""
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        known["id"] = str(known.get("id") or content_id(known.get("values") or {}, known.get("target")))
        return cls(**known)

    @property
    def text(self) -> str:
        """The values as one text, for search, duplicates and near duplicates."""
        return "\n".join(v if isinstance(v, str) else json.dumps(to_json_value(v), ensure_ascii=False) for v in self.values.values())

    @property
    def fingerprint(self) -> str:
        """Hex digest of the values, whatever their names, case and spacing: what must not be trained on."""
        return fingerprint(self.text)


def fingerprint(text: str) -> str:
    """Hex digest of a text, whatever its case and spacing.

    >>> fingerprint("A  b") == fingerprint("a b ")
    True
    """
    flat = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.sha256(flat.encode("utf-8", "surrogatepass")).hexdigest()


def content_id(values: Mapping[str, Any], target: Any = None) -> str:
    """An id from the content, for rows that came without one."""
    text = json.dumps([to_json_value(values), to_json_value(target)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def to_json_value(value: Any) -> Any:
    """A value with a JSON form: numpy's numbers, dates and missing values as JSON knows them; half a surrogate pair has none and becomes U+FFFD.

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
    return str(value) if value == value else None  # what is not equal to itself is missing
