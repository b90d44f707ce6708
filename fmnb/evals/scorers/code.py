"""Answers that are Python: run, with the row's tests, in a process of its own with limits. Nothing runs unless it is asked for.

The program has passed when the token of its run comes out of a pipe, which is written at the end
of its tests and known to nobody before (`_harness.py`). It has no environment, an empty folder of
its own, limits on time, memory, files and processes; on Linux, where the kernel lets a user, its
own processes, which all end with it, its own /proc, no network, and (Landlock, Linux 5.13) no
writing outside its folder. That stops accidents and programs that want to look as if they had
passed; it is no prison for code that means harm: it can read what you can read.
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
_OWN_PROC = "mount -t tmpfs none /proc 2>/dev/null; mount -t tmpfs none /dev/shm 2>/dev/null; exec "


def code(consent: str = "") -> Scorer:
    """The answer's Python passes the row's tests (column `test`, or the target): right if it ends without an error. `code:run` says you mean it."""
    if consent != "run":
        raise UsageError(
            "Scoring by running code runs what a model wrote, on this machine",
            detail="code",
            hint="If you mean it: `code:run`. It has limits on time, memory and files, and is no prison: use a container for models you do not trust.",
        )
    kept: dict[tuple[str, str], Score] = {}

    def ahead(cases: Sequence[Case]) -> None:
        todo = [c for c in dict.fromkeys(map(_key, cases)) if c not in kept]
        kept.update(zip(todo, run_all(todo), strict=True))

    def score(case: Case) -> Score:
        key = _key(case)
        return kept.get(key) or run(*key)

    return Scorer("code", score, needs_target=False, prepare=ahead, description="the code passes its tests")


def _key(case: Case) -> tuple[str, str]:
    test = case.values.get("test")
    return extract(case.text), str(test if test is not None else case.target if case.target is not None else "")


def extract(text: str) -> str:
    """The code of an answer: its blocks marked as Python, else those without a language, else all of it.

    >>> extract("Sure:\\n```python\\nx = 1\\n```\\nDone.")
    'x = 1\\n'
    """
    found, outside = blocks(text)
    marked = [b.text for b in found if b.language in _LANGUAGES]
    code = marked or [b.text for b in found if not b.language]
    return "\n".join(f"{c}\n" for c in code) if code else outside if found else text


def run(source: str, test: str = "", *, seconds: float = SECONDS) -> Score:
    """1 if the code and then the tests end without an error within the limits, else 0 and why."""
    return run_all([(source, test)], seconds=seconds)[0]


def run_all(programs: Sequence[tuple[str, str]], *, seconds: float = SECONDS) -> list[Score]:
    """`run` of several, as many at a time as there are cores; a score for each (code, tests), in order."""
    scores: dict[int, Score] = {}
    waiting = deque(enumerate(programs))
    running: deque[tuple[int, _Process]] = deque()
    try:
        while waiting or running:
            while waiting and len(running) < (os.cpu_count() or 1):
                i, (source, test) = waiting.popleft()
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
    """What a program is started behind: process, network and mount namespaces of its own, without rights in them; () where there are none."""
    unshare, shell, setpriv = shutil.which("unshare"), shutil.which("sh"), shutil.which("setpriv")
    if not (sys.platform.startswith("linux") and unshare and shell):
        return ()
    lower = f"{setpriv} --no-new-privs --bounding-set=-all --inh-caps=-all " if setpriv else ""
    for drop in dict.fromkeys((lower, "")):
        found = (unshare, "-Urnmpf", "--kill-child", shell, "-c", f'{_OWN_PROC}{drop}"$@"', "sh")
        try:
            done = subprocess.run(
                [*found, sys.executable, "-I", "-S", "-c", ""],
                capture_output=True,
                timeout=20,
                env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return found
    return ()


@functools.lru_cache(1)
def _warn_without_sandbox() -> None:
    warnings.warn(
        "fmnb: this machine gives programs no process namespace of their own (unshare): a process that a tested program detaches may outlive it.",
        stacklevel=2,
    )


class _Process:
    """One program under way, in a folder of its own."""

    def __init__(self, source: str, test: str, seconds: float):
        self._folder = tempfile.TemporaryDirectory(prefix="fmnb-code-")
        self._seconds, self._until = seconds, time.monotonic() + seconds
        self._token = secrets.token_hex(32)
        here, behind = self._folder.name, sandbox_command()
        if not behind:
            _warn_without_sandbox()
        self._errors = tempfile.TemporaryFile()
        self._result, out = os.pipe()
        given = {
            "source": source,
            "test": test,
            "token": self._token,
            "word": secrets.token_hex(32),
            "out": out,
            "cpu": int(seconds) + 1,
            "memory": MEMORY,
            "processes": PROCESSES,
            "tasks": PROCESSES if behind and _limits_per_namespace() else _count_tasks() + PROCESSES,
            "detach": not behind,
            "folder": here,
        }
        try:
            with tempfile.TemporaryFile() as text:
                text.write(json.dumps(given).encode("ascii"))
                text.seek(0)
                self._process = subprocess.Popen(
                    [*behind, sys.executable, "-I", "-S", "-c", _HARNESS],
                    stdin=text,
                    stdout=subprocess.DEVNULL,
                    stderr=self._errors,
                    cwd=here,
                    env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": here, "TMPDIR": here, "PYTHONHASHSEED": "0"},
                    start_new_session=True,
                    pass_fds=(out,),
                )
        except BaseException:
            os.close(self._result)
            raise
        finally:
            os.close(out)

    def score(self) -> Score:
        """What came of it, waited for until its time is over."""
        code = None
        try:
            code = self._process.wait(max(0.05, self._until - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.end()
        if code is None:
            return Score(0.0, explanation=f"still running after {self._seconds:g} s")
        if code == 0 and secrets.compare_digest(self._said, self._token.encode()):
            return Score(1.0)
        return Score(0.0, explanation=(self._last or ("left before its tests ended" if code == 0 else f"ended with {code}"))[:200])

    def end(self) -> None:
        """Stop it with whatever it started, and take its folder away."""
        if self._errors.closed:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self._process.wait()
        os.set_blocking(self._result, False)
        try:
            self._said = os.read(self._result, 200)
        except BlockingIOError:  # somebody who outlived it still has the pipe
            self._said = b""
        os.close(self._result)
        self._errors.seek(0)
        lines = self._errors.read(100_000).decode("utf-8", "replace").strip().splitlines()
        self._last = lines[-1].replace(self._folder.name, ".") if lines else ""
        self._errors.close()
        self._folder.cleanup()


def _limits_per_namespace() -> bool:
    """Whether the kernel counts the processes of a user's namespace by themselves: Linux 5.14."""
    return tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2]) >= (5, 14)


def _count_tasks() -> int:
    """How many processes and threads this user has: a limit counts them all."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == os.getuid():
                total += sum(1 for _ in (folder / "task").iterdir())
        except OSError:
            continue
    return total or 4096
