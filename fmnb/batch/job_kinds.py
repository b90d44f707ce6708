"""Which job runs a batch: here or on Ray, over a table or over files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.events import Sink
from ..store import jobs
from .options import Limits
from .rows import RowCalls


def job_of(on: str | None, rows: RowCalls, table: Any, limits: Limits, sinks: Sequence[Sink], *more: Any, kind: str = "Job") -> Any:
    """The job of a batch, here or on Ray. It skips rows that are in a service's batch job."""
    address = None
    if on:
        from .ray.start import parse_address

        address = parse_address(on)
    job: Any = _kind(kind, bool(on))(rows, table, limits, *more, sinks)
    if address is not None:
        job.address = address
    if job.durable:
        job.open_jobs = jobs.open_runs()
        job.submitted_keys = jobs.open_keys(dict.fromkeys(base.call.request.model for base in rows.bases))
    return job


def _kind(name: str, on_ray: bool) -> Any:
    """The class of a job; Ray and the writer of parts are imported only where they are used."""
    match name, on_ray:
        case "Job", False:
            from .job import Job

            return Job
        case "Job", True:
            from .ray.job import RayJob

            return RayJob
        case "PartsJob", False:
            from .io.parts import PartsJob

            return PartsJob
        case "PartsJob", True:
            from .ray.job import RayPartsJob

            return RayPartsJob
    raise LookupError(name)
