"""The free memory and cores of this machine, and the load from other processes.

Uses psutil if installed, otherwise what the system offers; None means unknown.
"""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path

from ..core.errors import InsufficientMemoryError, SettingsError

_MAX_READING_AGE = 10.0  # seconds for which a measured load counts as current
_SAMPLE_SECONDS = 0.03  # seconds to measure if there is no earlier reading


def available_memory() -> int | None:
    """Bytes available without swapping, within the container's limit if there is one."""
    limits = [n for n in (_system_memory(), _container_memory()) if n is not None]
    return min(limits) if limits else None


def total_memory() -> int | None:
    """Total memory of this machine in bytes."""
    if importlib.util.find_spec("psutil"):
        import psutil

        return int(psutil.virtual_memory().total)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def _system_memory() -> int | None:
    if importlib.util.find_spec("psutil"):
        import psutil

        return int(psutil.virtual_memory().available)
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def _container_memory() -> int | None:
    """Memory available in the cgroup.

    Inactive files of its page cache count as free, as they can be evicted.
    """
    root = Path("/sys/fs/cgroup")
    try:
        limit = (root / "memory.max").read_text().strip()
        if limit == "max":
            return None
        used = int((root / "memory.current").read_text())
        stats = dict(line.split() for line in (root / "memory.stat").read_text().splitlines())
        return int(limit) - used + int(stats.get("inactive_file", 0))
    except (OSError, ValueError):
        return None


def process_memory() -> int | None:
    """Bytes of memory that this process uses now (including mapped weights)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        pass
    if importlib.util.find_spec("psutil"):
        import psutil

        return int(psutil.Process().memory_info().rss)
    return None


def has_gpu() -> bool:
    """Whether there is an NVIDIA GPU, according to the system; loads nothing."""
    return Path("/dev/nvidia0").exists() or Path("/proc/driver/nvidia/version").exists()


def check_fits(name: str, need: int, purpose: str) -> None:
    """Raise InsufficientMemoryError if `need` bytes are not available for `purpose`."""
    have = available_memory()
    if have is not None and need > have:
        raise InsufficientMemoryError(
            "This model does not fit into memory",
            detail=f"{name} needs about {gib(need)} ({purpose}); {gib(have)} are free",
            hint="Free memory (`%fm unload`, other kernels), use a smaller model or quantization, or shorten the prompt.",
        )


def gib(n: int) -> str:
    """Format bytes for display.

    >>> gib(98_362_432), gib(7_500_000_000)
    ('94 MiB', '7.0 GiB')
    """
    return f"{n / 2**30:.1f} GiB" if n >= 2**30 else f"{n / 2**20:.0f} MiB"


def cores() -> int:
    """Physical cores this process may use."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:
        allowed = os.cpu_count() or 1
    physical = None
    if importlib.util.find_spec("psutil"):
        import psutil

        physical = psutil.cpu_count(logical=False)
    return max(1, min(allowed, physical or allowed))


def threads() -> tuple[int, str]:
    """The number of threads for an engine, and a note for the user if it is low.

    `FMNB_THREADS` decides if set. Otherwise all cores except those that other processes keep busy:
    a thread that waits for a core stalls all other threads at every step.
    """
    if chosen := os.environ.get("FMNB_THREADS"):
        if not chosen.isdigit() or int(chosen) < 1:
            raise SettingsError("FMNB_THREADS is not a number of threads", detail=repr(chosen), hint="Set it to 1 or more, or unset it.")
        return int(chosen), ""
    have = cores()
    free = max(1, min(have, round(have - busy_cores())))
    return free, "" if free == have else f"machine busy: {free} thread{'s' if free > 1 else ''}"


_last: tuple[float, float, float] | None = None


def busy_cores() -> float:
    """The number of cores that other processes use, measured since the last call; 0.0 if unknown."""
    global _last
    before, now = _last, _times()
    if now is None:
        return 0.0
    if before is None or not 0.1 < now[0] - before[0] < _MAX_READING_AGE:
        before = now
        time.sleep(_SAMPLE_SECONDS)
        now = _times() or now
    _last = now
    span = now[0] - before[0]
    return max(0.0, (now[1] - before[1]) - (now[2] - before[2])) / span if span > 0 else 0.0


def _times() -> tuple[float, float, float] | None:
    """The time now, the busy core-seconds of the machine, and the core-seconds of this process."""
    own = sum(os.times()[:2])
    try:
        with open("/proc/stat") as f:
            user, nice, system, _idle, _wait, irq, soft, *_ = map(int, f.readline().split()[1:])
        return time.monotonic(), (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK"), own
    except (OSError, ValueError):
        pass
    if importlib.util.find_spec("psutil"):
        import psutil

        t = psutil.cpu_times()
        return time.monotonic(), t.user + t.system + getattr(t, "nice", 0.0), own
    return None
