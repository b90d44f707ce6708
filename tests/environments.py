"""Virtual environments as users have them, made once and kept in the ignored folder `.work` until the packages they need change.

fmnb itself is installed editable, so a kept environment runs the code as it is.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".work" / "environments"
QUIET = {"FMNB_LABEXTENSION": "skip", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def lab_python() -> str:
    """The interpreter of the environment that `make lab` makes: its extras are read from the Makefile's own line."""
    (extras,) = re.findall(r"^\$\(VENV\)/\.lab:.*\n\t\$\(BIN\)/pip install -q -e \"\.\[(.+?)\]\"", (ROOT / "Makefile").read_text(), re.M)
    return python_with("lab", f"{ROOT}[{extras}]")


def bare_python() -> str:
    """An interpreter with fmnb and the tutorials' own packages, and no engine."""
    python = python_with("bare", f"{ROOT}[frames,tutorials]", "ipykernel")
    has_engine = "import importlib.util as u, sys; sys.exit(any(u.find_spec(m) for m in ('xllamacpp', 'torch', 'onnxruntime')))"
    subprocess.run([python, "-c", has_engine], check=True)
    return python


def python_with(name: str, editable: str, *others: str) -> str:
    """An interpreter with these packages and nothing else, made if it is not there; several processes may ask at once."""
    said = "\n".join([sys.version, editable, *others, (ROOT / "pyproject.toml").read_text()])
    folder = FOLDER / f"{name}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        python = folder / "bin" / "python"
        if not (folder / ".made").exists():
            for old in FOLDER.glob(f"{name}-*"):
                shutil.rmtree(old)
            env = {**os.environ, **QUIET}
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", "--upgrade", "pip"], check=True, env=env)
            subprocess.run([python, "-m", "pip", "install", "-q", "-e", editable, *others], check=True, env=env)
            (folder / ".made").touch()
    return str(python)
