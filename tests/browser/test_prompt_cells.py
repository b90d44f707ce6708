"""Prompt cells: a cell that begins with `%%fm` is edited as Markdown, and stays plain text in the file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Notebook, change_theme, new_page, open_at, settle, write
from tests.browser.test_axe import CONTRAST

PROMPT = (
    """%%fm embedded -t 0.2 --seed 7 --nope
# A heading

Write **two** sentences about {{ df.describe() * 2 * n }} for <doc>{{ "a}}b" + name[0] }}</doc>.

- one *item*
- `code`, $x^2$

{% for row in rows %}{{ row }}{% endfor %}

```python
def f(x): return {{ x }}
```
"""
    + "A long line that must wrap softly because a prompt is prose and nobody breaks prose by hand; " * 3
)

FRAME = "import pandas as pd\ndf = pd.DataFrame({'review': ['good'], 'stars': [5]})\ncity = 'Oslo'"


def is_prompt(nb: Notebook, i: int) -> None:
    """Wait until a cell is edited as a prompt."""
    expect(nb.cell(i).locator(".cm-editor")).to_have_class(re.compile(r"\bfmnb-Prompt\b"))


def is_python(nb: Notebook, i: int) -> None:
    """Wait until a cell is edited as Python."""
    expect(nb.cell(i).locator(".cm-editor")).not_to_have_class(re.compile(r"\bfmnb-Prompt\b"))


def go(nb: Notebook, i: int, *keys: str) -> None:
    """Put the cursor into a cell, and press keys."""
    nb.cell(i).locator(".cm-content").click()
    for key in keys:
        nb.page.keyboard.press(key)


def labels(nb: Notebook):
    """The items of the open completer."""
    return nb.page.locator(".jp-Completer:visible .jp-Completer-match")


def kinds(nb: Notebook) -> dict[str, str]:
    """The open completer: label to kind."""
    rows = nb.page.locator(".jp-Completer:visible .jp-Completer-item")
    read = "rows => rows.map(r => [r.querySelector('.jp-Completer-match').textContent, r.querySelector('.jp-Completer-typeExtended')?.textContent ?? ''])"
    return {label: kind.replace("\N{NO-BREAK SPACE}", " ") for label, kind in rows.evaluate_all(read)}


def marked(nb: Notebook, i: int) -> list[str]:
    """The marked expressions of a cell."""
    return nb.cell(i).locator(".fmnb-Prompt-expression").all_inner_texts()


def looks_like_a_prompt(nb: Notebook) -> None:
    is_prompt(nb, 1)
    is_python(nb, 2)
    content, other = nb.cell(1).locator(".cm-content"), nb.cell(2).locator(".cm-content")
    assert content.get_attribute("spellcheck") == "true" and other.get_attribute("spellcheck") == "false"
    assert "cm-lineWrapping" in content.get_attribute("class")
    assert content.locator(".cm-line").first.get_attribute("spellcheck") == "false"
    assert content.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    texts = "".join(marked(nb, 1))
    for expression in ("{{ df.describe() * 2 * n }}", '{{ "a}}b" + name[0] }}', "{{ row }}", "{{ x }}"):
        assert expression in texts
    expect(content.locator(".fmnb-Prompt-statement")).to_have_count(2)
    expect(content.locator(".fmnb-Prompt-unknown")).to_have_text("--nope")
    color = "(e, text) => getComputedStyle([...e.querySelectorAll('span')].findLast(s => s.textContent.trim() === text)).color"
    assert len({content.evaluate(color, word) for word in ("%%fm", "-t", "embedded", "0.2")}) == 4
    weight = "e => getComputedStyle([...e.querySelectorAll('span')].find(s => s.textContent.includes('two'))).fontWeight"
    assert int(content.evaluate(weight)) >= 600


def test_a_cell_that_begins_with_the_magic_looks_like_a_prompt_and_is_plain_text_in_the_file(notebook):
    nb = notebook(PROMPT, "x = 1\nfor i in range(3): print(f'{i}')")
    looks_like_a_prompt(nb)
    cell = nb.saved()["cells"][1]
    assert "".join(cell["source"]) == PROMPT and cell["cell_type"] == "code" and not set(cell["metadata"]) - {"trusted"}
    change_theme(nb.page, "JupyterLab Dark")
    try:
        looks_like_a_prompt(nb)
    finally:
        change_theme(nb.page, "JupyterLab Light")


def test_the_first_line_makes_a_cell_a_prompt_and_back(notebook):
    nb = notebook("%%fm\n# Head\n**bold** and {{ a }}", "y = 2")
    keyboard = nb.page.keyboard
    is_prompt(nb, 1)
    go(nb, 1, "Control+Home")
    keyboard.type("# ")
    is_python(nb, 1)
    keyboard.press("Backspace")
    keyboard.press("Backspace")
    is_prompt(nb, 1)
    keyboard.type("x")
    is_python(nb, 1)
    keyboard.press("Control+z")
    is_prompt(nb, 1)
    go(nb, 2, "Control+a")
    keyboard.type("%%f")
    is_python(nb, 2)
    keyboard.type("m -t 1")
    is_prompt(nb, 2)
    keyboard.press("Enter")
    keyboard.type("- one")
    keyboard.press("Enter")
    keyboard.type("two")
    assert nb.sources()[2] == "%%fm -t 1\n- one\n- two"


def test_split_merge_collapse_cell_types_and_a_restart_keep_prompts(notebook):
    nb = notebook("%%fm\n# Head\n**bold** and {{ a }}")
    is_prompt(nb, 1)
    nb.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }")
    settle(nb.page)
    is_prompt(nb, 1)
    go(nb, 1, "Control+End", "Home")
    nb.command("notebook:split-cell-at-cursor")
    expect(nb.cell(2)).to_be_visible()
    assert nb.sources()[1:] == ["%%fm\n# Head", "**bold** and {{ a }}"]
    is_prompt(nb, 1)
    is_python(nb, 2)
    nb.command("notebook:merge-cell-above")
    is_prompt(nb, 1)
    assert nb.sources()[1].endswith("**bold** and {{ a }}")
    nb.command("notebook:hide-cell-code")
    nb.command("notebook:show-cell-code")
    is_prompt(nb, 1)
    nb.command("notebook:change-cell-to-markdown")
    nb.command("notebook:change-cell-to-code")
    is_prompt(nb, 1)


def test_find_and_replace_go_through_marks(notebook):
    nb = notebook("%%fm\nA fox and a **fox** with {{ fox }}.", "fox = 1")
    is_prompt(nb, 1)
    go(nb, 1)
    nb.command("documentsearch:startWithReplace")
    search = nb.page.locator(".jp-DocumentSearch-overlay:visible")
    search.locator(".jp-DocumentSearch-input").first.fill("fox")
    expect(search.locator(".jp-DocumentSearch-index-counter")).to_have_text(re.compile(r"/4$"))
    search.get_by_placeholder("Replace").fill("cat")
    search.get_by_role("button", name="Replace All").click()
    expect(nb.cell(1).locator(".cm-content")).to_contain_text("A cat and a **cat** with {{ cat }}.")
    assert nb.sources()[1:] == ["%%fm\nA cat and a **cat** with {{ cat }}.", "cat = 1"]
    nb.command("documentsearch:end")
    is_prompt(nb, 1)


def explains_and_completes_options(nb: Notebook) -> None:
    is_prompt(nb, 1)
    go(nb, 1, "Control+Home", "End", "Tab")
    expect(labels(nb)).to_have_text(["--temperature"])
    nb.page.keyboard.press("Enter")
    expect(nb.cell(1).locator(".cm-line").first).to_have_text("%%fm --temperature")
    nb.cell(1).locator(".cm-line").first.get_by_text("--temperature").hover()
    hover = nb.page.locator(".fmnb-Prompt-hover")
    expect(hover).to_contain_text("-t, --temperature NUMBER")
    expect(hover).to_contain_text("Sampling temperature")


def indents_in_prose(nb: Notebook) -> None:
    go(nb, 1, "Control+End", "Tab")
    expect(nb.page.locator(".jp-Completer:visible")).to_have_count(0)
    assert nb.sources()[1].endswith("prose     ")


def test_options_are_explained_and_completed_and_tab_indents_in_prose(notebook):
    nb = notebook("%%fm --temper\n\nprose ")
    explains_and_completes_options(nb)
    indents_in_prose(nb)
    settle(nb.page)
    expect(nb.page.locator(".jp-Completer:visible")).to_have_count(0)


def test_models_of_services_and_values_of_options_complete(notebook):
    nb = notebook("%%fm openai:\nhi", "%%fm -f ", "%%fm ")
    go(nb, 1, "Control+Home", "End", "Tab")
    expect(labels(nb).first).to_have_text(re.compile("^openai:"))
    assert all(label.startswith("openai:") for label in kinds(nb))
    nb.page.keyboard.press("Escape")
    go(nb, 3, "Control+End", "Tab")
    expect(labels(nb).first).to_have_text("embedded")
    assert kinds(nb)["--over"] == "option" and "%%fm" not in kinds(nb)
    nb.page.keyboard.press("Escape")
    go(nb, 2, "Control+End", "Tab")
    expect(labels(nb)).to_have_text(["markdown", "text", "code", "json", "html", "math", "image"])
    nb.page.keyboard.press("Escape")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_the_first_line_is_legible_in_both_themes(notebook, theme):
    nb = notebook("%%fm embedded -t 0.2 -o out\nHi")
    is_prompt(nb, 1)
    try:
        change_theme(nb.page, theme)
        found = nb.page.evaluate(CONTRAST.replace("'.jp-OutputArea-output *'", "'.fmnb-Prompt-line, .fmnb-Prompt-line *'"))
        assert {text for _, _, text in found} >= {"%%fm", "embedded", "-t", "0.2"}
        assert [c for c in found if c[0] < 4.5] == []
    finally:
        change_theme(nb.page, "JupyterLab Light")


def test_a_picker_of_values_opens_while_an_expression_is_typed(notebook):
    nb = notebook(FRAME, "%%fm\nAbout ")
    nb.run(1)
    is_prompt(nb, 2)
    go(nb, 2, "Control+End")
    nb.page.keyboard.type("{{ ")
    expect(labels(nb).first).to_have_text("df")
    found = kinds(nb)
    assert found["df"] == "frame, 1×2" and found["city"] == "str" and found["pd"] == "module" and "print" not in found
    nb.page.keyboard.type("ci")
    expect(labels(nb)).to_have_text(["city"])
    nb.page.keyboard.press("Enter")
    nb.page.keyboard.type(" }} and {{ df.")
    expect(labels(nb).first).to_have_text("review")
    expect(labels(nb).filter(has_text=re.compile("^stars$"))).to_have_count(1)  # the list is redrawn while answers come
    assert kinds(nb)["stars"] == "column, int64"
    nb.page.keyboard.press("Enter")
    nb.page.keyboard.type(" }}.")
    settle(nb.page)
    expect(nb.page.locator(".jp-Completer:visible")).to_have_count(0)
    assert nb.sources()[2] == "%%fm\nAbout {{ city }} and {{ df.review }}."
    assert marked(nb, 2)[-1].startswith("{{ df") or "{{ df.review }}" in "".join(marked(nb, 2))


def test_a_column_that_is_no_attribute_replaces_the_dot(notebook):
    frame = """{'stars': [5], 'two words': ['a'], 'two "cities"': ['b'], 'count': [1]}"""
    nb = notebook(f"import pandas as pd\ndf = pd.DataFrame({frame})", "%%fm\nOf ")
    nb.run(1)
    go(nb, 2, "Control+End")
    nb.page.keyboard.type("{{ df.")
    expect(labels(nb)).to_contain_text(["stars", 'df["two words"]', 'df["two \\"cities\\""]', 'df["count"]'])
    nb.page.keyboard.type("wor")
    expect(labels(nb).first).to_have_text('df["two words"]')
    nb.page.keyboard.press("Enter")
    nb.page.keyboard.type("[0] }} and {{ df.")
    expect(labels(nb).first).to_have_text("stars")
    nb.page.keyboard.type("two")
    expect(labels(nb)).to_contain_text(['df["two \\"cities\\""]', 'df["two words"]'])
    nb.page.keyboard.press("Enter")
    nb.page.keyboard.type(" }} {{ df.")
    expect(labels(nb).first).to_have_text("stars")
    nb.page.keyboard.press("Enter")
    nb.page.keyboard.type(" }}")
    poll = "want => document.querySelectorAll('.jp-Notebook .cm-content')[2].innerText.endsWith(want)"
    nb.page.wait_for_function(poll, arg='Of {{ df["two words"][0] }} and {{ df["two \\"cities\\""] }} {{ df.stars }}')


def test_with_over_the_picker_lists_the_columns(notebook):
    nb = notebook(FRAME, "%%fm --over df\nRate ")
    nb.run(1)
    go(nb, 2, "Control+End")
    nb.page.keyboard.type("{{")
    expect(labels(nb).first).to_have_text("review")
    assert list(kinds(nb))[:4] == ["review", "stars", "row", "notebook"]
    nb.page.keyboard.press("Escape")


def test_a_prompt_runs_as_typed(notebook):
    nb = notebook("word = 'hi'", "%%fm echo:\n- Say *{{ word }}*  \n    indented `x`")
    nb.run(1, 2)
    assert "Say" in nb.text(2) and "hi" in nb.text(2)
    assert nb.sources()[2] == "%%fm echo:\n- Say *{{ word }}*  \n    indented `x`"


SET = """async ([plugin, name, value]) => {
  const app = window.jupyterapp;
  const token = [...(app.pluginRegistry ?? app)._services.keys()].find(t => t.name === '@jupyterlab/coreutils:ISettingRegistry');
  const registry = await app.resolveRequiredService(token);
  value === null ? await registry.remove(plugin, name) : await registry.set(plugin, name, value);
}"""


@pytest.fixture
def setting(page):
    """A function that changes a setting of JupyterLab until the test ends."""
    changed = []

    def change(plugin: str, name: str, value: object) -> None:
        changed.append((plugin, name))
        page.evaluate(SET, [plugin, name, value])

    yield change
    for plugin, name in changed:
        page.evaluate(SET, [plugin, name, None])


def test_the_setting_turns_prompt_cells_off_and_on(notebook, setting):
    nb = notebook("%%fm\n**bold**")
    is_prompt(nb, 1)
    setting("fmnb:plugin", "promptCells", False)
    is_python(nb, 1)
    setting("fmnb:plugin", "promptCells", True)
    is_prompt(nb, 1)


def test_with_automatic_completion_nothing_opens_in_prose(notebook, setting):
    setting("@jupyterlab/completer-extension:manager", "autoCompletion", True)
    nb = notebook(FRAME, "%%fm\nabout ", "ci")
    nb.run(1)
    go(nb, 2, "Control+End")
    nb.page.keyboard.type("ci pri")
    settle(nb.page)
    expect(nb.page.locator(".jp-Completer:visible")).to_have_count(0)
    nb.page.keyboard.type(" {{ ci")
    expect(labels(nb)).to_have_text(["city"])
    nb.page.keyboard.press("Escape")
    go(nb, 3, "Control+End")
    for _ in range(20):  # the kernel's first completion of Python takes longer than JupyterLab waits
        nb.page.keyboard.type("t")
        settle(nb.page)
        if labels(nb).count():
            break
        nb.page.keyboard.press("Backspace")
    expect(labels(nb).first).to_have_text("city")  # Python cells as before
    nb.page.keyboard.press("Escape")


def test_the_picker_works_between_braces_that_close_themselves(notebook, setting):
    setting("@jupyterlab/notebook-extension:tracker", "codeCellConfig", {"autoClosingBrackets": True})
    nb = notebook(FRAME, "%%fm\nAbout ")
    nb.run(1)
    go(nb, 2, "Control+End")
    nb.page.keyboard.type("{{ci")
    expect(labels(nb)).to_have_text(["city"])
    nb.page.keyboard.press("Enter")
    assert nb.sources()[2] == "%%fm\nAbout {{city}}"
    assert "".join(marked(nb, 2)) == "{{city}}"


@pytest.fixture
def notebook7(browser, lab):
    """A notebook in Notebook 7."""
    page = new_page(browser)

    def make(*cells: str) -> Notebook:
        file = Path(lab.work) / "prompt7.ipynb"
        write(file, *cells)
        return open_at(page, lab, file, "notebooks")

    yield make
    page.context.close()


def test_in_notebook_7_too(notebook7):
    nb = notebook7("%load_ext fmnb", PROMPT, "x = 1")
    looks_like_a_prompt(nb)
    nb.edit(1, "%%fm --temper\n\nprose ")
    explains_and_completes_options(nb)
    indents_in_prose(nb)
    nb.edit(2, FRAME)
    nb.run(0, 2)
    go(nb, 1, "Control+End")
    nb.page.keyboard.type("{{ ")
    expect(labels(nb).first).to_have_text("df")
    nb.page.keyboard.press("Escape")
