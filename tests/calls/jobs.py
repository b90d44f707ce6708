"""Work for jobs in a process of its own: a trivial user of `child_job`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from fmnb.core.errors import UsageError
from fmnb.core.events import Finished, Progress, TextDelta


async def count(to, gate=""):
    """Count, waiting at the second step for a file if one is named."""
    for n in range(1, to + 1):
        yield Progress(stage="counting", done=n, total=to, unit="steps")
        while gate and n == 2 and not Path(gate).exists():
            await asyncio.sleep(0.01)
    yield TextDelta(text="counted, é")
    yield Finished(data={"last": to, "pid": os.getpid()})


async def mistaken():
    yield Progress(stage="counting", done=1)
    raise UsageError("There is nothing to count")


async def buggy():
    yield Progress(stage="counting", done=1)
    print("chatter on standard output")
    raise ZeroDivisionError("with sk-proj-abcdefghijklmnopqrstuvwxyz0123456789 inside")


async def dies(code):
    yield Progress(stage="counting", done=1)
    print("no room left for matrix", file=sys.stderr, flush=True)
    os._exit(code)
