"""The playground: fields, weight, attempts, cells."""

import pytest

from fmnb.calls.prepare import prepare
from fmnb.core.errors import UsageError
from fmnb.jupyter.magics.cell import options_of
from fmnb.jupyter.magics.options import parse
from fmnb.jupyter.widgets.playground import Playground
from tests.jupyter.widgets.page import Page, put
from tests.views.hostile import HOSTILE


def form(page, **changes):
    return {**{k: v for k, v in page.widget.form.items() if k != "v"}, **changes}


@pytest.fixture
def play():
    return Page(Playground("echo:", "hello there", temperature=0))


def test_a_script_does_the_same():
    play = Playground("echo:", "one two three", max_tokens=2)
    assert play.run().text.strip() == "one two" and len(play.responses) == 1 and play.response is play.responses[0]
    with pytest.raises(UsageError, match="colour"):
        Playground("echo:", "x", colour="red")


def test_the_fields_are_those_the_model_takes(play):
    names = lambda: [f["name"] for f in play.widget.fields]  # noqa: E731
    assert "seed" in names() and "quant" not in names() and "api" not in names()
    play.do("draft", form=form(play, model="anthropic:claude-sonnet-4-5"))
    assert "seed" not in names() and "api" in names()


def test_what_a_model_does_not_take_is_not_sent_and_not_lost(play):
    play.do("draft", form=form(play, model="anthropic:claude-sonnet-4-5", params={"seed": "7", "temperature": "0.5"}))
    assert play.widget.prepare().call.request.seed is None
    play.do("draft", form=form(play, model="echo:"))
    assert play.widget.prepare().call.request.seed == 7


def test_typing_says_tokens_and_price_and_asks_nothing(play):
    (said,) = play.do("draft", form=form(play, prompt="one two three"))
    assert said["tokens"] == "3 tokens" and said["price"] == "free" and not said["problem"]
    (said,) = play.do("draft", form=form(play, model="openai:gpt-5-mini"))
    assert said["tokens"].startswith("about") and said["price"].startswith("at most $") and "key" in said["problem"]
    assert play.widget.responses == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"prompt": "{{ 1 +"}, ""),
        ({"params": {"temperature": "hot"}}, "temperature"),
        ({"params": {"temperature": "9"}}, "between 0 and 2"),
        ({"params": {"max_tokens": "1.5"}}, "max_tokens"),
        ({"params": {"schema": "x nonsense["}}, "nonsense"),
        ({"raw": "no equals sign"}, "name=value"),
        ({"raw": "api_key=secret"}, "key"),
        ({"model": "nobody:nothing"}, "nobody"),
    ],
)
def test_a_mistake_is_said_while_one_types(play, changes, word):
    (said,) = play.do("draft", form=form(play, **changes))
    assert word in said.get("problem", "") and play.widget.form["prompt"] == changes.get("prompt", "hello there")


def test_a_name_that_is_not_defined_is_a_note_until_the_first_run(play, monkeypatch):
    asked = form(play, prompt="{{ nowhere }} {{ nowhere.there }}")
    (said,) = play.do("draft", form=asked)
    assert said == {"do": "weight", "note": "nowhere: not defined yet"}
    put(monkeypatch, nowhere="here")
    (said,) = play.do("draft", form={**asked, "prompt": "{{ nowhere }}"})
    assert "note" not in said and said["tokens"]
    play.do("run", form={**asked, "prompt": "{{ nowhere }}"})
    (said,) = play.do("draft", form={**asked, "prompt": "{{ elsewhere }}"})
    assert "elsewhere" in said["problem"]


def test_a_function_is_shown_by_its_name_and_asked():
    def upper(text):
        return text.upper()

    page = Page(Playground(upper, "hello"))
    assert page.widget.form["model"] == "upper"
    assert page.widget.run().text == "HELLO" and page.widget.attempts[0]["label"] == "1 · upper"
    page.do("run", form=form(page, prompt="again"))
    assert page.widget.response.text == "AGAIN"
    page.do("run", form=form(page, model="echo:", prompt="low"))
    assert page.widget.response.text == "low"


def test_nothing_is_called_before_it_is_asked_for(play, monkeypatch):
    called = []
    put(monkeypatch, act=lambda: called.append(1) or "done")
    (said,) = play.do("draft", form=form(play, prompt="x {{ act() }}", system="{{ act() }}"))
    assert said["waiting"] == "act()" and not called
    shown = play.do("preview", form=form(play, prompt="x {{ act() }}", system=""))
    assert shown[0]["text"] == "user:\nx done" and called == [1] and play.widget.responses == []


def test_attempts_are_kept_and_come_back_with_one_click(play):
    play.do("run", form=form(play, prompt="first", params={"temperature": "0.3"}))
    play.do("run", form=form(play, prompt="second", params={}))
    one, two = (a["run"] for a in play.widget.attempts)
    assert play.widget.shown["run"] == two and [r.text for r in play.widget.responses] == ["first", "second"]
    before = play.widget.form["v"]
    play.do("restore", run=one)
    assert play.widget.form["prompt"] == "first" and play.widget.form["params"] == {"temperature": "0.3"}
    assert play.widget.form["v"] > before and play.widget.shown["run"] == one


def test_a_pinned_attempt_stands_beside_the_shown_one_with_its_differences(play):
    play.do("run", form=form(play, prompt="a fast car"))
    play.do("run", form=form(play, prompt="a slow car"))
    one = play.widget.attempts[0]["run"]
    play.do("pin", run=one)
    (said,) = play.do("diff")
    assert "<del" in said["html"] and "fast" in said["html"] and "<ins" in said["html"]
    html = play.widget.static_view()[0]["text/html"]
    assert html.index("a fast car") < html.index("<section") or html.count("<section") == 2
    play.do("pin", run="nothing")
    assert "No such attempt" in play.widget.error and play.widget.shown["pinned"] == one


def test_the_cell_asks_the_same_again(play, cells_names):
    given = form(
        play,
        system='line one\nline "two" {{ n }}',
        prompt="Say {{ n }}",
        params={"temperature": "0.5", "stop": "END\nSTOP", "schema": "a, b int"},
    )
    play.do("run", form={**given, "params": {**given["params"], "schema": ""}})
    source = play.do("cell", run=play.widget.attempts[0]["run"])[-1]["sources"][0]
    line, _, text = source.partition("\n")
    parsed = parse(line.removeprefix("%%fm "))

    class Shell:
        user_ns = cells_names

    again = prepare(text, parsed.models[0], options_of(parsed, Shell()))
    assert again.call.request == play.widget.responses[0].request
    assert again.call.request.messages[0].text == 'line one\nline "two" 3' and text == "Say {{ n }}"


@pytest.fixture
def cells_names(monkeypatch):
    put(monkeypatch, n=3)
    return {"n": 3}


def test_a_failure_is_an_attempt_and_shown(play):
    play.do("run", form=form(play, model="echo:fail=cut", prompt="one two three four"))
    assert play.last("answer")["state"] == "failed" and play.widget.attempts[0]["note"].startswith("failed")
    assert "ended the connection" in play.widget.static_view()[0]["text/html"]


def test_models_are_found_by_typing(play):
    (said,) = play.do("models", query="echo")
    assert said["rows"][0] == {"model": "echo:", "note": "local, free"}
    (said,) = play.do("models", query="no such model at all")
    assert said["rows"] == []


def test_what_a_page_sends_is_taken_as_text(play):
    play.do("run", form={"model": "echo:", "prompt": 5, "params": "none", "system": None})
    assert play.widget.form["prompt"] == "5" and isinstance(play.widget.form["params"], dict)


@pytest.mark.parametrize("text", HOSTILE[::7])
def test_a_hostile_answer_is_text_everywhere(play, text):
    play.do("run", form=form(play, prompt=text, model="echo:"))
    play.do("pin", run=play.widget.attempts[-1]["run"])
    for html in (play.text(play.widget.shown["run"]), play.widget.static_view()[0]["text/html"]):
        for bad in ("<script", "<img src=x", "onerror=alert(1)>", "<iframe src", 'href="javascript'):
            assert bad not in html.lower().replace("&lt;", "[")


def test_nothing_asked_leaves_a_face_that_says_so():
    assert "empty playground" in Playground("echo:").static_view()[0]["text/html"]
