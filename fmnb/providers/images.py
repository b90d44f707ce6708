"""Pictures and videos from a service: which models make them, and what all of those services share.

    makes(profile, model)  ─►  stream(profile, model, request)  ─►  Progress*, Media+, Used, Finished

How a service is spoken to is one of `ways`: images_openai, images_gemini, images_huggingface,
images_runway. A picture that comes as an address is fetched at once, from the profile's
`image_hosts` alone, and no key travels there.
"""

from __future__ import annotations

import base64
import dataclasses
import fnmatch
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from .. import _imaging, _media
from .._imaging import Wanted
from .._loop import aclose
from .._names import load
from .._routing import check_routing
from ..errors import CallError, ContentFilterError, EmptyAnswerError, FmnbError, UsageError
from ..events import Event, Finished, Media, Notice, Used
from ..types import Image, ModelCard, Request, Usage
from . import client, connections, faults, picture_prices, prices, refusals, wire
from .profiles import Profile

WAYS = {way: f"fmnb.providers.images_{way}:stream" for way in ("openai", "gemini", "huggingface", "runway")}
LARGEST = 300_000_000  # bytes of one picture or video; more is no answer
_NEEDED = ("prompt", "image", "image_url", "reference_images", "response_format")  # no request without them
_SEEDED = ("huggingface",)  # ways on which a seed decides the picture, whatever the profile's fields say


def makes(p: Profile, model: str) -> tuple[str, ...]:
    """What that model of the service makes instead of text: ("image",), ("video",), or ().

    >>> makes(Profile("p", image_api="openai", image_models=("gpt-image*",)), "gpt-image-2")
    ('image',)
    """
    if not p.image_api:
        return ()
    name = model.lower().removeprefix("models/")
    for kind, patterns in (("image", p.image_models), ("video", p.video_models)):
        if any(fnmatch.fnmatchcase(name, pattern.lower()) for pattern in patterns):
            return (kind,)
    return ()


def card(p: Profile, model: str, plain: ModelCard) -> ModelCard:
    """The card of a model that makes pictures, from what its card says otherwise."""
    out = makes(p, model)
    if not out:
        return plain
    takes = ("text", "image") if p.image_edits or p.image_api in ("gemini", "runway", "huggingface") else ("text",)
    return dataclasses.replace(plain, outputs=out, inputs=takes, price_out=picture_prices.per_million(p, model))


def seeded(p: Profile, model: str, request: Request) -> bool:
    """Whether the same request gives the same picture."""
    return request.seed is not None and ("seed" in p.image_fields or p.image_api in _SEEDED)


async def stream(p: Profile, model: str, request: Request) -> AsyncGenerator[Event, None]:
    """Make what the request asks for. Raises UsageError for a plain question: these models write no text."""
    if request.format != "image":
        kind = "videos" if "video" in makes(p, model) else "pictures"
        raise UsageError(
            f"{p.name}:{model} makes {kind} and answers no questions", todo='Add -f image (format="image"), or name a model that writes.'
        )
    check_routing(request.extra)
    asked = _imaging.wanted(request)
    for name in (*asked.lost, *(n for n in ("api", "quant", "dtype") if getattr(request, n))):
        yield Notice(kind="not_applied", text=name)
    events: AsyncIterator[Event] = load(WAYS[p.image_api])(p, model, asked)
    try:
        async for event in events:
            yield event
    except ContentFilterError as e:
        if p.image_api != "runway":  # a prompt that is refused beforehand costs nothing there
            e.billed = False
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as e:  # fields of other kinds than the interface has
        raise faults.junk(p, f"an answer of another form: {type(e).__name__}: {e}", 1, "") from e
    finally:
        await aclose(events)


class Refused(Exception):
    """The service names one option of the body that it does not take."""

    def __init__(self, option: str):
        self.option = option


async def post(
    p: Profile, model: str, url: str, body: dict[str, Any], secret: str, *, files: list[Any] | None = None, mend: bool = False
) -> dict[str, Any]:
    """The JSON object that the service answers with. Raises the errors of a call, and with `mend` Refused."""
    sender, options = await client.connect(p, secret)
    import httpx2

    try:
        if files:
            form = options | {"headers": options["headers"] | {"Content-Type": "multipart/form-data"}}
            response = await sender.post(url, cast_to=httpx2.Response, body=body, files=files, options=form)
        else:
            response = await sender.post(url, cast_to=httpx2.Response, content=wire.encode(body), options=options)
    except Exception as e:
        if mend and getattr(e, "status_code", None) in (400, 422):
            option = refusals.refused_option(body, client.body(e.response))  # type: ignore[attr-defined]
            if option and option not in _NEEDED:
                raise Refused(option) from None
        raise fault(p, model, e, secret) from None
    document = client.body(response)
    if not isinstance(document, dict):
        raise faults.junk(p, response.text, 0, secret)
    return document


def fault(p: Profile, model: str, e: Exception, secret: str) -> FmnbError:
    """A failed exchange about pictures, in words that fit."""
    found = client.fault(p, model, e, secret, p.models if not p.local else ())
    found.what = found.what.replace("Nothing answers chat requests", "Nothing answers requests for pictures")
    return found


async def fetch(p: Profile, url: str) -> bytes:
    """The bytes behind an address that a service gave: from an allowed host, without a key, following nothing."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https" or (p.loopback and parts.scheme == "http" and host == p.host)
    if not secure or not any(fnmatch.fnmatchcase(host, pattern) for pattern in (*p.image_hosts, p.host)):
        raise CallError(
            f"{p.label} put the picture where it is not fetched from",
            seen=f"{parts.scheme}://{host}",
            todo=f"If you trust that host, add it to image_hosts in a [provider.{p.name}] table of fmnb.toml.",
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
                    f"{p.label} made the picture and does not hand it out",
                    seen=f"{response.status_code} from {host}",
                    todo="Try again.",
                    billed=True,
                )
            async for block in response.aiter_bytes():
                data += block
                if len(data) > LARGEST:
                    raise CallError(f"{p.label} sent more than a picture or video", seen=f"over {_media.amount(LARGEST)}", billed=True)
    except Exception as e:
        if isinstance(e, FmnbError) or not client.is_transport(e):
            raise
        error = connections.from_exception(p, e, 0, "")
        error.billed, error.retryable = True, False  # the picture is paid for; asking again would buy another
        raise error from None
    return bytes(data)


def media(p: Profile, model: str, asked: Wanted, data: bytes, *, claimed: str = "") -> Media:
    """The event of one picture or video; raises StreamJunkError for bytes that are neither."""
    kind = _media.sniff(data)
    if not kind and claimed == "svg":
        kind = "image/svg+xml"  # can be saved; is never shown, since it can act
    if not kind:
        raise faults.junk(p, f"{_media.amount(len(data))} that are neither a picture nor a video", 1, "")
    name = f"{model.rpartition('/')[2]}{_media.suffix(kind)}"
    return Media(data=data, media_type=kind, alt=_media.alt_text(f"{p.name}:{model}", asked.prompt), name=name)


def uri(image: Image) -> str:
    """A picture as an address that holds it."""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode('ascii')}"


def not_acted_on(asked: Wanted, known: set[str]) -> list[Notice]:
    """A notice for each shared option that was said and is not among the `known`."""
    return [Notice(kind="not_applied", text=name) for name in asked.said() if name not in known]


async def ending(
    p: Profile, model: str, asked: Wanted, made: list[Media], usage: Usage | None, pictured: tuple[int, int] | None = None, **extra: Any
) -> AsyncIterator[Event]:
    """Used and Finished. `pictured` are the tokens of input and output that were pictures, which have prices of their own."""
    if not made:
        raise EmptyAnswerError(f"{p.label} answered with no picture", todo="Ask again, or rephrase.", billed=None)
    usage = usage or Usage()
    if usage.cost is None and not p.local and p.prices:
        await prices.load()
    usage = dataclasses.replace(usage, cost=picture_prices.cost(p, model, usage, pictured))
    yield Used(usage=usage)
    seed = {} if asked.seed is None else {"seed": asked.seed}
    yield Finished(model=model, extra=_imaging.made(data=made[0].data, **seed, **extra))
