"""What an earlier version wrote on a disk opens, complete, and goes on: `tests/stored` holds its files, `tests/stored/write.py` says how they came.

The files stay as they are. Each test opens a copy, through what users type.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import json
import re
import shutil
import sys
import time
from pathlib import Path

import pytest

import fmnb as fm
from tests.cells.conftest import cells  # noqa: F401 - a shell with the extension

STORED = Path(__file__).parent / "stored"


def module(name):
    """A file of the stored folder, under the name it had for whoever wrote: a class's module is part of what it is."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, STORED / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


questions, surface, replayed, models = map(module, ("questions", "surface", "replayed", "notebook_models"))
Service = module("service").Service


@pytest.fixture(scope="session")
def expected():
    """What whoever wrote the files saw in them."""
    return json.loads(gzip.decompress((STORED / "expected.json.gz").read_bytes()))


@pytest.fixture(autouse=True)
def place(home, tmp_path, monkeypatch):
    """Copies of the stored home and of the folder of its notebook, which is the working folder."""
    shutil.copytree(STORED / "home", home, dirs_exist_ok=True)
    for packed in home.rglob("*.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    (home / "keys.json").chmod(0o600)
    shutil.copytree(STORED / "work", tmp_path / "work")
    monkeypatch.setenv("TZ", "UTC")  # sentences hold dates
    monkeypatch.setenv("FMNB_MODELS", str(home / "models"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    time.tzset()
    models.CALLS.clear()
    yield tmp_path / "work"
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def shell(cells, place, monkeypatch):  # noqa: F811
    monkeypatch.chdir(place)
    return cells.shell


@pytest.fixture
def service(home, place, monkeypatch):
    monkeypatch.chdir(place)
    with Service() as running:
        questions.settings(home, running.url)
        yield running


def same(found, stored):
    """Equal, as JSON has it; a NaN is one. Since then, a missing interval says how many rows it needs."""
    text = json.dumps(json.loads(json.dumps(found, default=str)), sort_keys=True)
    assert re.sub(r"; at least \d+ are needed for an interval", "", text) == json.dumps(stored, sort_keys=True)


def test_every_run_of_the_log_opens_as_it_was(shell, expected):
    found = surface.everything(shell)
    stored = expected["everything"]
    for kind in (*surface.KINDS, "words", "votes"):
        assert found[kind].keys() == stored[kind].keys()
        for run in stored[kind]:
            same(found[kind][run], stored[kind][run])
    same(found["leaderboard"], stored["leaderboard"])
    assert len(fm.leaderboard(notebook=questions.NOTEBOOK)) == len(stored["leaderboard"]) - 1


def test_the_log_holds_what_it_should(expected):
    kinds = {kind: len(expected["everything"][kind]) for kind in surface.KINDS}
    assert all(kinds.values()) and kinds["row"] > 80 and kinds["call"] > 60
    errors = {r["error"]["kind"] for run in expected["everything"]["call"].values() if (r := run["opened"])["error"]}
    assert len(errors) > 15


@pytest.mark.parametrize("prompt", questions.CACHED)
def test_a_repeatable_call_is_answered_from_the_cache(prompt, service, expected):
    r = fm.ask(fm.Prompt(prompt), **questions.CACHED[prompt])
    stored = expected["calls"][prompt]
    assert (r.source, r.text, r.data) == ("cached", stored["text"], stored["data"]) and service.asked == []


def test_answers_and_pictures_are_what_came(shell, expected):
    for name in ("capital", "picture", "large", "tool", "odd", "stumbled", "probabilities"):
        stored = expected["calls"][name]
        same(surface.answer(surface.line(shell, f"log {stored['run']}")), stored)
    assert expected["calls"]["large"]["media"][0][1] > 1_000_000 and expected["calls"]["probabilities"]["logprobs"]


def test_a_comparison_opens_with_its_votes_and_takes_another(shell, cells, expected):  # noqa: F811
    for stored in expected["comparisons"].values():
        found = surface.opened(surface.line(shell, f"log {stored['run']}"))
        same(found, expected["everything"]["compare"][stored["run"]]["opened"])
        assert [a["text"] for a in found["answers"]] == [a["text"] for a in stored["answers"]]
        assert all(v in json.loads(json.dumps(found["votes"])) for v in stored["votes"])  # and what was said later
    voted, hidden = expected["comparisons"]["voted"], expected["comparisons"]["hidden"]
    varied = expected["comparisons"]["varied"]
    assert {v[2] for v in voted["votes"]} == {"vote", "star", "edit", "comment", "accept", "copied", "dwell"} and voted["hidden"] is False
    c = surface.line(shell, f"log {varied['run']}")  # it is the last comparison now
    assert c.best.run == varied["best"] == varied["answers"][1]["run"]
    cells("%fm vote bad")
    assert c.best is None and surface.line(shell, f"log {varied['run']}").best is None
    cells("%fm vote --undo")
    assert surface.line(shell, f"log {varied['run']}").votes == []
    assert surface.line(shell, f"log {hidden['run']}").hidden


@pytest.mark.parametrize("name", ["finished", "typed", "several", "file"])
def test_a_finished_table_is_asked_nothing_again(name, service, expected):
    calls = {
        "finished": lambda: fm.map("Tell of {{ place }}", questions.FINISHED, "far:m"),
        "typed": lambda: fm.map("Judge: {{ text }}.", questions.TYPED, "far:m", schema=questions.SCHEMA),
        "several": lambda: fm.map("Compare {{ text }}.", questions.TYPED, models=["far:m", "short"], samples=2, temperature=0.5),
        "file": lambda: fm.map("Ask {{ name }} of {{ age }}", "people.csv", "far:m", out="parts").df.to_dict("records"),
    }
    with pytest.warns(UserWarning, match="2 of 6 failed") if name == "finished" else contextlib.nullcontext():
        found = calls[name]()
    assert service.asked == []
    same(found, expected["tables"][name])


def test_an_interrupted_table_goes_on_with_what_is_missing(service):
    found = fm.map("Picture the {{ animal }}", questions.STOPPED, "far:m")
    assert sorted(service.asked) == [f"Picture the {a}" for a in ("eel", "fox", "gnu", "hen")]
    assert [r["text"] for r in found] == [f"m heard 1: Picture the {r['animal']}" for r in questions.STOPPED]
    assert len({r["run"] for r in found}) == 8 and all(r["cost"] for r in found)


def test_a_table_whose_kernel_was_killed_goes_on_too(service, shell):
    found = fm.map("Use the {{ tool }}", questions.KILLED, "far:m")
    assert sorted(service.asked) == [f"Use the {t}" for t in ("eye", "file", "gouge", "hammer")]
    assert [r["text"] for r in found] == [f"m heard 1: Use the {r['tool']}" for r in questions.KILLED]
    assert not [r for r in fm.log(open=True) if r["kind"] == "batch"]


def test_a_job_that_was_handed_in_is_collected(service, expected):
    service.jobs |= expected["jobs"]
    waiting = fm.map("Taste {{ fruit }}", questions.HANDED_IN, "far:m", batch_api=True)
    assert [r["text"] for r in waiting] == [None] * 3 and len(service.jobs) == 1
    service.done = True
    found = fm.map("Taste {{ fruit }}", questions.HANDED_IN, "far:m", batch_api=True)
    assert [r["text"] for r in found] == [f"m heard 1: Taste {r['fruit']}" for r in questions.HANDED_IN]
    assert len(service.jobs) == 1 and service.asked == [] and not fm.log(kind="job", open=True)


@pytest.mark.parametrize("name", models.MODELS)
def test_answers_of_the_notebooks_own_models_are_known_again(name, expected):
    found = fm.map("Hi {{ text }}", questions.GREETINGS, models.MODELS[name]())
    assert models.CALLS == []
    same(found, expected["tables"]["models"][name])


@pytest.mark.parametrize("name", ["evaluation", "judged", "prompts"])
def test_an_evaluation_has_the_same_verdict(name, place, expected):
    stored = expected["evaluations"][name]
    same(surface.evaluation(fm.Evaluation.load(place / f"{name}.json")), stored)
    again = surface.evaluation(fm.Evaluation.reopen(stored["run"]))
    same({k: v for k, v in again.items() if k not in ("name",)}, {k: v for k, v in stored.items() if k not in ("name",)})


def test_an_evaluation_that_is_made_again_asks_nothing(service, expected):
    e = fm.evaluate("{{ q }}", questions.ROWS, ["far:m", "far:small"], ["exact", "contains", "f1"], group="who")
    assert service.asked == [] and e.sentence == expected["evaluations"]["evaluation"]["sentence"]
    assert e.cache_use.count == 16
    assert "far:m scored the same on every row" in str(e.compare(fm.Evaluation.reopen(expected["evaluations"]["evaluation"]["run"])))


def test_data_sets_open_with_their_labels_and_make_the_same_exports(place, expected):
    for name in ("words", "votes"):
        same(surface.dataset(fm.Dataset.load(place / f"{name}.jsonl")), expected["datasets"][name])
    words = fm.Dataset.load(place / "words.jsonl")
    assert len([s for s in words if s.split == "heldout"]) == 2
    rest = words.where(lambda s: s.split != "heldout")
    again = rest.export(place / "again.jsonl", "sft", prompt="{{ q }}")
    assert sorted(again.read_text().splitlines()) == sorted((place / "sft.jsonl").read_text().splitlines())
    for kind in ("dpo", "chat"):
        again = fm.Dataset.load(place / "votes.jsonl").export(place / "again.jsonl", kind)
        assert sorted(again.read_text().splitlines()) == sorted((place / f"{kind}.jsonl").read_text().splitlines())
    with pytest.raises(fm.FmnbError, match="eld"):
        words.export(place / "refused.jsonl", "sft", prompt="{{ q }}")


def test_rows_that_were_held_out_are_known(place):
    held = [s for s in fm.Dataset.load(place / "words.jsonl") if s.split == "heldout"]
    copied = fm.Dataset.from_rows([{**dict(held[0].values), "target": "x"}, {"q": "Something else entirely", "target": "y"}])
    assert len(copied.without_heldout()) == 1


def test_conversations_open_and_go_on(place, service, shell, expected):
    same(surface.chat(fm.Chat.load(place / "plan.json")), expected["chat"]["plan"])
    same(surface.chat(fm.Chat.load(place / "branches.json")), expected["chat"]["branches"])
    surface.line(shell, "chat plan load plan.json")
    assert shell.run_cell_magic("fm", "-c plan", "And back?").text == "m heard 5: And back?"


def test_prompts_open_with_their_versions(shell, expected):
    same({n: [p.text, p.system, p.version] for n in ("sum up", "polite") for p in [fm.Prompt.load(n)]}, expected["prompts"])
    assert fm.Prompt.load("sum up", 1).text == "Sum up {{ text }}"


@pytest.mark.parametrize("name", replayed.CELLS)
def test_a_tape_replays_without_a_key_and_a_service(name, home, shell, expected):
    (home / "keys.json").unlink()
    (home / "fmnb.sqlite").unlink()  # the tape alone answers
    surface.line(shell, "tape answers.tape.jsonl")
    if name == "talk again":
        replayed.shown(shell, replayed.CELLS["talk"])
    same(replayed.shown(shell, replayed.CELLS[name]), expected["tape"][name])


def test_vectors_are_not_made_again(service, expected):
    found = fm.embed(questions.TEXTS, "far:vec")
    assert [[float(x) for x in row] for row in found] == expected["calls"]["vectors"] and service.embedded == []


def test_settings_and_keys_count(service):
    assert fm.ask("Hello", "short").text == "small heard 1: Hello"
    assert fm.ask("Hello").text == "m heard 1: Hello"  # the default model
    assert service.keys == {"Bearer not-a-real-key"}


def test_what_is_stored_can_be_forgotten(shell):
    surface.line(shell, "log forget river --yes")
    assert not fm.log("river")


def test_the_stored_files_hold_no_trace_of_a_machine():
    for file in STORED.rglob("*"):
        if file.is_file() and file.parts[len(STORED.parts)] in ("home", "work", "expected.json.gz"):
            data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            assert not [w for w in (b"/tmp/", b"/root", b"/work/", b"site-packages") if w in data], file
    assert sum(f.stat().st_size for f in STORED.rglob("*") if f.suffix != ".py" and f.is_file()) < 400_000
