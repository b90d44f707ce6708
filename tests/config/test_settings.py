"""Settings: layers, locks, trust, and writing them without harm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fmnb.calls.session import default_model
from fmnb.config import settings
from fmnb.core.errors import LockedError, SettingsError
from fmnb.store import log, retention
from tests.admin_config import use_admin_folder


@pytest.fixture
def files(tmp_path, monkeypatch, home):
    """Writes the administrator's, the user's or the project's file."""
    admin, project = tmp_path / "admin", tmp_path / "project/deep"
    admin.mkdir()
    project.mkdir(parents=True)
    use_admin_folder(monkeypatch, admin)
    monkeypatch.chdir(project)
    places = {"admin": admin, "user": home, "project": project.parent}

    def write(who: str, text: str) -> Path:
        path = places[who] / "fmnb.toml"
        path.write_text(text)
        return path

    return write


def test_the_nearer_layer_wins_value_by_value(files):
    files("admin", '[default]\nmodel = "echo:a"\ntemperature = 0.1\nmax_tokens = 5\n')
    files("user", '[default]\nmodel = "echo:u"\ntemperature = 0.2\n')
    files("project", '[default]\nmodel = "echo:p"\n')
    s = settings.settings()
    assert s.get("default") == {"model": "echo:p", "temperature": 0.2, "max_tokens": 5}
    assert s.origin_of("default.model") == "project" and s.origin_of("default.max_tokens") == "administrator"


def test_the_order_of_who_names_the_model(files, monkeypatch):
    from fmnb.calls.session import session

    assert default_model() == ("embedded", "built in")
    files("admin", '[default]\nmodel = "echo:a"\n')
    assert default_model() == ("echo:a", "administrator fmnb.toml")
    files("project", '[default]\nmodel = "echo:p"\n')
    assert default_model()[0] == "echo:p"
    monkeypatch.setenv("FMNB_MODEL", "echo:e")
    assert default_model()[0] == "echo:e"
    session.set_model("echo:n", source="notebook")
    session.set_model("echo:k")
    assert default_model() == ("echo:k", "%fm use")
    session.set_model("echo:n2", source="notebook")
    assert default_model() == ("echo:n2", "this notebook")


def test_a_changed_file_is_read_again(files):
    path = files("user", '[alias]\na = "echo:"\n')
    assert settings.settings().get("alias.a") == "echo:"
    path.write_text('[alias]\na = "embedded"\n')
    os.utime(path, ns=(1, 1))
    assert settings.settings().get("alias.a") == "embedded"
    path.unlink()
    assert settings.settings().get("alias.a") is None


def test_only_an_administrator_locks(files):
    files("user", '[lock]\nproviders = ["nobody"]\n')
    files("project", '[lock]\nproviders = ["nobody"]\n')
    assert settings.settings().locks == {}
    files("admin", '[lock]\nproviders = ["echo", "vllm*"]\n')
    assert settings.allowed("providers", "echo") and settings.allowed("providers", "vllm-2")
    with pytest.raises(LockedError, match=r"Allowed: echo, vllm\*"):
        settings.check_allowed("providers", "openai")


def test_a_lock_may_be_one_pattern(files):
    files("admin", '[lock]\nurls = "https://gateway.example/*"\n')
    with pytest.raises(LockedError, match=r"Allowed: https://gateway.example/\*\."):
        settings.check_allowed("urls", "https://api.openai.com/v1")


def test_a_lock_that_only_root_can_write_beats_one_the_user_could_point_to(files, tmp_path, monkeypatch):
    strong = tmp_path / "environment"
    (strong / "etc/jupyter").mkdir(parents=True)
    (strong / "etc/jupyter/fmnb.toml").write_text('[lock]\nproviders = ["echo"]\n')
    monkeypatch.setattr(settings, "_INITIAL_PREFIX", str(strong))
    files("admin", '[lock]\nproviders = ["*"]\n')
    assert not settings.allowed("providers", "openai")


def test_an_untrusted_project_names_models_and_parameters_and_nothing_else(files):
    path = files(
        "project",
        '[default]\ntemperature = 0.3\n[alias]\nfast = "echo:"\n[provider.openai]\nbase_url = "https://evil.example/v1"\n'
        '[log]\nkeep_days = 0\nenabled = false\n[models]\ndir = "/evil"\nshared = ["/evil"]\n',
    )
    s = settings.settings()
    assert s.untrusted == path and set(s.values) == {"default", "alias"}
    assert retention.keep_days() is None and log.enabled() and "evil" not in str(settings.models_dir())
    settings.trust(path)
    assert settings.settings().untrusted is None and settings.settings().get("provider.openai.base_url") == "https://evil.example/v1"


def test_a_project_that_changed_is_untrusted_again(files):
    path = files("project", '[provider.mine]\nbase_url = "https://one.example/v1"\n')
    settings.trust(path)
    assert settings.settings().get("provider.mine")
    path.write_text('[provider.mine]\nbase_url = "https://two.example/v1"\n')
    assert settings.settings().untrusted == path and not settings.settings().get("provider.mine")


def test_a_trusted_file_copied_elsewhere_is_not_trusted(files, tmp_path, monkeypatch):
    path = files("project", '[provider.mine]\nbase_url = "https://one.example/v1"\n')
    settings.trust(path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "fmnb.toml").write_bytes(path.read_bytes())
    monkeypatch.chdir(other)
    assert settings.settings().untrusted == other / "fmnb.toml"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[default\n", "line 1"),
        ('default = "embedded"', r"\[default\] must be a table"),
        ("[default]\nmodel = 3", "default.model must be a string"),
        ('[default]\ntemperature = "hot"', "default.temperature must be a number"),
        ("[default]\nmax_tokens = true", "default.max_tokens must be a number"),
        ('[log]\nkeep_days = "long"', "log.keep_days must be a number"),
        ('[lock]\nbudget = "five"', "lock.budget must be a number"),
        ("[models]\nshared = 'x'", "models.shared must be a list"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_what_is_wrong(files, text, words):
    path = files("user", text)
    with pytest.raises(SettingsError, match=words) as said:
        settings.settings()
    assert str(path) in str(said.value)


def test_a_broken_administrators_file_opens_nothing(files):
    files("admin", "[lock\n")
    with pytest.raises(SettingsError):
        settings.allowed("providers", "openai")


def test_writing_one_value_keeps_the_rest_as_it_was(files):
    path = files("user", '# mine\n[alias]  # short names\nslow = "echo:slow=2"  # kept\n\n[log]\nkeep_days = 3\n')
    settings.set_user("alias", "fast", "echo:")
    settings.set_user("alias", "gpt-4.1", "echo:think")
    settings.set_user("log", "enabled", False)
    text = path.read_text()
    assert "# mine" in text and "# short names" in text and "# kept" in text
    assert settings.settings().get("alias") == {"slow": "echo:slow=2", "fast": "echo:", "gpt-4.1": "echo:think"}
    assert settings.settings().get("log") == {"keep_days": 3, "enabled": False}
    for name in ("fast", "gpt-4.1", "never-there"):
        settings.set_user("alias", name, None)
    assert settings.settings().get("alias") == {"slow": "echo:slow=2"}


def test_what_cannot_be_edited_line_by_line_is_left_alone(files):
    path = files("user", 'alias = { a = "echo:" }\n')
    with pytest.raises(SettingsError, match="Edit it by hand"):
        settings.set_user("alias", "b", "echo:")
    assert path.read_text() == 'alias = { a = "echo:" }\n'


def test_a_folder_that_cannot_be_written_is_said(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FMNB_HOME", str(tmp_path / "file/home"))
    with pytest.raises(SettingsError, match="cannot be written"):
        settings.set_user("alias", "a", "echo:")
    with pytest.raises(SettingsError):
        log.set_enabled(False)
    assert not log.enabled()  # in this kernel it is off all the same


def test_two_kernels_that_write_at_once_lose_nothing(home):
    code = "import sys\nfrom fmnb.config.settings import set_user\nfor i in range(30): set_user('alias', f'{sys.argv[1]}{i}', 'echo:')"
    kernels = [subprocess.Popen([sys.executable, "-c", code, name], env={**os.environ}) for name in "ab"]
    assert [k.wait(60) for k in kernels] == [0, 0]
    assert len(settings.settings().get("alias")) == 60


def test_a_working_folder_that_is_gone_is_no_error(tmp_path, monkeypatch):
    import fmnb as fm

    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert settings.project_file() is None
    assert fm.ask("hi", "echo:").text == "hi"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[lock]\nprovider = ["echo"]', "lock.provider is not a known lock"),
        ('[lock]\nModels = ["echo:*"]', "lock.Models is not a known lock"),
        ('[locks]\nproviders = ["echo"]', "'locks' is not a known table"),
        ('providers = ["echo"]', "'providers' is not a known table"),
        ("[lock]\nproviders = [1]", "not a string"),
        ('[lock]\nmodels = [""]', "empty"),
        ('[lock]\nmodels = ["pypi:llm-*"]', "must be complete"),
        ('[lock]\nmodels = ["path:models/*"]', "at the root"),
        ('[lock]\nurls = ["gateway.example"]', "https://"),
        ('[lock]\nurls = ["https://me@gateway.example"]', "user's name"),
        ("[lock]\nbudget = -1", "not negative"),
        ("[lock]\nbudget = nan", "not negative"),
    ],
)
def test_a_lock_that_is_not_understood_locks_everything(files, text, words):
    path = files("admin", text + "\n")
    from fmnb.catalog.resolve import resolve

    for name in ("echo:", "embedded", "openai:gpt-5"):
        with pytest.raises(SettingsError, match=words) as said:
            resolve(name)
        assert str(path) in str(said.value) and "everything is locked" in str(said.value)


def test_the_same_words_in_a_users_file_stop_nobody(files):
    files("user", '[locks]\nproviders = ["nobody"]\n[lock]\nprovider = ["nobody"]\n')
    assert settings.allowed("providers", "openai")


def test_an_administrators_file_that_cannot_be_read_is_no_missing_file(files):
    path = files("admin", "")
    path.unlink()
    path.mkdir()
    with pytest.raises(SettingsError, match="cannot be read"):
        settings.settings()


@pytest.mark.parametrize("change", ["import os; os.environ['FMNB_ADMIN_CONFIG'] = 'evil'", "import sys; sys.prefix = 'evil'"])
def test_no_cell_names_an_administrators_folder(tmp_path, change):
    for folder in ("evil", "evil/etc/jupyter"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "fmnb.toml").write_text('[provider.openai]\nbase_url = "http://127.0.0.1:9/v1"\n')
    loaded = "from fmnb.config.settings import settings; import fmnb"
    code = f"{loaded if 'prefix' in change else ''}\n{change}\n{loaded}\nprint(settings().get('provider.openai'))"
    environ = {k: v for k, v in os.environ.items() if k != "FMNB_ADMIN_CONFIG"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["None"], done.stderr


def test_no_cell_lifts_the_locks_that_a_kernel_began_with(tmp_path, home):
    (tmp_path / "fmnb.toml").write_text('[lock]\nproviders = ["nobody"]\n')
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/fmnb.toml").write_text('[lock]\nproviders = ["*"]\n')
    code = f"""
import os, sys
for change in ("pop", "set", "empty", "prefix", "folder"):
    if change == "pop": del os.environ["FMNB_ADMIN_CONFIG"]
    elif change == "set": os.environ["FMNB_ADMIN_CONFIG"] = {str(tmp_path / "mine")!r}
    elif change == "empty": os.environ["FMNB_ADMIN_CONFIG"] = ""
    elif change == "prefix": sys.prefix = {str(tmp_path / "mine")!r}
    else: os.chdir({str(tmp_path / "mine")!r})
    from fmnb.catalog.resolve import resolve
    from fmnb.core.errors import LockedError
    try:
        resolve("echo:")
    except LockedError:
        print("locked", end=" ")
"""
    for named in (str(tmp_path), "."):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "FMNB_ADMIN_CONFIG": named}, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.stdout.split() == ["locked"] * 5, done.stderr


@pytest.mark.parametrize(
    "params",
    [
        {"models": ["evil/one"]},
        {"model_name": "x"},
        {"extra_body": {"models": ["evil/one"]}},
        {"extra_body": '{"models": ["evil/one"]}'},
        {"webhook": "https://evil.example/"},
        {"extra_body": {"a": [{"fallbacks": ["x"]}]}},
        {"route": "fallback"},
        {"provider": {"order": ["evil"]}},
        {"provider": {"data_collection": "deny", "order": ["evil"]}},
        {"api_base": "https://evil.example"},
        {"Base-URL": "https://evil.example"},
        {"azure_endpoint": "https://evil.example"},
        {"preset": "@preset/evil"},
        {"deployment-id": "x"},
    ],
)
@pytest.mark.parametrize("lock", ['models = ["*"]', 'providers = ["*"]', 'urls = ["*"]'])
def test_no_parameter_reaches_past_a_lock(files, params, lock):
    import fmnb as fm
    from fmnb.core.types import Request, message
    from fmnb.providers.profiles import profile
    from fmnb.providers.send import OutgoingRequest
    from fmnb.providers.wire.chat_completions import WIRE

    files("admin", f"[lock]\n{lock}\n")
    with pytest.raises(LockedError, match="leave it out"):
        fm.ask("hi", "echo:", params=params)
    with pytest.raises(LockedError, match="leave it out"):
        OutgoingRequest(WIRE, profile("openai"), "m", Request("m", (message("user", "hi"),), extra=params))


def test_other_parameters_pass_a_lock(files):
    import fmnb as fm

    files("admin", '[lock]\nmodels = ["echo:*"]\n')
    harmless = {"top_k": 5, "provider": {"data_collection": "deny"}}
    assert fm.ask("hi", "echo:", params={**harmless, "metadata": {"model": "a label"}}).text == "hi"
