"""The Interrupt button while the engine works: SIGINT in a process of its own."""

import signal
import subprocess
import sys

import pytest

from tests.conftest import FULL

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")

SCRIPT = """
import sys, time
from fmnb.core.event_loop import iterate_sync
from fmnb.core.registry import ENGINES, load
from fmnb.core.events import Finished, Progress, TextDelta, build_response
from fmnb.core.types import Request, message

engine, path, at = sys.argv[1:]
model = load(ENGINES[engine])(path, "m")

def ask(text, n):
    return Request("m", (message("user", text),), max_tokens=n, extra={"ignore_eos": True})

def reached(e):
    return {
        "loading": isinstance(e, Progress) and e.stage == "loading",
        "prefill": isinstance(e, Progress) and e.stage == "processing the prompt",
        "decode": isinstance(e, TextDelta),
    }[at]

long = {"prefill": ask("The tide came in and went out again. " * 420, 50)}.get(at) or ask("Tell me a long story.", 1500)
seen, said = [], False
try:
    for e in iterate_sync(model.stream(long)):
        seen.append(e)
        if not said and reached(e):
            said = True
            print("NOW", flush=True)
except KeyboardInterrupt:
    print("INTERRUPTED", "FINISHED" if any(isinstance(e, Finished) for e in seen) else "PARTIAL", flush=True)
after = build_response(iterate_sync(model.stream(ask("Hi", 3))))
print("AFTER", after.finish_reason, bool(after.text), flush=True)
if at == "decode":
    stream = iterate_sync(model.stream(ask("Tell me another.", 1500)))
    next(e for e in stream if isinstance(e, TextDelta))
    print("LEAVING", flush=True)
"""


@pytest.mark.parametrize("engine", ["gguf", "torch"])
@pytest.mark.parametrize("at", ["loading", "prefill", "decode"])
def test_an_interrupt_ends_the_call_and_the_next_one_works(embedded_path, engine, at):
    if engine == "torch" and at != "decode" and not FULL:
        pytest.skip("a process of its own each")
    pytest.importorskip({"gguf": "xllamacpp", "torch": "torch"}[engine])
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, engine, str(embedded_path), at], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "NOW\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert "INTERRUPTED PARTIAL\n" in out, err
    assert "AFTER length True\n" in out, err
    # The last case leaves while the model is at work: the process ends all the same, and quietly.
    assert (process.returncode, err) == (0, "")
