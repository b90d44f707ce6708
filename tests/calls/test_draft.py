"""A prompt while it is typed: ready as far as that does nothing."""

import pytest

from fmnb.calls.call import Options
from fmnb.calls.draft import calls, draft
from fmnb.core.errors import PromptError


def drafted(text, **names):
    return draft(text, "echo:", Options(values=names))


@pytest.mark.parametrize(
    "text",
    [
        "{{ f() }}",
        "{{ a.b() }}",
        "{% for x in f() %}{{ x }}{% endfor %}",
        "{% if f() %}a{% endif %}",
        "{{ [g(x) for x in xs] }}",
        "{{ await_(1) }}",
    ],
)
def test_a_call_waits(text):
    touched = []
    names = {n: lambda *_: touched.append(1) for n in ("f", "g", "await_")} | {
        "a": type("A", (), {"b": lambda s: touched.append(1)})(),
        "xs": [1],
    }
    asked, waiting = drafted(text, **names)
    assert waiting and not touched and asked.call.request.messages[-1].text == text


@pytest.mark.parametrize(
    "text", ["{{ a + 1 }}", "{{ rows[0]['x'] }}", "{{ len(rows) }}", "{{ [r['x'] for r in rows] }}", "{{ schema(rows) }}"]
)
def test_reading_happens_at_once(text):
    asked, waiting = drafted(text, a=1, rows=[{"x": 2}])
    assert waiting == () and "{{" not in asked.call.request.messages[-1].text


def test_a_harmless_name_that_the_notebook_has_taken_waits():
    assert calls("{{ len(x) }}", {"len": print}) == ["len(x)"]


def test_a_name_that_is_not_there_is_said_though_another_one_waits():
    with pytest.raises(PromptError, match="colour"):
        drafted("{{ f() }} {{ colour }}", f=print)


def test_loops_and_comprehensions_bring_names_of_their_own():
    assert drafted("{% for x in xs %}{{ f(x) }}{% endfor %}", xs=[1], f=print)[1] == ("f(x)",)
