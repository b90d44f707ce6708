"""What must never be trained on: what is left of held-out rows when their text is taken away, kept for this user.

The files only grow: `heldout.jsonl` has a line a held-out text (hashes of its words, its vector
where an embedder is here), `heldout.txt` the fingerprints of whole prompts and of older versions,
`beside.txt` hashes of the rows that stayed for training when their data set was split.
`fm.Dataset` adds rows when they are held out, an evaluation the prompts it made of them; every
way to training data asks here first.
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

_MAX_NAMED = 3  # rows named in a refusal
_MANY_VECTORS = 500  # vectors from which on their progress is shown
_MIN_COLUMN_WORDS = 4  # words on average: such a column is text


@dataclass(frozen=True)
class Match:
    """A row that is held out, or resembles a held-out row: `held` is that row's id, `source` its data set, `how` says by what."""

    row: str
    heldout_id: str = ""
    source: str = ""
    reason: str = ""
    similarity: float = 1.0

    def __str__(self) -> str:
        if not self.heldout_id:
            return f"{self.row} ({self.reason})"
        where = f" of {self.source}" if self.source else ""
        return f"{self.row} ({self.reason}{f', {self.similarity:.2f}' if self.similarity < 1 else ''}: row {self.heldout_id}{where})"


def _fingerprint_file() -> Path:
    return state_dir() / "heldout.txt"


def _heldout_file() -> Path:
    return state_dir() / "heldout.jsonl"


def _other_rows_file() -> Path:
    return state_dir() / "beside.txt"


def known_fingerprints() -> set[str]:
    """All fingerprints of whole texts."""
    return _read_words(_fingerprint_file())


def _read_words(path: Path) -> set[str]:
    try:
        return set(path.read_text(encoding="ascii").split())
    except FileNotFoundError:
        return set()


def remember_texts(texts: Iterable[str]) -> int:
    """Add whole texts (prompts) by their fingerprints; gives how many were new."""
    new = {fingerprint(t) for t in texts} - known_fingerprints()
    _append(_fingerprint_file(), [f"{n}\n" for n in sorted(new)])
    return len(new)


def remember_rows(samples: Sequence[Sample], source: str = "", others: Sequence[Sample] = ()) -> int:
    """Remember held-out rows by what their texts are made of.

    Args:
        samples: The held-out rows.
        source: The name of their data set.
        beside: The other rows of the data set. They were there when the held-out rows were chosen,
            so that they are no paraphrases of these made later, however alike one field's rows are.

    Returns:
        How many texts were new.

    Raises:
        StoreError: The file cannot be written.
    """
    before = {h.signature.whole for h in _heldout_texts()}
    new: dict[int, tuple[Sample, str, Signature]] = {}
    for s, text in _question_texts(samples):
        for form in dict.fromkeys((text, unmask(text))):
            found = signature(form)
            if found.length and found.whole not in before:
                new.setdefault(found.whole, (s, form, found))
    made = _vectors([text for _, text, _ in new.values()])
    lines = []
    for s, text, found in new.values():
        line: dict[str, Any] = {"v": 1, "id": s.id, **({"source": source} if source else {}), **found.to_dict()}
        if text in made:
            line["vector"] = base64.b64encode(made[text].astype(np.float16).tobytes()).decode()
        lines.append(json.dumps(line) + "\n")
    _append(_heldout_file(), lines)
    remember_texts(s.text for s in samples if s.text)
    if new:
        new_hashes = {str(text_hash(text)) for _, text in _question_texts(others)} - _read_words(_other_rows_file())
        _append(_other_rows_file(), [f"{n}\n" for n in sorted(new_hashes)])
    return len(new)


def find_matches(samples: Sequence[Sample], texts: Sequence[str] = ()) -> list[Match]:
    """Of each sample that is held out, or resembles a held-out one, why; `texts` are the prompts made of them."""
    whole_texts, held = known_fingerprints(), _heldout_texts()
    prompts = list(texts) or [""] * len(samples)
    found: dict[int, Match] = {}
    if held:
        near = _nearest_matches(samples, prompts)
        found = {i: m for i, m in enumerate(near) if m is not None}
    for i, (s, p) in enumerate(zip(samples, prompts, strict=True)):
        if s.split == "heldout":
            found[i] = Match(s.id, reason="held out")
        elif i not in found and any(fingerprint(t) in whole_texts for text in (s.text, p, *_strings(s)) for t in (text, unmask(text)) if t):
            found[i] = Match(s.id, reason="held out before, the same text")
    return [found[i] for i in sorted(found)]


def require_not_heldout(samples: Sequence[Sample], texts: Sequence[str] = ()) -> None:
    """Raises UsageError where a sample is held out or resembles a held-out one, whatever stands beside or around its text.

    `texts` are the prompts made of the samples. The error names the rows and what they resemble.
    """
    bad = find_matches(samples, texts)
    if bad:
        named = ", ".join(map(str, bad[:_MAX_NAMED])) + (f" and {len(bad) - _MAX_NAMED:,} more" if len(bad) > _MAX_NAMED else "")
        raise UsageError(
            f"{len(bad):,} of {len(samples):,} rows are held out, or nearly, and must not be trained on",
            detail=named,
            hint='Export the others: `dataset["train"].export(...)`, or `dataset.without_heldout()`.',
        )


def _nearest_matches(samples: Sequence[Sample], prompts: Sequence[str]) -> Iterator[Match | None]:
    """Of each sample the held-out text that it is, holds, or resembles."""
    index = _index()
    given = [[t for t in (s.text, *_strings(s), p) if t] for s, p in zip(samples, prompts, strict=True)]
    own = [list(dict.fromkeys([*texts, *map(unmask, texts)])) for texts in given]
    signed = [[signature(t) for t in texts] for texts in own]
    index.common = _template_hashes([s for some in signed for s in some[:1]])
    signed = [
        [index.corrected(s, unknown_words(t, index.document_frequency)) for t, s in zip(texts, some, strict=True)]
        for texts, some in zip(own, signed, strict=True)
    ]
    bare = _without_template([unmask(t) for s, texts in zip(samples, own, strict=True) for t in _texts_to_embed(s, texts)])
    made = _vectors(list(bare.values())) if index.has_vectors else {}
    vectors = {t: made[b] for t, b in bare.items() if b in made}
    around = make_background([made[b] for b in dict.fromkeys(bare.values()) if b in made])
    beside = {int(n) for n in _read_words(_other_rows_file())}
    for s, texts, some in zip(samples, own, signed, strict=True):
        alike = [i for t in texts if (i := _find_equal(index, t)) is not None] or [
            i for g in some if (i := index.unspaced.get(g.unspaced)) is not None
        ]
        equal = index.texts[alike[0]] if alike else None
        if equal is not None:
            yield Match(s.id, equal.id, equal.source, "the same text")
            continue
        near = [
            n
            for t, sig in zip(texts, some, strict=True)
            if (n := index.near(sig, vectors.get(t), paraphrases=sig.whole not in beside, background=around))
        ]
        best = max(near, key=lambda n: n.value, default=None)
        yield Match(s.id, best.text.id, best.text.source, best.reason, best.value) if best else None


def _template_hashes(signatures: Sequence[Signature]) -> frozenset[int]:
    """Words and runs of most texts, of many: a template stands around them."""
    if len(signatures) < 10:
        return frozenset()
    times = Counter(x for s in signatures for x in s.words | s.grams)
    return frozenset(x for x, n in times.items() if n > 0.3 * len(signatures))


def _without_template(texts: Sequence[str]) -> dict[str, str]:
    """Of each text what a template around many of them leaves: without the lines and sentences that most have."""
    split = {t: [(text_hash(p), p) for p in split_parts(t)] for t in dict.fromkeys(texts)}
    if len(split) < 10:
        return {t: t for t in split}
    times = Counter(h for pieces in split.values() for h in {h for h, _ in pieces})
    common = {h for h, n in times.items() if n > 0.3 * len(split)}
    return {t: " ".join(p.strip() for h, p in pieces if h not in common) or t for t, pieces in split.items()}


def _question_texts(samples: Sequence[Sample]) -> Iterator[tuple[Sample, str]]:
    """The texts that rows ask about: columns of sentences, or of short texts that differ from row to row; else a row's longest text."""
    cells: dict[str, list[str]] = defaultdict(list)
    for s in samples:
        for name, value in s.values.items():
            if isinstance(value, str) and value.strip() and value != s.group:
                cells[name].append(value)
    told = {n for n, v in cells.items() if _is_text(v)}
    for s in samples:
        mine = [v for n, v in s.values.items() if n in told and isinstance(v, str) and v.strip()]
        if not mine:
            strings = [t for t in _strings(s) if t != s.group]
            mine = [max(strings, key=len)] if strings else [s.text]
        for text in mine:
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
    """The texts of a value, of a list of messages, of JSON."""
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
    """The texts of a row whose meaning is looked at: its two longest values, or all of it."""
    strings = sorted(_strings(s), key=len, reverse=True)[:2]
    return strings or list(texts[:1])


def _vectors(texts: Sequence[str]) -> dict[str, Array]:
    """Vectors by the embedder of this machine, none where there is none. Nothing is fetched for it."""
    some = list(dict.fromkeys(texts))
    if not some:
        return {}
    try:
        found = embed([without_courtesies(t) for t in some], DEFAULT, sinks=[] if len(some) < _MANY_VECTORS else None)
    except (FmnbError, ImportError):
        return {}
    return dict(zip(some, found, strict=True))


def _heldout_texts() -> tuple[HeldoutText, ...]:
    """The held-out texts of the file, read again when it has changed."""
    path = _heldout_file()
    try:
        seen = path.stat()
    except FileNotFoundError:
        return ()
    return _read(path, seen.st_size, seen.st_mtime_ns)


@lru_cache(2)
def _read(path: Path, size: int, changed: int) -> tuple[HeldoutText, ...]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            d = json.loads(line)
            vector = np.frombuffer(base64.b64decode(d["vector"]), dtype=np.float16).astype(np.float32) if d.get("vector") else None
            found.append(HeldoutText(Signature.from_dict(d), str(d.get("id", "")), str(d.get("source", "")), vector))
        except (ValueError, KeyError, TypeError):  # a line that was cut by a full disk: the others still count
            continue
    return tuple(found)


@lru_cache(2)
def _index_of(key: tuple[Path, int, int]) -> Index:
    return Index(_read(*key))


def _index() -> Index:
    path = _heldout_file()
    seen = path.stat()
    return _index_of((path, seen.st_size, seen.st_mtime_ns))


def _append(path: Path, lines: Sequence[str]) -> None:
    if not lines:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "a", encoding="utf-8") as f:
            f.write("".join(lines))
    except OSError as e:
        raise StoreError(
            "Held-out rows cannot be remembered", detail=str(e), hint="Make room, or set FMNB_STATE to another folder."
        ) from None


def _find_equal(index: Index, text: str) -> int | None:
    """The held-out text that a text is, or holds as a line or a sentence of three words or more."""
    i = index.whole.get(text_hash(text))
    if i is not None and (len(flat_words(text)) > 1 or len(text.strip()) > 3):
        return i
    for part in split_parts(text):
        for piece in (part, part.partition(":")[2]):
            if len(flat_words(piece)) >= 3 and (i := index.whole.get(text_hash(piece))) is not None:
                return i
    return None
