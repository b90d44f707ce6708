"""Attachments that are no files."""

from __future__ import annotations

import os

import pytest

from fmnb.core.errors import UsageError
from fmnb.prompts.attachments import attach


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(UsageError, match="Only a regular file"):
        attach(str(tmp_path / "pipe.txt"))
