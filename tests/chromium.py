"""Makes sure there is a Chromium for the browser tests: the system's, installed from its packages when none is found."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """The path of a Chromium: `FMNB_CHROMIUM`, else the first one on PATH."""
    return os.environ.get("FMNB_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


if __name__ == "__main__":
    if find() is None:
        if not shutil.which("apt-get"):
            sys.exit("No Chromium found. Install it, or set FMNB_CHROMIUM to its path.")
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run([*sudo, "apt-get", "update", "-q"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([*sudo, "apt-get", "install", "-y", "-q", "chromium"], check=True, stdout=subprocess.DEVNULL)
