"""The sources of an answer: their passages for a prompt, numbered, fenced and within a budget.

    prompt ─ Source.retrieve ─► passages ─ what fits ─► a part of the message before the prompt

Each passage is marked untrusted. Whole passages are left out, never cut.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..core.backend import estimate_part_tokens, estimate_text_tokens
from ..core.errors import FmnbError, StoreError
from ..core.inert_text import printable
from ..core.labels import text_of
from ..core.registry import OPENERS, load
from ..core.sources import INSTRUCTIONS, NO_SOURCE, Passage, Retrieved, Source, passage_to_dict, passages_from
from ..core.types import Label, Message, Part, Text
from ..prompts.dataframes import table_of

if TYPE_CHECKING:
    from ..catalog.resolve import Target
    from ..store.tape import Tape

_CELLS = 5_000  # of a table that is stored with an answer
LIMIT = 8  # passages a source
_MARGIN = 0.05  # of the context window, since tokens are estimated
_REPLY = 1_024  # tokens for the answer where --max-tokens is not given
_UNKNOWN_WINDOW = 16_000  # tokens, for a model that does not state its window
_FENCE = re.compile(r"<sources ([0-9a-f]{8})>\n(.*?)</sources \1>", re.DOTALL)
_FORGED = re.compile(r"^(\s*)\[(?=\d{1,3}\])", re.MULTILINE)
_NUMBER = re.compile(r"^\[(\d{1,3})\] ", re.MULTILINE)


@dataclass(frozen=True)
class Grounding:
    """What the sources add to a call: a part before the prompt, its passages, and notes."""

    part: Text
    passages: tuple[dict[str, Any], ...]
    tables: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def meta(self) -> dict[str, Any]:
        """What the run stores of it: the passages, and the tables that they were read from."""
        found = {n: v for n, v in (("sources", list(self.passages)), ("tables", self.tables)) if v}
        return found if self.passages else {"no_source": True}


def open_sources(given: object, values: Mapping[str, Any] | None) -> list[Source]:
    """The sources of names and objects. Raises UsageError for one that is none."""
    found: list[Source] = load(OPENERS["sources"])(given, values)
    return found


def ground(
    sources: Sequence[Source],
    prompt: Sequence[Part],
    history: Sequence[Message],
    target: Target,
    max_tokens: int | None,
    tape: Tape | None = None,
    record: bool = True,
    dry_run: bool = False,
) -> Grounding:
    """Find the passages for a prompt and write those that fit before it.

    Args:
        sources: What to search.
        prompt: The parts of the prompt; its text is the question.
        history: The turns before; their passages keep their numbers.
        target: The model of the answer: its context window is the budget.
        max_tokens: The tokens that the answer may have.
        tape: Where found passages are recorded, and taken from while their source is unchanged.
        record: Whether new passages are recorded on the tape.
        dry_run: Whether a source that would ask a model shows what it would send instead.

    Raises:
        FmnbError: A source cannot be searched.
    """
    question = "\n".join(p.text for p in prompt if isinstance(p, Text)).strip()
    found: list[Passage] = []
    tables: dict[str, Any] = {}
    notes: list[str] = []
    for source in sources:
        preview = getattr(source, "preview", None) if dry_run else None
        retrieved = preview(question) if preview is not None else _retrieve(source, question, target, tape, record)
        found += retrieved.passages
        notes += retrieved.notes
        tables |= {name if name not in tables else f"{source.name}.{name}": _stored(frame) for name, frame in retrieved.frames.items()}
        if not retrieved.passages:
            notes.append(f"{source.name}: nothing was found for this prompt")
    first = last_number(history) + 1
    room = _room(target, prompt, history, max_tokens)
    kept: list[Passage] = []
    left_out: list[Passage] = []
    for passage in found:
        size = estimate_text_tokens(_entry(passage, first + len(kept)))
        if size <= room:
            kept.append(passage)
            room -= size
        else:
            left_out.append(passage)
    if left_out:
        names = ", ".join(dict.fromkeys(" ".join(filter(None, (p.title, p.location))) for p in left_out))
        plural = "s" if len(left_out) > 1 else ""
        notes.append(f"{len(left_out)} passage{plural} left out for want of room in the context window: {names}"[:400])
    stored = tuple(passage_to_dict(p, n) for n, p in enumerate(kept, first))
    return Grounding(_part(kept, first), stored, {n: t for n, t in tables.items() if t}, tuple(notes))


def _stored(frame: Any) -> dict[str, Any]:
    """A frame in a form that the log and tapes keep, for the check of figures; {} if it is large."""
    table = table_of(frame)
    if table is None or not table.rows or table.rows * table.columns > _CELLS:
        return {}
    rows = table.take(list(range(table.rows)), table.columns)
    return {
        "columns": list(table.names),
        "rows": [[v if isinstance(v, (int, float, bool, type(None))) else str(v) for v in r] for r in map(_plain, rows)],
    }


def _plain(row: Sequence[Any]) -> list[Any]:
    """A row with Python's own numbers in place of numpy's."""
    return [v.item() if hasattr(v, "item") and not hasattr(v, "isoformat") else v for v in row]


def _retrieve(source: Source, question: str, target: Target, tape: Tape | None, record: bool) -> Retrieved:
    """What a source finds; of an unchanged source what the tape has: other machines rank in other ways."""
    state = getattr(source, "state", None)
    if tape is None or state is None:
        return source.retrieve(question, limit=LIMIT, model=target)
    key = hashlib.sha256("\x1f".join(("source", source.name, state(), question)).encode("utf-8", "surrogatepass")).hexdigest()
    recorded = passages_from(tape.passages(key))
    if recorded:
        return Retrieved(tuple(recorded.values()))
    found = source.retrieve(question, limit=LIMIT, model=target)
    if not found.passages or not record:
        return found
    try:
        tape.record_passages(key, source.name, question, [passage_to_dict(p, n) for n, p in enumerate(found.passages, 1)])
    except StoreError as e:
        return replace(found, notes=(*found.notes, f"not recorded: {e}"))
    return found


def last_number(history: Sequence[Message]) -> int:
    """The highest number of a passage in the turns before, 0 without any.

    >>> from fmnb.core.types import message
    >>> last_number([message("user", "<sources 00000000>\\n[1] a\\n\\n[2] b\\n</sources 00000000>")])
    2
    """
    texts = (m.text for m in history if m.role == "user" and "<sources " in m.text)
    return max((int(n) for t in texts for block in _FENCE.finditer(t) for n in _NUMBER.findall(block[2])), default=0)


def _room(target: Target, prompt: Sequence[Part], history: Sequence[Message], max_tokens: int | None) -> int:
    """Tokens that passages may take: the window less the answer, the prompt, and a margin."""
    try:
        window = target.open().info.context or _UNKNOWN_WINDOW
    except FmnbError:  # the call itself will say what is missing
        window = _UNKNOWN_WINDOW
    used = sum(estimate_part_tokens(p) for m in history for p in m.parts) + sum(map(estimate_part_tokens, prompt))
    reply = max_tokens if max_tokens is not None else min(_REPLY, window // 4)
    return int(window * (1 - _MARGIN)) - used - reply - estimate_text_tokens(INSTRUCTIONS)


def _part(passages: Sequence[Passage], first: int) -> Text:
    if not passages:
        return Text(NO_SOURCE)
    entries = [(_entry(p, n), p.label) for n, p in enumerate(passages, first)]
    fence = _fence([e for e, _ in entries])
    pieces: list[tuple[str, Label | None]] = [(INSTRUCTIONS.format(first=first) + f"<sources {fence}>\n", None)]
    for i, (entry, label) in enumerate(entries):
        pieces += [("\n" if i else "", None), (entry, label)]
    return text_of([*pieces, (f"</sources {fence}>\n\n", None)])


def _entry(passage: Passage, number: int) -> str:
    """A passage under a line with its number and origin, all of which may come from a document."""
    origin = ", ".join(" ".join(p.split()) for p in (passage.title, passage.location, " > ".join(passage.headings)) if p)
    age = " (STALE)" if passage.stale else ""
    text = _FORGED.sub(r"\1\\[", printable(passage.text.strip()))  # a line of a document does not look like the head of a passage
    return f"[{number}] {origin or passage.source}{age}\n{text}\n"


def _fence(entries: Sequence[str]) -> str:
    """Digits that no passage contains, the same for the same passages, as cache and tapes need."""
    text = "\n".join(entries)
    for salt in range(1_000):
        fence = hashlib.sha256(f"{salt}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
        if fence not in text:
            return fence
    return fence
