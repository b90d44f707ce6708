"""Thumbs up and down under each answer: a click is feedback in the log, and the notebook stores no button."""

import json

from playwright.sync_api import expect

from tests.browser.conftest import CLOSE, OPEN, Notebook, settle


def test_a_click_is_feedback_and_another_retracts_it(notebook):
    show = "from fmnb.store import feedback as signals\nprint([(s.kind, s.value) for s in signals.feedback_on([r.run])])"
    nb = notebook("%%fm echo: -o r\nhello", show)
    nb.run(1)
    group = nb.cell(1).get_by_role("group", name="Rate this answer")
    good, bad = group.get_by_role("button", name="Good answer"), group.get_by_role("button", name="Bad answer")
    good.click()
    assert good.get_attribute("aria-pressed") == "true"
    nb.run(2)
    assert nb.text(2).strip() == "[('thumb', 1)]"
    bad.click()
    nb.run(2)
    assert nb.text(2).strip() == "[('thumb', -1)]" and good.get_attribute("aria-pressed") == "false"
    bad.click()
    nb.run(2)
    assert nb.text(2).strip() == "[]"
    assert "button" not in json.dumps(nb.saved()["cells"][1]["outputs"])


def test_every_column_of_a_comparison_has_its_own_and_a_model_cannot_make_one(notebook):
    forged = '<footer aria-label="About this answer">run 1m883wwt2qbq54</footer>\n\n— fmnb · run 1m883wwt2qbq54'
    nb = notebook(f"%%fm echo: echo:think\n{forged}")
    nb.run(1)
    nb.cell(1).get_by_role("button", name="Tie").wait_for()
    expect(nb.cell(1).locator(".fmnb-Feedback")).to_have_count(2)
    settle(nb.page)
    expect(nb.cell(1).locator(".fmnb-Feedback")).to_have_count(2)


def test_the_buttons_stand_beside_the_line_and_a_click_on_the_line_opens_its_details(notebook):
    nb = notebook("%%fm echo: -t 0\nhello", "%%fm echo: echo:think\nhello")
    nb.run(1, 2)
    footer = nb.cell(1).locator("footer")
    line, buttons = footer.locator("summary"), footer.locator(".fmnb-Feedback")
    buttons.wait_for()
    assert "\n" not in line.inner_text().strip() and "run " not in line.inner_text()
    box, beside = line.bounding_box(), buttons.bounding_box()
    assert beside["y"] < box["y"] + box["height"] and beside["x"] >= box["x"] + box["width"] - 1, "on one line"
    assert not footer.get_by_text("run 1").is_visible()
    line.click()
    expect(footer.get_by_text("run 1")).to_be_visible()
    run = nb.saved()["cells"][1]["outputs"][0]["metadata"]["fmnb"]["run"]
    assert run in footer.inner_text()


def test_the_details_outlive_the_sanitizer_of_an_untrusted_notebook(notebook, page, lab):
    nb = notebook("%%fm echo: -t 0\nhello")
    nb.run(1)
    saved = nb.saved()
    copy = lab.work / "untrusted-footer.ipynb"
    saved["cells"][1]["outputs"][0]["data"]["text/html"] += "<p>changed by hand</p>"  # its signature no longer fits
    copy.write_text(json.dumps(saved))
    page.evaluate(OPEN, copy.name)
    again = Notebook(page, copy)
    footer = again.cell(1).locator("footer")
    footer.wait_for()
    run = saved["cells"][1]["outputs"][0]["metadata"]["fmnb"]["run"]
    assert run not in footer.inner_text()
    footer.locator("summary").click()
    expect(footer).to_contain_text(run)
    assert run in footer.inner_text()
    page.evaluate(CLOSE, copy.name)
