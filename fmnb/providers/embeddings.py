"""Vectors of texts from services with OpenAI's embeddings interface.

They are requested as plain numbers: the client's default (base64 of 32-bit floats) is misread from
servers with another width. Only services known to support it are asked for base64, a quarter of the
bytes.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from typing import Any

from ..core.backend import Vectors
from ..core.errors import FmnbError, UnexpectedResponseError, UsageError
from ..core.events import Event, Notice, UsageReported
from ..core.types import Usage
from . import prices
from .http import client
from .http import errors as faults
from .http.rejected_option import rejected_option
from .http.stream_errors import from_stream_error
from .profiles import Profile, endpoint
from .wire.select import pick, through

BATCH = 96  # texts per request: the lowest limit of the known services


async def embed(
    p: Profile, model: str, texts: Sequence[str], quant: str = "", dimensions: int | None = None
) -> AsyncIterator[Event | Vectors]:
    """One request for at most `BATCH` texts.

    Raises the errors of a call, and UnexpectedResponseError for invalid vectors.
    """
    if not p.embeds:
        raise UsageError(
            f"{p.label} has no embeddings", hint="`%fm models embed` lists embedding models; without a model name, a local one is used."
        )
    if quant:
        yield Notice(kind="not_applied", text="quant")
    p = through(p, pick(p, model, "chat"))
    secret = await client.secret(p)
    sender, options = await client.connect(p, secret)
    body: dict[str, Any] = {"model": model, "input": list(texts), "encoding_format": "base64" if p.base64_vectors else "float"}
    if dimensions is not None:
        body["dimensions"] = dimensions
    import httpx2

    while True:
        try:
            response = await sender.post(endpoint(p, "/embeddings", model), cast_to=httpx2.Response, body=body, options=options)
            break
        except Exception as e:
            status = getattr(e, "status_code", None)
            if status not in (400, 422) or rejected_option(body, client.body_of(e.response)) != "encoding_format":  # type: ignore[attr-defined]
                raise _error_from(p, model, e, secret) from None
            del body["encoding_format"]  # the response then has plain numbers
    document = client.body_of(response)
    if isinstance(document, dict) and document.get("error"):  # some send errors with status 200
        raise from_stream_error(p, model, document["error"], 0, secret)
    values = _read_vectors(p, document, len(texts), response.text, secret)
    usage = u if isinstance(u := document.get("usage"), dict) else {}
    tokens = usage.get("prompt_tokens") or usage.get("total_tokens") or usage.get("input_tokens")
    if p.prices and not p.local:
        await prices.load()
    counted = Usage(input_tokens=tokens if isinstance(tokens, int) else None, output_tokens=0)
    yield UsageReported(
        usage=Usage(
            counted.input_tokens, 0, cost=usage["cost"] if isinstance(usage.get("cost"), (int, float)) else prices.cost(p, model, counted)
        )
    )
    yield Vectors(tuple(range(len(texts))), values)


def _error_from(p: Profile, model: str, e: Exception, secret: str) -> FmnbError:
    """The error of a failed request; a server without this address has no embeddings."""
    error = client.error_from(p, model, e, secret)
    if error.message.startswith("Nothing answers chat requests"):
        error.message = error.message.replace("chat requests", "embedding requests")
        error.hint = "Check the base_url, or use a service with embeddings: `%fm models embed` lists some."
    return error


def _read_vectors(p: Profile, document: Any, count: int, text: str, secret: str) -> Any:
    """The vectors in the order of the texts; all have one width and finite values."""
    import numpy as np

    rows = document.get("data") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not all(isinstance(r, dict) and "embedding" in r for r in rows):
        raise faults.unexpected_response(p, text, 0, secret)
    indexes = [r.get("index", i) for i, r in enumerate(rows)]
    try:
        rows = [
            row for _, row in sorted(zip(indexes, rows, strict=True), key=lambda pair: int(pair[0]))
        ]  # services may return another order
        vectors = [_read_vector(r["embedding"]) for r in rows]
        widths = {len(v) for v in vectors}
        if len(set(indexes)) < len(indexes) or any(v.ndim != 1 for v in vectors):
            detail = "two vectors for one text"
        elif len(vectors) == count and len(widths) == 1 and min(widths) > 0:
            values = np.stack(vectors)
            if np.isfinite(values).all():
                return values
            detail = "NaN or infinite numbers"
        else:
            detail = f"{len(vectors)} vectors for {count} texts, of {' and '.join(map(str, sorted(widths)))} numbers"
    except (ValueError, TypeError) as e:
        detail = str(e)
    raise UnexpectedResponseError(
        f"{p.label} returned invalid vectors", detail=detail, hint="Try again, or use another model.", billed=True
    )


def _read_vector(vector: Any) -> Any:
    """A vector from a list of numbers or from base64 of 32-bit floats."""
    import numpy as np

    if isinstance(vector, str):
        return np.frombuffer(base64.b64decode(vector, validate=True), "<f4")
    return np.asarray(vector, np.float32)
