"""Bytes of a chat stream into events, with as few steps a chunk as possible.

`Frames` finds the JSON documents in the bytes, `Answer` turns each into events. Both hold
the state of one stream and are made anew for each.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

from ..events import Event, Finished, Logprobs, Notice, ReasoningDelta, TextDelta, ToolCallDelta
from ..types import Usage

DONE = object()


class Frames:
    """Server-sent events cut out of a byte stream that may be split anywhere."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._event = b""
        self.junk = ""  # the first thing that was no answer
        self._first = True

    def feed(self, data: bytes) -> list[Any]:
        """The JSON documents completed by these bytes; DONE for the end mark."""
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        if self._first and lines:
            self._first = False
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
        out: list[Any] = []
        for line in lines:
            if line[-1:] == b"\r":
                line = line[:-1]
            if not line:
                if self._data:
                    self._close(out)
                self._event = b""
            elif line[:5] == b"data:":
                self._data.append(line[5:])
            elif line[:6] == b"event:":
                self._event = line[6:].strip()
            elif line[:1] != b":" and line[:3] != b"id:" and line[:6] != b"retry:":
                self._junk(line)
        return out

    def end(self) -> list[Any]:
        """What is left when the connection ends; the last event may lack its blank line."""
        return self.feed(b"\n\n") if self._rest or self._data else []

    def _close(self, out: list[Any]) -> None:
        parts, self._data = self._data, []
        if not self._parse(parts[0] if len(parts) == 1 else b"\n".join(parts), out):
            # several events without blank lines between them, or junk
            good = [self._parse(p, out) for p in parts] if len(parts) > 1 else [False]
            if not all(good):
                self._junk(b"\n".join(parts))

    def _parse(self, payload: bytes, out: list[Any]) -> bool:
        try:
            document = json.loads(payload.decode("utf-8", "replace"))
        except ValueError:
            if payload.strip().startswith(b"[DONE]"):
                out.append(DONE)
                return True
            return not payload.strip()
        if not isinstance(document, dict):
            return False
        if self._event == b"error" and "error" not in document:
            document = {"error": document}
        out.append(document)
        return True

    def _junk(self, what: bytes) -> None:
        self.junk = self.junk or what.decode("utf-8", "replace").strip()[:200]


_REASONS = {
    "stop": "stop", "end_turn": "stop", "eos": "stop", "eos_token": "stop", "stop_sequence": "stop", "complete": "stop",
    "length": "length", "max_tokens": "length", "model_length": "length",
    "tool_calls": "tool_calls", "tool_use": "tool_calls", "function_call": "tool_calls",
    "content_filter": "content_filter", "safety": "content_filter", "refusal": "content_filter",
}  # fmt: skip
_OPEN = ("<think>", "<thinking>", "<thought>")


class Answer:
    """What one stream has said so far; `take` gives the events of one document."""

    def __init__(self, reasoning_fields: Sequence[str] = ("reasoning_content", "reasoning"), extra_reasoning: str = "reasoning_details"):
        self.fields = tuple(reasoning_fields)
        self.details_field = extra_reasoning
        self.model = ""
        self.reason = ""
        self.usage: Usage | None = None
        self.characters = 0  # of text, once it was given out
        self.thought = False
        self.tools = 0
        self.refused = False
        self.extra: dict[str, Any] = {}
        self._plain = False  # the short way: text goes through untouched
        self._settled = False  # no reasoning tag is open, and none can open any more
        self._held = ""
        self._closing = ""
        self._strip = False
        self._half = ""  # half a surrogate pair, its other half comes with the next chunk
        self._details: list[Any] = []
        self._ids: dict[int, str] = {}

    def take(self, document: dict[str, Any]) -> list[Event]:
        """Events of one chunk, or of one whole completion."""
        out: list[Event] = []
        choices = document.get("choices")
        if choices:
            choice = choices[0]
            delta = choice.get("delta") or choice.get("message")
            if delta:
                content = delta.get("content")
                if content:
                    if self._plain and content.__class__ is str and content[-1] < "\ud800":
                        self.characters += len(content)
                        out.append(TextDelta(text=content))
                    else:
                        self._content(content, out)
                if len(delta) > 1 or not content:
                    self._other(delta, out)
            elif choice.get("text"):  # a base model's completion
                self._content(choice["text"], out)
            if choice.get("logprobs"):
                self._logprobs(choice["logprobs"], out)
            if reason := choice.get("finish_reason"):
                self.reason = _REASONS.get(str(reason).lower(), str(reason).lower())
            if choice.get("usage"):
                self.usage = usage(choice["usage"])
        if not self.model:
            self.model = document.get("model") or ""
        found = document.get("usage") or (document.get("x_groq") or {}).get("usage")
        if found:
            self.usage = usage(found)
        return out

    def end(self) -> list[Event]:
        """Events that were held back; the caller adds `Finished` or raises."""
        out: list[Event] = []
        if self._half:
            self._text("", out, whole=True)
        if self._held:
            if self._closing:
                self._think(self._held, out)
            else:
                self._say(self._held, out)
            self._held = ""
        if self._details:
            out.append(ReasoningDelta(text="", extra={self.details_field: self._details}))
        if self.refused:
            out.append(Notice(kind="note", text="the model declined to answer"))
        return out

    def finished(self) -> Finished:
        """The last event of a complete answer."""
        reason = self.reason or "stop"
        if self.tools and reason == "stop":  # some servers say stop after a tool call
            reason = "tool_calls"
        return Finished(reason=reason, model=self.model)

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

    def _text(self, text: str, out: list[Event], whole: bool = False) -> None:
        if self._half:
            text = (self._half + text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            self._half = ""
        if not whole and "\ud800" <= text[-1:] <= "\udbff":
            self._half, text = text[-1], text[:-1]
        if text:
            if self._settled:
                self._say(text, out)
            elif self._closing:
                self._inside(self._held + text, out)
            else:
                self._opening(self._held + text, out)
        self._plain = self._settled and not self._strip and not self._half

    def _opening(self, text: str, out: list[Event]) -> None:
        """Reasoning in tags counts only at the very start; later such a tag is part of what is said."""
        start = text.lstrip()
        self._held = ""
        for tag in _OPEN:
            if start.startswith(tag):
                self._closing = "</" + tag[1:]
                self._inside(start[len(tag) :], out)
                return
        if any(tag.startswith(start) for tag in _OPEN):  # also while nothing but space has come
            self._held = text
            return
        self._settled = True
        self._say(text, out)

    def _inside(self, text: str, out: list[Event]) -> None:
        thought, found, after = text.partition(self._closing)
        if found:
            self._think(thought, out)
            self._held, self._closing, self._settled, self._strip = "", "", True, True
            if after:
                self._say(after, out)
            return
        keep = next((n for n in range(len(self._closing) - 1, 0, -1) if thought.endswith(self._closing[:n])), 0)
        self._held = thought[len(thought) - keep :]
        self._think(thought[: len(thought) - keep], out)

    def _say(self, text: str, out: list[Event]) -> None:
        if self._strip:  # the blank lines between the reasoning and the answer
            text = text.lstrip()
            self._strip = not text
        if text:
            self.characters += len(text)
            out.append(TextDelta(text=text))

    def _think(self, text: str, out: list[Event]) -> None:
        if text:
            self.thought = True
            out.append(ReasoningDelta(text=text))

    def _other(self, delta: dict[str, Any], out: list[Event]) -> None:
        for name in self.fields:
            if isinstance(delta.get(name), str) and delta[name]:
                self._think(delta[name], out)
                break
        if delta.get("tool_calls"):
            for call in delta["tool_calls"]:
                self._tool(call, out)
        if delta.get("refusal"):
            self.refused = True
            self._text(delta["refusal"], out)
        details = delta.get(self.details_field)
        if isinstance(details, list):
            self._details.extend(details)

    def _tool(self, call: dict[str, Any], out: list[Event]) -> None:
        index = call.get("index")
        function = call.get("function") or {}
        if index is None:  # whole calls without a number: each name begins a new one
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
        out.append(ToolCallDelta(index=index, id=new, name=function.get("name") or "", arguments=arguments, extra=extra))

    def _logprobs(self, given: Any, out: list[Event]) -> None:
        content = given.get("content") if isinstance(given, dict) else None
        if content:
            tokens = tuple(
                {"token": t["token"], "logprob": t["logprob"], "top": [[o["token"], o["logprob"]] for o in t.get("top_logprobs") or ()]}
                for t in content
            )
            out.append(Logprobs(tokens=tokens))


def usage(found: dict[str, Any]) -> Usage:
    """Usage from the many places services put it.

    >>> usage({"prompt_tokens": 9, "completion_tokens": 5, "prompt_cache_hit_tokens": 4})
    Usage(input_tokens=9, output_tokens=5, cached_tokens=4, reasoning_tokens=None, cost=None)
    """
    get = found.get
    into, out = _int(get("prompt_tokens", get("input_tokens"))), _int(get("completion_tokens", get("output_tokens")))
    before, after = (
        get("prompt_tokens_details") or get("input_tokens_details") or {},
        get("completion_tokens_details") or get("output_tokens_details") or {},
    )
    cached = _first(
        before.get("cached_tokens"),
        get("prompt_cache_hit_tokens"),
        get("num_cached_tokens"),
        get("cached_tokens"),
        get("cache_read_input_tokens"),
    )
    reasoning = _first(after.get("reasoning_tokens"), get("reasoning_tokens"))
    total = _int(get("total_tokens"))
    if reasoning and into is not None and out is not None and total == into + out + reasoning:
        out += reasoning  # some services count the reasoning beside the answer; ours is inside it
    price = get("cost")
    if isinstance(price, dict):
        price = price.get("total_cost")
    return Usage(into, out, cached, reasoning, float(price) if isinstance(price, (int, float)) and not isinstance(price, bool) else None)


def _int(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _first(*values: Any) -> int | None:
    return next((n for v in values if (n := _int(v)) is not None), None)
