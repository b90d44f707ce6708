"""Converts HTTP errors of services to fmnb's errors, with message, detail and hint.

Reads status, body and headers; sends nothing. Whether an error can be retried is a property of the
error.
"""

from __future__ import annotations

import difflib
import email.utils
import json
import math
import os
import re
import time
from collections.abc import Mapping
from typing import Any

from ...config import keys
from ...config.environment import set_here
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
    alternatives,
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
    """The error for a missing key; `withheld` if there is a key, but for another host."""
    variable = profile.key_env[0] if profile.key_env else ""
    set_by_cell = any(os.environ.get(v) and set_here(v) for v in profile.base_url_env)
    address = f"{profile.address or profile.shown_url}{', which a cell set' if set_by_cell else ''}"
    if set_by_cell:  # nobody is asked to give a key to it
        hint = f"Set {alternatives(profile.base_url_env)} before Jupyter starts if you trust that address."
    elif withheld:
        hint = f"If you trust that address, name its key variable in a [provider.NAME] table of your fmnb.toml, or run `%fm key set {profile.name}`."
    else:
        either = f"Set {alternatives(profile.key_env)} before starting Jupyter, or run" if variable else "Run"
        hint = f"{either} `%fm key set {profile.name}`, or use the sidebar's Keys tab."
    if withheld:
        return KeyMissingError(f"The key for {profile.label} is not sent to another address", detail=address, hint=hint)
    return KeyMissingError(
        f"{profile.label} needs a key", detail=f"none was found for {address}" if set_by_cell else "none was found", hint=hint
    )


def from_status(
    profile: Profile,
    model: str,
    status: int,
    body: Any,
    headers: Mapping[str, str],
    secret: str = "",
    known_models: tuple[str, ...] = (),
    *,
    sent: bool = True,
    characters: int = 0,
) -> FmnbError:
    """The error for an HTTP status and its body.

    `known_models` are models of the service, to suggest similar names. Of an error inside an answer the
    status may be ours: it was not `sent` then, and is not shown; `characters` of text had come.
    """
    inner, text, code = _error_parts(body)
    text = redact(text, secret)  # before it is shortened, or half a key would remain
    number = str(status) if sent else ""
    detail = ", ".join(filter(None, (number, shorten(text)))) or code
    who = profile.label
    if looks_html(text):
        return _html_error(profile, status, text, retry_after(headers))
    if 300 <= status < 400:
        target = headers.get("location", "")
        return BadRequestError(
            f"{who} responded with a redirect, which is not followed so that no key leaves its host",
            detail=redact(f"{status} to {target.split('?')[0]}", secret),
            hint="Set base_url to the final address if you trust it.",
        )
    if status == 401 and not secret and profile.key_env:
        in_keyring = keys.is_cached(profile.name) and keys.stored(profile.name)  # a keyring may wait: not on the event loop
        return missing_key(profile, withheld=in_keyring or any(os.environ.get(v) for v in profile.key_env))
    if status == 401 or (status == 403 and not error_codes.FILTER.search(text)):
        return AuthenticationError(
            f"{who} rejected the key" if status == 401 else f"{who} does not permit this with the key",
            detail=detail,
            hint=f"Check {alternatives(profile.key_env) or 'the key'}, or set it anew with `%fm key set {profile.name}` or in the sidebar's Keys tab; a project's key may not have access to every model.",
        )
    if status == 402 or (status in (400, 429) and (error_codes.NO_CREDIT.search(code) or error_codes.NO_CREDIT.search(text))):
        return RateLimitError(
            f"The account at {who} has no credit left", detail=detail, hint="Add credit there, or use another model.", retryable=False
        )
    if status == 429:
        wait = retry_after(headers)
        after = f" The service asks to wait {max(1, math.ceil(wait))} s." if wait else ""
        return RateLimitError(
            f"{who} rate limit reached" + (" (HTTP 429)" if sent else ""),
            detail=detail,
            hint=f"Wait, or lower the rate.{after}",
            retry_after=wait,
        )
    if status in (400, 413, 422, 500) and (error_codes.CONTEXT.search(code) or error_codes.CONTEXT.search(text)):
        return _context_error(who, inner, text, detail)
    if status in (400, 422, 500) and (error_codes.is_token_limit(code) or error_codes.is_token_limit(text)):
        return _token_limit_error(who, detail, characters)
    if status in (400, 403, 422, 500) and (error_codes.FILTER.search(code) or error_codes.FILTER.search(text)):
        message = f"{who} filtered the rest of the answer" if characters else f"{who} rejected the prompt because of its content"
        return ContentFilterError(message, detail=detail, hint="Rephrase it, or use another model.", billed=None)
    if status in (400, 404, 422) and (code == "model_not_found" or error_codes.NO_MODEL.search(code) or error_codes.NO_MODEL.search(text)):
        return unknown_model(profile, model, detail, known_models)
    if status in (404, 405) and sent:
        return BadRequestError(
            f"Nothing answers {profile.api} requests at {profile.shown_url}",
            detail=detail,
            hint="Check the base_url: it usually ends in /v1." + (" Or try --api chat." if profile.api != "chat" else ""),
        )
    if status == 501 or (status >= 500 and (error_codes.is_unsupported(text) or error_codes.is_unsupported(code))):
        return _unsupported_error(profile, text, detail)
    if status in (408, 504):
        return CallTimeoutError(f"{who} took too long", detail=detail, hint="Try again.", billed=None, retry_after=retry_after(headers))
    if status >= 500:
        overloaded = status == 529 or error_codes.OVERLOADED.search(f"{code} {text}")
        message = f"{who} is overloaded" if overloaded else f"{who} failed"
        return ServerError(message, detail=detail, hint="Try again in a moment.", billed=None, retry_after=retry_after(headers))
    if not sent and error_codes.is_unsupported(text):
        return _unsupported_error(profile, text, detail)
    return BadRequestError(
        f"{who} rejected the request",
        detail=detail,
        hint="Change or remove what it names.",
        param=redact(inner["param"], secret) if isinstance(inner.get("param"), str) else None,
        retryable=status in (409, 425),
    )


def _token_limit_error(who: str, detail: str, characters: int) -> FmnbError:
    """The error of an answer that reached its token limit before it was complete."""
    message = f"{who} reached the token limit before the answer was complete"
    kind = StreamInterruptedError if characters else EmptyAnswerError
    return kind(message, detail=detail, hint="Raise --max-tokens.", billed=True)


def _unsupported_error(profile: Profile, text: str, detail: str) -> FmnbError:
    """The error for a feature that the server does not support, with this model or its start options."""
    who, lowered = profile.label, text.lower()
    message, hint = f"{who} cannot do this", "Change or remove what it names, or use another model."
    llama = profile.name == "llamacpp"
    if re.search(r"image|vision|multimodal|mmproj|\baudio\b|\bvideo\b", lowered):
        kind = next((k for k in ("audio", "video") if re.search(rf"\b{k}\b", lowered) and "image" not in lowered), "image")
        message = f"{who} does not accept {kind}{'s' if kind == 'image' else ''} with this model"
        hint = "Use a vision model" if kind == "image" else f"Use a model that accepts {kind}"
        hint += ", or start the server with the model's projector: --mmproj FILE." if llama else ", or leave it out."
    elif "embed" in lowered:
        message, hint = f"{who} has no embeddings with this model", "Use an embedding model"
        hint += ", and start the server with --embeddings." if llama else ": `%fm models embed` lists some."
    elif "jinja" in lowered or "template" in lowered or "roles must alternate" in lowered:
        message, hint = (
            f"{who} cannot apply the model's chat template to this conversation",
            "Change what the message names, or use another model.",
        )
    return BadRequestError(message, detail=detail, hint=hint)


def unknown_model(profile: Profile, model: str, detail: str, known_models: tuple[str, ...]) -> FmnbError:
    """The error for an unknown model, with similar names of the service."""
    near = difflib.get_close_matches(model, known_models, 3, 0.5)
    hint = f"Did you mean {alternatives(near)}?" if near else f"`%fm models {profile.name}` lists its models."
    if profile.name == "ollama":
        hint += f" To download it, run `ollama pull {model}` in a terminal."
    return UnknownModelError(f"{profile.label} has no model '{model}'", detail=detail, hint=hint)


def unexpected_response(profile: Profile, text: str, characters: int, secret: str) -> FmnbError:
    """The error for a response that is not an answer."""
    text = redact(text, secret)
    if looks_html(text):
        return _html_error(profile, 200, text)
    return UnexpectedResponseError(
        f"{profile.label} returned something that is not an answer",
        detail=shorten(text),
        hint=f"Check the base_url: it should lead to {_expected_interface(profile)}.",
        billed=True if characters else None,
    )


def _expected_interface(profile: Profile) -> str:
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
    value = (headers.get("retry-after") or "").strip()
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        date = email.utils.parsedate_tz(value)
        return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None


def looks_html(text: str) -> bool:
    """Whether a body is a web page, as proxies and wrong addresses return."""
    return bool(re.match(r"(?i)\s*(?:<!doctype html|<html|<head|<\?xml)", text))


def _html_error(profile: Profile, status: int, text: str, wait: float | None = None) -> FmnbError:
    title = re.search(r"(?is)<title[^>]*>(.*?)</title>", text)
    detail = f"{status}, a web page" + (f" titled '{shorten(title[1])}'" if title else "")
    hint = "There may be a proxy or a sign-in page in between; check the base_url, HTTPS_PROXY and NO_PROXY."
    if status == 429 or status >= 500:
        kind = RateLimitError if status == 429 else ServerError
        return kind(
            f"A proxy or gateway before {profile.label} returned a web page", detail=detail, hint=hint, billed=None, retry_after=wait
        )
    return UnexpectedResponseError(f"{profile.host} returned a web page instead of an answer", detail=detail, hint=hint)


def _context_error(who: str, inner: dict[str, Any], text: str, detail: str) -> FmnbError:
    limit, requested = _int(inner.get("n_ctx")), _int(inner.get("n_prompt_tokens"))  # llama.cpp states both
    if limit is None or requested is None:
        limit, requested = _limit_and_requested(text)
    if limit and requested and requested > limit:
        message = f"The request exceeds the context window by {requested - limit:,} tokens"
        detail = f"{requested:,} requested, {limit:,} fit"
    else:
        message = f"{who} reports that the request exceeds the context window"
    return ContextTooLongError(
        message, detail=detail, hint="Shorten the prompt, attach less, lower --max-tokens, or use a model with a larger context window."
    )


def _limit_and_requested(text: str) -> tuple[int | None, int | None]:
    for pattern in _LIMITS:
        if match := pattern.search(text):
            limit = int(match[1].replace(",", ""))
            more = [n for m in _NUMBER.findall(text) if limit < (n := int(m.replace(",", ""))) < limit * 1000]
            if limit >= 16:
                return limit, max(more, default=None)
    return None, None


def message_of(error: Any) -> str:
    """The message of an error's document."""
    return _error_parts(error)[1]


def _error_parts(body: Any) -> tuple[dict[str, Any], str, str]:
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
    if isinstance(meta, dict) and isinstance(meta.get("raw"), str):  # OpenRouter: the message of the underlying service
        text = f"{text}: {meta['raw']}"
    return inner, text, f"{inner.get('code') or ''} {inner.get('type') or ''}".strip()


def shorten(text: str) -> str:
    """The text on one line, with at most 300 characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= 300 else flat[:297] + "..."


def _int(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
