"""A service's batch jobs: many requests handed over at once, at half the price, and fetched when they are done.

What differs between services is a `Form`: how requests are handed over, what their states are
called, how results come. A request's id is what decides its answer, so that a job can be
collected by whoever asks the same.
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

HALF = 0.5  # of the price


@dataclass(frozen=True)
class State:
    """How far a job is: `over` when nothing more comes, then `problem` says why there is nothing to fetch, if so."""

    over: bool
    done: int = 0
    total: int = 0
    words: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Result:
    """One request's outcome: the body of its answer, or of an error with its status."""

    id: str
    body: Any
    status: int = 200


@dataclass(frozen=True)
class Form:
    """How a service takes jobs. `most` requests and `bytes` fit one; `find` knows a job by the mark it was given."""

    most: int
    bytes: int
    submit: Callable[[BatchJobClient, Sequence[tuple[str, dict[str, Any]]], str], Awaitable[str]]
    state: Callable[[BatchJobClient, str], Awaitable[State]]
    results: Callable[[BatchJobClient, str], Awaitable[list[Result]]]
    find: Callable[[BatchJobClient, str], Awaitable[str]] | None = None
    body: Callable[[Request], dict[str, Any]] | None = None  # where it is not that of the interface
    answer: Callable[[Any], Any] | None = None  # a result's body as the interface's own document


@dataclass(frozen=True)
class BatchJobClient:
    """Where jobs are handed in: a service's address, its key, and the model."""

    p: Profile
    wire: Wire
    model: str
    secret: str

    async def get(self, path: str) -> bytes:
        """The body at a path below the address."""
        return await self._send("get", path)

    async def post(self, path: str, document: Any) -> Any:
        """The JSON that comes back."""
        return json.loads(await self._send("post", path, "application/json", content=json.dumps(document).encode()))

    async def upload(self, path: str, name: str, content: bytes, fields: dict[str, str]) -> Any:
        """Send a file as a form does; the JSON that comes back."""
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

    def __init__(self, p: Profile, model: str, form: Form):
        self.model, self.form = model, form
        self.wire = pick(p, model, "")
        self.p = through(p, self.wire)

    @property
    def most(self) -> tuple[int, int]:
        """Requests and bytes that one job holds."""
        return self.form.most, self.form.bytes

    def line(self, request: Request) -> dict[str, Any]:
        """The body of one request."""
        check_routing(request.extra)
        if self.form.body is not None:
            return self.form.body(request)
        body, _ = self.wire.body(self.p, self.model, request)
        for name in ("stream", "stream_options"):
            body.pop(name, None)
        drop_ignored(self.p, body)
        body.pop("_swapped", None)
        return body

    async def submit(self, requests: Sequence[tuple[str, Request]], mark: str) -> str:
        """Hand requests over; the job's id. `mark` is kept with the job where the service keeps something."""
        return await self.form.submit(await self._desk(), [(i, self.line(r)) for i, r in requests], mark)

    async def find(self, mark: str) -> str:
        """The job that was given this mark, "" where there is none or the service does not say."""
        return await self.form.find(await self._desk(), mark) if self.form.find else ""

    async def state(self, job: str) -> State:
        """How far a job is."""
        return await self.form.state(await self._desk(), job)

    async def collect(self, job: str, requests: dict[str, Request]) -> AsyncIterator[tuple[str, list[Event] | FmnbError]]:
        """The results of a job that is over, by id: events, or the error of that request."""
        desk = await self._desk()
        for r in await self.form.results(desk, job):
            request = requests.get(r.id) or Request(f"{self.p.name}:{self.model}", ())
            if r.status >= 300:
                yield r.id, faults.from_status(self.p, self.model, r.status, r.body, {}, desk.secret)
                continue
            try:
                document = self.form.answer(r.body) if self.form.answer else r.body
                data = json.dumps(document).encode()
                yield r.id, await read_complete(self.wire, self.p, self.model, request, data, desk.secret, share=HALF)
            except CallError as e:
                yield r.id, e
            except (AttributeError, LookupError, TypeError, ValueError):
                yield r.id, faults.unexpected_response(self.p, json.dumps(r.body)[:2000], 0, desk.secret)

    async def _desk(self) -> BatchJobClient:
        return BatchJobClient(self.p, self.wire, self.model, await client.secret(self.p))


async def in_file(desk: BatchJobClient, file: str) -> list[Result]:
    """The outcomes in a file of a job, as OpenAI writes them and others after it."""
    found = []
    for row in lines(await desk.get(f"/files/{file}/content")):
        response = row.get("response") or {}
        body = response.get("body") if response else {"error": row.get("error")}
        found.append(Result(str(row.get("custom_id")), body, int(response.get("status_code") or (200 if response else 500))))
    return found


def lines(data: bytes) -> list[dict[str, Any]]:
    """The JSON objects of a file with one a line; what is none is left out.

    >>> lines(b'{"a": 1}\\nno\\n')
    [{'a': 1}]
    """
    found = []
    for line in data.splitlines():
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict):
            found.append(document)
    return found


def path_of(desk: BatchJobClient) -> str:
    """The path of the interface as jobs name it: from the version on.

    >>> from fmnb.providers.wire.select import pick
    >>> p = Profile("p", base_url="https://x.example/openai/v1")
    >>> path_of(BatchJobClient(p, pick(p, "m"), "m", ""))
    '/v1/chat/completions'
    """
    whole = endpoint(desk.p, desk.wire.path, desk.model).partition("?")[0]
    at = whole.find("/v1/")
    return whole[at:] if at >= 0 else desk.wire.path
