"""A batch of a handful of rows as a Comparison: models are its columns, the table's rows its rows."""

from __future__ import annotations

from ..comparison.comparison import Comparison
from ..core.errors import UsageError
from ..core.response import Response
from ..core.types import Usage
from ..store import log
from ..store.run_rows import prompt_text
from .answers import Answer
from .result import Batch

ROWS = 10  # a handful: so many rows are read side by side rather than as a table
ANSWERS = 40


def few(batch: Batch) -> bool:
    """Whether there is something to compare, and little enough to read."""
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
    axes = [{"model": a.model, "row": titles[a.row], **more} for a, more in zip(batch.answers, samples, strict=True)]
    return Comparison(tuple(responses), batch.run if log.enabled() else "", tuple(axes))


def _response(a: Answer) -> Response:
    """The whole answer where the log has it, else what the batch knows of it."""
    if a.run and log.enabled():
        try:
            return log.reopen(a.run)
        except UsageError:
            pass
    usage = Usage(a.input_tokens, a.output_tokens, a.cached_tokens, a.reasoning_tokens, a.cost, a.estimated)
    return Response(
        a.text, a.run, a.model, a.model, data=a.data, usage=usage, finish_reason=a.finish, error=a.error, seconds=a.seconds, source=a.source
    )


def _title(row: int, r: Response) -> str:
    asked = " ".join(prompt_text(r.request).split())
    return f"row {row}: {asked[:70]}{'…' if len(asked) > 70 else ''}" if asked else f"row {row}"
