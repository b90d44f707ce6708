"""A comparison in a real JupyterLab: columns that stream, stop and fail apart; votes, keys, views; what is saved."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import CLOSE, OPEN, Notebook, change_theme, choose_from_menu, new_page, open_at, settle, write
from tests.browser.test_axe import CHECK, CONTRAST
from tests.browser.test_axe import axe as axe
from tests.browser.test_hostile import ODD, _arm
from tests.wire.server import Server
from tests.wire.side_by_side import WORDS

LIVE = ".fmnb-w .fm-stream"
# Remember how often each live column was painted.
COUNT = """i => {
  const area = window.jupyterapp.shell.currentWidget.content.widgets[i].outputArea.node;
  const times = window.painted = {};
  new MutationObserver(found => {
    const now = performance.now();
    for (const body of new Set(found.map(m => m.target.closest?.('.fm-stream')).filter(Boolean))) {
      const of = (times[body.getAttribute('aria-label')] ??= []);
      if (of.at(-1) !== now) of.push(now);
    }
  }).observe(area, { childList: true, subtree: true, characterData: true });
}"""


@pytest.fixture(scope="module")
def partner(lab):
    """A loopback server of four models: slow, cut half-way, huge, hostile."""
    with Server() as server:
        lab.home.mkdir(exist_ok=True)
        file = lab.home / "fmnb.toml"
        before = file.read_text() if file.exists() else ""
        file.write_text(f'{before}\n[provider.side]\nbase_url = "{server.url}"\nneeds_key = false\n')
        yield server
        file.write_text(before)


def test_four_models_stream_side_by_side_and_end_as_plain_html(notebook, partner, lab):
    nb = notebook(
        "%%fm side:side-slow side:side-cut side:side-huge side:side-hostile -o c\nhello",
        "print(len(c), c['side:side-slow'].text.count('word'))",
    )
    _arm(nb)
    nb.page.evaluate(COUNT, 1)
    nb.start(1)
    nb.cell(1).locator(LIVE).first.wait_for()
    nb.wait_end(1)
    nb.cell(1).get_by_role("button", name="Tie").wait_for()
    painted = nb.page.evaluate("window.painted")
    assert len(painted) == 4 and len(max(painted.values(), key=len)) > 1, "words came while it ran, in a column each"
    columns = nb.outputs(1).first.locator("section")
    assert columns.count() == 4 and columns.locator("footer").count() == 4
    said = columns.nth(0).inner_text()
    assert [int(n) for n in re.findall(r"word(\d+)", said)] == list(range(WORDS)), "no text is dropped"
    assert "ended the connection" in columns.nth(1).inner_text() or "half" in columns.nth(1).inner_text()
    assert "more characters" in columns.nth(2).inner_text()
    _nothing_happened_but_buttons(nb, lab)
    nb.run(2)
    assert nb.text(2).split() == ["4", str(WORDS)]


def _nothing_happened_but_buttons(nb: Notebook, lab) -> None:
    """As in test_hostile; the widget below has buttons of ours."""
    page = nb.page
    settle(page)
    assert page.dialogs == [] and page.evaluate("window.owned") is None and "owned" not in page.title()
    outside = [u for u in page.requests if not u.startswith((lab.url, lab.url.replace("http", "ws"), "data:", "blob:", "about:"))]
    assert outside == []
    assert nb.outputs(1).first.evaluate_all(ODD) == []


def test_one_column_is_stopped_while_its_neighbour_goes_on_and_escape_stops_all(notebook):
    nb = notebook(
        "%%fm echo:slow=5 echo:slow=6 -o c\n" + "one two three " * 200,
        "print([r.finish_reason for r in c])",
        "%%fm echo:slow=5 echo:slow=6\n" + "one two " * 300,
    )
    nb.start(1)
    nb.cell(1).get_by_text("one two three").nth(1).wait_for()
    nb.cell(1).get_by_role("button", name="Stop echo:slow=5").click()
    nb.cell(1).locator(".fm-dot[data-state=stopped]").wait_for()
    assert nb.cell(1).locator(".fm-dot[data-state=running]").count() == 1
    nb.cell(1).get_by_role("button", name="Stop echo:slow=6").click()
    nb.wait_end(1)
    nb.start(3)
    nb.cell(3).locator(LIVE).first.get_by_text("one two").wait_for()
    nb.cell(3).locator(LIVE).first.focus()
    nb.page.keyboard.press("Escape")
    nb.wait_end(3)
    assert nb.outputs(3).first.locator("section").count() == 2 and nb.text(3).count("stopped") >= 2


def test_keys_vote_only_while_the_grid_has_the_focus_and_never_reach_the_notebook(notebook):
    nb = notebook(
        "%%fm echo: echo:think\nhello",
        "x = 1",
        "from fmnb.store import feedback as signals\nprint([s.value['said'] for s in signals.all_feedback('vote')][-1:])",
    )
    nb.run(1)
    before = nb.sources()
    group = nb.cell(1).locator(".fmnb-w")
    group.get_by_role("button", name="Tie").wait_for()
    group.focus()
    for key in ("d", "d", "s", "s", "x", "a"):  # of the notebook's command mode: delete, save, cut, insert above
        nb.page.keyboard.press(key)
    settle(nb.page)
    assert nb.sources() == before and group.locator(".fm-panel").is_hidden()
    choose_from_menu(group, "Keyboard shortcuts")
    group.focus()
    nb.page.keyboard.press("2")
    settle(nb.page)
    assert group.is_visible()
    choose_from_menu(group, "Keyboard shortcuts")
    group.focus()
    nb.page.keyboard.press("2")
    nb.cell(1).get_by_text("You preferred echo:think over echo:").wait_for()
    assert nb.cell(1).locator(".fmnb-w").count() == 0 and nb.cell(1).get_by_text("✓ preferred").count() == 1
    nb.run(3)
    assert "win" in nb.text(3) and nb.sources() == before


def test_a_blind_comparison_is_saved_without_names_until_somebody_votes(notebook):
    make = "import fmnb as fm\nmodels = [m[::-1] for m in (':ohce', 'kniht:ohce')]"
    nb = notebook(
        make, "get_ipython().run_cell_magic('fm', ' '.join(models) + ' --blind -o c', 'hello')", "c", "c.df", "print(c, c.labels, c.votes)"
    )
    nb.run(1, 2, 3, 4, 5)
    nb.cell(2).get_by_role("button", name="Tie").wait_for()
    cells = nb.saved()["cells"][2:]
    for cell in cells:
        told = json.dumps(cell["outputs"])
        assert "echo" not in told and "think" not in told
    assert "1m" in json.dumps(cells[0]["outputs"]), "the run's id stands there"
    nb.cell(2).locator(".fmnb-w").get_by_role("button", name=re.compile("^A")).click()
    nb.cell(2).get_by_text("You preferred").wait_for()
    assert "echo:think" in json.dumps(nb.saved()["cells"][2]["outputs"])


def test_answers_are_compared_word_by_word_and_scroll_as_one(notebook):
    nb = notebook("import fmnb as fm\nc = fm.compare('', ['echo:'], prompts=['one two three ' * 400, 'one 2 three ' * 400])", "c.widget()")
    nb.run(1, 2)
    group = nb.cell(2).locator(".fmnb-w")
    choose_from_menu(group, "Differences")
    group.locator("ins").first.wait_for()
    assert group.locator("del").first.evaluate("e => getComputedStyle(e).textDecorationLine") == "line-through"
    group.get_by_label("Compare with").select_option("1")
    group.get_by_text("base of the comparison").wait_for()
    bodies = group.locator(".fm-view")
    bodies.nth(0).evaluate("e => { e.scrollTop = e.scrollHeight; }")
    nb.page.wait_for_function("() => { const b = document.querySelectorAll('.fmnb-w .fm-view'); return b[1].scrollTop > 100; }")
    face = nb.cell(2).locator("[data-fmnb-face]")
    assert face.count() == 1 and not face.is_visible(), "the plain HTML is there, and hidden while the widget lives"


def test_an_answer_is_edited_starred_copied_and_gone_on_with(notebook):
    nb = notebook("%%fm echo: echo:think -o c\nhello", "print(sorted((s.kind, s.value) for s in c.votes))")
    nb.run(1)
    group = nb.cell(1).locator(".fmnb-w")
    choose_from_menu(group, "echo:think", "Star")
    group.get_by_text("★ echo:think").wait_for()
    choose_from_menu(group, "Edit")
    group.get_by_role("textbox", name="Edited answer").fill("hello, edited")
    group.get_by_role("button", name="Save the edit").click()
    nb.outputs(1).first.get_by_text("hello, edited").wait_for()
    choose_from_menu(group, "Continue as a chat")
    nb.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.widgets.length === 4")
    assert nb.sources()[2] == "%%fm --chat chat1\n"
    choose_from_menu(group, "Prompt as a cell")
    nb.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.widgets.length === 5")
    assert nb.sources()[2] == "%%fm echo:think\nhello"
    choose_from_menu(group, "Insert as a cell")
    nb.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.widgets.length === 6")
    assert nb.sources()[2] == "hello" and nb.cell(2).evaluate("e => e.classList.contains('jp-MarkdownCell')")
    choose_from_menu(group, "Use this model")
    nb.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.model.getMetadata('fmnb')?.model === 'echo:think'")
    nb.run(5)
    assert nb.text(5) == "[('edit', 'hello, edited'), ('star', True)]\n" or "hello, edited" in nb.text(5)


SHUT_DOWN = "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }"


def test_after_a_reload_a_vote_still_reaches_what_is_saved(browser, lab):
    page = new_page(browser)
    file = lab.work / "reloaded.ipynb"
    write(file, "%load_ext fmnb", "%%fm echo: echo:think\nhello")
    nb = open_at(page, lab, file)
    nb.run(0, 1)
    nb.cell(1).get_by_role("button", name="Tie").wait_for()
    nb.saved()
    page.reload()
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    nb.cell(1).get_by_role("button", name="Tie").click()
    nb.cell(1).get_by_text("You voted for a tie.").wait_for()
    outputs = nb.saved()["cells"][1]["outputs"]
    assert "You voted for a tie." in json.dumps(outputs) and "= tie" in json.dumps(outputs) and "widget-view" not in json.dumps(outputs)
    page.evaluate(SHUT_DOWN)
    page.context.close()


# Show a comparison whose model the kernel does not have yet.
TOO_EARLY = """id => {
  const data = { 'application/vnd.jupyter.widget-view+json': { version_major: 2, version_minor: 0, model_id: id }, 'text/plain': '' };
  window.jupyterapp.shell.currentWidget.content.widgets[0].outputArea.model.add(
    { output_type: 'display_data', data, metadata: { fmnb: { widget: 'Grid' } } });
}"""


def test_a_widget_whose_model_comes_after_ipywidgets_gave_up_is_shown(notebook):
    make = "import fmnb as fm\nfrom fmnb.jupyter.widgets.grid import Grid\nc = fm.compare('hello', ['echo:', 'echo:think'])"
    nb = notebook(make, "grid = Grid(c, model_id='late')")
    nb.run(1)
    nb.page.evaluate(TOO_EARLY, "late")
    nb.page.wait_for_function("document.body.textContent.includes('Error displaying widget: model not found')")
    nb.run(2)
    nb.outputs(0).get_by_role("button", name="Tie").wait_for()
    assert not nb.page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets[0].outputArea.model.get(0).data['text/html']")


def test_a_saved_comparison_shows_in_an_untrusted_notebook_without_a_kernel(notebook):
    nb = notebook("%%fm echo: echo:fail=cut\nSome **bold** words", "%%fm echo: echo:hostile\nx")
    nb.run(1, 2)
    nb.cell(2).get_by_role("button", name="Tie").wait_for()
    nb.command("docmanager:save")
    file = nb.file.with_name("untrusted_grid.ipynb")
    file.write_text(nb.file.read_text())  # a file that another hand wrote is not trusted
    nb.page.evaluate("() => { window.alert = () => { window.owned = true; }; }")
    nb.page.evaluate(OPEN.replace("{ path }", "{ path, kernelPreference: { shouldStart: false, canStart: false } }"), file.name)
    try:
        assert nb.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session") is None
        nb.outputs(2).first.locator("section").nth(1).wait_for()
        assert nb.outputs(1).first.locator("strong", has_text="bold").count() == 2
        expect(nb.cell(1).locator(".jp-OutputArea-output:visible")).to_have_count(1)  # the dead widget is hidden
        beside = [b["y"] for b in (nb.outputs(1).first.locator("section").nth(n).bounding_box() for n in (0, 1))]
        assert beside[0] == beside[1], "side by side, also where styles are sanitised"
        assert nb.page.evaluate("window.owned") is None
    finally:
        nb.page.evaluate(CLOSE.replace("await panel.sessionContext.shutdown();", ""), file.name)


def test_ten_comparisons_are_saved_in_under_a_megabyte(notebook):
    text = "Some words of an answer of usual length, with **Markdown** in it.\n\n- one\n- two\n\n" * 12
    nb = notebook(*[f"%%fm echo: echo:think echo:slow=90000\n{n} {text}" for n in range(10)])
    nb.run(*range(1, 11))
    nb.cell(10).get_by_role("button", name="Tie").wait_for()
    nb.saved()
    assert nb.file.stat().st_size < 1_000_000


def test_it_works_in_notebook_7_too(browser, lab):
    page = new_page(browser)
    file = lab.work / "grid7.ipynb"
    write(file, "%load_ext fmnb", "%%fm echo:slow=5 echo:think\n" + "hello there " * 8)
    nb = open_at(page, lab, file, app="notebooks")
    nb.run(0)
    nb.start(1)
    page.locator(LIVE).first.wait_for()
    page.get_by_role("button", name="Tie").click()
    page.get_by_text("You voted for a tie.").wait_for()
    page.evaluate(SHUT_DOWN)
    page.context.close()


def test_axe_finds_nothing_serious_in_the_grid_and_in_its_plain_html(notebook, axe):
    nb = notebook("%%fm echo: echo:fail=cut --vary temperature=0,1 -o c\nhello **there**", "c.widget()", "c")
    nb.run(1, 2, 3)
    choose_from_menu(nb.cell(2), "Differences")
    nb.cell(2).locator(".fm-view").first.wait_for()
    nb.page.evaluate(axe)
    try:
        for theme in ("JupyterLab Light", "JupyterLab Dark"):
            change_theme(nb.page, theme)
            assert nb.page.evaluate(CHECK) == []
            contrasts = nb.page.evaluate(CONTRAST)
            assert len(contrasts) > 40 and [c for c in contrasts if c[0] < 4.5] == []
    finally:
        change_theme(nb.page, "JupyterLab Light")


def test_a_handful_of_rows_opens_the_grid_with_a_vote_for_each_row(notebook):
    words = 'words = [{"word": "tea"}, {"word": "coffee"}]'
    nb = notebook(
        words,
        "%%fm echo: echo:think --over words -o table\nSay {{ word }}",
        "from fmnb.store import feedback as signals\nprint([s.value['said'] for s in signals.all_feedback('vote')][-2:], len(table))",
    )
    nb.run(1, 2)
    group = nb.cell(2).locator(".fmnb-w")
    group.get_by_label("Vote on which row").select_option("1")
    group.get_by_role("button", name="echo:think").click()
    group.get_by_role("button", name="Retract the vote").wait_for()
    group.get_by_label("Vote on which row").select_option("0")
    group.get_by_role("button", name="Tie").click()
    nb.cell(2).get_by_text("= tie").nth(1).wait_for()
    assert nb.cell(2).get_by_text("✓ preferred").count() == 1 and nb.cell(2).locator("[data-fmnb-grid] section").count() == 4
    nb.run(3)
    assert nb.text(3).split() == ["['win',", "'tie']", "2"]


def test_a_vote_is_undone_on_its_line_and_voting_goes_on(notebook):
    nb = notebook("%%fm echo: echo:think -o c\nhello", "print(c.best.requested_model if c.best else None)")
    nb.run(1)
    nb.cell(1).get_by_role("button", name="echo:think").click()
    nb.cell(1).get_by_text("You preferred echo:think").wait_for()
    nb.cell(1).get_by_text("✓ preferred").wait_for()
    nb.cell(1).get_by_role("button", name="Undo the vote").click()
    nb.cell(1).get_by_role("button", name="Tie").wait_for()
    expect(nb.cell(1).get_by_text("✓ preferred")).to_have_count(0)
    nb.run(2)
    assert nb.text(2).strip() == "None"
    nb.cell(1).get_by_role("button", name="echo:", exact=True).click()
    nb.cell(1).get_by_text("You preferred echo: over").wait_for()
    nb.run(2)
    assert nb.text(2).strip() == "echo:"
    saved = json.dumps(nb.saved()["cells"][1]["outputs"])
    assert "You preferred echo: over" in saved and "<button" not in saved and "Undo" not in saved


def test_after_a_reload_a_vote_is_undone_too(browser, lab):
    page = new_page(browser)
    file = lab.work / "undone.ipynb"
    write(file, "%load_ext fmnb", "%%fm echo: echo:think\nhello")
    nb = open_at(page, lab, file)
    nb.run(0, 1)
    nb.cell(1).get_by_role("button", name="echo:think").click()
    nb.cell(1).get_by_text("You preferred echo:think").wait_for()
    nb.saved()
    page.reload()
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    nb.cell(1).get_by_role("button", name="Undo the vote").click()
    nb.cell(1).get_by_role("button", name="Tie").click()
    nb.cell(1).get_by_text("You voted for a tie.").wait_for()
    page.evaluate(SHUT_DOWN)
    page.context.close()


def test_the_same_button_again_retracts_the_vote_and_a_failed_answer_has_none(notebook):
    nb = notebook("import fmnb as fm\nc = fm.compare('hello', ['echo:', 'echo:think', 'echo:fail=cut'])\nc.widget()", "print(c.best)")
    nb.run(1)
    best = nb.cell(1).get_by_role("group", name="Which answer is best?")
    failed = best.get_by_role("button", name="echo:fail=cut")
    expect(failed).to_be_disabled()
    assert failed.get_attribute("title") == "This answer failed"
    first = best.get_by_role("button", name="echo:", exact=True)
    first.click()
    expect(first).to_have_attribute("aria-pressed", "true")
    first.click()
    expect(first).to_have_attribute("aria-pressed", "false")
    nb.page.keyboard.press("3")
    nb.page.keyboard.press("0")
    tie = best.get_by_role("button", name="Tie")
    expect(tie).to_have_attribute("aria-pressed", "true")
    tie.click()
    expect(tie).to_have_attribute("aria-pressed", "false")
    nb.run(2)
    assert nb.text(2).strip() == "None"


def test_a_comparison_shows_the_vote_and_one_menu(notebook):
    nb = notebook("%%fm echo: echo:think\nhello")
    nb.run(1)
    group = nb.cell(1).locator(".fmnb-w")
    visible = group.locator("button:visible")
    expect(visible).to_have_count(5)  # two names, Tie, Both bad, More
    more = group.get_by_role("button", name="More")
    more.focus()
    nb.page.keyboard.press("ArrowDown")
    menu = group.get_by_role("menu")
    expect(menu).to_be_visible()
    expect(menu.locator("[role^=menuitem]").first).to_be_focused()
    box, view = menu.bounding_box(), nb.page.viewport_size
    assert box["x"] >= 0 and box["y"] >= 0 and box["x"] + box["width"] <= view["width"] and box["y"] + box["height"] <= view["height"]
    nb.page.keyboard.press("End")
    nb.page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(more).to_be_focused()
    more.click()
    nb.page.locator(".jp-Notebook").click(position={"x": 5, "y": 5})
    expect(menu).to_be_hidden()


def test_a_vote_by_keyboard_keeps_the_focus_at_the_comparison(notebook):
    nb = notebook("%%fm echo: echo:think\nhello")
    nb.run(1)
    first = nb.cell(1).get_by_role("button", name="echo:", exact=True)
    first.focus()
    nb.page.keyboard.press("Enter")
    undo = nb.cell(1).get_by_role("button", name="Undo the vote")
    expect(undo).to_be_focused()
    nb.page.keyboard.press("Enter")
    expect(nb.cell(1).locator(".fmnb-w button").first).to_be_focused()
