"""Takes from Python on Linux what Python on Windows does not have, then runs the program on standard input.

`python tests/windows.py < program.py`. Packages of others are imported before, since their files for Windows are not installed here.
What this cannot show: Windows' own file system, its consoles, and the Proactor event loop.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
import types
from typing import Any

MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog")
OS = (
    "killpg",
    "getuid",
    "geteuid",
    "getgid",
    "fork",
    "sysconf",
    "sched_getaffinity",
    "mkfifo",
    "fchmod",
    "fchown",
    "getpgid",
    "setsid",
    "uname",
)
FLAGS = ("O_PATH", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC", "O_NONBLOCK")
SIGNALS = ("SIGKILL", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGQUIT", "alarm", "setitimer", "pthread_kill", "pthread_sigmask")
OTHERS = (
    "openai", "httpx", "aiohttp", "anywidget", "ipywidgets", "IPython.terminal.interactiveshell", "IPython.core.completer", "keyring",
    "huggingface_hub", "markdown_it", "numpy", "pandas", "psutil", "genai_prices", "asyncio.selector_events", "multiprocessing.connection",
)  # fmt: skip


class _Missing:
    """Finds no module that only Unix has."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def become_windows() -> None:
    """Take everything away, and give what Windows has instead."""
    for name in OTHERS:
        if importlib.util.find_spec(name.partition(".")[0]):
            importlib.import_module(name)
    asyncio.new_event_loop().close()  # the loop's modules are imported
    subprocess.run([sys.executable, "-c", ""], check=True)
    shutil.disk_usage(".")
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, _Missing())
    for module, names in ((os, (*OS, *FLAGS)), (signal, SIGNALS)):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    msvcrt = types.ModuleType("msvcrt")
    msvcrt.LK_NBLCK, msvcrt.locking = 2, lambda *_: None
    sys.modules["msvcrt"] = msvcrt
    sys.platform, platform.system = "win32", lambda: "Windows"


if __name__ == "__main__":
    program = sys.stdin.read()
    become_windows()
    exec(compile(program, "program", "exec"), {"__name__": "program"})
