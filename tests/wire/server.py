"""A loopback server that behaves as OpenAI-compatible services do, well or badly, on a real socket.

What it does is chosen by the model's name in the request: a key of BEHAVIOURS, or of the
table that a file beside this one keeps for another interface's path. It records requests, counts clients that went away early, and lists models.

    with Server() as server:
        ...call server.url...
        server.requests[-1].body
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import socket
import ssl
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

RST = object()  # reset the connection
CLOSE = object()  # end it without the last chunk
HANG = object()  # wait until the client goes away
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
MODELS = ["plain", "gpt-loopback", "gpt-loopback-mini"]


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Raw:
    """Bytes written as they are, header included; what follows is written plain too."""

    data: bytes


@dataclass
class Server:
    """Runs in a thread of its own while the `with` block lasts."""

    tls: ssl.SSLContext | None = None
    requests: list[Seen] = field(default_factory=list)
    aborted: int = 0

    def __enter__(self) -> Server:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/v1"

    def wait_for_abort(self, count: int = 1, seconds: float = 5) -> bool:
        """Whether that many clients have gone away early, waiting a little for the news."""
        end = time.monotonic() + seconds
        while self.aborted < count and time.monotonic() < end:
            time.sleep(0.01)
        return self.aborted >= count

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda loop, context: None)  # broken connections are the point here
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if ": " in line)}
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        seen = Seen(method, path, headers, json.loads(data) if data else {})
        self.requests.append(seen)
        if path.endswith("/models"):
            writer.write(reply(200, {"object": "list", "data": [{"id": m, "object": "model"} for m in MODELS]}).data)
            await writer.drain()
            return "HTTP/1.0" not in head[0]
        attempt = sum(1 for r in self.requests if r.body.get("model") == seen.body.get("model"))
        started = plain = False
        route = path.partition("?")[0]
        table = next((t for end, t in DIALECTS.items() if route.endswith(end)), BEHAVIOURS)
        for step in table[seen.body["model"]](seen, attempt):
            if isinstance(step, Raw):
                plain = True
                writer.write(step.data)
            elif isinstance(step, bytes):
                if not started and not plain:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
                    started = True
                writer.write(step if plain else b"%x\r\n" % len(step) + step + b"\r\n")
            elif isinstance(step, float):
                await writer.drain()
                try:
                    if not await asyncio.wait_for(reader.read(1), step):
                        raise ConnectionResetError
                except TimeoutError:
                    pass
                except ConnectionError:
                    self.aborted += 1
                    return False
            elif step is HANG:
                await writer.drain()
                try:
                    await reader.read(1)
                except ConnectionError:
                    pass
                self.aborted += 1
                return False
            elif step is RST:
                sock = writer.get_extra_info("socket")
                writer.transport.set_write_buffer_limits(0)
                await writer.drain()
                while _unsent(sock):  # the reset would swallow it
                    await asyncio.sleep(0.001)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return False
            elif step is CLOSE:
                await writer.drain()
                return False
        if started:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


def reply(status: int, document: Any, headers: dict[str, str] | None = None, kind: str = "application/json") -> Raw:
    """A whole HTTP answer; text is sent as it is, anything else as JSON."""
    body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
    more = "".join(f"{k}: {v}\r\n" for k, v in (headers or {}).items())
    return Raw(f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body)


def error(status: int, message: str, code: Any = None, param: str | None = None, headers: dict[str, str] | None = None, **more: Any) -> Raw:
    """An error as OpenAI words it."""
    return reply(status, {"error": {"message": message, "type": "invalid_request_error", "code": code, "param": param, **more}}, headers)


def chunk(delta: dict[str, Any] | None = None, reason: str | None = None, model: str = "m-answered", **more: Any) -> bytes:
    """One chunk of a stream, as server-sent event."""
    document: dict[str, Any] = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model}
    choice: dict[str, Any] = {"index": 0, "delta": delta or {}, "finish_reason": reason}
    for k in ("logprobs",):
        if k in more:
            choice[k] = more.pop(k)
    document["choices"] = [] if delta is None and reason is None else [choice]
    return event({**document, **more})


def event(document: Any) -> bytes:
    return b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


def says(*texts: str) -> list[bytes]:
    return [chunk({"role": "assistant", "content": ""}), *(chunk({"content": t}) for t in texts)]


END = [chunk(reason="stop"), chunk(usage=USAGE), b"data: [DONE]\n\n"]
Steps = Iterator[Any] | list[Any]
BEHAVIOURS: dict[str, Callable[[Seen, int], Steps]] = {}
DIALECTS: dict[str, dict[str, Callable[[Seen, int], Steps]]] = {}  # how a path ends -> behaviours there


def behaviour(f: Callable[[Seen, int], Steps]) -> Callable[[Seen, int], Steps]:
    BEHAVIOURS[f.__name__.replace("_", "-")] = f
    return f


def fixed(name: str, *steps: Any) -> None:
    assert name not in BEHAVIOURS, f"another model of the server is called {name}"
    BEHAVIOURS[name] = lambda seen, attempt: list(steps)


def _question(seen: Seen) -> str:
    content = seen.body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content)


# Services that answer.

fixed("plain", *says("Hello", " world", "!"), *END)


@behaviour
def repeat(seen: Seen, attempt: int) -> Steps:
    """The question, letter by letter, slowly enough that two streams interleave."""
    yield from says()
    for letter in _question(seen):
        yield chunk({"content": letter})
        yield 0.002
    yield from END


@behaviour
def obey(seen: Seen, attempt: int) -> Steps:
    """An object for a schema, else words."""
    asked = "response_format" in seen.body or "JSON schema" in json.dumps(seen.body["messages"])
    yield from says('{"name": "Ada', '", "age": 36}') if asked else says("no schema was asked for")
    yield from END


fixed("slow", *says("one"), *[x for n in range(200) for x in (0.05, chunk({"content": f" {n}"}))], *END)
fixed("no-done", *says("Hello"), chunk(reason="stop"))
fixed("no-blank-line-at-end", *says("Hello"), chunk(reason="stop").rstrip(b"\n"))
fixed("crlf", *[s.replace(b"\n", b"\r\n") for s in [*says("Hello"), *END]])
fixed(
    "comments",
    b": OPENROUTER PROCESSING\n\n",
    *says("Hello"),
    b": still here\n\n",
    b"event: message\nid: 7\nretry: 10\n" + chunk({"content": "!"}),
    *END,
)
fixed(
    "list-content",
    *[chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "yes"}]})],
    *END,
)
fixed("reasoning-content", chunk({"reasoning_content": "hm "}), chunk({"reasoning_content": "so"}), *says("yes"), *END)
fixed(
    "reasoning",
    chunk({"content": "", "reasoning": "hm", "reasoning_details": [{"type": "r", "text": "hm", "signature": "s"}]}),
    *says("yes"),
    *END,
)
fixed("think-tags", *says("\n<th", "ink>h", "m </thi", "s is no tag </th", "ink>\n\n", "\nyes <think>", "ing</think> aloud"), *END)
fixed("think-whole", *says("<think>hm</think>yes"), *END)
fixed("almost-think", *says("<thi", "s is a tag>"), *END)
fixed("only-thinks", chunk({"reasoning_content": "hm"}), chunk(reason="length"), chunk(usage=USAGE), b"data: [DONE]\n\n")
fixed(
    "tools",
    chunk(
        {
            "role": "assistant",
            "tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}],
        }
    ),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city": '}}]}),
    chunk(
        {
            "tool_calls": [
                {
                    "index": 1,
                    "id": "",
                    "function": {"name": "time", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "x"}},
                }
            ]
        }
    ),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Bern"}'}}]}),
    chunk(reason="tool_calls"),
    b"data: [DONE]\n\n",
)
fixed(
    "tools-unnumbered",
    chunk({"tool_calls": [{"id": "", "function": {"name": "a", "arguments": "{}"}}]}),
    chunk({"tool_calls": [{"id": "", "function": {"name": "b", "arguments": {"x": 1}}}]}),
    chunk(reason="stop"),
)
fixed(
    "gemini-tools",
    chunk({"role": "assistant", "content": "Let me see.", "extra_content": {"google": {"thought_signature": "of-the-text"}}}),
    chunk(
        {
            "tool_calls": [
                {
                    **{"index": 0, "id": "", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
                    "extra_content": {"google": {"thought_signature": "of-the-call"}},
                }
            ]
        }
    ),
    chunk(reason="stop"),
    b"data: [DONE]\n\n",
)
for _name, _counted in {
    "cached-at-the-top": {"cached_tokens": 4},
    "cached-deepseek": {"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 3},
    "cached-mistral": {"num_cached_tokens": 4},
    "cached-in-details": {"prompt_tokens_details": {"cached_tokens": 4}},
}.items():
    fixed(_name, *says("Hello"), chunk(reason="stop", usage={**USAGE, **_counted}), b"data: [DONE]\n\n")
fixed(
    "logprobs",
    chunk({"content": "Hi"}, logprobs={"content": [{"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Yo", "logprob": -1.5}]}]}),
    *END,
)
fixed("refuses-politely", chunk({"refusal": "I cannot help with that."}), *END)
fixed("groq-usage", *says("Hello"), chunk(reason="stop", x_groq={"usage": USAGE}), b"data: [DONE]\n\n")
fixed(
    "choice-usage",
    *says("Hello"),
    event({"model": "k", "choices": [{"delta": {}, "finish_reason": "stop", "usage": USAGE}]}),
    b"data: [DONE]\n\n",
)
fixed("running-usage", chunk({"content": "Hel"}, usage={**USAGE, "completion_tokens": 1}), chunk({"content": "lo"}, usage=USAGE), *END)
fixed(
    "priced",
    *says("Hello"),
    chunk(reason="stop"),
    chunk(
        usage={**USAGE, "cost": 0.0125, "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 2}}
    ),
    b"data: [DONE]\n\n",
)
fixed("gpt-5-mini", chunk({"content": "Hello"}, model="gpt-5-mini-2025-08-07"), *END)
fixed("null-usage", *[chunk({"content": "Hello"}, usage=None)], chunk(reason="stop", usage=None), chunk(usage=USAGE), b"data: [DONE]\n\n")
fixed(
    "whole",
    reply(
        200,
        {
            "model": "w",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
            "usage": USAGE,
        },
    ),
)
fixed("untyped-stream", Raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"".join([*says("Hello"), *END])), CLOSE)
fixed("length", *says("Hello"), chunk(reason="length"), b"data: [DONE]\n\n")
fixed("torn-after-the-end", *says("Hello"), chunk(reason="stop"), RST)


@behaviour
def bytewise(seen: Seen, attempt: int) -> Steps:
    """Every byte a network chunk of its own: UTF-8 sequences, numbers and the end mark are all cut."""
    text = b"".join([*says("Grüße, 世界 🎉", " 3.14159"), event({"choices": [{"delta": {"content": "\\ud83c"}}]}).replace(b"\\\\", b"\\"),
                     event({"choices": [{"delta": {"content": "\\udf89"}}]}).replace(b"\\\\", b"\\"), *END])  # fmt: skip
    for n in range(len(text)):
        yield text[n : n + 1]


# Services that refuse a part of the request, once or always.


def _without(option: str, answer: Raw, seen: Seen) -> Steps:
    return [answer] if option in seen.body else [*says("Hello"), *END]


BEHAVIOURS["no-temperature"] = lambda s, n: _without(
    "temperature", error(400, "Unsupported value: 'temperature' does not support 0 with this model.", "unsupported_value", "temperature"), s
)
BEHAVIOURS["no-seed-named-in-words"] = lambda s, n: _without("seed", error(400, "Unrecognized request argument supplied: seed"), s)
BEHAVIOURS["no-stream-options"] = lambda s, n: _without(
    "stream_options",
    reply(422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}),
    s,
)
BEHAVIOURS["no-max-tokens"] = lambda s, n: (
    [
        error(
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            "unsupported_parameter",
            "max_tokens",
        )
    ]
    if "max_tokens" in s.body
    else [*says("Hello"), *END]
)
BEHAVIOURS["no-json-schema"] = lambda s, n: (
    [error(400, "response_format type 'json_schema' is not supported", "unsupported_value", "response_format")]
    if s.body.get("response_format", {}).get("type") == "json_schema"
    else obey(s, n)
)
BEHAVIOURS["no-response-format"] = lambda s, n: (
    [error(400, "Unknown parameter: 'response_format'.", "unknown_parameter", "response_format")]
    if "response_format" in s.body
    else obey(s, n)
)
fixed(
    "bad-temperature",
    error(400, "Invalid 'temperature': decimal above maximum value. Expected a value <= 2.", "decimal_above_max_value", "temperature"),
)

# Services that fail.

fixed("key-refused", error(401, "Incorrect API key provided: sk-abcdefghijklmnop1234. You can find yours on the site.", "invalid_api_key"))
BEHAVIOURS["key-echoed"] = lambda s, n: [
    error(401, f"Bad credentials: {s.headers.get('authorization', '')} {s.headers.get('api-key', '')}")
]
BEHAVIOURS["key-echoed-in-a-page"] = lambda s, n: [
    reply(502, f"<html><title>No way for {s.headers.get('authorization', '')[7:]}</title></html>", kind="text/html")
]
BEHAVIOURS["key-echoed-at-the-cut"] = lambda s, n: [error(400, "x" * 285 + " " + s.headers.get("authorization", "")[7:] + "y" * 99)]
BEHAVIOURS["key-echoed-as-junk"] = lambda s, n: [b"data: " + b"<" * 190 + s.headers.get("authorization", "")[7:].encode() + b"\n\n"]
fixed("forbidden", error(403, "Project has no access", "forbidden"))
fixed("unknown-model", error(404, "The model `gpt-loopbak` does not exist or you do not have access to it.", "model_not_found"))
fixed("gpt-loopbak", error(404, "The model `gpt-loopbak` does not exist or you do not have access to it.", "model_not_found"))
fixed("wrong-path", reply(404, {"detail": "Not Found"}))
fixed(
    "context",
    error(
        400,
        "This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens.",
        "context_length_exceeded",
        "messages",
    ),
)
fixed(
    "context-sum",
    error(
        400,
        "This model's maximum context length is 4,096 tokens. However, you requested 5,200 tokens (5,000 in the messages, 200 in the completion).",
    ),
)
fixed(
    "context-llamacpp",
    error(400, "the request exceeds the available context size, try increasing it", 400, n_prompt_tokens=5000, n_ctx=4096),
)
fixed("context-anthropic", error(400, "prompt is too long: 208310 tokens > 200000 maximum"))
fixed(
    "context-gemini",
    reply(
        400,
        [
            {
                "error": {
                    "code": 400,
                    "status": "INVALID_ARGUMENT",
                    "message": "The input token count (1048600) exceeds the maximum number of tokens allowed (1048576).",
                }
            }
        ],
    ),
)
fixed("rate-limit", error(429, "Rate limit reached", "rate_limit_exceeded", headers={"Retry-After": "7"}))
fixed("rate-limit-ms", error(429, "Rate limit reached", "rate_limit_exceeded", headers={"retry-after-ms": "250", "Retry-After": "9"}))
BEHAVIOURS["rate-limit-date"] = lambda s, n: [
    error(429, "slow down", 429, headers={"Retry-After": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))})
]
BEHAVIOURS["rate-limit-once"] = lambda s, n: (
    [error(429, "Rate limit reached", "rate_limit_exceeded", headers={"Retry-After": "0"})] if n == 1 else [*says("Hello"), *END]
)
fixed("quota", error(429, "You exceeded your current quota, please check your plan and billing details.", "insufficient_quota"))
fixed("server-error", error(500, "The server had an error"))
fixed("overloaded", error(503, "Overloaded", headers={"Retry-After": "3"}))
fixed("gateway-page", reply(502, "<html><head><title>Bad Gateway</title></head></html>", kind="text/html"))
fixed("sign-in-page", reply(200, "<!DOCTYPE html><html><head><title>Sign in</title></head></html>", kind="text/html"))
fixed(
    "content-policy", error(400, "The response was filtered due to the prompt triggering the content management policy.", "content_filter")
)
fixed("filtered", *says("Hello"), chunk(reason="content_filter"), chunk(usage=USAGE), b"data: [DONE]\n\n")
fixed("empty", *says(), *END)
fixed("nothing-at-all", Raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n"))
fixed("cut", *says("Hello"), CLOSE)
fixed("cut-cleanly", *says("Hello"))
fixed("cut-after-usage", chunk({"content": "Hello"}, usage=USAGE), CLOSE)
fixed("cut-within-usage", chunk({"content": "Hello"}, usage={**USAGE, "completion_tokens": 2}), chunk({"content": " to all"}), CLOSE)
fixed("without-usage", *says("Hello", " world!"), chunk(reason="stop"), b"data: [DONE]\n\n")
fixed(
    "torn-whole",
    Raw(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"choices": [{"message": {"content": "He'),
    CLOSE,
)
fixed("reset", *says("Hello"), RST)
fixed("reset-before-answer", RST)
fixed("closed-before-answer", CLOSE)
fixed("closed-in-the-head", Raw(b"HTTP/1.1 200 OK\r\nContent-Type: appl"), CLOSE)
fixed(
    "torn-chunked",
    Raw(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{"choices": ['),
    CLOSE,
)
fixed(
    "reset-whole",
    Raw(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"choices": [{"message": {"content": "He'),
    RST,
)
BEHAVIOURS["lost-once"] = lambda s, n: [CLOSE] if n == 1 else BEHAVIOURS["whole"](s, n)
BEHAVIOURS["torn-once"] = lambda s, n: BEHAVIOURS["torn-whole"](s, n) if n == 1 else BEHAVIOURS["whole"](s, n)
fixed(
    "two-answers",
    *[event({"choices": [{"index": i, "delta": {"content": t}}]}) for i, t in ((0, "Hel"), (1, "Bye"), (0, "lo"), (1, "!"))],
    *END,
)
fixed(
    "two-whole-answers",
    reply(200, {"choices": [{"index": i, "message": {"content": t}, "finish_reason": "stop"} for i, t in ((1, "Bye"), (0, "Hello"))]}),
)
fixed(
    "function-call",
    chunk({"function_call": {"name": "weather", "arguments": ""}}),
    chunk({"function_call": {"arguments": '{"city": '}}),
    chunk({"function_call": {"arguments": '"Bern"}'}}),
    chunk(reason="function_call"),
    b"data: [DONE]\n\n",
)
fixed(
    "whole-function-call",
    reply(
        200,
        {
            "choices": [
                {
                    "message": {"content": None, "function_call": {"name": "weather", "arguments": '{"city": "Bern"}'}},
                    "finish_reason": "function_call",
                }
            ]
        },
    ),
)
fixed("silent", HANG)
fixed("stalls", *says("Hello"), HANG)
fixed(
    "slow-headers",
    Raw(b"HTTP/1.1 200 OK\r\n"),
    0.3,
    Raw(b"Content-Type: text/event-stream\r\nConnection: close\r\n\r\n" + b"".join([*says("Hello"), *END])),
    CLOSE,
)
fixed("junk", *says("Hello"), b"data: {not json}\n\n", CLOSE)
fixed("junk-between", *says("Hello"), b"data: {not json}\n\n", *END)
fixed("junk-only", b"\x00\xff\xfe%$#!\n\n", b"data: <<<>>>\n\n")
fixed("junk-json", reply(200, {"status": "ok"}))
fixed("junk-of-the-right-name", event({"choices": ["Hello"], "usage": "much"}), b"data: [DONE]\n\n")
fixed("not-http", Raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), CLOSE)
fixed("junk-in-the-middle", *says("Hello"), b"data: {broken\n\n", chunk({"content": "!"}), *END)
fixed(
    "error-in-stream",
    *says("Hello"),
    event({"error": {"message": "Provider disconnected", "code": 502}, "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]}),
)
fixed("error-event", b'event: error\ndata: {"type": "overloaded_error", "message": "Overloaded"}\n\n')
TOO_SHORT = "Could not finish the message because max_tokens or model output limit was reached. Please try again with higher max_tokens."
PAID = {"prompt_tokens": 20, "completion_tokens": 30, "total_tokens": 50, "cost": 0.0125}
fixed("limit", error(400, TOO_SHORT))
fixed(
    "limit-in-stream", *says("Hello"), event({"error": {"message": TOO_SHORT, "type": "invalid_request_error", "code": 400}, "usage": PAID})
)
fixed("limit-in-stream-at-once", event({"error": {"message": "max completion tokens reached before generating a valid document", "code": "json_validate_failed"}, "usage": PAID}))  # fmt: skip
fixed("error-with-usage-inside", *says("Hello"), event({"error": {"message": "upstream failed", "code": 502, "usage": PAID}}))
fixed("filter-in-stream", *says("Hello"), event({"error": {"message": "The response was filtered by our content management policy", "type": "server_error"}}))  # fmt: skip
fixed("context-in-stream", event({"error": {"message": "This model's maximum context length is 4096 tokens, and 5000 were asked"}}))
fixed("overloaded-in-words", event({"error": "The model is overloaded, try again later"}))
fixed("limited-in-words", event({"error": {"message": "Too many requests", "type": "tokens"}}))
fixed(
    "error-object",
    *says("Hello"),
    event({"object": "error", "message": "Service unavailable.", "type": "internal_server_error", "code": "3000"}),
)
fixed("error-in-a-list", event([{"error": {"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}}]))
fixed("error-unknown", event({"error": {"message": "Something odd", "code": "E1234"}}))
fixed("no-images", error(500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj", 500))
fixed("no-vectors", error(501, "This server does not support embeddings. Start it with `--embeddings`", 501))
fixed("not-implemented", reply(501, {"error": "nothing of that kind"}))
fixed("roles", error(500, "Jinja Exception: Conversation roles must alternate user/assistant/user/assistant/...", 500))
fixed("passing", error(503, "This model is temporarily not supported, try again later"))
fixed("rate-limit-in-stream", event({"error": {"message": "Rate limit exceeded", "code": 429}}))
BEHAVIOURS["redirect"] = lambda s, n: [reply(307, "", {"Location": "http://127.0.0.1:9/v1/chat/completions"})]


def self_signed(folder: Any) -> ssl.SSLContext:
    """A server context with a certificate nobody vouches for."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "loopback.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def _unsent(sock: socket.socket) -> int:
    """Bytes that the other side of a connection has not taken yet."""
    return int(struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, struct.pack("i", 0)))[0])
