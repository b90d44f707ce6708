"""Every test gets a home folder of its own."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """A temporary FMNB_HOME, so that no test reads or writes the user's settings, log or models."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("FMNB_HOME", str(folder))
    return folder
