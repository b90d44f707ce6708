"""Names of fmnb's own classes and functions in stored identities, whatever they are called now.

A custom model may hold a Prompt or call `ask`; its identity is part of the cache keys of stored
answers. If a name changed with its file, all of them would be lost. So the table maps the
present name of each to the stored one, with its former module. For functions that are a model
themselves (`partial(fm.ask, ...)`, `fm.Model(...).ask`), the source is part of the identity:
`stored_sources.json` has it as first stored.
"""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Any

_PACKAGE = __name__.partition(".")[0]

# present name -> stored name: a rename changes the first; the second never changes
STORED = {
    "Vectors": "backend.Vectors",
    "Answer": "batching.answers.Answer",
    "LoggedBatch": "batching.logged.LoggedBatch",
    "map": "batching.mapping.map",
    "Batch": "batching.result.Batch",
    "Cause": "batching.summary.Cause",
    "Summary": "batching.summary.Summary",
    "Target": "catalog.resolve.Target",
    "Chat": "chat.Chat",
    "Chat.ask": "chat.Chat.ask",
    "Turn": "chat.Turn",
    "GridCell": "comparison.Cell",
    "Comparison": "comparison.Comparison",
    "compare": "comparison.compare",
    "Index": "data.index.index.Index",
    "check_numbers": "data.numbers.check.check_numbers",
    "Tables": "data.sql.tables.Tables",
    "sql": "data.sql.tables.sql",
    "source": "data.sources.source.source",
    "web_source": "data.sources.web.web_source",
    "schema": "describe.schema",
    "embed": "embedding.embed",
    "BadRequestError": "errors.BadRequestError",
    "BudgetError": "errors.BudgetError",
    "CallError": "errors.CallError",
    "CallTimeoutError": "errors.CallTimeoutError",
    "InsufficientMemoryError": "errors.CannotFitError",
    "ConnectionFailedError": "errors.ConnectionFailedError",
    "ContentFilterError": "errors.ContentFilterError",
    "ContextTooLongError": "errors.ContextTooLongError",
    "DownloadError": "errors.DownloadError",
    "EmptyAnswerError": "errors.EmptyAnswerError",
    "ServiceDiscontinuedError": "errors.EndedServiceError",
    "FmnbError": "errors.FmnbError",
    "Interrupted": "errors.Interrupted",
    "KeyMissingError": "errors.KeyMissingError",
    "AuthenticationError": "errors.KeyRefusedError",
    "LockedError": "errors.LockedError",
    "MissingPackageError": "errors.MissingPackageError",
    "ModelError": "errors.ModelError",
    "NotPulledError": "errors.NotPulledError",
    "CustomModelError": "errors.ObjectFailedError",
    "PromptError": "errors.PromptError",
    "QueryError": "errors.QueryError",
    "RateLimitError": "errors.RateLimitError",
    "TapeMissError": "errors.ReplayMissError",
    "SchemaError": "errors.SchemaError",
    "SchemaMismatchError": "errors.SchemaMismatchError",
    "ServerError": "errors.ServerError",
    "SettingsError": "errors.SettingsError",
    "StoreError": "errors.StoreError",
    "StreamInterruptedError": "errors.StreamCutError",
    "UnexpectedResponseError": "errors.StreamJunkError",
    "TLSError": "errors.TLSError",
    "UnknownModelError": "errors.UnknownModelError",
    "UsageError": "errors.UsageError",
    "error_from_dict": "errors.error_from_dict",
    "Analysis": "evals.analysis.Analysis",
    "Pair": "evals.analysis.Pair",
    "CheckResult": "evals.check.Outcome",
    "Change": "evals.comparing.Change",
    "RunComparison": "evals.comparing.RunComparison",
    "Dataset": "evals.dataset.Dataset",
    "Evaluation": "evals.evaluation.Evaluation",
    "import_feedback": "evals.from_log.import_signals",
    "Match": "evals.heldout.Match",
    "JudgeDiagnostics": "evals.judge.Conduct",
    "AnswerPair": "evals.judge.Duel",
    "Judge": "evals.judge.Judge",
    "Verdict": "evals.judge.Verdict",
    "Matrix": "evals.matrix.Matrix",
    "Mentions": "evals.mentions.Mentions",
    "CacheUse": "evals.reuse.Reuse",
    "RowGroups": "evals.row_groups.RowGroups",
    "evaluate": "evals.running.evaluate",
    "Sample": "evals.sample.Sample",
    "Case": "evals.scorers.base.Case",
    "Score": "evals.scorers.base.Score",
    "Scorer": "evals.scorers.base.Scorer",
    "Answers": "evals.scoring.Answers",
    "Scores": "evals.scoring.Scores",
    "log": "listing.log",
    "models": "listing.models",
    "Model": "model.Model",
    "Model.aask": "model.Model.aask",
    "Model.ask": "model.Model.ask",
    "Model.stream": "model.Model.stream",
    "aask": "model.aask",
    "ask": "model.ask",
    "stream": "model.stream",
    "Inserted": "prompts.Inserted",
    "Prompt": "prompts.Prompt",
    "Rendered": "prompts.Rendered",
    "pull": "pulling.pull",
    "Ballot": "ranking.Ballot",
    "leaderboard": "ranking.leaderboard",
    "Agreement": "stats.agreement.Agreement",
    "Strengths": "stats.bradley_terry.Strengths",
    "Bin": "stats.calibration.Bin",
    "Calibration": "stats.calibration.Calibration",
    "Flips": "stats.flips.Flips",
    "Grouping": "stats.grouping.Grouping",
    "Groups": "stats.grouping.Groups",
    "Level": "stats.level.Level",
    "McNemar": "stats.mcnemar.McNemar",
    "Paired": "stats.paired.Paired",
    "Interval": "stats.shares.Interval",
    "Preference": "stats.votes.Preference",
    "File": "types.File",
    "Image": "types.Image",
    "Message": "types.Message",
    "ModelInfo": "types.ModelCard",
    "Reasoning": "types.Reasoning",
    "Request": "types.Request",
    "Response": "types.Response",
    "Text": "types.Text",
    "TokenCount": "types.TokenCount",
    "ToolCall": "types.ToolCall",
    "ToolResult": "types.ToolResult",
    "Usage": "types.Usage",
    "message": "types.message",
    "accept": "voting.accept",
    "feedback": "voting.signal",
    "retract": "comparison.feedback.retract",
    "vote": "voting.vote",
    "History": "widgets.history.History",
    "Interact": "widgets.interact.Interact",
    "Labeler": "widgets.labeller.Labeller",
    "Playground": "widgets.playground.Playground",
}


def stored_name(thing: Any) -> tuple[str, str]:
    """Module and name of a class or function in stored identities.

    >>> from fmnb import Prompt
    >>> stored_name(Prompt)[1], stored_name(str)
    ('Prompt', ('builtins', 'str'))
    """
    module, name = thing.__module__, thing.__qualname__
    stored = STORED.get(name, "") if is_fmnb(thing) else ""
    if not stored:
        return module, name
    home, _, name = stored.rpartition(".")
    return sys.intern(f"{_PACKAGE}.{home}"), sys.intern(name)


def is_fmnb(thing: Any) -> bool:
    """Whether a class or function belongs to this package."""
    return str(getattr(thing, "__module__", None)).partition(".")[0] == _PACKAGE


def stored_source(function: Any) -> tuple[str, tuple[Any, ...]] | None:
    """Source and defaults of a function of fmnb in stored identities; None if they are the present ones."""
    ref = STORED.get(function.__qualname__) if is_fmnb(function) else None
    row = _sources().get(ref) if ref else None
    return (row["source"], _tuples(row["defaults"])) if row else None


@functools.cache
def _sources() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / "stored_sources.json").read_text("utf-8"))
    return found


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
