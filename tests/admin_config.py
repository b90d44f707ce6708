"""An administrator's folder, as if the process had started with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmnb.config import environment, settings


def use_admin_folder(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let `folder` hold the administrator's `fmnb.toml`: what is set later has no effect."""
    monkeypatch.setenv("FMNB_ADMIN_CONFIG", str(folder))
    monkeypatch.setitem(environment._initial, "FMNB_ADMIN_CONFIG", str(folder))
    settings._candidates.cache_clear()  # it is fixed in a kernel
