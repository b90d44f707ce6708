"""A `%%fm` cell that is stopped before its call begins: one line instead of a traceback, and the next cell works."""

from __future__ import annotations

import pytest

from tests.cells.kernel import Kernel

# Says when the main thread begins an import, and leaves time for an interrupt to arrive inside it.
SLOW_IMPORT = """
import sys, threading, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == NAME and threading.current_thread() is threading.main_thread():
            sys.meta_path.remove(self)
            print('importing', flush=True)
            end = time.monotonic() + 60
            while not interrupts._waiting and time.monotonic() < end:
                time.sleep(0.01)
sys.meta_path.insert(0, Slow())
import fmnb.jupyter.magics.register as register
from fmnb.jupyter.magics.interrupts import interrupts
register._warm_up = lambda: None  # the kernel idles less than that when somebody presses Ctrl-C at once
"""


@pytest.mark.parametrize(
    "module, cell",
    [
        ("fmnb.jupyter.magics.cell", "%%fm echo:\nhi"),
        ("fmnb.jupyter.magics.options", "%%fm echo:\nhi"),
        ("fmnb.jupyter.magics.line", "%fm models"),
        ("fmnb.jupyter.magics.models", "%fm models"),
    ],
)
def test_an_interrupt_while_fmnb_is_imported_is_one_line_and_breaks_no_import(tmp_path, module, cell):
    kernel = Kernel({"FMNB_HOME": str(tmp_path)}, load=False)
    try:
        assert kernel(f"NAME = {module!r}\n{SLOW_IMPORT}").status == "ok"
        assert kernel("%load_ext fmnb").status == "ok"
        r = kernel(cell, interrupt_when=lambda r: "importing" in r.stdout)
        assert r.status == "error" and r.error.startswith("Interrupted")
        assert r.traceback == "Interrupted: no output yet." and not r.displays
        assert kernel(cell).status == "ok"
    finally:
        kernel.close()


def test_an_interrupt_while_an_expression_of_the_prompt_is_evaluated_is_one_line(tmp_path):
    kernel = Kernel({"FMNB_HOME": str(tmp_path)})
    try:
        kernel("import time\ndef slow():\n    print('evaluating', flush=True)\n    time.sleep(60)")
        r = kernel("%%fm echo:\n{{ slow() }}", interrupt_when=lambda r: "evaluating" in r.stdout)
        assert r.error.startswith("Interrupted") and r.traceback == "Interrupted: no output yet."
        assert kernel("%%fm echo:\nalive").status == "ok"
    finally:
        kernel.close()


def test_after_a_stopped_cell_a_silent_request_of_the_page_can_be_stopped_too(tmp_path):
    kernel = Kernel({"FMNB_HOME": str(tmp_path)})
    try:
        kernel("import time\ndef slow():\n    print('evaluating', flush=True)\n    time.sleep(60)")
        stop = {"interrupt_when": lambda r: "evaluating" in r.stdout}
        assert kernel("%%fm echo:\n{{ slow() }}", **stop).error.startswith("Interrupted")
        assert kernel("%%fm echo:\n{{ slow() }}", **stop).error.startswith("Interrupted")
        r = kernel("slow()", silent=True, **stop)
        assert r.error.startswith("KeyboardInterrupt")
    finally:
        kernel.close()


def test_a_comparison_that_is_stopped_at_once_names_its_models(tmp_path):
    kernel = Kernel({"FMNB_HOME": str(tmp_path)})
    try:
        r = kernel("%%fm echo:slow=1 echo:slow=2\n" + "word " * 500, interrupt_when=lambda r: bool(r.displays))
        assert r.traceback == "Stopped, as shown above."
        assert "unknown model" not in str(r.displays)
    finally:
        kernel.close()
