"""Batch jobs at OpenAI, Azure and Groq: an uploaded file of requests, a file of results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .base import BatchApi, BatchJobClient, Result, State, path_in_job, results_in_file

_PROBLEMS = {"completed": "", "failed": "the job failed", "expired": "", "cancelled": ""}


async def submit(client: BatchJobClient, requests: Sequence[tuple[str, dict[str, Any]]], mark: str) -> str:
    """Upload the file, then create the job."""
    path = path_in_job(client) if "azure" not in client.p.name else client.wire.path
    rows = ({"custom_id": i, "method": "POST", "url": path, "body": body} for i, body in requests)
    content = "\n".join(json.dumps(r) for r in rows).encode()
    file = await client.upload("/files", "rows.jsonl", content, {"purpose": "batch"})
    document = {"input_file_id": file["id"], "endpoint": path, "completion_window": "24h", "metadata": {"fmnb": mark}}
    return str((await client.post("/batches", document))["id"])


async def state(client: BatchJobClient, job: str) -> State:
    """The state of a job."""
    document = json.loads(await client.get(f"/batches/{job}"))
    counts = document.get("request_counts") or {}
    status = str(document.get("status"))
    problem = _PROBLEMS.get(status, "")
    if problem and (errors := (document.get("errors") or {}).get("data")):
        problem = str(errors[0].get("message") or problem)
    done = int(counts.get("completed") or 0) + int(counts.get("failed") or 0)
    return State(status in _PROBLEMS, done, int(counts.get("total") or 0), status, problem)


async def results(client: BatchJobClient, job: str) -> list[Result]:
    """The results: answers and errors are in separate files. An expired job has partial results."""
    document = json.loads(await client.get(f"/batches/{job}"))
    return [r for name in ("output_file_id", "error_file_id") if document.get(name) for r in await results_in_file(client, document[name])]


async def find(client: BatchJobClient, mark: str) -> str:
    """Find a job by its mark among the latest 100 jobs."""
    document = json.loads(await client.get("/batches?limit=100"))
    return next((str(j["id"]) for j in document.get("data", ()) if (j.get("metadata") or {}).get("fmnb") == mark), "")


FORM = BatchApi(max_requests=50_000, max_bytes=90_000_000, submit=submit, state=state, results=results, find=find)
