"""The loopback server's Responses interface: a key of BEHAVIOURS is the model's name in a request to /responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.wire.server import CLOSE, DIALECTS, HANG, Seen, Steps, error, reply

USAGE = {
    "input_tokens": 7,
    "output_tokens": 5,
    "total_tokens": 12,
    "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 2},
}
BEHAVIOURS: dict[str, Callable[[Seen, int], Steps]] = {}
DIALECTS["/responses"] = BEHAVIOURS


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': 1, **fields})}\n\n".encode()


_REST: dict[str, Any] = {
    **{"created_at": 1.0, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "metadata": {}},
    **dict.fromkeys(("error", "incomplete_details", "instructions", "temperature", "top_p")),
}


def response(status: str, output: Sequence[dict[str, Any]] = (), **fields: Any) -> dict[str, Any]:
    return {**_REST, "id": "resp_1", "object": "response", "model": "m-answered", "status": status, "output": list(output), **fields}


def said(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}


def delta(text: str, **fields: Any) -> bytes:
    return event("response.output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta=text, **{"logprobs": [], **fields})


def says(*texts: str) -> list[bytes]:
    return [event("response.created", response=response("in_progress")), *map(delta, texts)]


def done(output: Sequence[dict[str, Any]] = (), **fields: Any) -> bytes:
    return event("response.completed", response=response("completed", output, usage=USAGE, **fields))


def fixed(name: str, *steps: Any) -> None:
    BEHAVIOURS[name] = lambda seen, attempt: list(steps)


def _repeat(seen: Seen, attempt: int) -> Steps:
    last = seen.body["input"][-1]["content"]
    text = last if isinstance(last, str) else "".join(p.get("text", "") for p in last)
    yield from says()
    for letter in text:
        yield delta(letter)
        yield 0.002
    yield done([said(text)])


def _obey(seen: Seen, attempt: int) -> Steps:
    asked = seen.body.get("text", {}).get("format", {}).get("type") == "json_schema" or "JSON schema" in seen.body.get("instructions", "")
    return [*(says('{"name": "Ada', '", "age": 36}') if asked else says("no schema was asked for")), done()]


BEHAVIOURS["repeat"], BEHAVIOURS["obey"] = _repeat, _obey
fixed("plain", *says("Hello", " world", "!"), done([said("Hello world!")]))
fixed("gpt-5-pro", *says("Hello"), done([said("Hello")]))
fixed("slow", *says("one"), *[x for n in range(200) for x in (0.05, delta(f" {n}"))], done())
fixed("whole", reply(200, response("completed", [said("Hello")], usage=USAGE)))
_THOUGHTS = [{"type": "reasoning", "summary": [{"type": "summary_text", "text": t}], "encrypted_content": "gAAA"} for t in ("hm", "so")]
fixed("whole-thinks-twice", reply(200, response("completed", [*_THOUGHTS, said("yes")], usage=USAGE)))
fixed("whole-of-unknown-status", reply(200, response("archived", [said("Hello")], usage=USAGE)))
fixed("whole-queued", reply(200, response("queued")))
fixed("whole-in-progress", reply(200, response("in_progress")))
fixed("whole-cancelled", reply(200, response("cancelled")))
fixed("whole-incomplete", reply(200, response("incomplete", incomplete_details={"reason": "max_output_tokens"}, usage=USAGE)))
fixed("whole-failed", reply(200, response("failed", error={"code": "rate_limit_exceeded", "message": "Too fast"}, usage=USAGE)))
fixed("only-at-the-end", event("response.created", response=response("in_progress")), done([said("Hello")]))

THOUGHT = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "hm"}],
    "encrypted_content": "gAAA",
    "content": None,
}
fixed(
    "thinks",
    event("response.created", response=response("in_progress")),
    event("response.output_item.added", output_index=0, item={**THOUGHT, "summary": [], "encrypted_content": ""}),
    event(
        "response.reasoning_summary_part.added", item_id="rs_1", output_index=0, summary_index=0, part={"type": "summary_text", "text": ""}
    ),
    event("response.reasoning_summary_text.delta", item_id="rs_1", output_index=0, summary_index=0, delta="hm"),
    event(
        "response.reasoning_summary_part.added", item_id="rs_1", output_index=0, summary_index=1, part={"type": "summary_text", "text": ""}
    ),
    event("response.reasoning_summary_text.delta", item_id="rs_1", output_index=0, summary_index=1, delta="so"),
    event("response.output_item.done", output_index=0, item=THOUGHT),
    delta("yes"),
    event("response.output_item.done", output_index=1, item=said("yes")),
    done([THOUGHT, said("yes")]),
)
fixed(
    "thinks-in-the-open",
    *says(),
    event("response.reasoning_text.delta", item_id="rs_1", output_index=0, content_index=0, delta="hm"),
    delta("yes"),
    done(),
)


def _call(n: int, name: str, arguments: str = "") -> dict[str, Any]:
    return {"id": f"fc_{n}", "type": "function_call", "call_id": f"call_{n}", "name": name, "arguments": arguments}


fixed(
    "tools",
    *says(),
    event("response.output_item.added", output_index=0, item=_call(1, "weather")),
    event("response.output_item.added", output_index=1, item=_call(2, "time")),
    event("response.function_call_arguments.delta", output_index=0, item_id="fc_1", delta='{"city": '),
    event("response.function_call_arguments.delta", output_index=1, item_id="fc_2", delta="{}"),
    event("response.function_call_arguments.delta", output_index=0, item_id="fc_1", delta='"Bern"}'),
    event("response.output_item.done", output_index=0, item=_call(1, "weather", '{"city": "Bern"}')),
    event("response.output_item.done", output_index=1, item=_call(2, "time", "{}")),
    done([_call(1, "weather", '{"city": "Bern"}'), _call(2, "time", "{}")]),
)
fixed("tools-at-once", *says(), event("response.output_item.done", output_index=0, item=_call(1, "weather", "{}")), done())
fixed(
    "logprobs",
    *says(),
    delta("Hi", logprobs=[{"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Yo", "logprob": -1.5}]}]),
    done(),
)
CITATION = {"type": "url_citation", "title": "Ada", "url": "https://ada.example", "start_index": 0, "end_index": 5}
fixed(
    "cites",
    *says("Hello"),
    event(
        "response.output_text.annotation.added", item_id="msg_1", output_index=0, content_index=0, annotation=CITATION, annotation_index=0
    ),
    done(),
)
fixed(
    "refuses-politely",
    *says(),
    event("response.refusal.delta", item_id="msg_1", output_index=0, content_index=0, delta="I cannot help with that."),
    done(),
)


def _without(option: str, message: str) -> Callable[[Seen, int], Steps]:
    return lambda seen, attempt: (
        [error(400, message, "unsupported_parameter", option)] if option.partition(".")[0] in seen.body else [*says("Hello"), done()]
    )


BEHAVIOURS["no-encrypted-content"] = _without("include", "Encrypted content is not supported with this model.")
BEHAVIOURS["no-temperature"] = _without("temperature", "Unsupported parameter: 'temperature' is not supported with this model.")
BEHAVIOURS["no-store"] = _without("store", "`store` is not supported")
BEHAVIOURS["no-schema"] = lambda seen, attempt: (
    [error(400, "'text.format' of type 'json_schema' is not supported with this model.", "unsupported_value", "text.format")]
    if "format" in seen.body.get("text", {})
    else _obey(seen, attempt)
)

fixed("key-refused", error(401, "Incorrect API key provided", "invalid_api_key"))
BEHAVIOURS["key-echoed"] = lambda s, n: [error(401, f"Bad: {s.headers.get('authorization', '')} {s.headers.get('api-key', '')}")]
fixed("rate-limit", error(429, "Rate limit reached", "rate_limit_exceeded", headers={"Retry-After": "7"}))
fixed("overloaded", error(503, "Overloaded"))
fixed("length", *says("Hello"), event("response.incomplete", response=response("incomplete", incomplete_details={"reason": "max_output_tokens"}, usage=USAGE)))  # fmt: skip
fixed("filtered", *says("Hello"), event("response.incomplete", response=response("incomplete", incomplete_details={"reason": "content_filter"}, usage=USAGE)))  # fmt: skip
fixed("failed", *says("Hello"), event("response.failed", response=response("failed", error={"code": "server_error", "message": "The model broke"})))  # fmt: skip
fixed("limited-in-stream", event("error", code="rate_limit_exceeded", message="Slow down", param=None))
fixed("error-without-name", b'data: {"type": "error", "code": "server_error", "message": "The model broke"}\n\n')
fixed("empty", *says(), done())
fixed("cut", *says("Hello"), CLOSE)
fixed("junk-only", b"data: <<<>>>\n\n")
fixed("junk-json", reply(200, {"status": "ok"}))
fixed("stalls", *says("Hello"), HANG)
BEHAVIOURS["redirect"] = lambda s, n: [reply(307, "", {"Location": "http://127.0.0.1:9/v1/responses"})]
