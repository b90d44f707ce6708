"""Many requests to one loaded model on torch: selects the path of each, and makes its events.

Closed sets of labels are scored. Other requests run in slots behind the shared prefix on our own
network, and in padded batches on `transformers`; vision models run one request at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import FmnbError
from ...core.events import Event, Failed, Finished, Logprobs, Notice, TextDelta, UsageReported
from ...core.repetition import REASON
from ...core.types import UNFINISHED, Request
from ..labels import Labels, labels
from . import label_scoring, padded_batch
from . import scheduler as torch_rows
from .model import TorchModel
from .sequence import SequenceResult, SequenceState, prepare
from .vision_model import VisionModel

Put = Callable[[tuple[int, Event]], None]
_GENERATION_ONLY = ("top_k", "top_p", "min_p", "ignore_eos")  # raw parameters that only generation supports


def is_sequential(model: TorchModel) -> bool:
    """Whether a model cannot batch rows."""
    return isinstance(model.net, VisionModel)


def run_batch(
    model: TorchModel,
    path: Path,
    requests: Sequence[tuple[int, Request]],
    content_free: Sequence[Request],
    put: Put,
    stopped: Callable[[], bool],
    about: dict[str, Any],
) -> None:
    """Answer requests together.

    `content_free` are prompts without content; `about` is added to each `extra`.
    """
    to_generate: list[SequenceState] = []
    to_score: dict[Labels, list[SequenceState]] = {}
    for number, request in requests:
        if stopped():
            return
        options = _labels(model, request)
        try:
            row = prepare(model, number, request, _variables(request), generate=options is None)
        except FmnbError as e:
            put((number, Failed(error=e.to_dict())))
            continue
        (to_generate if options is None else to_score.setdefault(options, [])).append(row)
    for options, rows in to_score.items():
        blanks = [model.prompt(r.messages, _variables(r))[0] for r in content_free] or label_scoring.content_free_prompts(
            model, [r.prompt_ids for r in rows]
        )
        _emit(label_scoring.score_labels(model, rows, options, blanks, stopped), put, about)
    if to_generate:
        fast = model.path == "fast"
        results = torch_rows.generate(model, to_generate, stopped) if fast else padded_batch.generate(model, path, to_generate, stopped)
        _emit(results, put, about)


def _labels(model: TorchModel, request: Request) -> Labels | None:
    """The labels of a request, if they can be scored."""
    if model.path != "fast" or request.stop or any(n in request.extra for n in _GENERATION_ONLY):
        return None
    return labels(request.schema)


def _variables(request: Request) -> dict[str, Any]:
    more = request.extra.get("chat_template_kwargs")
    return dict(more) if isinstance(more, dict) else {}


def _emit(results: Iterator[tuple[SequenceState, SequenceResult | FmnbError]], put: Put, about: dict[str, Any]) -> None:
    for row, answer in results:
        n = row.number
        if isinstance(answer, FmnbError):
            put((n, Failed(error=answer.to_dict())))
            continue
        if answer.text:
            put((n, TextDelta(text=answer.text)))
        if answer.logprobs:
            put((n, Logprobs(tokens=answer.logprobs)))
        for note in answer.notes:
            put((n, Notice(kind="warning" if answer.finish_reason == REASON else "note", text=note)))
        put((n, UsageReported(usage=answer.usage)))
        extra = dict(about)
        if answer.unfinished:
            extra[UNFINISHED] = True
        if answer.labels is not None:
            extra["labels"] = answer.labels
        elif answer.seconds > 0:
            extra["tokens_per_second"] = round((answer.usage.output_tokens or 0) / answer.seconds, 2)
        put((n, Finished(reason=answer.finish_reason, model=about["model"], extra={k: v for k, v in extra.items() if k != "model"})))
