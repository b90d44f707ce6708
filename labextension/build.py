"""Build the JupyterLab side with npm where it is missing or older than its source: `python labextension/build.py`.

Knows nothing of Python packaging, so that tests and Makefile build without it. Users need no
Node: wheels and source archives carry what is built.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent
BUILT = SOURCE.parent / "fmnb" / "labextension"


def wanted() -> str:
    """What FMNB_LABEXTENSION says: "skip" never builds, "force" builds anew and fails loudly, "" is neither."""
    return os.environ.get("FMNB_LABEXTENSION", "")


def stale() -> bool:
    """Whether there is something to build."""
    marker = BUILT / "package.json"
    if not marker.exists():
        return True
    files = [SOURCE / name for name in ("package.json", "package-lock.json", "tsconfig.json")]
    for folder in ("src", "style", "schema"):
        files += (SOURCE / folder).rglob("*")
    files.append(SOURCE.parent / "fmnb" / "views" / "look.css")
    return max(f.stat().st_mtime for f in files if f.is_file()) > marker.stat().st_mtime


def build() -> str:
    """Build if need be; returns why it could not be done, "" where all is well."""
    if wanted() == "skip" or not (wanted() == "force" or stale()):
        return ""
    npm = shutil.which("npm")
    if npm is None:
        return "there is no npm here (it comes with Node.js 20.19 or later)"
    try:
        if not (SOURCE / "node_modules/@jupyter/builder").exists():
            subprocess.run([npm, "ci", "--omit=dev"], cwd=SOURCE, check=True, stdout=subprocess.DEVNULL)
        subprocess.run([npm, "run", "--silent", "build:prod"], cwd=SOURCE, check=True, stdout=subprocess.DEVNULL)
    except subprocess.CalledProcessError as e:
        return f"`{' '.join(map(str, e.cmd))}` failed in {SOURCE}"
    return ""


if __name__ == "__main__":
    sys.exit(build() or None)
