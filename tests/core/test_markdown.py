"""Markdown for other renderers: long texts of nothing do not hang a cell."""

from __future__ import annotations

import subprocess
import sys

import pytest

_CODE = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))  # a quadratic search takes minutes
from fmnb.core.markdown import neutral_markdown
print(len(neutral_markdown({piece!r} * 150_000)) > 0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on CPU time there")
@pytest.mark.parametrize("piece", ["\n", " \n", "..\n"], ids=repr)
def test_a_long_text_of_line_ends_is_no_hang(piece):
    result = subprocess.run([sys.executable, "-c", _CODE.format(piece=piece)], capture_output=True, text=True)
    assert result.stdout.strip() == "True", result.stderr[-500:]
