"""A loopback service that lists its models, as fast or as slowly as it is told."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any

MODELS = [
    {
        "id": "house/small",
        "context_length": 128000,
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        "pricing": {"prompt": "0.00000015", "completion": "0.0000006"},
    },
    {"id": "house/free", "context_window": 8192, "pricing": {"prompt": "0", "completion": "0"}},
]


class ListServer(http.server.ThreadingHTTPServer):
    """Answers `GET /v1/models`, once `go` is set where it is held."""

    daemon_threads = True

    def __init__(self, models: list[dict[str, Any]] | None = None, held: bool = False):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.models = MODELS if models is None else models
        self.go = threading.Event()
        if not held:
            self.go.set()
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self) -> ListServer:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: ListServer

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.server.go.wait(60)
        data = json.dumps({"object": "list", "data": self.server.models}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass
