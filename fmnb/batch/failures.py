"""Which errors are permanent for a row, which are transient, and which are fatal for a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..calls.call import Call

# The same request would fail again: the row keeps its error when the batch resumes.
_PERMANENT = ("BadRequestError", "ContextTooLongError", "ContentFilterError", "SchemaMismatchError", "EmptyAnswerError", "PromptError")
# Every further row would fail too: the model gets no more calls.
_FATAL_FOR_MODEL = (
    *("KeyMissingError", "KeyRefusedError", "UnknownModelError", "EndedServiceError", "NotPulledError", "CannotFitError", "DownloadError"),
    *("MissingPackageError", "LockedError", "SettingsError", "BudgetError", "ReplayMissError", "TLSError", "ModelError"),
)
_TRANSIENT = ("ConnectionFailedError", "ServerError", "CallTimeoutError", "RateLimitError")


def is_permanent(error: Mapping[str, Any]) -> bool:
    """Whether a row keeps this error (a dict of `FmnbError.to_dict`) when the batch resumes."""
    return error.get("kind") in _PERMANENT


def is_reusable(columns: Mapping[str, Any], call: Call, retry_errors: bool) -> bool:
    """Whether the result of an earlier run, with these columns, replaces the call."""
    if not call.use_cache or call.tape_only:
        return False
    error = columns["error"]
    return error is None or (is_permanent(error) and not retry_errors)


def is_transient(error: Mapping[str, Any]) -> bool:
    """Whether the error is temporary trouble of the service.

    >>> is_transient({"kind": "ServerError"}), is_permanent({"kind": "ServerError"})
    (True, False)
    """
    return error.get("kind") in _TRANSIENT


def is_fatal_for_model(error: Mapping[str, Any]) -> bool:
    """Whether every further row of the model would fail too: a rejected key, no credit left.

    >>> is_fatal_for_model({"kind": "KeyRefusedError"}), is_fatal_for_model({"kind": "ServerError"})
    (True, False)
    """
    return error.get("kind") in _FATAL_FOR_MODEL or (error.get("kind") == "RateLimitError" and "no credit" in str(error.get("message")))
