"""What every backend owes, run against each of them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

from fmnb.calls.call import Call
from fmnb.calls.pipeline import chain
from fmnb.calls.steps.send import complete_answer, stream_answer
from fmnb.calls.steps.stop import end_at_stop
from fmnb.catalog.resolve import Target
from fmnb.core import event_loop
from fmnb.core.backend import Backend
from fmnb.core.errors import RateLimitError
from fmnb.core.events import Finished, TextDelta, UsageReported, build_response
from fmnb.core.types import Request, message
from fmnb.providers.http import transport
from fmnb.providers.profiles import profile
from tests.conftest import MODELS
from tests.contract.backends import OWN_ADDRESS, ROWS
from tests.wire.server import Server

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def ask(text="Hello big world", **options):
    return Request("m", (message("system", "Be brief."), message("user", text)), **options)


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture(params=ROWS, ids=lambda row: "-".join(filter(None, (row.name, row.api, "" if row.aiohttp else "openai-client"))))
def row(request, monkeypatch):
    row = request.param
    if row.engine:
        pytest.importorskip({"gguf": "xllamacpp", "torch": "torch"}[row.name])
        request.getfixturevalue("embedded_path")
        monkeypatch.setenv("FMNB_MODELS", str(MODELS))
    if row.wire:
        if row.name in OWN_ADDRESS:
            monkeypatch.setenv(OWN_ADDRESS[row.name], "https://loopback.invalid/v1")
        if not row.aiohttp:
            monkeypatch.setattr(transport, "_has_aiohttp", lambda: False)
        for variable in profile(row.name).key_env:
            monkeypatch.setenv(variable, "loopback-test-key")
    return row


def test_it_is_a_backend(row, server):
    backend = row.answers(server)
    assert isinstance(backend, Backend)
    assert backend.info.name.startswith(f"{row.name}:")
    # a hosted service's row at a loopback address is a gateway or a tunnel: only servers that run models here are "here"
    here = not row.wire or profile(row.name).runs_here
    assert (backend.info.host == "local") is backend.info.local is here
    assert here or backend.info.host == server.url.removeprefix("http://").removesuffix("/v1")


def test_it_streams_text_in_pieces_and_ends_with_finished(row, server):
    events = list(event_loop.iterate_sync(row.answers(server).stream(ask(**row.brief))))
    assert row.engine or build_response(events).text == "Hello big world"
    assert sum(isinstance(e, TextDelta) for e in events) > 1
    assert isinstance(events[-1], Finished) and events[-1].model
    assert events[-1].reason == "stop" or (row.engine and events[-1].reason == "length")  # a small model may not find its end


def test_it_reports_usage_once_before_the_end(row, server):
    events = list(event_loop.iterate_sync(row.answers(server).stream(ask(**row.brief))))
    used = [e for e in events if isinstance(e, UsageReported)]
    assert len(used) == 1 and events.index(used[0]) < len(events) - 1
    assert used[0].usage.input_tokens > 0 and used[0].usage.output_tokens > 0


def test_two_streams_at_once_do_not_mix(row, server):
    backend = row.answers(server)
    texts = {"a": "alpha beta gamma " * 3, "b": "one two three " * 3}
    got = {name: [] for name in texts}
    for name, event in event_loop.iterate_sync(event_loop.merge({n: backend.stream(ask(t, **row.brief)) for n, t in texts.items()})):
        got[name].append(event)
    expected = (
        {n: build_response(event_loop.iterate_sync(backend.stream(ask(t, **row.brief)))).text for n, t in texts.items()}
        if row.engine
        else texts
    )
    assert {n: build_response(events).text.strip() for n, events in got.items()} == {n: t.strip() for n, t in expected.items()}


def test_closing_the_stream_stops_it(row, server):
    before = server.aborted
    stream = event_loop.iterate_sync(row.slow(server).stream(ask()))
    first = next(e for e in stream if isinstance(e, TextDelta))
    stream.close()
    assert first.text
    if row.wire:
        assert server.wait_for_abort(before + 1)


def test_cancelling_its_task_stops_it(row, server):
    before = server.aborted

    async def first_then_cancel():
        got = []

        async def run():
            async for event in row.slow(server).stream(ask()):
                got.append(event)

        task = asyncio.ensure_future(run())
        while not got:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return task.cancelled()

    assert event_loop.run_sync(first_then_cancel())
    if row.wire:
        assert server.wait_for_abort(before + 1)


def test_a_schema_gives_an_object_of_that_form(row, server):
    answer = build_response(
        event_loop.iterate_sync(row.obeys(server).stream(ask(schema=SCHEMA, **({"max_tokens": 80} if row.engine else {}))))
    )
    data = json.loads(answer.text)
    assert isinstance(data["name"], str) and isinstance(data["age"], int)


@pytest.mark.parametrize("last", [stream_answer, complete_answer], ids=["stream", "complete"])
def test_an_answer_ends_before_a_stop_string_that_is_split_over_deltas(row, server, last):
    backend = row.answers(server)
    whole = build_response(event_loop.iterate_sync(backend.stream(ask(**row.brief)))).text
    stop = whole[6:12]  # the server leaves it in its answer
    target = Target("m", "m", backend.info.host, backend.info.local, lambda: backend, known=False)
    call = Call(request=ask(**row.brief, stop=(stop,)), target=target)
    events = list(event_loop.iterate_sync(chain([end_at_stop], last, [])(call)))
    answer = build_response(events)
    assert answer.text == (whole if "stop" in answer.not_applied else whole[: whole.find(stop)])
    assert isinstance(events[-1], Finished) and events[-1].reason == "stop" and answer.usage.output_tokens > 0


def test_a_rate_limit_is_a_named_error_that_may_be_tried_again(row, server):
    if row.fails is None:
        pytest.skip("an engine has no rate limit")
    with pytest.raises(RateLimitError) as caught:
        list(event_loop.iterate_sync(row.fails(server).stream(ask())))
    assert caught.value.retryable and caught.value.retry_after and caught.value.billed is False


def test_only_a_fixed_answer_may_be_cached(row, server):
    backend = row.answers(server)
    assert backend.deterministic(ask(temperature=0))
    assert not backend.deterministic(ask(temperature=1.0))
    assert backend.deterministic(ask()) is row.engine


def test_counting_tokens_says_whether_it_is_exact(row, server):
    few, more = (row.answers(server).count(ask(t)) for t in ("word", "word " * 100))
    assert 0 < few.tokens < more.tokens and few.method
    assert few.exact or few.error


@pytest.mark.parametrize("module", sorted({row.module for row in ROWS}))
def test_importing_the_module_imports_no_third_party_package(module):
    script = (
        "import sys; before = set(sys.modules);"
        f"import {module};"
        "new = {m.partition('.')[0] for m in set(sys.modules) - before};"
        "print(sorted(n for n in new if n not in sys.stdlib_module_names and n != 'fmnb'))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip() == "[]"
