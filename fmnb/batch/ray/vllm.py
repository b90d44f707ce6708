"""Open weights on GPUs through Ray's own processor for vLLM: where vLLM is installed and the cluster has GPUs.

Only the engine is another. What is asked, what is written down and how it goes on is that of
every batch on Ray. Answers are those of vLLM's own numbers: not to the token those of the
engines here.
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
from ...engines.chat_format import plain_text, wire
from ...engines.weights import folder
from ..scheduler import Ended, Item
from .start import outside, unheard

ENGINE = "vLLM"
_TOGETHER = 64  # rows handed to an engine at a time, and lost with it
_RESTARTS = 1  # of an engine that died, before it counts as one that cannot run
_LONGEST = 512  # tokens of an answer whose length nobody named, as of the engines here
_PLAIN = frozenset({"top_k", "top_p", "min_p", "ignore_eos", "chat_template_kwargs", "cache_prompt"})


def weights_for(ray: Any, call: Call) -> Path | None:
    """The folder of weights that vLLM can answer this call from; None where our own engines do.

    They do where there is no GPU, in a client of Ray, for GGUF files, for models that see or translate, for packed
    weights, and where probabilities are asked for: of tokens, or of a closed set of labels.
    """
    if not ray.cluster_resources().get("GPU") or not _there() or outside():
        return None
    request = call.request
    backend = call.target.open() if call.target.local else None
    place = _folder(backend)
    if place is None or request.logprobs is not None or request.quant not in ("", "none") or set(request.extra) - _PLAIN:
        return None
    if _labels(request):
        return None
    return place if folder.kind(folder.config(place)) == "causal" else None


def answered(ray: Any, weights: Path, items: Sequence[Item]) -> Iterator[list[Ended]]:
    """The ends of these calls to one model, some at a time. Raises ModelError when vLLM cannot run it."""
    chat = folder.has_template(weights)
    rows, refused = [], []
    for n, item in enumerate(items):
        try:
            rows.append({"n": n, **_row(item.call.request, chat)})
        except FmnbError as e:  # a picture among what it attaches
            refused.append(_ended(item, [Failed(error=e.to_dict())]))
    if refused:
        yield refused
    if not rows:
        return
    try:
        made = _processor(ray, weights, items[0].call.request, chat)(
            ray.data.from_items(rows, override_num_blocks=-(-len(rows) // _TOGETHER))
        )
        for block in made.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            yield [_ended(items[r["n"]], _events(items[r["n"]].call, r)) for r in block.to_pylist()]
    except Exception as e:  # whatever the engine, its workers or Ray make of it
        raise ModelError(f"{ENGINE} does not run this model", detail=_reason(e)) from None


def _processor(ray: Any, weights: Path, first: Request, chat: bool) -> Any:
    llm = require("ray.data.llm", "ray", "to run vLLM on Ray")
    config = llm.vLLMEngineProcessorConfig(
        model_source=str(weights),
        engine_kwargs={"dtype": first.dtype or "auto"},
        concurrency=max(1, int(ray.cluster_resources().get("GPU", 1))),
        batch_size=_TOGETHER,
        should_continue_on_error=True,
        chat_template_stage={"enabled": chat, "num_cpus": 0},
        tokenize_stage={"enabled": False},
        detokenize_stage={"enabled": False},
        log_engine_metrics=False,
    )
    variables = first.extra.get("chat_template_kwargs")
    with unheard():
        made = llm.build_processor(config, builder_kwargs={"chat_template_kwargs": variables} if chat and variables else None)
    for name in made.list_stage_names():  # an engine that dies would be started again for ever
        made.get_stage_by_name(name).map_batches_kwargs |= {"max_restarts": _RESTARTS, "max_task_retries": _RESTARTS}
    return made


def _ended(item: Item, events: list[Event]) -> Ended:
    return Ended(item, rows_together.as_run(item.call, events))


def _there() -> bool:
    return find_spec("vllm") is not None


def _folder(backend: Backend | None) -> Path | None:
    if backend is None or backend.info.provider != "torch":
        return None
    place = Path(backend.info.source)
    return place if place.is_dir() else None


def _labels(request: Request) -> bool:
    fields = list((request.schema or {}).get("properties", {}).values())
    return len(fields) == 1 and "enum" in fields[0]


def _row(request: Request, chat: bool) -> dict[str, Any]:
    """What the processor wants of a request."""
    asked: dict[str, Any] = {"temperature": request.temperature or 0.0, "max_tokens": request.max_tokens or _LONGEST}
    asked |= {n: request.extra[n] for n in ("top_k", "top_p", "min_p", "ignore_eos") if n in request.extra}
    if request.stop:
        asked["stop"] = list(request.stop)
    if request.seed is not None:
        asked["seed"] = request.seed
    if request.schema is not None:
        asked["structured_outputs"] = {"json": json.dumps(request.schema)}
    messages = [w for m in request.messages for w in wire(m)]
    return {"sampling_params": asked, **({"messages": messages} if chat else {"prompt": plain_text(messages)})}


def _events(call: Call, row: dict[str, Any]) -> list[Event]:
    """An answer of the engine as events."""
    if problem := row.get("__inference_error__"):
        return [Failed(error=ModelError(f"{ENGINE} failed in this row", detail=str(problem)[:300]).to_dict())]
    made = int(row["num_generated_tokens"])
    usage = Usage(int(row["num_input_tokens"]), made, cost=0.0)
    full = made >= (call.request.max_tokens or _LONGEST)
    text = [TextDelta(text=row["generated_text"])] if row["generated_text"] else []
    end = Finished(reason="length" if full else "stop", model=call.target.name, extra={"engine": ENGINE, "seconds": row["time_taken_llm"]})
    return [*text, UsageReported(usage=usage), end]


def _reason(e: BaseException) -> str:
    """The last line of what went wrong, without Ray's guesses."""
    lines = [line.strip() for line in str(e).splitlines() if line.strip()]
    return (lines[-1] if lines else type(e).__name__).partition(". ")[0][:200]
