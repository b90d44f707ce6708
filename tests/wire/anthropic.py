"""The loopback server's Messages interface, as Anthropic has it: a key of BEHAVIOURS is the model's name in a request to /messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.wire.server import CLOSE, DIALECTS, HANG, Raw, Seen, Steps, reply

COUNTED = {"input_tokens": 7, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100, "output_tokens": 1}
BEHAVIOURS: dict[str, Callable[[Seen, int], Steps]] = {}
DIALECTS["/messages"] = BEHAVIOURS


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def error(status: int, message: str, kind: str, headers: dict[str, str] | None = None) -> Raw:
    return reply(status, {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}, headers)


START = [
    event(
        "message_start",
        message={
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m-answered",
            "content": [],
            "stop_reason": None,
            "usage": COUNTED,
        },
    ),
    event("ping"),
]


def block(index: int, content: dict[str, Any], *deltas: dict[str, Any]) -> list[bytes]:
    return [
        event("content_block_start", index=index, content_block=content),
        *(event("content_block_delta", index=index, delta=d) for d in deltas),
        event("content_block_stop", index=index),
    ]


def text(index: int, *texts: str) -> list[bytes]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": t} for t in texts))


def end(reason: str = "end_turn", **delta: Any) -> list[bytes]:
    counted = {"output_tokens": 5, "output_tokens_details": {"thinking_tokens": 2}}
    return [event("message_delta", delta={"stop_reason": reason, "stop_sequence": None, **delta}, usage=counted), event("message_stop")]


def fixed(name: str, *steps: Any) -> None:
    BEHAVIOURS[name] = lambda seen, attempt: list(steps)


def _question(seen: Seen) -> str:
    return "".join(p.get("text", "") for p in seen.body["messages"][-1]["content"])


def _repeat(seen: Seen, attempt: int) -> Steps:
    yield from START
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for letter in _question(seen):
        yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": letter})
        yield 0.002
    yield event("content_block_stop", index=0)
    yield from end()


_JSON = ('{"name": "Ada', '", "age": 36}')


def _obey(seen: Seen, attempt: int) -> Steps:
    choice = seen.body.get("tool_choice")
    if choice:
        parts = ({"type": "input_json_delta", "partial_json": t} for t in ("", *_JSON))
        return [*START, *block(0, {"type": "tool_use", "id": "toolu_1", "name": choice["name"], "input": {}}, *parts), *end("tool_use")]
    asked = "format" in seen.body.get("output_config", {}) or "JSON schema" in str(seen.body.get("system", ""))
    return [*START, *text(0, *(_JSON if asked else ("no schema was asked for",))), *end()]


BEHAVIOURS["repeat"], BEHAVIOURS["obey"] = _repeat, _obey
fixed("plain", *START, *text(0, "Hello", " world", "!"), *end())
fixed("slow", *START, *text(0, "one"), *[x for n in range(200) for x in (0.05, *text(0, f" {n}"))], *end())
fixed(
    "whole",
    reply(
        200,
        {
            **{"id": "msg_1", "type": "message", "role": "assistant", "model": "m-answered", "stop_reason": "tool_use", "usage": COUNTED},
            "content": [{"type": "text", "text": "Hello"}, {"type": "tool_use", "id": "toolu_1", "name": "time", "input": {"zone": "CET"}}],
        },
    ),
)
fixed(
    "thinks",
    *START,
    *block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        *({"type": "thinking_delta", "thinking": t} for t in ("hm ", "so")),
        {"type": "signature_delta", "signature": "EqQB"},
    ),
    *block(1, {"type": "redacted_thinking", "data": "opaque"}),
    *text(2, "yes <think>no tag</think>"),
    *end(),
)
fixed(
    "tools",
    *START,
    *text(0, "Let me see."),
    *block(
        1,
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
        *({"type": "input_json_delta", "partial_json": t} for t in ("", '{"city": ', '"Bern"}')),
    ),
    *block(2, {"type": "tool_use", "id": "toolu_2", "name": "time", "input": {}}),
    *end("tool_use"),
)
PAGE = {
    "type": "page_location",
    "cited_text": "x",
    "document_index": 0,
    "document_title": "a.pdf",
    "start_page_number": 3,
    "end_page_number": 4,
}
CHARS = {
    "type": "char_location",
    "cited_text": "y",
    "document_index": 1,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
}
fixed(
    "cites",
    *START,
    *text(0, "It says "),
    *block(
        1,
        {"type": "text", "text": "", "citations": []},
        {"type": "citations_delta", "citation": PAGE},
        {"type": "text_delta", "text": "forty-two"},
        {"type": "citations_delta", "citation": CHARS},
    ),
    *text(2, "."),
    *end(),
)
fixed("stop-sequence", *START, *text(0, "Hello"), *end("stop_sequence", stop_sequence="END"))
fixed("length", *START, *text(0, "Hello"), *end("max_tokens"))
fixed("full", *START, *text(0, "Hello"), *end("model_context_window_exceeded"))
fixed("paused", *START, *text(0, "Hello"), *end("pause_turn"))
fixed(
    "refusal",
    *START,
    *text(0, "Hello"),
    *end("refusal", stop_details={"type": "refusal", "category": "cyber", "explanation": "Too risky."}),
)


def _without(option: str, message: str) -> Callable[[Seen, int], Steps]:
    return lambda seen, attempt: [error(400, message, "invalid_request_error")] if option in seen.body else _obey(seen, attempt)


BEHAVIOURS["no-temperature"] = _without("temperature", "`temperature` is deprecated for this model.")
BEHAVIOURS["thinking-fixes-temperature"] = _without("temperature", "`temperature` may only be set to 1 when thinking is enabled.")
BEHAVIOURS["no-output-format"] = _without("output_config", "output_config.format: Extra inputs are not permitted")
BEHAVIOURS["no-forced-tools"] = lambda seen, attempt: (
    [error(400, "output_config: Extra inputs are not permitted", "invalid_request_error")]
    if "output_config" in seen.body
    else [error(400, "tool_choice: forcing a tool is not supported for this model", "invalid_request_error")]
    if "tool_choice" in seen.body
    else _obey(seen, attempt)
)

fixed("key-refused", error(401, "invalid x-api-key", "authentication_error"))
BEHAVIOURS["key-echoed"] = lambda s, n: [error(401, f"Bad: {s.headers.get('x-api-key', '')}", "authentication_error")]
fixed("forbidden", error(403, "Your API key does not have permission", "permission_error"))
fixed("claude-of-old", error(404, "model: claude-of-old", "not_found_error"))
fixed("no-credit", error(400, "Your credit balance is too low to access the Anthropic API.", "invalid_request_error"))
fixed("context", error(400, "prompt is too long: 208310 tokens > 200000 maximum", "invalid_request_error"))
fixed("rate-limit", error(429, "This request would exceed your rate limit", "rate_limit_error", {"Retry-After": "7"}))
fixed("overloaded", error(529, "Overloaded", "overloaded_error"))
fixed("overloaded-in-stream", *START, event("error", error={"type": "overloaded_error", "message": "Overloaded"}))
fixed("error-in-stream", *START, *text(0, "Hello")[:-1], event("error", error={"type": "api_error", "message": "Internal server error"}))
fixed("limited-in-stream", event("error", error={"type": "rate_limit_error", "message": "Slow down"}))
fixed("empty", *START, *end())
fixed("cut", *START, *text(0, "Hello")[:-1], CLOSE)
fixed("junk-only", b"data: <<<>>>\n\n")
fixed("junk-json", reply(200, {"status": "ok"}))
fixed("stalls", *START, *text(0, "Hello")[:-1], HANG)
BEHAVIOURS["redirect"] = lambda s, n: [reply(307, "", {"Location": "http://127.0.0.1:9/v1/messages"})]


def _bytewise(seen: Seen, attempt: int) -> Steps:
    """Every byte a network chunk of its own."""
    whole = b"".join([*START, *text(0, "Grüße, 世界 🎉", " 3.14159"), *end()])
    for n in range(len(whole)):
        yield whole[n : n + 1]


BEHAVIOURS["bytewise"] = _bytewise
