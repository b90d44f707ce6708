"""The loopback service that gave the stored answers, and gives the missing ones: what it says follows from what it is asked.

It answers as OpenAI's API does: chat (whole and streamed, with schemas, reasoning, prices), vectors, pictures and batch jobs.
It counts what it is asked, so that a test sees what was not asked again.
"""

from __future__ import annotations

import base64
import email
import json
import struct
import threading
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REFUSED = {
    "please fail": (400, {"message": "no such luck", "type": "invalid_request_error"}),
    "please overload": (503, {"message": "come back later", "type": "server_error"}),
    "please lock": (401, {"message": "this key is not known", "type": "authentication_error"}),
    "please charge": (429, {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}),
}


def png(width: int, height: int, *, level: int = 9) -> bytes:
    """A gray PNG; at level 0 as many bytes as it has pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = (b"\0" + b"\x80" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, level)) + chunk(b"IEND", b"")


class Service:
    """`asked` are the texts of all chat requests; `seen` hears each before it is answered; `done` completes every job."""

    def __init__(self, port: int = 0, seen: Callable[[str], object] = lambda text: None):
        self.asked: list[str] = []
        self.keys: set[str] = set()
        self.embedded: list[str] = []
        self.files: dict[str, str] = {}
        self.jobs: dict[str, list[Any]] = {}
        self.done = False
        self.seen = seen
        self._port = port

    def __enter__(self) -> Service:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(*service.get(self.path))

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                service.keys.add(self.headers.get("authorization", ""))
                self._reply(*service.post(self.path, data, self.headers["content-type"]))

            def _reply(self, status: int, found: Any) -> None:
                out = found if isinstance(found, bytes) else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/event-stream" if out.startswith(b"data:") else "application/json")
                self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def post(self, path: str, data: bytes, kind: str) -> tuple[int, Any]:
        """What a request is answered with."""
        if path.endswith("/files"):
            form = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + data)
            parts = {p.get_param("name", header="content-disposition"): p.get_payload(decode=True) for p in form.get_payload()}
            self.files[f"file-{len(self.files)}"] = parts["file"].decode()  # type: ignore[union-attr, index]
            return 200, {"id": f"file-{len(self.files) - 1}", "object": "file"}
        body = json.loads(data)
        if path.endswith("/batches"):
            job = f"job-{len(self.jobs)}"
            self.jobs[job] = [body["metadata"]["fmnb"], *map(json.loads, self.files[body["input_file_id"]].splitlines())]
            return 200, {"id": job}
        if path.endswith("/embeddings"):
            self.embedded += body["input"]
            return 200, vectors(body)
        if path.endswith("/images/generations"):
            large = "large" in body["prompt"]
            one = {"b64_json": base64.b64encode(png(1200, 900, level=0) if large else png(16, 12)).decode()}
            return 200, {"data": [one], "usage": {"input_tokens": 12, "output_tokens": 272, "total_tokens": 284}}
        text = text_of(body)
        self.asked.append(text)
        self.seen(text)
        for words, (status, error) in REFUSED.items():
            if words in text:
                return status, {"error": error}
        return 200, streamed(body) if body.get("stream") else whole(body)

    def get(self, path: str) -> tuple[int, Any]:
        """Models, the state of a job, and what came of it."""
        if path.endswith("/models"):
            return 200, {"object": "list", "data": [{"id": m, "object": "model"} for m in ("m", "small")]}
        if path.endswith("/content"):
            return 200, self.files[path.split("/")[-2]].encode()
        if "/batches/" not in path:
            return 200, {"data": [{"id": j, "metadata": {"fmnb": rows[0]}} for j, rows in self.jobs.items()]}
        job = path.rpartition("/")[2]
        rows = self.jobs[job][1:]
        count = {"total": len(rows), "completed": len(rows) if self.done else 0, "failed": 0}
        if not self.done:
            return 200, {"id": job, "status": "in_progress", "request_counts": count}
        out = [{"custom_id": r["custom_id"], "response": {"status_code": 200, "body": whole(r["body"])}, "error": None} for r in rows]
        self.files[f"{job}-out"] = "\n".join(map(json.dumps, out))
        return 200, {"id": job, "status": "completed", "output_file_id": f"{job}-out", "error_file_id": None, "request_counts": count}


def text_of(body: dict[str, Any]) -> str:
    """The last thing that was said to the model."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content)


def said(body: dict[str, Any]) -> str:
    """An answer that follows from the question, the model and how it was asked."""
    text, model = text_of(body), body["model"]
    if "please stumble" in text and len(body["messages"]) == 1 or any("please never" in str(m["content"]) for m in body["messages"]):
        return "no object"
    if "json_schema" in body.get("response_format", {}):
        return json.dumps(value_of(body["response_format"]["json_schema"]["schema"], text))
    if "Reply with" in text:
        word = text.rpartition("Reply with ")[2].split()[0]
        return word if model == "m" or len(text) % 3 else "nothing"
    warm = f" at {body['temperature']}" if "temperature" in body else ""
    return f"{model}{warm} heard {len(body['messages'])}: {text}"


def value_of(schema: dict[str, Any], text: str) -> Any:
    """A value that fits a schema. Of two answers between tags the longer one is the better."""
    if "enum" in schema:
        if "<answer_A>" in text:
            a, b = (len(text.partition(f"<answer_{x}>")[2].partition("</answer")[0]) for x in "AB")
            return "A" if a > b else "B" if b > a else "tie"
        return schema["enum"][len(text) % len(schema["enum"])]
    kind = schema.get("type") or schema["anyOf"][0]["type"]
    match kind if isinstance(kind, str) else kind[0]:
        case "object":
            return {name: value_of(part, text) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [value_of(schema["items"], text), value_of(schema["items"], text[::-1])]
        case "integer":
            return len(text)
        case "number":
            return len(text) / 2
        case "boolean":
            return len(text) % 2 == 0
    return text[:24]


def usage_of(body: dict[str, Any]) -> dict[str, Any]:
    """Tokens and the price of an answer."""
    sent, got = sum(len(str(m["content"]).split()) for m in body["messages"]), len(said(body).split())
    detail = {"completion_tokens_details": {"reasoning_tokens": 2}} if "think" in text_of(body) else {}
    return {
        "prompt_tokens": sent,
        "completion_tokens": got,
        "total_tokens": sent + got,
        "cost": round(sent / 1000 + got / 100, 6),
        **detail,
    }


def finish_of(body: dict[str, Any]) -> str:
    """Why an answer ends."""
    return "content_filter" if "please filter" in text_of(body) else "length" if "please cut" in text_of(body) else "stop"


def whole(body: dict[str, Any]) -> dict[str, Any]:
    """An answer in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": said(body)}
    if "think" in text_of(body):
        message["reasoning_content"] = "Let me see."
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish_of(body)}
    if body.get("logprobs"):
        choice["logprobs"] = {"content": [{"token": said(body), "logprob": -0.25, "top_logprobs": [{"token": "no", "logprob": -1.5}]}]}
    return {"id": "x", "object": "chat.completion", "model": f"{body['model']}-2026", "choices": [choice], "usage": usage_of(body)}


def streamed(body: dict[str, Any]) -> bytes:
    """An answer in pieces. One that is asked to break ends in the middle."""
    text = said(body)
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if "think" in text_of(body):
        deltas.append({"reasoning_content": "Let me see."})
    deltas += [{"content": text[:5]}, {"content": text[5:]}]
    head = {"id": "x", "object": "chat.completion.chunk", "model": f"{body['model']}-2026"}
    chunks = [{**head, "choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    if "please break" in text_of(body):
        return b"".join(b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks[:-1])
    if body.get("logprobs"):
        chunks[-1]["choices"][0]["logprobs"] = whole(body)["choices"][0]["logprobs"]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish_of(body)}]})
    chunks.append({**head, "choices": [], "usage": usage_of(body)})
    return b"".join(b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks) + b"data: [DONE]\n\n"


def vectors(body: dict[str, Any]) -> dict[str, Any]:
    """Three numbers of each text."""
    rows = [[len(t) / 8, t.count("a") / 4, 1.0] for t in body["input"]]
    data = [{"index": i, "embedding": base64.b64encode(struct.pack("<3f", *r)).decode()} for i, r in enumerate(rows)]
    return {"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": 4, "total_tokens": 4}}
