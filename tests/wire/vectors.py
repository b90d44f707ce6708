"""A loopback service that makes vectors: of each text its length, its vowels and its words. By its model's name it errs in known ways."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from typing import Any

import numpy as np


def vector(text: str, width: int = 3) -> list[float]:
    """The service's vector of a text."""
    return [float(len(text)), float(sum(c in "aeiou" for c in text)), float(len(text.split())), 1.5][:width]


class VectorServer(http.server.ThreadingHTTPServer):
    """`failures` are statuses for the first requests; `requests` the bodies that came."""

    daemon_threads = True

    def __init__(self, *failures: int):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.failures = list(failures)
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self) -> VectorServer:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: VectorServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        self.server.paths.append(self.path)
        if self.server.failures:
            return self._reply({"error": {"message": "busy", "code": "busy"}}, self.server.failures.pop(0))
        self._reply(*_answer(body))

    def _reply(self, document: Any, status: int = 200) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def _answer(body: dict[str, Any]) -> tuple[Any, int]:
    texts, model = body["input"], body["model"]
    found: list[Any] = [vector(t, body.get("dimensions", 3)) for t in texts]
    if body.get("encoding_format") == "base64":
        found = [base64.b64encode(np.asarray(v, "<f4").tobytes()).decode() for v in found]
    rows = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(found)]
    usage: Any = {"prompt_tokens": sum(len(t.split()) for t in texts), "total_tokens": 99}
    match model:
        case "few-at-once" if len(texts) > 4:
            return {"error": {"message": "Max batch size is 4 inputs"}}, 413
        case "plain-numbers" if "encoding_format" in body:
            return {"error": {"message": "Unknown parameter: encoding_format", "param": "encoding_format"}}, 400
        case "short-texts" if any(len(t) > 99 for t in texts):
            words = "This model's maximum context length is 64 tokens, however you requested 90 tokens."
            return {"error": {"message": words, "code": "context_length_exceeded"}}, 400
        case "twice":
            rows[-1]["index"] = 0
        case "numbered-in-words":
            rows[-1]["index"] = "last"
        case "nested":
            rows[-1]["embedding"] = [found[-1], found[-1]]
        case "odd-usage":
            usage = [1]
        case "backwards":
            rows.reverse()
        case "short":
            rows.pop()
        case "ragged":
            rows[-1]["embedding"] = [1.0]
        case "nan":
            rows[-1]["embedding"] = [float("nan")] * 3
        case "empty":
            rows = [{**r, "embedding": []} for r in rows]
        case "inside":
            return {"error": {"message": "The model is overloaded", "code": 503}}, 200
        case "unknown":
            return {"error": {"message": "The model `unknown` does not exist", "code": "model_not_found"}}, 404
        case "wider" if any("wide" in t for t in texts):
            rows = [{**r, "embedding": [1.0] * 5} for r in rows]
    return {"object": "list", "data": rows, "model": model, "usage": usage}, 200
