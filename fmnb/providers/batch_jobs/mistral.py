"""Batch jobs at Mistral: an uploaded file of requests, the model in the job, a file of results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .base import BatchApi, BatchJobClient, Result, State, path_in_job, results_in_file

_PROBLEMS = {"SUCCESS": "", "FAILED": "the job failed", "TIMEOUT_EXCEEDED": "", "CANCELLED": ""}


async def submit(client: BatchJobClient, requests: Sequence[tuple[str, dict[str, Any]]], mark: str) -> str:
    """Submit a job. Only the job names the model, not its requests."""
    rows = ({"custom_id": i, "body": {k: v for k, v in body.items() if k != "model"}} for i, body in requests)
    content = "\n".join(json.dumps(r) for r in rows).encode()
    file = await client.upload("/files", "rows.jsonl", content, {"purpose": "batch"})
    document = {"input_files": [file["id"]], "model": client.model, "endpoint": path_in_job(client), "metadata": {"fmnb": mark}}
    return str((await client.post("/batch/jobs", document))["id"])


async def state(client: BatchJobClient, job: str) -> State:
    """The state of a job."""
    document = json.loads(await client.get(f"/batch/jobs/{job}"))
    done = int(document.get("succeeded_requests") or 0) + int(document.get("failed_requests") or 0)
    status = str(document.get("status"))
    problem = _PROBLEMS.get(status, "")
    if problem and document.get("errors"):
        problem = str(document["errors"][0].get("message") or problem)
    return State(status in _PROBLEMS, done, int(document.get("total_requests") or 0), status.lower(), problem)


async def results(client: BatchJobClient, job: str) -> list[Result]:
    """The results: answers and errors are in separate files."""
    document = json.loads(await client.get(f"/batch/jobs/{job}"))
    return [r for name in ("output_file", "error_file") if document.get(name) for r in await results_in_file(client, document[name])]


async def find(client: BatchJobClient, mark: str) -> str:
    """Find a job by its mark among the latest 100 jobs."""
    document = json.loads(await client.get("/batch/jobs?page_size=100"))
    return next((str(j["id"]) for j in document.get("data") or () if (j.get("metadata") or {}).get("fmnb") == mark), "")


FORM = BatchApi(max_requests=50_000, max_bytes=90_000_000, submit=submit, state=state, results=results, find=find)
