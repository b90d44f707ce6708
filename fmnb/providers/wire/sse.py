"""Decodes streams: bytes into JSON documents, and the state of one answer.

`Frames` finds the JSON documents in the bytes. `Answer` holds what all interfaces have in common
(text with reasoning tags, finish reason, usage); each interface turns its documents into events.
Both hold the state of one stream and are made for each stream.
"""

from __future__ import annotations

import json
from typing import Any

from ...core.events import Event, Finished, Notice, ReasoningDelta, TextDelta
from ...core.types import Usage

DONE = object()


class Frames:
    """Parses server-sent events from a byte stream that may be split anywhere."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._event = b""
        self.unexpected = ""  # the first unexpected content
        self._first = True
        self._after_cr = False  # the bytes so far end with a carriage return

    def feed(self, data: bytes) -> list[Any]:
        """The JSON documents completed by these bytes; DONE for the end mark."""
        if b"\r" in data or self._after_cr:  # a line ends with a line feed, a carriage return, or both
            data = data[1:] if self._after_cr and data[:1] == b"\n" else data
            self._after_cr = data[-1:] == b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        if self._first and lines:
            self._first = False
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
        out: list[Any] = []
        for line in lines:
            if not line:
                if self._data:
                    self._close(out)
                self._event = b""
            elif line[:5] == b"data:":
                self._data.append(line[5:])
            elif line[:6] == b"event:":
                self._event = line[6:].strip()
            elif line[:1] != b":" and line[:3] != b"id:" and line[:6] != b"retry:":
                self._note_unexpected(line)
        return out

    def end(self) -> list[Any]:
        """The remaining documents at the end of the connection; the last event may lack its blank line."""
        return self.feed(b"\n\n") if self._rest or self._data else []

    def _close(self, out: list[Any]) -> None:
        parts, self._data = self._data, []
        if not self._parse(parts[0] if len(parts) == 1 else b"\n".join(parts), out):
            # several events without blank lines between them, or unexpected content
            good = [self._parse(p, out) for p in parts] if len(parts) > 1 else [False]
            if not all(good):
                self._note_unexpected(b"\n".join(parts))

    def _parse(self, payload: bytes, out: list[Any]) -> bool:
        try:
            document = json.loads(payload.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            if payload.strip().startswith(b"[DONE]"):
                out.append(DONE)
                return True
            return not payload.strip()
        if isinstance(document, list) and len(document) == 1:  # some services wrap errors in a list
            document = document[0]
        if not isinstance(document, dict):
            return False
        if self._event == b"error" and "error" not in document:
            document = {"error": document}
        out.append(document)
        return True

    def _note_unexpected(self, what: bytes) -> None:
        self.unexpected = self.unexpected or what.decode("utf-8", "replace").strip()[:2000]


_REASONS = {
    "stop": "stop", "end_turn": "stop", "eos": "stop", "eos_token": "stop", "stop_sequence": "stop", "complete": "stop",
    "length": "length", "max_tokens": "length", "model_length": "length", "max_output_tokens": "length", "error_limit": "length",
    "model_context_window_exceeded": "length", "pause_turn": "length",
    "tool_calls": "tool_calls", "tool_use": "tool_calls", "function_call": "tool_calls", "tool_call": "tool_calls",
    "content_filter": "content_filter", "safety": "content_filter", "refusal": "content_filter", "error_toxic": "content_filter",
}  # fmt: skip
_OPEN = ("<think>", "<thinking>", "<thought>")


def finish_reason(reason: Any) -> str:
    """Normalize a service's finish reason.

    >>> finish_reason("MAX_TOKENS")
    'length'
    """
    word = str(reason).lower()
    return _REASONS.get(word, word)


class Answer:
    """The state of one answer. An interface adds `take`, which returns the events of one document.

    `characters` is the length of the text so far; `stream_error` an error inside the stream;
    `pending_status` the status of an answer that is not written yet. `billed` are billed tokens
    where they differ from `usage`, `cache_write_tokens` those written to a prompt cache.
    `citations` map parts of the answer to sources; `extra` is added to the end. `events` are the
    events so far, and `reported_events` their number at the last usage report.
    """

    def __init__(self) -> None:
        self.model = ""
        self.reason = ""
        self.usage: Usage | None = None
        self.events: list[Event] = []
        self.reported_events = 0
        self.billed: Usage | None = None
        self.cache_write_tokens = 0
        self.characters = 0
        self.saw_reasoning = False
        self.tools = 0
        self.refused = False
        self.stream_error: Any = None
        self.pending_status = ""
        self.notes: list[str] = []
        self.citations: list[dict[str, Any]] = []
        self.extra: dict[str, Any] = {}
        self._plain_text = False  # fast path: text passes unchanged
        self._no_reasoning_tag = False  # no reasoning tag is open or can still open
        self._held_back = ""
        self._closing = ""
        self._strip = False
        self._surrogate = ""  # the first half of a surrogate pair that is split between chunks

    def take(self, document: dict[str, Any]) -> list[Event]:
        """The events of one document."""
        raise NotImplementedError

    def count(self, document: dict[str, Any]) -> None:
        """Record the reported usage."""
        self.usage = usage(document)

    @property
    def paid(self) -> bool:
        """Whether the service reported output; some count one token before they start."""
        return self.usage is not None and bool(self.usage.cost or (self.usage.output_tokens or 0) > 1)

    def end(self) -> list[Event]:
        """The events that were held back; the caller adds `Finished` or raises."""
        out: list[Event] = []
        if self._surrogate:
            self._text("", out, final=True)
        if self._held_back:
            if self._closing:
                self._think(self._held_back, out)
            else:
                self._say(self._held_back, out)
            self._held_back = ""
        if self.refused:
            out.append(Notice(kind="note", text="the model declined to answer"))
        return out + [Notice(kind="note", text=n) for n in self.notes]

    def finished(self) -> Finished:
        """The last event of a complete answer."""
        reason = self.reason or "stop"
        if self.tools and reason == "stop":  # some servers report "stop" after a tool call
            reason = "tool_calls"
        cited = {"citations": self.citations} if self.citations else {}
        return Finished(reason=reason, model=self.model, extra={**cited, **self.extra})

    def _text(self, text: str, out: list[Event], final: bool = False) -> None:
        if self._surrogate:
            text = (self._surrogate + text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            self._surrogate = ""
        if not final and "\ud800" <= text[-1:] <= "\udbff":
            self._surrogate, text = text[-1], text[:-1]
        if text:
            if self._no_reasoning_tag:
                self._say(text, out)
            elif self._closing:
                self._inside(self._held_back + text, out)
            else:
                self._opening(self._held_back + text, out)
        self._plain_text = self._no_reasoning_tag and not self._strip and not self._surrogate

    def _opening(self, text: str, out: list[Event]) -> None:
        """Detect a reasoning tag, which only counts at the very start of the text."""
        start = text.lstrip()
        self._held_back = ""
        for tag in _OPEN:
            if start.startswith(tag):
                self._closing = "</" + tag[1:]
                self._inside(start[len(tag) :], out)
                return
        if any(tag.startswith(start) for tag in _OPEN):  # also while there is only whitespace
            self._held_back = text
            return
        self._no_reasoning_tag = True
        self._say(text, out)

    def _inside(self, text: str, out: list[Event]) -> None:
        thought, closed, after = text.partition(self._closing)
        if closed:
            self._think(thought, out)
            self._held_back, self._closing, self._no_reasoning_tag, self._strip = "", "", True, True
            if after:
                self._say(after, out)
            return
        keep = next((n for n in range(len(self._closing) - 1, 0, -1) if thought.endswith(self._closing[:n])), 0)
        self._held_back = thought[len(thought) - keep :]
        self._think(thought[: len(thought) - keep], out)

    def _say(self, text: str, out: list[Event]) -> None:
        if self._strip:  # the blank lines between the reasoning and the answer
            text = text.lstrip()
            self._strip = not text
        if text:
            self.characters += len(text)
            out.append(TextDelta(text=text))

    def _think(self, text: str, out: list[Event]) -> None:
        if text:
            self.saw_reasoning = True
            out.append(ReasoningDelta(text=text + ""))  # fails for a value that is not a string, as answer text does


def usage(document: dict[str, Any]) -> Usage:
    """Read the usage from the various fields of services.

    >>> usage({"prompt_tokens": 9, "completion_tokens": 5, "prompt_cache_hit_tokens": 4})
    Usage(input_tokens=9, output_tokens=5, cached_tokens=4, reasoning_tokens=None, cost=None, estimated=False)
    """
    get = document.get
    into, out = _int(get("prompt_tokens", get("input_tokens"))), _int(get("completion_tokens", get("output_tokens")))
    before, after = (
        get("prompt_tokens_details") or get("input_tokens_details") or {},
        get("completion_tokens_details") or get("output_tokens_details") or {},
    )
    cached = _first(
        before.get("cached_tokens"),
        get("prompt_cache_hit_tokens"),
        get("num_cached_tokens"),
        get("cached_tokens"),
        get("cache_read_input_tokens"),
    )
    reasoning = _first(after.get("reasoning_tokens"), get("reasoning_tokens"))
    total = _int(get("total_tokens"))
    if reasoning and into is not None and out is not None and total == into + out + reasoning:
        out += reasoning  # some services count reasoning separately; in Usage it is part of the output
    price = get("cost")
    if isinstance(price, dict):
        price = price.get("total_cost")
    return Usage(into, out, cached, reasoning, float(price) if isinstance(price, (int, float)) and not isinstance(price, bool) else None)


def _int(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _first(*values: Any) -> int | None:
    return next((n for v in values if (n := _int(v)) is not None), None)
