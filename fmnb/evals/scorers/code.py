"""Answers that are Python: run, with the row's tests, in a process of its own with limits. Nothing runs unless it is asked for.

The process has no environment, an empty folder of its own, limits on time, memory, files and
processes, and on Linux no network where the kernel lets a user take it away. That stops
accidents; it is no prison for code that means harm: run strangers' models in a container.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence

from ...errors import UsageError
from .base import Case, Score, Scorer

SECONDS, MEMORY = 10.0, 1 << 30
_PASSED = 77  # said at the very end: code that leaves early has not passed its tests
_FENCED = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)

_LIMITS = """
import resource, sys, os
def limit(what, n):
    try: resource.setrlimit(what, (n, n))
    except (ValueError, OSError): pass
limit(resource.RLIMIT_CPU, {cpu}); limit(resource.RLIMIT_AS, {memory}); limit(resource.RLIMIT_FSIZE, 1 << 24)
limit(resource.RLIMIT_NOFILE, 64); limit(resource.RLIMIT_CORE, 0)
try:
    import ctypes
    ctypes.CDLL(None).unshare(0x10000000 | 0x40000000)  # a user and a network of its own: none
except Exception: pass
source = sys.stdin.read()
sys.stdin = open(os.devnull)
exec(compile(source, "answer", "exec"), {{"__name__": "__main__"}})
sys.stderr.flush()
os._exit({passed})
"""


def code(consent: str = "") -> Scorer:
    """The answer's Python passes the row's tests (column `test`, or the target): right if it ends without an error. `code:run` says you mean it."""
    if consent != "run":
        raise UsageError(
            "Scoring by running code runs what a model wrote, on this machine",
            seen="code",
            todo="If you mean it: `code:run`. It has limits on time, memory and files, and is no prison: use a container for models you do not trust.",
        )
    kept: dict[tuple[str, str], Score] = {}

    def ahead(cases: Sequence[Case]) -> None:
        todo = [c for c in dict.fromkeys(map(_key, cases)) if c not in kept]
        kept.update(zip(todo, run_all(todo), strict=True))

    def score(case: Case) -> Score:
        key = _key(case)
        return kept.get(key) or run(*key)

    return Scorer("code", score, needs_target=False, ahead=ahead, about="the code passes its tests")


def _key(case: Case) -> tuple[str, str]:
    test = case.values.get("test")
    return extract(case.text), str(test if test is not None else case.target if case.target is not None else "")


def extract(text: str) -> str:
    """The code of an answer: its fenced blocks, or all of it.

    >>> extract("Sure:\\n```python\\nx = 1\\n```\\nDone.")
    'x = 1\\n'
    """
    blocks = _FENCED.findall(text)
    return "\n".join(blocks) if blocks else text


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
                    running.append((i, _Process(f"{source}\n{test}\n", seconds)))
                else:
                    scores[i] = Score(0.0, why="no code in the answer")
            if running:
                i, process = running.popleft()
                scores[i] = process.score()
    finally:  # an interrupt leaves nothing behind
        for _, process in running:
            process.end()
    return [scores[i] for i in range(len(programs))]


class _Process:
    """One program under way, in a folder of its own."""

    def __init__(self, program: str, seconds: float):
        self._folder = tempfile.TemporaryDirectory(prefix="fmnb-code-")
        self._seconds, self._until = seconds, time.monotonic() + seconds
        here = self._folder.name
        self._errors = tempfile.TemporaryFile()
        with tempfile.TemporaryFile() as text:
            text.write(program.encode("utf-8", "surrogatepass"))
            text.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _LIMITS.format(cpu=int(seconds) + 1, memory=MEMORY, passed=_PASSED)],
                stdin=text,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                cwd=here,
                env={"PATH": "/usr/bin:/bin", "HOME": here, "TMPDIR": here, "PYTHONHASHSEED": "0"},
                start_new_session=True,
            )

    def score(self) -> Score:
        """What came of it, waited for until its time is over."""
        try:
            code = self._process.wait(max(0.05, self._until - time.monotonic()))
        except subprocess.TimeoutExpired:
            return Score(0.0, why=f"still running after {self._seconds:g} s")
        finally:
            self.end()
        if code == _PASSED:
            return Score(1.0)
        return Score(0.0, why=(self._last or ("left before its tests" if code == 0 else f"ended with {code}"))[:200])

    def end(self) -> None:
        """Stop it with whatever it started, and take its folder away."""
        if self._errors.closed:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read(100_000).decode("utf-8", "replace").strip().splitlines()
        self._last = lines[-1].replace(self._folder.name, ".") if lines else ""
        self._errors.close()
        self._folder.cleanup()
