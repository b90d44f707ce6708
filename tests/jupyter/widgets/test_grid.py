"""The grid without a browser: what it tells the page, what the page may ask, and what votes leave behind."""

from __future__ import annotations

import json

import pytest

import fmnb as fm
from fmnb.calls.session import session
from fmnb.chat.named import chats
from fmnb.core.events import Cancelled, Progress, ReasoningDelta, Restarted, Started, Waiting
from fmnb.jupyter.widgets.grid import Grid, line_bundle, retract_vote
from fmnb.jupyter.widgets.grid_stream import GridStream
from fmnb.store import feedback as signals
from fmnb.store import log


@pytest.fixture
def c():
    return fm.compare("hello there", ["echo:", "echo:think"])


class Page:
    """What a front end would have seen."""

    def __init__(self, grid):
        self.grid, self.sent = grid, []
        grid.send = lambda content, buffers=None: self.sent.append(content)

    def __call__(self, do, **what):
        self.grid._on_page_message(None, {"do": do, **what}, [])
        assert not self.grid.error, self.grid.error

    def fails(self, do, **what) -> str:
        self.grid._on_page_message(None, {"do": do, **what}, [])
        return self.grid.error

    def last(self, do):
        return next(m for m in reversed(self.sent) if m["do"] == do)


def open_page(c, **more):
    return Page(Grid(c, **more))


def test_a_vote_is_an_event_at_once_and_the_widget_says_so(c):
    page = open_page(c)
    page("vote", choice=1)
    assert page.grid.feedback["won"] == {"0": 1} and c.best is c[1]
    page("vote", choice="tie")
    assert [s.value["said"] for s in signals.feedback_on([c.run])] == ["tie"] and page.grid.feedback["votes"] == {"0": "tie"}
    page("undo")
    assert not page.grid.feedback["votes"] and c.best is None


def test_in_a_cell_the_widget_gives_way_to_one_line_once_voted(c):
    page = open_page(c, panel="", line_id="x-line", static_id="x", static_hidden=False)
    page("vote", choice=0)
    line = page.last("line")["data"]
    assert "You preferred echo: over echo:think" in line["text/plain"] and line["text/html"].startswith("<p")
    assert "✓ preferred" in page.last("face")["data"]["text/html"]


def test_stars_edits_and_comments_are_kept_and_taken_back(c):
    page = open_page(c)
    page("star", at=0)
    page("edit", at=1, text="hello, there!")
    page("comment", text="close")
    assert page.grid.feedback == {"votes": {}, "won": {}, "stars": [0], "edits": {"1": "hello, there!"}, "comment": "close"}
    page("text", at=1, why="edit")
    assert page.last("text")["text"] == "hello, there!"
    page("star", at=0, on=False)
    page("edit", at=1, text=c[1].text)
    page("comment", text=" ")
    assert c.votes == []


def test_a_vote_from_elsewhere_shows_too(c):
    page = open_page(c)
    fm.vote(c, "right")
    assert page.grid.feedback["won"] == {"0": 1}


def test_every_widget_of_a_comparison_follows_its_votes(c):
    first, second = open_page(c), open_page(c)
    second("vote", choice=1)
    assert first.grid.feedback["won"] == second.grid.feedback["won"] == {"0": 1}
    assert "✓ preferred" in first.grid.static_view()[0]["text/html"]


def test_a_vote_by_a_line_closes_the_widget_too_and_its_line_follows_when_it_is_taken_back(c, monkeypatch):
    shown = {}
    monkeypatch.setattr("fmnb.jupyter.widgets.grid.display", lambda bundle, name, update: shown.update({name: bundle[0]["text/plain"]}))
    open_page(c, panel="", line_id="x-line", static_id="x", static_hidden=False)
    fm.vote(c, "right")
    assert shown["x-line"].startswith("You preferred echo:think over echo:.")
    fm.vote(c, "tie")
    assert shown["x-line"].startswith("You voted for a tie.")
    fm.retract(c)
    assert shown["x-line"].startswith("No vote.")


def test_while_names_are_hidden_waits_and_thoughts_do_not_tell_who_is_asked():
    sent, shown = [], []

    def make(**traits):
        grid = Grid(**traits)
        grid.send = lambda content, buffers=None: sent.append(content)
        return grid

    view = GridStream(
        ["r1", "r2"], [{"model": "echo:"}, {"model": "echo:think"}], [1, 0], blind=True, make_grid=make, show=lambda *a: shown.append(a[0])
    )
    for event in (
        Started(run="r1"),
        Waiting(run="r1", n=1, reason="echo rate limit reached (HTTP 429)", seconds=1),
        Progress(run="r1", n=2, stage="loading echo"),
        ReasoningDelta(run="r2", n=1, text="echo thinks"),
        Restarted(run="r1", n=3, reason="echo broke off"),
        Cancelled(run="r1", n=4),
        Cancelled(run="r2", n=2),
    ):
        view._last_draw = -1e9
        view(event)
    told = json.dumps([sent, shown, view.grid.about])
    assert "waiting" in told and "retrying" in told
    assert "echo" not in told and "think" not in told


def test_the_page_learns_no_name_of_a_blind_comparison():
    c = fm.compare("hello", ["echo:", "echo:think"], blind=True)
    page = open_page(c)
    for view in ("rendered", "raw", "data", "diff"):
        page("rows", view=view)
    told = json.dumps([page.grid.about, page.grid.feedback, page.sent, page.grid.static_view()])
    assert "echo" not in told and page.grid.about["hidden"]
    for what in ("use", "chat", "cell"):
        assert "Vote first" in page.fails(what, at=0)
    page("vote", choice=0)
    assert "echo" in json.dumps(page.grid.about) and not page.grid.about["hidden"]
    page("use", at=0)
    assert session.model_choices["kernel"][1] == c.best.requested_model


def test_views_show_the_answers_each_their_way(c):
    page = open_page(c)
    page("rows", view="raw")
    assert set(page.last("rows")["cells"]) == {"0", "1"} and "<pre" in page.last("rows")["cells"]["0"]
    page("rows", view="diff", base_at=1)
    cells = page.last("rows")["cells"]
    assert "the same words" in cells["0"] and "base of the comparison" in cells["1"]
    s = fm.compare("x", ["echo:", "echo:think"], schema="name, age int")
    page = open_page(s)
    page("rows", view="data")
    assert page.grid.about["data"] and '"age"' in page.last("rows")["cells"]["0"].replace("&quot;", '"')


def test_going_on_from_an_answer(c):
    page = open_page(c)
    page("chat", at=0)
    assert page.last("insert")["source"] == "%%fm --chat chat1\n" and chats()["chat1"].messages[-1].text == "hello there"
    page("answer", at=0)
    assert page.last("insert") == {"do": "insert", "source": "hello there", "cell": "markdown"}
    page("cell", at=1)
    assert page.last("insert")["source"] == "%%fm echo:think\nhello there"


def test_many_rows_travel_in_blocks():
    c = fm.compare("x", ["echo:", "echo:think"], samples=40)
    page = open_page(c)
    assert len(page.grid.about["rows"]) == 40 and page.grid.about["columns"] == 2
    page("rows", start=25)
    assert len(page.last("rows")["cells"]) == 30


@pytest.mark.parametrize(
    "what", [{"do": "vote", "choice": 7}, {"do": "star", "at": "x"}, {"do": "text", "at": None}, {"do": "rows", "base_at": 99}]
)
def test_a_page_that_asks_for_what_is_not_there_is_told_so(c, what):
    page = open_page(c)
    assert "No such answer" in page.fails(**what)


def test_unknown_orders_and_private_names_do_nothing(c):
    page = open_page(c)
    for do in ("", "_hear", "close_all", "__init__", None):
        page.grid._on_page_message(None, {"do": do}, [])
    assert page.sent == [] and page.grid.error == ""


def test_with_the_log_off_the_views_work_and_a_vote_says_why():
    log.set_enabled(False)
    try:
        page = open_page(fm.compare("x", ["echo:", "echo:think"]))
        assert not page.grid.about["logged"]
        page("rows", view="raw")
        assert "log was off" in page.fails("vote", choice=0)
        assert "nothing was stored" in line_bundle(page.grid.comparison)[0]["text/plain"]
    finally:
        log.set_enabled(True)


def test_single_keys_can_be_turned_off_for_good(c):
    page = open_page(c)
    page("keys", on=False)
    assert not Grid(c).single_keys
    page("keys", on=True)
    assert Grid(c).single_keys


def test_rows_of_a_table_are_different_questions_with_a_vote_each():
    from fmnb.batch.run import batch
    from fmnb.batch.small_table import comparison, is_small

    b = batch("say {{ word }}", [{"word": "hi"}, {"word": "ho"}], ["echo:", "echo:think"])
    assert is_small(b)
    c = comparison(b)
    page = open_page(c)
    assert page.grid.about["by_row"] and [x["row"] for x in page.grid.about["cells"]] == [0, 0, 1, 1]
    page("vote", choice=1, row=0)
    page("vote", choice=2, row=1)
    assert page.grid.feedback["won"] == {"0": 1, "1": 2} and len([s for s in c.votes if s.kind == "vote"]) == 2
    assert list(c.df["vote"]) == ["lost", "won", "won", "lost"]
    page("undo", row=0)
    assert page.grid.feedback["won"] == {"1": 2} and list(c.df["vote"].isna()) == [True, True, False, False]
    assert "another row" in page.fails("vote", choice=3, row=0)
    with pytest.raises(fm.FmnbError, match="several questions"):
        fm.vote(c, "left")
    assert fm.leaderboard()[0]["wins"] == 1


def test_the_page_knows_which_answers_failed_and_they_get_no_vote():
    c = fm.compare("hi", ["echo:fail=cut", "echo:", "echo:think"])
    page = open_page(c)
    assert [cell["failed"] for cell in page.grid.about["cells"]] == [True, False, False]
    assert "failed, so it cannot be the best" in page.fails("vote", choice=0)


def test_a_vote_that_became_a_line_is_retracted_and_the_buttons_come_back(c):
    page = open_page(c, panel="", line_id="x-line", static_id="x", static_hidden=False)
    page("vote", choice=0)
    assert page.last("line")["metadata"]["fmnb"] == {"run": c.run, "kind": "vote", "voted": True}
    back = retract_vote(c.run)
    assert c.best is None and back["run"] == c.run and back["face"] == "x"
    assert back["buttons"]["metadata"]["fmnb"] == {"widget": "Grid"} and "✓ preferred" not in back["answers"]["data"]["text/html"]
    assert page.grid.feedback["votes"] == {}
    page("vote", choice=1)
    assert c.best is c[1]


def test_a_vote_of_an_earlier_kernel_is_retracted_from_the_log(c, monkeypatch):
    fm.vote(c, 0)
    monkeypatch.setattr("fmnb.jupyter.widgets.grid._following", [])
    assert "✓ preferred" not in retract_vote(c.run)["answers"]["data"]["text/html"]
    assert c.best is None
