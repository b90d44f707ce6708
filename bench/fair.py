"""Services with limits: how much of what they refuse comes after the first ten seconds, and how near to the limit we come.

    python bench/fair.py

Real time, loopback servers: some fill an allowance up steadily, some give a new one every
second; some say what is left of it, some say it rounded, wrongly or not at all.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ["FMNB_HOME"] = tempfile.mkdtemp()

import pandas as pd

from fmnb.batch.run import batch
from tests.batch.service import Service

# Seconds an answer, requests a minute, and how they are enforced and published.
SERVICES: tuple[tuple[float, float, dict[str, Any]], ...] = (
    (0.02, 3_000, {"burst": 100}),
    (0.2, 3_000, {"burst": 60}),
    (0.5, 6_000, {"burst": 200}),
    (0.2, 600, {"burst": 20}),
    *((0.2, 600, {"window": 1.0, "publish": said}) for said in (True, "rounded", "wrong", False)),
    (0.2, 600, {"window": 1.0, "publish": False, "waits": False}),
    (0.2, 3_000, {"burst": 50, "publish": False}),
)
SECONDS = 25  # that the rows take at best


def main() -> None:
    for latency, per_minute, more in SERVICES:
        with Service(latency=latency, jitter=0.5, per_minute=per_minute, **more) as service:
            os.environ["VLLM_BASE_URL"] = service.url
            rows = int(per_minute / 60 * SECONDS)
            began = time.monotonic()
            batch("Say {{ w }}", pd.DataFrame({"w": [f"{latency}-{per_minute}-{more}-{n}" for n in range(rows)]}), "vllm:m")
            took = time.monotonic() - began
        refused, answered = (sum(t > began + 10 for t in ts) for ts in (service.refused, service.answered))
        burst = more.get("burst", 0)
        words = [
            f"{burst} at once" if burst else "enforced by the second",
            {True: "published", False: "not published"}.get(more.get("publish", True), f"published {more.get('publish')}"),
            *([] if more.get("waits", True) else ["no wait named"]),
        ]
        found = {
            "what": f"{rows:,} rows, {latency * 1000:.0f} ms, {per_minute:,} a minute, {', '.join(words)}",
            "refused after ten seconds (target 1%)": f"{refused / (refused + answered):.1%} of {refused + answered:,}",
            "refused in all": len(service.refused),
            "seconds": round(took, 1),
            "at best": round((rows - burst) / per_minute * 60, 1),
        }
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
