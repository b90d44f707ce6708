"""The report's page in a real Chromium: rows behind numbers, few elements whatever the size, nothing a model wrote acts, axe finds nothing serious."""

from __future__ import annotations

import random

import pytest
from playwright.sync_api import expect

from fmnb.evals.import_scores import from_scores
from tests.browser.conftest import DRAWN
from tests.browser.test_axe import axe  # noqa: F401  a fixture

HOSTILE = '</script><script>document.title = "owned"</script><img src=x onerror=\'document.title="owned"\'>'


@pytest.fixture
def opened(tmp_path, browser):
    """A function that opens an evaluation's page."""
    pages = []

    def show(evaluation, scheme="light"):
        path = tmp_path / "report.html"
        evaluation.to_html(path)
        page = browser.new_page(viewport={"width": 1100, "height": 900}, color_scheme=scheme)
        pages.append(page)
        page.errors = []
        page.on("pageerror", lambda e: page.errors.append(str(e)))
        page.goto(path.as_uri())
        page.wait_for_selector(".fr-window tbody td")
        return page

    yield show
    for page in pages:
        page.close()


def made(rows=300, text="plain"):
    rng = random.Random(3)
    table = [
        {
            "id": f"row-{i}",
            "q": f"question {i} {text}",
            "kind": "xyz"[i % 3],
            "good": int(rng.random() < 0.8),
            "bad": int(rng.random() < 0.5),
            "said": f"{text} {i}",
        }
        for i in range(rows)
    ]
    return from_scores(table, ["good", "bad"], texts={"good": "said"})


def rows_shown(page):
    return page.locator(".fr-window tbody tr:not(.fr-gap)").count()


def test_a_number_leads_to_its_rows_and_a_row_to_its_answers(opened):
    e = made()
    page = opened(e)
    pair = e.pairs[0]
    assert page.locator(".fr-first").inner_text() == e.sentence
    page.locator("button[data-fr-filter*='more']").first.click()
    expect(page.locator(".fr-bar [role=status]")).to_contain_text("scores more")
    assert page.locator(".fr-bar [role=status]").inner_text() == f"{pair['only_a']} of 300 rows: good scores more than bad"
    first = page.locator(".fr-window tbody tr:not(.fr-gap)").first
    assert first.locator("td").all_inner_texts()[3:] == ["✓ 1", "✗ 0"]
    first.locator("button").click()
    name = first.locator("button").inner_text()
    detail = page.locator(".fr-detail").inner_text()
    assert name in detail and f"plain {name.split('-')[1]}" in detail and "score 1" in detail
    page.get_by_label("Find in rows").fill("question 17 ")
    expect(page.locator(".fr-bar [role=status]")).to_contain_text("holds")
    page.get_by_role("button", name="all rows").click()
    expect(page.locator(".fr-bar [role=status]")).to_contain_text("300 of 300")
    assert page.errors == []


# Whether rows are drawn over the whole height of the window, wherever it was scrolled to.
IN_VIEW = """() => {
  const w = document.querySelector('.fr-window').getBoundingClientRect();
  const rows = [...document.querySelectorAll('.fr-window tbody tr:not(.fr-gap)')].map(r => r.getBoundingClientRect());
  return rows.some(r => r.top < w.bottom && r.bottom > w.top + w.height / 2);
}"""


def test_ten_thousand_rows_keep_a_hundred_elements_at_most(opened):
    page = opened(made(10_000))
    seen = set()
    for place in (0, 0.2, 0.5, 0.99, 1):
        page.evaluate("p => { const w = document.querySelector('.fr-window'); w.scrollTop = p * w.scrollHeight; }", place)
        page.wait_for_function(IN_VIEW)
        assert 0 < rows_shown(page) <= 100
        seen.add(page.locator(".fr-window tbody tr:not(.fr-gap)").last.locator("button").inner_text())
    assert len(seen) >= 4 and "row-9999" in seen
    page.locator(".fr-window").focus()
    page.keyboard.press("Home")
    expect(page.locator(".fr-window tbody tr:not(.fr-gap)").first.locator("button")).to_have_text("row-0")


def test_nothing_a_model_or_a_row_says_acts(opened):
    page = opened(made(30, HOSTILE))
    page.locator(".fr-window tbody button").first.click()
    page.evaluate(DRAWN)
    assert "owned" not in page.title() and page.locator(".fr-detail img, .fr-window img").count() == 0 and page.errors == []
    assert "<img src=x" in page.locator(".fr-detail").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened, axe, scheme):  # noqa: F811
    page = opened(made(60), scheme)
    page.locator(".fr-window tbody button").first.click()
    page.evaluate(axe)
    found = page.evaluate(
        "async () => (await axe.run({ resultTypes: ['violations'] })).violations.filter(v => ['serious', 'critical'].includes(v.impact))"
        ".map(v => [v.id, v.nodes.map(n => n.html.slice(0, 200))])"
    )
    assert found == []
    assert page.locator("svg[role=img]").count() >= 2
    assert all(page.locator("svg desc").nth(i).evaluate("n => n.textContent.length > 20") for i in range(page.locator("svg desc").count()))


@pytest.mark.parametrize("rows", [3, 60])
def test_the_window_is_no_taller_than_its_rows(opened, rows):
    page = opened(made(rows))
    height, rest = page.evaluate(
        """() => {
          const pane = document.querySelector('.fr-window'), last = [...pane.querySelectorAll('tbody tr:not(.fr-gap)')].at(-1);
          return [pane.offsetHeight, pane.getBoundingClientRect().bottom - last.getBoundingClientRect().bottom];
        }"""
    )
    assert 400 < height < 430 if rows == 60 else 0 <= rest <= 6
    if rows == 3:
        assert page.evaluate("(() => { const p = document.querySelector('.fr-window'); return p.scrollHeight <= p.clientHeight; })()")
