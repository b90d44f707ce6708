"""Scores Python code by running it with the row's tests in a limited process, only if requested.

A program passes if its run's token comes out of a pipe; the token is written at the end of the tests, and
the program cannot know it (`_harness.py`). The process has no environment variables, an empty folder, and
limits on time, memory, files and processes. On Linux, if the kernel allows, it also has its own process
namespace, which ends with it, its own /proc, no network, and (Landlock, Linux 5.13) no write access outside
its folder. This stops accidents and programs that pretend to pass. It is no sandbox against malicious
code, which can read what you can read.
"""

from __future__ import annotations

import functools
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from ...core.errors import UsageError
from .base import Case, Score, Scorer
from .fences import blocks

SECONDS, MEMORY, PROCESSES = 10.0, 1 << 30, 32
_LANGUAGES = {"python", "py", "python3", "py3"}
_HARNESS = (Path(__file__).parent / "_harness.py").read_text("utf-8")
# Nothing of this process is to be read in /proc, and nothing of others' in shared memory.
_HIDE_PROC = "mount -t tmpfs none /proc 2>/dev/null; mount -t tmpfs none /dev/shm 2>/dev/null; exec "


def code(consent: str = "") -> Scorer:
    """Run the answer's Python with the row's tests: correct if it ends without an error.

    Tests are in column `test`, or in the target. `code:run` confirms that code from a model may run.
    """
    if sys.platform == "win32":
        raise UsageError("This scorer does not run on Windows", detail="code", hint="Its limits are those of Linux and macOS: use WSL.")
    if consent != "run":
        raise UsageError(
            "This scorer runs code from a model on this machine",
            detail="code",
            hint="Confirm with `code:run`. Time, memory and files are limited, but this is not a secure sandbox: use a container for models that you do not trust.",
        )
    results: dict[tuple[str, str], Score] = {}

    def prepare(cases: Sequence[Case]) -> None:
        pending = [c for c in dict.fromkeys(map(_key, cases)) if c not in results]
        results.update(zip(pending, run_all(pending), strict=True))

    def score(case: Case) -> Score:
        key = _key(case)
        return results.get(key) or run(*key)

    return Scorer("code", score, needs_target=False, prepare=prepare, description="the code passes its tests")


def _key(case: Case) -> tuple[str, str]:
    test = case.values.get("test")
    return extract(case.text), str(test if test is not None else case.target if case.target is not None else "")


def extract(text: str) -> str:
    """The code of an answer: blocks marked as Python, else blocks without a language, else the whole text.

    >>> extract("Sure:\\n```python\\nx = 1\\n```\\nDone.")
    'x = 1\\n'
    """
    found_blocks, outside = blocks(text)
    python_blocks = [b.text for b in found_blocks if b.language in _LANGUAGES]
    code = python_blocks or [b.text for b in found_blocks if not b.language]
    return "\n".join(f"{c}\n" for c in code) if code else outside if found_blocks else text


def run(source: str, test: str = "", *, seconds: float = SECONDS) -> Score:
    """1 if the code and then the tests end without an error within the limits, else 0 with the reason."""
    return run_all([(source, test)], seconds=seconds)[0]


def run_all(programs: Sequence[tuple[str, str]], *, seconds: float = SECONDS) -> list[Score]:
    """Run several programs (code, tests), one per CPU core at a time; scores in the same order."""
    scores: dict[int, Score] = {}
    queue = deque(enumerate(programs))
    running: deque[tuple[int, _Process]] = deque()
    try:
        while queue or running:
            while queue and len(running) < (os.cpu_count() or 1):
                i, (source, test) = queue.popleft()
                if source.strip():
                    running.append((i, _Process(source, test, seconds)))
                else:
                    scores[i] = Score(0.0, explanation="no code in the answer")
            if running:
                i, process = running.popleft()
                scores[i] = process.score()
    finally:  # an interrupt leaves nothing behind
        for _, process in running:
            process.end()
    return [scores[i] for i in range(len(programs))]


@functools.lru_cache(1)
def sandbox_command() -> tuple[str, ...]:
    """The command prefix that runs a program in its own namespaces without privileges; () if unavailable.

    The namespaces are those of processes, network and mounts.
    """
    unshare, shell, setpriv = shutil.which("unshare"), shutil.which("sh"), shutil.which("setpriv")
    if not (sys.platform.startswith("linux") and unshare and shell):
        return ()
    drop_privileges = f"{setpriv} --no-new-privs --bounding-set=-all --inh-caps=-all " if setpriv else ""
    for prefix in dict.fromkeys((drop_privileges, "")):
        command = (unshare, "-Urnmpf", "--kill-child", shell, "-c", f'{_HIDE_PROC}{prefix}"$@"', "sh")
        try:
            trial = subprocess.run(
                [*command, sys.executable, "-I", "-S", "-c", ""],
                capture_output=True,
                timeout=20,
                env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if trial.returncode == 0:
            return command
    return ()


@functools.lru_cache(1)
def _warn_without_sandbox() -> None:
    warnings.warn(
        "fmnb: process namespaces (unshare) are not available: a process that a tested program detaches may outlive it.",
        stacklevel=2,
    )


class _Process:
    """One running program, in its own folder."""

    def __init__(self, source: str, test: str, seconds: float):
        self._folder = tempfile.TemporaryDirectory(prefix="fmnb-code-")
        self._seconds, self._deadline = seconds, time.monotonic() + seconds
        self._token = secrets.token_hex(32)
        folder, sandbox = self._folder.name, sandbox_command()
        if not sandbox:
            _warn_without_sandbox()
        self._errors = tempfile.TemporaryFile()
        self._result_fd, out = os.pipe()
        task = {
            "source": source,
            "test": test,
            "token": self._token,
            "word": secrets.token_hex(32),
            "out": out,
            "cpu": int(seconds) + 1,
            "memory": MEMORY,
            "processes": PROCESSES,
            "tasks": PROCESSES if sandbox and _limits_per_namespace() else _count_tasks() + PROCESSES,
            "detach": not sandbox,
            "folder": folder,
        }
        try:
            with tempfile.TemporaryFile() as task_file:
                task_file.write(json.dumps(task).encode("ascii"))
                task_file.seek(0)
                self._process = subprocess.Popen(
                    [*sandbox, sys.executable, "-I", "-S", "-c", _HARNESS],
                    stdin=task_file,
                    stdout=subprocess.DEVNULL,
                    stderr=self._errors,
                    cwd=folder,
                    env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": folder, "TMPDIR": folder, "PYTHONHASHSEED": "0"},
                    start_new_session=True,
                    pass_fds=(out,),
                )
        except BaseException:
            os.close(self._result_fd)
            raise
        finally:
            os.close(out)

    def score(self) -> Score:
        """Wait for the result until the time limit."""
        code = None
        try:
            code = self._process.wait(max(0.05, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.end()
        if code is None:
            return Score(0.0, explanation=f"still running after {self._seconds:g} s")
        if code == 0 and secrets.compare_digest(self._output, self._token.encode()):
            return Score(1.0)
        return Score(0.0, explanation=(self._last_error or ("exited before its tests ended" if code == 0 else f"exit code {code}"))[:200])

    def end(self) -> None:
        """Stop the program with everything it started, and delete its folder."""
        if self._errors.closed:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self._process.wait()
        os.set_blocking(self._result_fd, False)
        try:
            self._output = os.read(self._result_fd, 200)
        except BlockingIOError:  # a process that outlived the program still has the pipe
            self._output = b""
        os.close(self._result_fd)
        self._errors.seek(0)
        lines = self._errors.read(100_000).decode("utf-8", "replace").strip().splitlines()
        self._last_error = lines[-1].replace(self._folder.name, ".") if lines else ""
        self._errors.close()
        self._folder.cleanup()


def _limits_per_namespace() -> bool:
    """Whether the kernel counts processes per user namespace (Linux 5.14)."""
    return tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2]) >= (5, 14)


def _count_tasks() -> int:
    """The number of processes and threads of this user; a limit counts them all."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == os.getuid():
                total += sum(1 for _ in (folder / "task").iterdir())
        except OSError:
            continue
    return total or 4096
