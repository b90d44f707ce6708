"""Playground, conversation, history and controls in a real JupyterLab and Notebook 7: used, stopped, left without a kernel, saved."""

from __future__ import annotations

import re

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import expect

from tests.browser.conftest import CLOSE, DRAWN, KERNEL_READY, OPEN, SOURCES, Notebook, change_theme, new_page, open_at, settle, write
from tests.browser.test_axe import CHECK, CONTRAST
from tests.browser.test_axe import axe as axe
from tests.browser.test_hostile import ODD, _arm

PLAY = 'import fmnb as fm\ntopic = "medians"\nfm.Playground("echo:", "Explain {{ topic }} **now**.", system="Be brief.", temperature=0.2)'
TALK = 'import fmnb as fm\nrows = [{"city": "Oslo"}, {"city": "Rome"}]\nchat = fm.Chat("echo:", name="cities")\nchat.widget()'
ASK = 'import fmnb as fm\nfm.Interact("Say {{ what }} {{ n }}", "echo:", what=["yes", "no"], n=(1, 9), temperature=0)'
LOG = "import fmnb as fm\nfm.History()"
REPLIES = ".fm-reply:not([aria-busy='true'])"


def test_a_prompt_is_tried_changed_pinned_and_becomes_a_cell(notebook):
    nb = notebook(PLAY)
    nb.run(1)
    cell = nb.cell(1)
    cell.get_by_text("5 tokens · free").wait_for()  # with the system prompt
    prompt = cell.get_by_label("Prompt", exact=True)
    prompt.focus()
    nb.page.keyboard.press("Control+Enter")
    cell.locator(REPLIES).get_by_text("Explain medians now.").wait_for()
    prompt.fill("Explain {{ topi }} later")
    cell.get_by_text("Did you mean topic").wait_for()
    prompt.fill("Explain {{ topic }} later")
    nb.page.keyboard.press("Control+Enter")
    cell.locator(REPLIES).get_by_text("Explain medians later").wait_for()
    cell.get_by_role("button", name="Pin attempt 1").click()
    cell.get_by_role("button", name="Differences").click()
    cell.locator("ins").get_by_text("later").wait_for()
    cell.get_by_role("button", name="Explain {{ topic }} **now**.").click()
    expect(prompt).to_have_value("Explain {{ topic }} **now**.")
    cell.locator(".fm-form").get_by_role("button", name="As a cell").click()
    nb.cell(2).wait_for()
    assert nb.sources()[2] == "%%fm echo: -s 'Be brief.' -t 0.2\nExplain {{ topic }} **now**."
    nb.run(2)
    assert "Explain medians now." in nb.text(2)


def test_a_conversation_by_keyboard_with_an_edit_a_branch_and_an_attachment(notebook):
    nb = notebook(TALK)
    nb.run(1)
    cell, keys = nb.cell(1), nb.page.keyboard
    cell.get_by_label("Your message").focus()
    keys.type("one two")  # `o` and the like are the notebook's own keys elsewhere
    keys.press("Shift+Enter")
    cell.locator(REPLIES).get_by_text("one two").wait_for()
    expect(cell.get_by_label("Your message")).to_have_value("")
    cell.get_by_label("Your message").fill("about {{ citys }}")
    keys.press("Shift+Enter")
    cell.get_by_text("citys", exact=False).first.wait_for()
    expect(cell.get_by_label("Your message")).to_have_value("about {{ citys }}")  # what cannot be sent stays
    cell.get_by_label("Your message").fill("")
    assert nb.sources()[1] == TALK and len(nb.sources()) == 2
    cell.get_by_role("button", name="Edit turn 1").press("Enter")
    cell.get_by_label("New text of turn 1").fill("three")
    keys.press("Shift+Enter")
    cell.locator(REPLIES).get_by_text("three").wait_for()
    cell.get_by_text("2 of 2").wait_for()
    cell.get_by_role("button", name="Previous branch").press("Enter")
    cell.get_by_text("1 of 2").wait_for()
    cell.locator(REPLIES).get_by_text("one two").wait_for()
    cell.get_by_role("button", name="Attach…").press("Enter")
    cell.get_by_role("button", name="rows").press("Enter")
    cell.get_by_role("button", name="Remove rows").wait_for()
    cell.get_by_label("Your message").fill("which?")
    keys.press("Shift+Enter")
    cell.locator(REPLIES).get_by_text("Oslo").wait_for()
    nb.page.locator("summary").get_by_text("Export").click()
    cell.get_by_role("button", name="As cells").click()
    nb.cell(3).wait_for()
    assert nb.sources()[2:] == ["%%fm echo: --chat cities\none two", "%%fm --chat cities --attach rows\nwhich?"]


def test_controls_ask_by_themselves_where_they_may(notebook):
    nb = notebook(ASK)
    nb.run(1)
    cell = nb.cell(1)
    cell.get_by_text("Say yes 5").wait_for()
    assert cell.locator("[aria-busy]").count() == 0  # nothing is asked by opening
    cell.get_by_role("button", name="Run").click()
    cell.locator(REPLIES).get_by_text("Say yes 5").wait_for()
    cell.get_by_label("auto").check()
    cell.get_by_label("what").select_option("no")
    cell.locator(REPLIES).get_by_text("Say no 5").wait_for()
    cell.get_by_label("n", exact=True).press("ArrowRight")
    cell.locator(REPLIES).get_by_text("Say no 6").wait_for()
    cell.get_by_label("what").select_option("yes")
    cell.get_by_label("n", exact=True).press("ArrowLeft")
    cell.locator(REPLIES).get_by_text("nothing spent").wait_for()  # the same again is in the cache


def test_a_long_log_keeps_few_rows_in_the_page_and_opens_a_comparison(notebook):
    made = "fm.compare('which?', ['echo:', 'echo:think'])\nfor i in range(300): fm.ask(f'question {i}', 'echo:')\n"
    nb = notebook(LOG.replace("fm.History", made + "fm.History"))
    nb.run(1)
    cell, keys = nb.cell(1), nb.page.keyboard
    grid = cell.get_by_role("grid")
    cell.get_by_text("question 299").first.wait_for()
    count = int(grid.get_attribute("aria-rowcount"))
    assert count >= 301
    grid.focus()
    for _ in range(8):
        keys.press("PageDown")
    rows = grid.get_by_role("row")
    expect(rows.nth(1)).not_to_have_attribute("aria-rowindex", re.compile("^[0-9]$|^10$"))  # the window has moved
    assert 5 < rows.count() <= 100
    numbers = rows.evaluate_all("found => found.map(r => Number(r.getAttribute('aria-rowindex')))")
    assert numbers == sorted(numbers) and numbers[0] > 10
    assert grid.locator("[aria-selected='true']").get_attribute("id") == grid.get_attribute("aria-activedescendant")
    cell.get_by_label("Search").fill("which")
    cell.get_by_label("Kind").select_option("compare")
    grid.get_by_text("which?").first.wait_for()
    grid.focus()
    keys.press("Enter")
    opened = cell.locator(".fm-opened")
    opened.get_by_role("button", name="Tie").click()
    grid.get_by_text("= tie").wait_for()
    opened.get_by_role("button", name="Close").last.click()
    opened.wait_for(state="hidden")


def test_a_stop_is_heard_while_a_cell_runs(notebook):
    nb = notebook(
        PLAY.replace('"echo:"', '"echo:slow=1"').replace("**now**", "word " * 200),
        "from fmnb.calls.run import running_calls\nwhile running_calls(): pass\nprint('under way:', running_calls())",
    )
    nb.run(1)
    cell = nb.cell(1)
    cell.get_by_role("button", name="Run", exact=False).first.click()
    cell.locator("[data-state='running']").get_by_text("Explain").wait_for()
    nb.start(2)
    nb.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'")
    cell.get_by_role("button", name="Stop").click()
    nb.wait_end(2)
    assert "under way: []" in nb.text(2)
    cell.locator(REPLIES).get_by_text("stopped;").wait_for()


def test_hostile_answers_and_names_act_on_nothing(notebook, lab):
    nb = notebook(
        "import fmnb as fm\nfm.ask('x', 'echo:hostile')\np = fm.Playground('echo:hostile', 'x'); p.run(); p",
        "chat = fm.Chat('echo:hostile'); chat.ask('<img src=x onerror=alert(1)>'); chat.widget()",
        "w = fm.Interact('{{ x }}', 'echo:hostile', x=['<img src=x onerror=alert(1)>', 'b']); w(); w",
        "h = fm.History(); h.on_open(fm.log(limit=1)[0]['run']); h",
    )
    _arm(nb)
    nb.run(1, 2, 3, 4)
    for i in (1, 2, 3, 4):
        nb.cell(i).get_by_text("document.title").first.wait_for()
    settle(nb.page)
    assert nb.page.dialogs == [] and nb.page.evaluate("window.owned") is None and "owned" not in nb.page.title()
    inside = nb.page.locator(".fm-reply, .fm-opened-body, .fm-quote, .fm-entry, [data-fmnb-face]")
    assert inside.count() > 6 and inside.evaluate_all(ODD) == []
    assert [u for u in nb.page.requests if "evil.example" in u] == []


def test_axe_and_contrast_find_nothing_in_light_and_dark(notebook, axe):
    nb = notebook(
        "import fmnb as fm\np = fm.Playground('echo:', 'a fast car', system='Be brief.'); p.run(); p.on_draft({'prompt': 'a slow car'}); p.run()\n"
        "p.on_pin(p.attempts[0]['run']); p",
        "chat = fm.Chat('echo:'); chat.ask('one'); chat.edit(0, 'two'); chat.ask('three'); chat.widget()",
        "w = fm.Interact('{{ x }} {{ n }} {{ t }}', 'echo:', x=['a', 'b'], n=(1, 3), t=True, s='text'); w(); w",
        "h = fm.History(); h.on_open(fm.log(limit=1)[0]['run']); h",
    )
    nb.run(1, 2, 3, 4)
    nb.cell(4).get_by_role("row").first.wait_for()
    nb.cell(1).locator("summary", has_text="Parameters").click()
    nb.cell(1).get_by_role("combobox", name="Model").click()
    nb.page.keyboard.press("ArrowDown")
    nb.cell(1).get_by_role("option").first.wait_for()
    nb.page.evaluate(axe)
    try:
        for theme in ("JupyterLab Light", "JupyterLab Dark"):
            change_theme(nb.page, theme)
            assert nb.page.evaluate(CHECK) == []
            assert [c for c in nb.page.evaluate(CONTRAST) if c[0] < 4.5] == []
    finally:
        change_theme(nb.page, "JupyterLab Light")


@pytest.mark.parametrize(("width", "scale"), [(400, 1), (640, 2), (2000, 1)], ids=["narrow", "zoomed", "wide"])
def test_nothing_is_cut_off(browser, lab, width, scale):
    file = lab.work / f"width-{width}.ipynb"
    write(file, PLAY, TALK.replace("chat.widget", "chat.ask('word ' * 60); chat.widget"), ASK, LOG)
    page = new_page(browser, viewport={"width": width, "height": 900}, device_scale_factor=scale)
    try:
        nb = open_at(page, lab, file, app="notebooks")
        nb.run(0, 1, 2, 3)
        nb.cell(3).get_by_role("grid").wait_for()
        out = page.locator(".fm-box").evaluate_all(
            "found => found.flatMap(box => [...box.querySelectorAll('button, input, select, textarea, label, .fm-reply')].filter(e => e.checkVisibility() && !e.closest('.fm-hidden')"
            " && e.getBoundingClientRect().right > box.parentElement.getBoundingClientRect().right + 2).map(e => e.outerHTML.slice(0, 120)))"
        )
        assert page.locator(".fm-box").count() == 4 and out == []
        nb.page.evaluate(SHUTDOWN)
    finally:
        page.context.close()


SHUTDOWN = "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }"
RESTART = "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }"


@pytest.mark.parametrize("end", ["shutdown", "restart"])
def test_without_its_kernel_a_widget_says_so_and_stays_readable(notebook, end):
    nb = notebook(PLAY.replace("fm.Playground", "p = fm.Playground") + "; p.run(); p")
    nb.run(1)
    cell = nb.cell(1)
    cell.locator(REPLIES).get_by_text("Explain medians now.").wait_for()
    nb.page.evaluate(SHUTDOWN if end == "shutdown" else RESTART)
    cell.get_by_text("The kernel of this widget has ended").first.wait_for()
    cell.get_by_label("Prompt", exact=True).fill("to nobody")
    cell.get_by_role("button", name="Run").click()
    nb.page.evaluate(DRAWN)
    assert cell.locator(REPLIES).get_by_text("Explain medians now.").is_visible()
    assert [m for m in nb.page.said if "Cannot send" in m[1]] == []


def test_the_saved_notebook_holds_the_answers_and_opening_it_runs_nothing(page, lab):
    cells = [
        PLAY.replace("fm.Playground", "p = fm.Playground") + "; p.run(); p",
        TALK.replace("chat.widget", "chat.ask('said in the talk'); chat.widget"),
        ASK.replace("fm.Interact", "w = fm.Interact") + "; w(); w",
        "from pathlib import Path; made = len(fm.log(limit=1000))\nh = fm.History(); h.on_open(fm.log(limit=1)[0]['run']); h",
        "print('runs since:', len(fm.log(limit=1000)) - made)",
    ]
    file = lab.work / "faces.ipynb"
    write(file, *cells)
    nb = Notebook(page, file)
    page.evaluate(OPEN, file.name)
    page.evaluate(KERNEL_READY)
    nb.run(0, 1, 2, 3)
    nb.cell(2).locator(REPLIES).get_by_text("Say yes 5").wait_for()
    for i in range(4):  # the face is there, and hidden while the widget lives
        assert nb.cell(i).locator("[data-fmnb-face]").count() == 1 and not nb.cell(i).locator("[data-fmnb-face]").is_visible()
    nb.saved()
    assert "fm-play" not in file.read_text() and len(file.read_text()) < 60_000  # no widget state, and nothing twice
    html, _ = HTMLExporter().from_notebook_node(nbformat.read(file, as_version=4))
    body = html[html.index("<body") :]
    for words in ("Explain medians <strong>now</strong>.", "said in the talk", "Say yes 5"):
        assert words in body
    assert body.count("<footer") == 4 and "<script" not in body[: body.index("<footer")].partition("<main")[2]
    page.evaluate(CLOSE, file.name)
    page.evaluate(OPEN, file.name)
    nb.cell(0).get_by_text("Explain medians now.").first.wait_for()  # the face alone: its kernel is gone
    expect(page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .fm-box")).to_have_count(0)
    page.evaluate(CLOSE, file.name)


def test_notebook_7_has_them_too(browser, lab):
    file = lab.work / "seven.ipynb"
    write(file, "%load_ext fmnb", PLAY, TALK, ASK, LOG)
    page = new_page(browser)
    try:
        nb = open_at(page, lab, file, app="notebooks")
        nb.run(0, 1, 2, 3, 4)
        nb.cell(1).get_by_role("button", name="Run", exact=False).first.click()
        nb.cell(1).locator(REPLIES).get_by_text("Explain medians now.").wait_for()
        nb.cell(2).get_by_label("Your message").fill("hello")
        page.keyboard.press("Shift+Enter")
        nb.cell(2).locator(REPLIES).get_by_text("hello").wait_for()
        nb.cell(3).get_by_role("button", name="Run").click()
        nb.cell(3).locator(REPLIES).get_by_text("Say yes 5").wait_for()
        nb.cell(4).get_by_text("Say yes 5").first.wait_for()
        nb.cell(1).locator(".fm-form").get_by_role("button", name="As a cell").click()
        page.wait_for_function(f"() => ({SOURCES}).some(s => s.startsWith('%%fm echo: -s'))")
        nb.page.evaluate(SHUTDOWN)
    finally:
        page.context.close()
