"""One streamed answer of llama.cpp: converts its chunks to events and its error messages to errors."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from ...core.errors import BadRequestError, CallError, ContextTooLongError, ServerError
from ...core.events import Event, Logprobs, Notice, Progress, ReasoningDelta, TextDelta, ToolCallDelta
from ...core.repetition import NOTICE, REASON, LoopDetector
from ...core.types import Usage
from ..constrained.decoder import ConstrainedDecoder

_FLUSH_INTERVAL = 0.025  # seconds: faster tokens are sent together, since waking the reader slows the model's threads


class Answer:
    """Converts the engine's chunks to events, and holds the state of the answer."""

    def __init__(
        self, put: Callable[[Event], None], stopped: Callable[[], bool], decoder: ConstrainedDecoder | None = None, limit: int = 0
    ):
        """`decoder` constrains the text to a schema, with at most `limit` tokens.

        Then `expression_changed` is true if decoding must continue with another expression.
        """
        self._put = put
        self._stopped = stopped
        self._decoder = decoder
        self._limit = limit
        self._loop = LoopDetector() if decoder is None else None
        self.expression_changed = False
        self.n_generated = 0  # tokens, if the engine reports them in each chunk
        self.error: Exception | None = None
        self.finish_reason = "stop"
        self.usage = Usage(cost=0.0)
        self.extra: dict[str, Any] = {}
        self._buffer: list[str] = []
        self._sent = 0.0

    def chunk(self, raw: bytes) -> bool:
        """Process one chunk; True stops the engine. Exceptions must not escape: the library ignores them."""
        try:
            if self._stopped():
                return True
            self._process(json.loads(raw))
            if self._buffer and time.monotonic() - self._sent >= _FLUSH_INTERVAL:
                self.flush()
            looping = self._loop is not None and self._loop.cut_at >= 0
            return looping or self.error is not None or self.expression_changed or (self._decoder is not None and self._decoder.done)
        except Exception as e:  # raised again after the native call
            self.error = e
            return True

    def flush(self) -> None:
        """Send the buffered text."""
        if text := "".join(self._buffer):
            self._put(TextDelta(text=text))
        if self._buffer:
            self._buffer.clear()
            self._sent = time.monotonic()

    def _process(self, chunk: dict[str, Any]) -> None:
        for choice in chunk.get("choices", ()):
            delta = choice.get("delta", choice)
            if probabilities := choice.get("logprobs"):
                self.flush()
                self._put(Logprobs(tokens=tuple(_logprob(t) for t in probabilities.get("content") or ())))
            if text := delta.get("content") or delta.get("text"):
                self.n_generated = (chunk.get("timings") or {}).get("predicted_n") or self.n_generated + 1
                if self._decoder is not None:
                    self.expression_changed = self._decoder.add(text, self._limit - self.n_generated)
                    text = self._decoder.release()
                self._buffer.append(text)
                if self._loop is not None and self._loop.cut_at < 0 and self._loop.add(text):
                    self.flush()
                    self.finish_reason = REASON
                    self._put(Notice(kind="warning", text=NOTICE))
            elif thought := delta.get("reasoning_content"):
                self._put(ReasoningDelta(text=thought))
            for call in delta.get("tool_calls") or ():
                f = call.get("function", {})
                index, name, arguments = call.get("index", 0), f.get("name") or "", f.get("arguments") or ""
                self.flush()
                self._put(ToolCallDelta(index=index, id=call.get("id") or "", name=name, arguments=arguments))
            if reason := choice.get("finish_reason"):
                self.flush()
                self.finish_reason = reason
        if progress := chunk.get("prompt_progress"):
            done, total = progress["processed"], progress["total"]
            if 0 < done < total:
                self._put(Progress(stage="processing the prompt", done=done, total=total, unit="tokens"))
        if usage := chunk.get("usage"):
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
            self.usage = Usage(usage.get("prompt_tokens"), usage.get("completion_tokens"), cached, cost=0.0)
        if timings := chunk.get("timings"):
            self.extra["tokens_per_second"] = round(timings.get("predicted_per_second") or 0.0, 2)
            self.extra["prompt_tokens_per_second"] = round(timings.get("prompt_per_second") or 0.0, 2)
            if "prompt_n" in timings:  # a stopped call reports no usage
                cached = timings.get("cache_n") or 0
                self.usage = Usage(cached + timings["prompt_n"], timings.get("predicted_n"), cached, cost=0.0)
        if error := chunk.get("error"):
            self.error = engine_error(error.get("message", "no reason given"), error)


def _logprob(token: dict[str, Any]) -> dict[str, Any]:
    top = [[t["token"], t["logprob"]] for t in token.get("top_logprobs") or ()]
    return {"token": token["token"], "logprob": token["logprob"], "top": top}


def engine_error(message: str, error: dict[str, Any] | None = None) -> CallError:
    """Convert the engine's error to a CallError."""
    error = error or {}
    if error.get("type") == "exceed_context_size_error":
        over = error.get("n_prompt_tokens", 0) - error.get("n_ctx", 0)
        return ContextTooLongError(f"The prompt is {over:,} tokens too long", detail=message, hint="Shorten the prompt.")
    if error.get("code", 400) >= 500:
        return ServerError("The engine failed", detail=message, retryable=False, hint="`%fm unload`, then try again.")
    return BadRequestError("The engine rejected the request", detail=message, hint="Check parameters and schema.")
