"""Values that travel: messages, requests, usage. `response.py` has the result of a call.

Frozen dataclasses without ids, clients or I/O. All have a JSON form through `to_dict` /
`from_dict`; binary content is base64 there, and a part's `kind` is its `type`. What only one
provider understands is in `extra` and is sent back unchanged.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

T = TypeVar("T")
_canonical_json = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
PROVIDER_STATE = "turn"  # key in an answer's `extra` for state that is sent back to the service unchanged
UNFINISHED = "unfinished"  # key in an answer's `extra`: the schema requires more than max_tokens allowed
Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Label:
    """Where content comes from. `labels.py` joins labels and finds those of messages.

    `untrusted` content was not written by the user: documents, cells of tables, results of tools,
    answers of models. `data_class` is public, internal, personal or secret, "" if unknown; `columns`
    are the columns of tables that it was read from.
    """

    untrusted: bool = False
    data_class: str = ""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """The label of the characters from `start` up to `end` of a text."""

    start: int
    end: int
    label: Label


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text. `spans` are the labels of its characters, in order and without overlap."""

    kind: ClassVar[str] = "Text"
    text: str
    spans: tuple[Span, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Image:
    """An image as encoded bytes (`image/png`, `image/jpeg`, ...) with alternative text."""

    kind: ClassVar[str] = "Image"
    data: bytes
    media_type: str = "image/png"
    alt: str = ""
    label: Label | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class File:
    """A document that is sent unchanged, such as a PDF."""

    kind: ClassVar[str] = "File"
    data: bytes
    media_type: str
    name: str = ""
    label: Label | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Reasoning of the model; `extra` holds signatures to send back."""

    kind: ClassVar[str] = "Reasoning"
    text: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call by the model; `arguments` is the JSON text as received."""

    kind: ClassVar[str] = "ToolCall"
    id: str
    name: str
    arguments: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of the tool call with that id."""

    kind: ClassVar[str] = "ToolResult"
    id: str
    content: str
    failed: bool = False
    label: Label | None = field(default=None, repr=False)


Part = Text | Image | File | Reasoning | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation: its role and parts."""

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
    """Everything that determines an answer, for one call to one model.

    `schema` is a JSON schema that the answer must match, `extra` raw wire parameters (`-p`),
    `logprobs` the number of alternatives per token, `sample` the index among repeated calls,
    `format` how the answer is used. `api` names the interface of the service (chat, responses,
    native; "" for the default), `quant` and `dtype` how local weights are loaded.
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

    def fingerprint(self) -> str:
        """Hex digest of what determines the answer; the key in cache, tape and provenance."""
        wire = to_dict(self)
        for m in wire["messages"]:
            for part in m["parts"]:
                part.pop("spans", None)  # labels determine no answer
                part.pop("label", None)
        if self.format != "image":  # the other formats only change how the same answer is shown
            wire.pop("format", None)
        text = _canonical_json(wire)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and cost of a call. None means not reported; `cost` is in US dollars.

    `cached_tokens` are part of `input_tokens`, `reasoning_tokens` of `output_tokens`.
    With `estimated`, the service did not report all of it, as for an interrupted answer: part of
    the tokens, and their price, are estimated from the text.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: float | None = None
    estimated: bool = False

    def __post_init__(self) -> None:
        for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost"):
            value = getattr(self, name)
            if value is not None and not _is_count(value, money=name == "cost"):  # services report invalid values
                object.__setattr__(self, name, None)

    def __add__(self, other: Usage) -> Usage:
        def add(a: Any, b: Any) -> Any:
            return b if a is None else a if b is None else a + b

        numbers = {f.name: add(getattr(self, f.name), getattr(other, f.name)) for f in dataclasses.fields(self)}
        return Usage(**{**numbers, "estimated": self.estimated or other.estimated})


def _is_count(value: Any, *, money: bool) -> bool:
    """Whether a value is a valid number of tokens, or of US dollars."""
    known = isinstance(value, (int, float)) if money else isinstance(value, int)
    return known and not isinstance(value, bool) and 0 <= value < 1e15


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Number of tokens of a request; an estimate names its method and typical error."""

    tokens: int
    exact: bool
    method: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known about a model before a call.

    `name` is the full `provider:name`; `host` is "local" or the host that receives the request;
    prices are US dollars per million tokens, None if unknown; `size` and `memory` are bytes;
    `missing` is what has to be done before it can answer, "" if nothing.
    """

    name: str
    provider: str
    host: str
    local: bool = False
    context: int | None = None
    max_output: int | None = None
    inputs: tuple[str, ...] = ("text",)
    outputs: tuple[str, ...] = ("text",)
    chat: bool = True
    price_in: float | None = None
    price_out: float | None = None
    license: str = ""
    size: int | None = None
    memory: int | None = None
    missing: str = ""
    source: str = ""


_TAGGED = {c.kind: c for c in (Text, Image, File, Reasoning, ToolCall, ToolResult)}
_TAGS = frozenset(_TAGGED.values())
_JSON_TYPES = frozenset((str, int, float, bool, type(None)))
_NESTED = {"usage": Usage, "request": Request, "label": Label}


def to_dict(value: Any) -> dict[str, Any]:
    """JSON-able form of a value of this module; fields at their default are left out.

    >>> to_dict(message("user", "hi"))
    {'role': 'user', 'parts': [{'type': 'Text', 'text': 'hi'}]}
    """
    kind = type(value)
    out: dict[str, Any] = {"type": value.kind} if kind in _TAGS else {}
    for name, default in _defaults(kind):  # type: ignore[arg-type]
        v = getattr(value, name)
        if v != default:
            out[name] = v if type(v) in _JSON_TYPES else _encode(v)
    return out


@functools.cache
def _defaults(kind: type) -> tuple[tuple[str, Any], ...]:
    """Name and default of each field (an empty container for a factory; `...` without a default)."""
    return tuple(
        (
            f.name,
            f.default_factory() if f.default_factory is not dataclasses.MISSING else ... if f.default is dataclasses.MISSING else f.default,
        )
        for f in dataclasses.fields(kind)
    )


def _encode(v: Any) -> Any:
    if v is None or isinstance(v, (str, int, float)):
        return v
    if isinstance(v, bytes):
        return base64.b64encode(v).decode("ascii")
    if isinstance(v, Label):
        return _encode_label(v)
    if hasattr(v, "__dataclass_fields__") and not isinstance(v, type):
        return to_dict(v)
    if isinstance(v, (list, tuple)):
        return [x if type(x) in _JSON_TYPES else _encode(x) for x in v]
    if isinstance(v, dict):
        return {k: x if type(x) in _JSON_TYPES else _encode(x) for k, x in v.items()}
    return v


@functools.lru_cache(maxsize=1024)  # rows of a table share their labels
def _encode_label(label: Label) -> dict[str, Any]:
    return to_dict(label)


def from_dict(kind: type[T], data: dict[str, Any]) -> T:
    """The inverse of `to_dict`; unknown fields are ignored, so newer logs stay readable.

    >>> from_dict(Message, {"role": "user", "parts": [{"type": "Text", "text": "hi"}]}).text
    'hi'
    """
    known = {f.name: f.type for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{k: base64.b64decode(v, validate=True) if known[k] == "bytes" else _decode(k, v) for k, v in data.items() if k in known})


def _is_label(v: Any) -> bool:
    if not isinstance(v, dict) or not isinstance(v.get("data_class", ""), str) or not isinstance(v.get("untrusted", False), bool):
        return False
    columns = v.get("columns", [])
    return isinstance(columns, (list, tuple)) and all(isinstance(c, str) for c in columns)


def _are_spans(v: Any) -> bool:
    """Whether these are the spans of a text, in order and without overlap."""
    at = 0
    for span in v if isinstance(v, (list, tuple)) else [None]:
        if not isinstance(span, dict) or not _is_label(span.get("label")):
            return False
        start, end = span.get("start"), span.get("end")
        if not isinstance(start, int) or not isinstance(end, int) or not at <= start < end:
            return False
        at = end
    return True


def _decode(name: str, v: Any) -> Any:
    if name == "messages":
        return tuple(from_dict(Message, m) for m in v)
    if name in ("parts", "tool_calls", "media"):
        return tuple(from_dict(_TAGGED[p["type"]], p) for p in v if p.get("type") in _TAGGED)
    if name == "spans":
        return tuple(from_dict(Span, s) for s in v) if _are_spans(v) else ()
    if name == "label" and v is not None and not _is_label(v):
        return Label(untrusted=True)  # of a file that somebody edited
    if name in _NESTED and isinstance(v, dict):
        return from_dict(_NESTED[name], v)
    if name in ("stop", "tools", "notes", "not_applied", "logprobs", "columns") and isinstance(v, list):
        return tuple(v)
    return v
