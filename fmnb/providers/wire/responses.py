"""The Responses API: builds items from requests and parses its events.

The service stores nothing (`store` is false), so an answer with encrypted reasoning is sent back
complete and unchanged when the conversation continues.
"""

from __future__ import annotations

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
    is_object,
    no_documents,
    provider_state,
    schema_instruction,
    sendable_parts,
    split_system,
    strict,
    tool_schemas,
    unsupported_options,
    with_extra,
)
from .sse import Answer, finish_reason, usage

_UNSUPPORTED = ("seed", "stop")
_LATER = ("queued", "in_progress")
_ELSEWHERE = {
    "reasoning_effort": ("reasoning", "effort"),
    "verbosity": ("text", "verbosity"),
}  # option in Chat Completions -> its path here


def body(profile: Profile, model: str, request: Request) -> tuple[dict[str, Any], list[str]]:
    """The request body, and the names of options that it cannot express.

    Raises BadRequestError for content that the service does not accept.

    >>> from fmnb.core.types import message
    >>> body(Profile("p"), "m", Request("m", (message("system", "Be brief."), message("user", "hi"))))[0]["instructions"]
    'Be brief.'
    """
    system, rest = split_system(request.messages)
    out: dict[str, Any] = {
        "model": model,
        "input": [item for m in rest for item in _items(profile, _by(profile, model), m)],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    not_applied = unsupported_options(profile, request, _UNSUPPORTED)
    if system:
        out["instructions"] = system
    if request.max_tokens is not None:
        out["max_output_tokens"] = request.max_tokens
    if request.temperature is not None:
        out["temperature"] = request.temperature
    if request.logprobs is not None:
        out["include"].append("message.output_text.logprobs")
        out["top_logprobs"] = request.logprobs
    if request.tools:
        out["tools"] = [{"type": "function", "strict": False, **f} if "type" not in f else f for f in tool_schemas(request.tools)]
    if request.schema is not None:
        level = profile.schema if is_object(request.schema) else "none"
        _ask_for_schema(out, request.schema, level)
        if level != "json_schema":
            not_applied.append(SCHEMA_OPTION)
    extra = {k: v for k, v in request.extra.items() if k not in _UNSUPPORTED}
    for name in [n for n in _ELSEWHERE if n in extra]:
        table, key = _ELSEWHERE[name]
        with_extra(out, {table: {key: extra.pop(name)}})
    with_extra(out, extra)
    return out, not_applied


def _by(profile: Profile, model: str) -> str:
    return f"{profile.name}:{model} responses"


def _items(profile: Profile, by: str, m: Message) -> list[dict[str, Any]]:
    """The items of one message: tool results, content, tool calls."""
    if (state := provider_state(by, m)) is not None:
        return list(state)
    out: list[dict[str, Any]] = []
    content: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for p in sendable_parts(m):
        match p:
            case ToolResult(id=i, content=text):
                out.append({"type": "function_call_output", "call_id": i, "output": text})
            case Text(text=text):
                content.append({"type": "input_text", "text": text})
            case Image():
                check_image(profile, p)
                content.append({"type": "input_image", "detail": "auto", "image_url": data_uri(p.media_type, p.data)})
            case File():
                if not profile.files:
                    raise no_documents(profile, p)
                content.append({"type": "input_file", "filename": p.name or "document", "file_data": data_uri(p.media_type, p.data)})
            case ToolCall(id=i, name=name, arguments=arguments):
                calls.append({"type": "function_call", "call_id": i, "name": name, "arguments": arguments or "{}"})
    if content:
        plain = m.role == "assistant" or all(c["type"] == "input_text" for c in content)
        out.append({"type": "message", "role": m.role, "content": "".join(c["text"] for c in content) if plain else content})
    return out + calls


def _ask_for_schema(out: dict[str, Any], schema: dict[str, Any], level: str) -> None:
    if level == "json_schema":
        form: dict[str, Any] = {"type": "json_schema", "name": "answer", "schema": schema, "strict": strict(schema)}
        out["text"] = {**out.get("text", {}), "format": form}
        return
    if level == "json_object":
        out["text"] = {**out.get("text", {}), "format": {"type": "json_object"}}
    out["instructions"] = "\n\n".join(filter(None, (out.get("instructions", ""), schema_instruction(schema))))


def drop_option(body: dict[str, Any], option: str, request: Request) -> str | None:
    """Replace a rejected schema by the next best method."""
    format = body[option].pop("format", None) if option == "text" and isinstance(body[option], dict) else None
    if format is None or request.schema is None:
        return None
    if not body[option]:
        del body[option]
    if format.get("type") == "json_schema":
        _ask_for_schema(body, request.schema, "json_object")
    return SCHEMA_OPTION


class ResponsesAnswer(Answer):
    """The state of one stream of Responses events."""

    def __init__(self, by: str):
        super().__init__()
        self._by = by
        self._calls: dict[Any, int] = {}  # output index -> index of the tool call
        self._items: list[dict[str, Any]] = []

    def take(self, document: dict[str, Any]) -> list[Event]:
        """The events of one streamed event, or of a complete response."""
        out: list[Event] = []
        kind = document.get("type")
        if kind == "response.output_text.delta":
            text = document.get("delta")
            if text:
                if self._plain_text and text[-1] < "\ud800":
                    self.characters += len(text)
                    out.append(TextDelta(text=text))
                else:
                    self._text(text, out)
            if document.get("logprobs"):
                _logprobs(document["logprobs"], out)
        elif kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
            self._think(document.get("delta") or "", out)
        elif kind == "response.reasoning_summary_part.added":
            if document.get("summary_index"):
                self._think("\n\n", out)
        elif kind == "response.refusal.delta":
            self.refused = True
            self._text(document.get("delta") or "", out)
        elif kind == "response.function_call_arguments.delta":
            index = self._calls.get(document.get("output_index"))
            if index is not None:
                out.append(ToolCallDelta(index=index, arguments=str(document.get("delta") or "")))
        elif kind == "response.output_item.added":
            item = document.get("item") or {}
            if item.get("type") == "function_call":
                self._call(document.get("output_index"), item, out)
        elif kind == "response.output_item.done":
            item = document.get("item") or {}
            self._items.append(item)
            if item.get("type") == "function_call" and document.get("output_index") not in self._calls:
                self._call(document.get("output_index"), item, out)
        elif kind == "response.output_text.annotation.added":
            self._cite(document.get("annotation"))
        elif kind in ("response.completed", "response.incomplete", "response.failed") or (kind is None and "output" in document):
            self._ended(document.get("response") or document, out)
        elif kind == "error":
            self.stream_error, self.reason = document, "error"
        elif kind in ("response.created", "response.in_progress"):
            self.model = (document.get("response") or {}).get("model") or self.model
        return out

    def _call(self, at: Any, item: dict[str, Any], out: list[Event]) -> None:
        index = self._calls[at] = len(self._calls)
        self.tools = len(self._calls)
        call = item.get("call_id") or f"call_{secrets.token_hex(6)}"
        out.append(ToolCallDelta(index=index, id=call, name=str(item.get("name") or ""), arguments=str(item.get("arguments") or "")))

    def _cite(self, citation: Any) -> None:
        if isinstance(citation, dict) and citation not in self.citations:
            self.citations.append(citation)

    def _ended(self, response: dict[str, Any], out: list[Event]) -> None:
        """Read the complete response at the end, for content that had no event."""
        items = [i for i in response.get("output") or self._items if isinstance(i, dict)]
        streamed = bool(self.characters or self._held_back or self._calls)
        thought = self.saw_reasoning
        for at, item in enumerate(items):
            kind, parts = item.get("type"), [p for p in item.get("content") or () if isinstance(p, dict)]
            if kind == "function_call" and not streamed:
                self._call(at, item, out)
            elif kind == "reasoning" and not streamed and not thought:
                summary = "\n\n".join(str(p.get("text", "")) for p in (*(item.get("summary") or ()), *parts))
                self._think("\n\n" + summary if summary and self.saw_reasoning else summary, out)
            elif kind == "message":
                for p in parts:
                    if not streamed:
                        self.refused = self.refused or bool(p.get("refusal"))
                        self._text(p.get("text") or p.get("refusal") or "", out)
                    for note in p.get("annotations") or ():
                        self._cite(note)
        self.model = response.get("model") or self.model
        if isinstance(response.get("usage"), dict):
            self.usage = usage(response["usage"])
        status = str(response.get("status") or "completed")
        self.reason = "stop"
        if status == "incomplete":
            self.reason = finish_reason((response.get("incomplete_details") or {}).get("reason") or "length")
        elif status in ("failed", "cancelled"):
            self.reason = "error"
            self.stream_error = response.get("error") or {
                "message": f"the response {'failed' if status == 'failed' else 'was canceled there'}"
            }
        elif status in _LATER:
            self.pending_status = status
        elif status != "completed":
            self.notes.append(f"the service reports status '{_word(status)}' for this answer")
        thoughts = [i for i in items if i.get("type") == "reasoning"]
        if thoughts and all(i.get("encrypted_content") for i in thoughts):  # not stored at the service, so it must be sent back complete
            state = [{k: v for k, v in i.items() if v is not None} for i in items]
            self.extra[PROVIDER_STATE] = {"by": self._by, "said": state}


def _word(text: str) -> str:
    """A word from the service, shortened and in plain characters."""
    return "".join(c for c in text if c.isalnum() or c in " _-")[:40]


def _logprobs(tokens_given: list[dict[str, Any]], out: list[Event]) -> None:
    tokens = tuple(
        {
            "token": t.get("token", ""),
            "logprob": t.get("logprob"),
            "top": [[o.get("token"), o.get("logprob")] for o in t.get("top_logprobs") or ()],
        }
        for t in tokens_given
    )
    out.append(Logprobs(tokens=tokens))


WIRE = Wire(
    name="responses",
    path="/responses",
    body=body,
    answer=lambda profile, model, request: ResponsesAnswer(_by(profile, model)),
    drop_option=drop_option,
    complete_key="output",
    unsupported=_UNSUPPORTED,
)
