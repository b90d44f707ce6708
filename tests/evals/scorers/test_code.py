"""The code scorer: what wants to look as if it had passed has not, what is started ends, and ordinary programs pass."""

from __future__ import annotations

import fcntl
import sys
import textwrap
from types import SimpleNamespace

import pytest

from fmnb.evals.scorers import code

TEST = "assert f(1) == 2"
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="namespaces are Linux's")


@pytest.fixture(params=["behind walls", "without walls"])
def place(request, monkeypatch):
    """With the namespaces of this machine, and without."""
    if request.param == "without walls":
        monkeypatch.setattr(code, "sandbox_command", lambda: ())
        monkeypatch.setattr(code, "_warn_without_sandbox", lambda: None)
    elif not code.sandbox_command():
        pytest.skip("this machine has no namespaces for users")
    return request.param


FAKES = [
    "import sys; sys.exit(0)",
    "import sys; sys.exit(77)",
    "import os; os._exit(0)",
    "import os; os._exit(77)",
    "def f(x): raise SystemExit(0)",
    "def f(x):\n    import os\n    os._exit(0)",
    "import atexit, os\natexit.register(lambda: os._exit(0))\nraise SystemExit",
    "import sys\nsys.exit = lambda *a: None\nimport os\nos._exit(0)",
    "import builtins\nbuiltins.exec = lambda *a: None\nf = lambda x: 3",
    "import builtins\nbuiltins.AssertionError = builtins.compile = None\nf = lambda x: 3",
    "import sys\nsys.audit('fmnb.end', 'a word')",
    "import os\nfor fd in range(3, 40):\n    try: os.write(fd, b'x' * 64)\n    except OSError: pass\nos._exit(0)",
    "import os, sys\nif os.fork():\n    os.wait(); os._exit(0)\nf = lambda x: 3",
    "import sys\nsys.excepthook = sys.unraisablehook = lambda *a: None\nraise ValueError",
    "import sys, os\nsys.addaudithook(lambda *a: None)\nsys.settrace(lambda *a: None)\nos._exit(0)",
    "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "__import__('ctypes')",
    "__import__('gc').get_objects()",
    "import sys; sys._current_frames()",
    "open('/proc/self/mem', 'rb')",
    "import os; os.chdir('/proc'); open('self/environ')",
]


@pytest.mark.parametrize("source", FAKES)
def test_a_program_that_only_looks_as_if_it_had_passed_has_not(source, place):
    score = code.run(source, TEST, seconds=5)
    assert score.value == 0 and score.explanation and "still running" not in score.explanation


def test_the_token_is_nowhere_to_be_read(place, monkeypatch, tmp_path):
    """A program that writes down all that it can see, while its tests run: neither the token nor the word of the end is there."""
    drawn = []
    token_hex = code.secrets.token_hex
    monkeypatch.setattr(code.secrets, "token_hex", lambda n: drawn.append(token_hex(n)) or drawn[-1])
    spy = """
    import os, sys

    def f(x):
        seen = [repr(dict(os.environ)), repr(sys.argv), repr(sys.orig_argv), repr(os.listdir("."))]
        try:
            raise ValueError
        except ValueError as e:
            frame = e.__traceback__.tb_frame
        while frame:
            seen += [repr(frame.f_locals), repr(frame.f_globals), repr(frame.f_code.co_consts), repr(frame.f_code.co_names)]
            seen += [repr(getattr(v, "__code__", None) and v.__code__.co_consts) for v in frame.f_globals.values()]
            frame = frame.f_back
        seen += [repr(vars(m)) for m in list(sys.modules.values()) if m]
        for fd in (0, *range(3, 40)):
            try:
                os.set_blocking(fd, False)
                seen.append(repr(os.read(fd, 10_000)))
            except OSError:
                pass
        with open("seen", "w", errors="replace") as out:
            out.write("\\n".join(seen))
        return x + 1
    """
    monkeypatch.setattr(code.tempfile, "TemporaryDirectory", lambda prefix: SimpleNamespace(name=str(tmp_path), cleanup=lambda: None))
    assert code.run(textwrap.dedent(spy), TEST).value == 1
    seen = (tmp_path / "seen").read_text(errors="replace")
    assert len(drawn) == 2 and "PYTHONHASHSEED" in seen and len(seen) > 10_000
    assert not any(word in seen or word[:16] in seen for word in drawn)


ORDINARY = """
import asyncio, collections, dataclasses, enum, itertools, json, logging, random, re, subprocess, threading, typing, unittest
from multiprocessing import Pool

P = collections.namedtuple("P", "a b")

@dataclasses.dataclass
class D:
    a: int = 1

class Color(enum.Enum):
    RED = 1

async def later(x):
    return x

def g(x):
    return x

def f(x):
    logging.warning("about to add")
    assert subprocess.run(["echo", "hi"], capture_output=True).stdout == b"hi\\n"
    t = threading.Thread(target=lambda: None)
    t.start(), t.join()
    with Pool(2) as pool:
        pool.map(g, range(4))
    with open("a file", "w") as out:
        out.write("x")
    return asyncio.run(later(x)) + D().a * Color.RED.value

if __name__ == "__main__":
    print("as a script")
"""


def test_ordinary_programs_pass(place):
    score = code.run(ORDINARY.replace("\\\\n", "\\n"), TEST)
    assert score == code.Score(1.0)


@pytest.mark.parametrize(
    "source", ["import os\nwhile True: os.fork()", "import subprocess\nfor i in range(99): subprocess.Popen(['sleep', '9'])"]
)
def test_processes_are_limited(source, place):
    score = code.run(source, seconds=5)
    assert score.value == 0 and "too many processes" in score.explanation


@linux
def test_what_is_started_ends_with_the_program(tmp_path):
    """A child that leaves its session holds a lock on a file for as long as it lives."""
    if not code.sandbox_command():
        pytest.skip("this machine has no namespaces for users")
    lock = tmp_path / "lock"
    lock.touch()
    detached = f"""
    import fcntl, os, time
    ready, go = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            held = open({str(lock)!r})
            fcntl.flock(held, fcntl.LOCK_EX)
            os.write(go, b"x")
            time.sleep(600)
        os._exit(0)
    os.read(ready, 1)
    """
    for after, value in (("", 1), ("raise ValueError", 0), ("while True: pass", 0)):
        assert code.run(textwrap.dedent(detached), after, seconds=2).value == value
        with lock.open("r+") as free:  # waits until the child has ended: for 600 seconds, if nobody ends it
            fcntl.flock(free, fcntl.LOCK_EX)


def landlock():
    """The version of Landlock that the kernel has, 0 where it has none."""
    import ctypes

    return max(0, ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint(1))) if sys.platform == "linux" else 0


@pytest.mark.skipif(not landlock(), reason="the kernel has no Landlock")
@pytest.mark.parametrize("walls", [True, False])
@pytest.mark.parametrize(
    "writes",
    [
        "open('{here}/new', 'w')",
        "open('{here}/mine', 'a')",
        "import os; os.remove('{here}/mine')",
        "import os; os.truncate('{here}/mine', 0)",
        "import os; os.rename('{here}/mine', '{here}/other')",
        "import os; os.mkdir('{here}/folder')",
        "import os; os.symlink('{here}', 'link'); open('link/new', 'w')",
        "import os; os.mkfifo('{here}/pipe')",
        "import subprocess; subprocess.run(['sh', '-c', 'echo x > {here}/new'], check=True)",
    ],
)
def test_nothing_is_written_outside_its_folder(writes, walls, tmp_path, monkeypatch):
    if not walls:
        monkeypatch.setattr(code, "sandbox_command", lambda: ())
        monkeypatch.setattr(code, "_warn_without_sandbox", lambda: None)
    (tmp_path / "mine").write_text("text")
    score = code.run(writes.format(here=tmp_path))
    assert score.value == 0 and score.explanation
    assert [p.name for p in tmp_path.iterdir()] == ["mine"] and (tmp_path / "mine").read_text() == "text"


def test_its_own_folder_is_open():
    own = """
    import os, tempfile
    open("a", "w").write("x")
    os.mkdir("d")
    os.rename("a", "d/b")
    open("d/b", "a").write("y")
    tempfile.NamedTemporaryFile().write(b"x")
    open(os.devnull, "w").write("x")
    """
    assert code.run(textwrap.dedent(own), "assert open('d/b').read() == 'xy'").value == 1


def test_where_there_are_no_namespaces_it_is_said(monkeypatch):
    monkeypatch.setattr(code, "sandbox_command", lambda: ())
    code._warn_without_sandbox.cache_clear()
    with pytest.warns(UserWarning, match="may outlive it"):
        assert code.run("x = 1", "assert x").value == 1
    code._warn_without_sandbox.cache_clear()


def test_programs_that_do_not_come_in_order_keep_their_order():
    assert [s.value for s in code.run_all([("x = 1", ""), ("1 / 0", ""), ("", ""), ("y = 2", "assert y == 2")])] == [1, 0, 0, 1]


def test_python_is_taken_from_its_own_blocks():
    answer = "```bash\npip list\n```\nThen\n  ```python\n  def f(x):\n      return x\n  ```\nIt gives\n```\nHello world\n```"
    assert code.extract(answer) == "def f(x):\n    return x\n"
    assert code.extract("Run\n```bash\nls\n```") == "Run"
    assert code.extract("    return 1\n") == "    return 1\n"
