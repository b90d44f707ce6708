"""Batch jobs at OpenAI, Azure and Groq: an uploaded file of requests, a file of results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .base import BatchJobClient, Form, Result, State, in_file, path_of

_OVER = {"completed": "", "failed": "the job failed", "expired": "", "cancelled": ""}


async def submit(desk: BatchJobClient, requests: Sequence[tuple[str, dict[str, Any]]], mark: str) -> str:
    """Upload the file, then create the job."""
    path = path_of(desk) if "azure" not in desk.p.name else desk.wire.path
    rows = ({"custom_id": i, "method": "POST", "url": path, "body": body} for i, body in requests)
    content = "\n".join(json.dumps(r) for r in rows).encode()
    file = await desk.upload("/files", "rows.jsonl", content, {"purpose": "batch"})
    wanted = {"input_file_id": file["id"], "endpoint": path, "completion_window": "24h", "metadata": {"fmnb": mark}}
    return str((await desk.post("/batches", wanted))["id"])


async def state(desk: BatchJobClient, job: str) -> State:
    """The state of a job."""
    said = json.loads(await desk.get(f"/batches/{job}"))
    counts = said.get("request_counts") or {}
    status = str(said.get("status"))
    problem = _OVER.get(status, "")
    if problem and (errors := (said.get("errors") or {}).get("data")):
        problem = str(errors[0].get("message") or problem)
    done = int(counts.get("completed") or 0) + int(counts.get("failed") or 0)
    return State(status in _OVER, done, int(counts.get("total") or 0), status, problem)


async def results(desk: BatchJobClient, job: str) -> list[Result]:
    """The results: answers and errors are in separate files. An expired job has partial results."""
    said = json.loads(await desk.get(f"/batches/{job}"))
    return [r for name in ("output_file_id", "error_file_id") if said.get(name) for r in await in_file(desk, said[name])]


async def find(desk: BatchJobClient, mark: str) -> str:
    """Find a job by its mark among the latest 100 jobs."""
    said = json.loads(await desk.get("/batches?limit=100"))
    return next((str(j["id"]) for j in said.get("data", ()) if (j.get("metadata") or {}).get("fmnb") == mark), "")


FORM = Form(most=50_000, bytes=90_000_000, submit=submit, state=state, results=results, find=find)
