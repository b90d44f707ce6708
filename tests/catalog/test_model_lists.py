"""Services' own lists: asked within a deadline, remembered, and never in the way."""

from __future__ import annotations

import socket
import time

import pytest

import fmnb as fm
from fmnb.catalog import model_lists
from fmnb.catalog.entries import catalog
from fmnb.providers.profiles import profile
from tests.wire.lists import ListServer


@pytest.fixture
def provider(home, monkeypatch):
    """Rows of a hosted kind: loopback addresses under a name that is not loopback's would need a resolver, so they say they are hosted by key."""

    def add(name: str, url: str) -> None:
        with (home / "fmnb.toml").open("a") as f:
            f.write(f'[provider.{name}]\nbase_url = "{url}"\nkey_env = ["LIST_KEY"]\n')
        monkeypatch.setenv("LIST_KEY", "list-key")

    return add


def test_a_list_is_remembered_with_what_it_tells(provider):
    with ListServer() as server:
        provider("shop", server.url)
        assert model_lists.refresh([profile("shop")], 10) == {}
    known = model_lists.cached_list(profile("shop"))
    assert [m.name for m in known.models] == ["house/small", "house/free"]
    small = known.models[0]
    assert (small.context, small.inputs, small.outputs) == (128000, ("text", "image"), ("text",))
    assert (small.price_in, small.price_out) == pytest.approx((0.15, 0.6))
    assert time.time() - known.at < 60


def test_a_list_of_another_address_is_not_taken(provider, home):
    with ListServer() as server:
        provider("shop", server.url)
        model_lists.refresh([profile("shop")], 10)
    (home / "fmnb.toml").write_text('[provider.shop]\nbase_url = "http://127.0.0.1:9/v1"\nkey_env = ["LIST_KEY"]\n')
    assert model_lists.cached_list(profile("shop")) is None


def test_the_models_of_a_service_are_not_listed_at_another_address(monkeypatch, home):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-000000")
    with ListServer([{"id": "house-model"}]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert [e.model for e in catalog("openai:", ask=False).entries] == ["openai:…"]
        assert model_lists.refresh([profile("openai")], 10) == {}
        (entry,) = catalog("openai:", ask=False).entries
        assert (entry.model, entry.ready, entry.price_in) == ("openai:house-model", "yes", None)
        assert "openai:house-model" in [e.model for e in catalog("", ask=False).entries]
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert "openai:gpt-5-mini" in [e.model for e in catalog("openai:", ask=False).entries]


def test_a_service_that_is_silent_is_named_and_its_late_list_is_there_the_next_time(provider):
    with ListServer(held=True) as server:
        provider("shop", server.url)
        assert model_lists.refresh([profile("shop")], 0.2) == {"shop": "no answer yet"}
        assert model_lists.cached_list(profile("shop")) is None
        assert model_lists.refresh([profile("shop")], 0.05) == {"shop": "no answer yet"}  # the same question, still under way
        server.go.set()
        while not model_lists.cached_list(profile("shop")):
            time.sleep(0.001)
        assert len(server.requests) == 1


def test_one_that_fails_says_why_and_the_others_go_on(provider):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        provider("gone", f"http://127.0.0.1:{s.getsockname()[1]}/v1")
    with ListServer() as server:
        provider("shop", server.url)
        assert list(model_lists.refresh([profile("gone"), profile("shop")], 10)) == ["gone"]
    assert model_lists.cached_list(profile("shop"))


def test_an_empty_list_leaves_the_curated_names(provider):
    with ListServer(models=[]) as server:
        provider("shop", server.url)
        assert model_lists.refresh([profile("shop")], 10) == {}
    assert model_lists.cached_list(profile("shop")).models == ()


def test_a_broken_memory_is_an_empty_one(provider, home):
    (home / "listed.json").write_text("{")
    provider("shop", "http://127.0.0.1:9/v1")
    assert model_lists.cached_list(profile("shop")) is None
    with ListServer() as server:
        provider("other", server.url)
        model_lists.refresh([profile("other")], 10)
    assert model_lists.cached_list(profile("other"))


@pytest.mark.parametrize(
    "damaged",
    [
        '{"name": 3}',
        '{"name": null}',
        '{"name": "a", "inputs": [1]}',
        '{"name": "a", "context": "much"}',
        '{"name": "a", "price_in": "x"}',
        "3",
    ],
)
def test_a_damaged_row_of_the_memory_is_passed_over(provider, home, damaged):
    provider("shop", "http://127.0.0.1:9/v1")
    url = "http://127.0.0.1:9/v1"
    (home / "listed.json").write_text(f'{{"shop": {{"url": "{url}", "at": 1, "models": [{{"name": "good"}}, {damaged}]}}}}')
    assert [m.name for m in model_lists.cached_list(profile("shop")).models] == ["good"]


def test_a_question_about_this_machine_asks_no_service(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("GROQ_API_KEY", "list-key")
    assert catalog("local").unreachable == {}
    assert list(catalog("free").unreachable) == ["groq"]


def test_the_table_is_there_when_nobody_can_be_asked_and_says_who_could_not(monkeypatch):
    """A key, and a network that swallows everything: the table comes without waiting for it."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(1)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{hole.getsockname()[1]}")
        monkeypatch.setenv("GROQ_API_KEY", "list-key")
        found = catalog()
        assert found.unreachable == {"groq": "no answer yet"}
        assert any(e.model.startswith("groq:") and e.ready == "yes" for e in found.entries)
        assert "not asked: groq (no answer yet)" in fm.models().note


def test_the_curated_models_of_a_service_are_in_its_price_table():
    """So that a name that went out of use is noticed."""
    from fmnb.providers import prices
    from fmnb.providers.profiles import names

    for name in names():
        try:
            p = profile(name)
        except fm.FmnbError:
            continue
        if p.prices:
            assert [m for m in p.models if prices.per_million(p, m)[0] is None] == [], name


def test_a_word_brings_models_beyond_the_best_known():
    few, many = fm.models(ask=False), fm.models("openai", ask=False)
    assert len([r for r in few if r["model"].startswith("openai:")]) < len(many)
    assert "more of" in few.note and {r["source"] for r in many} != {""}
