"""A counting service as the provider `vllm`."""

from __future__ import annotations

import pytest

from tests.batch.service import Service


@pytest.fixture
def service(monkeypatch):
    with Service() as running:
        monkeypatch.setenv("VLLM_BASE_URL", running.url)
        yield running
