"""Batch jobs at Mistral: an uploaded file of requests, the model in the job, a file of results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .base import BatchJobClient, Form, Result, State, in_file, path_of

_OVER = {"SUCCESS": "", "FAILED": "the job failed", "TIMEOUT_EXCEEDED": "", "CANCELLED": ""}


async def submit(desk: BatchJobClient, requests: Sequence[tuple[str, dict[str, Any]]], mark: str) -> str:
    """Submit a job. Only the job names the model, not its requests."""
    rows = ({"custom_id": i, "body": {k: v for k, v in body.items() if k != "model"}} for i, body in requests)
    content = "\n".join(json.dumps(r) for r in rows).encode()
    file = await desk.upload("/files", "rows.jsonl", content, {"purpose": "batch"})
    wanted = {"input_files": [file["id"]], "model": desk.model, "endpoint": path_of(desk), "metadata": {"fmnb": mark}}
    return str((await desk.post("/batch/jobs", wanted))["id"])


async def state(desk: BatchJobClient, job: str) -> State:
    """The state of a job."""
    said = json.loads(await desk.get(f"/batch/jobs/{job}"))
    done = int(said.get("succeeded_requests") or 0) + int(said.get("failed_requests") or 0)
    status = str(said.get("status"))
    problem = _OVER.get(status, "")
    if problem and said.get("errors"):
        problem = str(said["errors"][0].get("message") or problem)
    return State(status in _OVER, done, int(said.get("total_requests") or 0), status.lower(), problem)


async def results(desk: BatchJobClient, job: str) -> list[Result]:
    """The results: answers and errors are in separate files."""
    said = json.loads(await desk.get(f"/batch/jobs/{job}"))
    return [r for name in ("output_file", "error_file") if said.get(name) for r in await in_file(desk, said[name])]


async def find(desk: BatchJobClient, mark: str) -> str:
    """Find a job by its mark among the latest 100 jobs."""
    said = json.loads(await desk.get("/batch/jobs?page_size=100"))
    return next((str(j["id"]) for j in said.get("data") or () if (j.get("metadata") or {}).get("fmnb") == mark), "")


FORM = Form(most=50_000, bytes=90_000_000, submit=submit, state=state, results=results, find=find)
