"""How long it takes to score and analyse again what was answered: 10,000 rows of 4 models, no model called.

python bench/evals.py [ROWS]
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time

os.environ.setdefault("FMNB_HOME", tempfile.mkdtemp(prefix="fmnb-bench-"))

from fmnb.batch.answers import Answer
from fmnb.evals.datasets.dataset import Dataset
from fmnb.evals.datasets.sample import Sample
from fmnb.evals.evaluation import Evaluation

MODELS = ("a", "b", "c", "d")


def made(rows: int, models: tuple[str, ...] = MODELS) -> Evaluation:
    """An evaluation without scores: answers of 30 words, rows of 500 users."""
    rng = random.Random(5)
    words = [f"word{i}" for i in range(500)]
    samples = [Sample(f"row-{i}", {"q": " ".join(rng.choices(words, k=30))}, str(rng.randint(0, 9)), f"u{i % 500}") for i in range(rows)]
    answers = []
    for i in range(rows):
        for j, m in enumerate(models):
            right = rng.random() < 0.6 + 0.05 * j
            text = f"{' '.join(rng.choices(words, k=29))} {samples[i].target if right else 'x'}"
            answers.append(Answer(i, m, run=f"r{i}-{j}", text=text, finish_reason="stop", seconds=rng.random(), cost=rng.random() / 1000))
    return Evaluation("", "{{ q }}", Dataset(tuple(samples), by="user"), models, 1, answers, {})


def again(rows: int) -> tuple[dict[str, float], str]:
    """Seconds to score again by two scorers with every score written to the log, to analyse, and to make the page."""
    e = made(rows)
    t0 = time.perf_counter()
    scored = e.rescore(["numeric", "f1"])
    t1 = time.perf_counter()
    sentences = scored.sentences
    tables = (scored.models, scored.pairs)
    t2 = time.perf_counter()
    page = scored.to_html()
    t3 = time.perf_counter()
    assert sentences and all(tables) and page
    return {"score": t1 - t0, "analyse": t2 - t1, "page": t3 - t2, "megabytes": len(page) / 1e6}, page


def scroll(page: str, frames: int = 300) -> dict[str, float]:
    """Of a scripted scroll through the page's rows in Chromium: the share of frames within 33 ms, and the most rows in the page."""
    from pathlib import Path

    from playwright.sync_api import sync_playwright

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.chromium import find

    where = Path(tempfile.mkdtemp()) / "report.html"
    where.write_text(page, encoding="utf-8")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find(), args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1100, "height": 900})
        tab.goto(where.as_uri())
        tab.wait_for_selector(".fr-window tbody td")
        times, most = tab.evaluate(
            """async frames => {
              const pane = document.querySelector('.fr-window'), times = [];
              const frame = () => new Promise(r => requestAnimationFrame(r));
              let before = await frame(), most = 0;
              for (let i = 0; i < frames; i++) {
                pane.scrollTop += 180;
                const now = await frame();
                times.push(now - before);
                before = now;
                most = Math.max(most, pane.querySelectorAll('tbody tr:not(.fr-gap)').length);
              }
              return [times, most];
            }""",
            frames,
        )
        browser.close()
    return {"frames_in_33_ms": sum(t <= 33.4 for t in times) / len(times), "rows_in_page": most}


if __name__ == "__main__":
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    times, html = again(rows)
    found = times | scroll(html)
    what = f"{rows:,} rows of {len(MODELS)} models, two scorers, every score in the log"
    print(
        json.dumps(
            {
                "what": what,
                "score and analyse s (target 5)": round(found["score"] + found["analyse"], 2),
                "analyse s": round(found["analyse"], 2),
            }
        )
    )
    page = {
        "page s": round(found["page"], 2),
        "page MB": round(found["megabytes"], 1),
        "row elements at most (target 100)": int(found["rows_in_page"]),
    }
    print(json.dumps({"what": "its report", **page, "frames within 33 ms (target 95%)": f"{found['frames_in_33_ms']:.1%}"}))
