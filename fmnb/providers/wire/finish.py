"""Errors for answers that ended without usable content: filtered, failed, or empty."""

from __future__ import annotations

from ...core.errors import BadRequestError, ContentFilterError, EmptyAnswerError, FmnbError, ServerError
from ..http.stream_errors import from_stream_error
from ..profiles import Profile
from .sse import Answer


def error_at_end(p: Profile, model: str, answer: Answer, secret: str) -> FmnbError | None:
    """The error for an ended answer that is filtered, failed or empty; None for a usable answer."""
    if answer.stream_error:
        return from_stream_error(p, model, answer.stream_error, answer.characters, secret, paid=answer.paid)
    if answer.pending_status and not answer.characters and not answer.tools:
        return BadRequestError(
            f"{p.label} accepted the request but answers later",
            detail=f"status '{answer.pending_status}'",
            hint="Leave -p background out: the call waits for the answer anyway. Use a batch job (--batch-api) for answers that may take a day.",
            billed=None,
        )
    if answer.reason == "content_filter" and not answer.refused:
        message = f"{p.label} filtered {'the rest of ' if answer.characters else ''}the answer"
        return ContentFilterError(message, detail="content filter", hint="Rephrase the prompt, or use another model.", billed=True)
    if answer.reason == "error":
        return ServerError(
            f"{p.label} failed while answering",
            detail="finish reason 'error'",
            hint="Try again.",
            billed=True,
            retryable=not answer.characters,
        )
    if answer.characters or answer.tools:
        return None
    detail = "reasoning and no answer" if answer.saw_reasoning else f"finish reason '{answer.reason or 'none'}'"
    hint = "Try again, or rephrase the prompt."
    if answer.reason == "length":
        hint = "All output tokens went into reasoning: raise --max-tokens." if answer.saw_reasoning else "Raise --max-tokens."
    return EmptyAnswerError(f"{p.label} returned no text", detail=detail, hint=hint, billed=True)
