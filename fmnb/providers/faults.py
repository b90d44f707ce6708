"""What went wrong at a service, as one of fmnb's errors with its three parts.

Reads status, body, headers and exceptions; sends nothing and decides nothing about retries
beyond what the error says of itself.
"""

from __future__ import annotations

import difflib
import email.utils
import json
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import (
    BadRequestError,
    CallError,
    CallTimeoutError,
    ConnectionFailedError,
    ContentFilterError,
    ContextTooLongError,
    FmnbError,
    KeyMissingError,
    KeyRefusedError,
    RateLimitError,
    ServerError,
    StreamCutError,
    StreamJunkError,
    TLSError,
    UnknownModelError,
    redact,
)
from .profiles import Profile

_CONTEXT = re.compile(
    r"(?i)context[_ -]?(?:length|window|size)|exceed_context_size|maximum (?:context|prompt|number of tokens|input)|prompt is too long|too many (?:input )?tokens"
    r"|input is too long|reduce the length|token count .{0,40}exceeds|too large for model"
)
_FILTER = re.compile(r"(?i)content[_ ](?:filter|policy|management)|responsibleai|safety (?:system|policy)|flagged|moderation")
_NO_CREDIT = re.compile(
    r"(?i)insufficient[_ ](?:quota|balance|credits?|funds)|billing[_ ](?:hard|error)|exceeded your current quota|out of credits?|no credits?"
    r"|credit balance is too low"
)
_NO_MODEL = re.compile(
    r"(?i)model_?not_?found|\bmodels?\b.{0,120}(?:not found|does(?: not|n't) exist|not exist|unknown|not supported|unavailable|invalid)|(?:unknown|invalid|no such) model|deploymentnotfound|not a valid model"
    r"|^model: \S+$"
)
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+|\d+")
_LIMITS = (
    re.compile(
        r"(?i)(?:context (?:length|window|size)|maximum number of tokens(?: allowed)?|context limit|available context size)\D{0,30}?(\d[\d,]*)"
    ),
    re.compile(r"(?i)(\d[\d,]*)(?: tokens)? (?:maximum|context)"),
    re.compile(r"(?i)[>≥]\s*(\d[\d,]*)"),
)


# What an HTTP stack says of bytes that are no HTTP; whatever else it calls an error of the protocol is a lost connection.
_PROTOCOL = {
    "RemoteProtocolError",
    "LocalProtocolError",
    "BadHttpMessage",
    "BadStatusLine",
    "ClientResponseError",
    "InvalidHeader",
    "LineTooLong",
}
_NOT_HTTP = re.compile(r"(?i)illegal|invalid|malformed|bad (?:status|http|request)|too (?:large|long|many|much)|expected http|unsupported")


def missing_key(profile: Profile, withheld: bool) -> FmnbError:
    """No key; `withheld` when there is one that belongs to another host."""
    variable = profile.key_env[0] if profile.key_env else ""
    if withheld:
        return KeyMissingError(
            f"The key for {profile.label} is not sent to another address",
            seen=profile.host or profile.base_url,
            todo=f"If you trust that address, name its key variable in a [provider.NAME] table of your fmnb.toml, or run `%fm key set {profile.name}`.",
        )
    either = f"Set {' or '.join(profile.key_env)} before starting Jupyter, or run" if variable else "Run"
    return KeyMissingError(f"{profile.label} needs a key", seen="none was found", todo=f"{either} `%fm key set {profile.name}`.")


def from_status(
    profile: Profile, model: str, status: int, body: Any, headers: Mapping[str, str], secret: str = "", known: tuple[str, ...] = ()
) -> FmnbError:
    """The error that an HTTP status with its body means. `known` are models the service has, for a near name."""
    inner, text, code = _parts(body)
    text = redact(text, secret)  # before it is cut to length, or half a key would be left
    seen = f"{status}, {_short(text)}" if text else str(status)
    who = profile.label
    if looks_html(text):
        return _from_html(profile, status, text)
    if 300 <= status < 400:
        target = headers.get("location", "")
        return BadRequestError(
            f"{who} answers with a redirect, which is not followed so that no key leaves its host",
            seen=redact(f"{status} to {target.split('?')[0]}", secret),
            todo="Set base_url to the final address if you trust it.",
        )
    if status == 401 and not secret and profile.key_env:
        return missing_key(profile, withheld=any(os.environ.get(v) for v in profile.key_env))
    if status == 401 or (status == 403 and not _FILTER.search(text)):
        return KeyRefusedError(
            f"{who} does not accept the key" if status == 401 else f"{who} does not allow this with the key",
            seen=seen,
            todo=f"Check {' or '.join(profile.key_env) or 'the key'}, or run `%fm key set {profile.name}`; a key for one project may not reach every model.",
        )
    if status == 402 or (status in (400, 429) and (_NO_CREDIT.search(code) or _NO_CREDIT.search(text))):
        return RateLimitError(
            f"The account at {who} has no credit left", seen=seen, todo="Add credit there, or use another model.", retryable=False
        )
    if status == 429:
        wait = retry_after(headers)
        after = f" It asks for a wait of {wait:.0f} s." if wait else ""
        return RateLimitError(
            f"{who} limits how often it may be asked", seen=seen, todo=f"Wait, or lower the rate.{after}", retry_after=wait
        )
    if status in (400, 413, 422, 500) and (_CONTEXT.search(code) or _CONTEXT.search(text)):
        return _context(who, inner, text, seen)
    if status in (400, 403, 422) and (_FILTER.search(code) or _FILTER.search(text)):
        return ContentFilterError(
            f"{who} refused the prompt for its content", seen=seen, todo="Rephrase it, or use another model.", billed=None
        )
    if status in (400, 404, 422) and (code == "model_not_found" or _NO_MODEL.search(code) or _NO_MODEL.search(text)):
        return unknown_model(profile, model, seen, known)
    if status in (404, 405):
        return BadRequestError(
            f"Nothing answers {profile.api} requests at {profile.base_url}",
            seen=seen,
            todo="Check the base_url: it usually ends in /v1." + (" Or try --api chat." if profile.api != "chat" else ""),
        )
    if status in (408, 504):
        return CallTimeoutError(f"{who} took too long", seen=seen, todo="Try again.", billed=None, retry_after=retry_after(headers))
    if status >= 500:
        what = f"{who} is overloaded" if status == 529 else f"{who} failed"
        return ServerError(what, seen=seen, todo="Try again in a moment.", billed=None, retry_after=retry_after(headers))
    return BadRequestError(
        f"{who} refused the request",
        seen=seen,
        todo="Change or leave out what it names.",
        param=inner.get("param") if isinstance(inner.get("param"), str) else None,
        retryable=status in (409, 425),
    )


def unknown_model(profile: Profile, model: str, seen: str, known: tuple[str, ...]) -> FmnbError:
    """No model of that name at the service, with the nearest names it has."""
    near = difflib.get_close_matches(model, known, 3, 0.5)
    todo = f"Did you mean {' or '.join(near)}?" if near else f"`%fm models {profile.name}` lists what there is."
    if profile.name == "ollama":
        todo += f" To fetch it, run `ollama pull {model}` in a terminal."
    return UnknownModelError(f"{profile.label} has no model '{model}'", seen=seen, todo=todo)


# The status an error has when it comes before the stream, by the name it has inside one.
_STATUS = {
    **{"invalid_request_error": 400, "invalid_prompt": 400, "context_length_exceeded": 400, "content_filter": 400},
    **{"authentication_error": 401, "billing_error": 402, "permission_error": 403, "not_found_error": 404, "request_too_large": 413},
    **{"rate_limit_exceeded": 429, "rate_limit_error": 429, "insufficient_quota": 429},
    **{"api_error": 500, "server_error": 500, "timeout_error": 504, "overloaded_error": 529},
}


def from_stream_error(profile: Profile, model: str, error: Any, characters: int, secret: str) -> FmnbError:
    """An error that came inside a stream which had begun with 200."""
    inner = error if isinstance(error, dict) else {"message": str(error)}
    code = inner.get("code", inner.get("status"))
    known = (_STATUS[w] for k in ("code", "type") if (w := str(inner.get(k))) in _STATUS)
    status = int(code) if isinstance(code, (int, str)) and str(code).isdigit() and 400 <= int(code) < 600 else next(known, 500)
    found = from_status(profile, model, status, {"error": inner}, {}, secret)
    if isinstance(found, CallError):
        found.billed = True if characters else None
        if characters:
            found.retryable = False  # half an answer is kept, not silently replaced
    return found


def from_exception(profile: Profile, error: BaseException, characters: int | None, secret: str) -> FmnbError:
    """A connection that failed. `characters` of text had arrived, None when no answer had begun."""
    chain = list(_chain(error))
    names = {type(e).__name__ for e in chain}
    who, host = profile.label, profile.host
    began = characters is not None
    if any("Timeout" in n for n in names):
        return _timeout(profile, names, characters)
    if tls := next((e for e in chain if isinstance(e, ssl.SSLError)), None):
        if not began:
            return TLSError(
                f"The connection to {host} could not be secured",
                seen=_short(getattr(tls, "verify_message", "") or str(tls)),
                todo="Behind a proxy that opens TLS, set SSL_CERT_FILE to its certificate, and HTTPS_PROXY to its address.",
            )
    if began:
        return cut(profile, characters or 0)
    if any(isinstance(e, socket.gaierror) for e in chain):
        return ConnectionFailedError(f"The name {host} was not found", seen="DNS failure", todo="Check the address and the network.")
    if names & {"ConnectError", "ConnectionRefusedError"}:
        if any(isinstance(e, ConnectionRefusedError) for e in chain) or profile.loopback:
            return ConnectionFailedError(
                f"Nothing answers at {profile.base_url}",
                seen="connection refused",
                todo=profile.start_hint or "Check the address, and that the server is running.",
                retryable=not profile.loopback,  # a server of one's own that is off does not come back by itself
            )
        return ConnectionFailedError(
            f"No connection to {host}", seen=_short(_cause(chain)), todo="Check the network and the proxy settings."
        )
    if names & {"ProxyError"}:
        return ConnectionFailedError(
            "The proxy did not let the request through", seen=_short(redact(_cause(chain), secret)), todo="Check HTTPS_PROXY and NO_PROXY."
        )
    if names & _PROTOCOL and _NOT_HTTP.search(_cause(chain)):
        return StreamJunkError(
            f"{who} does not speak HTTP at that address",
            seen=_short(redact(_cause(chain), secret)),
            todo="Check the base_url.",
            billed=None,
        )
    return ConnectionFailedError(
        f"{who} closed the connection without an answer", seen=_short(redact(_cause(chain), secret)), todo="Try again.", billed=None
    )


def lost(profile: Profile, error: BaseException | None, secret: str) -> FmnbError:
    """The connection was lost while an answer in one piece came: nothing of it can be used."""
    chain = list(_chain(error))
    what, seen = "lost the connection in the middle of the answer", _short(redact(_cause(chain), secret)) if chain else ""
    if any("Timeout" in type(e).__name__ for e in chain):
        what, seen = "stopped in the middle of the answer", f"{profile.read_timeout:g} s of silence"
        return CallTimeoutError(f"{profile.label} {what}", seen=seen, todo="Try again.", billed=True)
    return ConnectionFailedError(f"{profile.label} {what}", seen=seen, todo="Try again.", billed=True)


def cut(profile: Profile, characters: int) -> FmnbError:
    """The connection ended before the answer did."""
    return StreamCutError(
        f"{profile.label} ended the connection in the middle of the answer",
        seen=f"{characters} characters had arrived",
        todo="`%fm continue` goes on from there." if characters else "Try again.",
        billed=True if characters else None,
        retryable=not characters,
    )


def junk(profile: Profile, what: str, characters: int, secret: str) -> FmnbError:
    """Something that is not an answer."""
    what = redact(what, secret)
    if looks_html(what):
        return _from_html(profile, 200, what)
    return StreamJunkError(
        f"{profile.label} sent something that is not an answer",
        seen=_short(what),
        todo=f"Check the base_url: it should lead to {_speaks(profile)}.",
        billed=True if characters else None,
    )


def _speaks(profile: Profile) -> str:
    return f"a service with {profile.native.title()}'s interface" if profile.api == "native" else "an OpenAI-compatible service"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (a number or a date).

    >>> retry_after({"retry-after-ms": "1500"})
    1.5
    """
    try:
        if ms := headers.get("retry-after-ms"):
            return max(0.0, float(ms) / 1000)
    except ValueError:
        pass
    given = (headers.get("retry-after") or "").strip()
    try:
        return max(0.0, float(given)) if given else None
    except ValueError:
        when = email.utils.parsedate_tz(given)
        return max(0.0, email.utils.mktime_tz(when) - time.time()) if when else None


def looks_html(text: str) -> bool:
    """Whether a body is a web page, as proxies and wrong addresses send."""
    return bool(re.match(r"(?i)\s*(?:<!doctype html|<html|<head|<\?xml)", text))


def _from_html(profile: Profile, status: int, text: str) -> FmnbError:
    title = re.search(r"(?is)<title[^>]*>(.*?)</title>", text)
    seen = f"{status}, a web page" + (f" titled '{_short(title[1])}'" if title else "")
    todo = "A proxy or a sign-in page may stand in between; check the base_url, HTTPS_PROXY and NO_PROXY."
    if status == 429 or status >= 500:
        kind = RateLimitError if status == 429 else ServerError
        return kind(f"Something in front of {profile.label} answered with a web page", seen=seen, todo=todo, billed=None)
    return StreamJunkError(f"A web page came from {profile.host} where an answer was expected", seen=seen, todo=todo)


def _timeout(profile: Profile, names: set[str], characters: int | None) -> FmnbError:
    if "ConnectTimeout" in names:
        return CallTimeoutError(
            f"No connection to {profile.host}",
            seen=f"no reply in {profile.connect_timeout:g} s",
            todo="Check the network and the proxy settings.",
        )
    if characters:
        return CallTimeoutError(
            f"{profile.label} stopped in the middle of the answer",
            seen=f"{characters} characters, then {profile.read_timeout:g} s of silence",
            todo="`%fm continue` goes on from there.",
            billed=True,
            retryable=False,
        )
    return CallTimeoutError(
        f"{profile.label} did not begin to answer",
        seen=f"{profile.read_timeout:g} s of silence",
        todo=f"Try again; a long wait is read_timeout in a [provider.{profile.name}] table of fmnb.toml.",
        billed=None,
    )


def silent(profile: Profile, seconds: float) -> FmnbError:
    """No answer to a question about models within the time allowed."""
    return CallTimeoutError(f"{profile.label} does not answer", seen=f"{seconds:g} s of silence", todo="Check the address, or try again.")


def _context(who: str, inner: dict[str, Any], text: str, seen: str) -> FmnbError:
    limit, wanted = _int(inner.get("n_ctx")), _int(inner.get("n_prompt_tokens"))  # llama.cpp states both
    if limit is None or wanted is None:
        limit, wanted = _limit_and_wanted(text)
    if limit and wanted and wanted > limit:
        what = f"Too long for the model by {wanted - limit:,} tokens"
        seen = f"{wanted:,} asked, {limit:,} fit"
    else:
        what = f"Too long for the model, says {who}"
    return ContextTooLongError(
        what, seen=seen, todo="Shorten the prompt, attach less, lower --max-tokens, or use a model with a longer context."
    )


def _limit_and_wanted(text: str) -> tuple[int | None, int | None]:
    for pattern in _LIMITS:
        if found := pattern.search(text):
            limit = int(found[1].replace(",", ""))
            more = [n for m in _NUMBER.findall(text) if limit < (n := int(m.replace(",", ""))) < limit * 1000]
            if limit >= 16:
                return limit, max(more, default=None)
    return None, None


def _parts(body: Any) -> tuple[dict[str, Any], str, str]:
    """The error object, its message, and its code or type as text."""
    if isinstance(body, (str, bytes)):
        return {}, body if isinstance(body, str) else body.decode("utf-8", "replace"), ""
    if isinstance(body, list) and body:  # Gemini wraps it in a list
        body = body[0]
    if not isinstance(body, dict):
        return {}, "", ""
    inner = body.get("error", body)
    if not isinstance(inner, dict):
        return body, str(inner), str(body.get("code") or "")
    text = inner.get("message") or inner.get("detail") or body.get("message") or body.get("detail") or ""
    if not isinstance(text, str):
        text = json.dumps(text, default=str)
    meta = inner.get("metadata")
    if isinstance(meta, dict) and isinstance(meta.get("raw"), str):  # OpenRouter: what the service behind it said
        text = f"{text}: {meta['raw']}"
    return inner, text, f"{inner.get('code') or ''} {inner.get('type') or ''}".strip()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    todo = [error]
    while todo:
        e = todo.pop()
        if e is None or id(e) in seen:
            continue
        seen.add(id(e))
        yield e
        todo += [e.__context__, e.__cause__, *getattr(e, "exceptions", ())]


def _cause(chain: list[BaseException]) -> str:
    """The innermost words."""
    return next((str(e) for e in reversed(chain) if str(e)), type(chain[-1]).__name__)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 300 else flat[:297] + "..."


def _int(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
