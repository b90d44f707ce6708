"""Tapes: recordings of a notebook's calls in a JSONL file, replayed without a key or network.

One line per answer, or for what a source found for a question, sorted by request fingerprint, so that two branches that record different cells
merge without conflict and a re-recorded cell changes one line. A line holds the fingerprint, the
model, the prompt (for readers), and the events of the answer with their times. It never holds an
API key: requests have none.

An image or video of more than 2 MB is not stored, since a tape may be under version control. It is
replaced by a preview, or by a description of the video, and the replay reports that.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core import media
from ..core.atomic_write import replace_file
from ..core.errors import FmnbError, StoreError, StreamInterruptedError, UsageError
from ..core.events import (
    ENDS,
    Event,
    Failed,
    Finished,
    Logprobs,
    Media,
    Notice,
    Progress,
    ReasoningDelta,
    Restarted,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReported,
    Waiting,
    event_from_dict,
    event_to_dict,
)
from ..core.types import Request
from . import event_reader
from .run_rows import prompt_text

MEDIA = 2_000_000  # maximum bytes of an image or video on a tape
_TICK = 0.1  # seconds within which text is merged into one event


@dataclass(frozen=True)
class Entry:
    """One recorded answer. `cell` is the hash of the template, model and options."""

    key: str
    cell: str
    model: str
    prompt: str
    events: tuple[dict[str, Any], ...]

    def replay(self) -> list[tuple[float, Event]]:
        """(seconds since the start, event) pairs; the last is an end.

        A recording without an end is truncated, and one with an unknown kind of event cannot be
        replayed completely: both end in a failure. Raises ValueError for an invalid event.
        """
        out: list[tuple[float, Event]] = []
        unknown = ""
        for item in self.events:
            event = event_from_dict({k: v for k, v in item.items() if k != "t"})
            if event is None:
                unknown = unknown or str(item.get("event") or "an event without a kind")
            if not isinstance(event, _REPLAYED):
                continue
            if unknown and isinstance(event, ENDS):
                break
            out.append((_offset(item.get("t", 0.0)), event))
            if isinstance(event, ENDS):
                return out
        why: FmnbError = StreamInterruptedError(
            "The recording of this answer has no end", hint="Record it again: delete its line on the tape.", retryable=False
        )
        if unknown:
            why = StoreError(
                "The recording of this answer holds an event that this version of fmnb does not know",
                detail=unknown[:80],
                hint="Replay it with a newer fmnb, or delete its line on the tape and record it again.",
            )
        return [*out, (out[-1][0] if out else 0.0, Failed(error=why.to_dict()))]


# The events of an answer. Starts, votes and scores belong to runs, which a tape does not have.
_REPLAYED = (TextDelta, ReasoningDelta, Media, ToolCallDelta, Logprobs, Notice, Progress, Restarted, UsageReported, *ENDS)
_HEAD = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*\{\s*\"key\"")  # the beginning of a line of a tape, even of a truncated one
_CONFLICT = (b"<<<<<<<", b"|||||||", b"=======", b">>>>>>>")  # conflict markers of version control
_MAX_SECONDS = 86_400.0  # maximum seconds of a recorded answer


def _offset(t: Any) -> float:
    if type(t) not in (int, float) or not 0 <= t <= _MAX_SECONDS:
        raise ValueError("t is not a number of seconds")
    return float(t)


def _reason(e: Exception) -> Exception:
    """The reason for the warning about an unreadable line, without the position in it."""
    if isinstance(e, json.JSONDecodeError):
        return ValueError("it is not JSON, or is truncated")
    if isinstance(e, UnicodeDecodeError):
        return ValueError("it is not UTF-8")
    return ValueError(f"{e} is missing") if isinstance(e, KeyError) else e


def _entry(d: Any) -> Entry:
    """The entry of a parsed line. Raises ValueError if it cannot be replayed."""
    if not isinstance(d["events"], list):
        raise ValueError("events must be a list")
    entry = Entry(d["key"], d.get("cell", ""), d.get("model", ""), d.get("prompt", ""), tuple(d["events"]))
    if not all(isinstance(text, str) for text in (entry.key, entry.cell, entry.model, entry.prompt)):
        raise ValueError("key, cell, model and prompt must be strings")
    if not all(isinstance(item, dict) for item in entry.events):
        raise ValueError("events must be objects")
    entry.replay()
    return entry


class Tape:
    """A tape file. Every recorded answer is on disk before `record` returns."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._lock = threading.Lock()
        if self.path.is_dir():
            raise UsageError("A tape must be a file", detail=str(path), hint="Name it like `tutorial.tape.jsonl`.")
        if self.path.exists() and not self.path.is_file():  # reading a pipe would wait for ever
            raise UsageError("A tape must be a regular file", detail=f"{path} is a pipe or a device", hint="Name another file.")
        self._unreadable: list[bytes] = []  # unreadable lines, which stay in the file
        self._entries = self._read()
        self.used: set[str] = set()  # keys replayed or recorded since the tape was opened

    def _read(self) -> dict[str, Entry]:
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return {}
        except OSError as e:
            raise StoreError(f"The tape {self.path} cannot be read", detail=str(e), hint="Check the file, or name another.") from None
        found: dict[str, Entry] = {}
        bad: list[tuple[int, bytes, Exception]] = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            if line.startswith(_CONFLICT):  # both sides may be valid, and writing would mix them up
                raise StoreError(f"Line {number} of the tape {self.path} belongs to an unfinished merge", hint="Finish the merge.")
            try:
                entry = _entry(json.loads(line.decode("utf-8-sig")))
            except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as e:
                bad.append((number, line, _reason(e)))
                continue
            found[entry.key] = entry
        if bad and not found and not any(_HEAD.match(line) for _, line, _ in bad):  # do not overwrite another kind of file
            raise StoreError(f"{self.path} is not a tape", detail="it has no recorded answer", hint="Name another file.")
        for number, line, why in bad:
            event_reader.warn_skipped(f"line {number} of the tape {self.path}", why, f"{self.path}\n{line!r}")
        self._unreadable = [line for _, line, _ in bad]
        return found

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Entry | None:
        """The recording of exactly this request."""
        if key in self._entries:
            self.used.add(key)
        return self._entries.get(key)

    def stale_entry(self, cell: str) -> Entry | None:
        """A recording of the same cell with other inserted values."""
        return next((e for e in self._entries.values() if cell and e.cell == cell), None)

    def record(self, request: Request, key: str, cell: str, events: list[Event]) -> None:
        """Record an answer. Recordings, which were paid for, stay until `prune`."""
        with self._lock:
            self._entries = self._read()  # another kernel may have recorded meanwhile
            self.used.add(key)
            self._entries[key] = Entry(key, cell, request.model, prompt_text(request)[:300], tuple(_entry_events(events)))
            self._write()

    def passages(self, key: str) -> list[Any] | None:
        """What a source found, as `record_passages` stored it."""
        entry = self.get(key)
        end = entry.events[-1] if entry is not None and entry.events else {}
        extra = end.get("extra")
        found = extra.get("passages") if isinstance(extra, dict) else None
        return found if isinstance(found, list) else None

    def record_passages(self, key: str, source: str, question: str, found: list[Any]) -> None:
        """Record what a source found for a question, so that a replay does not need its embedder."""
        with self._lock:
            self._entries = self._read()
            self.used.add(key)
            event = {"t": 0.0, **event_to_dict(Finished(extra={"passages": found}))}
            self._entries[key] = Entry(key, "", f"source:{source}", question[:300], (event,))
            self._write()

    def unused(self) -> int:
        """Number of recordings that `prune` would delete."""
        with self._lock:
            self._entries = self._read()
            return len(self._entries.keys() - self.used)

    def prune(self) -> int:
        """Delete recordings that were not replayed or recorded since the tape was opened; returns the number.

        Run the notebook from top to bottom first.
        """
        with self._lock:
            entries = self._read()
            self._entries = {k: e for k, e in entries.items() if k in self.used}
            self._write()
            return len(entries) - len(self._entries)

    def _write(self) -> None:
        temporary = self.path.with_name(self.path.name + f".{os.getpid()}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "wb") as f:
                for key in sorted(self._entries):
                    e = self._entries[key]
                    line = {"key": e.key, "cell": e.cell, "model": e.model, "prompt": e.prompt, "events": list(e.events)}
                    f.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
                f.writelines(line + b"\n" for line in self._unreadable)
                f.flush()
                os.fsync(f.fileno())
            replace_file(temporary, self.path)
        except OSError as e:
            temporary.unlink(missing_ok=True)
            raise StoreError(
                f"The tape {self.path} cannot be written",
                detail=str(e),
                hint="The answer is in the log; fix the disk and run the cell again.",
            ) from None


def _entry_events(events: list[Event]) -> list[dict[str, Any]]:
    """Events without run ids and dates, with offsets in seconds; adjacent text is merged."""
    start = next((e.at for e in events if e.at), 0.0)
    out: list[dict[str, Any]] = []
    for event in _with_previews(events):
        if isinstance(event, (Started, Waiting, Restarted)):
            continue
        t = round(max(0.0, event.at - start), 2)
        d = event_to_dict(replace(event, run="", n=0, at=0.0))
        last = out[-1] if out else None
        joins = isinstance(event, (TextDelta, ReasoningDelta)) and last is not None and last["event"] == d["event"]
        if joins and last is not None and t - last["t"] < _TICK and "extra" not in d:
            last["text"] += d["text"]
        else:
            out.append({"t": t, **d})
    return out


def _with_previews(events: list[Event]) -> Iterator[Event]:
    """Replace large images with previews and large videos with a notice."""
    for event in events:
        if not isinstance(event, Media) or len(event.data) <= MEDIA:
            yield event
            continue
        kind, size = event.media_type.partition("/")[0], media.format_size(len(event.data))
        small = media.preview(event.data) if kind == "image" else None
        if small is None:
            yield Notice(kind="warning", text=f"the {kind} of {size} was too large for the tape", at=event.at)
        else:
            yield Notice(kind="note", text=f"the tape holds a preview of the {kind} of {size}", at=event.at)
            yield replace(event, data=small, media_type=media.sniff(small))
