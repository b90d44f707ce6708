"""The start of JupyterLab with and without the extension, in interleaved pairs under headless Chromium.

    python bench/lab_start.py [PAIRS]

Prints one JSON line: the median time from the request to a restored application with and without
the extension, and the median of the differences of the pairs (target at most 50 ms).
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("FMNB_MODELS", str(ROOT / ".models"))

STARTED = """async () => {
  while (!window.jupyterapp) await new Promise(done => setTimeout(done, 5));
  await window.jupyterapp.restored;
  return performance.now();
}"""


def started(browser: Any, url: str, extension: bool) -> float:
    """Milliseconds from the request to the restored application, in a fresh browser context."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        page = context.new_page()
        page.goto(url, wait_until="commit")
        time = float(page.evaluate(STARTED))
        assert page.evaluate("() => window.jupyterapp.hasPlugin('fmnb:plugin')") == extension, "the extension is where it should not be"
        return time
    finally:
        context.close()


def main(pairs: int) -> None:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    from tests.browser import conftest as lab

    built = ROOT / "fmnb" / "labextension"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        servers, urls = [], {}
        for name in ("with", "without"):
            root, data = Path(folder) / name, Path(folder) / f"{name}-data"
            root.mkdir()
            (data / "labextensions").mkdir(parents=True)
            (data / "labextensions" / "fmnb").symlink_to(built)
            if name == "without":
                config = root / "config" / "labconfig"
                config.mkdir(parents=True)
                (config / "page_config.json").write_text(json.dumps({"disabledExtensions": {"fmnb": True}}))
            found, process = lab.start(root, data)
            servers.append(process)
            urls[name] = f"{found.url}/lab?reset&token={found.token}"
        browser = play.chromium.launch(executable_path=lab.find(), args=lab.FLAGS)
        try:
            times: dict[str, list[float]] = {"with": [], "without": []}
            for turn in range(pairs + 1):  # the first pair warms the servers
                for name in ("with", "without") if turn % 2 else ("without", "with"):
                    times[name].append(started(browser, urls[name], name == "with"))
            measured = {name: values[1:] for name, values in times.items()}
            gaps = [a - b for a, b in zip(measured["with"], measured["without"], strict=True)]
            row = {f"{name} ms": round(statistics.median(values)) for name, values in measured.items()}
            print(json.dumps({**row, "difference ms": round(statistics.median(gaps)), "pairs": pairs, "load": os.getloadavg()[0]}))
        finally:
            browser.close()
            for process in servers:
                lab.end(process)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
