"""The loopback server's Cohere interface, chat version 2: a key of BEHAVIOURS is the model's name in a request to /chat."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.wire.server import CLOSE, DIALECTS, HANG, Seen, Steps, reply

USAGE = {
    "billed_units": {"input_tokens": 7.0, "output_tokens": 5.0},
    "tokens": {"input_tokens": 207.0, "output_tokens": 9.0},
    "cached_tokens": 64.0,
}
BEHAVIOURS: dict[str, Callable[[Seen, int], Steps]] = {}
DIALECTS["/chat"] = BEHAVIOURS


def event(kind: str, message: dict[str, Any] | None = None, **fields: Any) -> bytes:
    delta = {"delta": {"message": message}} if message is not None else {}
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **delta, **fields})}\n\n".encode()


START = [event("message-start", {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}, id="c1")]


def content(index: int, kind: str, *texts: str) -> list[bytes]:
    return [
        event("content-start", {"content": {"type": kind, kind: ""}}, index=index),
        *(event("content-delta", {"content": {kind: t}}, index=index) for t in texts),
        event("content-end", index=index),
    ]


def says(*texts: str) -> list[bytes]:
    return [*START, *content(0, "text", *texts)]


def end(reason: str = "COMPLETE", **more: Any) -> list[bytes]:
    return [event("message-end", delta={"finish_reason": reason, "usage": USAGE, **more}), b"data: [DONE]\n\n"]


def error(status: int, message: str, headers: dict[str, str] | None = None) -> Any:
    return reply(status, {"id": "e1", "message": message}, headers)


def fixed(name: str, *steps: Any) -> None:
    BEHAVIOURS[name] = lambda seen, attempt: list(steps)


def _repeat(seen: Seen, attempt: int) -> Steps:
    yield from START
    for letter in seen.body["messages"][-1]["content"]:
        yield event("content-delta", {"content": {"text": letter}}, index=0)
        yield 0.002
    yield from end()


def _obey(seen: Seen, attempt: int) -> Steps:
    asked = "json_schema" in seen.body.get("response_format", {}) or "JSON schema" in str(seen.body["messages"][0]["content"])
    return [*(says('{"name": "Ada', '", "age": 36}') if asked else says("no schema was asked for")), *end()]


BEHAVIOURS["repeat"], BEHAVIOURS["obey"] = _repeat, _obey
fixed("plain", *says("Hello", " world", "!"), *end())
fixed("command-a-03-2025", *says("Hello"), *end())
fixed(
    "slow", *says("one"), *[x for n in range(200) for x in (0.05, event("content-delta", {"content": {"text": f" {n}"}}, index=0))], *end()
)
fixed(
    "whole",
    reply(
        200,
        {
            "id": "c1",
            "finish_reason": "COMPLETE",
            "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]},
            "usage": USAGE,
        },
    ),
)
fixed("thinks", *START, *content(0, "thinking", "hm ", "so"), *content(1, "text", "yes"), *end())


def _call(index: int, name: str, *arguments: str) -> list[bytes]:
    call = {"id": f"{name}_1", "type": "function", "function": {"name": name, "arguments": ""}}
    return [
        event("tool-call-start", {"tool_calls": call}, index=index),
        *(event("tool-call-delta", {"tool_calls": {"function": {"arguments": a}}}, index=index) for a in arguments),
        event("tool-call-end", index=index),
    ]


fixed(
    "tools",
    *START,
    *(event("tool-plan-delta", {"tool_plan": t}) for t in ("I will ", "look.")),
    *_call(0, "weather", '{"city": ', '"Bern"}'),
    *_call(1, "time", "{}"),
    *end("TOOL_CALL"),
)
CITATION = {
    **{"start": 0, "end": 5, "text": "Hello", "type": "TEXT_CONTENT"},
    "sources": [{"type": "document", "id": "document-1", "document": {"id": "document-1", "title": "a.txt", "snippet": "x"}}],
}
fixed(
    "cites",
    *says("Hello"),
    event("citation-start", {"citations": CITATION}, index=0),
    event("citation-end", index=0),
    event(
        "citation-start", {"citations": {**CITATION, "sources": [{"type": "tool", "id": "weather_1:0", "tool_output": {"t": 1}}]}}, index=1
    ),
    *end(),
)
fixed("logprobs", *START, event("content-delta", {"content": {"text": "Hi"}}, index=0, logprobs={"text": "Hi", "token_ids": [1], "logprobs": [-0.5]}), *end())  # fmt: skip
fixed("length", *says("Hello"), *end("MAX_TOKENS"))
fixed("stop-sequence", *says("Hello"), *end("STOP_SEQUENCE"))
fixed("toxic", *says("Hello"), *end("ERROR_TOXIC"))
fixed("failed", *says("Hello"), *end("ERROR", error="The model broke"))
fixed("too-slow", *START, *end("TIMEOUT"))


def _without(option: str, message: str) -> Callable[[Seen, int], Steps]:
    return lambda seen, attempt: [error(422, message)] if option in seen.body else _obey(seen, attempt)


BEHAVIOURS["no-seed"] = _without("seed", "unknown field: parameter 'seed' is not a valid field")
BEHAVIOURS["no-response-format"] = _without("response_format", "response_format is not supported with this model")

fixed("key-refused", error(401, "invalid api token"))
BEHAVIOURS["key-echoed"] = lambda s, n: [error(401, f"Bad: {s.headers.get('authorization', '')}")]
fixed("command-of-old", error(404, "model 'command-of-old' not found, make sure the correct model ID was used"))
fixed("context", error(400, "too many tokens: size limit exceeded by 904 tokens. Try using shorter or fewer inputs."))
fixed("rate-limit", error(429, "Please wait and try again later", {"Retry-After": "7"}))
fixed("overloaded", error(503, "the server is currently overloaded"))
fixed("empty", *START, *end())
fixed("cut", *says("Hello"), CLOSE)
fixed("junk-only", b"data: <<<>>>\n\n")
fixed("junk-json", reply(200, {"status": "ok"}))
fixed("stalls", *says("Hello"), HANG)
BEHAVIOURS["redirect"] = lambda s, n: [reply(307, "", {"Location": "http://127.0.0.1:9/v2/chat"})]
