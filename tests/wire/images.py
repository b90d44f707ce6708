"""A loopback server that makes pictures and videos as services do, and tiny files to make them of.

What it does is chosen by the model's name, as in `server.py`. It keeps what was sent to it.
"""

from __future__ import annotations

import base64
import json
import random
import re
import struct
import threading
import time
import zlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MP4 = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2" + b"\0" * 64


def png(width: int = 4, height: int = 3, seed: int = 0) -> bytes:
    """A PNG of noise, made by hand: as large as it looks."""
    noise = random.Random(seed)
    rows = b"".join(b"\0" + noise.randbytes(3 * width) for _ in range(height))

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


@dataclass
class Seen:
    """One request as it arrived; `body` is its JSON, `raw` its bytes."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    raw: bytes


@dataclass
class ImageServer:
    """Runs in threads of its own while the `with` block lasts."""

    requests: list[Seen] = field(default_factory=list)
    tasks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # of Runway: the states still to be told
    told: threading.Event = field(default_factory=threading.Event)  # a task's running state was asked for

    def __enter__(self) -> ImageServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                try:
                    body = json.loads(raw) if raw else {}
                except ValueError:
                    body = {}
                seen = Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body, raw)
                outer.requests.append(seen)
                status, kind, data = outer._answer(seen)
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(data)))
                    if status in (301, 302):
                        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:  # the client went away
                    pass

            do_GET = do_POST = do_DELETE = _serve

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def wait_for(self, method: str, path: str, seconds: float = 5) -> bool:
        """Whether such a request has come, waiting a little for it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if any(r.method == method and path in r.path for r in self.requests):
                return True
            time.sleep(0.01)
        return False

    def _answer(self, seen: Seen) -> tuple[int, str, bytes]:
        path = seen.path.split("?")[0]
        if path.startswith("/files/"):
            return {"moved.png": (302, "text/plain", b""), "clip.mp4": (200, "video/mp4", MP4), "gone.png": (404, "text/plain", b"")}.get(
                path.rpartition("/")[2], (200, "image/png", png(8, 8))
            )
        if path.startswith("/v1/images/"):
            return self._openai(seen)
        if path.endswith(":generateContent"):
            return self._gemini(seen, path.rpartition("/")[2].partition(":")[0])
        if "/tasks/" in path or re.search(r"/(text|image)_to_(image|video)$", path):
            return self._runway(seen, path)
        if "fal-ai" in path:
            return _json(200, {"images": [{"url": f"{self.url[:-3]}/files/fal.png"}]})
        return self._endpoint(seen)

    def _openai(self, seen: Seen) -> tuple[int, str, bytes]:
        model = str(seen.body.get("model", "multipart"))
        one = {"b64_json": base64.b64encode(png(8, 8)).decode()}
        usage = {
            "input_tokens": 12,
            "output_tokens": 272,
            "total_tokens": 284,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": 12},
        }
        match model:
            case "image-filtered":
                error = {"message": "Your request was rejected by the safety system.", "type": "image_generation_user_error"}
                return _json(400, {"error": error | {"code": "moderation_blocked", "param": None}})
            case "image-no-size" if "size" in seen.body:
                error = {"message": "Unknown parameter: 'size'.", "param": "size", "code": "unknown_parameter"}
                return _json(400, {"error": error})
            case "image-link":
                return _json(200, {"data": [{"url": f"{self.url[:-3]}/files/made.png", "revised_prompt": "a very small cat"}]})
            case "image-elsewhere":
                return _json(200, {"data": [{"url": "https://evil.example/made.png"}]})
            case "image-with-key":
                return _json(200, {"data": [{"url": "https://evil.example/made.png?key=0123-key-of-the-user-4567"}]})
            case "image-moved":
                return _json(200, {"data": [{"url": f"{self.url[:-3]}/files/moved.png"}]})
            case "image-junk":
                return _json(200, {"data": [{"b64_json": base64.b64encode(b"<svg onload=alert(1)>").decode()}]})
            case "image-svg":
                return _json(200, {"output_format": "svg", "data": [{"b64_json": base64.b64encode(b"<svg/>").decode()}]})
            case "image-odd":
                return _json(200, {"data": [one], "usage": {"output_tokens": "many"}})
            case "image-none":
                return _json(200, {"data": []})
            case "image-busy":
                return _json(429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}})
        return _json(200, {"data": [one] * int(seen.body.get("n", 1)), "usage": usage, "quality": "low"})

    def _gemini(self, seen: Seen, model: str) -> tuple[int, str, bytes]:
        if model.endswith("blocked"):
            return _json(200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
        if model.endswith("unsafe"):
            return _json(200, {"candidates": [{"finishReason": "IMAGE_SAFETY"}]})
        inline = {"mimeType": "image/png", "data": base64.b64encode(png(16, 16)).decode()}
        parts = [{"text": "Here it is."}, {"inlineData": inline, "thoughtSignature": "x"}]
        used = {"promptTokenCount": 5, "candidatesTokenCount": 1295, "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}]}
        return _json(200, {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "usageMetadata": used})

    def _runway(self, seen: Seen, path: str) -> tuple[int, str, bytes]:
        if seen.method == "POST":
            task = f"task-{len(self.tasks) + 1}"
            name = "made.png" if path.endswith("image") else "clip.mp4"
            done = {"status": "SUCCEEDED", "output": [f"{self.url[:-3]}/files/{name}?_jwt=once"]}
            running = [{"status": "PENDING"}, {"status": "THROTTLED"}, {"status": "RUNNING", "progress": 0.4}]
            model = str(seen.body["model"])
            if model.endswith("unsafe"):
                done = {"status": "FAILED", "failureCode": "SAFETY.INPUT.TEXT", "failure": "Not this."}
            elif model.endswith("broken"):
                done = {"status": "FAILED", "failureCode": "INTERNAL.BAD_OUTPUT.CODE01", "failure": "It came out badly."}
            elif model.endswith("endless"):
                running = [{"status": "RUNNING", "progress": 0.1}] * 10_000
            elif model.endswith("hiccup"):
                running.insert(1, {"hiccup": True})
            self.tasks[task] = [*running, done]
            return _json(200, {"id": task})
        task = path.rpartition("/")[2]
        if seen.method == "DELETE":
            return 204, "text/plain", b""
        state = self.tasks[task].pop(0)
        if state.get("hiccup"):
            return _json(503, {"error": "shedding load"})
        if state["status"] == "RUNNING":
            self.told.set()
        return _json(200, {"id": task, "createdAt": "2026-11-24T12:00:00Z", **state})

    def _endpoint(self, seen: Seen) -> tuple[int, str, bytes]:
        """An endpoint of one's own at Hugging Face: a picture for `inputs`."""
        if seen.body.get("inputs") == "busy":
            return _json(503, {"error": "Model is loading"})
        return 200, "image/png", png(8, 8, seed=int((seen.body.get("parameters") or {}).get("seed") or 0))


def _json(status: int, document: Any) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(document).encode()
