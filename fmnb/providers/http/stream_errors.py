"""Errors that arrive inside a stream.

They become the errors that they would be before the stream: by status, code, or message.
"""

from __future__ import annotations

from typing import Any

from ...core.errors import CallError, FmnbError
from ..profiles import Profile
from . import error_codes
from . import errors as faults

# The HTTP status for the name of an error inside a stream.
_STATUS = {
    **{"invalid_request_error": 400, "invalid_prompt": 400, "context_length_exceeded": 400, "content_filter": 400, "invalid_argument": 400},
    **{"authentication_error": 401, "unauthenticated": 401, "invalid_api_key": 401, "billing_error": 402, "permission_error": 403},
    **{"permission_denied": 403, "not_found_error": 404, "not_found": 404, "model_not_found": 404, "request_too_large": 413},
    **{"rate_limit_exceeded": 429, "rate_limit_error": 429, "insufficient_quota": 429, "resource_exhausted": 429, "too_many_requests": 429},
    **{"api_error": 500, "server_error": 500, "internal_error": 500, "internal_server_error": 500, "internal": 500},
    **{"unavailable": 503, "service_unavailable": 503, "timeout_error": 504, "timeout": 504, "deadline_exceeded": 504},
    **{"overloaded_error": 529, "overloaded": 529, "engine_overloaded": 529},
}
_GENERIC = (400, 500)  # statuses that services use for any error


def from_stream_error(profile: Profile, model: str, error: Any, characters: int, secret: str, *, paid: bool = False) -> FmnbError:
    """The fmnb error for an error in a stream.

    `characters` of text had arrived. `paid` is true if the service reported usage.
    """
    inner = error if isinstance(error, dict) else {"message": str(error)}
    number = next((n for k in ("code", "status", "status_code", "http_status") if (n := _http_status(inner.get(k))) is not None), None)
    codes = " ".join(str(inner[k]) for k in ("code", "type", "status", "reason", "error_type") if isinstance(inner.get(k), str))
    text = f"{codes} {faults.message_of(inner)}".strip()
    status = number or next((_STATUS[w.lower()] for w in codes.split() if w.lower() in _STATUS), 500)
    if status in _GENERIC:
        status = error_codes.status_from_text(text) or (400 if error_codes.is_unsupported(text) else status)
    result = faults.from_status(profile, model, status, {"error": inner}, {}, secret, sent=number is not None, characters=characters)
    if isinstance(result, CallError):
        result.billed = True if characters or paid or result.billed else None
        if characters:
            result.retryable = False  # a partial answer is kept, not silently replaced
    return result


def _http_status(value: Any) -> int | None:
    """An HTTP status from a number or its digits."""
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not str(value).isdigit():
        return None
    return int(value) if 400 <= int(value) < 600 else None
