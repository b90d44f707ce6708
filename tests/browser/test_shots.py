"""Pictures of every view for people to look at, light and dark: `make shots` writes them to .work/shots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.browser.conftest import Notebook, choose_from_menu, new_page, open_at, write
from tests.browser.test_images import MAKER

FOLDER = os.environ.get("FMNB_SHOTS", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="drawn by `make shots`")

ANSWER = """The median is the middle value of a **sorted** column: half of the numbers lie below it, half above.

Prefer it to the mean when

- a few values are *far* from the rest, as in incomes or house prices;
- the column holds codes such as `-999` for "unknown".

> One house of 10 million moves the mean of a street; it does not move the median.

See [pandas' own page](https://pandas.pydata.org/docs/) for `df.median()`."""
TABLE = """| Origin | Cars | Mean weight (lb) | Most common engine |
|---|---:|---:|---|
| USA | 254 | 3,373 | 8 cylinders, 350 cubic inches |
| Europe | 73 | 2,431 | 4 cylinders |
| Japan | 79 | 2,221 | 4 cylinders, a few with a rotary engine |

Weights fell in all three regions between 1970 and 1982."""
CODE = '''Group, then take the median:

```python
def typical(cars: pd.DataFrame) -> pd.Series:
    """Median horsepower by origin, best first."""
    by_origin = cars.groupby("Origin")["Horsepower"]  # 6 values are missing
    return by_origin.median().sort_values(ascending=False)
```

`groupby` drops missing origins; pass `dropna=False` to keep them.'''
MATH = r"""The sample variance of $x_1, \dots, x_n$ is

$$
s^2 = \frac{1}{n - 1} \sum_{i=1}^{n} (x_i - \bar{x})^2, \qquad \bar{x} = \frac{1}{n}\sum_{i=1}^n x_i
$$

and costs $O(n)$; a ticket costs $5 or $8."""
PROGRESS = """import time
from fmnb.core.events import Progress, Started
from fmnb.views.live import NotebookView
view = NotebookView("shot")
view(Started(run="shot", at=time.time(), model="embedded"))
view(Progress(run="shot", stage="downloading", done=41_300_000, total=98_600_000, unit="bytes", note="12.4 MB/s"))"""

TICKETS = """tickets = [{"text": t} for t in ("Where is my card?", "My top-up was rejected, and nobody answers the telephone.", "Merci !", "9:30")]"""

CELLS = {
    "answer": f"%%fm echo:\n{ANSWER}",
    "table": f"%%fm echo:\n{TABLE}",
    "code": f"%%fm echo:\n{CODE}",
    "math": f"%%fm echo:\n{MATH}",
    "json": '%%fm echo: -f json\n{"people": [{"name": "Ada", "age": 36}, {"name": "Grace", "age": 85}], "complete": true, "note": null}',
    "error": "%%fm echo:fail=cut\n" + ANSWER.split("\n\n")[0],
    "reasoning": "%%fm echo:think\n" + ANSWER.split("\n\n")[0],
    "reasoning_open": "%%fm echo:think\n" + ANSWER.split("\n\n")[0],
    "truncated": "%%fm echo: --max-tokens 4 -p made_up=1\nThe median weight of cars fell by a quarter.",
    "dry": '%%fm --dry-run -t 0\nWhat is unusual about this table?\n\n{{ {"city": ["Oslo", "Rome"], "population": [717710, 2748109]} }}',
    "models": "%fm models local",
    "several": "%%fm echo: embedded --max-tokens 50\nIn one sentence: what is a median?",
    "image": f"{MAKER}\nget_ipython().run_cell_magic('fm', 'painter -f image', 'two hills and a sun')",
    "progress": PROGRESS,
    "batch": f"{TICKETS}\nget_ipython().run_cell_magic('fm', 'echo: --over tickets --schema \"mood good|bad, topics list[str]\" -o labelled', '{{{{ text }}}}')",
    "batch_failed": "%%fm echo:fail=context --over tickets -o failed\n{{ text }}",
    "stopped": "%%fm echo:slow=12\n" + ANSWER.split("\n\n")[0] * 9,
    "waiting": "%%fm echo:fail=rate_limit,times=2,wait=25\nhello",
}


def _shoot(nb: Notebook, i: int, name: str) -> None:
    area = nb.cell(i).locator(".jp-OutputArea").first
    area.scroll_into_view_if_needed()
    nb.page.wait_for_timeout(150)
    area.screenshot(path=Path(FOLDER) / f"{name}.png", animations="disabled")


def test_shots_of_every_view_light_and_dark(browser, lab):
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    file = lab.work / "shots.ipynb"
    write(file, "%load_ext fmnb", *CELLS.values())
    page = new_page(browser)
    try:
        nb = open_at(page, lab, file)
        nb.command("application:toggle-left-area")
        nb.run(0)
        names = list(CELLS)
        for i, name in enumerate(names[:-2], 1):
            nb.run(i)
            if name == "reasoning_open":
                nb.outputs(i).locator("summary").first.click()
        stopped, waiting = len(names) - 1, len(names)
        nb.start(stopped)
        nb.outputs(stopped).get_by_text("is the middle value").first.wait_for()
        nb.interrupt()
        nb.wait_end(stopped)
        nb.start(waiting)
        nb.outputs(waiting).get_by_text("next try in").first.wait_for()
        for theme in ("light", "dark"):
            nb.command("apputils:change-theme", theme=f"JupyterLab {theme.title()}")
            page.wait_for_timeout(800)
            for i, name in reversed(list(enumerate(names, 1))):
                _shoot(nb, i, f"{name}_{theme}")
        nb.interrupt()
        nb.command("apputils:change-theme", theme="JupyterLab Light")
        page.set_viewport_size({"width": 400, "height": 800})
        page.wait_for_timeout(500)
        for name in ("answer", "table", "code", "error"):
            _shoot(nb, names.index(name) + 1, f"{name}_narrow")
        nb.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    finally:
        page.context.close()


FINDING = "The median weight of cars fell by a quarter between 1970 and 1982."
ROWS = [{"text": t} for t in ("Where is my card?", "My top-up was rejected, and nobody answers the telephone.", "Merci !", "9:30")]
GRIDS = {
    "grid_streaming": "%%fm echo:slow=3 echo:fail=cut echo: -t 0\n" + ANSWER.split("\n\n")[0],
    "grid": f"%%fm echo: echo:think\n{ANSWER}",
    "grid_voted": f"%%fm echo: echo:think echo:slow=99\n{FINDING}",
    "grid_blind": f"%%fm --blind echo: echo:think\n{FINDING}",
    "grid_rows": f"%%fm echo: echo:think --vary max_tokens=4,40\n{FINDING}",
    "grid_differences": f"import fmnb as fm\nfm.compare('', ['echo:'], prompts=[{ANSWER!r}, {ANSWER.replace('house prices', 'rents').replace('half below', 'a half below')!r}]).widget()",
    "grid_over": f"tickets = {ROWS!r}\nget_ipython().run_cell_magic('fm', 'embedded echo: --over tickets -t 0 --max-tokens 40 -o answers', 'Answer this customer kindly: {{{{ text }}}}')",
}


def test_shots_of_the_comparison_grid(browser, lab):
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    file = lab.work / "grid_shots.ipynb"
    write(file, "%load_ext fmnb", *GRIDS.values())
    page = new_page(browser)
    try:
        nb = open_at(page, lab, file)
        nb.command("application:toggle-left-area")
        nb.run(0)
        names = list(GRIDS)
        for i in range(2, len(names) + 1):
            nb.run(i)
            nb.cell(i).locator(".fmnb-w button").first.wait_for()
        nb.cell(3).get_by_role("button", name="echo:think").click()
        nb.cell(3).get_by_text("You preferred").wait_for()
        choose_from_menu(nb.cell(6), "Differences")
        nb.start(1)
        nb.cell(1).locator(".fm-stream").get_by_text("The median is the").first.wait_for()
        for theme in ("light", "dark"):
            nb.command("apputils:change-theme", theme=f"JupyterLab {theme.title()}")
            page.wait_for_timeout(800)
            for i, name in enumerate(names, 1):
                _shoot(nb, i, f"{name}_{theme}")
        page.emulate_media(forced_colors="active")
        page.wait_for_timeout(300)
        _shoot(nb, 2, "grid_forced_colours")
        page.emulate_media(forced_colors="none")
        nb.command("apputils:change-theme", theme="JupyterLab Light")
        nb.wait_end(1)
        page.set_viewport_size({"width": 400, "height": 900})
        page.wait_for_timeout(500)
        _shoot(nb, 2, "grid_narrow")
        nb.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    finally:
        page.context.close()


TUTOR = f"""import fmnb as fm
ANSWER = {ANSWER!r}
def tutor(text, temperature=0.0):
    told = ANSWER if "child" not in text else ANSWER.replace("half above", "and half lie above it").replace("a few values", "one or two values")
    yield from (word + " " for word in told.split(" "))
topic, cars = "the median", [{{"name": "Corolla", "kg": 1080}}, {{"name": "Beetle", "kg": 880}}]
"""
WIDGETS = {
    "playground": f"""{TUTOR}
play = fm.Playground("tutor", "Explain {{{{ topic }}}} to an analyst.", system="Answer with one example.", temperature=0.2)
play.run()
play.on_draft({{"prompt": "Explain {{{{ topic }}}} to a child.", "params": {{"temperature": "0.7"}}}})
play.run()
play.on_pin(play.attempts[0]["run"])
play""",
    "chat": """chat = fm.Chat(tutor, system="Answer with one example.", name="cars")
chat.ask("What is a median?")
chat.ask("And of these cars?", attach="cars", values=globals())
chat.edit(1, "And for a child?")
chat.widget()""",
    "interact": """ask = fm.Interact("Explain {{ topic }} to a {{ reader }} in {{ n }} sentences.", "tutor", reader=["child", "expert"], n=(1, 5), temperature=(0, 1.0), example=True)
ask()
ask""",
    "history": """c = fm.compare("What is a median?", ["echo:", "echo:think"])
fm.vote(c, "left")
history = fm.History()
history.on_open(play.attempts[0]["run"])
history""",
}


def test_shots_of_the_other_widgets(browser, lab):
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    file = lab.work / "widget_shots.ipynb"
    write(file, "%load_ext fmnb", *WIDGETS.values())
    page = new_page(browser, viewport={"width": 1180, "height": 1400})
    try:
        nb = open_at(page, lab, file)
        nb.command("application:toggle-left-area")
        nb.run(0)
        names = dict(enumerate(WIDGETS, 1))
        for i in names:
            nb.run(i)
            nb.cell(i).locator(".fm-box footer").first.wait_for()
        nb.cell(4).get_by_role("row").nth(2).wait_for()
        for theme in ("light", "dark"):
            nb.command("apputils:change-theme", theme=f"JupyterLab {theme.title()}")
            page.wait_for_timeout(800)
            for i, name in names.items():
                _shoot(nb, i, f"{name}_{theme}")
        nb.command("apputils:change-theme", theme="JupyterLab Light")
        page.emulate_media(forced_colors="active")
        page.wait_for_timeout(300)
        _shoot(nb, 1, "playground_forced_colours")
        page.emulate_media(forced_colors="none")
        page.set_viewport_size({"width": 400, "height": 1400})
        page.wait_for_timeout(500)
        for i, name in names.items():
            _shoot(nb, i, f"{name}_narrow")
        nb.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    finally:
        page.context.close()


def _hero(nb: Notebook) -> None:
    nb.run(0, 1)
    nb.command("notebook:clear-all-cell-outputs")
    nb.run(2)


@pytest.mark.weights
def test_shots_of_the_first_cell(browser, lab):
    """The readme's first picture: its cell and the real answer of the embedded model, in the real JupyterLab."""
    file = lab.work / "first_cell.ipynb"
    question = "%%fm\nIn one sentence, what is {{ topic }}?"
    write(file, "%load_ext fmnb\n%fm unload", 'topic = "a median"', question)
    page = new_page(browser, device_scale_factor=2, viewport={"width": 1000, "height": 800})
    try:
        nb = open_at(page, lab, file)
        nb.command("application:toggle-left-area")
        _hero(nb)
        page.evaluate("() => { document.activeElement.blur(); window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }")
        cell = nb.cell(2)
        cell.scroll_into_view_if_needed()
        page.wait_for_timeout(300)
        cell.screenshot(path=Path(FOLDER) / "first_cell.png", animations="disabled")
        nb.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    finally:
        page.context.close()


def test_shots_of_a_prompt_cell(browser, lab):
    """A prompt cell while an expression is typed, with the list of the notebook's values."""
    file = lab.work / "prompt_cell.ipynb"
    frame = "import pandas as pd\nreviews = pd.DataFrame({'text': ['good', 'late'], 'stars': [5, 2]})\nregion = 'Oslo'"
    prompt = "%%fm openai:gpt-5-mini -t 0.2 --seed 7\n## What customers say in {{ region }}\n\nSummarize in **two** sentences, and name the *worst* complaint:\n\n"
    write(file, f"%load_ext fmnb\n{frame}", prompt)
    page = new_page(browser, device_scale_factor=2, viewport={"width": 900, "height": 700})
    try:
        nb = open_at(page, lab, file)
        nb.command("application:toggle-left-area")
        nb.run(0)
        for theme in ("light", "dark"):
            nb.command("apputils:change-theme", theme=f"JupyterLab {theme.title()}")
            nb.cell(1).locator(".cm-content").click()
            page.keyboard.press("Control+End")
            page.keyboard.type("{{ re")
            page.locator(".jp-Completer:visible .jp-Completer-match").first.wait_for()
            page.wait_for_timeout(600)
            box = nb.cell(1).bounding_box()
            assert box is not None
            clip = {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"] + 60}
            page.screenshot(path=Path(FOLDER) / f"prompt_cell_{theme}.png", clip=clip)
            page.keyboard.press("Escape")
            for _ in range(5):
                page.keyboard.press("Backspace")
        nb.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    finally:
        page.context.close()
