"""The way of a prompt from a cell to the HTTP client is the one that CONTRIBUTING lists, and short."""

from __future__ import annotations

import ast
import re
import sys
import threading
from pathlib import Path

from fmnb.providers import send
from tests.cells.conftest import cells as cells
from tests.wire.server import Server

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "fmnb"


def listed():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("### From a cell to the client")[1].split("###")[0]
    return [(m[1], m[2]) for m in re.finditer(r"^\d+\. `([\w/.]+)`: `([\w.]+)`", text, re.M)]


def names(frame):
    """Functions of fmnb from the outermost to this frame, as (file, name)."""
    found = []
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE):
            found.append((path.relative_to(PACKAGE).as_posix(), frame.f_code.co_qualname))
        frame = frame.f_back
    return found[::-1]


def test_a_cell_takes_the_listed_way_to_the_client(cells, monkeypatch):
    seen = []
    post, main = send.post, threading.main_thread().ident

    async def watched(*args):
        seen.append(names(sys._current_frames()[main]) + names(sys._getframe(1)))
        return await post(*args)

    monkeypatch.setattr(send, "post", watched)
    with Server() as server:
        monkeypatch.setenv("VLLM_BASE_URL", server.url)
        assert cells("%%fm vllm:plain --no-cache\nhello").text == "Hello world!"
    way = [(file, name) for file, name in seen[0] if not file.startswith("calls/steps/")]
    helpers = {("jupyter/magics/register.py", "_cell"), ("core/event_loop.py", "_pump")}  # the second half of the function before
    assert [hop for hop in way if hop not in helpers] == listed()
    assert len(listed()) <= 10


def test_each_function_on_the_way_fits_on_a_screen():
    for file, name in listed():
        body = ast.parse((PACKAGE / file).read_text("utf-8"))
        for part in name.split("."):
            body = next(n for n in body.body if getattr(n, "name", "") == part)
        assert body.end_lineno - body.lineno < 40, f"{file}: {name}"
