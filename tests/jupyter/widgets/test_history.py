"""The log to look through."""

import pytest

import fmnb as fm
from fmnb.jupyter.widgets.history import BLOCK, History
from fmnb.store import log
from fmnb.store.search import Filter, count, find
from tests.jupyter.widgets.page import Page
from tests.views.hostile import HOSTILE


def rows(page, **filter):
    page.do("filter", filter=filter)
    return page.do("rows", start=0, version=1)[-1]["rows"]


@pytest.fixture
def asked():
    fm.ask("the price of tea", "echo:")
    fm.ask("the price of coffee", "echo:think")
    with pytest.raises(fm.FmnbError):
        fm.ask("one two three four", "echo:fail=cut")
    return fm.compare("compare tea", ["echo:", "echo:think"])


def test_the_newest_come_first_and_a_comparison_is_one_entry(asked):
    page = Page(History())
    found = rows(page)
    assert [r["kind"] for r in found] == ["compare", "call", "call", "call"] and page.widget.total == 4
    assert found[0]["text"] == "2 answers" and found[1]["state"] == "✗ failed" and "ended the connection" in found[1]["text"]


def test_words_find_answers_within_comparisons_too(asked):
    found = rows(Page(History()), query="tea")
    assert [r["kind"] for r in found].count("call") == 3


@pytest.mark.parametrize(
    ("filter", "n"),
    [
        ({"model": "think"}, 2),
        ({"kind": "compare"}, 1),
        ({"query": "coffee"}, 1),
        ({"query": "nowhere"}, 0),
        ({"days": "1"}, 4),
        ({"cost": "0.5"}, 0),
        ({"cost": "0"}, 4),
        ({"vote": "any"}, 0),
    ],
)
def test_filters_act(asked, filter, n):
    page = Page(History())
    assert len(rows(page, **filter)) == n == page.widget.total


def test_votes_are_found_and_shown(asked):
    fm.vote(asked, "left")
    fm.feedback(asked[1], "star", True)
    page = Page(History())
    assert [r["feedback"] for r in rows(page, vote="won")] == [["won"]]
    assert [r["feedback"] for r in rows(page, vote="lost")] == [["lost", "star"]]
    assert [r["run"] for r in rows(page, vote="star")] == [asked[1].run]
    assert {r["run"] for r in rows(page, vote="any")} == {asked.run, asked[1].run}
    fm.vote(asked, "tie")
    assert len(rows(page, vote="won")) == 0 and len(rows(page, vote="tie")) == 3
    page.do("filter", filter={"vote": "nonsense"})
    assert "Unknown vote" in page.widget.error


def test_a_blind_comparison_keeps_its_secret_until_the_vote():
    c = fm.compare("secret", ["echo:", "echo:think"], blind=True)
    page = Page(History())
    for found in (rows(page), rows(page, query="secret")):
        assert {r["model"] for r in found} == {"names hidden"} and all(not r["facts"] for r in found)
    page.do("open", run=c.run)
    assert "echo:think" not in str(page.widget.opened) + str(page.widget.about)
    fm.vote(c, "left")
    assert "echo:think" in rows(page)[0]["model"]


def test_a_run_is_opened_again_with_what_was_asked():
    r = fm.ask("what is **this**?", "echo:think", system="Be kind.")
    page = Page(History())
    page.do("open", run=r.run)
    html = page.widget.opened["html"]
    assert "Be kind." in html and "<strong>this</strong>" in html and page.widget.opened["cell"]
    assert page.widget.static_view()[0]["text/html"] == html
    (said,) = page.do("cell", run=r.run)
    assert said["sources"] == ["%%fm echo:think -s 'Be kind.'\nwhat is **this**?"]
    page.do("shut")
    assert page.widget.opened == {} and "what is" not in page.widget.static_view()[0]["text/html"]


def test_a_comparison_opens_with_its_buttons(asked):
    page = Page(History())
    page.do("open", run=asked.run)
    assert page.widget.opened["grid"].startswith("IPY_MODEL_") and page.widget._grid.comparison.run == asked.run
    page.do("open", run=asked[0].run)
    assert page.widget.opened["grid"] == "" and page.widget._grid is None


def test_a_run_that_is_not_there_is_said():
    page = Page(History())
    page.do("open", run="nothing")
    assert "No such run" in page.widget.error and page.widget.opened == {}


def test_the_notebook_keeps_no_list_of_what_other_notebooks_asked(asked):
    assert "tea" not in str(History().static_view())


def test_a_page_is_told_when_there_is_more():
    page = Page(History())
    fm.ask("new", "echo:")
    assert page.said[-1] == {"do": "stale"}
    page.widget.close()
    before = len(page.said)
    fm.ask("newer", "echo:")
    assert len(page.said) == before


def test_rows_travel_in_blocks():
    for i in range(BLOCK + 5):
        fm.ask(f"question {i}", "echo:")
    page = Page(History())
    first, second = page.do("rows", start=0)[0]["rows"], page.do("rows", start=BLOCK)[0]["rows"]
    assert len(first) == BLOCK and len(second) == 5 and first[0]["prompt"] == f"question {BLOCK + 4}"
    assert count(Filter()) == BLOCK + 5 and len({r["run"] for r in find(Filter(), limit=1000)}) == BLOCK + 5


def test_a_script_finds_the_same(asked):
    fm.vote(asked, "right")
    (row,) = fm.log(vote="won")
    assert row["run"] == asked[1].run and row["vote"] == "won"
    assert [r["kind"] for r in fm.log(kind="compare")] == ["compare"]
    assert list(fm.log(cost=1.0)) == []


def test_forgetting_is_not_there():
    assert not any("forget" in name for name in dir(History) if name.startswith("on_"))


def test_the_log_switched_off_is_said():
    log.set_enabled(False)
    assert History().about["on"] is False


@pytest.mark.parametrize("text", HOSTILE[::7])
def test_a_hostile_run_is_text(text):
    r = fm.ask(text, "echo:", system=text)
    page = Page(History())
    page.do("open", run=r.run)
    for bad in ("<script", "<img src=x", "<iframe src", 'href="javascript'):
        assert bad not in page.widget.opened["html"].lower()
