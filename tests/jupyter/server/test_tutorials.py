"""The tutorials over HTTP: a list, and copies that overwrite nothing and stay inside the server's root."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fmnb.jupyter.server.tutorials import tutorials, tutorials_folder

SOURCE = Path(__file__).parents[3] / "notebooks"


@pytest.fixture
def folder(jupyter, request) -> Path:
    """A folder of this test in the server's root."""
    made = jupyter.log.parent / "work" / request.node.name.replace("[", "-").replace("]", "")[:60]
    made.mkdir()
    return made


def copy(jupyter, folder: Path, name: str = "01_first_cell"):
    return jupyter("POST", f"tutorials/{name}", {"folder": folder.name})


def test_every_tutorial_has_a_title_and_a_sentence(jupyter):
    found = jupyter("GET", "tutorials").body
    assert [t["name"] for t in found] == sorted(p.stem for p in SOURCE.glob("*.ipynb"))
    assert found[0]["title"] == "The first cell" and found[0]["description"].startswith("%%fm sends a prompt")
    for t in found:
        assert t["title"] and t["description"].endswith((".", "?")) and len(t["description"]) < 160 and "\n" not in t["description"]
    assert tutorials_folder() == SOURCE and len(tutorials()) == len(found)


def test_a_copy_has_the_files_that_its_cells_name(jupyter, folder):
    answer = copy(jupyter, folder, "04_label_a_table")
    assert answer.body == {"path": f"{folder.name}/04_label_a_table.ipynb"}
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == [
        "04_label_a_table.ipynb",
        "04_label_a_table.tape.jsonl",
        "bank_questions.csv",
    ]
    for name in ("04_label_a_table.tape.jsonl", "bank_questions.csv"):
        assert (folder / name).read_bytes() == (SOURCE / name).read_bytes()
    code = [
        ["".join(c["source"]) for c in json.loads((at / "04_label_a_table.ipynb").read_text())["cells"] if c["cell_type"] == "code"]
        for at in (folder, SOURCE)
    ]
    assert code[0] == code[1]


def test_a_second_copy_gets_a_name_of_its_own_and_what_is_there_stays(jupyter, folder):
    (folder / "01_first_cell.ipynb").write_text("mine")
    (folder / "01_first_cell.tape.jsonl").write_text("my tape")
    assert copy(jupyter, folder).body["path"].endswith("/01_first_cell-1.ipynb")
    assert copy(jupyter, folder).body["path"].endswith("/01_first_cell-2.ipynb")
    assert (folder / "01_first_cell.ipynb").read_text() == "mine" and (folder / "01_first_cell.tape.jsonl").read_text() == "my tape"


def test_a_link_to_a_tutorial_that_is_not_there_becomes_text(jupyter, folder):
    copy(jupyter, folder)
    assert "](02_choose_a_model.ipynb)" not in (folder / "01_first_cell.ipynb").read_text()
    copy(jupyter, folder, "02_choose_a_model")
    again = copy(jupyter, folder).body["path"]
    assert "](02_choose_a_model.ipynb)" in (folder.parent / again).read_text()


def test_a_link_to_the_documentation_leads_there_from_a_copy(jupyter, folder):
    copy(jupyter, folder, "02_choose_a_model")
    text = (folder / "02_choose_a_model.ipynb").read_text()
    assert "](../docs/" not in text and re.search(r"\]\(https://[^)]+/docs/providers\.md\)", text)


@pytest.mark.parametrize("outside", ["..", "../..", "a/../..", "/etc", "nosuch", "\0", "~", "C:\\"])
def test_a_folder_outside_the_root_or_missing_is_refused(jupyter, outside):
    answer = jupyter("POST", "tutorials/01_first_cell", {"folder": outside})
    assert answer.status == 404 and answer.body["message"] == "No such folder"
    assert not (jupyter.log.parent / "01_first_cell.ipynb").exists()


@pytest.mark.parametrize("name", ["nosuch", "..%2f01_first_cell", "01_first_cell.ipynb", "%00", "bank_questions"])
def test_only_a_tutorial_is_copied(jupyter, folder, name):
    assert 400 <= copy(jupyter, folder, name).status < 500 and list(folder.iterdir()) == []


def test_a_tutorial_is_not_read_by_name(jupyter):
    assert jupyter("GET", "tutorials/01_first_cell").status == 405
