"""Services that publish their limits: how much of what they refuse comes after the first ten seconds, and how near to the limit we come.

    python bench/fair.py

Real time, loopback servers that fill an allowance up steadily and say what is left of it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ["FMNB_HOME"] = tempfile.mkdtemp()

import pandas as pd

from fmnb.batching.run import batch
from tests.batching.service import Service

SERVICES = ((0.02, 3_000, 100), (0.2, 3_000, 60), (0.5, 6_000, 200), (0.2, 600, 20))  # seconds an answer, requests a minute, burst
SECONDS = 25  # that the rows take at best


def main() -> None:
    for latency, per_minute, burst in SERVICES:
        with Service(latency=latency, jitter=0.5, per_minute=per_minute, burst=burst) as service:
            os.environ["VLLM_BASE_URL"] = service.url
            rows = int(per_minute / 60 * SECONDS)
            began = time.monotonic()
            batch("Say {{ w }}", pd.DataFrame({"w": [f"{latency}-{per_minute}-{n}" for n in range(rows)]}), "vllm:m")
            took = time.monotonic() - began
        refused, answered = (sum(t > began + 10 for t in ts) for ts in (service.refused, service.answered))
        found = {
            "what": f"{rows:,} rows, {latency * 1000:.0f} ms, {per_minute:,} a minute, {burst} at once",
            "refused after ten seconds (target 1%)": f"{refused / (refused + answered):.1%} of {refused + answered:,}",
            "refused in all": len(service.refused),
            "seconds": round(took, 1),
            "at best": round((rows - burst) / per_minute * 60, 1),
        }
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
