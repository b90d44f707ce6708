"""What one interface of a service is to the adapter, a `Wire`, and what all of them share.

Shared are: what a request asks that cannot be said, asking for structure in words, and
mending a body when a service refuses a part of it. Sends nothing.
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
    """How one interface is spoken: the body it takes and how its documents are read.

    `body` returns the JSON body and the names of what it cannot say; `unsupported` are options the
    interface has no word for. `drop_option` takes an option that the service refused out of the body
    and returns our name of what is lost ("" for nothing), or None where the option is simply
    to be left out. `complete_key` is the key that a complete answer has when it does not come as a
    stream; `auth` the header of the key, where it has one of its own; `files` says that
    documents can be sent, whatever the profile says of its other interfaces.
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
        """Whether this is an answer in one piece; one that says its status may hold nothing yet."""
        return bool(document.get(self.complete_key)) or (self.complete_key in document and isinstance(document.get("status"), str))


def unsupported_options(profile: Profile, request: Request, lacks: tuple[str, ...] = ()) -> list[str]:
    """Options of the request that the interface has no word for or the service does not act on."""
    asked = {
        "temperature": request.temperature is not None,
        "seed": request.seed is not None,
        "stop": bool(request.stop),
        "logprobs": request.logprobs is not None,
        "max_tokens": request.max_tokens is not None,
    }
    found = [n for n in dict.fromkeys((*lacks, *profile.ignores)) if asked.get(n) or n in request.extra]
    # weights that run elsewhere are loaded as their service loads them
    return found + [n for n in ("quant", "dtype") if getattr(request, n)]


def drop_ignored(profile: Profile, body: dict[str, Any]) -> None:
    """Leave out what the service does not act on."""
    for name in profile.ignores:
        body.pop(name, None)
        if name == "logprobs":
            body.pop("top_logprobs", None)


# Raw parameters that ask for several answers at once, as services and servers call them, and tables they may stand in.
_COUNT_PARAMS = frozenset(
    ("n", "best_of", "num_generations", "candidate_count", "candidatecount", "num_return_sequences", "num_completions", "num_outputs")
)
_TABLES = frozenset(("extra_body", "extra", "generation_config", "generationconfig", "parameters", "sampling_params", "options"))


def check_one_answer(request: Request) -> None:
    """Raise UsageError where a raw parameter asks for several answers of text: they would come mixed.

    >>> check_one_answer(Request("m", (), extra={"n": 2}))
    Traceback (most recent call last):
    fmnb.core.errors.UsageError: A call gives one answer: n=2. Ask for several with --samples 2 (samples=2 in Python).
    """
    if request.format == "image":
        return  # several pictures are several events
    tables = [request.extra]
    for table in tables:
        for name, value in table.items():
            if isinstance(value, dict) and name.lower() in _TABLES:
                tables.append(value)
            elif name.lower() in _COUNT_PARAMS and value not in (None, 0, 1, "1", ""):
                raise UsageError(
                    "A call gives one answer",
                    detail=f"{name}={value}",
                    hint=f"Ask for several with --samples {value} (samples={value} in Python).",
                )


def with_extra(out: dict[str, Any], extra: dict[str, Any]) -> None:
    """Raw parameters over the body; where both hold a table, its entries are put together."""
    for key, value in extra.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = {**out[key], **value} if both else value


def tool_schemas(tools: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """Each tool with its description bare: name, description, parameters. A service's own tools stay as they are."""
    return [t["function"] if t.get("type") == "function" and isinstance(t.get("function"), dict) else t for t in tools]


def split_system(given: tuple[Message, ...]) -> tuple[str, tuple[Message, ...]]:
    """The text of the leading system messages, as one, and the rest."""
    head = 0
    while head < len(given) and given[head].role == "system":
        head += 1
    return "\n\n".join(m.text for m in given[:head]), given[head:]


def sendable_parts(m: Message) -> list[Part]:
    """The parts as they can be sent: a picture that a model made goes back as words, since no service takes one in an answer."""
    if m.role != "assistant":
        return list(m.parts)
    return [
        Text(f"[{getattr(p, 'alt', '') or getattr(p, 'name', '') or 'a picture'}]") if isinstance(p, (Image, File)) else p for p in m.parts
    ]


def provider_state(by: str, m: Message) -> Any:
    """What the same interface and model wants to see again of its answer, or None: what one service understands goes to no other."""
    for p in m.parts:
        if isinstance(p, Reasoning) and isinstance(kept := p.extra.get(PROVIDER_STATE), dict) and kept.get("by") == by:
            return kept.get("said")
    return None


def data_uri(media_type: str, data: bytes) -> str:
    """The bytes inside an address, as services take them.

    >>> data_uri("image/png", b"png")
    'data:image/png;base64,cG5n'
    """
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def check_image(profile: Profile, p: Image) -> None:
    """Raise BadRequestError where the service cannot see."""
    if not profile.images:
        raise BadRequestError(
            f"{profile.label} takes no images", detail=p.media_type, hint="Use a model that can see, or describe the image in words."
        )


def no_documents(profile: Profile, p: File) -> BadRequestError:
    """The service reads no files of this kind."""
    return BadRequestError(
        f"{profile.label} takes no documents",
        detail=f"{p.name or 'a file'} ({p.media_type})",
        hint="Attach its text instead: a PDF's text is taken out with `--attach` when the model cannot read it.",
    )


def schema_instruction(schema: dict[str, Any]) -> str:
    """The sentence that asks for an answer of that form."""
    return "Answer with one JSON value that satisfies this JSON schema, and with nothing else:\n" + json.dumps(schema, ensure_ascii=False)


def instruct(messages: list[dict[str, Any]], schema: dict[str, Any]) -> None:
    """Ask for the schema in the system message, which is added where there is none."""
    text = schema_instruction(schema)
    if messages and messages[0]["role"] == "system":
        messages[0] = {**messages[0], "content": f"{messages[0]['content']}\n\n{text}"}
    else:
        messages.insert(0, {"role": "system", "content": text})


def is_object(schema: dict[str, Any]) -> bool:
    """Whether a schema is for an object: services enforce no others."""
    return schema.get("type") == "object"


def strict(schema: Any) -> bool:
    """Whether a schema is in the form that strict mode takes: closed objects, every property required.

    >>> strict({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False})
    True
    """
    return _every_object(
        schema, lambda s: s.get("additionalProperties") is False and set(s.get("required", ())) == set(s.get("properties", {}))
    )


def closed(schema: Any) -> bool:
    """Whether every object of a schema names all its properties.

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
_OWN_OPTIONS = ("stream", "stream_options", "include")  # ours, not the user's: nothing is lost without them


def drop_option(wire: Wire, body: dict[str, Any], option: str, request: Request) -> str:
    """Take a refused option out of the body. Returns our name of what is not applied, "" when nothing is lost."""
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
    """The body as bytes. ASCII, so that half a surrogate pair in the prompt does no harm."""
    if "_swapped" in body:
        body = {k: v for k, v in body.items() if k != "_swapped"}
    return json.dumps(body, separators=(",", ":")).encode("ascii")
