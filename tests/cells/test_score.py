"""`%%fm --over --score` as users type it."""

from __future__ import annotations

import pandas

import fmnb as fm
from fmnb.evals.evaluation import Evaluation
from fmnb.evals.scorers.judge import Judge

FRAME = pandas.DataFrame(
    {"ticket": ["pay me", "log in", "refund", "password"], "label": ["pay me", "log in", "money", "login"], "user": list("aabb")}
)


def test_an_evaluation_is_the_cells_value(cells):
    cells.ns["tickets"] = FRAME
    e = cells("%%fm echo: --over tickets --score exact,contains --target label\n{{ ticket }}")
    assert (
        isinstance(e, Evaluation)
        and e.sentence
        == "echo: scores 50.0% (4 rows, 2 users); no interval: only 2 users; at least 5 are needed to estimate how much they differ."
    )
    assert "echo: scores 50.0%" in cells.out
    assert "<strong>echo: scores" in e._repr_html_()


def test_a_target_in_the_prompt_is_called_the_target(cells):
    cells.ns["tickets"] = FRAME
    error = cells.fails("%%fm echo: --over tickets --score exact --target label\n{{ ticket }} {{ label }}")
    assert error.message == "{{ label }} is the target, which is withheld from the model" and "ticket, user" in error.hint
    cells.ns["tickets"] = FRAME.rename(columns={"label": "target"})
    assert "is the target" in cells.fails("%%fm echo: --over tickets --score exact\n{{ target }}").message
    cells.ns["tickets"] = FRAME[["label"]]
    error = cells.fails("%%fm echo: --over tickets --score exact --target label\nhi")
    assert error.message == "The table has no column besides the target" and error.detail == "label"


def test_a_table_without_rows_is_called_that(cells):
    cells.ns["tickets"] = FRAME[:0]
    assert cells.fails("%%fm echo: --over tickets --score exact --target label\n{{ ticket }}").message == "The table has no rows"


def test_models_functions_and_judges_of_the_notebook(cells):
    def upper(text):
        return text.upper()

    def verdict(text):
        return '{"verdict": "A"}'

    cells.ns |= {"tickets": FRAME, "upper": upper, "loud": lambda answer, target: answer.isupper(), "mine": Judge(verdict)}
    assert cells("%%fm echo: upper --over tickets --score loud,mine --target label -o e\n{{ ticket }}") is None
    e = cells.ns["e"]
    assert e.sentence in cells.out, "the verdict is shown, also where it goes under a name"
    assert e.names == ("echo:", "upper") and [s.value for s in e.scores["function"]] == [0, 1] * 4
    assert set(e.matrix("judge").values.ravel()) == {0.5} and "uncalibrated" in str(e)


def test_prompts_are_evaluated_like_models(cells):
    cells.ns |= {"tickets": FRAME, "plain": fm.Prompt("{{ ticket }}", name="plain"), "loud": fm.Prompt("{{ ticket.upper() }}", name="loud")}
    e = cells("%%fm echo: --over tickets --prompts plain,loud --score exact --target label\n ")
    assert e.names == ("echo:, plain", "echo:, loud") and e.matrix().values.mean(axis=0).tolist() == [0.5, 0]
    assert "--score" in str(cells.fails("%%fm echo: --over tickets --prompts plain,loud\n "))


def test_prompts_are_called_as_the_line_calls_them(cells):
    cells.ns |= {
        "tickets": FRAME,
        "brief": fm.Prompt("{{ ticket }}"),
        "warm": "Hello! {{ ticket }}",
        "_third": fm.Prompt("{{ ticket }}!", name="saved"),
    }
    e = cells("%%fm echo: --over tickets --prompts brief,warm,_third --score exact --target label\n ")
    assert e.names == ("echo:, brief", "echo:, warm", "echo:, _third")
    assert "prompt 1" not in str(e) and "echo:, warm" in str(e)
    cells.ns |= {"ticket": "card"}
    c = cells("%%fm echo: --prompts brief,warm\nwords")
    assert [a["prompt"] for a in c.conditions] == ["brief", "warm"] and [r.text.split()[0] for r in c] == ["card", "Hello!"]


def test_prompts_of_a_dict_have_its_names():
    e = fm.evaluate(
        "", FRAME, ["echo:"], "exact", target="label", prompts={"plain": "{{ ticket }}", "loud": fm.Prompt("{{ ticket.upper() }}")}
    )
    assert e.names == ("echo:, plain", "echo:, loud")


def test_what_cannot_be_scored_is_refused_in_words(cells):
    cells.ns["tickets"] = FRAME
    assert "--over" in str(cells.fails("%%fm echo: --score exact\nhi"))
    assert "--score" in str(cells.fails("%%fm echo: --over tickets --target label\n{{ ticket }}"))
    assert "no row has one" in str(cells.fails("%%fm echo: --over tickets --score exact\n{{ ticket }}"))
    assert "Did you mean exact" in str(cells.fails("%%fm echo: --over tickets --score exat --target label\n{{ ticket }}"))
    assert "confirm with `code:run`" in str(cells.fails("%%fm echo: --over tickets --score code --target label\n{{ ticket }}")).lower()


def test_a_function_of_the_notebook_judges(cells):
    def longer(text):
        a, b = (text.split(f"<answer_{x}>")[1].split("</")[0] for x in "AB")
        return f'{{"verdict": "{"A" if len(a) > len(b) else "B"}"}}'

    cells.ns |= {"tickets": FRAME, "longer": longer, "shout": lambda text: text + "!"}
    e = cells("%%fm echo: shout --over tickets --score judge:longer,exact --target label\n{{ ticket }}")
    assert list(e.scores) == ["judge:longer", "exact"] and e.matrix().values.tolist() == [[0, 1]] * 4


def test_known_answers_are_asked_again_when_it_is_said(cells):
    calls = []
    cells.ns |= {"tickets": FRAME, "count": lambda text: calls.append(text) or text}
    for option, times in (("", 4), ("", 4), ("--no-cache", 8)):
        e = cells(f"%%fm count --over tickets --score exact --target label {option}\n{{{{ ticket }}}}")
        assert len(calls) == times, option
    assert e.cache_use.count == 0


def test_votes_of_this_notebook_on_the_leaderboard(cells, monkeypatch):
    from fmnb.calls.session import session

    monkeypatch.setattr(session, "notebook", "a.ipynb")
    cells("%%fm echo: echo:think\nhello")
    cells("%fm vote left")
    assert len(cells("%fm leaderboard")) == 2
    monkeypatch.setattr(session, "notebook", "b.ipynb")
    assert len(cells("%fm leaderboard")) == 0 and len(cells("%fm leaderboard --all")) == 2
