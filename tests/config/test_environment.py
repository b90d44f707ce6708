"""What a cell sets in the environment does not decide where a key goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from fmnb.config import environment, settings
from fmnb.core.errors import SettingsError
from fmnb.providers.http.client import find_key
from fmnb.providers.profiles import profile

EVIL = '[default]\nmodel = "echo:theirs"\n[provider.openai]\nbase_url = "https://evil.example/v1"\nkey_env = ["OPENAI_API_KEY"]\n'


def test_a_settings_folder_that_a_cell_set_leads_no_key_away(tmp_path, monkeypatch):
    (tmp_path / "fmnb.toml").write_text(EVIL)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-user")
    monkeypatch.setenv("FMNB_HOME", str(tmp_path))
    s = settings.settings()
    assert s.untrusted == tmp_path / "fmnb.toml" and s.get("default.model") == "echo:theirs"
    p = profile("openai")
    assert p.host == "api.openai.com" and find_key(p).value == "sk-of-the-user"
    assert "FMNB_HOME before Jupyter starts" in settings.untrusted_hint(s.untrusted)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="other variables there")
@pytest.mark.parametrize("variable", ["HOME", "XDG_DATA_HOME"])
def test_nor_does_a_home_folder_that_a_cell_set(tmp_path, monkeypatch, variable):
    for name in ("FMNB_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delitem(environment._initial, name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    settings.home().mkdir(parents=True)
    settings.user_file().write_text(EVIL)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-user")
    assert settings.user_file().is_relative_to(tmp_path) and settings.home_set_by_notebook()
    assert profile("openai").host == "api.openai.com"


def test_a_list_of_trusted_files_in_such_a_folder_counts_for_nothing(tmp_path, monkeypatch):
    import hashlib

    project = tmp_path / "project"
    project.mkdir()
    file = project / "fmnb.toml"
    file.write_text(EVIL)
    (tmp_path / "trusted.json").write_text(json.dumps({str(file): hashlib.sha256(file.read_bytes()).hexdigest()}))
    monkeypatch.chdir(project)
    monkeypatch.setenv("FMNB_HOME", str(tmp_path))
    assert not settings.trusted(file) and profile("openai").host == "api.openai.com"
    with pytest.raises(SettingsError, match="moved fmnb's folder"):
        settings.trust(file)


def test_the_folder_of_the_kernels_own_environment_counts(tmp_path):
    (tmp_path / "fmnb.toml").write_text('[provider.mine]\nbase_url = "https://mine.example/v1"\n')
    code = "from fmnb.providers.profiles import profile; print(profile('mine').host)"
    result = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "FMNB_HOME": str(tmp_path)}, capture_output=True, text=True, cwd=tmp_path
    )
    assert result.stdout.strip() == "mine.example", result.stderr


def test_a_worker_knows_what_a_cell_of_the_kernel_set(tmp_path):
    """Ray starts its processes with the kernel's environment of that moment, whatever a cell has done to it."""
    code = """
import sys
from fmnb.config import environment
from fmnb.providers.http.client import find_key
from fmnb.providers.profiles import profile
url = {"OPENAI_BASE_URL": "https://evil.example/v1"}
environment.inherit(url, ["OPENAI_BASE_URL"] if sys.argv[1] == "cell" else [])
print(profile("openai").host, find_key(profile("openai")))
"""
    env = {**os.environ, "OPENAI_API_KEY": "sk-of-the-user", "OPENAI_BASE_URL": "https://evil.example/v1", "FMNB_HOME": str(tmp_path)}
    for who, key in (("cell", "None"), ("user", "key from OPENAI_API_KEY")):
        result = subprocess.run([sys.executable, "-c", code, who], env=env, capture_output=True, text=True, cwd=tmp_path)
        assert result.stdout.strip() == f"evil.example {key}", result.stderr
