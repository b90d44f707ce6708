"""Chat Completions, the interface of nearly every service: builds bodies and parses chunks.

Differences between services are fields of their profiles.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from ...core.events import Event, Logprobs, TextDelta, ToolCallDelta
from ...core.types import PROVIDER_STATE, File, Image, Message, Request, Text, ToolCall, ToolResult
from ..profiles import Profile
from .base import (
    SCHEMA_OPTION,
    Wire,
    check_image,
    data_uri,
    instruct,
    is_object,
    no_documents,
    provider_state,
    sendable_parts,
    split_system,
    strict,
    tool_schemas,
    unsupported_options,
)
from .sse import Answer, finish_reason, usage

_RETURNED = ("reasoning_details", "extra_content")  # reasoning and signatures in the service's own format: sent back unchanged


def body(profile: Profile, model: str, request: Request) -> tuple[dict[str, Any], list[str]]:
    """The request body, and the names of options that it cannot express.

    Raises BadRequestError for content that the service does not accept.

    >>> from fmnb.core.types import message
    >>> body(Profile("p"), "m", Request("m", (message("user", "hi"),)))[0]["messages"]
    [{'role': 'user', 'content': 'hi'}]
    """
    out: dict[str, Any] = {"model": model, "messages": messages(profile, request.messages), "stream": True}
    not_applied = unsupported_options(profile, request)
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
        out["tools"] = [{"type": "function", "function": f} if "type" not in f else f for f in tool_schemas(request.tools)]
    if request.schema is not None:
        _ask_for_schema(out, request.schema, profile.schema)
        if profile.schema != "json_schema" or not is_object(request.schema):
            not_applied.append(SCHEMA_OPTION)
    out.update(request.extra)
    return out, not_applied


def messages(profile: Profile, conversation: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Messages in wire format; leading system messages are joined, since some servers accept only one."""
    system, rest = split_system(conversation)
    out: list[dict[str, Any]] = [{"role": "system", "content": system}] if len(rest) < len(conversation) else []
    for m in rest:
        out.extend(_message(profile, m))
    return out


def _message(profile: Profile, m: Message) -> list[dict[str, Any]]:
    results = [{"role": "tool", "tool_call_id": p.id, "content": p.content} for p in m.parts if isinstance(p, ToolResult)]
    rest = [p for p in sendable_parts(m) if not isinstance(p, ToolResult)]
    if results and not rest:
        return results
    one: dict[str, Any] = {"role": m.role, **(provider_state(_by(profile), m) or {})}
    content: list[dict[str, Any]] = []
    for p in rest:
        match p:
            case Text(text=text):
                content.append({"type": "text", "text": text})
            case Image():
                check_image(profile, p)
                content.append({"type": "image_url", "image_url": {"url": data_uri(p.media_type, p.data)}})
            case File():
                if not profile.files:
                    raise no_documents(profile, p)
                content.append({"type": "file", "file": {"filename": p.name or "document", "file_data": data_uri(p.media_type, p.data)}})
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


def _by(profile: Profile) -> str:
    return f"{profile.name} chat"


def _ask_for_schema(out: dict[str, Any], schema: dict[str, Any], level: str) -> None:
    if not is_object(schema):
        level = "none"
    if level == "json_schema":
        named = {"name": "answer", "schema": schema, "strict": strict(schema)}
        out["response_format"] = {"type": "json_schema", "json_schema": named}
        return
    if level == "json_object":
        out["response_format"] = {"type": "json_object"}
    instruct(out["messages"], schema)


def drop_option(body: dict[str, Any], option: str, request: Request) -> str | None:
    """Replace a rejected length option by its other name, or a schema by the next best method."""
    if option in ("max_tokens", "max_completion_tokens") and "_swapped" not in body:
        body["max_completion_tokens" if option == "max_tokens" else "max_tokens"] = body.pop(option)
        body["_swapped"] = True
        return ""
    if option == "response_format" and request.schema is not None:
        value = body.pop(option)
        if isinstance(value, dict) and value.get("type") == "json_schema":
            _ask_for_schema(body, request.schema, "json_object")
        return SCHEMA_OPTION
    return None


class ChatAnswer(Answer):
    """The state of one stream of chunks."""

    def __init__(self, fields: tuple[str, ...] = ("reasoning_content", "reasoning"), by: str = "", returns_reasoning: bool = False):
        super().__init__()
        self._returns_reasoning = returns_reasoning
        self.fields = fields
        self._by = by
        self._ids: dict[int, str] = {}
        self._index: Any = None  # of the one answer that is read; some servers send several without a request

    def take(self, document: dict[str, Any]) -> list[Event]:
        """The events of one chunk, or of a complete answer."""
        out: list[Event] = []
        choices = document.get("choices")
        if choices:
            choice = choices[0]
            if self._index is None:
                self._index = choice.get("index", 0)
            elif choice.get("index", self._index) != self._index or len(choices) > 1:
                choice = next((c for c in choices if c.get("index", self._index) == self._index), {})
            delta = choice.get("delta") or choice.get("message")
            if delta:
                content = delta.get("content")
                if content:
                    if self._plain_text and content.__class__ is str and content[-1] < "\ud800":
                        self.characters += len(content)
                        out.append(TextDelta(text=content))
                    else:
                        self._content(content, out)
                if len(delta) > 1 or not content:
                    self._other(delta, out)
            elif choice.get("text"):  # the completion of a base model
                self._content(choice["text"], out)
            if choice.get("logprobs"):
                self._logprobs(choice["logprobs"], out)
            if reason := choice.get("finish_reason"):
                self.reason = finish_reason(reason)
            if choice.get("usage"):
                self.usage = usage(choice["usage"])
        if not self.model:
            self.model = document.get("model") or ""
        reported = document.get("usage") or (document.get("x_groq") or {}).get("usage")
        if reported:
            self.usage = usage(reported)
        return out

    def _content(self, content: Any, out: list[Event]) -> None:
        if isinstance(content, str):
            self._text(content, out)
            return
        for part in content if isinstance(content, list) else ():
            if isinstance(part, str):
                self._text(part, out)
            elif isinstance(part, dict):
                if part.get("type") in ("thinking", "reasoning"):
                    inner = part.get("thinking") or part.get("text") or ""
                    self._think(inner if isinstance(inner, str) else "".join(str(p.get("text", "")) for p in inner), out)
                elif part.get("text"):
                    self._text(str(part["text"]), out)

    def _other(self, delta: dict[str, Any], out: list[Event]) -> None:
        for name in self.fields:
            if isinstance(delta.get(name), str) and delta[name]:
                self._think(delta[name], out)
                if self._returns_reasoning:
                    state = self.extra.setdefault(PROVIDER_STATE, {"by": self._by, "said": {}})["said"]
                    state[name] = state.get(name, "") + delta[name]
                break
        if delta.get("tool_calls"):
            for call in delta["tool_calls"]:
                self._tool(call, out)
        if delta.get("function_call"):  # the first format for tool calls, which some servers still use
            self._tool({"index": 0, "function": delta["function_call"]}, out)
        if delta.get("refusal"):
            self.refused = True
            self._text(delta["refusal"], out)
        for name in _RETURNED:
            value = delta.get(name)
            if value and (name != "extra_content" or "thought_signature" in str(value)):
                state = self.extra.setdefault(PROVIDER_STATE, {"by": self._by, "said": {}})["said"]
                state[name] = [*state.get(name, ()), *value] if isinstance(value, list) else value

    def _tool(self, call: dict[str, Any], out: list[Event]) -> None:
        index = call.get("index")
        function = call.get("function") or {}
        if index is None:  # complete calls without an index: each name starts a new one
            last = max(self._ids, default=-1)
            index = last + 1 if function.get("name") else max(last, 0)
        new = ""
        if index not in self._ids:
            new = self._ids[index] = call.get("id") or f"call_{secrets.token_hex(6)}"
            self.tools = len(self._ids)
        extra = {k: call[k] for k in ("extra_content",) if k in call}
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        out.append(ToolCallDelta(index=index, id=new, name=str(function.get("name") or ""), arguments=arguments, extra=extra))

    def _logprobs(self, document: Any, out: list[Event]) -> None:
        content = document.get("content") if isinstance(document, dict) else None
        if content:
            tokens = tuple(
                {"token": t["token"], "logprob": t["logprob"], "top": [[o["token"], o["logprob"]] for o in t.get("top_logprobs") or ()]}
                for t in content
            )
            out.append(Logprobs(tokens=tokens))


WIRE = Wire(
    name="chat",
    path="/chat/completions",
    body=body,
    answer=lambda profile, model, request: ChatAnswer(profile.reasoning_fields, _by(profile), profile.returns_reasoning),
    drop_option=drop_option,
    complete_key="choices",
)
