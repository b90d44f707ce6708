"""Sends image requests, and downloads images by URL.

Downloads come only from the profile's `image_hosts`, without a key.
"""

from __future__ import annotations

import fnmatch
from typing import Any
from urllib.parse import urlsplit

from ...config import keys
from ...core import media
from ...core.errors import CallError, FmnbError, redact
from ..http import client, connection_errors, rejected_option
from ..http import errors as faults
from ..profiles import Profile
from ..wire import base as wire

MAX_BYTES = 300_000_000  # maximum bytes of an image or video
_REQUIRED = ("prompt", "image", "image_url", "reference_images", "response_format")  # options that a request requires


class OptionRejected(Exception):
    """The service refused one named option of the body."""

    def __init__(self, option: str):
        self.option = option


async def post(
    p: Profile, model: str, url: str, body: dict[str, Any], secret: str, *, files: list[Any] | None = None, drop_option: bool = False
) -> dict[str, Any]:
    """Send a request; returns the JSON object of the response.

    Raises the errors of a call, and OptionRefused if `drop_option` is set.
    """
    sender, options = await client.connect(p, secret)
    import httpx2

    try:
        if files:
            form = options | {"headers": options["headers"] | {"Content-Type": "multipart/form-data"}}
            response = await sender.post(url, cast_to=httpx2.Response, body=body, files=files, options=form)
        else:
            response = await sender.post(url, cast_to=httpx2.Response, content=wire.encode(body), options=options)
    except Exception as e:
        if drop_option and getattr(e, "status_code", None) in (400, 422):
            option = rejected_option.rejected_option(body, client.body_of(e.response))  # type: ignore[attr-defined]
            if option and option not in _REQUIRED:
                raise OptionRejected(option) from None
        raise error_from(p, model, e, secret) from None
    document = client.body_of(response)
    if not isinstance(document, dict):
        raise faults.unexpected_response(p, response.text, 0, secret)
    return document


def error_from(p: Profile, model: str, e: Exception, secret: str) -> FmnbError:
    """The error of a failed image request."""
    error = client.error_from(p, model, e, secret, p.models if not p.local else ())
    error.message = error.message.replace("Nothing answers chat requests", "Nothing answers image requests")
    return error


async def fetch(p: Profile, url: str) -> bytes:
    """Download from a URL of a service: from allowed hosts only, without a key or redirects."""
    parts = urlsplit(url)
    shown = redact(url, *keys.used())  # the service chose the address: it may repeat a key
    host = parts.hostname or ""
    secure = parts.scheme == "https" or (p.loopback and parts.scheme == "http" and host == p.host)
    if not secure or not any(fnmatch.fnmatchcase(host, pattern) for pattern in (*p.image_hosts, p.host)):
        raise CallError(
            f"{p.label} returned an image URL of a host that is not allowed",
            detail=shown,
            hint=f"If you trust that host, add it to image_hosts in a [provider.{p.name}] table of fmnb.toml.",
            billed=True,
        )
    import httpx2

    data = bytearray()
    timeout = httpx2.Timeout(p.read_timeout, connect=p.connect_timeout)
    try:
        transport = httpx2.AsyncHTTPTransport() if p.loopback else None
        async with (
            httpx2.AsyncClient(timeout=timeout, follow_redirects=False, transport=transport, headers={"User-Agent": "fmnb"}) as plain,
            plain.stream("GET", url) as response,
        ):
            if response.status_code != 200:
                raise CallError(
                    f"{p.label} generated the image but did not deliver it",
                    detail=f"{response.status_code} from {shown}",
                    hint="Open that address soon, since it may expire; a second request is billed again.",
                    billed=True,
                )
            async for block in response.aiter_bytes():
                data += block
                if len(data) > MAX_BYTES:
                    raise CallError(
                        f"{p.label} sent more data than an image or video may have",
                        detail=f"over {media.format_size(MAX_BYTES)}",
                        billed=True,
                    )
    except Exception as e:
        if isinstance(e, FmnbError) or not client.is_transport(e):
            raise
        error = connection_errors.from_exception(p, e, 0, "")
        error.hint = f"{error.hint} The image is at {shown}".strip()
        error.billed, error.retryable = True, False  # the image was billed; a retry would buy another
        raise error from None
    return bytes(data)
