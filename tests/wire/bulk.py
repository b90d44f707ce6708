"""A loopback service with batch jobs in the form of OpenAI, Anthropic, Mistral or Gemini. Jobs are done when the test says so."""

from __future__ import annotations

import email
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24}


class BulkService:
    """`done` completes every job; `fail` names prompts that fail in it; `lines` are the requests as they were handed in."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.lines: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.done = False
        self.fail: dict[str, int] = {}
        self.lose_answer = False  # take a job in and do not say so
        self.refuse = 0

    def __enter__(self) -> BulkService:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(service.get(self.path.partition("?")[0]))

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                service.headers.append({k.lower(): v for k, v in self.headers.items()})
                if service.refuse:
                    return self._reply((service.refuse, {"error": {"message": "no", "type": "invalid_request_error"}}))
                found = service.post(self.path.partition("?")[0], data, self.headers["content-type"])
                if service.lose_answer and "file" not in self.path:
                    self.connection.close()
                    return None
                return self._reply(found)

            def _reply(self, found: Any) -> None:
                status, document = found if isinstance(found, tuple) else (200, found)
                out = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def post(self, path: str, data: bytes, kind: str) -> Any:
        if path.endswith("/files"):
            form = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + data)
            parts = {p.get_param("name", header="content-disposition"): p.get_payload(decode=True) for p in form.get_payload()}
            assert parts["purpose"] == b"batch"
            name = f"file-{len(self.files)}"
            self.files[name] = parts["file"]
            return {"id": name, "object": "file"}
        job = f"job-{len(self.jobs)}"
        body = json.loads(data)
        if path.endswith("/batches") and "messages" in path:
            rows = [(r["custom_id"], r["params"]) for r in body["requests"]]
            assert all(len(i) <= 64 for i, _ in rows)
            kept: dict[str, Any] = {"form": "anthropic"}
        elif path.endswith(":batchGenerateContent"):
            job = f"batches/{job}"
            inline = body["batch"]["input_config"]["requests"]["requests"]
            rows = [(r["metadata"]["key"], r["request"]) for r in inline]
            kept = {"form": "gemini", "mark": body["batch"]["display_name"]}
        elif path.endswith("/batch/jobs"):
            rows = [(r["custom_id"], r["body"]) for r in map(json.loads, self.files[body["input_files"][0]].splitlines())]
            assert body["model"] and all("model" not in r for _, r in rows)
            kept = {"form": "mistral", "mark": body["metadata"]["fmnb"]}
        else:
            lines = [json.loads(x) for x in self.files[body["input_file_id"]].splitlines()]
            assert all(r["url"] == body["endpoint"] and r["method"] == "POST" for r in lines) and body["completion_window"] == "24h"
            rows = [(r["custom_id"], r["body"]) for r in lines]
            kept = {"form": "openai", "mark": body["metadata"]["fmnb"]}
        assert all("stream" not in r for _, r in rows)
        self.lines += [{"id": i, "body": b} for i, b in rows]
        self.jobs[job] = {**kept, "rows": rows}
        return {"id": job, "name": job}

    def get(self, path: str) -> Any:
        if path.endswith("/content"):
            return self.files[path.split("/")[-2]]
        if path.endswith("/batch/jobs") or path.endswith("/batches"):
            marked = [
                {"id": j, "name": j, "metadata": {"fmnb": k["mark"], "displayName": k["mark"]}} for j, k in self.jobs.items() if "mark" in k
            ]
            return {"data": marked, "operations": marked}
        if path.endswith("/models"):
            return {"data": []}
        results = path.endswith("/results")
        name = path.removesuffix("/results").rpartition("/")[2]
        job = self.jobs.get(name) or self.jobs[f"batches/{name}"]
        return getattr(self, job["form"])(name, job, results)

    def openai(self, name: str, job: dict[str, Any], results: bool) -> Any:
        total = len(job["rows"])
        if not self.done:
            return {"id": name, "status": "in_progress", "request_counts": {"total": total, "completed": 1, "failed": 0}}
        good, bad = self._split(job)
        self.files[f"{name}-out"] = _lines(
            {"custom_id": i, "response": {"status_code": 200, "body": _chat(b)}, "error": None} for i, b in good
        )
        self.files[f"{name}-err"] = _lines(
            {"custom_id": i, "response": {"status_code": s, "body": {"error": {"message": "no such luck"}}}, "error": None} for i, s in bad
        )
        return {
            "id": name,
            "status": "completed",
            "output_file_id": f"{name}-out",
            "error_file_id": f"{name}-err" if bad else None,
            "request_counts": {"total": total, "completed": len(good), "failed": len(bad)},
        }

    def mistral(self, name: str, job: dict[str, Any], results: bool) -> Any:
        said = self.openai(name, job, results)
        counts = said["request_counts"]
        return {
            "id": name,
            "status": "SUCCESS" if self.done else "RUNNING",
            "output_file": said.get("output_file_id"),
            "error_file": said.get("error_file_id"),
            "total_requests": counts["total"],
            "succeeded_requests": counts["completed"],
            "failed_requests": counts["failed"],
        }

    def anthropic(self, name: str, job: dict[str, Any], results: bool) -> Any:
        good, bad = self._split(job)
        if not results:
            counts = {"processing": 0 if self.done else len(job["rows"]), "succeeded": len(good) if self.done else 0, "errored": 0}
            return {"id": name, "processing_status": "ended" if self.done else "in_progress", "request_counts": counts}
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": "no such luck"}}
        rows = [{"custom_id": i, "result": {"type": "succeeded", "message": _message(b)}} for i, b in good]
        return _lines([*rows, *({"custom_id": i, "result": {"type": "errored", "error": error}} for i, _ in bad)])

    def gemini(self, name: str, job: dict[str, Any], results: bool) -> Any:
        good, bad = self._split(job)
        total = len(job["rows"])
        about = {
            "state": f"BATCH_STATE_{'SUCCEEDED' if self.done else 'RUNNING'}",
            "batchStats": {"requestCount": str(total), "pendingRequestCount": "0" if self.done else str(total)},
        }
        if not self.done:
            return {"name": f"batches/{name}", "metadata": about}
        rows = [{"metadata": {"key": i}, "response": _content(b)} for i, b in good]
        rows += [{"metadata": {"key": i}, "error": {"code": s, "message": "no such luck"}} for i, s in bad]
        return {"name": f"batches/{name}", "metadata": about, "done": True, "response": {"inlinedResponses": {"inlinedResponses": rows}}}

    def _split(self, job: dict[str, Any]) -> tuple[list[Any], list[Any]]:
        bad = [(i, status) for i, b in job["rows"] for word, status in self.fail.items() if word in json.dumps(b)]
        return [(i, b) for i, b in job["rows"] if i not in dict(bad)], bad


def _lines(rows: Any) -> bytes:
    return "\n".join(json.dumps(r) for r in reversed(list(rows))).encode()  # in another order than they were handed in


def _said(body: dict[str, Any]) -> str:
    """The last word of the prompt, or an object for a schema; no word for "nothing"."""
    text = body["contents"][-1]["parts"][-1]["text"] if "contents" in body else body["messages"][-1]["content"]
    text = text if isinstance(text, str) else "".join(p.get("text", "") for p in text)
    wanted = "response_format" in body or "output_config" in body or "responseJsonSchema" in body.get("generationConfig", {})
    word = text.split()[-1].replace("nothing", "")
    return json.dumps({"word": word}) if wanted else word


def _chat(body: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": _said(body)}, "finish_reason": "stop"}
    return {"id": "x", "object": "chat.completion", "model": "m-answered", "choices": [choice], "usage": {**USAGE, "cost": 0.002}}


def _message(body: dict[str, Any]) -> dict[str, Any]:
    usage = {"input_tokens": 20, "output_tokens": 4}
    content = [{"type": "text", "text": _said(body)}]
    return {
        "id": "x",
        "type": "message",
        "role": "assistant",
        "model": "m-answered",
        "content": content,
        "stop_reason": "end_turn",
        "usage": usage,
    }


def _content(body: dict[str, Any]) -> dict[str, Any]:
    usage = {"promptTokenCount": 20, "candidatesTokenCount": 3, "thoughtsTokenCount": 1}
    parts = [{"text": "hm", "thought": True}, {"text": _said(body)}]
    first = {"content": {"parts": parts, "role": "model"}, "finishReason": "STOP"}
    return {"candidates": [first], "modelVersion": "m-answered", "usageMetadata": usage}
