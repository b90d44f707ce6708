"""Remembers held-out rows as hashes and vectors, without their text, and refuses to train on them.

The files of this user only grow: `heldout.jsonl` has a line per held-out text (hashes of its words, and
its vector if an embedding model is installed), `heldout.txt` has fingerprints of whole prompts and of
older versions, `beside.txt` has hashes of the rows that stayed for training when their data set was split.
`fm.Dataset` adds rows when they are held out, and an evaluation adds their rendered prompts; every
export of training data is checked here first.
"""

from __future__ import annotations

import base64
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...calls.embed import DEFAULT, embed
from ...config.settings import state_dir
from ...core.errors import FmnbError, StoreError, UsageError
from .near_duplicates import HeldoutText, Index
from .paraphrases import make_background
from .sample import Sample, fingerprint
from .text_signatures import Array, Signature, flat_words, signature, split_parts, text_hash, unknown_words, unmask, without_courtesies

_MAX_NAMED = 3  # rows named in an error
_MANY_VECTORS = 500  # from this many vectors on, progress is shown
_MIN_COLUMN_WORDS = 4  # average words of a text column


@dataclass(frozen=True)
class Match:
    """A row that is held out or resembles a held-out row.

    `heldout_id` is the id of that row, `source` its data set, `reason` what they have in common.
    """

    row: str
    heldout_id: str = ""
    source: str = ""
    reason: str = ""
    similarity: float = 1.0

    def __str__(self) -> str:
        if not self.heldout_id:
            return f"{self.row} ({self.reason})"
        data_set = f" of {self.source}" if self.source else ""
        return f"{self.row} ({self.reason}{f', {self.similarity:.2f}' if self.similarity < 1 else ''}: row {self.heldout_id}{data_set})"


def _fingerprint_file() -> Path:
    return state_dir() / "heldout.txt"


def _heldout_file() -> Path:
    return state_dir() / "heldout.jsonl"


def _other_rows_file() -> Path:
    return state_dir() / "beside.txt"


def known_fingerprints() -> set[str]:
    """The stored fingerprints of whole texts."""
    return _read_words(_fingerprint_file())


def _read_words(path: Path) -> set[str]:
    try:
        return set(path.read_text(encoding="ascii").split())
    except FileNotFoundError:
        return set()


def remember_texts(texts: Iterable[str]) -> int:
    """Store fingerprints of whole texts (prompts) and return how many were new."""
    new = {fingerprint(t) for t in texts} - known_fingerprints()
    _append(_fingerprint_file(), [f"{n}\n" for n in sorted(new)])
    return len(new)


def remember_rows(samples: Sequence[Sample], source: str = "", others: Sequence[Sample] = ()) -> int:
    """Store held-out rows as hashes and vectors of their texts.

    Args:
        samples: The held-out rows.
        source: The name of their data set.
        others: The other rows of the data set. They existed when the held-out rows were chosen, so they
            are not later paraphrases of them, however similar they are.

    Returns:
        How many texts were new.

    Raises:
        StoreError: The file cannot be written.
    """
    known_hashes = {h.signature.text_hash for h in _heldout_texts()}
    new: dict[int, tuple[Sample, str, Signature]] = {}
    for s, text in _question_texts(samples):
        for variant in dict.fromkeys((text, unmask(text))):
            sig = signature(variant)
            if sig.length and sig.text_hash not in known_hashes:
                new.setdefault(sig.text_hash, (s, variant, sig))
    vectors = _vectors([text for _, text, _ in new.values()])
    lines = []
    for s, text, sig in new.values():
        line: dict[str, Any] = {"v": 1, "id": s.id, **({"source": source} if source else {}), **sig.to_dict()}
        if text in vectors:
            line["vector"] = base64.b64encode(vectors[text].astype(np.float16).tobytes()).decode()
        lines.append(json.dumps(line) + "\n")
    _append(_heldout_file(), lines)
    remember_texts(s.text for s in samples if s.text)
    if new:
        new_hashes = {str(text_hash(text)) for _, text in _question_texts(others)} - _read_words(_other_rows_file())
        _append(_other_rows_file(), [f"{n}\n" for n in sorted(new_hashes)])
    return len(new)


def find_matches(samples: Sequence[Sample], texts: Sequence[str] = ()) -> list[Match]:
    """Find the samples that are held out or resemble a held-out row.

    `texts` are the prompts rendered from the samples.
    """
    fingerprints, heldout_texts = known_fingerprints(), _heldout_texts()
    prompts = list(texts) or [""] * len(samples)
    matches: dict[int, Match] = {}
    if heldout_texts:
        nearest = _nearest_matches(samples, prompts)
        matches = {i: m for i, m in enumerate(nearest) if m is not None}
    for i, (s, p) in enumerate(zip(samples, prompts, strict=True)):
        if s.split == "heldout":
            matches[i] = Match(s.id, reason="held out")
        elif i not in matches and any(
            fingerprint(t) in fingerprints for text in (s.text, p, *_strings(s)) for t in (text, unmask(text)) if t
        ):
            matches[i] = Match(s.id, reason="the text of a row held out before")
    return [matches[i] for i in sorted(matches)]


def require_not_heldout(samples: Sequence[Sample], texts: Sequence[str] = ()) -> None:
    """Raise UsageError if a sample is held out or resembles a held-out row.

    Text before, after or around the held-out text does not hide it. `texts` are the prompts rendered from the
    samples. The error names the rows and what they resemble.
    """
    matches = find_matches(samples, texts)
    if matches:
        row_names = ", ".join(map(str, matches[:_MAX_NAMED])) + (
            f" and {len(matches) - _MAX_NAMED:,} more" if len(matches) > _MAX_NAMED else ""
        )
        raise UsageError(
            f"{len(matches):,} of {len(samples):,} rows are held out or resemble held-out rows, and must not be used for training",
            detail=row_names,
            hint='Export the others: `dataset["train"].export(...)`, or `dataset.without_heldout()`.',
        )


def _nearest_matches(samples: Sequence[Sample], prompts: Sequence[str]) -> Iterator[Match | None]:
    """For each sample, the held-out text that it equals, contains or resembles."""
    index = _index()
    row_texts = [[t for t in (s.text, *_strings(s), p) if t] for s, p in zip(samples, prompts, strict=True)]
    variants = [list(dict.fromkeys([*texts, *map(unmask, texts)])) for texts in row_texts]
    signatures = [[signature(t) for t in texts] for texts in variants]
    index.common = _template_hashes([s for sigs in signatures for s in sigs[:1]])
    signatures = [
        [index.correct_spelling(s, unknown_words(t, index.document_frequency)) for t, s in zip(texts, sigs, strict=True)]
        for texts, sigs in zip(variants, signatures, strict=True)
    ]
    without_template = _without_template([unmask(t) for s, texts in zip(samples, variants, strict=True) for t in _texts_to_embed(s, texts)])
    vector_of = _vectors(list(without_template.values())) if index.has_vectors else {}
    vectors = {t: vector_of[b] for t, b in without_template.items() if b in vector_of}
    background = make_background([vector_of[b] for b in dict.fromkeys(without_template.values()) if b in vector_of])
    other_rows = {int(n) for n in _read_words(_other_rows_file())}
    for s, texts, sigs in zip(samples, variants, signatures, strict=True):
        equal_texts = [i for t in texts if (i := _find_equal(index, t)) is not None] or [
            i for g in sigs if (i := index.unspaced.get(g.unspaced)) is not None
        ]
        equal = index.texts[equal_texts[0]] if equal_texts else None
        if equal is not None:
            yield Match(s.id, equal.id, equal.source, "the same text")
            continue
        candidates = [
            n
            for t, sig in zip(texts, sigs, strict=True)
            if (n := index.near(sig, vectors.get(t), paraphrases=sig.text_hash not in other_rows, background=background))
        ]
        best = max(candidates, key=lambda n: n.value, default=None)
        yield Match(s.id, best.text.id, best.text.source, best.reason, best.value) if best else None


def _template_hashes(signatures: Sequence[Signature]) -> frozenset[int]:
    """Hashes of words and word sequences that occur in most of many texts: those of a template."""
    if len(signatures) < 10:
        return frozenset()
    counts = Counter(x for s in signatures for x in s.words | s.grams)
    return frozenset(x for x, n in counts.items() if n > 0.3 * len(signatures))


def _without_template(texts: Sequence[str]) -> dict[str, str]:
    """Each text without the lines and sentences that most of many texts share: those of a template."""
    parts_of = {t: [(text_hash(p), p) for p in split_parts(t)] for t in dict.fromkeys(texts)}
    if len(parts_of) < 10:
        return {t: t for t in parts_of}
    counts = Counter(h for pieces in parts_of.values() for h in {h for h, _ in pieces})
    common = {h for h, n in counts.items() if n > 0.3 * len(parts_of)}
    return {t: " ".join(p.strip() for h, p in pieces if h not in common) or t for t, pieces in parts_of.items()}


def _question_texts(samples: Sequence[Sample]) -> Iterator[tuple[Sample, str]]:
    """The texts that rows ask about.

    These are the columns of sentences or of short texts that differ from row to row; without such a column,
    the row's longest text.
    """
    cells: dict[str, list[str]] = defaultdict(list)
    for s in samples:
        for name, value in s.values.items():
            if isinstance(value, str) and value.strip() and value != s.group:
                cells[name].append(value)
    text_columns = {n for n, v in cells.items() if _is_text(v)}
    for s in samples:
        texts = [v for n, v in s.values.items() if n in text_columns and isinstance(v, str) and v.strip()]
        if not texts:
            strings = [t for t in _strings(s) if t != s.group]
            texts = [max(strings, key=len)] if strings else [s.text]
        for text in texts:
            yield s, text


def _is_text(values: Sequence[str]) -> bool:
    lengths = [len(flat_words(v)) for v in values]
    if sum(lengths) >= _MIN_COLUMN_WORDS * len(values):
        return True
    ids = sum(n < 2 and any(c.isdigit() for c in v) for n, v in zip(lengths, values, strict=True))
    return len(values) >= 10 and len(set(values)) >= 0.5 * len(values) and ids < 0.5 * len(values)


def _strings(s: Sample) -> list[str]:
    return [t for v in s.values.values() for t in _nested_strings(v) if t.strip()]


def _nested_strings(value: Any) -> Iterator[str]:
    """The texts in a value, in a list of messages, or in JSON."""
    if isinstance(value, str):
        yield value
        if value.lstrip()[:1] in ("{", "["):
            try:
                yield from _nested_strings(json.loads(value))
            except (ValueError, RecursionError):
                pass
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from _nested_strings(v)
    elif isinstance(value, Mapping):
        yield from _nested_strings(list(value.values()))


def _texts_to_embed(s: Sample, texts: Sequence[str]) -> list[str]:
    """The texts of a row that get a vector: its two longest values, or all of it."""
    strings = sorted(_strings(s), key=len, reverse=True)[:2]
    return strings or list(texts[:1])


def _vectors(texts: Sequence[str]) -> dict[str, Array]:
    """Vectors of the local embedding model; empty if none is installed. Nothing is downloaded."""
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        return {}
    try:
        vectors = embed([without_courtesies(t) for t in distinct], DEFAULT, sinks=[] if len(distinct) < _MANY_VECTORS else None)
    except (FmnbError, ImportError):
        return {}
    return dict(zip(distinct, vectors, strict=True))


def _heldout_texts() -> tuple[HeldoutText, ...]:
    """The held-out texts of the file, which is read again after a change."""
    path = _heldout_file()
    try:
        stat = path.stat()
    except FileNotFoundError:
        return ()
    return _read(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(2)
def _read(path: Path, size: int, mtime_ns: int) -> tuple[HeldoutText, ...]:
    texts = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            d = json.loads(line)
            vector = np.frombuffer(base64.b64decode(d["vector"]), dtype=np.float16).astype(np.float32) if d.get("vector") else None
            texts.append(HeldoutText(Signature.from_dict(d), str(d.get("id", "")), str(d.get("source", "")), vector))
        except (ValueError, KeyError, TypeError):  # a line truncated by a full disk; the others still count
            continue
    return tuple(texts)


@lru_cache(2)
def _index_of(key: tuple[Path, int, int]) -> Index:
    return Index(_read(*key))


def _index() -> Index:
    path = _heldout_file()
    stat = path.stat()
    return _index_of((path, stat.st_size, stat.st_mtime_ns))


def _append(path: Path, lines: Sequence[str]) -> None:
    if not lines:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(fd, "a", encoding="utf-8") as f:
            f.write("".join(lines))
    except OSError as e:
        raise StoreError(
            "Held-out rows could not be stored", detail=str(e), hint="Free disk space, or set FMNB_STATE to another folder."
        ) from None


def _find_equal(index: Index, text: str) -> int | None:
    """Index of the held-out text that equals the text, or a line or sentence of it with 3 words or more."""
    i = index.whole.get(text_hash(text))
    if i is not None and (len(flat_words(text)) > 1 or len(text.strip()) > 3):
        return i
    for part in split_parts(text):
        for piece in (part, part.partition(":")[2]):
            if len(flat_words(piece)) >= 3 and (i := index.whole.get(text_hash(piece))) is not None:
                return i
    return None
