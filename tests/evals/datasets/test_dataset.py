"""Test sets: where rows come from, how they are divided, what may never be trained on, and the file they are kept in."""

from __future__ import annotations

import json
import resource

import pandas
import polars
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fmnb as fm
from fmnb.core.errors import StoreError, UsageError
from fmnb.evals.datasets import dedupe, heldout
from fmnb.evals.datasets.dataset import Dataset
from fmnb.evals.datasets.sample import Sample

ROWS = [
    {"ticket": f"Ticket number {i} about {['money', 'login'][i % 2]}", "target": ["money", "login"][i % 2], "user": f"u{i // 5}"}
    for i in range(60)
]


@pytest.fixture
def tickets():
    return Dataset.from_rows(ROWS, name="tickets")


@pytest.mark.parametrize("kind", [pandas.DataFrame, polars.DataFrame, pyarrow.Table.from_pylist, lambda rows: rows])
def test_a_frame_of_any_kind_gives_the_same_rows(kind, tickets):
    made = Dataset.from_rows(kind(ROWS))
    assert made.version == tickets.version and len(made) == 60
    assert made[7].target == "login" and made[7].group == "u1" and "target" not in made[7].values


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet", ".json"])
def test_a_file_of_any_kind_gives_the_same_rows(ending, tmp_path, tickets):
    path, frame = tmp_path / f"t{ending}", pandas.DataFrame(ROWS)
    {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        ".json": lambda: frame.to_json(path, orient="records"),
        ".parquet": lambda: frame.to_parquet(path),
    }[ending]()
    assert Dataset.from_rows(path).version == tickets.version


def test_files_of_openai_evals_and_inspect(tmp_path):
    evals = tmp_path / "evals.jsonl"
    evals.write_text(
        json.dumps({"input": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "2+2"}], "ideal": ["4", "four"]})
    )
    d = Dataset.from_openai_evals(evals)
    assert d[0].values["input"] == "Be short.\n\n2+2" and d[0].target == ["4", "four"]
    inspect = tmp_path / "inspect.json"
    inspect.write_text(
        json.dumps({"samples": [{"id": 1, "input": "Sky?", "target": "A", "choices": ["blue", "red"], "metadata": {"k": 1}}]})
    )
    assert Dataset.from_inspect(inspect)[0].values["choices"] == ["blue", "red"]


@pytest.mark.parametrize(
    ("content", "ending", "says"),
    [
        (b"a,b\n1,2,3\n", "csv", "more cells"),
        (b"{broken", "jsonl", "line 1"),
        (b"[1]", "jsonl", "not a JSON object"),
        (b"\xff\xfe\x00", "csv", "UTF-8"),
        (b"{}", "json", "a list of objects"),
        (b"x", "docx", "Unknown file format"),
        (b'{"id": 1, "q": "a"}\n{"id": 1, "q": "b"}', "jsonl", "same id"),
    ],
)
def test_bad_files_are_refused_in_words(content, ending, says, tmp_path):
    path = tmp_path / f"bad.{ending}"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=says):
        Dataset.from_rows(path)


def test_a_wrong_column_and_a_wrong_file_name_the_nearest(tmp_path):
    (tmp_path / "tickets.csv").write_text("a\n1\n")
    with pytest.raises(UsageError, match="Did you mean tickets.csv"):
        Dataset.from_rows(tmp_path / "ticket.csv")
    with pytest.raises(UsageError, match="Did you mean ticket"):
        Dataset.from_rows(ROWS, target="tickt")


def test_saved_loaded_and_diffed(tmp_path, monkeypatch, tickets):
    monkeypatch.chdir(tmp_path)
    path = tickets.split(heldout=0.5).save()
    again = Dataset.load("tickets")
    assert path.name == "tickets.jsonl" and again.version == tickets.split(heldout=0.5).version and again.notes == ()
    lines = path.read_text().splitlines()
    assert len(lines) == 61 and lines[1:] == sorted(lines[1:], key=lambda x: json.loads(x)["id"])
    path.write_text("\n".join([*lines[:1], lines[1].replace("Ticket", "TICKET"), *lines[3:]]) + "\n")
    edited = Dataset.from_rows("tickets.jsonl")
    assert edited.notes == ("edited by hand",)
    changes = {r["change"] for r in again.diff(edited)}
    assert changes == {"removed", "changed: values"}


def test_a_disk_that_fails_leaves_the_old_file(tmp_path, tickets):
    path = tickets.save(tmp_path / "t.jsonl")
    before = path.read_text()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            tickets.split(dev=0.5).save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == before and [p.name for p in tmp_path.iterdir()] == ["t.jsonl"]


def test_groups_stay_whole_and_targets_are_even(tickets):
    d = tickets.split(heldout=0.4, dev=0.2)
    for user in {s.group for s in d}:
        assert len({s.split for s in d if s.group == user}) == 1
    held = d["heldout"]
    assert 20 <= len(held) <= 28 and abs(sum(s.target == "money" for s in held) / len(held) - 0.5) < 0.06
    assert [s.split for s in tickets.split(heldout=0.4, dev=0.2)] == [s.split for s in d], "the same each time"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from("abc")), min_size=1, max_size=60), st.floats(0, 0.6), st.floats(0, 0.4))
def test_every_row_lands_in_a_split_and_no_group_in_two(rows, held, dev):
    from fmnb.evals.datasets.splits import split

    samples = [Sample(str(i), {"q": i}, t, f"g{g}") for i, (g, t) in enumerate(rows)]
    out = split(samples, {"heldout": held, "dev": dev})
    assert {s.split for s in out} <= {"train", "dev", "heldout"}
    assert len({(s.group, s.split) for s in out}) == len({s.group for s in out})


def test_ungrouped_splits_have_the_size_asked_for():
    d = Dataset.from_rows([{"q": f"row {i}", "target": i % 3} for i in range(300)]).split(heldout=0.3, dev=0.1)
    assert (len(d["heldout"]), len(d["dev"]), len(d["train"])) == pytest.approx((90, 30, 180), abs=3)
    with pytest.raises(UsageError, match="sum to at most 1"):
        d.split(heldout=0.7, dev=0.5)


def test_duplicates_exact_and_near():
    a = "The customer says that the parcel never arrived and wants all of the money back at once"
    d = Dataset.from_rows(
        [{"q": a}, {"q": a.upper() + " "}, {"q": a + " please"}, {"q": "Quite another thing that has nothing to do with it"}]
    )
    assert len(d.dedupe()) == 3 and len(d.dedupe(similarity=0.8)) == 2
    assert d.dedupe(similarity=0.8).notes == ("1 duplicate dropped, 1 near",)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=4, max_size=14).map(" ".join), max_size=12))
def test_near_duplicates_are_those_of_comparing_every_pair(texts):
    sets = [dedupe._shingles(t) for t in texts]
    truth = {(i, j) for i in range(len(texts)) for j in range(i) if len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= 0.9}
    found = {(i, j) for i, j, _ in dedupe.near(texts, 0.9)}
    assert found <= truth and len(truth - found) <= len(truth) * 0.02


def test_leaks_between_splits_and_into_a_prompt():
    d = Dataset.from_rows(
        [{"q": "one two three four five six seven", "split": "train"}, {"q": "One two three four five six seven", "split": "heldout"}]
    )
    assert len(d.find_leakage()) == 1 and d.find_leakage()[0]["in"] == "train"
    d = Dataset.from_rows([{"q": "What is the capital of Mongolia?", "split": "heldout"}])
    assert [r["in"] for r in d.find_leakage("Example: what is the capital of  Mongolia? Ulaanbaatar. Now: {{ q }}")] == ["prompt"]
    assert d.find_leakage("Now: {{ q }}").note == "no leaks"


def test_held_out_rows_are_never_exported_not_even_from_another_set(tmp_path, tickets):
    d = tickets.split(heldout=0.3)
    with pytest.raises(UsageError, match="held out") as e:
        d.export(tmp_path / "x.jsonl", "sft", prompt="{{ ticket }}")
    assert not (tmp_path / "x.jsonl").exists() and "rows" in str(e.value)
    one = d["heldout"][0]
    smuggled = Dataset.from_rows([{"text": f"  {one.values['ticket'].upper()} ", "user": one.group, "target": "x"}])
    lines = smuggled.where(lambda s: True)
    assert len(d["train"].export(tmp_path / "x.jsonl", "sft", prompt="{{ ticket }}").read_text().splitlines()) == len(d["train"])
    with pytest.raises(UsageError, match="held out"):
        lines.export(tmp_path / "y.jsonl", "chat", prompt="{{ text }}")
    assert len(d.without_heldout()) == len(d["train"])


def test_a_prompt_made_of_a_held_out_row_is_refused_too():
    heldout.remember_texts(["Route this ticket: secret one"])
    from fmnb.evals.datasets.export import training_examples

    with pytest.raises(UsageError, match="held out"):
        training_examples([Sample("1", {"prompt": "route this ticket:  SECRET one"}, "x")], "sft")


def test_training_formats():
    from fmnb.evals.datasets.export import training_examples

    rows = [
        Sample("1", {"prompt": "p"}, "good", extra={"chosen": "good", "rejected": ["bad", "worse"]}),
        Sample("2", {"prompt": "q"}, "seen", weak=True),
        Sample("3", {"prompt": "r"}, "made", made="machine"),
        Sample("4", {"prompt": "s"}, {"a": 1}),
    ]
    assert training_examples(rows, "sft") == [{"prompt": "p", "completion": "good"}, {"prompt": "s", "completion": '{"a": 1}'}]
    assert [x["rejected"] for x in training_examples(rows, "dpo")] == ["bad", "worse"]
    assert [m["role"] for m in training_examples(rows, "chat", system="Be kind.")[0]["messages"]] == ["system", "user", "assistant"]
    with pytest.raises(UsageError, match="No row has the fields that dpo needs"):
        training_examples(rows[1:], "dpo")
    with pytest.raises(UsageError, match="training format"):
        training_examples(rows, "ppo")


def test_votes_edits_and_stars_become_rows():
    c = fm.compare("Say hello", ["echo:", "echo:think"])
    fm.vote(c, "left", user="ann")
    a = fm.ask("Another thing", "echo:")
    fm.feedback(a, "edit", "Better words", user="ann")
    given = fm.feedback(fm.ask("Sixth", "echo:"), "edit", text="The words of an edit")
    assert given.value == "The words of an edit"
    b = fm.ask("Third", "echo:")
    fm.feedback(b, "star", 2, user="bob")
    fm.feedback(fm.ask("Fourth", "echo:"), "thumb", 1)
    fm.feedback(fm.ask("Fifth", "echo:"), "thumb", -1)
    d = Dataset.from_votes()
    rows = {s.values["prompt"]: s for s in d}
    assert rows["Fourth"].target == "Fourth" and rows["Fifth"].target is None and rows["Fifth"].extra["rejected"] == ["Fifth"]
    assert rows["Say hello"].target == c[0].text and rows["Say hello"].group == "ann" and rows["Say hello"].extra["runs"][0] == c[0].run
    assert rows["Another thing"].target == "Better words" and rows["Another thing"].extra["rejected"] == ["Another thing"]
    assert rows["Sixth"].target == "The words of an edit"
    assert rows["Third"].target is None and rows["Third"].extra["rejected"] == ["Third"]


def test_votes_between_two_ways_to_ask_are_about_what_both_asked():
    c = fm.compare("Customer: hello", ["echo:"], prompts=["Be brief.", "Be kind."])
    fm.vote(c, "right")
    (row,) = Dataset.from_votes()
    assert row.values == {"prompt": "Customer: hello"} and row.target == "Be kind.\n\nCustomer: hello"
    assert row.extra["rejected"] == ["Be brief.\n\nCustomer: hello"]


def test_behaviour_is_weak_and_of_a_user(tmp_path):
    a, b = fm.ask("One", "echo:"), fm.ask("Two", "echo:")
    path = tmp_path / "behaviour.csv"
    path.write_text(f"run,kind,value,user\n{a.run},copied,1,ann\n{b.run},dwell,12.5,bob\n")
    assert fm.import_feedback(path) == 2
    rows = {s.values["prompt"]: s for s in Dataset.from_feedback()}
    assert rows["One"].weak and rows["One"].target == "One" and rows["One"].group == "ann"
    assert rows["Two"].weak and rows["Two"].target is None and rows["Two"].extra["behavior"] == {"dwell": "12.5"}
    path.write_text("run,kind\nnosuchrun,copied\n")
    with pytest.raises(UsageError, match="not in the log"):
        fm.import_feedback(path)


def test_prompts_of_the_log():
    fm.ask("Find me later", "echo:")
    d = Dataset.from_log("later")
    assert d[0].values == {"prompt": "Find me later"} and d[0].target is None and d[0].extra["answer"] == "Find me later"


def test_agreement_of_two_and_of_three_annotators():
    d = Dataset.from_rows([{"q": f"row {i}"} for i in range(40)])
    for i, s in enumerate(list(d)):
        d = d.with_label(s.id, "ann", i % 2).with_label(s.id, "bob", i % 2 if i % 10 else 1 - i % 2)
    k = d.agreement()
    assert k.n == 40 and k.observed == 0.9 and k.low < k.value < k.high
    d = d.with_label(d[0].id, "eve", 1)
    assert d.agreement().n == 40
    with pytest.raises(UsageError, match="two annotators"):
        Dataset.from_rows([{"q": 1}]).agreement()


def test_votes_of_this_notebook_count_unless_all_are_asked_for(monkeypatch):
    from fmnb.calls.session import session

    for notebook, question, choice in (("a.ipynb", "First", "left"), ("b.ipynb", "Second", "right")):
        monkeypatch.setattr(session, "notebook", notebook)
        fm.vote(fm.compare(question, ["echo:", "echo:think"]), choice)
    assert [s.values["prompt"] for s in Dataset.from_votes()] == ["Second"]
    assert [s.values["prompt"] for s in Dataset.from_feedback("vote", notebook="a.ipynb")] == ["First"]
    assert len(Dataset.from_votes(notebook="all")) == 2
    assert [r["votes"] for r in fm.leaderboard()] == [1, 1] and [r["votes"] for r in fm.leaderboard(notebook="all")] == [2, 2]
    monkeypatch.setattr(session, "notebook", "c.ipynb")
    assert "2 in other notebooks" in fm.leaderboard().note
    monkeypatch.setattr(session, "notebook", "")
    assert [r["votes"] for r in fm.leaderboard()] == [
        2,
        2,
    ] and "of all notebooks, since the current one is unknown" in fm.leaderboard().note
    assert "the current one is unknown" in Dataset.from_votes().notes[0]
