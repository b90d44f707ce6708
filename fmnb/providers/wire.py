"""A Request as the JSON body of a chat completion, and mending that body when a service refuses a part of it.

Knows the wire form and the profile's departures from it; sends nothing.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from ..errors import BadRequestError
from ..types import File, Image, Message, Reasoning, Request, Text, ToolCall, ToolResult
from .profiles import Profile

SCHEMA_OPTION = "schema enforced by the service"


def body(profile: Profile, model: str, request: Request) -> dict[str, Any]:
    """The body to send. Raises BadRequestError for a part the service cannot take.

    >>> from fmnb.types import message
    >>> body(Profile("p"), "m", Request("m", (message("user", "hi"),)))["messages"]
    [{'role': 'user', 'content': 'hi'}]
    """
    out: dict[str, Any] = {"model": model, "messages": messages(profile, request.messages), "stream": True}
    if profile.stream_options:
        out["stream_options"] = {"include_usage": True}
    if request.max_tokens is not None:
        out[profile.max_tokens_field] = request.max_tokens
    if request.temperature is not None:
        out["temperature"] = request.temperature
    if request.seed is not None:
        out["seed"] = request.seed
    if request.stop:
        out["stop"] = list(request.stop)
    if request.logprobs is not None:
        out["logprobs"] = True
        if request.logprobs:
            out["top_logprobs"] = request.logprobs
    if request.tools:
        out["tools"] = [
            t if t.get("type") == "function" and "function" in t else {"type": "function", "function": t} for t in request.tools
        ]
    if request.schema is not None:
        _ask_for_schema(out, request.schema, profile.schema)
    out.update(request.extra)
    return out


def not_applied(profile: Profile, request: Request) -> list[str]:
    """Options of the request that this service accepts and does not act on, or that cannot be asked for."""
    asked = {
        "temperature": request.temperature is not None,
        "seed": request.seed is not None,
        "stop": bool(request.stop),
        "logprobs": request.logprobs is not None,
        "max_tokens": request.max_tokens is not None,
    }
    found = [name for name in profile.ignores if asked.get(name) or name in request.extra]
    if request.schema is not None and (profile.schema != "json_schema" or not _is_object(request.schema)):
        found.append(SCHEMA_OPTION)
    return found


def drop_ignored(profile: Profile, body: dict[str, Any]) -> None:
    """Leave out what the service does not act on."""
    for name in profile.ignores:
        body.pop(name, None)
        if name == "logprobs":
            body.pop("top_logprobs", None)


def messages(profile: Profile, given: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Messages in wire form; leading system messages become one, since some servers take no more."""
    head = 0
    while head < len(given) and given[head].role == "system":
        head += 1
    out: list[dict[str, Any]] = []
    if head:
        out.append({"role": "system", "content": "\n\n".join(m.text for m in given[:head])})
    for m in given[head:]:
        out.extend(_message(profile, m))
    return out


def _message(profile: Profile, m: Message) -> list[dict[str, Any]]:
    results = [{"role": "tool", "tool_call_id": p.id, "content": p.content} for p in m.parts if isinstance(p, ToolResult)]
    rest = [p for p in m.parts if not isinstance(p, ToolResult)]
    if results and not rest:
        return results
    one: dict[str, Any] = {"role": m.role}
    content: list[dict[str, Any]] = []
    for p in rest:
        match p:
            case Text(text=text):
                content.append({"type": "text", "text": text})
            case Image():
                content.append(_image(profile, p))
            case File():
                content.append(_file(profile, p))
            case Reasoning(extra=extra):  # what the service gave us to send back, unread
                one.update(extra)
            case ToolCall(id=i, name=name, arguments=arguments, extra=extra):
                call = {"id": i, "type": "function", "function": {"name": name, "arguments": arguments or "{}"}, **extra}
                one.setdefault("tool_calls", []).append(call)
    if all(c["type"] == "text" for c in content):
        text = "".join(c["text"] for c in content)
        one["content"] = text if text or "tool_calls" not in one else None
    else:
        one["content"] = content
    one.update(m.extra)
    return [*results, one]


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def _image(profile: Profile, p: Image) -> dict[str, Any]:
    if not profile.images:
        raise BadRequestError(
            f"{profile.label} takes no images", seen=p.media_type, todo="Use a model that can see, or describe the image in words."
        )
    return {"type": "image_url", "image_url": {"url": _data_uri(p.media_type, p.data)}}


def _file(profile: Profile, p: File) -> dict[str, Any]:
    if not profile.files:
        raise BadRequestError(
            f"{profile.label} takes no documents",
            seen=f"{p.name or 'a file'} ({p.media_type})",
            todo="Attach its text instead: a PDF's text is taken out with `--attach` when the model cannot read it.",
        )
    return {"type": "file", "file": {"filename": p.name or "document", "file_data": _data_uri(p.media_type, p.data)}}


def _ask_for_schema(out: dict[str, Any], schema: dict[str, Any], level: str) -> None:
    if not _is_object(schema):
        level = "none"  # services enforce objects only
    if level == "json_schema":
        named = {"name": "answer", "schema": schema, "strict": strict(schema)}
        out["response_format"] = {"type": "json_schema", "json_schema": named}
        return
    if level == "json_object":
        out["response_format"] = {"type": "json_object"}
    _instruct(out["messages"], schema)


def _instruct(messages: list[dict[str, Any]], schema: dict[str, Any]) -> None:
    text = "Answer with one JSON value that satisfies this JSON schema, and with nothing else:\n" + json.dumps(schema, ensure_ascii=False)
    if messages and messages[0]["role"] == "system":
        messages[0] = {**messages[0], "content": f"{messages[0]['content']}\n\n{text}"}
    else:
        messages.insert(0, {"role": "system", "content": text})


def _is_object(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "object"


def strict(schema: Any) -> bool:
    """Whether a schema is in the form that strict mode takes: closed objects, every property required.

    >>> strict({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False})
    True
    """
    if isinstance(schema, list):
        return all(map(strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(properties):
            return False
        return all(map(strict, properties.values())) and strict(schema.get("$defs", {}))
    return all(strict(v) for v in schema.values() if isinstance(v, (dict, list)))


# Words of a refusal that is about the option itself, not about its value being out of range.
_REFUSED = re.compile(
    r"(?i)unsupported|not supported|does not support|doesn't support|not support|unrecogni[sz]ed|unknown|unexpected|extra[_ ](?:inputs?|fields?|forbidden)"
    r"|not permitted|not allowed|not available|only the default|no such (?:field|parameter)|incompatible|deprecated"
)
_OUR_NAME = {"max_completion_tokens": "max_tokens", "top_logprobs": "logprobs", "response_format": SCHEMA_OPTION}
_NEVER = ("model", "messages")


def refused_option(body: dict[str, Any], error: Any) -> str:
    """The key of `body` that a 400 or 422 is about, or "" when it is not about one option.

    >>> refused_option({"seed": 1, "model": "m"}, {"error": {"message": "Unsupported parameter", "param": "seed", "code": "unsupported_parameter"}})
    'seed'
    """
    inner = error.get("error", error) if isinstance(error, dict) else {}
    inner = inner if isinstance(inner, dict) else {"message": str(inner)}
    text = f"{inner.get('message', '')} {inner.get('code', '')} {json.dumps(error, default=str) if isinstance(error, dict) else error}"
    if not _REFUSED.search(text):
        return ""
    named = [str(inner.get("param") or "")]
    detail = error.get("detail") if isinstance(error, dict) else None
    for item in detail if isinstance(detail, list) else []:
        named += [str(x) for x in item.get("loc", ()) if isinstance(item, dict)]
    for name in named:
        head = re.split(r"[.\[]", name, maxsplit=1)[0]
        if head in body and head not in _NEVER:
            return head
    if not named[0]:  # no `param`: the name stands in the words, longest first since names contain each other
        for name in sorted(body, key=len, reverse=True):
            if name not in _NEVER and re.search(rf"(?<![A-Za-z_]){re.escape(name)}(?![A-Za-z_])", text):
                return name
    return ""


def mend(body: dict[str, Any], option: str, request: Request) -> str | None:
    """Take a refused option out of the body. Returns our name of what is not applied, "" when nothing is lost, None when it cannot be mended."""
    if option in ("max_tokens", "max_completion_tokens") and "_swapped" not in body:
        other = "max_completion_tokens" if option == "max_tokens" else "max_tokens"
        body[other] = body.pop(option)
        body["_swapped"] = True
        return ""
    value = body.pop(option)
    if option == "stream":
        body.pop("stream_options", None)
        return ""
    if option == "stream_options":
        return ""
    if option in ("logprobs", "top_logprobs"):
        body.pop("logprobs", None)
        body.pop("top_logprobs", None)
    if option == "response_format" and request.schema is not None:
        was = value.get("type") if isinstance(value, dict) else ""
        if was == "json_schema":
            _ask_for_schema(body, request.schema, "json_object")
    return _OUR_NAME.get(option, option)


def encode(body: dict[str, Any]) -> bytes:
    """The body as bytes. ASCII, so that half a surrogate pair in the prompt does no harm."""
    if "_swapped" in body:
        body = {k: v for k, v in body.items() if k != "_swapped"}
    return json.dumps(body, separators=(",", ":")).encode("ascii")
