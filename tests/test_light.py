"""Light: loading fmnb imports nothing that was not there, and its front door gives the same things whatever was imported."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import fmnb

PACKAGE = Path(fmnb.__file__).parent


def _modules(code: str) -> set[str]:
    """Top-level names in sys.modules after this code, in a process of its own."""
    report = "import json, sys; print(json.dumps(sorted({n.split('.')[0] for n in sys.modules})))"
    found = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(json.loads(found.stdout.splitlines()[-1]))


def _new_third_party(code: str, bare: str) -> set[str]:
    """What `code` imports on top of `bare`, without the standard library and fmnb."""
    return _modules(f"{bare}\n{code}") - _modules(bare) - set(sys.stdlib_module_names) - {"fmnb"}


SHELL = "from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell.instance(); shell.run_cell('1')"


def test_loading_the_extension_imports_no_third_party_module():
    assert _new_third_party("shell.run_line_magic('load_ext', 'fmnb'); assert 'fm' in shell.magics_manager.magics['cell']", SHELL) == set()


def test_loading_it_in_a_kernel_imports_no_third_party_module():
    kernel = "from ipykernel.inprocess import InProcessKernelManager as M; m = M(); m.start_kernel(); shell = m.kernel.shell; shell.run_cell('1')"
    # The warm-up that follows is held back: it is for the idle time after the first cell.
    load = "import threading; threading.Timer.start = lambda self: None; shell.run_line_magic('load_ext', 'fmnb'); assert 'fm' in shell.magics_manager.magics['cell']"
    assert _new_third_party(load, kernel) == set()


def test_importing_fmnb_imports_no_third_party_module():
    assert _new_third_party("import fmnb", "pass") == set()
    assert "numpy" in _new_third_party("import numpy", "pass")  # the measure measures


def test_public_names_are_the_same_after_every_module_was_imported():
    code = """
import importlib, json, pkgutil, fmnb
before = {n: getattr(fmnb, n) for n in fmnb.__all__}
for name in list(fmnb.__all__):
    fmnb.__dict__.pop(name, None) if name != "__version__" else None
skipped = []
for m in pkgutil.walk_packages(fmnb.__path__, "fmnb."):
    if m.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(m.name)
    except ModuleNotFoundError as e:
        skipped.append(m.name)
print(json.dumps([[n for n in fmnb.__all__ if getattr(fmnb, n) is not before[n]], skipped]))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    changed, skipped = json.loads(found.stdout)
    assert changed == [] and skipped == []


def test_no_module_carries_a_public_name():
    assert {m.name for m in pkgutil.iter_modules([str(PACKAGE)])} & set(fmnb.__all__) == set()
