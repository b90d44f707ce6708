"""A real IPython shell with the extension loaded, for tests written as cells."""

from __future__ import annotations

import atexit
import re

import pytest
from IPython.core.interactiveshell import InteractiveShell


class Cells:
    """Runs cells and keeps what they printed."""

    def __init__(self, shell, capsys):
        self.shell = shell
        self.ns = shell.user_ns
        self._capsys = capsys

    def __call__(self, source: str):
        """Run a cell that must succeed; returns its value. Its output is in `.out`."""
        self._capsys.readouterr()
        result = self.shell.run_cell(source, store_history=True)
        self.out = _plain(self._capsys.readouterr().out)
        if result.error_before_exec or result.error_in_exec:
            raise result.error_before_exec or result.error_in_exec
        return result.result

    def fails(self, source: str) -> BaseException:
        """Run a cell that must fail; returns the error. What was shown is in `.out`."""
        self._capsys.readouterr()
        result = self.shell.run_cell(source, store_history=True)
        self.out = _plain(self._capsys.readouterr().out)
        error = result.error_before_exec or result.error_in_exec
        assert error is not None, f"the cell did not fail: {source}"
        return error


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.fixture
def cells(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shell = InteractiveShell()
    InteractiveShell._instance = shell
    shell.run_line_magic("load_ext", "fmnb")
    yield Cells(shell, capsys)
    InteractiveShell._instance = None
    InteractiveShell.clear_instance()
    atexit.unregister(shell.atexit_operations)  # each of hundreds would collect the garbage of the whole suite at its end
