"""The llama.cpp backend, for GGUF models.

A worker thread runs the model, because a native call would block interrupts. The stream can be
closed at any time: the caller continues at once, the model stops at its next token or prompt
slice, and a call in the meantime reports that it waits.

Greedy by default (temperature 0), so that answers in a notebook are reproducible.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ...core.backend import estimate_tokens
from ...core.errors import ContextTooLongError, FmnbError, InsufficientMemoryError, MissingPackageError, ServerError
from ...core.event_loop import start_thread, thread_stream
from ...core.events import Event, Failed, Finished, Notice, UsageReported
from ...core.types import ModelInfo, Request, TokenCount
from .. import host
from ..chat_format import chat_messages, plain_text, split_answer_prefix
from ..constrained.schema_expression import bounds, with_bounds
from ..labels import Labels
from ..loaded import ModelEntry, model_entry, shutting_down
from ..weights import gguf
from ..weights.chat_template import check_limits
from . import constrained
from .label_scoring import Scorer, scorable_labels
from .model import LlamaModel, estimate_memory, initial_context, load, load_slots, max_context
from .stream import Answer, engine_error

DEFAULT_MAX_TOKENS = 512
SLOTS = 8  # concurrent rows; on CPUs, more of them are not faster
ALL_ROWS = -1  # the row number of an event for all rows
_FAST_LOAD_SECONDS = 2.0  # seconds: a model that loads faster is reloaded when the machine is idle
_CHEAP_TO_LOAD = 300 << 20  # bytes: smaller files are loaded just to count tokens

# Raw parameters (`-p`) that the engine reads. It silently ignores others, so they are reported to the user.
_SUPPORTED_PARAMS = frozenset(
    {
        "adaptive_decay",
        "adaptive_target",
        "cache_prompt",
        "chat_template_kwargs",
        "dry_allowed_length",
        "dry_base",
        "dry_multiplier",
        "dry_penalty_last_n",
        "dry_sequence_breakers",
        "dynatemp_exponent",
        "dynatemp_range",
        "frequency_penalty",
        "grammar",
        "ignore_eos",
        "logit_bias",
        "min_keep",
        "min_p",
        "mirostat",
        "mirostat_eta",
        "mirostat_tau",
        "parallel_tool_calls",
        "post_sampling_probs",
        "presence_penalty",
        "reasoning_format",
        "repeat_last_n",
        "repeat_penalty",
        "samplers",
        "t_max_predict_ms",
        "tool_choice",
        "top_k",
        "top_n_sigma",
        "top_p",
        "typical_p",
        "xtc_probability",
        "xtc_threshold",
    }
)


def backend(path: str | Path, name: str = "") -> LlamaBackend:
    """The backend of a GGUF file. Only its header is read here; the weights load with the first call.

    `name` is the user's name for the model. Raises NotPulledError if the file is missing,
    DownloadError if it is truncated, ModelError if it is damaged.
    """
    file = Path(path).expanduser().resolve()
    return LlamaBackend(gguf.read(file), name or f"gguf:{file}")


class LlamaBackend:
    """A GGUF model on llama.cpp. The weights are shared by all backends of the same file."""

    preferred_batch_size = 64
    continues = True  # can continue an answer that the last message starts

    def __init__(self, head: gguf.Gguf, name: str):
        self._head = head
        self._chat = bool(head.chat_template)
        context = initial_context(head, 0)
        self._info = ModelInfo(
            name=name,
            provider="gguf",
            host="local",
            local=True,
            context=head.context,
            chat=self._chat,
            price_in=0.0,
            price_out=0.0,
            license=head.license,
            size=head.size,
            memory=estimate_memory(head, context).total,
            source=str(head.path),
        )

    @property
    def head(self) -> gguf.Gguf:
        """The header of the file."""
        return self._head

    @property
    def info(self) -> ModelInfo:
        """The model's facts from the header; `memory` is an estimate for the initial context size."""
        return self._info

    def deterministic(self, request: Request) -> bool:
        """True for greedy decoding or with a seed, unless a time limit may truncate the answer."""
        return (not request.temperature or request.seed is not None) and "t_max_predict_ms" not in request.extra

    def count(self, request: Request) -> TokenCount:
        """Exact if the model is loaded or small enough to load for this; otherwise an estimate."""
        entry = self._entry()
        model = entry.model
        try:
            if model is None and self._head.size <= _CHEAP_TO_LOAD:
                with entry.acquire(_ignore, threading.Event()) as acquired:
                    model = entry.model or (
                        self._load(entry, self._initial_n_ctx(request), _ignore, shutting_down.is_set) if acquired else None
                    )
            if model is not None:
                return TokenCount(model.count(self._prompt(request), self._chat), exact=True, method="the model's tokenizer")
        except (OSError, ValueError, InsufficientMemoryError, MissingPackageError):
            pass
        return estimate_tokens(request)

    def stream(self, request: Request) -> AsyncIterator[Event]:
        """Answer one request."""

        def work(put: Callable[[Event], None], stop: threading.Event) -> None:
            entry = self._entry()
            with entry.acquire(put, stop) as acquired:
                if acquired:
                    self._answer(entry, request, put, lambda: stop.is_set() or shutting_down.is_set())

        return thread_stream(work)

    def stream_rows(
        self, requests: Sequence[tuple[int, Request]], content_free: Sequence[Request] = ()
    ) -> AsyncIterator[tuple[int, Event]]:
        """Answer many requests, one per slot at a time; a choice among few labels is scored."""

        def work(put: Callable[[tuple[int, Event]], None], stop: threading.Event) -> None:
            def whole(event: Event) -> None:
                put((ALL_ROWS, event))

            def stopped() -> bool:
                return stop.is_set() or shutting_down.is_set()

            entry = model_entry("gguf rows", self._head.path)
            entry.name = self._info.name
            with entry.acquire(whole, stop) as acquired:
                if acquired and requests:
                    self._rows(entry, deque(requests), content_free, put, whole, stopped)

        return thread_stream(work)

    def _rows(
        self,
        entry: ModelEntry,
        waiting: deque[tuple[int, Request]],
        content_free: Sequence[Request],
        put: Callable[[tuple[int, Event]], None],
        put_for_all: Callable[[Event], None],
        stopped: Callable[[], bool],
    ) -> None:
        """Answer requests: each free slot takes the next waiting one."""
        for name in sorted({name for _, request in waiting for name in self._body(request)[1]}):
            put_for_all(Notice(kind="not_applied", text=name))
        n_ctx = min(max_context(self._head), max(_max_prompt_tokens(r) + (r.max_tokens or DEFAULT_MAX_TOKENS) for _, r in waiting))
        model: LlamaModel | None = entry.model
        fresh = model is None or model.context < n_ctx
        if fresh:
            if model is not None:
                model.close()
                entry.model = None
            model = load_slots(self._head.path, n_ctx, put_for_all, stopped, SLOTS)
        if model is None:
            return
        entry.model, entry.memory = model, model.memory

        scorers: dict[Labels, Scorer] = {}
        scorers_lock = threading.Lock()

        def chosen(request: Request, slot: int) -> list[Event] | None:
            options = scorable_labels(request)
            if options is None:
                return None
            try:
                with scorers_lock:
                    if options not in scorers:
                        scorers[options] = Scorer(model, options, [self._text(model, r) for r in content_free])
                return scorers[options].answer(self._text(model, request), request, slot, stopped)
            except (OSError, ValueError, RuntimeError):  # the prompt is too long: generation reports it properly
                return None

        def slot(number: int) -> None:
            while not stopped():
                try:
                    n, request = waiting.popleft()
                except IndexError:
                    return
                try:
                    if events := chosen(request, number):
                        for event in events:
                            put((n, self._with_facts(event, model, fresh)))
                        continue
                    self._generate(model, request, self._body(request)[0], lambda event, n=n: put((n, event)), stopped, fresh)  # type: ignore[misc]
                except FmnbError as e:
                    put((n, Failed(error=e.to_dict())))
                except Exception as e:  # an exception in this thread would be lost
                    put((n, Failed(error=ServerError("The engine failed", detail=repr(e)[:200], retryable=False).to_dict())))

        for t in [start_thread("fmnb-slot", partial(slot, i)) for i in range(model.slots)]:
            t.join()

    def _entry(self) -> ModelEntry:
        entry = model_entry("gguf", self._head.path)
        entry.name = self._info.name
        return entry

    def _answer(self, entry: ModelEntry, request: Request, put: Callable[[Event], None], stopped: Callable[[], bool]) -> None:
        body, not_applied = self._body(request)
        for name in not_applied:
            put(Notice(kind="not_applied", text=name))
        before = entry.model
        model, prompt_tokens = self._prepare(entry, request, body, put, stopped)
        if model is None or stopped():
            return
        if prompt_tokens is not None and request.max_tokens is None:
            body["max_tokens"] = min(DEFAULT_MAX_TOKENS, model.context - prompt_tokens)
        self._generate(model, request, body, put, stopped, fresh=model is not before)

    def _generate(
        self,
        model: LlamaModel,
        request: Request,
        body: dict[str, Any],
        put: Callable[[Event], None],
        stopped: Callable[[], bool],
        fresh: bool,
    ) -> None:
        """Run the engine and send its events."""
        answer = Answer(put, stopped)
        turns, prefix = split_answer_prefix(request)
        try:
            if constrained.handles(request):
                answer = constrained.generate(model, request, self._text(model, turns), body, prefix, put, stopped)
            elif prefix:
                plain = constrained.completion_body(body, request)
                model.complete(plain | {"prompt": self._text(model, turns) + prefix}, answer.chunk)
            else:
                model.generate(body, self._chat, answer.chunk)
        except (ValueError, RuntimeError) as e:  # the library raises these for an invalid body
            raise engine_error(str(e)) from None
        answer.flush()
        if answer.error is not None:
            raise answer.error
        if not stopped():
            put(UsageReported(usage=answer.usage))
            put(self._with_facts(Finished(reason=answer.finish_reason, extra=answer.extra), model, fresh))

    def _with_facts(self, event: Event, model: LlamaModel, fresh: bool) -> Event:
        """Add facts about the engine to the last event of an answer."""
        if not isinstance(event, Finished):
            return event
        about: dict[str, Any] = {
            "title": self._head.path.stem,
            "context": model.context,
            "threads": model.threads,
            "memory": model.memory,
        }
        if model.note:
            about["busy"] = model.note
        if not self._chat:
            about["base"] = True
        if (memory := host.process_memory()) is not None:
            about["process_memory"] = memory
        if fresh:
            about["load_seconds"] = round(model.seconds, 3)
        return replace(event, model=self._info.name, extra=event.extra | about)

    def _prepare(
        self, entry: ModelEntry, request: Request, body: dict[str, Any], put: Callable[[Event], None], stopped: Callable[[], bool]
    ) -> tuple[LlamaModel | None, int | None]:
        """The loaded model with enough context for this request, and the prompt tokens if they were counted."""
        model = entry.model
        if model is not None and model.note and model.seconds < _FAST_LOAD_SECONDS and host.threads()[0] > model.threads:
            # It was loaded while the machine was busy, and its number of threads is fixed.
            n_ctx_before = model.context
            model.close()
            entry.model = None
            model = self._load(entry, n_ctx_before, put, stopped)
        elif model is None:
            model = self._load(entry, self._initial_n_ctx(request), put, stopped)
        if model is None:
            return None, None
        answer = request.max_tokens or DEFAULT_MAX_TOKENS
        if _max_prompt_tokens(request) + answer <= model.context:
            return model, None
        try:
            tokens = model.count(body, self._chat)
        except ValueError as e:
            raise engine_error(str(e)) from None
        max_tokens = max_context(self._head)
        needed = tokens + (request.max_tokens or 1)
        if needed > max_tokens:
            raise ContextTooLongError(
                f"Prompt and answer exceed the context window by {needed - max_tokens:,} tokens",
                detail=f"prompt {tokens:,}, answer {request.max_tokens or 'at least 1'}, context window {max_tokens:,} tokens",
                hint="Shorten the prompt (a smaller sample of the data), lower --max-tokens, or use a model with a larger context window.",
            )
        if tokens + answer > model.context < max_tokens:
            n_ctx = min(max_tokens, max(tokens + answer, 2 * model.context))
            model.close()  # free its memory before loading the larger one
            entry.model = None
            model = self._load(entry, n_ctx, put, stopped)
        return model, tokens

    def _load(self, entry: ModelEntry, n_ctx: int, put: Callable[[Event], None], stopped: Callable[[], bool]) -> LlamaModel | None:
        if self._chat:  # llama.cpp renders examples while it loads
            check_limits(self._head.chat_template, [{"role": "user", "content": "Hello"}], {"bos_token": "", "eos_token": ""})
        model = load(self._head.path, min(n_ctx, max_context(self._head)), put, stopped)
        if model is not None:
            entry.model, entry.memory = model, model.memory
        return model

    def _initial_n_ctx(self, request: Request) -> int:
        """The initial context size in tokens, before tokens can be counted."""
        return _max_prompt_tokens(request) // 3 + (request.max_tokens or DEFAULT_MAX_TOKENS)

    def _prompt(self, request: Request) -> dict[str, Any]:
        if self._chat:
            body: dict[str, Any] = {"messages": [w for m in request.messages for w in chat_messages(m)]}
            if request.tools:
                body["tools"] = list(request.tools)
            more = request.extra.get("chat_template_kwargs")
            names = {"bos_token": "", "eos_token": "", "tools": body.get("tools"), **(more if isinstance(more, dict) else {})}
            check_limits(self._head.chat_template, body["messages"], names)  # llama.cpp has none
            return body
        return {"prompt": plain_text([w for m in request.messages for w in chat_messages(m)])}

    def _text(self, model: LlamaModel, request: Request) -> str:
        """The rendered prompt."""
        body = self._prompt(request)
        more = {n: request.extra[n] for n in ("chat_template_kwargs",) if n in request.extra}
        return model.render_template(body | more) if self._chat else str(body["prompt"])

    def _body(self, request: Request) -> tuple[dict[str, Any], list[str]]:
        """The request body for the engine, and the names of options that are not applied."""
        body = self._prompt(request)
        not_applied = [k for k in request.extra if k not in _SUPPORTED_PARAMS]
        if request.tools and not self._chat:
            not_applied.append("tools")
        not_applied += [f"{name} (fixed by the GGUF file)" for name in ("quant", "dtype") if getattr(request, name)]
        temperature = request.temperature or 0.0
        body |= {
            "temperature": temperature,
            "max_tokens": DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,
            "timings_per_token": True,
        }
        if temperature == 0:
            body["top_k"] = 1
        if request.seed is not None:
            body["seed"] = request.seed + request.sample
        if request.stop:
            body["stop"] = list(request.stop)
        if request.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": request.logprobs} if self._chat else {"logprobs": max(1, request.logprobs)}
        if request.schema is not None and not constrained.handles(request):
            limits = bounds(request.schema, body["max_tokens"])
            if self._chat:
                body["response_format"] = {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": with_bounds(request.schema, limits), "strict": True},
                }
            else:
                body["json_schema"] = with_bounds(request.schema, limits)
        body |= {k: v for k, v in request.extra.items() if k in _SUPPORTED_PARAMS}
        return body, not_applied


def _max_prompt_tokens(request: Request) -> int:
    """An upper bound of the prompt's tokens: a token has at least one byte, and templates add a few."""
    total = 512
    for m in request.messages:
        total += 32 + sum(
            len((getattr(p, "text", "") or getattr(p, "content", "") or getattr(p, "arguments", "")).encode()) for p in m.parts
        )
    return total + (len(json.dumps(request.tools)) if request.tools else 0)


def _ignore(_: Event) -> None:
    pass
