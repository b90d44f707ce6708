"""Anthropic's Messages API: thinking, citations and prompt caching, which its compatible API lacks.

An answer with thinking is sent back complete and unchanged, since the service verifies its signatures.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from ...core.events import Event, TextDelta, ToolCallDelta
from ...core.types import PROVIDER_STATE, File, Image, Message, Request, Text, ToolCall, ToolResult, Usage
from ..profiles import Profile
from .base import (
    SCHEMA_OPTION,
    Wire,
    check_image,
    closed,
    is_object,
    no_documents,
    provider_state,
    schema_instruction,
    sendable_parts,
    tool_schemas,
    unsupported_options,
    with_extra,
)
from .sse import Answer, finish_reason

MAX_TOKENS = 16_384  # the API requires a number: half the limit of the smallest current model, more than most answers need
_UNSUPPORTED = ("seed", "logprobs")
_FORM = "answer"  # the tool that a model must call if the service cannot enforce a schema
_WORTH_CACHING = 4_096  # characters, about 1,024 tokens: the service does not cache shorter prompts
_CACHE = {"type": "ephemeral"}


def body(profile: Profile, model: str, request: Request) -> tuple[dict[str, Any], list[str]]:
    """The request body, and the names of options that it cannot express.

    Raises BadRequestError for content that the service does not accept.

    >>> from fmnb.core.types import message
    >>> sent, lost = body(Profile("p"), "m", Request("m", (message("system", "Be brief."), message("user", "hi")), seed=1))
    >>> sent["system"], sent["messages"], lost
    ('Be brief.', [{'role': 'user', 'content': [{'type': 'text', 'text': 'hi'}]}], ['seed'])
    """
    cite = request.schema is None  # the service does not support citations together with structured output
    system = "\n\n".join(m.text for m in request.messages if m.role == "system" and m.text.strip())
    sent = [_message(profile, f"{profile.name}:{model} anthropic", m, cite) for m in request.messages if m.role != "system"]
    out: dict[str, Any] = {
        "model": model,
        "max_tokens": _length(request),
        "messages": [m for m in sent if m["content"]],
        "stream": True,
    }
    not_applied = unsupported_options(profile, request, _UNSUPPORTED)
    if system:
        out["system"] = system
    if request.temperature is not None:
        out["temperature"] = min(request.temperature, 1.0)
        if request.temperature > 1:
            not_applied.append("temperature above 1")
    if request.stop:
        out["stop_sequences"] = list(request.stop)
    if request.tools:
        out["tools"] = [_tool(f) for f in tool_schemas(request.tools)]
    if request.schema is not None:
        level = "format" if closed(request.schema) else "tool"
        _ask_for_schema(out, request, level)
        if level != "format" or not is_object(request.schema):
            not_applied.append(SCHEMA_OPTION)
    with_extra(out, {k: v for k, v in request.extra.items() if k not in _UNSUPPORTED})
    if "cache_control" not in request.extra:
        _cache(out)
    return out, not_applied


def _length(request: Request) -> int:
    """The value of max_tokens; by default, the thinking budget is added."""
    thinking = request.extra.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    return request.max_tokens or MAX_TOKENS + (budget if isinstance(budget, int) else 0)


def _message(profile: Profile, by: str, m: Message, cite: bool) -> dict[str, Any]:
    if (state := provider_state(by, m)) is not None:
        return {"role": "assistant", "content": list(state)}
    results: list[dict[str, Any]] = []
    content: list[dict[str, Any]] = []
    for p in sendable_parts(m):
        match p:
            case Text(text=text):
                if text.strip():  # the service rejects blank blocks
                    content.append({"type": "text", "text": text})
            case Image():
                check_image(profile, p)
                content.append({"type": "image", "source": _source("base64", p.media_type, p.data)})
            case File():
                content.append(_document(profile, p, cite))
            case ToolCall(id=i, name=name, arguments=arguments):
                content.append({"type": "tool_use", "id": i, "name": name, "input": _object(arguments)})
            case ToolResult(id=i, content=text, failed=failed):
                results.append({"type": "tool_result", "tool_use_id": i, "content": text, **({"is_error": True} if failed else {})})
    return {"role": "assistant" if m.role == "assistant" else "user", "content": results + content}


def _source(kind: str, media_type: str, data: bytes) -> dict[str, Any]:
    return {"type": kind, "media_type": media_type, "data": base64.b64encode(data).decode("ascii") if kind == "base64" else data.decode()}


def _document(profile: Profile, p: File, cite: bool) -> dict[str, Any]:
    if p.media_type == "application/pdf":
        source = _source("base64", p.media_type, p.data)
    elif p.media_type.startswith("text/"):
        source = _source("text", "text/plain", p.data)
    else:
        raise no_documents(profile, p)
    block: dict[str, Any] = {"type": "document", "source": source}
    if p.name:
        block["title"] = p.name
    if cite:
        block["citations"] = {"enabled": True}
    return block


def _object(arguments: str) -> dict[str, Any]:
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):  # truncated or invalid arguments from the model: the service accepts only an object
        return {"arguments": arguments}
    return value if isinstance(value, dict) else {"arguments": value}


def _tool(f: dict[str, Any]) -> dict[str, Any]:
    if "type" in f:  # one of the service's own tools
        return f
    out = {k: v for k, v in f.items() if k in ("name", "description", "strict")}
    return {**out, "input_schema": f.get("parameters") or {"type": "object", "properties": {}}}


def _ask_for_schema(out: dict[str, Any], request: Request, level: str) -> None:
    """Request structured output: enforced by the service, or as a forced tool call, or in the prompt."""
    schema = request.schema
    assert schema is not None
    if level == "tool" and (request.tools or request.extra.get("thinking")):  # neither can be combined with a forced tool call
        level = "words"
    if not is_object(schema) or level == "words":
        out["system"] = "\n\n".join(filter(None, (_text_of(out.get("system")), schema_instruction(schema))))
    elif level == "format":
        out["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    else:
        out["tools"] = [{"name": _FORM, "description": "Give the answer in this form.", "input_schema": schema}]
        out["tool_choice"] = {"type": "tool", "name": _FORM}


def _text_of(system: Any) -> str:
    return "".join(str(b.get("text", "")) for b in system) if isinstance(system, list) else system or ""


def drop_option(body: dict[str, Any], option: str, request: Request) -> str | None:
    """Replace a rejected schema by the next best method."""
    if option == "output_config" and request.schema is not None and body[option].pop("format", None) is not None:
        if not body[option]:
            del body[option]
        _ask_for_schema(body, request, "tool")
        return SCHEMA_OPTION
    if option in ("tools", "tool_choice") and (body.get("tool_choice") or {}).get("name") == _FORM and not request.tools:
        del body["tools"], body["tool_choice"]
        _ask_for_schema(body, request, "words")
        return SCHEMA_OPTION
    return None


def _cache(out: dict[str, Any]) -> None:
    """Mark for caching what later requests repeat.

    That is a long system prompt, and a conversation of several turns. Cache writes cost 25 % more
    than normal input, so a single question is not marked.
    """
    system = out.get("system")
    if isinstance(system, str) and len(system) >= _WORTH_CACHING:
        out["system"] = [{"type": "text", "text": system, "cache_control": _CACHE}]
    sent = out["messages"]
    if any(m["role"] == "assistant" for m in sent) and sent[-1]["role"] == "user":
        if len(json.dumps(sent)) + len(_text_of(system)) >= _WORTH_CACHING:
            *before, last = sent[-1]["content"]
            sent[-1] = {**sent[-1], "content": [*before, {**last, "cache_control": _CACHE}]}


class AnthropicAnswer(Answer):
    """The state of one stream of Messages events."""

    def __init__(self, by: str, request: Request):
        super().__init__()
        self._no_reasoning_tag = True  # thinking has separate blocks, so tags in the text have no meaning
        self._by = by
        self._form = request.schema is not None and not request.tools
        self._length = None if request.max_tokens else _length(request)
        self._blocks: dict[int, dict[str, Any]] = {}
        self._begins: dict[int, int] = {}  # block -> number of characters before it
        self._calls: dict[int, int] = {}  # block -> index of the tool call
        self._json: dict[int, list[str]] = {}
        self._counted: dict[str, Any] = {}

    def take(self, document: dict[str, Any]) -> list[Event]:
        """The events of one streamed event, or of a complete message."""
        out: list[Event] = []
        kind = document.get("type")
        if kind == "content_block_delta":
            self._delta(document.get("index", 0), document.get("delta") or {}, out)
        elif kind == "content_block_start":
            self._begin(document.get("index", 0), dict(document.get("content_block") or {}), out)
        elif kind == "content_block_stop":
            self._stop(document.get("index", 0), out)
        elif kind == "message_start":
            message = document.get("message") or {}
            self.model = message.get("model") or self.model
            self._count(message.get("usage"))
        elif kind == "message_delta":
            self._end_of_message(document.get("delta") or {}, document.get("usage"))
        elif kind == "message":
            self.model = document.get("model") or self.model
            for index, block in enumerate(document.get("content") or ()):
                self._whole(index, block, out)
            self._end_of_message(document, document.get("usage"))
        return out

    def _delta(self, index: int, delta: dict[str, Any], out: list[Event]) -> None:
        kind = delta.get("type")
        block = self._blocks.setdefault(index, {"type": "text", "text": ""})
        if kind == "text_delta":
            text = delta.get("text") or ""
            block["text"] = block.get("text", "") + text
            if text and self._plain_text and text[-1] < "\ud800":
                self.characters += len(text)
                out.append(TextDelta(text=text))
            else:
                self._text(text, out)
        elif kind == "input_json_delta":
            self._json.setdefault(index, []).append(delta.get("partial_json") or "")
            if index in self._calls:
                out.append(ToolCallDelta(index=self._calls[index], arguments=str(delta.get("partial_json") or "")))
            elif block.get("type") == "tool_use":
                self._text(delta.get("partial_json") or "", out)
        elif kind == "thinking_delta":
            block["thinking"] = block.get("thinking", "") + (delta.get("thinking") or "")
            self._think(delta.get("thinking") or "", out)
        elif kind == "signature_delta":
            block["signature"] = block.get("signature", "") + (delta.get("signature") or "")
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or ()), delta["citation"]]

    def _begin(self, index: int, block: dict[str, Any], out: list[Event]) -> None:
        self._blocks[index] = block
        self._begins[index] = self.characters
        kind = block.get("type")
        if kind == "text" and block.get("text"):
            self._text(block["text"], out)
        elif kind == "thinking" and block.get("thinking"):
            self._think(block["thinking"], out)
        elif kind == "redacted_thinking":
            self.saw_reasoning = True
        elif kind == "tool_use" and not (self._form and block.get("name") == _FORM):
            number = self._calls[index] = len(self._calls)
            self.tools = len(self._calls)
            out.append(ToolCallDelta(index=number, id=str(block.get("id") or ""), name=str(block.get("name") or "")))

    def _whole(self, index: int, block: dict[str, Any], out: list[Event]) -> None:
        self._begin(index, dict(block), out)
        if block.get("type") == "tool_use":
            self._delta(index, {"type": "input_json_delta", "partial_json": json.dumps(block.get("input") or {})}, out)
        self._stop(index, out)

    def _stop(self, index: int, out: list[Event]) -> None:
        block = self._blocks.get(index, {})
        if index in self._json:
            block["input"] = _object("".join(self._json[index]))
        elif index in self._calls:
            out.append(ToolCallDelta(index=self._calls[index], arguments="{}"))
        for c in block.get("citations") or ():
            self.citations.append({"start": self._begins.get(index, 0), "end": self.characters, **c})

    def _end_of_message(self, delta: dict[str, Any], counted: Any) -> None:
        self._count(counted)
        if delta.get("stop_reason"):
            self._reason(delta["stop_reason"], delta.get("stop_details") or {})

    def _reason(self, reason: str, details: dict[str, Any]) -> None:
        self.reason = finish_reason(reason)
        if self.reason == "tool_calls" and not self.tools:
            self.reason = "stop"  # the forced tool call holds the structured output
        if reason == "max_tokens" and self._length:
            self.notes.append(f"truncated at {self._length:,} tokens, the default limit: --max-tokens allows more")
        if reason == "model_context_window_exceeded":
            self.notes.append("the context window is full")
        if reason == "pause_turn":
            self.notes.append("the service paused a long turn: `%fm continue` goes on")
        if details.get("explanation"):
            self.notes.append(str(details["explanation"]))
        blocks = [self._blocks[i] for i in sorted(self._blocks)]
        if any(b.get("type") not in ("text", "tool_use") for b in blocks):
            self.extra[PROVIDER_STATE] = {"by": self._by, "said": [b for b in blocks if b.get("type") != "text" or b.get("text")]}

    def count(self, document: dict[str, Any]) -> None:
        """Record the reported usage."""
        self._count(document)

    def _count(self, usage: Any) -> None:
        """Record usage, which is reported twice and grows.

        The service counts cached tokens separately; `Usage.input_tokens` includes them.
        """
        if not isinstance(usage, dict):
            return
        self._counted |= {k: v for k, v in usage.items() if v is not None}
        get = self._counted.get
        cached, self.cache_write_tokens = get("cache_read_input_tokens") or 0, get("cache_creation_input_tokens") or 0
        self.usage = Usage(
            input_tokens=(get("input_tokens") or 0) + cached + self.cache_write_tokens,
            output_tokens=get("output_tokens"),
            cached_tokens=cached if "cache_read_input_tokens" in self._counted else None,
            reasoning_tokens=(get("output_tokens_details") or {}).get("thinking_tokens"),
        )


WIRE = Wire(
    name="anthropic",
    path="/messages",
    body=body,
    answer=lambda profile, model, request: AnthropicAnswer(f"{profile.name}:{model} anthropic", request),
    drop_option=drop_option,
    complete_key="content",
    unsupported=_UNSUPPORTED,
    auth="x-api-key",
    headers={"anthropic-version": "2023-06-01"},
    files=True,
)
