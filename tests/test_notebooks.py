"""The tutorials run: live from cleared outputs, then from their tapes where there is no engine, no model and no network."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from tests.conftest import FULL, MODELS
from tests.environments import bare_python, lab_python

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
_LIVE = ("01", "04")  # run with the model in `make test`; `make test-full` runs all
BLOCK = """
import ipaddress, socket
real = socket.socket.connect
def connect(self, address):
    if isinstance(address, tuple) and not (address[0] == "localhost" or ipaddress.ip_address(address[0]).is_loopback):
        raise ConnectionRefusedError("no network here")
    return real(self, address)
socket.socket.connect = connect
"""


def run(path: Path, folder: Path, python: str, env: dict[str, str]) -> list[str]:
    """Execute a notebook with cleared outputs in `folder`; gives each fmnb answer's exact text."""
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    folder.mkdir(parents=True, exist_ok=True)
    for data in (*path.parent.glob("*.csv"), *path.parent.glob("*.md")):
        shutil.copy(data, folder)
    manager = KernelManager()
    manager.kernel_spec.argv[0] = python
    startup = folder / "ipython/profile_default/startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "no_network.py").write_text(BLOCK)
    client = NotebookClient(notebook, km=manager, timeout=240, resources={"metadata": {"path": str(folder)}})
    try:
        client.execute(env={**os.environ, "IPYTHONDIR": str(folder / "ipython"), **env})
    finally:
        manager.shutdown_kernel(now=True)  # a manager that was given to it nbclient leaves running
    answers = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            about = output.get("metadata", {}).get("fmnb", {})
            if "run" in about and about.get("kind") != "vote":
                if about.get("kind") == "batch":
                    answers.append("a batch")  # it says how long it took, and what was answered before
                    continue
                said = output["data"]["text/markdown"]
                # a blind comparison is shuffled anew, and stands in that order when names are told
                answers.append("\n\n".join(sorted(said.split("\n\n"))) if about.get("kind") == "compare" else said)
    return answers


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_live_where_make_lab_put_it_then_from_its_tape_with_nothing_installed(path, tmp_path, embedded_path, minilm_path):
    tape = tmp_path / "new.tape.jsonl"
    home = {"FMNB_HOME": str(tmp_path / "h1"), "FMNB_MODELS": str(MODELS), "FMNB_TAPE": str(tape)}
    live = run(path, tmp_path / "live", lab_python(), home) if FULL or path.stem[:2] in _LIVE else []
    assert not live or (len(live) > 3 and all(live))
    bare = {"FMNB_HOME": str(tmp_path / "h2"), "FMNB_MODELS": str(tmp_path / "no models"), "FMNB_REPLAY_ONLY": "1"}
    if FULL or path.stem.startswith("01"):
        assert run(path, tmp_path / "replayed", bare_python(), {**bare, "FMNB_TAPE": str(tape)}) == live

    # The tape beside the notebook answers every cell, too. (Its texts come from another
    # processor: a quantised model rounds differently there.)
    kept = tmp_path / "kept.tape.jsonl"
    shutil.copy(path.with_suffix("").with_suffix(".tape.jsonl"), kept)
    before = kept.read_text()
    replayed = run(path, tmp_path / "kept", bare_python(), {**bare, "FMNB_TAPE": str(kept)})
    assert len(replayed) == len(live) if live else len(replayed) > 3
    assert kept.read_text() == before


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_tutorial_opens_with_a_prompt_within_ten_lines(path):
    lines: list[str] = []
    for cell in nbformat.read(path, 4).cells:
        lines += cell.source.split("\n")
    assert any(line.startswith("%%fm") for line in lines[:10])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_tutorial_is_kept_with_its_answers_and_nothing_private(path):
    text = path.read_text()
    assert "text/html" in text and str(Path.home()) not in text and "sk-" not in text
    tape = path.with_suffix("").with_suffix(".tape.jsonl").read_text()
    assert str(Path.home()) not in tape and "api_key" not in tape.lower()
