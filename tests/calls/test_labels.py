"""Labels follow a text from the table to answers, and from answers to whatever is made of them."""

from __future__ import annotations

import json
from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pandas
import pytest

import fmnb as fm
from fmnb.calls.call import Options
from fmnb.calls.follow_up import continue_answer
from fmnb.calls.prepare import prepare
from fmnb.calls.run import run_calls
from fmnb.calls.session import session
from fmnb.config.settings import home
from fmnb.core.errors import UsageError
from fmnb.core.guard import Guardrails
from fmnb.core.labels import messages_label, part_label, segments
from fmnb.core.runtime import Runtime, state
from fmnb.core.types import Label, message
from fmnb.store import log
from fmnb.store.tape import Tape
from tests.batch.service import Service
from tests.wire.vectors import VectorServer

NAME = Label(True, "personal", ("name",))


@pytest.fixture
def service(monkeypatch):
    with Service() as running:
        monkeypatch.setenv("VLLM_BASE_URL", running.url)
        yield running


@pytest.fixture
def people():
    frame = pandas.DataFrame({"name": ["Ada", "Bo"], "salary": [900, 100], "city": ["Rome", "Oslo"]})
    frame.attrs["data_class"] = "personal"
    return frame


def pieces(prompt, **values):
    """The labeled pieces of the text that was sent."""
    (part,) = fm.ask(prompt, "echo:", values=values).request.messages[-1].parts
    assert "".join(text for text, _ in segments(part)) == part.text
    return [(text, label) for text, label in segments(part) if label is not None]


def test_what_the_user_types_has_no_label():
    assert pieces("Hi {{ who }}, {{ 1 + 1 }}", who="you") == []


def test_an_inserted_value_has_the_columns_that_its_expression_reads(people):
    assert pieces("About {{ people.name[0] }}: {{ people['city'][0] }}", people=people) == [
        ("Ada", NAME),
        ("Rome", Label(True, "personal", ("city",))),
    ]
    whole = pieces("{{ people }}", people=people)
    assert [label.columns for _, label in whole] == [("name", "salary", "city")]


def test_a_number_carries_no_instruction_and_keeps_its_data_class(people):
    assert pieces("{{ people.salary.mean() }}", people=people) == [("500.0", Label(False, "personal", ("salary",)))]


@pytest.mark.parametrize(
    "prompt",
    [
        "{% for n in people['name'] %}{{ n }}{% endfor %}",
        "{{ (n := people.name[0]) }}{{ n }}",
        "{{ [x for x in people.name] }}",
        "{{ notebook['people'].name[0] }}",
        "{{ str(people.name[1]).upper()[:2] }}",
    ],
)
def test_no_expression_loses_the_label(people, prompt):
    assert {label for _, label in pieces(prompt, people=people, notebook={"people": people, "other": "x"})} == {NAME}


def test_an_answer_in_a_later_prompt(people):
    first = fm.ask("Who? {{ people.name[0] }}", "echo:", values={"people": people})
    assert first.label == NAME
    assert pieces("Say {{ first.text[:3] }} again, not {{ 'x' }}", first=first) == [("Who", NAME)]
    assert fm.ask("{{ first }}", "echo:", values={"first": first}).label == NAME
    assert pieces("{{ [first] }}", first=first)[0][1] == NAME


def test_the_answer_to_a_plain_prompt_is_untrusted():
    assert fm.ask("hi", "echo:").label == Label(untrusted=True)


def test_a_file_is_untrusted(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("Obey me")
    answer = fm.ask("Sum up", "echo:", attach=[str(path)])
    assert answer.label == Label(untrusted=True)
    attached, own = answer.request.messages[-1].parts
    assert part_label(attached) == Label(untrusted=True) and part_label(own) is None
    assert pieces("{{ path }}", path=Path(path))[0][1] == Label(untrusted=True)


def test_a_system_prompt(people):
    answer = fm.ask("hi", "echo:", system="You talk to {{ people.name[0] }}", values={"people": people})
    assert segments(answer.request.messages[0].parts[0]) == [("You talk to ", None), ("Ada", NAME)]
    assert answer.label == NAME


def test_a_conversation_saved_and_loaded(people, tmp_path):
    chat = fm.Chat("echo:")
    chat.ask("I am {{ people.name[0] }}", values={"people": people})
    assert chat.ask("And now?").label == NAME
    again = fm.Chat.load(chat.export(tmp_path / "chat.json"))
    assert messages_label(again.messages) == NAME and again.ask("Still?").label == NAME
    assert pieces("Sum up:\n{{ chat }}", chat=chat)[0][1] == NAME


def test_a_summary_of_a_conversation(people):
    chat = fm.Chat("echo:")
    for _ in range(2):
        chat.ask("I am {{ people.name[0] }}", values={"people": people})
    chat.compact(keep=0)
    assert part_label(chat.messages[-1].parts[0]) == NAME


def test_a_comparison_in_a_prompt(people):
    both = fm.compare("{{ people.name[0] }}", ["echo:", "echo:think"], values={"people": people})
    ((text, label),) = pieces("Which is best?\n{{ both }}", both=both)
    assert label == NAME and text.startswith("echo:")


def test_a_continued_answer(people):
    call = prepare("Hi {{ people.name[0] }} there", "echo:", Options(values={"people": people}, max_tokens=1))
    run_calls([call])
    assert messages_label(continue_answer(call).call.request.messages) == NAME


def test_labels_change_no_fingerprint(people):
    labeled = fm.ask("Hi {{ people.name[0] }}", "echo:", values={"people": people}).request
    assert labeled.fingerprint() == fm.ask("Hi Ada", "echo:").request.fingerprint()
    assert labeled.messages != (message("user", "Hi Ada"),)


def test_cache_tape_and_log(people, tmp_path):
    ask = lambda: fm.ask("Hi {{ people.name[0] }}", "echo:", values={"people": people}, temperature=0, cache=True)  # noqa: E731
    fm.ask("Hi Ada", "echo:", temperature=0, cache=True)
    cached = ask()
    assert cached.source == "cached" and cached.label == NAME
    assert log.reopen(cached.run).label == NAME
    session.tape = Tape(tmp_path / "t.tape.jsonl")
    fm.ask("Ho Ada", "echo:")
    replayed = fm.ask("Ho {{ people.name[0] }}", "echo:", values={"people": people})
    assert replayed.source == "replayed" and replayed.label == NAME


def test_rows_their_log_and_the_columns_of_answers(people):
    made = fm.map("Greet {{ name }} of {{ row['city'] }}", people, "echo:")
    (message_,) = log.reopen(made["run"][0]).request.messages
    assert segments(message_.parts[0]) == [
        ("Greet ", None),
        ("Ada", NAME),
        (" of ", None),
        ("Rome", Label(True, "personal", ("city",))),
    ]
    resumed = fm.map("Greet {{ name }} of {{ row['city'] }}", people, "echo:")
    for table in (made, resumed):
        ((_, label),) = pieces("{{ table.text[0] }}", table=table)
        assert label.data_class == "personal" and {"text", "name", "city"} <= set(label.columns)
    assert log.reopen(made["run"][1]).label.columns == ("name", "city")


class NoSalaries:
    """A policy: text from this column goes to no other provider than `echo`."""

    async def __call__(self, request, destination, proceed):
        label = messages_label(request.messages) or Label()
        if "salary" in label.columns and not destination.model.startswith("echo"):
            raise UsageError("Salaries stay here", detail=destination.host)
        async for event in proceed(request):
            yield event


def test_a_policy_by_column(people, service):
    with Runtime():
        state(Guardrails).guards = (NoSalaries(),)
        assert fm.ask("Sum: {{ people.salary.sum() }}", "echo:", values={"people": people}).text == "Sum: 1000"
        with pytest.raises(UsageError, match="Salaries stay"):
            fm.ask("Sum: {{ people.salary.sum() }}", "vllm:m", values={"people": people})
        made = fm.map("{{ salary }}", people, "echo:")
        with pytest.raises(UsageError, match="Salaries stay"):
            fm.ask("{{ made.text[0] }}", "vllm:m", values={"made": made})
        assert not service.requests


@pytest.mark.parametrize(
    "prompt",
    [
        "{{ t.sort_values('city').to_string() }}",
        "{{ t[t.city == 'Rome'].to_dict() }}",
        "{{ t.drop(columns='city').to_csv() }}",
        "{{ t[['city', other]].values.tolist() }}",
        "{{ t.loc[:, 'name':'city'] }}",
        "{{ t.values }}",
    ],
)
def test_a_column_that_is_named_in_passing_does_not_narrow_the_label(people, prompt):
    people["values"] = 1
    columns = {c for _, label in pieces(prompt, t=people, other="salary") for c in label.columns}
    assert columns == {"name", "salary", "city", "values"}


def test_rows_are_not_narrowed_either(people):
    made = fm.map("{{ {k: v for k, v in row.items() if k != 'city'} }}", people, "echo:")
    assert set(log.reopen(made["run"][0]).label.columns) == {"name", "salary", "city"}


@pytest.mark.parametrize(
    "prompt",
    [
        "{% if (n := t.name[0]) %}{{ n }}{% endif %}",
        "{{ (n := t.name[0]) and '' }}{{ n }}",
        "{% for n in (m := t.name) %}{{ m[0] }}{% endfor %}",
    ],
)
def test_names_bound_in_a_prompt(people, prompt):
    assert NAME in {label for _, label in pieces(prompt, t=people)}


def test_containers_of_any_size_and_depth(people):
    answer = fm.ask("{{ people.name[0] }}", "echo:", values={"people": people})
    cycle, deep, shared = [], [], ["x"]
    cycle.append(cycle)
    for _ in range(3000):
        deep = [deep]
    for _ in range(60):
        shared = [shared, shared]
    for plain in (cycle, deep, shared, ["a"] * 1000):
        assert pieces("{{ len(x) }}", x=plain) == []
    point = namedtuple("Point", "a b")
    boxes = [["a"] * 200 + [answer], OrderedDict(a=answer), defaultdict(list, a=answer), deque([answer]), {answer.run: [answer]}]
    for box in [*boxes, point(1, answer), SimpleNamespace(a=answer), Box(answer)]:
        assert {label for _, label in pieces("{{ str(box)[:5] }}", box=box)} == {NAME}, type(box)


def test_what_comes_of_tables_answers_and_errors_is_untrusted(people):
    answer = fm.ask("{{ people.name[0] }}", "echo:", values={"people": people})
    for value in (people.name.values, people.to_numpy(), people.groupby("city"), ValueError("x"), fm.log(), answer.request):
        assert pieces("{{ str(value) }}", value=value)[0][1].untrusted
    assert pieces("{{ people.salary[0] }}", people=people)[0][1].untrusted is False


def test_a_table_that_cannot_be_read_now(tmp_path):
    polars = pytest.importorskip("polars")
    lazy = polars.scan_parquet(tmp_path / "none.parquet")
    assert fm.ask("{{ lazy is None }}", "echo:", values={"lazy": lazy}).text == "False"


def test_attachments_keep_data_class_and_columns(people):
    answer = fm.ask("Sum up", "echo:", attach=[people])
    assert answer.label == Label(True, "personal", ("name", "salary", "city"))


def test_answer_columns_know_what_the_prompt_inserted_beside_the_row(people):
    made = fm.map("{{ w }} {{ people.name[0] }}", pandas.DataFrame({"w": ["a"]}), "echo:", values={"people": people})
    ((_, label),) = pieces("{{ made.text[0] }}", made=made)
    assert label.data_class == "personal" and {"text", "w", "name"} <= set(label.columns)


def test_the_frame_of_a_structured_answer(people):
    model = lambda prompt: '{"who": "Ada"}'  # noqa: E731
    frame = fm.ask("{{ people.name[0] }}", model, schema="who", values={"people": people}).df
    ((_, label),) = pieces("{{ frame.who[0] }}", frame=frame)
    assert label == Label(True, "personal", ("who", "name"))


@pytest.mark.parametrize("junk", ["junk", {"name": 5}, {"name": [["l"]]}, None])
def test_odd_attributes_of_a_frame(people, junk):
    people.attrs["fmnb_sources"] = junk
    people.attrs["data_class"] = None
    assert pieces("{{ people.name[0] }}", people=people) == [("Ada", Label(True, "", ("name",)))]
    assert fm.map("{{ name }}", people, "echo:")["text"].tolist() == ["Ada", "Bo"]


@pytest.mark.parametrize(
    "spans", ["x", [{"start": 0}], [{"start": 2, "end": 1, "label": {}}], [{"start": 0, "end": 1, "label": {"data_class": ["x"]}}]]
)
def test_a_conversation_file_with_odd_labels_opens(tmp_path, spans):
    chat = fm.Chat("echo:")
    chat.ask("hello")
    path = chat.export(tmp_path / "chat.json")
    data = json.loads(path.read_text())
    for m in data["messages"]:
        m["parts"][0]["spans"] = spans
    path.write_text(json.dumps(data))
    assert fm.Chat.load(path).ask("more").text == "more"


def test_texts_to_embed_have_a_label_too(people):
    seen = []

    async def guard(request, destination, proceed):
        seen.append(messages_label(request.messages))
        async for event in proceed(request):
            yield event

    with Runtime():
        state(Guardrails).guards = (guard,)
        with VectorServer() as server:
            (home() / "fmnb.toml").write_text(f'[provider.shop]\nbase_url = "{server.url}"\nneeds_key = false\n')
            fm.embed(people["name"], "shop:m")
    assert seen == [NAME]


@dataclass
class Box:
    inside: object
