"""The values that travel: messages, requests, usage, responses.

Frozen dataclasses without ids, clients or I/O. Everything has a JSON form through
`to_dict` / `from_dict`; binary content is base64 there. What only one provider
understands sits in `extra` and is sent back unread.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ._markdown import neutral_markdown

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")
Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image as encoded bytes (`image/png`, `image/jpeg`, ...); `alt` says what it shows."""

    data: bytes
    media_type: str = "image/png"
    alt: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A document sent as it is, such as a PDF to a service that reads them."""

    data: bytes
    media_type: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the model thought aloud; `extra` holds signatures to send back."""

    text: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool; `arguments` is the JSON text as received."""

    id: str
    name: str
    arguments: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave back to the call with that id."""

    id: str
    content: str
    failed: bool = False


Part = Text | Image | File | Reasoning | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation: who speaks and the parts of what is said."""

    role: Role
    parts: tuple[Part, ...]
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text parts joined."""
        return "".join(p.text for p in self.parts if isinstance(p, Text))


def message(role: Role, text: str) -> Message:
    """A message of one text part.

    >>> message("user", "hi").text
    'hi'
    """
    return Message(role, (Text(text),))


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that decides an answer, for one call to one model.

    `schema` is a JSON schema the answer must satisfy, `extra` raw wire parameters (`-p`),
    `logprobs` how many alternatives per token to ask for, `sample` the index among
    repeated calls, `format` how the answer will be used. `api` names the service's interface
    to use (chat, responses, native; "" the usual one), `quant` and `dtype` how weights that
    run here are loaded.
    """

    model: str
    messages: tuple[Message, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None
    tools: tuple[dict[str, Any], ...] = ()
    logprobs: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    sample: int = 0
    format: str = "markdown"
    api: str = ""
    quant: str = ""
    dtype: str = ""

    def key(self) -> str:
        """Hex digest of what decides the answer: the same in cache, tape and provenance."""
        wire = to_dict(self)
        if self.format != "image":  # the others only say how the same answer is shown
            wire.pop("format", None)
        text = json.dumps(wire, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and money of a call. None means not reported; `cost` is US dollars.

    `cached_tokens` are part of `input_tokens`, `reasoning_tokens` of `output_tokens`.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: float | None = None

    def __add__(self, other: Usage) -> Usage:
        def add(a: Any, b: Any) -> Any:
            return b if a is None else a if b is None else a + b

        return Usage(*(add(getattr(self, f.name), getattr(other, f.name)) for f in dataclasses.fields(self)))


@dataclass(frozen=True, slots=True)
class TokenCount:
    """How many tokens a request has; an estimate names its method and usual error."""

    tokens: int
    exact: bool
    method: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known about a model before it is called.

    `name` is the full `provider:name`; `where` is "stays here" or the host that will see
    the request; prices are US dollars per million tokens, None where unknown; `size` and
    `memory` are bytes; `missing` says what must be done before it can answer, "" if nothing.
    """

    name: str
    provider: str
    where: str
    local: bool = False
    context: int | None = None
    max_output: int | None = None
    inputs: tuple[str, ...] = ("text",)
    outputs: tuple[str, ...] = ("text",)
    chat: bool = True
    price_in: float | None = None
    price_out: float | None = None
    licence: str = ""
    size: int | None = None
    memory: int | None = None
    missing: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: the fold of a run's events, live, cached, replayed or partial alike.

    `model` is the one that answered, `asked` the one that was named; `seconds` is the
    whole time, `first_token_seconds` until the first text; `source` is live, cached,
    replayed or stale; `finish` is stop, length, tool_calls, content_filter, cancelled or error.
    `media` are pictures (Image) and videos (File) that the model made.
    """

    text: str
    run: str = ""
    model: str = ""
    asked: str = ""
    where: str = ""
    reasoning: str = ""
    data: Any = None
    usage: Usage = Usage()
    finish: str = ""
    error: dict[str, Any] | None = None
    seconds: float | None = None
    first_token_seconds: float | None = None
    source: str = "live"
    notes: tuple[str, ...] = ()
    not_applied: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    media: tuple[Image | File, ...] = ()
    logprobs: tuple[dict[str, Any], ...] = ()
    request: Request | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def cost(self) -> float | None:
        """US dollars, or None where the price is unknown."""
        return self.usage.cost

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation up to and including this answer."""
        before = self.request.messages if self.request else ()
        parts: list[Part] = []
        if self.reasoning and self.extra:
            parts.append(Reasoning(self.reasoning, self.extra))
        if self.text:
            parts.append(Text(self.text))
        parts.extend(self.media)
        parts.extend(self.tool_calls)
        return (*before, Message("assistant", tuple(parts)))

    @property
    def df(self) -> pandas.DataFrame:
        """`data` as a pandas DataFrame: one row an object, or one row for one object.

        Raises UsageError when the answer holds no structured data (ask with `schema=`).
        """
        from ._require import require
        from .errors import UsageError

        if self.data is None:
            raise UsageError("This answer has no structured data", todo="Ask with a schema: --schema 'name, score float'.")
        rows = self.data if isinstance(self.data, list) else [self.data]
        pandas = require("pandas", "frames", "to make a DataFrame")
        return pandas.DataFrame([_row(r) for r in rows])

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        head = self.text if len(self.text) <= 70 else self.text[:67] + "..."
        return f"Response({head!r}, model={self.model!r}, run={self.run!r})"

    def _repr_markdown_(self) -> str:
        return neutral_markdown(self.text)


def _row(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "model_dump"):
        return value.model_dump()
    return {"value": value}


_TAGGED = {c.__name__: c for c in (Text, Image, File, Reasoning, ToolCall, ToolResult)}
_BY_FIELD = {"usage": Usage, "request": Request}


def to_dict(value: Any) -> dict[str, Any]:
    """JSON-able form of a value of this module; fields at their default are left out.

    >>> to_dict(message("user", "hi"))
    {'role': 'user', 'parts': [{'type': 'Text', 'text': 'hi'}]}
    """
    out: dict[str, Any] = {}
    kind = type(value)
    if kind.__name__ in _TAGGED:
        out["type"] = kind.__name__
    for name, default in _defaults(kind):  # type: ignore[arg-type]
        v = getattr(value, name)
        if v != default:
            out[name] = _plain(v)
    return out


@functools.cache
def _defaults(kind: type) -> tuple[tuple[str, Any], ...]:
    """Each field's name and default (an empty container where a factory makes it; `...` where there is none)."""
    return tuple(
        (
            f.name,
            f.default_factory() if f.default_factory is not dataclasses.MISSING else ... if f.default is dataclasses.MISSING else f.default,
        )
        for f in dataclasses.fields(kind)
    )


def _plain(v: Any) -> Any:
    if v is None or isinstance(v, (str, int, float)):
        return v
    if isinstance(v, bytes):
        return base64.b64encode(v).decode("ascii")
    if hasattr(v, "__dataclass_fields__") and not isinstance(v, type):
        return to_dict(v)
    if isinstance(v, (list, tuple)):
        return [_plain(x) for x in v]
    if isinstance(v, dict):
        return {k: _plain(x) for k, x in v.items()}
    return v


def from_dict(kind: type[T], data: dict[str, Any]) -> T:
    """The value that `to_dict` described; unknown fields are ignored, so newer logs stay readable.

    >>> from_dict(Message, {"role": "user", "parts": [{"type": "Text", "text": "hi"}]}).text
    'hi'
    """
    known = {f.name: f.type for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{k: base64.b64decode(v) if known[k] == "bytes" else _rich(k, v) for k, v in data.items() if k in known})


def _rich(name: str, v: Any) -> Any:
    if name == "messages":
        return tuple(from_dict(Message, m) for m in v)
    if name in ("parts", "tool_calls", "media"):
        return tuple(from_dict(_TAGGED[p["type"]], p) for p in v if p.get("type") in _TAGGED)
    if name in _BY_FIELD and isinstance(v, dict):
        return from_dict(_BY_FIELD[name], v)
    if name in ("stop", "tools", "notes", "not_applied", "logprobs") and isinstance(v, list):
        return tuple(v)
    return v
