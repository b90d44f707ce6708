"""Runs a program under test. `code.py` starts it as text (`python -c`); it imports nothing of fmnb.

A program passes only by reaching the end of its tests. Then the audit hook, which Python code can neither
remove nor inspect, writes this run's token into the pipe. Until then, the token and the end secret
exist only in the hook's closure: in no frame, module, environment variable or file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def _prepare() -> Iterator[Any]:
    import json
    import os
    import sys

    task = json.loads(_read(os, 0))
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    _limit(task)
    if task["detach"]:
        _detach()
    _restrict_writes(task["folder"])
    token, end_secret, out = task["token"].encode(), task["word"], task["out"]
    write, read, exit_now = os.write, os.read, os._exit
    slots_out, slots_in = os.pipe()
    os.set_blocking(slots_out, False)
    write(slots_in, b"." * task["processes"])
    main = os.getpid()
    getpid = os.getpid

    def refuse(reason: bytes) -> None:
        write(2, b"\nNotAllowed: " + reason + b"\n")
        exit_now(1)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "fmnb.end":
            if args == (end_secret,) and getpid() == main:
                write(out, token)
                exit_now(0)
            refuse(b"it pretends that its tests have ended")
        elif event in ("os.fork", "os.forkpty", "subprocess.Popen", "os.posix_spawn", "os.system", "os.spawn"):
            try:
                read(slots_out, 1)
            except BlockingIOError:
                refuse(b"too many processes")
        elif event in ("open", "os.chdir", "os.symlink", "os.link", "os.listdir", "os.scandir", "os.mkfifo"):
            for a in args[:2]:
                path = a.decode("utf-8", "replace") if type(a) is bytes else a
                if type(path) is str and (path + "/").find("proc/") >= 0 and (path.startswith(("/proc", "proc")) or "/proc" in path):
                    refuse(b"it reads /proc")
        elif event[:7] == "ctypes." or (event == "import" and args and args[0] in ("_ctypes", "_testcapi", "_testinternalcapi")):
            refuse(b"it uses ctypes")
        elif event in ("gc.get_objects", "gc.get_referrers", "gc.get_referents", "sys._current_frames", "sys._current_exceptions"):
            refuse(b"it inspects the harness (" + event.encode() + b")")

    import types

    module = types.ModuleType("__main__")
    codes = [compile(task["source"], "answer", "exec"), compile(task["test"], "tests", "exec")]
    codes.append(compile(f"import sys as s\ns.audit('fmnb.end', {end_secret!r})", "end", "exec"))
    for name in [n for n in sys.modules if n.split(".")[0] in ("ctypes", "_ctypes", "json", "resource")]:
        del sys.modules[name]
    sys.modules["__main__"] = module
    sys.addaudithook(hook)
    return map(exec, codes, (module.__dict__, module.__dict__, {}))


def _read(os: Any, fd: int) -> bytes:
    content = b""
    while part := os.read(fd, 1 << 16):
        content += part
    return content


def _limit(task: dict[str, Any]) -> None:
    import resource as r

    for resource_, value in (
        (r.RLIMIT_CPU, task["cpu"]),
        (r.RLIMIT_AS, task["memory"]),
        (r.RLIMIT_FSIZE, 1 << 24),
        (r.RLIMIT_NOFILE, 64),
        (r.RLIMIT_CORE, 0),
        (r.RLIMIT_NPROC, task["tasks"]),
    ):
        try:
            r.setrlimit(resource_, (value, value))
        except (ValueError, OSError):
            pass


def _restrict_writes(folder: str) -> None:
    """Restrict writes of this process and its children to `folder`, if the kernel has Landlock.

    Landlock needs Linux 5.13; without it nothing happens. Shared memory stays writable, since processes that
    work together need it.
    """
    import sys

    if sys.platform != "linux":
        return
    try:
        import ctypes
        import os

        call = ctypes.CDLL(None, use_errno=True).syscall
        version = call(444, None, ctypes.c_size_t(0), ctypes.c_uint(1))
        if version < 1:
            return
        write = 1 << 1 | 0b1111111110000  # to files; removing and making of every kind
        write |= (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0)  # moving between folders, cutting off
        rules = call(444, ctypes.byref(ctypes.c_uint64(write)), ctypes.c_size_t(8), ctypes.c_uint(0))
        allowed = [(folder, write), ("/dev/null", write & (1 << 1 | 1 << 14))]
        if os.path.isdir("/dev/shm"):
            allowed.append(("/dev/shm", write))
        for path, rights in allowed:
            at = os.open(path, os.O_PATH)
            rule = rights.to_bytes(8, sys.byteorder) + at.to_bytes(4, sys.byteorder)
            call(445, rules, ctypes.c_int(1), rule, ctypes.c_uint(0))
            os.close(at)
        ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
        call(446, rules, ctypes.c_uint(0))
        os.close(rules)
    except Exception:
        pass


def _detach() -> None:
    try:  # a user and a network of its own: none
        import ctypes

        ctypes.CDLL(None).unshare(0x10000000 | 0x40000000)
    except Exception:
        pass


if __name__ == "__main__":
    for _ in _prepare():
        pass
