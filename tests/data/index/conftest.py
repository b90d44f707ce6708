"""A working folder of its own for each test of indexes."""

from __future__ import annotations

import pytest


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def handbook(folder):
    """Three small documents."""
    docs = folder / "docs"
    docs.mkdir()
    (docs / "leave.md").write_text(
        "# Leave\n\nEmployees have 30 days of leave.\n\n## Notice\n\nContractors give thirty days' notice in writing.\n"
    )
    (docs / "travel.md").write_text("# Travel\n\nTrains are booked in second class.\n\nFlights need approval by the department.\n")
    (docs / "notes.txt").write_text("The coffee machine is cleaned on Fridays.\n")
    return docs
