"""Duplicate and near-duplicate rows, found by shared words without comparing every pair."""

from __future__ import annotations

import json
import re
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...core.errors import FmnbError
from ...prompts.prompt import names
from .sample import Sample, fingerprint, to_json_value

_HASHES, _BANDS = 96, 24
_PRIME = (1 << 61) - 1
_PERSON = "annotator|asker|participant|rater|respondent|user|worker"
_CUSTOMER = "account|client|customer|session"  # unless a prompt uses them: then they may be content
_ID_NAME = r"id|uid|uuid|guid|index|row|timestamp|created_at|updated_at|(?:.*[_\-. ])?id|(?-i:[a-z]+I[dD])|unnamed: ?\d+"
_ID = re.compile(rf"(?:{_ID_NAME}|(?:{_PERSON})(?:[_\-. ]?name)?)", re.IGNORECASE)
_ID_OR_PERSON = re.compile(rf"(?:{_ID_NAME}|n|no|nr|#|line|(?:{_PERSON}|{_CUSTOMER})(?:[_\-. ]?name)?)", re.IGNORECASE)
_ADDRESS_OR_TIME = re.compile(r"\S+@\S+\.\w+|[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*", re.IGNORECASE)
_QUESTION = re.compile(r"(?i)(?:.*_)?(?:q|question|prompt|input|instruction|query|text|message|request|content|ticket|problem|task)")


def questions(samples: Sequence[Sample], by: str = "", prompt: str = "") -> list[str | None]:
    """A key for each row's question: equal questions have equal keys.

    The key is the row's content without users, ids and targets.

    Args:
        samples: All rows of a set.
        by: The column of users or templates.
        prompt: The template; columns that it does not use do not count. Where it is not known,
            rows are compared only if they have a column of questions or of longer text.

    Returns:
        A key for each row; None where nothing is known of what it asks.

    >>> rows = [Sample("1", {"q": "What is 2+2?", "user": "ada"}), Sample("2", {"q": "what is 2+2", "user": "bob"})]
    >>> a, b = questions(rows, "user")
    >>> a == b
    True
    """
    columns = list(dict.fromkeys(c for s in samples for c in s.values))
    used_columns = [c for c in columns if c in _used_columns(prompt)]
    content_columns = _content(samples, used_columns or columns, by, _ID if used_columns else _ID_OR_PERSON)
    if not used_columns and not any(_QUESTION.fullmatch(c) or _is_prose(samples, c) for c in content_columns):
        content_columns = []
    if not content_columns:
        return [None] * len(samples)
    return [_content_key([s.values.get(c) for c in content_columns]) for s in samples]


def exact(samples: Sequence[Sample], by: str = "") -> list[tuple[int, int]]:
    """Pairs (later, first) of rows with equal content, ignoring case, spacing, users and ids."""
    first_rows: dict[str, int] = {}
    columns = list(dict.fromkeys(c for s in samples for c in s.values))
    content = _content(samples, columns, by, _ID_OR_PERSON) or columns
    keys = [_content_key([s.values.get(c) for c in content]) or s.fingerprint for s in samples]
    return [(i, j) for i, k in enumerate(keys) if (j := first_rows.setdefault(k, i)) != i]


def contents(samples: Sequence[Sample]) -> list[str]:
    """Each row's content as one text, without users and ids, for near duplicates."""
    columns = list(dict.fromkeys(c for s in samples for c in s.values))
    content_columns = set(_content(samples, columns, "", _ID_OR_PERSON) or columns)
    return [replace(s, values={c: v for c, v in s.values.items() if c in content_columns}).text for s in samples]


def _content(samples: Sequence[Sample], columns: Sequence[str], by: str, ids: re.Pattern[str]) -> list[str]:
    """The columns that are neither ids, nor people, nor the group."""
    return [c for c in columns if c != by and not ids.fullmatch(c) and not _is_group(samples, c) and not _is_id(samples, c)]


def _is_group(samples: Sequence[Sample], column: str) -> bool:
    grouped = [s for s in samples if s.group is not None]
    return bool(grouped) and all(str(s.values.get(column)) == s.group for s in grouped)


def _is_id(samples: Sequence[Sample], column: str) -> bool:
    """Whether a column holds only email addresses, UUIDs or timestamps."""
    values = [v for s in samples if (v := s.values.get(column)) is not None]
    return bool(values) and all(isinstance(v, str) and _ADDRESS_OR_TIME.fullmatch(v.strip()) for v in values)


def _is_prose(samples: Sequence[Sample], column: str) -> bool:
    return any(isinstance(v := s.values.get(column), str) and len(v.split()) > 2 for s in samples)


def _used_columns(prompt: str) -> set[str]:
    try:
        return names(prompt) if prompt else set()
    except FmnbError:
        return set()


def _content_key(values: Sequence[Any]) -> str | None:
    """The values without case, spacing and outer punctuation of words; None if nothing remains."""
    texts = [
        v if isinstance(v, str) else "" if v is None else json.dumps(to_json_value(v), ensure_ascii=False, sort_keys=True) for v in values
    ]
    flat = ["\x1f".join(_without_punctuation(t) for t in texts)]
    return fingerprint(flat[0]) if flat[0].strip("\x1f") else None


def _without_punctuation(text: str) -> str:
    words = unicodedata.normalize("NFKC", text).casefold().split()
    return " ".join(stripped for w in words if (stripped := w.strip(".,;:!?…\"'“”‘’«»"))) or " ".join(words)


def near(texts: Sequence[str], similarity: float = 0.8) -> list[tuple[int, int, float]]:
    """Pairs (later, earlier, similarity) of texts with similar sets of three-word sequences.

    Similarity is the Jaccard index, at least `similarity`. Candidates come from banded MinHash (Broder 1997)
    and are then verified, so no pair below the threshold is reported; at 0.8, about one pair in a thousand is
    missed, and fewer at higher similarity.

    >>> a = "the cat sat on the mat and looked at the dog"
    >>> near([a, a + " again", "something else entirely it is"])
    [(1, 0, 0.9)]
    """
    sets = [_shingles(t) for t in texts]
    rng = np.random.default_rng(1)
    factors = rng.integers(1, 1 << 31, _HASHES, dtype=np.int64).astype(np.uint64)
    shifts = rng.integers(0, 1 << 31, _HASHES, dtype=np.int64).astype(np.uint64)
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    pairs = []
    for i, words in enumerate(sets):
        hashes = np.fromiter(words, dtype=np.uint64, count=len(words))
        signature = ((hashes[:, None] * factors + shifts) % np.uint64(_PRIME)).min(axis=0).reshape(_BANDS, -1)
        candidates = set()
        for band, key in enumerate(signature):
            bucket = buckets[band, key.tobytes()]
            candidates.update(bucket[:50])  # a large bucket holds one text many times; its first rows suffice
            bucket.append(i)
        for j in sorted(candidates):
            overlap = len(words & sets[j]) / len(words | sets[j])
            if overlap >= similarity:
                pairs.append((i, j, round(overlap, 3)))
    return pairs


def _shingles(text: str) -> set[int]:
    words = re.findall(r"\w+", text.casefold()) or [fingerprint(text)]
    size = min(3, len(words))
    return {zlib.crc32(" ".join(words[i : i + size]).encode("utf-8", "surrogatepass")) for i in range(len(words) - size + 1)}
