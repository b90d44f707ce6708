"""Typing in a prompt cell, a Markdown cell and a Python cell of 5,000 characters in a real JupyterLab under headless Chromium.

    python bench/typing_prompts.py

Prints JSON lines: the time from key to paint, the script of the page a key, and the frames in
which a visible expression of the prompt had no mark (0). The ratio is of the medians, prompt
over Markdown (target at most 1.1).
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

SIZE = 5_000
TURNS = 5
KEYS = "the quick brown fox jumps over the lazy dog and goes on to say more, " * 2
PART = """## Part {n}

Write **two** sentences about {{{{ df.describe()[{n}] }}}} and say *why* they hold; see `table{n}`.

- one item with {{{{ name }}}}
- another, with [a link](there) and some more words to fill the line

"""
PROSE = "".join(PART.format(n=n) for n in range(99))
CODE = "".join(
    f"def f{n}(x, y={n}):\n    '''Say what it does.'''\n    return [x + i * {n} for i in range(y) if i % 2]\n\n" for n in range(99)
)
CELLS = {"prompt": ("%%fm embedded -t 0\n" + PROSE)[:SIZE], "Markdown": PROSE[:SIZE], "Python": CODE[:SIZE]}

VIEW = "window.jupyterapp.shell.currentWidget.content.widgets[n].editor.editor"
PLACE = f"""n => {{
  const view = {VIEW};
  const text = view.state.doc.toString();
  const at = Math.max(text.indexOf('they hold; see', 2400), text.indexOf('what it does', 2400));
  view.focus();
  view.dispatch({{ selection: {{ anchor: at + 4 }}, scrollIntoView: true }});
}}"""
MARKDOWN = """async n => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.deselectAll();
  notebook.activeCellIndex = n;
  await window.jupyterapp.commands.execute('notebook:change-cell-to-markdown');
  notebook.widgets[n].rendered = false;
  await notebook.widgets[n].ready;
}"""
WATCH = f"""n => {{
  const dom = {VIEW}.contentDOM;
  const w = (window.typed = {{ paint: [], unmarked: 0, stop: false }});
  w.keydown = () => {{
    const at = performance.now();
    requestAnimationFrame(() => {{
      const channel = new MessageChannel();
      channel.port1.onmessage = () => w.paint.push(performance.now() - at);
      channel.port2.postMessage(0);
    }});
  }};
  document.addEventListener('keydown', w.keydown, true);
  const frame = () => {{
    const lines = dom.closest('.fmnb-Prompt') ? [...dom.querySelectorAll('.cm-line')] : [];
    w.unmarked += lines.filter(l => l.textContent.includes('{{{{ ') && !l.querySelector('.fmnb-Prompt-expression')).length;
    w.stop || requestAnimationFrame(frame);
  }};
  requestAnimationFrame(frame);
}}"""
DONE = """() => {
  window.typed.stop = true;
  document.removeEventListener('keydown', window.typed.keydown, true);
  return { paint: window.typed.paint, unmarked: window.typed.unmarked };
}"""


def type_keys(page: Any, devtools: Any, cell: int) -> dict[str, Any]:
    """Type in the middle of a cell; milliseconds from each key to its paint, and of script a key."""
    page.evaluate(PLACE, cell)
    page.wait_for_timeout(800)
    page.evaluate(WATCH, cell)
    before = script_seconds(devtools)
    for key in KEYS:
        page.keyboard.press("Space" if key == " " else key)
        page.wait_for_timeout(15)
    page.wait_for_timeout(200)
    return {**page.evaluate(DONE), "script": (script_seconds(devtools) - before) * 1000 / len(KEYS)}


def script_seconds(devtools: Any) -> float:
    """How long the page's scripts have run."""
    return next(float(m["value"]) for m in devtools.send("Performance.getMetrics")["metrics"] if m["name"] == "ScriptDuration")


def main() -> None:
    from playwright.sync_api import sync_playwright

    from tests.browser import conftest as lab_tools
    from tests.chromium import find

    build = lab_tools.runpy.run_path(str(ROOT / "labextension" / "build.py"))
    assert not build["build"]()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as p:
        root = Path(folder)
        data = root / "data" / "labextensions"
        data.mkdir(parents=True)
        (data / "fmnb").symlink_to(build["BUILT"])
        lab, process = lab_tools.start(root, data.parent)
        browser = p.chromium.launch(executable_path=find(), headless=True, args=lab_tools.FLAGS)
        try:
            page = lab_tools.new_page(browser)
            lab_tools.write(root / "work" / "typing.ipynb", *CELLS.values())
            lab_tools.open_at(page, lab, root / "work" / "typing.ipynb")
            page.locator(".fmnb-Prompt").first.wait_for()
            page.evaluate(MARKDOWN, 1)
            devtools = page.context.new_cdp_session(page)
            devtools.send("Performance.enable")
            found: dict[str, list[dict[str, Any]]] = {name: [] for name in CELLS}
            for _ in range(TURNS):
                for n, name in enumerate(CELLS):
                    found[name].append(type_keys(page, devtools, n))
            report(found)
            page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
        finally:
            browser.close()
            lab_tools.end(process)


def report(found: dict[str, list[dict[str, Any]]]) -> None:
    """Print a line for each kind of cell, and the ratio."""
    medians = {}
    for name, turns in found.items():
        paint = sorted(ms for turn in turns for ms in turn["paint"])
        medians[name] = statistics.median(paint)
        each = [round(statistics.median(turn["paint"]), 1) for turn in turns]
        print(json.dumps({"what": f"{name} cell", "key to paint, median ms": round(medians[name], 1), "of each turn": each,
                          "95th percentile ms": round(paint[int(len(paint) * 0.95)], 1), "longest ms": round(paint[-1], 1),
                          "script ms a key": round(statistics.median(turn["script"] for turn in turns), 2),
                          "lines in a frame without a mark": sum(turn["unmarked"] for turn in turns)}))  # fmt: skip
    load = [round(x, 1) for x in os.getloadavg()]
    print(
        json.dumps(
            {"what": "prompt over Markdown, medians", "ratio": round(medians["prompt"] / medians["Markdown"], 2), "load averages": load}
        )
    )


if __name__ == "__main__":
    main()
