"""What a wire is (one interface of a service), and what all wires share.

Shared are: options that an interface does not support, requesting structure in the prompt, and
dropping options that a service refuses. This module sends nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...core.errors import BadRequestError, UsageError
from ...core.types import PROVIDER_STATE, File, Image, Message, Part, Reasoning, Request, Text
from ..profiles import Profile
from .sse import Answer

SCHEMA_OPTION = "schema enforced by the service"


@dataclass(frozen=True)
class Wire:
    """One interface of a service: how to write a request body and read its documents.

    `body` returns the JSON body and the names of options it cannot express; `unsupported` are
    options that the interface does not have. `drop_option` removes a refused option from the body
    and returns the name of the option that is not applied ("" for none), or None if the option can
    simply be removed. `complete_key` is the key of a non-streamed answer; `auth` the header of the
    API key, if it is special; with `files`, documents can be sent, whatever the profile says.
    """

    name: str
    path: str
    body: Callable[[Profile, str, Request], tuple[dict[str, Any], list[str]]]
    answer: Callable[[Profile, str, Request], Answer]
    drop_option: Callable[[dict[str, Any], str, Request], str | None]
    complete_key: str
    unsupported: tuple[str, ...] = ()
    auth: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    files: bool = False

    def is_complete(self, document: dict[str, Any]) -> bool:
        """Whether a document is a complete answer; one with a status may have no content yet."""
        return bool(document.get(self.complete_key)) or (self.complete_key in document and isinstance(document.get("status"), str))


def unsupported_options(profile: Profile, request: Request, unsupported: tuple[str, ...] = ()) -> list[str]:
    """Options of the request that the interface does not have or the service ignores."""
    requested = {
        "temperature": request.temperature is not None,
        "seed": request.seed is not None,
        "stop": bool(request.stop),
        "logprobs": request.logprobs is not None,
        "max_tokens": request.max_tokens is not None,
    }
    names = [n for n in dict.fromkeys((*unsupported, *profile.ignores)) if requested.get(n) or n in request.extra]
    # the service decides how its weights are loaded
    return names + [n for n in ("quant", "dtype") if getattr(request, n)]


def drop_ignored(profile: Profile, body: dict[str, Any]) -> None:
    """Remove options that the service ignores."""
    for name in profile.ignores:
        body.pop(name, None)
        if name == "logprobs":
            body.pop("top_logprobs", None)


# Raw parameters for several answers per request, and the tables they may be in.
_COUNT_PARAMS = frozenset(
    ("n", "best_of", "num_generations", "candidate_count", "candidatecount", "num_return_sequences", "num_completions", "num_outputs")
)
_TABLES = frozenset(("extra_body", "extra", "generation_config", "generationconfig", "parameters", "sampling_params", "options"))


def check_one_answer(request: Request) -> None:
    """Raise UsageError if a raw parameter requests several text answers, which would be mixed up.

    >>> check_one_answer(Request("m", (), extra={"n": 2}))
    Traceback (most recent call last):
    fmnb.core.errors.UsageError: A call returns one answer: n=2. Request several with --samples 2 (samples=2 in Python).
    """
    if request.format == "image":
        return  # several images are separate events
    tables = [request.extra]
    for table in tables:
        for name, value in table.items():
            if isinstance(value, dict) and name.lower() in _TABLES:
                tables.append(value)
            elif name.lower() in _COUNT_PARAMS and value not in (None, 0, 1, "1", ""):
                raise UsageError(
                    "A call returns one answer",
                    detail=f"{name}={value}",
                    hint=f"Request several with --samples {value} (samples={value} in Python).",
                )


def with_extra(out: dict[str, Any], extra: dict[str, Any]) -> None:
    """Apply raw parameters to the body; tables in both are merged."""
    for key, value in extra.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = {**out[key], **value} if both else value


def tool_schemas(tools: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """Each tool as name, description and parameters. A service's own tools are unchanged."""
    return [t["function"] if t.get("type") == "function" and isinstance(t.get("function"), dict) else t for t in tools]


def split_system(messages: tuple[Message, ...]) -> tuple[str, tuple[Message, ...]]:
    """The joined text of leading system messages, and the other messages."""
    head = 0
    while head < len(messages) and messages[head].role == "system":
        head += 1
    return "\n\n".join(m.text for m in messages[:head]), messages[head:]


def sendable_parts(m: Message) -> list[Part]:
    """The parts that can be sent: images by a model become text, since services do not accept them back."""
    if m.role != "assistant":
        return list(m.parts)
    return [
        Text(f"[{getattr(p, 'alt', '') or getattr(p, 'name', '') or 'a picture'}]") if isinstance(p, (Image, File)) else p for p in m.parts
    ]


def provider_state(by: str, m: Message) -> Any:
    """State of an earlier answer for the same interface and model, or None.

    It is sent to no other service.
    """
    for p in m.parts:
        if isinstance(p, Reasoning) and isinstance(state := p.extra.get(PROVIDER_STATE), dict) and state.get("by") == by:
            return state.get("said")
    return None


def data_uri(media_type: str, data: bytes) -> str:
    """The bytes as a data URI.

    >>> data_uri("image/png", b"png")
    'data:image/png;base64,cG5n'
    """
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def check_image(profile: Profile, p: Image) -> None:
    """Raise BadRequestError if the service does not accept images."""
    if not profile.images:
        raise BadRequestError(
            f"{profile.label} does not accept images", detail=p.media_type, hint="Use a vision model, or describe the image in words."
        )


def no_documents(profile: Profile, p: File) -> BadRequestError:
    """The error for a file type that the service does not read."""
    return BadRequestError(
        f"{profile.label} does not accept documents",
        detail=f"{p.name or 'a file'} ({p.media_type})",
        hint="Attach its text instead: `--attach` extracts the text of a PDF if the model cannot read it.",
    )


def schema_instruction(schema: dict[str, Any]) -> str:
    """The instruction to answer in that form."""
    return "Answer with one JSON value that satisfies this JSON schema, and with nothing else:\n" + json.dumps(schema, ensure_ascii=False)


def instruct(messages: list[dict[str, Any]], schema: dict[str, Any]) -> None:
    """Request the schema in the system message, which is added if missing."""
    text = schema_instruction(schema)
    if messages and messages[0]["role"] == "system":
        messages[0] = {**messages[0], "content": f"{messages[0]['content']}\n\n{text}"}
    else:
        messages.insert(0, {"role": "system", "content": text})


def is_object(schema: dict[str, Any]) -> bool:
    """Whether a schema is for an object; services enforce no others."""
    return schema.get("type") == "object"


def strict(schema: Any) -> bool:
    """Whether a schema is valid in strict mode: closed objects, every property required.

    >>> strict({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False})
    True
    """
    return _every_object(
        schema, lambda s: s.get("additionalProperties") is False and set(s.get("required", ())) == set(s.get("properties", {}))
    )


def closed(schema: Any) -> bool:
    """Whether all objects of a schema are closed.

    >>> closed({"type": "object", "properties": {"a": {}}, "additionalProperties": False}), closed({"type": "object"})
    (True, False)
    """
    return _every_object(schema, lambda s: s.get("additionalProperties") is False)


def _every_object(schema: Any, good: Callable[[dict[str, Any]], bool]) -> bool:
    if isinstance(schema, list):
        return all(_every_object(s, good) for s in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        inner = (*schema.get("properties", {}).values(), *schema.get("$defs", {}).values())
        return good(schema) and all(_every_object(s, good) for s in inner)
    return all(_every_object(v, good) for v in schema.values() if isinstance(v, (dict, list)))


_OUR_NAME = {
    **{"max_completion_tokens": "max_tokens", "max_output_tokens": "max_tokens", "top_logprobs": "logprobs"},
    **{"stop_sequences": "stop", "store": "store=false"},
}
_OWN_OPTIONS = ("stream", "stream_options", "include")  # set by fmnb, not the user: dropping them is not reported


def drop_option(wire: Wire, body: dict[str, Any], option: str, request: Request) -> str:
    """Remove a refused option from the body; returns the name of the option not applied, or ""."""
    if (name := wire.drop_option(body, option, request)) is not None:
        return name
    body.pop(option)
    if option == "stream":
        body.pop("stream_options", None)
    if option in ("logprobs", "top_logprobs"):
        body.pop("logprobs", None)
        body.pop("top_logprobs", None)
    return "" if option in _OWN_OPTIONS and option not in request.extra else _OUR_NAME.get(option, option)


def encode(body: dict[str, Any]) -> bytes:
    """The body as ASCII bytes, so that lone surrogates in the prompt are harmless."""
    if "_swapped" in body:
        body = {k: v for k, v in body.items() if k != "_swapped"}
    return json.dumps(body, separators=(",", ":")).encode("ascii")
