"""Structured output on llama.cpp: a grammar, which narrows near the limit or at repetition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...core.events import Event, Notice, TextDelta
from ...core.types import UNFINISHED, Request
from ..constrained.decoder import ConstrainedDecoder
from ..constrained.expressions import as_gbnf
from .model import LlamaModel
from .stream import Answer

_CHAT_ONLY = ("messages", "tools", "response_format", "chat_template_kwargs", "logprobs", "top_logprobs", "reasoning_format")
_REASONING_TAG = "<think>"  # a template may open this tag; structured output has no room for reasoning


def handles(request: Request) -> bool:
    """Whether this module handles a request: it has a schema, and needs no feature of the chat interface."""
    return request.schema is not None and not request.tools and "grammar" not in request.extra


def completion_body(body: dict[str, Any], request: Request) -> dict[str, Any]:
    """Convert a body for the chat interface to one for a rendered prompt."""
    out = {k: v for k, v in body.items() if k not in _CHAT_ONLY}
    return out if request.logprobs is None else out | {"logprobs": max(1, request.logprobs)}


def generate(
    model: LlamaModel,
    request: Request,
    prompt: str,
    body: dict[str, Any],
    prefix: str,
    put: Callable[[Event], None],
    stopped: Callable[[], bool],
) -> Answer:
    """Generate the answer and return its state.

    `body` is the request body for the engine, `prefix` the existing start of the answer. Raises
    BadRequestError for an unsupported schema.
    """
    assert request.schema is not None
    limit = int(body["max_tokens"])
    decoder = ConstrainedDecoder(request.schema, limit, prefix, lambda text: len(model.tokenize(text)))
    if prompt.rstrip().endswith(_REASONING_TAG):
        prompt = prompt.rstrip() + "\n\n</think>\n\n"
    options = completion_body(body, request)
    remaining, first = limit, None
    forced_tokens = 0
    while True:
        n_forced = decoder.append_forced(remaining)
        remaining, forced_tokens = remaining - n_forced, forced_tokens + n_forced
        answer = Answer(put, stopped, decoder, remaining)
        if not decoder.done and remaining > 0:
            rule = {"json_schema": decoder.schema} if decoder.expression is None else {"grammar": as_gbnf(decoder.expression)}
            so_far = decoder.text if decoder.expression is not None else prefix
            model.complete(options | rule | {"prompt": prompt + so_far, "max_tokens": remaining}, answer.chunk)
        first = first or answer
        remaining -= answer.n_generated
        answer.flush()
        if answer.error is not None or stopped() or not answer.expression_changed or decoder.done:
            break
    if answer.error is None and not stopped():
        if remaining <= 0:
            decoder.finish()
        if text := decoder.release(everything=True):
            put(TextDelta(text=text))
        for note in decoder.notes:
            put(Notice(kind="note", text=note))
    if decoder.complete:
        answer.finish_reason = "length" if decoder.limited else "stop"
    elif decoder.truncated:
        answer.finish_reason = "length"
    if answer is not first or forced_tokens or first.usage.output_tokens is None:
        answer.usage = replace(first.usage, output_tokens=limit - max(0, remaining))
        answer.extra = first.extra
    if answer.finish_reason == "length" and not decoder.complete:
        answer.extra[UNFINISHED] = True
    return answer
