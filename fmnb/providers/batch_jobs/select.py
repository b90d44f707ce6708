"""Selects the batch API that a profile names; only its module is imported."""

from __future__ import annotations

from ..profiles import Profile
from .base import BatchApi, BatchJobs


def batch_jobs_of(p: Profile, model: str) -> BatchJobs | None:
    """The batch jobs of a service; None if it has no batch API."""
    return BatchJobs(p, model, _batch_api(p.batch_api)) if p.batch_api else None


def _batch_api(name: str) -> BatchApi:
    match name:
        case "openai":
            from .openai import FORM
        case "anthropic":
            from .anthropic import FORM
        case "mistral":
            from .mistral import FORM
        case "gemini":
            from .gemini import FORM
        case _:
            raise LookupError(name)
    return FORM
