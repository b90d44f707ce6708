"""Build the JupyterLab side with npm where it is missing or older than its source: `python labextension/build.py`.

Knows nothing of Python packaging, so that tests and Makefile build without it. Users need no
Node: wheels and source archives carry what is built.
"""

from __future__ import annotations

import json
import os
import re
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
    preload_chunks(BUILT / "static")
    return ""


def preload_chunks(static: Path) -> None:
    """Let the entry script preload the chunks that JupyterLab requests at its start.

    JupyterLab loads the entry first and asks for the chunks only when its own script of 2.5 MB has
    run; the request for them would add to the start.
    """
    (entry,) = static.glob("remoteEntry.*.js")
    text = entry.read_text("utf-8")
    table = text[: text.index('"./style"') + 200]
    ids = set(re.findall(r"\be\((\d+)\)", table))
    names = sorted(f.name for f in static.glob("*.js") if f.name.split(".")[0] in ids)
    urls = [f"{name}?v={name.split('.')[1]}" for name in names]
    entry.write_text(text + _PRELOAD.replace("URLS", json.dumps(urls)), "utf-8")


_PRELOAD = """
;(() => {
  const entry = document.currentScript?.src;
  for (const url of entry ? URLS : []) {
    document.head.append(Object.assign(document.createElement('link'), { rel: 'preload', as: 'script', href: new URL(url, entry).href }));
  }
})();
"""


if __name__ == "__main__":
    sys.exit(build() or None)
