"""Batch jobs: many requests are submitted at once, at half the price; results are fetched when done.

A `BatchApi` holds what differs between services: how to submit requests, read states and fetch
results. The id of a request is derived from its content, so the same requests find their job again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.errors import CallError, FmnbError
from ...core.events import Event
from ...core.types import Request
from ..http import client
from ..http import errors as faults
from ..profiles import Profile, endpoint
from ..read_complete import read_complete
from ..reserved_params import check_routing
from ..wire.base import Wire, drop_ignored
from ..wire.select import pick, through

BATCH_PRICE = 0.5  # of the price


@dataclass(frozen=True)
class State:
    """The state of a job.

    `ended` is true when it has ended; `problem` is the reason if there are no results.
    """

    ended: bool
    done: int = 0
    total: int = 0
    status: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Result:
    """The result of one request: the body of its answer, or of an error with its status."""

    id: str
    body: Any
    status: int = 200


@dataclass(frozen=True)
class BatchApi:
    """The batch API of a service.

    A job holds at most `max_requests` requests and `max_bytes` bytes; `find` finds it by its mark.
    """

    max_requests: int
    max_bytes: int
    submit: Callable[[BatchJobClient, Sequence[tuple[str, dict[str, Any]]], str], Awaitable[str]]
    state: Callable[[BatchJobClient, str], Awaitable[State]]
    results: Callable[[BatchJobClient, str], Awaitable[list[Result]]]
    find: Callable[[BatchJobClient, str], Awaitable[str]] | None = None
    body: Callable[[Request], dict[str, Any]] | None = None  # if different from the interface's body
    answer: Callable[[Any], Any] | None = None  # converts the body of a result to a document of the interface


@dataclass(frozen=True)
class BatchJobClient:
    """The HTTP client for batch jobs: a service's address, key and model."""

    p: Profile
    wire: Wire
    model: str
    secret: str

    async def get(self, path: str) -> bytes:
        """GET a path below the address; returns the body."""
        return await self._send("get", path)

    async def post(self, path: str, document: Any) -> Any:
        """POST a document; returns the JSON response."""
        return json.loads(await self._send("post", path, "application/json", content=json.dumps(document).encode()))

    async def upload(self, path: str, name: str, content: bytes, fields: dict[str, str]) -> Any:
        """Upload a file as multipart form data; returns the JSON response."""
        more = {"files": [("file", (name, content))], "body": fields}
        return json.loads(await self._send("post", path, "multipart/form-data", **more))

    async def _send(self, method: str, path: str, kind: str = "", **more: Any) -> bytes:
        import httpx2

        sender, options = await client.connect(self.p, self.secret)
        options = {**options, "headers": {**options["headers"], **({"Content-Type": kind} if kind else {})}}
        try:
            url = self.p.base_url.rstrip("/") + path
            response = await getattr(sender, method)(url, cast_to=httpx2.Response, options=options, **more)
        except Exception as e:
            raise client.error_from(self.p, self.model, e, self.secret) from None
        return bytes(response.content)


class BatchJobs:
    """Batch jobs of one model at one service."""

    def __init__(self, p: Profile, model: str, api: BatchApi):
        self.model, self.api = model, api
        self.wire = pick(p, model, "")
        self.p = through(p, self.wire)

    @property
    def limits(self) -> tuple[int, int]:
        """The maximum number of requests and bytes in one job."""
        return self.api.max_requests, self.api.max_bytes

    def body(self, request: Request) -> dict[str, Any]:
        """The body of one request."""
        check_routing(request.extra)
        if self.api.body is not None:
            return self.api.body(request)
        body, _ = self.wire.body(self.p, self.model, request)
        for name in ("stream", "stream_options"):
            body.pop(name, None)
        drop_ignored(self.p, body)
        body.pop("_swapped", None)
        return body

    async def submit(self, requests: Sequence[tuple[str, Request]], mark: str) -> str:
        """Submit requests; returns the job's id. `mark` is stored with the job if the service supports it."""
        return await self.api.submit(await self._client(), [(i, self.body(r)) for i, r in requests], mark)

    async def find(self, mark: str) -> str:
        """The id of the job with this mark; "" if there is none or the service does not store marks."""
        return await self.api.find(await self._client(), mark) if self.api.find else ""

    async def state(self, job: str) -> State:
        """The state of a job."""
        return await self.api.state(await self._client(), job)

    async def collect(self, job: str, requests: dict[str, Request]) -> AsyncIterator[tuple[str, list[Event] | FmnbError]]:
        """The results of an ended job, by id: the events or the error of each request."""
        http = await self._client()
        for r in await self.api.results(http, job):
            request = requests.get(r.id) or Request(f"{self.p.name}:{self.model}", ())
            if r.status >= 300:
                yield r.id, faults.from_status(self.p, self.model, r.status, r.body, {}, http.secret)
                continue
            try:
                document = self.api.answer(r.body) if self.api.answer else r.body
                data = json.dumps(document).encode()
                yield r.id, await read_complete(self.wire, self.p, self.model, request, data, http.secret, share=BATCH_PRICE)
            except CallError as e:
                yield r.id, e
            except (AttributeError, LookupError, TypeError, ValueError):
                yield r.id, faults.unexpected_response(self.p, json.dumps(r.body)[:2000], 0, http.secret)

    async def _client(self) -> BatchJobClient:
        return BatchJobClient(self.p, self.wire, self.model, await client.secret(self.p))


async def results_in_file(client: BatchJobClient, file: str) -> list[Result]:
    """The results in a file in OpenAI's format, which other services use too."""
    out = []
    for row in json_lines(await client.get(f"/files/{file}/content")):
        response = row.get("response") or {}
        body = response.get("body") if response else {"error": row.get("error")}
        out.append(Result(str(row.get("custom_id")), body, int(response.get("status_code") or (200 if response else 500))))
    return out


def json_lines(data: bytes) -> list[dict[str, Any]]:
    """The JSON objects of a JSON Lines file; other lines are skipped.

    >>> json_lines(b'{"a": 1}\\nno\\n')
    [{'a': 1}]
    """
    out = []
    for line in data.splitlines():
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict):
            out.append(document)
    return out


def path_in_job(client: BatchJobClient) -> str:
    """The path of the interface in a batch job: it starts at the version.

    >>> from fmnb.providers.wire.select import pick
    >>> p = Profile("p", base_url="https://x.example/openai/v1")
    >>> path_in_job(BatchJobClient(p, pick(p, "m"), "m", ""))
    '/v1/chat/completions'
    """
    url = endpoint(client.p, client.wire.path, client.model).partition("?")[0]
    at = url.find("/v1/")
    return url[at:] if at >= 0 else client.wire.path
