"""Cohere's chat API, version 2: cited documents, tool plans, thinking."""

from __future__ import annotations

import secrets
from typing import Any

from ...core.events import Event, Logprobs, TextDelta, ToolCallDelta
from ...core.types import PROVIDER_STATE, File, Image, Message, Request, Text, ToolCall, ToolResult, Usage
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
    tool_schemas,
    unsupported_options,
)
from .sse import Answer, finish_reason


def body(profile: Profile, model: str, request: Request) -> tuple[dict[str, Any], list[str]]:
    """The request body, and the names of options that it cannot express.

    Raises BadRequestError for content that the service does not accept.

    >>> from fmnb.core.types import message
    >>> body(Profile("p"), "m", Request("m", (message("user", "hi"),), stop=("END",)))[0]["stop_sequences"]
    ['END']
    """
    documents: list[dict[str, Any]] = []
    sent = [one for m in request.messages for one in _message(profile, f"{profile.name}:{model} cohere", m, documents)]
    out: dict[str, Any] = {"model": model, "messages": sent, "stream": True}
    not_applied = unsupported_options(profile, request)
    if request.max_tokens is not None:
        out["max_tokens"] = request.max_tokens
    if request.temperature is not None:
        out["temperature"] = request.temperature
    if request.seed is not None:
        out["seed"] = request.seed
    if request.stop:
        out["stop_sequences"] = list(request.stop)
    if request.logprobs is not None:
        out["logprobs"] = True
        if request.logprobs:
            not_applied.append("alternatives of logprobs")
    if documents:
        out["documents"] = documents
    if request.tools:
        out["tools"] = [{"type": "function", "function": f} if "type" not in f else f for f in tool_schemas(request.tools)]
    out.update(request.extra)
    if request.schema is not None:
        # the service needs the schema in the prompt too, and does not enforce it with tools or documents
        instruct(out["messages"], request.schema)
        if is_object(request.schema) and "tools" not in out and "documents" not in out:
            out["response_format"] = {"type": "json_object", "json_schema": request.schema}
        else:
            not_applied.append(SCHEMA_OPTION)
    return out, not_applied


def _message(profile: Profile, by: str, m: Message, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if (state := provider_state(by, m)) is not None:
        return [state]
    out = [{"role": "tool", "tool_call_id": p.id, "content": p.content} for p in m.parts if isinstance(p, ToolResult)]
    one: dict[str, Any] = {"role": m.role}
    content: list[dict[str, Any]] = []
    for p in sendable_parts(m):
        match p:
            case Text(text=text):
                content.append({"type": "text", "text": text})
            case Image():
                check_image(profile, p)
                content.append({"type": "image_url", "image_url": {"url": data_uri(p.media_type, p.data)}})
            case File(data=data, media_type=kind, name=name):
                if not kind.startswith("text/"):
                    raise no_documents(profile, p)
                documents.append(
                    {"id": f"document-{len(documents) + 1}", "data": {"title": name or "document", "text": data.decode("utf-8", "replace")}}
                )
            case ToolCall(id=i, name=name, arguments=arguments):
                call = {"id": i, "type": "function", "function": {"name": name, "arguments": arguments or "{}"}}
                one.setdefault("tool_calls", []).append(call)
    if content:
        plain = all(c["type"] == "text" for c in content)
        one["content"] = "".join(c["text"] for c in content) if plain else content
    return [*out, one] if len(one) > 1 else out


def drop_option(body: dict[str, Any], option: str, request: Request) -> str | None:
    """Remove a rejected schema; the prompt already requests it."""
    if option == "response_format" and request.schema is not None:
        del body[option]
        return SCHEMA_OPTION
    return None


class CohereAnswer(Answer):
    """The state of one stream of events."""

    def __init__(self, by: str, model: str):
        super().__init__()
        self.model = model  # the service does not report the model
        self._no_reasoning_tag = True  # thinking has separate blocks
        self._by = by
        self._calls: dict[Any, int] = {}
        self._texts: dict[str, list[str]] = {"thinking": [], "text": [], "tool_plan": []}
        self._tool_calls: list[dict[str, Any]] = []  # tool calls in the format in which they are sent back

    def take(self, document: dict[str, Any]) -> list[Event]:
        """The events of one streamed event, or of a complete answer."""
        out: list[Event] = []
        kind = document.get("type")
        delta = document.get("delta") or {}
        message = delta.get("message") or {}
        if kind == "content-delta":
            content = message.get("content") or {}
            text = content.get("text")
            if text and self._plain_text and text[-1] < "\ud800":
                self.characters += len(text)
                self._texts["text"].append(text)
                out.append(TextDelta(text=text))
            else:
                self._content(content, out)
            if document.get("logprobs"):
                _logprobs(document["logprobs"], out)
        elif kind == "content-start":
            self._content(message.get("content") or {}, out)
        elif kind == "tool-plan-delta":
            self._texts["tool_plan"].append(message.get("tool_plan") or "")
            self._think(message.get("tool_plan") or "", out)
        elif kind == "tool-call-start":
            self._call(document.get("index"), message.get("tool_calls") or {}, out)
        elif kind == "tool-call-delta":
            number = self._calls.get(document.get("index"))
            more = ((message.get("tool_calls") or {}).get("function") or {}).get("arguments") or ""
            if number is not None:
                self._tool_calls[number]["function"]["arguments"] += more
                out.append(ToolCallDelta(index=number, arguments=more))
        elif kind == "citation-start":
            self._cite(message.get("citations"))
        elif kind == "message-end":
            self._ended(delta)
        elif kind is None and "finish_reason" in document:
            self._whole(document, out)
        return out

    def _content(self, content: dict[str, Any], out: list[Event]) -> None:
        if content.get("thinking"):
            self._texts["thinking"].append(content["thinking"])
            self._think(content["thinking"], out)
        if content.get("text"):
            self._texts["text"].append(content["text"])
            self._text(content["text"], out)

    def _call(self, at: Any, call: dict[str, Any], out: list[Event]) -> None:
        number = self._calls[at] = len(self._calls)
        self.tools = len(self._calls)
        function = call.get("function") or {}
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        i = call.get("id") or f"call_{secrets.token_hex(6)}"
        self._tool_calls.append({"id": i, "type": "function", "function": {"name": name, "arguments": arguments}})
        out.append(ToolCallDelta(index=number, id=i, name=name, arguments=arguments))

    def _cite(self, citations: Any) -> None:
        for c in citations if isinstance(citations, list) else [citations]:
            if isinstance(c, dict):
                self.citations.append(c)

    def _whole(self, document: dict[str, Any], out: list[Event]) -> None:
        message = document.get("message") or {}
        if message.get("tool_plan"):
            self._texts["tool_plan"].append(message["tool_plan"])
            self._think(message["tool_plan"], out)
        for part in message.get("content") or ():
            self._content(part, out)
        for at, call in enumerate(message.get("tool_calls") or ()):
            self._call(at, call, out)
        self._cite(message.get("citations") or [])
        self._ended(document)

    def _ended(self, delta: dict[str, Any]) -> None:
        reason = str(delta.get("finish_reason") or "COMPLETE")
        self.reason = finish_reason(reason)
        if reason in ("ERROR", "TIMEOUT") or delta.get("error"):
            message = delta.get("error") or f"finish reason {reason}"
            self.reason = "error"
            self.stream_error = {"message": str(message), "type": "timeout_error" if reason == "TIMEOUT" else "server_error"}
        if isinstance(counted := delta.get("usage"), dict):
            self.count(counted)
        if self._texts["thinking"] or self._texts["tool_plan"]:
            self.extra[PROVIDER_STATE] = {"by": self._by, "said": self._turn()}

    def count(self, document: dict[str, Any]) -> None:
        """Record the reported usage and the billed tokens."""
        tokens, paid = document.get("tokens") or {}, document.get("billed_units") or {}
        self.usage = _usage(tokens or paid, _whole_number(document.get("cached_tokens")))
        self.billed = _usage(paid, None) if paid else None

    def _turn(self) -> dict[str, Any]:
        texts = {k: "".join(v) for k, v in self._texts.items()}
        content = [{"type": k, k: texts[k]} for k in ("thinking", "text") if texts[k]]
        plan = {"tool_plan": texts["tool_plan"]} if texts["tool_plan"] else {}
        calls = {"tool_calls": self._tool_calls} if self._tool_calls else {}
        return {"role": "assistant", **plan, **calls, **({"content": content} if content else {})}


def _usage(counted: dict[str, Any], cached: int | None) -> Usage:
    return Usage(_whole_number(counted.get("input_tokens")), _whole_number(counted.get("output_tokens")), cached)


def _whole_number(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _logprobs(document: dict[str, Any], out: list[Event]) -> None:
    """One entry for each piece of text: the service reports token ids, not their texts."""
    numbers = [n for n in document.get("logprobs") or () if isinstance(n, (int, float))]
    if numbers:
        out.append(Logprobs(tokens=({"token": document.get("text") or "", "logprob": sum(numbers), "top": []},)))


WIRE = Wire(
    name="cohere",
    path="/chat",
    body=body,
    answer=lambda profile, model, request: CohereAnswer(f"{profile.name}:{model} cohere", model),
    drop_option=drop_option,
    complete_key="finish_reason",
)
