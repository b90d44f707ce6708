"""The labeller and an evaluation's report in a real JupyterLab: by keyboard, rows behind a number, axe in light and dark."""

from __future__ import annotations

import json

from tests.browser.conftest import change_theme
from tests.browser.test_axe import CHECK, CONTRAST
from tests.browser.test_axe import axe as axe

LABEL = """import fmnb as fm
d = fm.Dataset.from_rows([{"id": f"r{i}", "ticket": f"Ticket {i} <b>bold</b>", "target": "a guess"} for i in range(4)], name="tickets")
labeller = fm.Labeler(d, annotator="ada")
labeller"""
REPORT = """import fmnb as fm
rows = [{"id": f"r{i}", "q": f"{i}", "target": f"{i if i % 3 else 'x'}"} for i in range(60)]
e = fm.evaluate("{{ q }}", rows, ["echo:", "echo:think"])
e.report()"""


def test_rows_are_labelled_by_keyboard_and_kept_in_the_file(notebook):
    nb = notebook(LABEL)
    nb.run(1)
    cell, keys = nb.cell(1), nb.page.keyboard
    cell.get_by_text("Ticket 0 <b>bold</b>").wait_for()
    term = cell.locator("dt", has_text="ticket").first
    assert term.evaluate("e => e.offsetHeight < 2 * parseFloat(getComputedStyle(e).fontSize) + 4"), "a column's name stands on one line"
    cell.get_by_label("Row", exact=True).focus()
    keys.press("a")
    cell.get_by_text("Ticket 1 <b>bold</b>").wait_for()
    keys.press("e")
    cell.get_by_label("Correct answer").fill("written by Ada")
    keys.press("Control+Enter")
    cell.get_by_text("Ticket 2 <b>bold</b>").wait_for()
    keys.press("r")
    cell.get_by_text("Ticket 3 <b>bold</b>").wait_for()
    keys.press("u")
    cell.get_by_text("Ticket 2 <b>bold</b>").wait_for()
    cell.get_by_text("2 of 4 by ada, saved in tickets.jsonl").wait_for()
    assert len(nb.sources()) == 2, "no key reached the notebook"
    (kept,) = nb.file.parent.glob("tickets.jsonl")
    rows = {r["id"]: r for r in map(json.loads, kept.read_text().splitlines()[1:])}
    assert rows["r0"]["extra"]["labels"] == {"ada": "accept"} and rows["r1"]["target"] == "written by Ada" and "extra" not in rows["r2"]


def test_the_reports_numbers_lead_to_rows_answers_and_events(notebook):
    nb = notebook(REPORT)
    nb.run(1)
    cell = nb.cell(1)
    cell.locator(".fr-first").get_by_text("are not significantly different").wait_for()
    cell.locator("button[data-fr-filter*='below']").first.click()
    cell.get_by_text("20 of 60 rows").wait_for()
    cell.get_by_role("button", name="r3", exact=True).click()
    cell.locator(".fr-detail").get_by_role("button", name="events").first.click()
    cell.locator(".fr-detail pre").get_by_text("Scored").wait_for()
    assert cell.locator("svg[role=img]").count() >= 2


def test_axe_finds_nothing_serious_in_either(notebook, axe):
    nb = notebook(LABEL, REPORT)
    nb.run(1, 2)
    nb.cell(2).locator(".fr-window tbody button").first.wait_for()
    nb.page.evaluate(axe)
    try:
        for theme in ("JupyterLab Light", "JupyterLab Dark"):
            change_theme(nb.page, theme)
            assert nb.page.evaluate(CHECK) == []
            assert [t for t in nb.page.evaluate(CONTRAST) if t[0] < 4.5] == []
    finally:
        change_theme(nb.page, "JupyterLab Light")
