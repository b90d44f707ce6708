"""A counting service as the provider `vllm`, and short waits."""

from __future__ import annotations

import pytest

import fmnb.pipeline
from tests.batching.service import Service


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setattr(fmnb.pipeline, "FIRST_WAIT", 0.02)
    with Service() as running:
        monkeypatch.setenv("VLLM_BASE_URL", running.url)
        yield running
