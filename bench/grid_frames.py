"""The comparison grid in a real JupyterLab under headless Chromium: four streams at 100 pieces a second, and a scroll through 200 rows.

    python bench/grid_frames.py

Prints JSON lines: updates a second of each column, the longest task of the page, text that was
dropped (0), row elements in the page, and the share of frames within 33 ms.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

MANY = """import random
from fmnb.comparison.comparison import Comparison
from fmnb.core.response import Response
random.seed(1)
words = "a grid of many answers that one reads by scrolling through it row by row and column by column".split()
texts = [" ".join(random.choices(words, k=random.randint(20, 200))) for _ in range(800)]
models = ["one", "two", "three", "four"]
c = Comparison(tuple(Response(t, run=f"r{n}", requested_model=models[n % 4], model=models[n % 4], seconds=1.0) for n, t in enumerate(texts)),
               "", tuple({"model": models[n % 4], "row": f"row {n // 4}"} for n in range(800)))
c.widget()"""
LONG = "() => { window.tasks = []; new PerformanceObserver(l => l.getEntries().forEach(e => tasks.push(e.duration))).observe({ type: 'longtask', buffered: false }); }"
SCROLL = """async () => {
  const list = document.querySelector('.fm-window');
  const frames = [], rows = [];
  let last = performance.now();
  for (let n = 0; n < 300; n++) {
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - last);
    last = now;
    list.scrollTop += 120;
    rows.push(list.querySelectorAll('[role=row]').length);
  }
  return { frames: frames.slice(1), rows: Math.max(...rows), at: list.scrollTop };
}"""


def main() -> None:
    from playwright.sync_api import sync_playwright

    from tests.browser import conftest as lab_tools
    from tests.browser.test_grid import COUNT
    from tests.chromium import find
    from tests.wire.server import Server
    from tests.wire.side_by_side import WORDS

    build = lab_tools.runpy.run_path(str(ROOT / "labextension" / "build.py"))
    assert not build["build"]()
    with tempfile.TemporaryDirectory() as folder, Server() as server, sync_playwright() as p:
        root = Path(folder)
        data = root / "data" / "labextensions"
        data.mkdir(parents=True)
        (data / "fmnb").symlink_to(build["BUILT"])
        (root / "fmnb").mkdir()
        (root / "fmnb" / "fmnb.toml").write_text(f'[provider.side]\nbase_url = "{server.url}"\nneeds_key = false\n')
        lab, process = lab_tools.start(root, data.parent)
        browser = p.chromium.launch(executable_path=find(), headless=True, args=lab_tools.FLAGS)
        try:
            page = lab_tools.new_page(browser)
            four = " ".join(f"side:side-slow{n}" for n in ("", "-2", "-3", "-4"))
            lab_tools.write(root / "work" / "grid.ipynb", "%load_ext fmnb", f"%%fm {four} -o c\nhello", MANY)
            nb = lab_tools.open_at(page, lab, root / "work" / "grid.ipynb")
            nb.run(0)
            page.evaluate(LONG)
            page.evaluate(COUNT, 1)
            nb.start(1)
            nb.wait_end(1)
            nb.cell(1).get_by_role("button", name="Tie").wait_for()
            shown = [re.findall(r"word(\d+)", t) for t in nb.outputs(1).first.locator("section").all_inner_texts()]
            rates = []
            for times in page.evaluate("window.painted").values():
                rates += [max(sum(t <= o < t + 1000 for o in times) for t in times), len(times) / ((times[-1] - times[0]) / 1000)]
            print(json.dumps({"what": "four streams", "pieces a second each": 100, "most updates in a second": max(rates[::2]), "mean updates a second": sum(rates[1::2]) / 4,
                              "pieces dropped": 4 * WORDS - sum(map(len, shown)), "longest task ms": max(page.evaluate("window.tasks"), default=0)}))  # fmt: skip
            page.evaluate("window.tasks.length = 0")
            nb.run(2)
            page.locator(".fm-window [role=row] section").first.wait_for()
            page.wait_for_timeout(1500)
            found = page.evaluate(SCROLL)
            inside = sum(f <= 33.4 for f in found["frames"]) / len(found["frames"])
            print(json.dumps({"what": "200 rows x 4 models", "row elements at most": found["rows"], "frames within 33 ms": f"{inside:.1%}", "scrolled px": found["at"],
                              "longest task ms": max(page.evaluate("window.tasks"), default=0)}))  # fmt: skip
            page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
        finally:
            browser.close()
            lab_tools.end(process)


if __name__ == "__main__":
    main()
