"""The torch backend, for models in torch.

The Llama family runs on our own code (`llama.py`), from GGUF files and from folders; other causal,
encoder-decoder or vision families run from a folder on `transformers`. A worker thread runs the
model: when the stream is closed, the caller continues at once, and the model stops at its next
token, prompt slice or layer.

Greedy by default (temperature 0). A request's `dtype` and `quant` choose how the model is loaded;
each combination is a separate model in memory. Raw parameters (`-p`): top_k, top_p, min_p,
ignore_eos, cache_prompt (false repeats the prefill), chat_template_kwargs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.backend import estimate_tokens
from ...core.errors import FmnbError, InsufficientMemoryError, MissingPackageError, ModelError
from ...core.event_loop import thread_stream
from ...core.events import Event, Failed, Finished, Logprobs, Notice, Progress, TextDelta, UsageReported
from ...core.repetition import NOTICE, REASON, LoopDetector
from ...core.types import UNFINISHED, ModelInfo, Request, TokenCount, Usage
from .. import host
from ..chat_format import chat_messages
from ..loaded import ModelEntry, model_entry, shutting_down
from ..weights import folder, gguf
from .batch import is_sequential, run_batch
from .detokenize import DEFAULT_MAX_TOKENS, Detokenizer, logprob, model_input, output_limit, remember_tokens
from .model import TorchModel, inference_threads, is_oom, load
from .precision import Precision, default_memory, select_precision
from .sampling import Grammar, make_sampler, sampling_params

if TYPE_CHECKING:
    from torch import Tensor

ALL_ROWS = -1  # the row number of an event for all rows
_FLUSH_INTERVAL = 0.025  # seconds: faster tokens are sent together, since waking the reader slows the model's threads
_SUPPORTED_PARAMS = frozenset({"top_k", "top_p", "min_p", "ignore_eos", "cache_prompt", "chat_template_kwargs"})


def backend(path: str | Path, name: str = "", note: str = "") -> TorchBackend:
    """The backend of a GGUF file or of a folder of weights. Only the header or config is read here.

    `name` is the user's name for the model, `note` a note for the user with rows. Raises
    NotPulledError if nothing is there, DownloadError if a file is truncated, ModelError if it is no
    model.
    """
    file = Path(path).expanduser().resolve()
    name = name or f"torch:{file}"
    if file.is_dir():
        return TorchBackend(file, _folder_info(file, name), note)
    head = gguf.read(file)
    return TorchBackend(file, _info(name, file, head.context, bool(head.chat_template), head.license, head.size), note)


def _folder_info(path: Path, name: str) -> ModelInfo:
    about, files = folder.config(path), folder.weight_files(path)
    if not about or not files:
        raise ModelError(
            "This folder has no model",
            detail=f"{path.name}: no {'weights' if about else 'config.json'}",
            hint="Use a .gguf file, or a folder with config.json, safetensors and tokenizer.",
        )
    model_kind = folder.model_kind(about)
    size = sum(f.stat().st_size for f in files)
    chat = model_kind != "seq2seq" and folder.has_template(path)
    inputs = ("text", "image") if model_kind == "vision" else ("text",)
    return _info(name, path, folder.context(about), chat, "", size, inputs)


def _info(
    name: str, path: Path, context: int | None, chat: bool, license: str, size: int, inputs: tuple[str, ...] = ("text",)
) -> ModelInfo:
    return ModelInfo(
        name=name,
        provider="torch",
        host="local",
        local=True,
        context=context,
        inputs=inputs,
        chat=chat,
        price_in=0.0,
        price_out=0.0,
        license=license,
        size=size,
        memory=default_memory(path),
        source=str(path),
    )


class TorchBackend:
    """A model on torch; backends with the same file and form share the weights."""

    preferred_batch_size = 512

    def __init__(self, path: Path, info: ModelInfo, note: str = ""):
        """`note` is a note for the user with rows."""
        self._path = path
        self._info = info
        self._note = note

    @property
    def continues(self) -> bool:
        """Whether it can continue an answer that the last message starts: causal text models can."""
        return self._path.suffix == ".gguf" or folder.model_kind(folder.config(self._path)) == "causal"

    @property
    def info(self) -> ModelInfo:
        """The model's facts from the file; `memory` is an estimate for a CPU and a short context."""
        return self._info

    def deterministic(self, request: Request) -> bool:
        """True for greedy decoding or with a seed."""
        return not request.temperature or request.seed is not None

    def count(self, request: Request) -> TokenCount:
        """Exact, by the model's own tokenizer; an estimate for a folder whose model is not loaded."""
        messages, extra = request.messages, _template_variables(request)
        try:
            if self._path.suffix == ".gguf":
                ids = _tokenizer_of(self._path).prompt([w for m in messages for w in chat_messages(m)], extra)
            elif (model := self._entry(self._precision(request)).model) is not None:
                ids = model.prompt(messages, extra)[0]
            else:
                return estimate_tokens(request)
            return TokenCount(len(ids), exact=True, method="the model's tokenizer")
        except (MissingPackageError, ModelError):
            return estimate_tokens(request)

    def stream(self, request: Request) -> AsyncIterator[Event]:
        """Answer one request."""

        def work(put: Callable[[Event], None], stop: threading.Event) -> None:
            precision = self._precision(request)
            entry = self._entry(precision)
            with entry.acquire(put, stop) as acquired:
                if acquired:
                    self._answer(entry, precision, request, put, lambda: stop.is_set() or shutting_down.is_set())

        return thread_stream(work)

    def stream_rows(
        self, requests: Sequence[tuple[int, Request]], content_free: Sequence[Request] = ()
    ) -> AsyncIterator[tuple[int, Event]]:
        """Answer many requests together.

        `content_free` are the prompts without content, to calibrate label scores.
        """

        def work(put: Callable[[tuple[int, Event]], None], stop: threading.Event) -> None:
            by_precision: dict[tuple[str, str], list[tuple[int, Request]]] = {}
            for n, request in requests:
                by_precision.setdefault((request.dtype, request.quant), []).append((n, request))
            for group in by_precision.values():
                self._rows(group, content_free, put, stop)

        return thread_stream(work)

    def _rows(
        self,
        requests: Sequence[tuple[int, Request]],
        content_free: Sequence[Request],
        put: Callable[[tuple[int, Event]], None],
        stop: threading.Event,
    ) -> None:
        """Answer requests with the same form."""

        def whole(event: Event) -> None:
            put((ALL_ROWS, event))

        def stopped() -> bool:
            return stop.is_set() or shutting_down.is_set()

        precision = self._precision(requests[0][1])
        entry = self._entry(precision)
        with entry.acquire(whole, stop) as acquired:
            if not acquired:
                return
            for name in sorted({name for _, request in requests for name in _not_applied(request)}):
                whole(Notice(kind="not_applied", text=name))
            if self._note:
                whole(Notice(kind="note", text=self._note))
            max_tokens = max(request.max_tokens or DEFAULT_MAX_TOKENS for _, request in requests)
            with self._loaded(entry, precision, max_tokens, whole, stopped) as (model, about):
                if model is not None and not is_sequential(model):
                    run_batch(model, self._path, requests, content_free, put, stopped, about | {"model": self._info.name})
                    return
            for n, request in requests if model is not None else ():
                try:
                    self._answer(entry, precision, request, lambda event, n=n: put((n, event)), stopped)  # type: ignore[misc]
                except FmnbError as e:
                    put((n, Failed(error=e.to_dict())))

    def _precision(self, request: Request) -> Precision:
        return select_precision(self._path, request.dtype, request.quant)

    def _entry(self, precision: Precision) -> ModelEntry:
        entry = model_entry(str(precision), self._path)
        entry.name = self._info.name
        return entry

    def _answer(
        self, entry: ModelEntry, precision: Precision, request: Request, put: Callable[[Event], None], stopped: Callable[[], bool]
    ) -> None:
        for name in _not_applied(request):
            put(Notice(kind="not_applied", text=name))
        sampler = make_sampler(sampling_params(request))
        with self._loaded(entry, precision, request.max_tokens or DEFAULT_MAX_TOKENS, put, stopped) as (model, about):
            if model is None:
                return
            answer = _Answer(model, request, put, stopped)
            if answer.run(sampler):
                put(UsageReported(usage=answer.usage))
                put(Finished(reason=answer.finish_reason, model=self._info.name, extra=answer.extra | about))

    @contextmanager
    def _loaded(
        self, entry: ModelEntry, precision: Precision, n_ctx: int, put: Callable[[Event], None], stopped: Callable[[], bool]
    ) -> Iterator[tuple[TorchModel | None, dict[str, Any]]]:
        """Load the model if needed; yields it with its threads and the facts for answers, or None if stopped."""
        count, note = host.threads()
        if note:
            put(Notice(kind="note", text=note))
        fresh = entry.model is None
        with inference_threads(count):
            if fresh:
                loaded = load(self._path, precision, n_ctx, put, stopped)
                if loaded is None:
                    yield None, {}
                    return
                entry.model, entry.memory = loaded, loaded.memory
                slower = "" if loaded.path == "fast" else f"; plain path: {loaded.path_reason}"
                put(Notice(kind="note", text=f"loaded in {precision.reason}{slower}"))
            model: TorchModel = entry.model
            try:
                yield model, self._facts(model, precision, count, fresh)
            except (MemoryError, RuntimeError) as e:
                if not is_oom(e):
                    raise
                raise InsufficientMemoryError("Out of memory", detail=str(e)[:200], hint="`%fm unload`, or shorten the prompt.") from None

    def _facts(self, model: TorchModel, precision: Precision, count: int, fresh: bool) -> dict[str, Any]:
        """The facts about the model in an answer's `extra`."""
        about: dict[str, Any] = {
            "title": self._path.stem if self._path.suffix == ".gguf" else self._path.name,
            "context": model.context,
            "threads": count,
            "memory": model.memory,
            "device": precision.device,
            "dtype": precision.dtype,
            "quant": precision.quant,
            "chosen": precision.reason,
            "path": model.path,
            "path_reason": model.path_reason,
        }
        if model.base:
            about["base"] = True
        if (memory := host.process_memory()) is not None:
            about["process_memory"] = memory
        if fresh:
            about["load_seconds"] = round(model.seconds, 3)
        return about


def _not_applied(request: Request) -> tuple[str, ...]:
    """The names of options that this engine does not support."""
    return (*(k for k in request.extra if k not in _SUPPORTED_PARAMS), *(("tools",) if request.tools else ()))


def _template_variables(request: Request) -> dict[str, Any]:
    """Additional variables for the chat template."""
    more = request.extra.get("chat_template_kwargs")
    return dict(more) if isinstance(more, dict) else {}


_tokenizers: dict[Path, tuple[gguf.Gguf, Any]] = {}


def _tokenizer_of(path: Path) -> Any:
    """The tokenizer of a GGUF file, cached for recent files: building it takes a tenth of a second."""
    from ..weights.gguf_tokenizer import tokenizer

    head = gguf.read(path)
    cached = _tokenizers.get(path)
    if cached is None or cached[0] is not head:
        if len(_tokenizers) >= 4:
            _tokenizers.pop(next(iter(_tokenizers)), None)
        cached = _tokenizers[path] = (head, tokenizer(head))
    return cached[1]


class _Answer:
    """The generation of one answer: converts tokens to text and text to events."""

    def __init__(self, model: TorchModel, request: Request, put: Callable[[Event], None], stopped: Callable[[], bool]):
        self._model, self._request, self._put, self._stopped = model, request, put, stopped
        self._ignore_eos = bool(request.extra.get("ignore_eos"))
        self._detokenizer = Detokenizer(model.tokenizer, request.stop)
        self._grammar: Grammar | None = None
        self._loop = LoopDetector()
        self._buffer: list[str] = []
        self._sent_text: list[str] = []
        self._sent_at = 0.0
        self.finish_reason = "length"
        self.usage = Usage(cost=0.0)
        self.extra: dict[str, Any] = {}

    def run(self, sampler: Callable[[Tensor], int]) -> bool:
        """Run prefill and decode; False if stopped."""
        request, model = self._request, self._model
        ids, pixels, prefix = model_input(model, request, _template_variables(request))
        limit = output_limit(model, request, len(ids))
        grammar = None
        if request.schema is not None:
            grammar = self._grammar = Grammar(request.schema, model.grammar_tokenizer(), self._detokenizer, limit, prefix)
        began = time.monotonic()

        def on(done: int) -> None:
            if done < len(ids):
                self._put(Progress(stage="processing the prompt", done=done, total=len(ids), unit="tokens"))

        logits, cached = model.prefill(ids, self._stopped, request.extra.get("cache_prompt") is not False, on, pixels)
        if logits is None:
            return False
        first = time.monotonic()
        generated = 0
        output_ids: list[int] = []
        while True:
            if self._stopped():
                return False
            token = sampler(self._mask_eos(logits) if grammar is None else grammar.mask(logits))
            generated += 1
            if token in self._model.tokenizer.ends:
                self.finish_reason = "stop"
                break
            output_ids.append(token)
            self._append(token, logits)
            if self._detokenizer.stopped or (grammar is not None and grammar.done):
                self.finish_reason = "stop" if grammar is None else grammar.finish_reason
                break
            if self._loop.cut_at >= 0:
                self.finish_reason = REASON
                break
            if generated >= limit:
                if grammar is not None:
                    grammar.finish()
                    self.finish_reason = grammar.finish_reason
                break
            logits = model.decode(token, len(ids) + generated - 1)
        last = time.monotonic()
        self._buffer.append(self._detokenizer.rest() if grammar is None else grammar.rest())
        self._flush()
        if self.finish_reason == "length" and grammar is not None and not grammar.complete:
            self.extra[UNFINISHED] = True
        if self.finish_reason == "length" and grammar is None and not prefix:
            remember_tokens(model, "".join(self._sent_text), output_ids)
        for note in () if grammar is None else grammar.decoder.notes:
            self._put(Notice(kind="note", text=note))
        if self.finish_reason == REASON:
            self._put(Notice(kind="warning", text=NOTICE))
        self.usage = Usage(len(ids), generated, cached, cost=0.0)
        if generated > 1 and last > first:
            self.extra["tokens_per_second"] = round((generated - 1) / (last - first), 2)
        if first > began:
            self.extra["prompt_tokens_per_second"] = round((len(ids) - cached) / (first - began), 2)
        return True

    def _mask_eos(self, logits: Tensor) -> Tensor:
        if self._ignore_eos:
            logits = logits.clone()
            logits[sorted(self._model.tokenizer.ends)] = float("-inf")
        return logits

    def _append(self, token: int, logits: Tensor) -> None:
        if self._request.logprobs is not None:
            self._flush()
            self._put(Logprobs(tokens=(logprob(self._model.tokenizer, logits, token, self._request.logprobs),)))
        if self._grammar is not None:
            self._grammar.append_token(token)
            self._buffer.append(self._grammar.release())
        elif text := self._detokenizer.add(token):
            self._buffer.append(text)
            self._loop.add(text)
        if time.monotonic() - self._sent_at >= _FLUSH_INTERVAL:
            self._flush()

    def _flush(self) -> None:
        if text := "".join(self._buffer):
            self._sent_text.append(text)
            self._put(TextDelta(text=text))
            self._sent_at = time.monotonic()
        self._buffer.clear()
