"""All errors that fmnb raises.

    FmnbError
    ├── UsageError                     invalid input: options, names, files
    │   ├── PromptError                a template that cannot be rendered
    │   ├── SchemaError                an invalid schema
    │   ├── QueryError                 a query that is refused, or that the database rejects
    │   └── NotInteractiveError        a question that nobody can answer
    ├── SettingsError                  an invalid settings file or value
    │   └── LockedError                an administrator's lock forbids it
    ├── MissingPackageError            an optional package is not installed
    ├── ModelError                     no usable model has that name
    │   ├── UnknownModelError
    │   ├── ServiceDiscontinuedError   the message names the successor
    │   ├── NotPulledError             known weights that are not on this machine
    │   ├── DownloadError              an incomplete download
    │   └── InsufficientMemoryError    the model needs more memory than is free
    ├── KeyMissingError
    ├── AuthenticationError
    ├── BudgetError                    the next call would exceed the budget
    ├── TapeMissError                  `--replay-only`, and the tape has no recording
    ├── StoreError                     the log, cache or a tape cannot be written
    └── CallError                      the call failed
        ├── BadRequestError  ContextTooLongError  RateLimitError  ServerError
        ├── ConnectionFailedError  CallTimeoutError  TLSError
        ├── StreamInterruptedError  UnexpectedResponseError  EmptyAnswerError
        └── ContentFilterError  SchemaMismatchError  CustomModelError

An error has three parts: message, detail and hint. In a notebook a FmnbError concerns the user and
shows these parts without a traceback; any other exception is a bug and shows its traceback. No
secret may enter a message: `redact` is applied to text from services.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from .inert_text import printable
from .typing import Record

_PACKAGE = __name__.partition(".")[0]
_PARTIAL = "The table so far is the attribute `partial` of this error (uncaught: `sys.last_value.partial`)."


class FmnbError(Exception):
    """Base class of all fmnb errors.

    Its message says what happened, with the evidence and the next step. `response` is the partial
    answer, if there is one, `partial` the table so far of a batch that stopped, `run` the id of the
    run that failed, and `kind` the name under which the error is stored.

    Args:
        message: What happened.
        detail: The evidence: a value, or the service's own message.
        hint: The next step.
        billed: Whether the call was billed; None if unknown.
        retry_after: Seconds after which to try again.
        retryable: Whether a retry may help (default: that of the class).
        param: Name of the option that a service rejected.

    >>> str(FmnbError("No such model", detail="'gtp-5'", hint="Did you mean gpt-5?"))
    "No such model: 'gtp-5'. Did you mean gpt-5?"
    """

    kind: ClassVar[str] = "FmnbError"
    retryable = False
    declined = False  # a person answered no; a cell then shows one plain line

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "kind" not in vars(cls):  # a subclass outside fmnb: it does not inherit the kind
            cls.kind = cls.__name__

    def __init__(
        self,
        message: str,
        *,
        detail: str = "",
        hint: str = "",
        billed: bool | None = False,
        retry_after: float | None = None,
        retryable: bool | None = None,
        param: str | None = None,
    ):
        self.message = printable(message.rstrip(". "))
        self.detail = redact(printable(detail.strip()))
        self.hint = printable(hint.strip())
        self.billed = billed
        self.retry_after = retry_after
        self.param = param
        if retryable is not None:
            self.retryable = retryable
        self.run = ""
        self.response: Any = None
        self.partial: Any = None
        self.rate_limits: Any = None  # rate limits reported with the error
        self.events: list[Any] = []  # events of a failed non-streamed answer: usage, reasoning
        self.shown = False  # a view has shown it already
        super().__init__(self._text())

    def _text(self) -> str:
        head = f"{self.message}: {self.detail}" if self.detail else self.message
        if head[-1:] not in ".!?":
            head += "."
        return f"{head} {self.hint}" if self.hint else head

    def __str__(self) -> str:
        text = self._text()  # the hint may have been changed since
        return text if self.partial is None else f"{text} {_PARTIAL}"

    def __reduce__(self) -> Any:
        return (error_from_dict, (self.to_dict(),))

    def to_dict(self) -> Record:
        """The error as a JSON-able dict, as stored in `Failed` events.

        >>> UsageError("No such row", detail="7", hint="0 to 3.").to_dict()["message"]
        'No such row'
        """
        out: dict[str, Any] = {"kind": self.kind, "message": self.message}
        for name in ("detail", "hint", "billed", "retry_after", "param"):
            value = getattr(self, name)
            if value not in ("", None):
                out[name] = value
        return out

    def _render_traceback_(self) -> list[str]:
        """Called by IPython instead of formatting a traceback."""
        partial = [] if self.partial is None else [f"  → {_PARTIAL}"]
        if self.shown and not is_run_by_program():
            return [f"{type(self).__name__}, as shown above.", *partial]
        # Programs that run notebooks (nbconvert, papermill) keep these lines and not the output of the cell.
        head = f"{type(self).__name__}{', as shown above' if self.shown else ''}: {self.message}"
        lines = [f"{head}: {self.detail}" if self.detail else head]
        if self.hint:
            lines.append(f"  → {self.hint}")
        if self.billed is not False:
            partial_answer = self.kind != "EmptyAnswerError"
            lines.append(
                "  Billed: "
                + (f"yes{', for the partial answer' * partial_answer}" if self.billed else "unknown; the service does not report it")
            )
        return [*lines, *partial]


def is_run_by_program(shell: Any = None) -> bool:
    """Whether a program (nbconvert, papermill) runs the cells, so that nobody can answer a question."""
    if shell is None:
        module = sys.modules.get("IPython.core.getipython")
        shell = module.get_ipython() if module else None
    try:
        return shell.get_parent()["content"].get("allow_stdin") is False
    except (AttributeError, KeyError, TypeError):
        return False


class UsageError(FmnbError):
    """Invalid input: an option, a name, a combination."""

    kind = "UsageError"


class PromptError(UsageError):
    """A template that cannot be rendered: an undefined name, an expression that raised."""

    kind = "PromptError"


class SchemaError(UsageError):
    """An invalid schema."""

    kind = "SchemaError"


class QueryError(UsageError):
    """A query that is refused, or that the database rejects; `sql` holds it.

    >>> QueryError("The query was refused", detail="it has 2 statements instead of one", sql="select 1; select 2").sql
    'select 1; select 2'
    """

    kind = "QueryError"

    def __init__(self, message: str, *, sql: str = "", **more: Any):
        super().__init__(message, **more)
        self.sql = sql


class NotInteractiveError(UsageError):
    """Nobody can answer a question: nbconvert, papermill, a script without a terminal."""

    kind = "NotInteractiveError"


class SettingsError(FmnbError):
    """An invalid settings file or value."""

    kind = "SettingsError"


class LockedError(SettingsError):
    """An administrator's lock forbids it."""

    kind = "LockedError"


class MissingPackageError(FmnbError):
    """An optional package is not installed; the message has the pip command."""

    kind = "MissingPackageError"


class ModelError(FmnbError):
    """No usable model has that name."""

    kind = "ModelError"


class UnknownModelError(ModelError):
    """No provider, alias or custom model has that name."""

    kind = "UnknownModelError"


class ServiceDiscontinuedError(ModelError):
    """The service was discontinued; the message names its successor."""

    kind = "EndedServiceError"


class NotPulledError(ModelError):
    """The weights are not on this machine yet."""

    kind = "NotPulledError"


class DownloadError(ModelError):
    """The download is incomplete; no broken file is left."""

    kind = "DownloadError"


class InsufficientMemoryError(ModelError):
    """The model needs more memory than this machine has free."""

    kind = "CannotFitError"


class KeyMissingError(FmnbError):
    """The provider needs a key, and none is set."""

    kind = "KeyMissingError"


class AuthenticationError(FmnbError):
    """The service did not accept the key (401, 403)."""

    kind = "KeyRefusedError"


class BudgetError(FmnbError):
    """The next call would exceed the budget."""

    kind = "BudgetError"


class TapeMissError(FmnbError):
    """With `--replay-only`, the tape has no recording of this request."""

    kind = "ReplayMissError"


class StoreError(FmnbError):
    """The log, cache or a tape cannot be read or written."""

    kind = "StoreError"


class CallError(FmnbError):
    """The call failed."""

    kind = "CallError"


class BadRequestError(CallError):
    """The service refused the request (400, 404, 422)."""

    kind = "BadRequestError"


class ContextTooLongError(BadRequestError):
    """Prompt and answer exceed the context window; the message says by how much, if known."""

    kind = "ContextTooLongError"


class RateLimitError(CallError):
    """Rate limit reached (HTTP 429), also after retries."""

    kind = "RateLimitError"
    retryable = True


class ServerError(CallError):
    """The service failed (5xx) or sent an error inside a stream."""

    kind = "ServerError"
    retryable = True


class ConnectionFailedError(CallError):
    """No connection to the host."""

    kind = "ConnectionFailedError"
    retryable = True


class CallTimeoutError(CallError):
    """Timeout: no answer in time."""

    kind = "CallTimeoutError"
    retryable = True


class TLSError(CallError):
    """The TLS connection failed: usually a proxy's certificate."""

    kind = "TLSError"


class StreamInterruptedError(CallError):
    """The connection ended during the answer; the partial text is kept."""

    kind = "StreamCutError"


class UnexpectedResponseError(CallError):
    """The service sent an invalid response."""

    kind = "StreamJunkError"


class EmptyAnswerError(CallError):
    """The call succeeded, but the answer is empty."""

    kind = "EmptyAnswerError"


class ContentFilterError(CallError):
    """The service withheld the answer."""

    kind = "ContentFilterError"


class SchemaMismatchError(CallError):
    """The answer does not match the schema, also after the repair request."""

    kind = "SchemaMismatchError"


class CustomModelError(CallError):
    """A custom model raised an exception, which is the cause; the traceback shows its own frames."""

    kind = "ObjectFailedError"

    def _render_traceback_(self) -> list[str]:
        cause = self.__cause__
        if cause is None:
            return super()._render_traceback_()
        own = cause.__traceback__
        while own is not None and own.tb_frame.f_globals.get("__name__", "").startswith(f"{_PACKAGE}."):
            own = own.tb_next
        return [*super()._render_traceback_(), *"".join(traceback.format_exception(type(cause), cause, own)).splitlines()]


class Interrupted(KeyboardInterrupt):
    """The user stopped a run; `response` holds the partial answer, `partial` the table so far of a batch.

    A KeyboardInterrupt, so that Run All stops and `except Exception` does not swallow it.
    """

    def __init__(self, response: Any = None, run: str = "", *, kept: str = ""):
        super().__init__("interrupted")
        self.response = response
        self.run = run
        self.kept = kept  # describes the partial result, if it is not text
        self.partial: Any = None
        self.shown = False  # as for FmnbError

    def _render_traceback_(self) -> list[str]:
        partial = [] if self.partial is None else [f"  → {_PARTIAL}"]
        if self.shown:
            return ["Stopped, as shown above.", *partial]
        kept = getattr(self.response, "text", "")
        tail = f"{len(kept)} characters kept; `%fm continue` continues from there" if kept else self.kept or "no output yet"
        return [f"Interrupted: {tail}.", *partial]


def _subclasses(kind: type[FmnbError]) -> Iterator[type[FmnbError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _subclasses(below)


KINDS: dict[str, type[FmnbError]] = {c.kind: c for c in _subclasses(FmnbError)}  # by the kind in a stored error

_SECRETS = re.compile(
    r"(?i)(?:\b(?:sk|pk|rk|gsk|xai|hf|pplx|nvapi|tgp_v1|glpat|ghp|gho|AIza)[-_]?(?![A-Z_]+\b)[A-Za-z0-9*_\-]{8,}"
    r"|\bbearer\s+[^\s\"',;]{6,}"
    r"|(?:api[-_ ]?key|authorization|token|secret|password)[\"']?\s*[:=]\s*[\"']?[^\s\"',;]{6,})"
)


def redact(text: str, *secrets: str) -> str:
    """Remove API keys from external text.

    `secrets` are known secrets (the key just used); patterns of common keys are removed, too.

    >>> redact("Incorrect API key provided: sk-abcdefgh12345678.")
    'Incorrect API key provided: [key removed].'
    """
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "[key removed]")
    return _SECRETS.sub("[key removed]", text)


def alternatives(names: Iterable[str]) -> str:
    """Names as a list of alternatives, for hints.

    >>> alternatives(["a", "b", "c"])
    'a, b or c'
    """
    listed = list(names)
    return " or ".join([*filter(None, [", ".join(listed[:-1])]), *listed[-1:]])


def with_current_keys(data: dict[str, Any]) -> dict[str, Any]:
    """A stored error with the current keys; earlier versions wrote what, seen and todo.

    >>> with_current_keys({"kind": "CallError", "what": "It failed", "todo": "Try again."})
    {'kind': 'CallError', 'message': 'It failed', 'hint': 'Try again.'}
    """
    return {_EARLIER_KEYS.get(k, k): v for k, v in data.items()}


def with_earlier_keys(data: dict[str, Any]) -> dict[str, Any]:
    """The opposite of `with_current_keys`, for identities that were stored with the earlier keys."""
    earlier = {now: then for then, now in _EARLIER_KEYS.items()}
    return {earlier.get(k, k): v for k, v in data.items()}


_EARLIER_KEYS = {"what": "message", "seen": "detail", "todo": "hint"}


def error_from_dict(data: dict[str, Any]) -> FmnbError:
    """The error that `FmnbError.to_dict` described; an unknown kind becomes a CallError."""
    data = with_current_keys(data)
    return KINDS.get(data.get("kind", ""), CallError)(
        data.get("message", "The call failed"),
        detail=data.get("detail", ""),
        hint=data.get("hint", ""),
        billed=data.get("billed"),
        retry_after=data.get("retry_after"),
        param=data.get("param"),
    )
