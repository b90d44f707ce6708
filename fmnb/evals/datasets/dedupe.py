"""Rows that are the same, or nearly: found by the words they share, without comparing every pair."""

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
_CUSTOMER = "account|client|customer|session"  # not where a prompt uses them: then they may be what it is about
_ID_NAME = r"id|uid|uuid|guid|index|row|timestamp|created_at|updated_at|(?:.*[_\-. ])?id|(?-i:[a-z]+I[dD])|unnamed: ?\d+"
_ID = re.compile(rf"(?:{_ID_NAME}|(?:{_PERSON})(?:[_\-. ]?name)?)", re.IGNORECASE)
_ID_OR_PERSON = re.compile(rf"(?:{_ID_NAME}|n|no|nr|#|line|(?:{_PERSON}|{_CUSTOMER})(?:[_\-. ]?name)?)", re.IGNORECASE)
_ADDRESS_OR_TIME = re.compile(r"\S+@\S+\.\w+|[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*", re.IGNORECASE)
_QUESTION = re.compile(r"(?i)(?:.*_)?(?:q|question|prompt|input|instruction|query|text|message|request|content|ticket|problem|task)")


def questions(samples: Sequence[Sample], by: str = "", prompt: str = "") -> list[str | None]:
    """What each row asks, as a key that equal questions share: its content without users, ids and targets.

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
    used = [c for c in columns if c in _used_columns(prompt)]
    asked = _content(samples, used or columns, by, _ID if used else _ID_OR_PERSON)
    if not used and not any(_QUESTION.fullmatch(c) or _is_prose(samples, c) for c in asked):
        asked = []
    if not asked:
        return [None] * len(samples)
    return [_content_key([s.values.get(c) for c in asked]) for s in samples]


def exact(samples: Sequence[Sample], by: str = "") -> list[tuple[int, int]]:
    """Pairs (later, first) of rows with equal content, whatever case, spacing, user and id."""
    first: dict[str, int] = {}
    columns = list(dict.fromkeys(c for s in samples for c in s.values))
    content = _content(samples, columns, by, _ID_OR_PERSON) or columns
    keys = [_content_key([s.values.get(c) for c in content]) or s.fingerprint for s in samples]
    return [(i, j) for i, k in enumerate(keys) if (j := first.setdefault(k, i)) != i]


def contents(samples: Sequence[Sample]) -> list[str]:
    """Each row's content as one text, without users and ids: for near duplicates."""
    columns = list(dict.fromkeys(c for s in samples for c in s.values))
    kept = set(_content(samples, columns, "", _ID_OR_PERSON) or columns)
    return [replace(s, values={c: v for c, v in s.values.items() if c in kept}).text for s in samples]


def _content(samples: Sequence[Sample], columns: Sequence[str], by: str, ids: re.Pattern[str]) -> list[str]:
    """Columns that are neither ids nor people nor the group that is known already."""
    return [c for c in columns if c != by and not ids.fullmatch(c) and not _is_group(samples, c) and not _is_id(samples, c)]


def _is_group(samples: Sequence[Sample], column: str) -> bool:
    grouped = [s for s in samples if s.group is not None]
    return bool(grouped) and all(str(s.values.get(column)) == s.group for s in grouped)


def _is_id(samples: Sequence[Sample], column: str) -> bool:
    """Whether a column holds nothing but addresses of mail, UUIDs or moments."""
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
    """The values without case, spacing, and punctuation at the ends of words; None for nothing at all."""
    texts = [
        v if isinstance(v, str) else "" if v is None else json.dumps(to_json_value(v), ensure_ascii=False, sort_keys=True) for v in values
    ]
    flat = ["\x1f".join(_without_punctuation(t) for t in texts)]
    return fingerprint(flat[0]) if flat[0].strip("\x1f") else None


def _without_punctuation(text: str) -> str:
    words = unicodedata.normalize("NFKC", text).casefold().split()
    return " ".join(b for w in words if (b := w.strip(".,;:!?…\"'“”‘’«»"))) or " ".join(words)


def near(texts: Sequence[str], similarity: float = 0.8) -> list[tuple[int, int, float]]:
    """Pairs (later, earlier, likeness) of texts whose three-word sequences overlap by `similarity` (Jaccard) or more.

    Found by MinHash in bands (Broder 1997), then checked: no pair is reported that is less
    alike; at 0.8 about one pair in a thousand is missed, and fewer the more alike they are.

    >>> a = "the cat sat on the mat and looked at the dog"
    >>> near([a, a + " again", "something else entirely it is"])
    [(1, 0, 0.9)]
    """
    sets = [_shingles(t) for t in texts]
    random = np.random.default_rng(1)
    factors = random.integers(1, 1 << 31, _HASHES, dtype=np.int64).astype(np.uint64)
    shifts = random.integers(0, 1 << 31, _HASHES, dtype=np.int64).astype(np.uint64)
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    found = []
    for i, words in enumerate(sets):
        hashed = np.fromiter(words, dtype=np.uint64, count=len(words))
        least = ((hashed[:, None] * factors + shifts) % np.uint64(_PRIME)).min(axis=0).reshape(_BANDS, -1)
        candidates = set()
        for band, key in enumerate(least):
            bucket = buckets[band, key.tobytes()]
            candidates.update(bucket[:50])  # a bucket of many is one text many times: its first ones will do
            bucket.append(i)
        for j in sorted(candidates):
            likeness = len(words & sets[j]) / len(words | sets[j])
            if likeness >= similarity:
                found.append((i, j, round(likeness, 3)))
    return found


def _shingles(text: str) -> set[int]:
    words = re.findall(r"\w+", text.casefold()) or [fingerprint(text)]
    size = min(3, len(words))
    return {zlib.crc32(" ".join(words[i : i + size]).encode("utf-8", "surrogatepass")) for i in range(len(words) - size + 1)}
