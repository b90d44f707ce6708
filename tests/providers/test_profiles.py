"""The table of services and what users add to it."""

from __future__ import annotations

import pytest

from fmnb.catalog.resolve import resolve
from fmnb.config import settings
from fmnb.core.errors import LockedError, ServiceDiscontinuedError, SettingsError, UnknownModelError, UsageError
from fmnb.core.types import Usage
from fmnb.providers import prices, profile_rows, profiles
from fmnb.providers.profiles import endpoint, for_model, names, profile, serving
from fmnb.providers.wire import select as apis
from tests.admin_config import use_admin_folder


def write(home, text):
    (home / "fmnb.toml").write_text(text)


ENDED = sorted(set(names(ended=True)) - set(names()))


@pytest.mark.parametrize("name", ENDED)
def test_a_service_that_ended_names_its_successor(name):
    with pytest.raises(ServiceDiscontinuedError) as caught:
        profile(name)
    assert caught.value.detail and caught.value.hint


def test_every_row_has_what_a_call_needs(monkeypatch):
    for name, p in profiles._built_in().items():
        if not p.ended:
            assert p.base_url and (p.key_env or not p.needs_key), name
            assert p.base_url.startswith("https://") or p.local, name
            assert p.port is None or p.start_hint, name


def test_every_price_table_that_a_row_names_exists():
    snapshot = pytest.importorskip("genai_prices").data_snapshot.get_snapshot()
    known = {p.id for p in snapshot.providers}
    assert {p.prices for p in profiles._built_in().values() if p.prices} <= known


def test_an_unknown_provider_names_the_nearest():
    with pytest.raises(UnknownModelError, match="openai"):
        profile("opnai")


def test_a_row_of_the_users_is_a_provider(home):
    write(home, '[provider.mine]\nbase_url = "https://ai.example.com/v1"\nkey_env = "MINE_KEY"\nheaders = { X-Team = "a" }\n')
    mine = profile("mine")
    assert (mine.host, mine.key_env, mine.key_hosts, mine.headers) == (
        "ai.example.com",
        ("MINE_KEY",),
        ("ai.example.com",),
        {"X-Team": "a"},
    )
    assert "mine" in names()


def test_a_row_may_change_one_field_of_a_built_in_one(home):
    write(home, "[provider.openai]\nread_timeout = 900\n")
    assert profile("openai").read_timeout == 900 and profile("openai").key_hosts == ("api.openai.com",)


def test_a_new_address_does_not_inherit_the_old_ones_key(home):
    write(home, '[provider.openai]\nbase_url = "https://gateway.example/v1"\n')
    assert profile("openai").host == "gateway.example" and profile("openai").key_hosts == ("api.openai.com",)


def test_a_new_address_with_its_key_variable_takes_that_key(home):
    write(home, '[provider.openai]\nbase_url = "https://gateway.example/v1"\nkey_env = ["OPENAI_API_KEY"]\n')
    assert profile("openai").key_hosts == ("gateway.example",)


def test_a_project_files_provider_does_not_count_before_it_is_trusted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "fmnb.toml"
    file.write_text('[provider.openai]\nbase_url = "https://evil.example/v1"\nkey_env = ["OPENAI_API_KEY"]\n')
    assert profile("openai").host == "api.openai.com"
    settings.trust(file)
    assert profile("openai").host == "evil.example"


@pytest.mark.parametrize("line, words", [
    ('base_ulr = "https://x/v1"', "base_url"),
    ('needs_key = "yes"', "bool"),
    ('max_tokens_field = "tokens"', "max_completion_tokens"),
    ("key_env = [1]", "tuple"),
    ('base_url = "x"', "https://host/v1"),
    ('key_env = ["A"]', "base_url"),
    ('base_url = "https://x/v1"\napi = "graphql"', "responses"),
    ('base_url = "https://x/v1"\napis = ["chat", "soap"]', "native"),
    ('base_url = "https://x/v1"\napi = "native"', 'native = "anthropic"'),
    ('base_url = "https://x/v1"\napi = "responses"\napis = ["chat"]', "'chat', 'responses'"),
    ('base_url = "https://x/v1"\nnative = "mistral"', "anthropic, cohere"),
    ('base_url = "https://x/v1"\nnative_url = "x"', "native_url"),
    ('base_url = "https://x/v1"\nlocal = true', "on this machine"),
    ('base_url = "http://127.0.0.1:1/v1"\nlocal = "yes"', "bool"),
    ('base_url = "https://x/v1"\nprices = { input = 1 }', "output = 1.5"),
    ('base_url = "https://x/v1"\nprices = { "m-*" = { input = 1, output = -2 } }', "m-"),
    ('base_url = "https://x/v1"\nprices = { "m-*" = { input = "1", output = 2 } }', "million"),
    ('base_url = "https://x/v1"\nprices = { "m-*" = { input = 1, output = 2, cache = 3 } }', "cached"),
    ('base_url = "https://x/v1"\nown_prices = {}', "unknown field"),
])  # fmt: skip
def test_a_row_that_cannot_be_used_says_why(home, line, words):
    write(home, f"[provider.mine]\n{line}\n")
    with pytest.raises(SettingsError, match=words):
        profile("mine")


def test_the_address_comes_from_the_variables_the_service_itself_reads(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:11435")
    assert profile("ollama").base_url == "http://localhost:11435/v1"
    monkeypatch.setenv("OLLAMA_HOST", "gpu-box")
    assert profile("ollama").base_url == "http://gpu-box:11434/v1" and profile("ollama").recipient == "gpu-box"
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://res.openai.azure.com/")
    assert profile("azure").base_url == "https://res.openai.azure.com/openai/v1"


def test_azures_dated_interface_is_used_for_a_bare_endpoint_with_a_version(monkeypatch):
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://res.openai.azure.com/")
    dated = "https://res.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"
    assert endpoint(profile("azure"), "/chat/completions", "my gpt") == dated
    assert endpoint(profile("azure"), "/responses", "gpt") == "https://res.openai.azure.com/openai/responses?api-version=2024-10-21"
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://res.openai.azure.com/openai/v1/")
    assert endpoint(profile("azure"), "/chat/completions", "gpt") == "https://res.openai.azure.com/openai/v1/chat/completions"


@pytest.mark.parametrize("base_url", ["https://res.openai.azure.com", "https://res.openai.azure.com/openai/v1"])
def test_azures_version_may_stand_in_the_row(home, base_url):
    write(home, f'[provider.azure]\nbase_url = "{base_url}"\napi_version = "2024-10-21"\n')
    assert endpoint(profile("azure"), "/chat/completions", "d") == (
        "https://res.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21"
    )


def test_a_version_that_is_no_date_goes_to_the_undated_address(home):
    write(home, '[provider.azure]\nbase_url = "https://r.openai.azure.com/openai/v1"\napi_version = "preview"\n')
    assert endpoint(profile("azure"), "/responses", "d") == "https://r.openai.azure.com/openai/v1/responses?api-version=preview"


def test_a_users_row_may_speak_a_native_interface(home):
    write(home, '[provider.gw]\nbase_url = "https://gw.example/v1"\nkey_env = "K"\napi = "native"\nnative = "anthropic"\n')
    assert profile("gw").served == ("native",) and "gw" in serving("native")


def test_a_new_address_takes_the_native_one_along_and_a_new_native_one_takes_no_key(home):
    write(home, '[provider.cohere]\nbase_url = "https://gw.example/v2"\n')
    assert profile("cohere").usual_host == "gw.example" and profile("cohere").key_hosts == ("api.cohere.com",)
    write(home, '[provider.cohere]\nnative_url = "https://native.example/v2"\n')
    assert profile("cohere").recipient == "native.example" and profile("cohere").key_hosts == ("api.cohere.com",)


def test_every_interface_of_a_row_can_be_spoken():
    for name, p in profiles._built_in().items():
        profile_rows.check_apis(p)
        for api in p.served:
            assert apis.pick(p, "m", api).body, name


def test_an_interface_a_service_does_not_have_is_refused_by_name():
    with pytest.raises(UsageError, match="Mistral has no such interface.*--api responses.*It has chat.*openai"):
        apis.pick(profile("mistral"), "m", "responses")
    with pytest.raises(UsageError, match="anthropic, cohere"):
        apis.pick(profile("openai"), "m", "native")


def test_a_lock_on_addresses_holds_for_the_native_one(tmp_path, monkeypatch):
    (tmp_path / "fmnb.toml").write_text('[lock]\nurls = ["https://api.cohere.com/compatibility/*"]\n')
    use_admin_folder(monkeypatch, tmp_path)
    p = profile("cohere")
    assert apis.through(p, apis.pick(p, "m", "chat")).base_url.endswith("/compatibility/v1")
    with pytest.raises(LockedError):
        apis.through(p, apis.pick(p, "m"))


def test_a_service_without_an_address_asks_for_it(monkeypatch):
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    monkeypatch.delenv("AZURE_OPENAI_BASE_URL", raising=False)
    with pytest.raises(SettingsError, match="AZURE_OPENAI_BASE_URL"):
        profile("azure")


def test_a_name_that_only_looks_like_this_machine_is_not():
    assert not profiles.is_loopback("localhost.evil.example") and not profiles.is_loopback("127.0.0.1.evil.example")
    assert profiles.is_loopback("::1") and profiles.is_loopback("127.9.9.9")


@pytest.mark.parametrize("name", ["ollama", "lmstudio", "vllm", "llamacpp"])
def test_a_server_that_runs_models_is_local_on_this_machine_alone(home, name):
    assert profile(name).local and profile(name).recipient == "local"
    write(home, f'[provider.{name}]\nbase_url = "http://gpu-box:9000/v1"\n')
    assert not profile(name).local and profile(name).recipient == "gpu-box"


def test_any_other_address_of_this_machine_may_be_a_gateway(home, monkeypatch):
    write(home, '[provider.gateway]\nbase_url = "http://127.0.0.1:4000/v1"\nneeds_key = false\n')
    assert not profile("gateway").local and profile("gateway").recipient == "127.0.0.1:4000"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:4000/v1")
    p = profile("openai")
    assert not p.local and p.recipient == "localhost:4000" and prices.per_million(p, "gpt-5-mini") == (None, None)
    write(home, '[provider.openai]\nbase_url = "http://localhost:4000/v1"\nprices = "openai"\n')
    assert prices.per_million(profile("openai"), "gpt-5-mini")[0] > 0, "who says that the table holds there is believed"


def test_a_server_of_ones_own_is_local_when_its_table_says_so(home):
    write(home, '[provider.mine]\nbase_url = "http://localhost:9000/v1"\nlocal = true\n')
    assert profile("mine").local and prices.per_million(profile("mine"), "m") == (0.0, 0.0)


@pytest.mark.parametrize("model", ["gpt-oss:120b-cloud", "deepseek-v3.1:671b-cloud", "glm-4.6:cloud"])
def test_a_model_that_a_local_server_passes_on_is_not_here(model):
    p = for_model(profile("ollama"), model)
    assert (p.local, p.recipient) == (False, "ollama.com") and prices.per_million(p, model) == (None, None)
    target = resolve(f"ollama:{model}")
    assert (target.local, target.host, target.open().info.local, target.open().info.price_in) == (False, "ollama.com", False, None)
    assert resolve("ollama:cloudy-llama").local


def test_a_users_prices_are_used_pattern_by_pattern(home):
    write(
        home,
        '[provider.mine]\nbase_url = "https://x.example/v1"\n[provider.mine.prices]\n"big-*" = { input = 3, output = 15, cached = 0.3 }\n"*" = { input = 0.5, output = 1.5 }\n',
    )
    p = profile("mine")
    assert prices.per_million(p, "big-1") == (3.0, 15.0) and prices.per_million(p, "small") == (0.5, 1.5)
    assert prices.cost(p, "big-1", Usage(1_000_000, 1_000_000, 500_000)) == pytest.approx(1.5 + 0.15 + 15)
    assert prices.cost(p, "small", Usage(1_000_000, 1_000_000, 500_000)) == pytest.approx(2.0)
    assert prices.cost(p, "small", Usage(10, 10, cost=0.5)) == 0.5, "the service's own figure comes first"
    assert prices.cost(p, "small", Usage(10)) is None


def test_one_price_may_hold_for_all_models(home):
    write(home, '[provider.mine]\nbase_url = "https://x.example/v1"\nprices = { input = 0, output = 0 }\n')
    assert prices.per_million(profile("mine"), "m") == (0.0, 0.0) and profile("mine").recipient == "x.example"
