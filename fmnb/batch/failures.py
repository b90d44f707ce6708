"""Which failures stay with their row, which pass by themselves, and which end a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..calls.call import Call

# They would come again: the row keeps its error when the batch is run again.
_FOR_GOOD = ("BadRequestError", "ContextTooLongError", "ContentFilterError", "SchemaMismatchError", "EmptyAnswerError", "PromptError")
# Every further row would have them too: the model is not asked any more.
_FOR_ALL = (
    *("KeyMissingError", "KeyRefusedError", "UnknownModelError", "EndedServiceError", "NotPulledError", "CannotFitError", "DownloadError"),
    *("MissingPackageError", "LockedError", "SettingsError", "BudgetError", "ReplayMissError", "TLSError", "ModelError"),
)
_PASSING = ("ConnectionFailedError", "ServerError", "CallTimeoutError", "RateLimitError")


def stays(error: Mapping[str, Any]) -> bool:
    """Whether the row keeps this error, as `FmnbError.to_dict` says it, when the batch is run again."""
    return error.get("kind") in _FOR_GOOD


def stands(found: Mapping[str, Any], call: Call, retry_errors: bool) -> bool:
    """Whether what an earlier run got for this call is taken, so that the call is not made again.

    `found` are the columns of that run.
    """
    if not call.use_cache or call.tape_only:
        return False
    error = found["error"]
    return error is None or (stays(error) and not retry_errors)


def passes(error: Mapping[str, Any]) -> bool:
    """Whether it is the service's trouble of the moment.

    >>> passes({"kind": "ServerError"}), stays({"kind": "ServerError"})
    (True, False)
    """
    return error.get("kind") in _PASSING


def ends(error: Mapping[str, Any]) -> bool:
    """Whether every further row of the model would fail so: a key that is refused, no credit left.

    >>> ends({"kind": "KeyRefusedError"}), ends({"kind": "ServerError"})
    (True, False)
    """
    return error.get("kind") in _FOR_ALL or (error.get("kind") == "RateLimitError" and "no credit" in str(error.get("message")))
