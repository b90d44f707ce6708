"""Outputs of every kind, as a saved notebook holds them, and what can be read of them on a page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbclient
import nbformat
from playwright.sync_api import Frame, Page

from tests.browser.test_shots import ANSWER, CODE, MATH, TABLE
from tests.conftest import MODELS

CELLS = {
    "load": "%load_ext fmnb\nimport fmnb as fm",
    "answer": f"%%fm echo:\n{ANSWER}",
    "table": f"%%fm echo:\n{TABLE}",
    "code": f"%%fm echo:\n{CODE}",
    "math": f"%%fm echo:\n{MATH}",
    "json": '%%fm echo: -f json\n{"people": [{"name": "Ada", "age": 36}], "complete": true, "note": null}',
    "cut": f"%%fm echo:fail=cut\n{ANSWER}",
    "reasoning": "%%fm echo:think\nShort.",
    "no key": "%%fm openai:gpt-5-mini\nhello",
    "stopped": "import _thread, threading\nthreading.Timer(1, _thread.interrupt_main).start()\nget_ipython().run_cell_magic('fm', 'echo:slow=5', 'word ' * 99)",
    "batch": "rows = [{'q': w, 'target': w} for w in ('Where is my card?', 'Merci', '9:30', 'No.', 'Yes', 'Who?')]\n"
    "get_ipython().run_cell_magic('fm', 'echo: --over rows -o labelled', 'Say {{ q }}')",
    "batch failed": "get_ipython().run_cell_magic('fm', 'echo:fail=context --over rows -o failed', '{{ q }}')",
    "running": "import time\nfrom fmnb.core.events import Progress, Started\nfrom fmnb.views.batch import BatchView\nfrom fmnb.views.live import display\n"
    "view = BatchView(get_ipython(), show=display)\nview(Started(run='b1', at=time.time(), kind='batch', meta={'calls': 500, 'asked': 'embedded'}))\n"
    "view._at_once, view._show, view._drawn = None, display, -1e9\nview(Progress(run='b1', stage='rows', done=120, total=500, unit='rows', note='32/s'))",
    "downloading": "from fmnb.views.live import NotebookView\nview = NotebookView('d1')\nview(Started(run='d1', at=time.time(), model='embedded'))\n"
    "view(Progress(run='d1', stage='downloading', done=41_300_000, total=98_600_000, unit='bytes', note='12.4 MB/s'))",
    "comparison": f"%%fm echo: echo:think -o c\n{ANSWER}",
    "status": "%fm",
    "keys": "%fm key",
    "log": "%fm log",
    "help": "%fm help",
    "dry run": "%%fm --dry-run echo: -t 0\nWhat is unusual about {{ rows }}?",
    "evaluation": "e = fm.evaluate('{{ q }}', rows, models=['echo:', 'echo:think'], score=['exact'])\ne",
    "report": "e.report()",
    "plot": "%matplotlib inline\n_ = e.plot()",
    "leaderboard": "fm.leaderboard()",
    "playground": "fm.Playground()",
    "chat": "chat = fm.Chat('echo:')\nchat.ask('hello there')\nchat.widget()",
    "history": "fm.History()",
    "interact": "fm.Interact('Say {{ word }}', model='echo:', word=['a', 'b'])",
    "labeler": "fm.Labeler(fm.Dataset.from_rows(rows))",
}
QUIET = ("load",)  # cells without an output


def executed(folder: Path) -> nbformat.NotebookNode:
    """A notebook of these cells, run in a kernel without keys, with its outputs and the state of its widgets."""
    cells = [c for name, source in CELLS.items() for c in (nbformat.v4.new_markdown_cell(name), nbformat.v4.new_code_cell(source))]
    made = nbformat.v4.new_notebook(cells=cells)
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    kept = {k: v for k, v in os.environ.items() if not k.endswith(("_API_KEY", "_TOKEN"))}
    client = nbclient.NotebookClient(made, timeout=240, allow_errors=True, resources={"metadata": {"path": str(folder)}})
    client.execute(env={**kept, "FMNB_HOME": str(folder / "fmnb"), "FMNB_MODELS": str(MODELS)})
    return made


def html_of(notebook: nbformat.NotebookNode) -> dict[str, list[str]]:
    """The HTML of each cell's outputs, by the cell's name; a widget's own output, which is empty for such readers, is left out."""
    code = (c for c in notebook.cells if c.cell_type == "code")
    data: dict[str, list[dict[str, Any]]] = {
        name: [o.get("data", {}) for o in cell.outputs] for name, cell in zip(CELLS, code, strict=True)
    }
    return {name: ["".join(d["text/html"]) for d in found if d.get("text/html")] for name, found in data.items()}


# The text of every visible text node, with its contrast against what is painted behind it. A canvas mixes the colors as the page does.
_READABLE = """([selector, paper]) => {
  const pen = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
  const paint = color => { pen.fillStyle = color; pen.fillRect(0, 0, 1, 1); };
  const seen = () => [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  for (const root of document.querySelectorAll(selector)) {
    const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const text = walk.currentNode.data.trim(), at = walk.currentNode.parentElement;
      if (!text || !at.checkVisibility() || at.closest('style, script, option')) continue;
      const behind = [];
      for (let n = at; n; n = n.parentElement) behind.unshift(getComputedStyle(n).backgroundColor);
      paint(paper); behind.forEach(paint);
      const back = seen();
      paint(getComputedStyle(at).color);
      const front = seen();
      found.push([text, (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05)]);
    }
  }
  return found;
}"""


def readable(page: Page | Frame, selector: str, paper: str) -> list[tuple[str, float]]:
    """Each piece of visible text below `selector`, with its contrast on a page of this color."""
    return [(text, ratio) for text, ratio in page.evaluate(_READABLE, [selector, paper])]
