"""The sidebar in a real JupyterLab: choose, and cells obey; two notebooks; long lists; what is missing; by keyboard; for every reader."""

from __future__ import annotations

import json

import pytest

from tests.browser.conftest import KERNEL_READY, WIDTH, Notebook, change_theme, new_page, open_at, write
from tests.browser.test_axe import CONTRAST
from tests.browser.test_axe import axe as axe


@pytest.fixture
def panel(page):
    """The panel, open at Models and clean."""
    page.evaluate("async () => { await window.jupyterapp.commands.execute('fmnb:show-models'); }")
    page.evaluate(WIDTH, 300)
    found = page.locator("#fmnb-panel")
    found.locator(".fmnb-Row").first.wait_for()
    yield found
    found.get_by_role("searchbox").fill("")
    page.evaluate("() => { window.jupyterapp.commands.execute('fmnb:clear-compare'); }")


def _row(panel, name: str):
    return panel.get_by_role("row", name=name, exact=False).first


def _details(panel, name: str) -> None:
    if _row(panel, name).get_attribute("aria-expanded") == "false":
        _row(panel, name).click()


def _use(panel, name: str) -> None:
    panel.get_by_role("searchbox").fill(name)
    _row(panel, name).hover()
    panel.get_by_role("button", name=f"Use {name} in this notebook").click()


def _asked(nb: Notebook, i: int) -> str:
    nb.run(i)
    return nb.text(i)


def test_a_chosen_model_is_obeyed_by_the_next_cell_and_travels_with_the_file(notebook, panel, page):
    nb = notebook("%fm use", "%%fm\nhello there")
    _use(panel, "echo:")
    panel.get_by_role("button", name="echo: set in this notebook").wait_for()
    assert "echo:" in _asked(nb, 1) and "this notebook" in nb.text(1)
    assert "hello there" in _asked(nb, 2)
    assert nb.saved()["metadata"]["fmnb"] == {"model": "echo:"}
    toolbar = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .fmnb-ToolbarItem")
    assert "echo:" in toolbar.inner_text() and "echo:" in page.locator("#jp-main-statusbar").inner_text()
    panel.get_by_role("button", name="Clear").first.click()
    assert "fmnb" not in nb.saved()["metadata"]


def test_what_a_cell_chooses_later_is_shown(notebook, panel):
    nb = notebook("%fm use echo:slow=900", "%%fm\nhi")
    _use(panel, "echo:")
    nb.run(1, 2)
    panel.get_by_role("button", name="echo:slow=900 set by %fm use").wait_for()


def test_two_notebooks_keep_theirs(notebook, panel, page):
    one = notebook("%fm use")
    _use(panel, "echo:")
    two = notebook("%fm use")
    _use(panel, "embedded")
    assert "embedded" in _asked(two, 1)
    page.evaluate("async path => { await window.jupyterapp.commands.execute('docmanager:open', { path }); }", one.file.name)
    panel.get_by_role("button", name="echo: set in this notebook").wait_for()
    assert "echo:" in _asked(one, 1) and "embedded" not in one.text(1)


def test_a_restarted_kernel_is_offered_fmnb_and_told_the_choice_again(notebook, panel, page):
    nb = notebook("%fm use")
    _use(panel, "echo:")
    page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.restartKernel(); }")
    page.evaluate(KERNEL_READY)
    panel.get_by_role("button", name="Load it").click()
    panel.get_by_role("button", name="Load it").wait_for(state="detached")
    assert nb.sources()[0] == "%load_ext fmnb" and len(nb.sources()) == 3  # where everybody sees it
    assert "echo:" in _asked(nb, 2) and "this notebook" in nb.text(2)


@pytest.mark.parametrize("app", ["lab/tree", "notebooks"])
def test_a_reloaded_page_finds_choice_and_kernel_again_in_lab_and_notebook_7(browser, lab, app):
    file = lab.work / f"choice-{app[:3]}.ipynb"
    write(file, "%load_ext fmnb", "%fm use")
    page = new_page(browser)
    try:
        nb = open_at(page, lab, file, app)
        nb.run(0)
        nb.command("fmnb:show-models")
        panel = page.locator("#fmnb-panel")
        panel.locator(".fmnb-Row").first.wait_for()
        _use(panel, "echo:")
        assert "echo:" in _asked(nb, 1)
        nb.saved()
        nb = open_at(page, lab, file, app)
        page.locator(".fmnb-ToolbarItem").get_by_text("echo:").wait_for()
        _pick(page, "embedded")
        page.locator(".fmnb-ToolbarItem").get_by_text("embedded").wait_for()
        assert "embedded" in _asked(nb, 1) and "this notebook" in nb.text(1)
        page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    finally:
        page.context.close()


def _pick(page, name: str) -> None:
    page.evaluate("() => { window.jupyterapp.commands.execute('fmnb:choose-model'); }")
    box = page.get_by_role("dialog").get_by_role("combobox", name="Model")
    box.press_sequentially(name)
    page.get_by_role("option", name=name).first.wait_for()
    box.press("Enter")
    page.get_by_role("dialog").wait_for(state="detached")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("qwen2.5-0.5b", "%fm pull qwen2.5-0.5b"),
        ("hf:org/tiny", "%fm pull hf:org/tiny"),
        ("openai:something-new", "%fm key set openai"),
        ("no-such-model", "This model is unknown here"),
        ("https://evil.example/v1", "invalid model name"),
        ({"base_url": "x"}, "invalid model name"),
    ],
    ids=["known", "hub", "service", "unknown", "address", "table"],
)
def test_a_notebook_that_names_what_is_not_here_says_what_to_do(notebook, panel, model, said):
    nb = notebook("%fm use", metadata={"fmnb": {"model": model, "kept": 1}})
    panel.locator(".fmnb-Warning").get_by_text(said).wait_for()
    if "invalid" in said:
        assert "elsewhere" not in _asked(nb, 1) and "embedded" not in _asked(nb, 1)  # refused, and no other model in its place
        _use(panel, "echo:")
        assert nb.saved()["metadata"]["fmnb"] == {"model": "echo:", "kept": 1}


def test_the_quick_picker_works_by_keyboard_alone(notebook, page):
    nb = notebook("%fm use")
    nb.cell(1).locator(".cm-content").click()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Alt+m")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("option").first.wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    assert page.evaluate("document.activeElement.closest('.jp-Notebook') !== null")
    page.keyboard.press("Control+Alt+m")
    page.keyboard.type("echo")
    dialog.get_by_role("option", name="echo:").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    dialog.wait_for(state="detached")
    assert nb.saved()["metadata"]["fmnb"] == {"model": "echo:"}
    assert "echo:" in _asked(nb, 1)


def test_the_list_works_by_keyboard_alone(notebook, panel, page):
    nb = notebook("1")
    tree = panel.get_by_role("treegrid")
    tree.focus()
    active = "document.getElementById(document.querySelector('.fmnb-List').getAttribute('aria-activedescendant'))"
    assert page.evaluate(f"{active}.className") == "fmnb-Group"
    page.keyboard.press("End")
    last = page.evaluate(f"{active}.textContent")
    page.keyboard.press("Home")
    assert "Ready" in page.evaluate(f"{active}.textContent") and "Ready" not in last
    page.keyboard.press("ArrowLeft")  # the group closes, and opens
    assert page.evaluate(f"{active}.getAttribute('aria-expanded')") == "false"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("/")
    page.keyboard.type("echo:")
    page.keyboard.press("ArrowDown")
    assert "echo:" in page.evaluate(f"{active}.textContent")
    page.keyboard.press("Space")
    assert _row(panel, "echo:").get_attribute("aria-selected") == "true"
    page.keyboard.press("Enter")
    panel.get_by_text("repeats its input").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Use in this notebook"
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Enter")
    assert nb.saved()["metadata"]["fmnb"] == {"model": "echo:"}


def test_ticked_models_become_a_cell_that_everybody_sees(notebook, panel, page):
    nb = notebook("%%fm echo:\nWhich of you?", "'the end'")
    for name in ("echo:", "embedded"):
        _row(panel, name).locator(".fmnb-Checkbox").click()
    nb._select(1)
    panel.get_by_role("button", name="Insert a cell").click()
    page.wait_for_function("window.jupyterapp.shell.currentWidget.content.mode === 'edit'")
    page.keyboard.type("What now?")
    assert nb.sources()[2:] == ["%%fm echo: embedded\nWhat now?", "'the end'"]
    page.keyboard.press("Escape")
    _row(panel, "embedded").locator(".fmnb-Checkbox").click()
    nb._select(1)
    panel.get_by_role("button", name="Insert and run").click()
    page.wait_for_function("window.jupyterapp.shell.currentWidget.content.widgets[2].outputArea.node.querySelector('footer')")
    assert nb.sources()[2] == "%%fm echo:\nWhich of you?" and "Which of you?" in nb.text(2)


def test_what_runs_is_stopped_from_outside_while_its_cell_runs(notebook):
    nb = notebook("%%fm echo:slow=25 echo:slow=26\n" + "word " * 200)
    nb.start(1)
    nb.outputs(1).get_by_text("word word word").first.wait_for()
    nb.command("fmnb:stop")
    nb.wait_end(1)
    assert "stopped" in nb.text(1) and nb.text(1).count("word") < 300


def test_the_default_everywhere_is_written_and_shown(notebook, panel, page, lab):
    notebook("1")
    panel.get_by_role("searchbox").fill("echo:")
    _details(panel, "echo:")
    panel.get_by_role("button", name="Default everywhere").click()
    panel.get_by_role("button", name="echo: default").wait_for()
    assert 'model = "echo:"' in (lab.home / "fmnb.toml").read_text()
    page.evaluate("async () => { await window.jupyterapp.commands.execute('fmnb:set-default', { model: '' }); }")
    panel.get_by_role("button", name="embedded comes with fmnb").wait_for()
    assert "echo:" not in (lab.home / "fmnb.toml").read_text()


@pytest.fixture
def many(lab, page, panel):
    """Two thousand models more, of twenty services in the user's settings."""
    rows = [
        f'[provider.many{p}]\nbase_url = "https://many{p}.example/v1"\nneeds_key = false\nmodels_shape = "none"\n'
        f"models = {json.dumps([f'model-{p}-{m}' for m in range(100)])}\n"
        for p in range(20)
    ]
    file = lab.home / "fmnb.toml"
    before = file.read_text() if file.exists() else ""
    file.parent.mkdir(exist_ok=True)
    file.write_text(before + "\n" + "\n".join(rows))
    refresh = "async () => { await window.jupyterapp.commands.execute('fmnb:refresh'); }"
    page.evaluate(refresh)
    yield
    file.write_text(before)
    page.evaluate(refresh)


SCROLL = """async () => {
  const list = document.querySelector('.fmnb-List');
  list.scrollTop = 0;
  let most = 0, least = Infinity, made = 0;
  const watch = new MutationObserver(found => { for (const m of found) made += m.addedNodes.length; });
  watch.observe(list, { childList: true, subtree: true });
  for (let i = 0; i < 180; i++) {
    list.scrollTop += i % 60 === 59 ? 9000 : 45;
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    const rows = list.querySelectorAll('[role=row]').length;
    most = Math.max(most, rows);
    least = Math.min(least, rows);
  }
  watch.disconnect();
  return { most, least, made, height: list.scrollHeight };
}"""


def test_two_thousand_models_scroll_with_a_hundred_rows_at_most_in_the_page(notebook, panel, page, many):
    notebook("1")
    assert int(panel.locator(".fmnb-Group").first.inner_text().split()[-1]) > 2000
    found = page.evaluate(SCROLL)
    assert 5 < found["least"] <= found["most"] <= 100 and found["height"] > 60_000
    assert found["made"] < 180 * 30, "a frame that moves by one row makes few nodes"
    panel.get_by_role("searchbox").fill("model-19-99")
    _row(panel, "model-19-99").wait_for()
    assert panel.locator(".fmnb-Group").first.inner_text().split() == ["Ready", "1"]


def test_a_hub_that_never_answers_freezes_nothing_and_is_said(notebook, panel, page):
    notebook("1")
    panel.get_by_role("searchbox").fill("minil")
    panel.get_by_text("searching…").wait_for()
    for word in ("minilm", "embedded"):  # the list goes on meanwhile
        panel.get_by_role("searchbox").fill(word)
        _row(panel, word).wait_for()
    panel.get_by_text("the hub did not answer").wait_for()


def _fresh(browser, lab, name: str, *cells: str):
    write(lab.work / name, *cells)
    page = new_page(browser)
    return page, lab.work / name


def test_without_the_server_side_the_panel_says_what_to_do_and_choices_still_hold(browser, lab):
    page, file = _fresh(browser, lab, "absent.ipynb", "%load_ext fmnb", "%fm use")
    page.route("**/fmnb/about*", lambda route: route.continue_(url=route.request.url.replace("/fmnb/", "/nothing-there/")))
    try:
        nb = open_at(page, lab, file)
        nb.run(0)
        nb.command("fmnb:show-models")
        page.locator("#fmnb-panel").get_by_text("pip install fmnb").wait_for()
        nb.command("fmnb:use-model", model="echo:")
        assert "echo:" in _asked(nb, 1) and "this notebook" in nb.text(1)
        page.unroute("**/fmnb/about*")
        page.locator("#fmnb-panel").get_by_role("button", name="Retry").click()
        page.locator("#fmnb-panel .fmnb-Row").first.wait_for()
        page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    finally:
        page.context.close()


def test_versions_apart_name_the_side_to_upgrade(browser, lab):
    older = "import fmnb.jupyter.comm as f\nf.PROTOCOL = 1\n%load_ext fmnb"
    page, file = _fresh(browser, lab, "apart.ipynb", older)

    def answer(route):
        found = route.fetch()
        route.fulfill(response=found, json={**found.json(), "protocol": 99})

    page.route("**/fmnb/about*", answer)
    try:
        nb = open_at(page, lab, file)
        nb.run(0)
        nb.command("fmnb:show-models")
        panel = page.locator("#fmnb-panel")
        panel.get_by_text("Upgrade fmnb where JupyterLab runs").wait_for()
        panel.get_by_text("Upgrade fmnb where the kernel runs").wait_for()
        page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    finally:
        page.context.close()


def test_a_lock_is_a_lock_with_its_reason(notebook, panel, page, lab):
    notebook("1")
    answer = {
        "entries": [_entry("bank:secret", ready="locked", note="not allowed by this machine's administrator")],
        "more": {},
        "unreachable": {},
        "offers": [],
    }
    page.route("**/fmnb/models*", lambda route: route.fulfill(json=answer))
    try:
        panel.get_by_role("button", name="Refresh").click()
        panel.get_by_text("Locked by the administrator").wait_for()
        panel.get_by_role("img", name="not allowed by this machine's administrator").wait_for()
        _row(panel, "secret").click()
        assert panel.get_by_role("button", name="Use in this notebook").count() == 0
    finally:
        page.unroute("**/fmnb/models*")
        panel.get_by_role("button", name="Refresh").click()
        _row(panel, "embedded").wait_for()


def _entry(model: str, **more) -> dict:
    from fmnb.catalog.entries import Entry

    e = Entry(model, model.partition(":")[0], **more)
    return {name: getattr(e, name) for name in Entry.__dataclass_fields__}


def test_every_command_has_words_and_says_what_it_takes(page):
    commands = page.evaluate(
        """async () => {
          const { commands } = window.jupyterapp;
          const ours = commands.listCommands().filter(c => c.startsWith('fmnb:'));
          return Promise.all(ours.map(async c => [c, commands.label(c), (await commands.describedBy(c)).args?.type]));
        }"""
    )
    assert len(commands) > 15 and all(label and kind == "object" for _, label, kind in commands)


AXE = """async () => {
  const found = await axe.run({ include: ['#fmnb-panel', '.fmnb-Picker', '.fmnb-ToolbarItem'].filter(s => document.querySelector(s)).map(s => [s]) },
    { resultTypes: ['violations'] });
  return found.violations.filter(v => ['serious', 'critical'].includes(v.impact))
    .map(v => [v.id, v.nodes.map(n => n.html.slice(0, 300) + ' | ' + n.failureSummary)]);
}"""


def test_axe_finds_nothing_serious_in_light_and_dark(notebook, panel, page, axe):
    nb = notebook("%%fm echo:\nhi")
    _use(panel, "echo:")
    panel.get_by_role("searchbox").fill("")
    _details(panel, "embedded")
    _row(panel, "embedded").locator(".fmnb-Checkbox").click()
    panel.get_by_role("button", name="vision").click()
    panel.get_by_role("button", name="vision").click()
    page.evaluate(axe)
    contrast = CONTRAST.replace(".jp-OutputArea-output *", "#fmnb-panel *")
    try:
        for theme in ("JupyterLab Light", "JupyterLab Dark"):
            change_theme(nb.page, theme)
            assert page.evaluate(AXE) == []
            contrasts = [c for c in page.evaluate(contrast) if c[1] != "BUTTON"]
            assert len(contrasts) > 20
            assert [c for c in contrasts if c[0] < 4.5] == []
            page.evaluate("() => { window.jupyterapp.commands.execute('fmnb:choose-model'); }")
            page.get_by_role("dialog").get_by_role("option").first.wait_for()
            assert page.evaluate(AXE) == []
            page.keyboard.press("Escape")
    finally:
        change_theme(nb.page, "JupyterLab Light")


MODELS_ASKED = "from fmnb.calls.session import session\nprint([session.last.call.target.requested_model])"


@pytest.mark.parametrize("app", ["lab/tree", "notebooks"])
def test_run_all_asks_the_notebooks_own_model_from_its_first_cell(browser, lab, app):
    """On opening, after a restart, and with a choice that is not in the file yet."""
    file = lab.work / f"run-all-{app.partition('/')[0]}.ipynb"
    write(file, "%load_ext fmnb", "%%fm --no-cache\nrun all", MODELS_ASKED, metadata={"fmnb": {"model": "echo:think"}})
    page = new_page(browser)
    try:
        nb = open_at(page, lab, file, app=app)
        nb.command("notebook:run-all-cells")
        assert nb.text(2).split("'")[1] == "echo:think"
        page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.model.setMetadata('fmnb', { model: 'echo:slow=99' }); }")
        page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }")
        nb.command("notebook:run-all-cells")
        assert nb.text(2).split("'")[1] == "echo:slow=99"
        page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    finally:
        page.context.close()
