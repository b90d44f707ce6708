"""A model in llama.cpp: its memory needs, loading, and calls of the native library.

Uses the library's JSON; of Requests and Events only load progress.

The library's server also listens for HTTP: on a socket file in a private folder, so that no other
user of the machine can reach the model (on a port with a key if socket files are unsupported). It
is used to count tokens while the model generates.
"""

from __future__ import annotations

import http.client
import json
import secrets
import shutil
import socket
import sys
import tempfile
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import InsufficientMemoryError, ModelError
from ...core.events import Event, Progress
from ...core.optional import require
from .. import host
from ..weights import gguf

MIN_CONTEXT = 2048
_MAX_INITIAL_CONTEXT = 8192
_CONTEXT_STEP = 1024  # the context size is a multiple of this
_CHUNK = 8 << 20


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """The memory of a model in bytes at a given context size: weights, KV cache, working buffers."""

    weights: int
    cache: int
    buffers: int

    @property
    def total(self) -> int:
        """The sum."""
        return self.weights + self.cache + self.buffers

    def __str__(self) -> str:
        return f"weights {host.gib(self.weights)}, context {host.gib(self.cache)}, buffers {host.gib(self.buffers)}"


def estimate_memory(head: gguf.Gguf, context: int) -> MemoryEstimate:
    """An estimate of the memory for a context of `context` tokens, from the header of the file."""
    weights = sum(p.stat().st_size for p in gguf.shards(head.path, head))
    vocabulary = array_length(head, "tokenizer.ggml.tokens")
    width = head.hyperparameter("embedding_length") or 0
    hidden = head.hyperparameter("feed_forward_length") or 4 * width
    buffers = prefill_slice(head) * 4 * (vocabulary + 8 * width + 2 * hidden) + (32 << 20)
    return MemoryEstimate(weights, cache_bytes(head) * context, buffers)


def cache_bytes(head: gguf.Gguf) -> int:
    """Bytes of the KV cache per token, with 16-bit numbers."""
    layers = head.hyperparameter("block_count") or 0
    heads = head.hyperparameter("attention.head_count") or 0
    if not layers or not heads:
        return 0
    width = (head.hyperparameter("embedding_length") or 0) // heads
    key = head.hyperparameter("attention.key_length") or width
    value = head.hyperparameter("attention.value_length") or width
    per_layer = head.array(f"{head.architecture}.attention.head_count_kv")
    shared = sum(per_layer) if per_layer else layers * (head.hyperparameter("attention.head_count_kv") or heads)
    return shared * (key + value) * 2


def array_length(head: gguf.Gguf, key: str) -> int:
    """The length of an array in the header."""
    value = head.metadata.get(key)
    return value.count if isinstance(value, gguf.Array) else 0


def prefill_slice(head: gguf.Gguf) -> int:
    """Prompt tokens between two checks of the stop flag: about half a second on a small machine."""
    millions = max(1, head.parameters // 1_000_000)
    return 256 if millions <= 300 else 128 if millions <= 1_000 else 64 if millions <= 4_000 else 32


def max_context(head: gguf.Gguf) -> int:
    """The context window of the model in tokens."""
    return head.context or 4096


def initial_context(head: gguf.Gguf, n_ctx: int) -> int:
    """The initial context size: `n_ctx` tokens, or more if they need little memory beside the weights."""
    cheap = MIN_CONTEXT
    while cheap < _MAX_INITIAL_CONTEXT and cheap * 2 * cache_bytes(head) <= head.size // 2:
        cheap *= 2
    return min(max_context(head), max(cheap, -(-n_ctx // _CONTEXT_STEP) * _CONTEXT_STEP))


class LlamaModel:
    """A loaded model, until `close`."""

    def __init__(
        self, head: gguf.Gguf, server: Any, context: int, threads: int, note: str, seconds: float, address: _Address, slots: int = 1
    ):
        self.head = head
        self.slots = slots
        self.server = server
        self.context = context  # of each slot
        self.threads = threads
        self.note = note  # a note for the user about threads, or ""
        self.seconds = seconds
        self.memory = estimate_memory(head, slots * context).total
        self._address = address

    def close(self) -> None:
        """Free its memory at once, even if references remain (for example in a traceback)."""
        self.server = None

    def generate(self, body: dict[str, Any], chat: bool, on_chunk: Callable[[bytes], bool]) -> None:
        """Generate an answer in JSON chunks.

        `on_chunk` returns True to stop. Blocks: only for worker threads.
        """
        handle = self.server.handle_chat_completions if chat else self.server.handle_completions
        handle(json.dumps(body).encode(), on_chunk)

    def count(self, body: dict[str, Any], chat: bool) -> int:
        """The number of prompt tokens, with the template and the model's own tokenizer."""
        if chat:
            return int(self._post("/v1/chat/completions/input_tokens", body)["input_tokens"])
        return len(self._post("/tokenize", {"content": body["prompt"], "add_special": True, "parse_special": True})["tokens"])

    def complete(self, body: dict[str, Any], on_chunk: Callable[[bytes], bool]) -> None:
        """Like `generate`, but for a raw prompt of texts and tokens, without a template."""
        self.server.handle_completions(json.dumps(body).encode(), on_chunk)

    def render_template(self, body: dict[str, Any]) -> str:
        """The messages rendered with the chat template."""
        return str(self._post("/apply-template", body)["prompt"])

    def tokenize(self, text: str) -> list[int]:
        """The tokens of a text within an answer."""
        return [int(t) for t in self._post("/tokenize", {"content": text, "add_special": False})["tokens"]]

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        connection = self._address.connect()
        try:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._address.key}"}
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            data = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(data.get("error", {}).get("message", f"status {answer.status}"))
        return data


def load(path: Path, n_ctx: int, put: Callable[[Event], None], stopped: Callable[[], bool], slots: int = 1) -> LlamaModel | None:
    """Load the model with a context of `n_ctx` tokens per slot; None if stopped.

    Raises InsufficientMemoryError before anything is loaded, ModelError if llama.cpp rejects the file.
    """
    library = require("xllamacpp", "local", "to run GGUF models")
    began = time.monotonic()
    head = gguf.read(path)
    files = gguf.shards(path, head)
    for file in files[1:]:
        gguf.read(file)
    context = initial_context(head, n_ctx)
    try:
        host.check_fits(path.name, estimate_memory(head, slots * context).total, str(estimate_memory(head, slots * context)))
    except InsufficientMemoryError:
        context = min(max_context(head), -(-n_ctx // _CONTEXT_STEP) * _CONTEXT_STEP)
        host.check_fits(path.name, estimate_memory(head, slots * context).total, str(estimate_memory(head, slots * context)))
    if not _fill_page_cache(files, put, stopped):
        return None
    threads, note = host.threads()
    address = _Address()
    p = library.CommonParams()
    p.model.path = str(path)
    p.n_ctx = slots * context
    p.n_parallel = slots
    p.n_batch = p.n_ubatch = prefill_slice(head)
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = threads
    p.hostnames, p.port, p.api_keys = [address.host], 0, [address.key]
    p.n_threads_http = 1
    p.cache_ram_mib = 0  # otherwise the states of other prompts would accumulate
    p.verbosity = -1
    p.warmup = p.fit_params = p.ui = p.endpoint_slots = p.endpoint_props = p.endpoint_metrics = False
    try:
        server = library.Server(p)
    except RuntimeError as e:
        raise ModelError(
            "llama.cpp cannot load this model",
            detail=f"{path.name} ({head.architecture or 'unknown architecture'}): {e}",
            hint="Its architecture may be newer than the engine (`%pip install -U xllamacpp`); the torch engine may support it.",
        ) from None
    address.set_port(server.listening_address)
    return LlamaModel(head, server, context, threads, note, time.monotonic() - began, address, slots)


def load_slots(path: Path, n_ctx: int, put: Callable[[Event], None], stopped: Callable[[], bool], slots: int) -> LlamaModel | None:
    """Like `load`, with as many slots as memory allows, at most `slots`."""
    while True:
        try:
            return load(path, n_ctx, put, stopped, slots)
        except InsufficientMemoryError:
            if slots == 1:
                raise
            slots //= 2


def _fill_page_cache(files: list[Path], put: Callable[[Event], None], stopped: Callable[[], bool]) -> bool:
    """Read the weights into the page cache, with progress. False if stopped.

    The native loader holds the GIL while it reads, which blocks everything, even interrupts. Reading
    the files in pieces first makes that short.
    """
    total = sum(f.stat().st_size for f in files)
    done, reported_at = 0, time.monotonic()
    buffer = bytearray(_CHUNK)
    put(Progress(stage="loading", done=0, total=total, unit="bytes"))
    for file in files:
        with open(file, "rb", buffering=0) as f:
            while n := f.readinto(buffer):
                done += n
                if stopped():
                    return False
                if time.monotonic() - reported_at > 0.1:
                    reported_at = time.monotonic()
                    put(Progress(stage="loading", done=done, total=total, unit="bytes"))
    put(Progress(stage="loading", done=total, total=total, unit="bytes"))
    return True


class _Address:
    """The address of the library's HTTP server: a private socket file, or a port with a key."""

    def __init__(self) -> None:
        self.key = secrets.token_urlsafe(24)
        self.host = "127.0.0.1"
        self._port = 0
        self._file = ""
        if hasattr(socket, "AF_UNIX") and sys.platform != "win32":
            try:
                folder = tempfile.mkdtemp(prefix="fmnb-")  # mode 0700
            except OSError:
                return
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            self.host = self._file = f"{folder}/llama.sock"

    def set_port(self, address: str) -> None:
        """Set the address that the library reports, with the port it chose."""
        if not self._file:
            self._port = int(address.rpartition(":")[2])

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection to it."""
        if not self._file:
            return http.client.HTTPConnection(self.host, self._port, timeout=30)
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(30)
        connection.sock.connect(self._file)
        return connection
