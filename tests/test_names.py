"""Names in strings, which are imported when they are needed: each of them is there, for no type checker looks at them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fmnb._names import load

SOURCES = Path(__file__).parents[1] / "fmnb"
NAMES = sorted({n for p in SOURCES.rglob("*.py") for n in re.findall(r'"(fmnb(?:\.\w+)+:\w+)"', p.read_text("utf-8"))})


def test_there_are_some():
    assert len(NAMES) > 100


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_a_string_is_there(name):
    try:
        load(name)
    except ModuleNotFoundError as e:
        if (e.name or "").startswith("fmnb"):
            raise
        pytest.skip(f"needs {e.name}")
