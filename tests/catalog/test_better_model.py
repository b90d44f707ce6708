"""What is offered to somebody who only has the embedded model."""

from __future__ import annotations

import http.server
import json
import threading

import pytest

from fmnb.catalog import better_model
from fmnb.catalog.better_model import better_models
from fmnb.engines import host
from fmnb.providers import prices
from fmnb.providers.profiles import Price, Profile, profile
from tests.admin_config import use_admin_folder
from tests.wire.lists import ListServer


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """No keys, no servers, a machine of 8 GB."""
    import os

    from fmnb.providers import profiles

    for name in profiles.names():
        for variable in profiles._built_in().get(name, profiles.Profile(name)).key_env:
            monkeypatch.delenv(variable, raising=False)
    for variable in ("OLLAMA_HOST", "LM_STUDIO_BASE_URL", "VLLM_BASE_URL", "LLAMACPP_BASE_URL"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9/v1")
    monkeypatch.setattr(host, "available_memory", lambda: 8_000_000_000)
    monkeypatch.setattr(better_model, "_free_disk", lambda folder: 20_000_000_000)
    assert "OPENAI_API_KEY" not in os.environ


@pytest.fixture
def ollama(monkeypatch):
    """A real server on a socket that lists models as Ollama does."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            names = ("llama3.2:1b", "qwen3:8b", "nomic-embed-text:137b", "gpt-oss:120b-cloud")
            data = json.dumps({"data": [{"id": n} for n in names]}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.server_port}")
    yield
    server.shutdown()
    server.server_close()


def kinds(**options):
    return {o.kind: o for o in better_models(keyring=False, **options)}


def test_a_bare_machine_is_offered_a_download_with_size_and_license():
    (offer,) = better_models(keyring=False)
    assert (offer.model, offer.command) == ("qwen2.5-1.5b", "%fm pull qwen2.5-1.5b")
    assert "about 1.1 GB" in offer.reason and "Apache-2.0" in offer.reason


def test_a_small_machine_is_offered_a_smaller_one_or_nothing(monkeypatch):
    monkeypatch.setattr(host, "available_memory", lambda: 1_000_000_000)
    assert kinds()["download"].model == "qwen2.5-0.5b"
    monkeypatch.setattr(better_model, "_free_disk", lambda folder: 100_000_000)
    assert better_models(keyring=False) == ()


def test_nothing_is_offered_for_download_without_internet(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert better_models(keyring=False) == ()


def test_a_running_server_comes_first_with_its_largest_model_that_stays_here(ollama):
    first, second = better_models(keyring=False)
    assert (first.model, first.kind, first.command) == ("ollama:qwen3:8b", "running", "")
    assert "on this machine" in first.reason and second.kind == "download"


def test_a_key_is_offered_with_where_prompts_go_and_the_price(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-000000")
    offer = kinds()["key"]
    assert offer.model.startswith("openai:") and "api.openai.com" in offer.reason and "million tokens" in offer.reason


def test_the_offered_hosted_model_is_neither_the_cheapest_nor_the_dearest(monkeypatch):
    for variable, service in (("OPENAI_API_KEY", "openai"), ("ANTHROPIC_API_KEY", "anthropic"), ("GEMINI_API_KEY", "gemini")):
        with monkeypatch.context() as m:
            m.setenv(variable, "sk-test-000000")
            model = kinds()["key"].model.removeprefix(f"{service}:")
        p = profile(service)
        first = sorted(p.models[:3], key=lambda name: prices.per_million(p, name))
        assert model == first[1], first


def test_of_a_service_at_another_address_only_what_is_listed_there_is_offered(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-000000")
    with ListServer([{"id": "text-embed"}, {"id": "house-model"}]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        offer = kinds()["key"]
    assert (offer.model, offer.reason) == ("openai:house-model", f"prompts go to {profile('openai').recipient}, price unknown")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert "key" not in kinds(), "nobody answers there, and the models of our table are not known to be there"


def _priced(**models):
    """A service with these models: prices of input and output."""
    return Profile("p", base_url="https://p.example/v1", models=tuple(models), own_prices={m: Price(*price) for m, price in models.items()})


@pytest.mark.parametrize(
    ("service", "windows", "model"),
    [
        (_priced(large=(5, 25), middle=(1, 5), small=(0.1, 0.5), old=(0.5, 2)), {}, "middle"),
        (_priced(large=(5, 25), small=(0.1, 0.5)), {}, "large"),
        (_priced(large=(5, 25), small=(0.1, 0.5), old=(1, 5)), {"large": 1_000_000, "small": 1_000_000, "old": 64_000}, "large"),
        (_priced(only=(1, 1)), {}, "only"),
        (Profile("p", base_url="https://p.example/v1", models=("first", "second")), {}, "first"),
    ],
)
def test_the_balanced_model_of_a_service(monkeypatch, service, windows, model):
    monkeypatch.setattr(prices, "context", lambda p, m: windows.get(m))
    offer = better_model._with_key([service])
    assert offer.model == f"p:{model}"
    assert ("price unknown" in offer.reason) == (not service.own_prices) and offer.reason.startswith("prompts go to")


def test_prices_have_cents():
    assert "$0.40 / $5.00 per million" in better_model._with_key([_priced(only=(0.4, 5))]).reason


def test_locks_limit_what_is_offered(monkeypatch, tmp_path, ollama):
    (tmp_path / "fmnb.toml").write_text('[lock]\nmodels = ["embedded"]\n')
    use_admin_folder(monkeypatch, tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-000000")
    assert better_models(keyring=False) == ()
