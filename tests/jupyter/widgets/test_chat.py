"""A conversation to look at: turns, branches, attachments, what is kept."""

import json

import pytest

import fmnb as fm
from fmnb.chat.chat import Chat
from fmnb.core.types import File
from fmnb.jupyter.magics.options import parse
from fmnb.jupyter.widgets.chat import ChatWidget
from tests.jupyter.widgets.page import Page, put
from tests.views.hostile import HOSTILE

ROWS = [{"city": "Oslo", "people": 709037}, {"city": "Rome", "people": 2748109}]


@pytest.fixture
def talk():
    return Page(Chat("echo:", system="Be kind.", name="cars").widget())


def texts(page):
    return [t["text"] for t in page.widget.turns]


def test_what_is_said_is_answered_and_kept(talk):
    talk.do("send", text="hello")
    talk.do("send", text="and again")
    assert texts(talk) == ["hello", "and again"] and talk.widget.chat.turns == 2
    assert "and again" in talk.text(talk.widget.turns[1]["run"])
    data, metadata = talk.widget.static_view()
    assert data["text/html"].index("hello") < data["text/html"].index("and again") and len(metadata["fmnb"]["runs"]) == 2


def test_a_turn_in_other_words_is_a_branch_and_the_first_stays(talk):
    talk.do("send", text="one")
    talk.do("send", text="two")
    talk.do("edit", turn=0, text="uno")
    assert texts(talk) == ["uno"] and talk.widget.turns[0]["branches"] == [0, 1] and talk.widget.turns[0]["branch"] == 1
    talk.do("switch", branch=0)
    assert texts(talk) == ["one", "two"] and talk.widget.turns[0]["branch"] == 0
    talk.do("edit", turn=1, text="due")
    assert texts(talk) == ["one", "due"] and len(talk.widget.chat.branches) == 3
    assert talk.widget.turns[1]["branches"] == [0, 2]


def test_asking_again_what_has_another_answer_is_a_branch():
    answers = iter(["first", "second"])
    talk = Page(Chat(lambda text: next(answers)).widget())
    talk.do("send", text="hello")
    talk.do("again", turn=0)
    assert talk.widget.turns[0]["branches"] == [0, 1]
    talk.do("switch", branch=0)
    assert talk.widget.chat.messages[-1].text == "first"


def test_a_failure_leaves_the_conversation_and_can_be_tried_again_or_put_aside(talk):
    talk.do("send", text="one two three four")
    talk.do("model", name="echo:fail=cut")
    talk.do("edit", turn=0, text="five six seven eight")
    assert texts(talk) == ["five six seven eight"] and talk.widget.turns[0]["pending"]
    assert talk.widget.chat.messages[-1].text == "one two three four" and talk.last("answer")["state"] == "failed"
    assert "ended the connection" in talk.widget.static_view()[0]["text/html"]
    talk.do("again", turn=0)
    assert talk.widget.turns[0]["pending"]
    talk.do("dismiss")
    assert texts(talk) == ["one two three four"]
    talk.do("model", name="echo:")
    talk.do("edit", turn=7, text="it goes on")
    assert texts(talk) == ["one two three four", "it goes on"]


def test_a_value_of_the_notebook_is_attached_by_its_name(talk, monkeypatch):
    put(monkeypatch, rows=ROWS, n=3)
    (said,) = talk.do("attachables")
    assert {"name": "rows", "what": "list of 2 dicts"} in said["values"] and all(v["name"] != "n" for v in said["values"])
    (said,) = talk.do("attach", item="rows")
    assert said["item"] == "rows" and "2 rows" in said["what"]
    talk.do("send", text="How many? {{ n }}", attach=["rows"])
    assert "Oslo" in talk.widget.chat.messages[-2].text and "How many? 3" in talk.widget.chat.messages[-2].text
    assert talk.widget.turns[0]["text"] == "How many? {{ n }}" and talk.widget.turns[0]["attach"] == ("rows",)


def test_a_file_is_attached_by_its_path_and_a_missing_one_is_said(talk, tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_text("the plan")
    monkeypatch.chdir(tmp_path)
    assert talk.do("attachables")[0]["files"] == ["notes.txt"]
    (said,) = talk.do("attach", item="notes.txt")
    assert said["what"].startswith("notes.txt")
    assert talk.do("attach", item="note.txt") == [] and "Did you mean notes.txt" in talk.widget.error
    assert talk.do("attach", item="https://x.example/a.txt") == [] and "URL" in talk.widget.error
    talk.do("send", text="read", attach=["notes.txt"])
    assert "the plan" in talk.widget.chat.messages[-2].text


def test_a_document_is_said_to_be_one(talk, monkeypatch):
    put(monkeypatch, paper=File(b"%PDF-1.4", "application/pdf", "paper.pdf"))
    assert talk.do("attach", item="paper")[0]["what"] == "file"


def test_the_weight_counts_what_was_said_before_and_calls_nothing(talk, monkeypatch):
    called = []
    put(monkeypatch, act=lambda: called.append(1) or "x")
    talk.do("send", text="one two three")
    (said,) = talk.do("draft", text="four {{ act() }}")
    assert said["tokens"] == "12 tokens" and said["waiting"] == "act()" and not called  # 2 of the system's, 3, 3, and 4 as typed
    (said,) = talk.do("draft", text="four", turn=0)
    assert said["tokens"] == "3 tokens"
    assert talk.do("draft", text=" ") == [{"do": "weight"}]


def test_a_turn_in_a_cell_shows_in_the_widget(talk):
    talk.widget.chat.ask("from a cell")
    assert texts(talk) == ["from a cell"]
    (said,) = talk.do("whole", run=talk.widget.turns[0]["run"])
    assert said["state"] == "finished" and "from a cell" in said["add"]


def test_the_cells_say_the_same_again(talk, monkeypatch):
    put(monkeypatch, rows=ROWS)
    talk.do("send", text="How many rows?", attach=["rows"])
    talk.do("model", name="echo:think")
    talk.do("send", text="line one\nline two")
    one, two = talk.do("cells")[-1]["sources"]
    first, second = (parse(s.partition("\n")[0].removeprefix("%%fm ")) for s in (one, two))
    assert (first.models, first.get("chat"), first.get("system"), first.get("attach")) == (("echo:",), "cars", "Be kind.", ("rows",))
    assert (second.models, second.get("chat"), second.get("system")) == (("echo:think",), "cars", None)
    assert one.partition("\n")[2] == "How many rows?" and two.partition("\n")[2] == "line one\nline two"


def test_a_conversation_is_written_with_its_branches_and_read_again(talk, tmp_path):
    talk.do("send", text="one")
    talk.do("edit", turn=0, text="uno")
    talk.do("export", path=str(tmp_path / "talk.json"))
    assert len(json.loads((tmp_path / "talk.json").read_text())["branches"]) == 2
    again = Page(ChatWidget(Chat.load(tmp_path / "talk.json")))
    assert texts(again) == ["uno"] and again.widget.turns[0]["branches"] == [0, 1]
    assert "uno" in again.do("whole", run=again.widget.turns[0]["run"])[0]["add"]
    again.do("switch", branch=0)
    assert texts(again) == ["one"]
    assert "-s 'Be kind.'" in again.widget.to_cells()[0] or "Be kind." in again.widget.to_cells()[0]
    talk.do("export", path=str(tmp_path / "talk.json"))
    assert "A file with that name exists" in talk.widget.error


@pytest.mark.parametrize(
    "what",
    [
        {"do": "switch", "branch": 9},
        {"do": "edit", "turn": "x", "text": "a"},
        {"do": "send", "text": "  "},
        {"do": "export", "path": "a.exe"},
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_lost(talk, what):
    talk.do("send", text="kept")
    talk.widget._on_page_message(None, what, [])
    assert talk.widget.error and texts(talk) == ["kept"]


def test_what_was_typed_is_taken_only_when_it_can_be_sent(talk):
    assert not [m for m in talk.do("send", text="hi {{ nope }}") or () if m.get("do") == "taken"]
    assert "nope" in talk.widget.error and texts(talk) == []
    assert {"do": "taken", "text": "hi", "turn": None} in talk.do("send", text="hi")
    assert not [m for m in talk.do("edit", turn=0, text="{{ nope }}") or () if m.get("do") == "taken"]
    assert {"do": "taken", "text": "other", "turn": 0} in talk.do("edit", turn=0, text="other")


@pytest.mark.parametrize("text", HOSTILE[::7])
def test_a_hostile_turn_is_text(talk, text):
    talk.do("send", text=text)
    html = talk.text(talk.widget.turns[0]["run"]) + talk.widget.static_view()[0]["text/html"]
    for bad in ("<script", "<img src=x", "<iframe src", 'href="javascript'):
        assert bad not in html.lower()


def test_a_script_edits_and_goes_back():
    chat = fm.Chat("echo:")
    chat.ask("a")
    chat.ask("b")
    chat.edit(0, "c")
    assert [m.text for m in chat.messages] == ["c", "c"] and len(chat.branches) == 2
    chat.switch(0)
    assert chat.turns == 2 and chat.alternatives(0) == ([0, 1], 0)
    with pytest.raises(fm.FmnbError, match="No such turn"):
        chat.edit(5, "x")
