"""Searching the hub: what is found, and how soon a hub that is not there is given up."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import constants

from fmnb.catalog import hub_search

FOUND = [
    {
        "id": "org/tiny",
        "downloads": 9,
        "likes": 2,
        "gated": False,
        "pipeline_tag": "text-generation",
        "tags": ["gguf", "license:mit"],
        "siblings": [{"rfilename": "tiny.gguf"}, {"rfilename": "README.md"}],
        "usedStorage": 77,
    }
]


@pytest.fixture
def hub(monkeypatch):
    """A loopback hub; `asked` are the requests it got, `down` makes it hang up on each."""

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            server.asked.append(self.path)
            if not server.down:
                self._reply(200, b"")

        def do_GET(self) -> None:
            server.asked.append(self.path)
            if not server.down:
                models = self.path.startswith("/api/models?")  # the client looks for other things of its own as well
                self._reply(200 if models else 404, json.dumps(FOUND if models else {}).encode())

        def _reply(self, status: int, out: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(out)))
            self.end_headers()
            self.wfile.write(out)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked, server.down = [], False
    threading.Thread(target=lambda: server.serve_forever(0.05), daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield server
    server.shutdown()
    server.server_close()


def test_what_fits_is_found_with_its_files_and_license(hub):
    found = hub_search.search("tiny", "text-generation", 5)
    assert not found.error
    (model,) = found.models
    assert (model.source, model.license, model.size, model.downloads) == ("hf:org/tiny", "mit", 77, 9) and not found.error
    assert [f.name for f in model.files] == ["tiny.gguf"]
    asked = hub.asked[-1]
    assert "search=tiny" in asked and "pipeline_tag=text-generation" in asked and "sort=downloads" in asked and "limit=5" in asked


def test_a_hub_that_is_not_there_is_knocked_at_once_and_given_up(hub):
    hub.down = True
    found = hub_search.search("tiny")
    assert found.models == () and found.error.startswith("the hub cannot be reached") and len(hub.asked) == 1


def test_offline_asks_nothing(hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert hub_search.search("tiny").error.startswith("offline") and not hub.asked
