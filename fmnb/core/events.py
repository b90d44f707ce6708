"""Everything that happens in a run, as values.

`build_response` folds events into a response, `emit` passes them to listeners.

A backend yields bare events. The pipeline stamps them with the run's id, an increasing number, and
the time; only stamped events reach sinks. All runs use these kinds: calls, downloads, loads,
batches, jobs. `event` is the name of the kind in the log, on tapes and on the wire, independent of
the class name.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from .errors import with_current_keys
from .field_types import find_mistyped
from .inert_text import printable
from .response import Response
from .surrogates import replace_surrogates
from .types import File, Image, Request, ToolCall, Usage, from_dict, to_dict


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHeader:
    """The fields that the pipeline adds: run id, event number from 1, seconds since the epoch."""

    run: str = ""
    n: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(EventHeader):
    """A run starts. `kind` is call, download, load, ...; `parent` the run it belongs to."""

    event: ClassVar[str] = "Started"
    kind: str = "call"
    model: str = ""
    host: str = ""
    parent: str = ""
    request: Request | None = None
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta(EventHeader):
    """More text of the answer."""

    event: ClassVar[str] = "TextDelta"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta(EventHeader):
    """More of the model's reasoning; `extra` is sent back with it."""

    event: ClassVar[str] = "ReasoningDelta"
    text: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Media(EventHeader):
    """A complete image or video of the answer: encoded bytes, media type, alternative text."""

    event: ClassVar[str] = "Media"
    data: bytes
    media_type: str
    alt: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta(EventHeader):
    """A fragment of a tool call: `index` says which call, `arguments` is partial JSON."""

    event: ClassVar[str] = "ToolCallDelta"
    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logprobs(EventHeader):
    """Per-token log probabilities: dicts of `token`, `logprob` and `top` [[token, logprob], ...]."""

    event: ClassVar[str] = "Logprobs"
    tokens: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(EventHeader):
    """Progress of a long step. `unit` is bytes, tokens, rows or steps; `total` None if unknown."""

    event: ClassVar[str] = "Progress"
    stage: str
    done: float = 0
    total: float | None = None
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(EventHeader):
    """The run waits: for a rate limit, a retry, a busy engine. `seconds` is None if unknown."""

    event: ClassVar[str] = "Waiting"
    reason: str
    seconds: float | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(EventHeader):
    """A notice for the user. `kind` is note, warning or not_applied (then `text` names the option)."""

    event: ClassVar[str] = "Notice"
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted(EventHeader):
    """The answer so far is discarded and a new one follows: the repair of a structured answer."""

    event: ClassVar[str] = "Restarted"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReported(EventHeader):
    """Tokens and cost of one request; several in a run add up."""

    event: ClassVar[str] = "Used"
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback(EventHeader):
    """Feedback on a finished run: vote, star, edit, accept, copied, ...

    `retracts` is the number of the feedback event that it retracts.
    """

    event: ClassVar[str] = "Signal"
    kind: str
    value: Any = None
    user: str = ""
    text: str = ""
    retracts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored(EventHeader):
    """The score of an answer in an evaluation. `answer` is its run; `value` is None if `error` says why."""

    event: ClassVar[str] = "Scored"
    answer: str
    scorer: str
    value: float | None = None
    row: int = 0
    model: str = ""
    sample: int = 0
    parsed: str = ""
    explanation: str = ""
    error: str = ""
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(EventHeader):
    """The answer is complete. `model` is the one that answered, as reported by the service."""

    event: ClassVar[str] = "Finished"
    reason: str = "stop"
    model: str = ""
    source: str = "live"
    data: Any = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(EventHeader):
    """The run ended in an error, described as `FmnbError.to_dict` does."""

    event: ClassVar[str] = "Failed"
    error: dict[str, Any]
    source: str = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(EventHeader):
    """The user stopped the run; the partial answer is kept."""

    event: ClassVar[str] = "Cancelled"
    reason: str = "interrupt"
    source: str = "live"


Event: TypeAlias = (
    Started
    | TextDelta
    | ReasoningDelta
    | Media
    | ToolCallDelta
    | Logprobs
    | Progress
    | Waiting
    | Notice
    | Restarted
    | UsageReported
    | Feedback
    | Scored
    | Finished
    | Failed
    | Cancelled
)
KINDS: dict[str, type] = {c.event: c for c in Event.__args__}  # type: ignore[attr-defined]
ENDS = (Finished, Failed, Cancelled)
Sink: TypeAlias = Callable[[Event], None]


@functools.cache
def _fields(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind) if f.name not in ("run", "n", "at"))


class EventStamper:
    """Adds run id, number and time to the events of one run, and replaces lone surrogates."""

    def __init__(self, run: str):
        self.run = run
        self.n = 0

    def __call__(self, event: Event) -> Event:
        self.n += 1
        kind = type(event)
        stamped = object.__new__(kind)  # a batch stamps four events per row; dataclasses.replace takes four times as long
        put = object.__setattr__
        for name in _fields(kind):  # type: ignore[arg-type]
            value = getattr(event, name)
            put(stamped, name, value if value is None or isinstance(value, (int, float)) else replace_surrogates(value))
        put(stamped, "run", self.run)
        put(stamped, "n", self.n)
        put(stamped, "at", time.time())
        return stamped


class ResponseBuilder:
    """Builds a Response from events, one at a time; `response()` may be called at any time.

    The sinks of a run share its builder: an event that was added already changes nothing.
    """

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.end: Event | None = None
        self.n = 0
        self._extra: dict[str, Any] = {}
        self._tools: dict[int, dict[str, Any]] = {}
        self._media: list[Image | File] = []
        self._logprobs: list[dict[str, Any]] = []
        self._notes: list[str] = []
        self._not_applied: list[str] = []
        self._usage = Usage()
        self._started: Started | None = None
        self._first: float | None = None
        self._last: float | None = None

    def add(self, event: Event) -> None:
        """Add one event."""
        if event.n and event.n <= self.n:
            return
        self._last = event.at
        self.n = event.n
        match event:
            case TextDelta(text=t):
                if self._first is None and t:
                    self._first = event.at
                self.text.append(t)
            case Scored():
                return  # belongs to an evaluation, which has no answer of its own
            case ReasoningDelta(text=t, extra=extra):
                self.reasoning.append(t)
                self._extra.update(extra)
            case Started():
                if self._started is None:
                    self._started = event
            case ToolCallDelta(index=i):
                if self._first is None:
                    self._first = event.at
                call = self._tools.setdefault(i, {"id": "", "name": "", "arguments": "", "extra": {}})
                call["id"] = call["id"] or event.id
                call["name"] += event.name
                call["arguments"] += event.arguments
                call["extra"].update(event.extra)
            case Media(data=data, media_type=kind, alt=alt, name=name):
                if self._first is None:
                    self._first = event.at
                self._media.append(Image(data, kind, alt) if kind.startswith("image/") else File(data, kind, name or alt))
            case Logprobs(tokens=tokens):
                self._logprobs.extend(tokens)
            case Notice(kind="not_applied", text=t):
                if t not in self._not_applied:
                    self._not_applied.append(t)
            case Notice(text=t):
                if t not in self._notes:
                    self._notes.append(t)
            case Restarted():
                self.text.clear()
                self.reasoning.clear()
                self._tools.clear()
                self._media.clear()
                self._logprobs.clear()
                self._extra = {}
            case UsageReported(usage=u):
                self._usage = self._usage + u
            case Finished() | Failed() | Cancelled():
                self.end = event

    def response(self) -> Response:
        """The answer so far."""
        start, end = self._started, self.end
        finish, error, data, source, model, extra = "", None, None, "live", "", dict(self._extra)
        if isinstance(end, Finished):
            finish, data, source, model = end.reason, end.data, end.source, end.model
            extra |= end.extra
        elif isinstance(end, Failed):
            finish, error, source = "error", end.error, end.source
        elif isinstance(end, Cancelled):
            finish, source = "cancelled", end.source
        for name in ("sources", "tables", "no_source"):
            if start is not None and start.meta.get(name):
                extra.setdefault(name, start.meta[name])
        began = start.at if start else None
        return Response(
            text="".join(self.text),
            run=start.run if start else "",
            model=model or (start.model if start else ""),
            requested_model=(start.meta.get("asked") or start.model) if start else "",
            host=start.host if start else "",
            reasoning="".join(self.reasoning),
            data=data,
            usage=self._usage,
            finish_reason=finish,
            error=error,
            seconds=None if began is None or self._last is None else max(0.0, self._last - began),
            first_token_seconds=None
            if began is None or self._first is None or extra.get("streamed") is False
            else max(0.0, self._first - began),
            source=source,
            notes=tuple(self._notes),
            not_applied=tuple(self._not_applied),
            tool_calls=tuple(ToolCall(c["id"], c["name"], c["arguments"], c["extra"]) for _, c in sorted(self._tools.items())),
            media=tuple(self._media),
            logprobs=tuple(self._logprobs),
            request=start.request if start else None,
            extra=extra,
        )


def build_response(events: Iterable[Event]) -> Response:
    """Fold the events of a run into a Response.

    >>> build_response([Started(run="r", n=1, model="echo:"), TextDelta(text="a"), TextDelta(text="b"), Finished()]).text
    'ab'
    """
    f = ResponseBuilder()
    for event in events:
        f.add(event)
    return f.response()


def emit(event: Event, sinks: list[Sink]) -> None:
    """Pass an event to all sinks; a sink that fails is detached with one warning."""
    for sink in tuple(sinks):
        try:
            sink(event)
        except Exception as e:
            detach(sink, sinks, e)


def detach(sink: Sink, sinks: list[Sink], error: Exception) -> None:
    """Detach a sink with one warning; the run continues."""
    sinks.remove(sink)
    warnings.warn(printable(f"fmnb: {getattr(sink, 'name', sink)} stopped listening: {type(error).__name__}: {error}"), stacklevel=3)


def event_to_dict(event: Event) -> dict[str, Any]:
    """JSON-able form, with the kind under `event`.

    >>> event_to_dict(TextDelta(text="a", run="r", n=2, at=1.5))
    {'event': 'TextDelta', 'run': 'r', 'n': 2, 'at': 1.5, 'text': 'a'}
    """
    return {"event": event.event, **to_dict(event)}


def event_from_dict(data: dict[str, Any]) -> Event | None:
    """The event of a dict, or None for a kind unknown to this version.

    Raises:
        ValueError: Not an event: a field is missing, has another type, or cannot be stored again.

    >>> event_from_dict({"event": "Failed", "error": "text"})
    Traceback (most recent call last):
    ValueError: Failed.error is not what it should be
    """
    name = data.get("event", "") if isinstance(data, dict) else None
    if not isinstance(name, str):
        raise ValueError("it is not an event")
    kind = KINDS.get(name)
    if kind is None:
        return None
    try:
        data = {k: replace_surrogates(v) for k, v in data.items() if k != "event"}
        if kind is Logprobs:
            data["tokens"] = tuple(data.get("tokens", ()))
        elif kind is Failed and isinstance(data.get("error"), dict):
            data["error"] = with_current_keys(data["error"])
        for then, now in _EARLIER_FIELDS.get(name, {}).items():
            if then in data:
                data.setdefault(now, data.pop(then))
        if kind is Started and data.get("host") == "stays here":  # the name of this machine in earlier versions
            data["host"] = "local"
        event: Any = from_dict(kind, data)
        wrong = find_mistyped(event) or _invalid_field(event)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as e:
        raise ValueError(f"{name} cannot be read: {type(e).__name__}") from None
    if wrong:
        raise ValueError(f"{name}.{wrong} is not what it should be")
    return event


# Names that fields had in earlier versions.
_EARLIER_FIELDS = {
    "Started": {"where": "host"},
    "Signal": {"undoes": "retracts"},
    "Scored": {"read": "parsed", "why": "explanation"},
}
_LATEST = 253_402_300_799  # the end of the year 9999, in seconds since the epoch
_ERROR_FIELDS: dict[str, tuple[type, ...]] = {
    "message": (str,),
    "detail": (str,),
    "hint": (str,),
    "kind": (str,),
    "billed": (bool, type(None)),
}


def _invalid_field(event: Any) -> str:
    """Name of a field whose value is invalid although its type is right; "" if there is none."""
    if not 0 <= event.at <= _LATEST:
        return "at"
    match event:
        case Failed(error=error):
            there = "message" in error and all(isinstance(error[k], kinds) for k, kinds in _ERROR_FIELDS.items() if k in error)
            return "" if there else "error"
        case Feedback(kind="vote", value=vote):
            there = isinstance(vote, dict) and isinstance(vote.get("said"), str) and isinstance(vote.get("runs"), list) and "winner" in vote
            return "" if there else "value"
        case Started(meta=meta):
            return "" if isinstance(meta.get("asked", ""), str) else "meta"
    return ""


def event_to_json(event: Event) -> str:
    """The event as one line of JSON, with a fixed order of keys."""
    return json.dumps(event_to_dict(event), ensure_ascii=False, separators=(",", ":"))
