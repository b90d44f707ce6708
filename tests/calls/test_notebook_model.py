"""The notebook's own choice of a model, read from its file."""

from __future__ import annotations

import json
import os
import sys

import nbformat
import pytest

import fmnb as fm
from fmnb.batch.run import batch
from fmnb.calls import notebook_model
from fmnb.calls.notebook_model import AMBIGUOUS, NOT_A_NAME, UNKNOWN, NotebookChoice, NotebookSearch, find, model_in_metadata
from fmnb.calls.prepare import prepare
from fmnb.calls.session import default_model, session
from fmnb.core.errors import SettingsError
from tests.conftest import FULL, MODELS
from tests.test_elsewhere import run


def write(path, *cells, model=None):
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    if model is not None:
        nb.metadata["fmnb"] = {"model": model}
    nbformat.write(nb, path)
    return path


def place(folder, *executed, **more):
    return NotebookSearch(5.0, lambda: executed, folder=str(folder), **more)


def test_a_known_path_is_read_and_one_that_has_gone_is_not(tmp_path):
    path = write(tmp_path / "a.ipynb", "1", model="echo:")
    assert find(place("", "anything", paths=(str(tmp_path / "old.ipynb"), str(path)))) == NotebookChoice("echo:", str(path))
    assert find(place("", "anything", paths=(str(tmp_path / "old.ipynb"),))) == UNKNOWN


def test_a_notebook_without_a_choice_has_none_and_that_is_known(tmp_path):
    path = write(tmp_path / "a.ipynb", "1")
    assert find(place("", "1", paths=(str(path),))) == NotebookChoice("", str(path))


@pytest.mark.parametrize(
    "executed", [("%load_ext fmnb", "%%fm\nhi"), ("%load_ext fmnb\n", "# Parameters\nn = 3", "%%fm\nhi\n"), ("%%fm\nhi",)]
)
def test_the_one_that_holds_the_cells_that_ran_is_found_in_the_folder(tmp_path, executed):
    write(tmp_path / "other.ipynb", "%load_ext fmnb", "x = 1", "%%fm\nbye", model="embedded")
    path = write(tmp_path / "this.ipynb", "%load_ext fmnb", "", "%%fm\nhi", model="echo:")
    assert find(place(tmp_path, *executed)) == NotebookChoice("echo:", str(path))


def test_where_several_hold_them_they_must_agree(tmp_path):
    for name in "ab":
        write(tmp_path / f"{name}.ipynb", "%load_ext fmnb", "%%fm\nhi", model="echo:")
    assert find(place(tmp_path, "%load_ext fmnb", "%%fm\nhi")) == NotebookChoice("echo:")
    write(tmp_path / "c.ipynb", "%load_ext fmnb", "%%fm\nhi", model="embedded")
    assert find(place(tmp_path, "%load_ext fmnb", "%%fm\nhi")) == AMBIGUOUS


def test_whoever_names_the_notebook_means_no_other_one(tmp_path):
    write(tmp_path / "copy.ipynb", "%%fm\nhi", model="embedded")
    (tmp_path / "in").mkdir()
    named = write(tmp_path / "in" / "a.ipynb", "%%fm\nhi", model="echo:")
    assert find(place(tmp_path, "%%fm\nhi", others=(str(tmp_path / "a.ipynb"), str(named)))) == NotebookChoice("echo:", str(named))
    write(named, "%%fm\nhi")
    assert find(place(tmp_path, "%%fm\nhi", others=(str(named),))) == NotebookChoice("", str(named))
    assert find(place(tmp_path, "%%fm\nhi", others=(str(tmp_path / "gone.ipynb"),))) == UNKNOWN


def test_cells_in_another_order_or_from_elsewhere_are_not_it(tmp_path):
    write(tmp_path / "a.ipynb", "%load_ext fmnb", "%%fm\nhi", model="echo:")
    assert find(place(tmp_path, "%%fm\nhi", "%load_ext fmnb")) == UNKNOWN
    assert find(place(tmp_path, "%load_ext fmnb", "%%fm\nho")) == UNKNOWN
    assert find(place(tmp_path)) == UNKNOWN


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"cells": 3}', '{"cells": [7, null], "metadata": []}', "[" * 100_000])
def test_what_is_no_notebook_is_passed_over(tmp_path, text):
    (tmp_path / "odd.ipynb").write_text(text)
    (tmp_path / "folder.ipynb").mkdir()
    path = write(tmp_path / "a.ipynb", "%%fm\nhi", model="echo:")
    assert find(place(tmp_path, "%%fm\nhi")) == NotebookChoice("echo:", str(path))


@pytest.mark.parametrize("odd", ["https://elsewhere.example/v1", 7, ["echo:"], "x" * 400, "a\nb"])
def test_what_is_not_a_name_fails_the_cell_and_is_not_shown(odd):
    assert model_in_metadata({"model": odd}).startswith(NOT_A_NAME)
    session.set_notebook_model(model_in_metadata({"model": odd}))
    with pytest.raises(SettingsError) as e:
        prepare("hi")
    assert "elsewhere" not in str(e.value) and "not a model's name" in str(e.value)


@pytest.mark.parametrize(
    ("ours", "seen"),
    [
        ("echo:", "fmnb is a text"),
        (["echo:"], "fmnb is a list"),
        (3, "fmnb is a number"),
        (None, "fmnb is null"),
        (True, "fmnb is true or false"),
        ({"model": 3}, "fmnb.model is a number"),
        ({"model": None}, "fmnb.model is null"),
        ({"model": ""}, "fmnb.model is empty"),
        ({"model": " "}, "fmnb.model is empty"),
        ({"model": {"name": "echo:"}}, "fmnb.model is a table"),
    ],
)
def test_a_choice_that_cannot_be_used_is_said_by_the_first_cell(tmp_path, ours, seen):
    path = write(tmp_path / "a.ipynb", "%%fm\nhi")
    notebook = json.loads(path.read_text())
    notebook["metadata"]["fmnb"] = ours
    path.write_text(json.dumps(notebook))
    session.notebook_search = place("", "%%fm\nhi", paths=(str(path),))
    with pytest.raises(SettingsError) as e:
        prepare("hi")
    assert seen in e.value.detail and '"fmnb": {"model": "embedded"}' in e.value.hint
    assert not isinstance(ours, str) or ours not in str(e.value)


def test_other_entries_of_ours_are_no_choice(tmp_path):
    path = write(tmp_path / "a.ipynb", "%%fm\nhi")
    notebook = json.loads(path.read_text())
    notebook["metadata"]["fmnb"] = {"other": 1}
    path.write_text(json.dumps(notebook))
    session.notebook_search = place("", "%%fm\nhi", paths=(str(path),))
    assert default_model() == ("embedded", "built in")


def test_the_later_choice_holds(tmp_path):
    path = write(tmp_path / "a.ipynb", "%%fm\nhi", model="echo:")
    session.notebook_search = place("", "%%fm\nhi", paths=(str(path),))
    assert default_model() == ("echo:", "this notebook") and session.notebook == str(path)
    session.set_model("embedded")
    assert default_model()[0] == "embedded"
    session.set_notebook_model("echo:")  # the front end says what it said before
    assert default_model()[0] == "embedded"
    session.set_notebook_model("echo:think")
    assert default_model()[0] == "echo:think"


@pytest.mark.weights
def test_where_it_cannot_be_known_an_answer_of_the_default_model_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("FMNB_MODELS", str(MODELS))
    session.notebook_search = place(tmp_path, "%%fm\nhi")
    assert prepare("hi").call.notes == (notebook_model.UNKNOWN,)
    assert prepare("hi", "echo:").call.notes == ()
    assert notebook_model.UNKNOWN in fm.ask("hi", max_tokens=2).notes
    assert notebook_model.UNKNOWN in batch("{{ w }}", [{"w": "hi"}], None, max_tokens=2).summary.notes
    session.set_model("echo:")
    assert prepare("hi").call.notes == ()


CELLS = (
    "%load_ext fmnb",
    "%%fm\nhello there",
    "from fmnb.calls.session import session\nprint('asked', session.last.call.target.requested_model)",
)


@pytest.mark.parametrize("where", ["beside", "elsewhere", "another folder", "api"] if FULL else ["beside", "api"])
def test_papermill_and_nbconvert_obey_the_notebook_from_its_first_cell(tmp_path, home, where):
    (tmp_path / "in").mkdir()
    path = write(tmp_path / "in" / "report.ipynb", *CELLS, model="echo:")
    write(tmp_path / "in" / "decoy.ipynb", "%load_ext fmnb", "%%fm\nsomething else", model="embedded")
    out = tmp_path / "out.ipynb"
    if where == "beside":
        done = run(sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--output", out, path, home=home)
        again = write(path, *CELLS, model="echo:think")  # an older output lies beside it
        done = run(sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--output", "o.ipynb", again, home=home)
        assert "asked echo:" in json.dumps(json.loads((tmp_path / "in" / "o.ipynb").read_text())["cells"])
        write(path, *CELLS, model="echo:")
        done = run(sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--output", "o.ipynb", path, home=home)
        out = tmp_path / "in" / "o.ipynb"
    elif where == "another folder":
        write(home / "copy.ipynb", *CELLS, model="embedded")
        done = run("sh", "-c", f"cd '{tmp_path}' && exec '{sys.executable}' -m papermill in/report.ipynb '{out}' --cwd '{home}'", home=home)
    elif where == "elsewhere":
        done = run(sys.executable, "-m", "papermill", path, out, home=home)
    else:
        code = f"import papermill; papermill.execute_notebook({str(path)!r}, {str(out)!r}, parameters={{'n': 3}}, cwd={str(path.parent)!r})"
        done = run(sys.executable, "-c", code, home=home)
    assert done.returncode == 0, done.stderr
    assert "asked echo" in json.dumps(json.loads(out.read_text())["cells"])


def test_a_named_model_that_cannot_be_had_fails_the_cell(tmp_path, home):
    path = write(tmp_path / "a.ipynb", *CELLS, model="echoo:nobody")
    done = run(sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", path, home=home)
    assert done.returncode != 0 and "UnknownModelError" in done.stderr and os.listdir(tmp_path) == ["a.ipynb"]
