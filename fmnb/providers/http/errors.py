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
import time
from collections.abc import Mapping
from typing import Any

from ...core.errors import (
    AuthenticationError,
    BadRequestError,
    CallTimeoutError,
    ContentFilterError,
    ContextTooLongError,
    EmptyAnswerError,
    FmnbError,
    KeyMissingError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
    UnexpectedResponseError,
    UnknownModelError,
    redact,
)
from ..profiles import Profile
from . import error_codes

_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+|\d+")
_LIMITS = (
    re.compile(
        r"(?i)(?:context (?:length|window|size)|maximum number of tokens(?: allowed)?|context limit|available context size)\D{0,30}?(\d[\d,]*)"
    ),
    re.compile(r"(?i)(\d[\d,]*)(?: tokens)? (?:maximum|context)"),
    re.compile(r"(?i)[>≥]\s*(\d[\d,]*)"),
)


def missing_key(profile: Profile, withheld: bool) -> FmnbError:
    """No key; `withheld` when there is one that belongs to another host."""
    variable = profile.key_env[0] if profile.key_env else ""
    if withheld:
        return KeyMissingError(
            f"The key for {profile.label} is not sent to another address",
            detail=profile.host or profile.base_url,
            hint=f"If you trust that address, name its key variable in a [provider.NAME] table of your fmnb.toml, or run `%fm key set {profile.name}`.",
        )
    either = f"Set {' or '.join(profile.key_env)} before starting Jupyter, or run" if variable else "Run"
    return KeyMissingError(f"{profile.label} needs a key", detail="none was found", hint=f"{either} `%fm key set {profile.name}`.")


def from_status(
    profile: Profile,
    model: str,
    status: int,
    body: Any,
    headers: Mapping[str, str],
    secret: str = "",
    known: tuple[str, ...] = (),
    *,
    sent: bool = True,
    characters: int = 0,
) -> FmnbError:
    """The error for an HTTP status and its body.

    `known` are models of the service, to suggest similar names. Of an error inside an answer the
    status may be ours: it was not `sent` then, and is not shown; `characters` of text had come.
    """
    inner, text, code = _parts(body)
    text = redact(text, secret)  # before it is cut to length, or half a key would be left
    number = str(status) if sent else ""
    seen = ", ".join(filter(None, (number, short(text)))) or code
    who = profile.label
    if looks_html(text):
        return _from_html(profile, status, text)
    if 300 <= status < 400:
        target = headers.get("location", "")
        return BadRequestError(
            f"{who} answers with a redirect, which is not followed so that no key leaves its host",
            detail=redact(f"{status} to {target.split('?')[0]}", secret),
            hint="Set base_url to the final address if you trust it.",
        )
    if status == 401 and not secret and profile.key_env:
        return missing_key(profile, withheld=any(os.environ.get(v) for v in profile.key_env))
    if status == 401 or (status == 403 and not error_codes.FILTER.search(text)):
        return AuthenticationError(
            f"{who} does not accept the key" if status == 401 else f"{who} does not allow this with the key",
            detail=seen,
            hint=f"Check {' or '.join(profile.key_env) or 'the key'}, or run `%fm key set {profile.name}`; a key for one project may not reach every model.",
        )
    if status == 402 or (status in (400, 429) and (error_codes.NO_CREDIT.search(code) or error_codes.NO_CREDIT.search(text))):
        return RateLimitError(
            f"The account at {who} has no credit left", detail=seen, hint="Add credit there, or use another model.", retryable=False
        )
    if status == 429:
        wait = retry_after(headers)
        after = f" It asks for a wait of {wait:.0f} s." if wait else ""
        return RateLimitError(
            f"{who} limits how often it may be asked", detail=seen, hint=f"Wait, or lower the rate.{after}", retry_after=wait
        )
    if status in (400, 413, 422, 500) and (error_codes.CONTEXT.search(code) or error_codes.CONTEXT.search(text)):
        return _context(who, inner, text, seen)
    if status in (400, 422, 500) and (error_codes.reached_the_limit(code) or error_codes.reached_the_limit(text)):
        return _limit(who, seen, characters)
    if status in (400, 403, 422, 500) and (error_codes.FILTER.search(code) or error_codes.FILTER.search(text)):
        what = f"{who} withheld the rest of the answer" if characters else f"{who} refused the prompt for its content"
        return ContentFilterError(what, detail=seen, hint="Rephrase it, or use another model.", billed=None)
    if status in (400, 404, 422) and (code == "model_not_found" or error_codes.NO_MODEL.search(code) or error_codes.NO_MODEL.search(text)):
        return unknown_model(profile, model, seen, known)
    if status in (404, 405) and sent:
        return BadRequestError(
            f"Nothing answers {profile.api} requests at {profile.base_url}",
            detail=seen,
            hint="Check the base_url: it usually ends in /v1." + (" Or try --api chat." if profile.api != "chat" else ""),
        )
    if status == 501 or (status >= 500 and (error_codes.cannot(text) or error_codes.cannot(code))):
        return _cannot(profile, text, seen)
    if status in (408, 504):
        return CallTimeoutError(f"{who} took too long", detail=seen, hint="Try again.", billed=None, retry_after=retry_after(headers))
    if status >= 500:
        overloaded = status == 529 or error_codes.OVERLOADED.search(f"{code} {text}")
        what = f"{who} is overloaded" if overloaded else f"{who} failed"
        return ServerError(what, detail=seen, hint="Try again in a moment.", billed=None, retry_after=retry_after(headers))
    if not sent and error_codes.cannot(text):
        return _cannot(profile, text, seen)
    return BadRequestError(
        f"{who} refused the request",
        detail=seen,
        hint="Change or leave out what it names.",
        param=inner.get("param") if isinstance(inner.get("param"), str) else None,
        retryable=status in (409, 425),
    )


def _limit(who: str, seen: str, characters: int) -> FmnbError:
    """The answer had all the tokens it was allowed before it was complete."""
    what = f"{who} reached the token limit before the answer was complete"
    kind = StreamInterruptedError if characters else EmptyAnswerError
    return kind(what, detail=seen, hint="Raise --max-tokens.", billed=True)


def _cannot(profile: Profile, text: str, seen: str) -> FmnbError:
    """What the server cannot do, with this model or as it was started."""
    who, words = profile.label, text.lower()
    what, todo = f"{who} cannot do this", "Change or leave out what it names, or use another model."
    llama = profile.name == "llamacpp"
    if re.search(r"image|vision|multimodal|mmproj|\baudio\b|\bvideo\b", words):
        kind = next((k for k in ("audio", "video") if re.search(rf"\b{k}\b", words) and "image" not in words), "image")
        what = f"{who} takes no {kind}{'s' if kind == 'image' else ''} with this model"
        todo = "Use a model that can see" if kind == "image" else f"Use a model that takes {kind}"
        todo += ", or start the server with the model's projector: --mmproj FILE." if llama else ", or leave it out."
    elif "embed" in words:
        what, todo = f"{who} makes no vectors with this model", "Use a model for embeddings"
        todo += ", and start the server with --embeddings." if llama else ": `%fm models embed` lists some."
    elif "jinja" in words or "template" in words or "roles must alternate" in words:
        what, todo = f"{who} cannot put this conversation into the model's form", "Change what its words name, or use another model."
    return BadRequestError(what, detail=seen, hint=todo)


def unknown_model(profile: Profile, model: str, seen: str, known: tuple[str, ...]) -> FmnbError:
    """No model of that name at the service, with the nearest names it has."""
    near = difflib.get_close_matches(model, known, 3, 0.5)
    todo = f"Did you mean {' or '.join(near)}?" if near else f"`%fm models {profile.name}` lists what there is."
    if profile.name == "ollama":
        todo += f" To fetch it, run `ollama pull {model}` in a terminal."
    return UnknownModelError(f"{profile.label} has no model '{model}'", detail=seen, hint=todo)


def unexpected_response(profile: Profile, what: str, characters: int, secret: str) -> FmnbError:
    """Something that is not an answer."""
    what = redact(what, secret)
    if looks_html(what):
        return _from_html(profile, 200, what)
    return UnexpectedResponseError(
        f"{profile.label} sent something that is not an answer",
        detail=short(what),
        hint=f"Check the base_url: it should lead to {_speaks(profile)}.",
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
    seen = f"{status}, a web page" + (f" titled '{short(title[1])}'" if title else "")
    todo = "A proxy or a sign-in page may stand in between; check the base_url, HTTPS_PROXY and NO_PROXY."
    if status == 429 or status >= 500:
        kind = RateLimitError if status == 429 else ServerError
        return kind(f"Something in front of {profile.label} answered with a web page", detail=seen, hint=todo, billed=None)
    return UnexpectedResponseError(f"A web page came from {profile.host} where an answer was expected", detail=seen, hint=todo)


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
        what, detail=seen, hint="Shorten the prompt, attach less, lower --max-tokens, or use a model with a longer context."
    )


def _limit_and_wanted(text: str) -> tuple[int | None, int | None]:
    for pattern in _LIMITS:
        if found := pattern.search(text):
            limit = int(found[1].replace(",", ""))
            more = [n for m in _NUMBER.findall(text) if limit < (n := int(m.replace(",", ""))) < limit * 1000]
            if limit >= 16:
                return limit, max(more, default=None)
    return None, None


def message_of(error: Any) -> str:
    """The message of an error's document."""
    return _parts(error)[1]


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


def short(text: str) -> str:
    """On one line, and not too long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= 300 else flat[:297] + "..."


def _int(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
