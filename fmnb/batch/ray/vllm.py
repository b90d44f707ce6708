"""Open weights on GPUs through Ray's processor for vLLM, if it is installed and there are GPUs.

Only the engine differs: requests, storage and resuming are those of every batch on Ray. vLLM's
numerics differ too, so its answers are not identical, token for token, to those of the built-in
engines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...calls import rows_together
from ...calls.call import Call
from ...core.backend import Backend
from ...core.errors import FmnbError, ModelError
from ...core.events import Event, Failed, Finished, TextDelta, UsageReported
from ...core.optional import require
from ...core.types import Request, Usage
from ...engines.chat_format import chat_messages, plain_text
from ...engines.weights import folder
from ..scheduler import CompletedCall, WorkItem
from .start import is_client, suppress_stderr

ENGINE = "vLLM"
_BATCH_SIZE = 64  # rows sent to an engine at a time, and lost if it dies
_RESTARTS = 1  # of a dead engine, before it counts as unable to run
_DEFAULT_MAX_TOKENS = 512  # the same default as in the built-in engines
_SUPPORTED_EXTRA = frozenset({"top_k", "top_p", "min_p", "ignore_eos", "chat_template_kwargs", "cache_prompt"})


def weights_for(ray: Any, call: Call) -> Path | None:
    """The folder of weights with which vLLM can answer this call; None if a built-in engine does.

    Built-in engines answer without a GPU, in a client of Ray, for GGUF files, for vision and
    translation models, for quantized weights, and for probabilities of tokens or of a closed set of labels.
    """
    if not ray.cluster_resources().get("GPU") or not _is_installed() or is_client():
        return None
    request = call.request
    backend = call.target.open() if call.target.local else None
    path = _weights_folder(backend)
    if path is None or request.logprobs is not None or request.quant not in ("", "none") or set(request.extra) - _SUPPORTED_EXTRA:
        return None
    if _is_label_choice(request):
        return None
    return path if folder.model_kind(folder.config(path)) == "causal" else None


def generate(ray: Any, weights: Path, items: Sequence[WorkItem]) -> Iterator[list[CompletedCall]]:
    """The completed calls to one model, some at a time. Raises ModelError if vLLM cannot run it."""
    chat = folder.has_template(weights)
    rows, refused = [], []
    for n, item in enumerate(items):
        try:
            rows.append({"n": n, **_row(item.call.request, chat)})
        except FmnbError as e:  # such as an image among the attachments
            refused.append(_complete(item, [Failed(error=e.to_dict())]))
    if refused:
        yield refused
    if not rows:
        return
    try:
        output = _processor(ray, weights, items[0].call.request, chat)(
            ray.data.from_items(rows, override_num_blocks=-(-len(rows) // _BATCH_SIZE))
        )
        for block in output.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            yield [_complete(items[r["n"]], _events(items[r["n"]].call, r)) for r in block.to_pylist()]
    except Exception as e:  # the engine, its workers and Ray raise many kinds
        raise ModelError(f"{ENGINE} does not run this model", detail=_reason(e)) from None


def _processor(ray: Any, weights: Path, first: Request, chat: bool) -> Any:
    llm = require("ray.data.llm", "ray", "to run vLLM on Ray")
    config = llm.vLLMEngineProcessorConfig(
        model_source=str(weights),
        engine_kwargs={"dtype": first.dtype or "auto"},
        concurrency=max(1, int(ray.cluster_resources().get("GPU", 1))),
        batch_size=_BATCH_SIZE,
        should_continue_on_error=True,
        chat_template_stage={"enabled": chat, "num_cpus": 0},
        tokenize_stage={"enabled": False},
        detokenize_stage={"enabled": False},
        log_engine_metrics=False,
    )
    variables = first.extra.get("chat_template_kwargs")
    with suppress_stderr():
        processor = llm.build_processor(config, builder_kwargs={"chat_template_kwargs": variables} if chat and variables else None)
    for name in processor.list_stage_names():  # otherwise a dead engine would be restarted forever
        processor.get_stage_by_name(name).map_batches_kwargs |= {"max_restarts": _RESTARTS, "max_task_retries": _RESTARTS}
    return processor


def _complete(item: WorkItem, events: list[Event]) -> CompletedCall:
    return CompletedCall(item, rows_together.as_run(item.call, events))


def _is_installed() -> bool:
    return find_spec("vllm") is not None


def _weights_folder(backend: Backend | None) -> Path | None:
    if backend is None or backend.info.provider != "torch":
        return None
    path = Path(backend.info.source)
    return path if path.is_dir() else None


def _is_label_choice(request: Request) -> bool:
    fields = list((request.schema or {}).get("properties", {}).values())
    return len(fields) == 1 and "enum" in fields[0]


def _row(request: Request, chat: bool) -> dict[str, Any]:
    """The row that the processor expects for a request."""
    params: dict[str, Any] = {"temperature": request.temperature or 0.0, "max_tokens": request.max_tokens or _DEFAULT_MAX_TOKENS}
    params |= {n: request.extra[n] for n in ("top_k", "top_p", "min_p", "ignore_eos") if n in request.extra}
    if request.stop:
        params["stop"] = list(request.stop)
    if request.seed is not None:
        params["seed"] = request.seed
    if request.schema is not None:
        params["structured_outputs"] = {"json": json.dumps(request.schema)}
    messages = [w for m in request.messages for w in chat_messages(m)]
    return {"sampling_params": params, **({"messages": messages} if chat else {"prompt": plain_text(messages)})}


def _events(call: Call, row: dict[str, Any]) -> list[Event]:
    """The events of an answer."""
    if problem := row.get("__inference_error__"):
        return [Failed(error=ModelError(f"{ENGINE} failed on this row", detail=str(problem)[:300]).to_dict())]
    tokens = int(row["num_generated_tokens"])
    usage = Usage(int(row["num_input_tokens"]), tokens, cost=0.0)
    full = tokens >= (call.request.max_tokens or _DEFAULT_MAX_TOKENS)
    text = [TextDelta(text=row["generated_text"])] if row["generated_text"] else []
    end = Finished(reason="length" if full else "stop", model=call.target.name, extra={"engine": ENGINE, "seconds": row["time_taken_llm"]})
    return [*text, UsageReported(usage=usage), end]


def _reason(e: BaseException) -> str:
    """The last line of an error, without Ray's guesses."""
    lines = [line.strip() for line in str(e).splitlines() if line.strip()]
    return (lines[-1] if lines else type(e).__name__).partition(". ")[0][:200]
