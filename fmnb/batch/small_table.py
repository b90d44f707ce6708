"""A batch of a few rows as a Comparison: one column per model, one row per row of the table."""

from __future__ import annotations

from ..comparison.comparison import Comparison
from ..core.errors import UsageError
from ..core.response import Response
from ..core.types import Usage
from ..store import log
from ..store.run_rows import prompt_text
from .answers import Answer
from .result import Batch

ROWS = 10  # more rows are read as a table
ANSWERS = 40


def is_small(batch: Batch) -> bool:
    """Whether the batch has several answers per row, and few enough to read side by side."""
    each = len(batch.models) * batch.samples
    return each > 1 and batch.rows <= ROWS and batch.rows * each <= ANSWERS


def comparison(batch: Batch) -> Comparison:
    """The answers side by side. A vote is about one row: `Comparison.row(n)` is that row alone.

    >>> from fmnb.batch.run import batch
    >>> c = comparison(batch("say {{ word }}", [{"word": "hi"}, {"word": "ho"}], ["echo:", "echo:think"]))
    >>> len(c), c.layout.columns, c.layout.rows
    (4, ('echo:', 'echo:think'), ('row 0: say hi', 'row 1: say ho'))
    """
    responses = [_response(a) for a in batch.answers]
    titles = {a.row: _title(a.row, r) for a, r in zip(batch.answers, responses, strict=True)}
    samples = [{"sample": a.sample} if batch.samples > 1 else {} for a in batch.answers]
    conditions = [{"model": a.model, "row": titles[a.row], **more} for a, more in zip(batch.answers, samples, strict=True)]
    return Comparison(tuple(responses), batch.run if log.enabled() else "", tuple(conditions))


def _response(a: Answer) -> Response:
    """The complete answer if the log has it, otherwise what the batch knows of it."""
    if a.run and log.enabled():
        try:
            return log.reopen(a.run)
        except UsageError:
            pass
    usage = Usage(a.input_tokens, a.output_tokens, a.cached_tokens, a.reasoning_tokens, a.cost, a.estimated)
    return Response(
        a.text,
        a.run,
        a.model,
        a.model,
        data=a.data,
        usage=usage,
        finish_reason=a.finish_reason,
        error=a.error,
        seconds=a.seconds,
        source=a.source,
    )


def _title(row: int, r: Response) -> str:
    prompt = " ".join(prompt_text(r.request).split())
    return f"row {row}: {prompt[:70]}{'…' if len(prompt) > 70 else ''}" if prompt else f"row {row}"
