"""Converts failed and lost connections to fmnb's errors.

The same for every HTTP stack: exceptions are recognized by their class names.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator

from ...core.errors import (
    CallTimeoutError,
    ConnectionFailedError,
    FmnbError,
    StreamInterruptedError,
    TLSError,
    UnexpectedResponseError,
    redact,
)
from ..profiles import Profile
from .errors import shorten

# Exceptions for responses that are not HTTP; any other protocol error is a lost connection.
_PROTOCOL_ERRORS = {
    "RemoteProtocolError",
    "LocalProtocolError",
    "BadHttpMessage",
    "BadStatusLine",
    "ClientResponseError",
    "InvalidHeader",
    "LineTooLong",
}
_NOT_HTTP = re.compile(r"(?i)illegal|invalid|malformed|bad (?:status|http|request)|too (?:large|long|many|much)|expected http|unsupported")


def from_exception(profile: Profile, error: BaseException, characters: int | None, secret: str) -> FmnbError:
    """The error of a failed connection; `characters` of text had arrived, None if no answer had started."""
    chain = list(_exception_chain(error))
    names = {type(e).__name__ for e in chain}
    who, host = profile.label, profile.host
    began = characters is not None
    if any("Timeout" in n for n in names):
        return _timeout(profile, names, characters)
    if tls := next((e for e in chain if isinstance(e, ssl.SSLError)), None):
        if not began:
            return TLSError(
                f"No secure connection to {host}",
                detail=shorten(getattr(tls, "verify_message", "") or str(tls)),
                hint="Behind a proxy that intercepts TLS, set SSL_CERT_FILE to its certificate, and HTTPS_PROXY to its address, before Jupyter starts.",
            )
    if began:
        return stream_interrupted(profile, characters or 0)
    if any(isinstance(e, socket.gaierror) for e in chain):
        return ConnectionFailedError(f"The host name {host} was not found", detail="DNS failure", hint="Check the address and the network.")
    if names & {"ConnectError", "ConnectionRefusedError"}:
        if any(isinstance(e, ConnectionRefusedError) for e in chain) or profile.loopback:
            return ConnectionFailedError(
                f"Nothing answers at {profile.shown_url}",
                detail="connection refused",
                hint=profile.start_hint or "Check the address, and that the server is running.",
                retryable=not profile.loopback,  # a local server that is off does not come back by itself
            )
        return ConnectionFailedError(
            f"No connection to {host}", detail=shorten(_cause_text(chain)), hint="Check the network and the proxy settings."
        )
    if names & {"ProxyError"}:
        return ConnectionFailedError(
            "The proxy rejected the request",
            detail=shorten(redact(_cause_text(chain), secret)),
            hint="Check HTTPS_PROXY and NO_PROXY.",
        )
    if names & _PROTOCOL_ERRORS and _NOT_HTTP.search(_cause_text(chain)):
        return UnexpectedResponseError(
            f"{who} did not respond with HTTP at that address",
            detail=shorten(redact(_cause_text(chain), secret)),
            hint="Check the base_url.",
            billed=None,
        )
    return ConnectionFailedError(
        f"{who} closed the connection without an answer", detail=shorten(redact(_cause_text(chain), secret)), hint="Try again.", billed=None
    )


def interrupted(profile: Profile, error: BaseException | None, secret: str, *, billed: bool | None = None) -> FmnbError:
    """The error of a connection lost in a complete (non-streamed) response, which cannot be used.

    `billed` is True if the usage is known.
    """
    chain = list(_exception_chain(error))
    problem, detail = "lost the connection in the middle of the answer", shorten(redact(_cause_text(chain), secret)) if chain else ""
    if any("Timeout" in type(e).__name__ for e in chain):
        problem, detail = "stopped in the middle of the answer", f"no data for {profile.read_timeout:g} s"
        return CallTimeoutError(f"{profile.label} {problem}", detail=detail, hint="Try again.", billed=billed)
    return ConnectionFailedError(f"{profile.label} {problem}", detail=detail, hint="Try again.", billed=billed)


def stream_interrupted(profile: Profile, characters: int) -> FmnbError:
    """The connection ended before the answer did."""
    return StreamInterruptedError(
        f"{profile.label} ended the connection in the middle of the answer",
        detail=f"{characters} characters had arrived",
        hint="`%fm continue` continues from there." if characters else "Try again.",
        billed=True if characters else None,
        retryable=not characters,
    )


def _timeout(profile: Profile, names: set[str], characters: int | None) -> FmnbError:
    if names & {"ConnectTimeout", "ConnectionTimeoutError"}:
        return CallTimeoutError(
            f"No connection to {profile.host}",
            detail=f"no reply in {profile.connect_timeout:g} s",
            hint="Check the network and the proxy settings.",
        )
    if characters:
        return CallTimeoutError(
            f"{profile.label} stopped in the middle of the answer",
            detail=f"{characters} characters, then no data for {profile.read_timeout:g} s",
            hint="`%fm continue` continues from there.",
            billed=True,
            retryable=False,
        )
    return CallTimeoutError(
        f"{profile.label} did not start to answer",
        detail=f"no data for {profile.read_timeout:g} s",
        hint=f"Try again; to wait longer, set read_timeout in a [provider.{profile.name}] table of fmnb.toml.",
        billed=None,
    )


def no_answer(profile: Profile, seconds: float) -> FmnbError:
    """The error if the list of models does not arrive within the timeout."""
    return CallTimeoutError(
        f"{profile.label} does not answer", detail=f"no data for {seconds:g} s", hint="Check the address, or try again."
    )


def _exception_chain(error: BaseException | None) -> Iterator[BaseException]:
    visited: set[int] = set()
    pending = [error]
    while pending:
        e = pending.pop()
        if e is None or id(e) in visited:
            continue
        visited.add(id(e))
        yield e
        pending += [e.__context__, e.__cause__, *getattr(e, "exceptions", ())]


def _cause_text(chain: list[BaseException]) -> str:
    """The message of the innermost exception."""
    return next((str(e) for e in reversed(chain) if str(e)), type(chain[-1]).__name__)
