"""`%%fm --over`: a table in a cell, the same table back; what cannot be is said before anything is asked."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from IPython.utils.capture import capture_output

from fmnb.batch.io.parts import Parts
from fmnb.batch.run import batch
from fmnb.core.errors import UsageError

REVIEWS = "import pandas as pd\nreviews = pd.DataFrame({'text': ['good pen', 'bad ink'], 'id': [7, 8]}, index=['a', 'b'])\nproduct = 'pen'\nnumber = 3"


@pytest.fixture
def table(cells):
    cells(REVIEWS)
    return cells


def test_a_cell_labels_a_table(table):
    value = table(
        "%%fm --over reviews --schema 'sentiment positive|negative, topics list[str]' -o labelled echo:\nAbout {{ product }}:\n{{ text }}"
    )
    labelled = table.ns["labelled"]
    assert value is None and list(labelled.index) == ["a", "b"] and list(labelled.columns[:4]) == ["text", "id", "sentiment", "topics"]
    assert labelled["sentiment"].tolist() == ["positive", "positive"] and len(table.ns["reviews"].columns) == 2


def test_without_a_name_the_table_is_the_cell_s_value_and_twice_costs_once(table):
    first = table("%%fm echo: --over reviews\n{{ text }}!")
    second = table("%%fm echo: --over reviews\n{{ text }}!")
    assert isinstance(first, pd.DataFrame) and first["run"].tolist() == second["run"].tolist()
    assert first["text_fm"].tolist() == ["good pen!", "bad ink!"]


def test_models_of_the_notebook_and_several_of_them(table):
    table("def shout(text):\n    return text.upper()")
    out = table("%%fm shout echo: --over reviews --head 1\n{{ text }}")
    assert out["text_shout"].tolist() == ["GOOD PEN"] and out["text_echo:"].tolist() == ["good pen"]


def test_dry_says_what_it_would_take_and_asks_nothing(table):
    found = table("%%fm echo: --over reviews --dry-run\n{{ text }}")
    assert found.calls == 2 and not table("%fm log")
    table.ns["kept"] = "precious"
    assert table("%%fm echo: --over reviews --dry-run -o kept\n{{ text }}").calls == 2 and table.ns["kept"] == "precious"


def test_a_path_gives_parts(table, tmp_path):
    table.ns["reviews"].to_csv(tmp_path / "in.csv")
    out = table("%%fm echo: --over in.csv --head 1\n{{ text }}")
    assert isinstance(out, Parts) and out.df["text_fm"].tolist() == ["good pen"]


def test_what_stopped_a_batch_is_said_once(table):
    error = table.fails("%%fm echo: --over reviews --replay-only\n{{ text }}")
    assert error.run and error.shown, "the batch's own display has it"
    assert not table.fails("%%fm echo: --over reviews\n{{ txt }}").shown


@pytest.mark.parametrize(
    "line, words",
    [
        ("--over revews", "Did you mean reviews"),
        ("--over product", "no such file"),
        ("--over number", "This is not a table"),
        ("--head 3", "needs --over"),
        ("--over reviews --chat c", "cannot be combined"),
        ("--over reviews --raw", "cannot be combined"),
        ("--over reviews --vary temperature=0,1", "cannot be combined"),
        ("--over reviews --batch-api --on ray", "cannot be combined"),
        ("--over reviews --batch-api", "no batch jobs"),
        ("--over reviews --on spark", "--on must name Ray"),
        ("--over reviews --head 0", "whole number of at least 1"),
        ("--over reviews --samples 0", "whole number of at least 1"),
        ("--over reviews --blind", "cannot be combined"),
        ("--over reviews -f math", "cannot be combined"),
        ("--target stars", "needs --score"),
        ("--over nothing.parquet", "no such file"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_asked(table, line, words):
    error = table.fails(f"%%fm echo: {line}\n{{{{ text }}}}")
    assert isinstance(error, UsageError) and words in str(error)
    assert not [r for r in table("%fm log") if r["finish_reason"] == "stop"]


@pytest.mark.parametrize(("answer", "said"), [(lambda n: "calm", True), (lambda n: ("calm", "angry")[n == 7], False)])
def test_one_label_for_all_rows_is_worth_a_word(answer, said):
    rows = [{"t": f"row {n}"} for n in range(24)] + [{"t": "row 0"}] * 9

    def judge(text):
        return json.dumps({"mood": answer(int(text.split()[1]))})

    found = batch("{{ t }}", rows, judge, schema="mood calm|angry")
    assert ("all 24 different rows got 'calm'" in str(found.summary)) is said


def test_the_table_under_a_name_is_shown_with_nothing_in_it_that_acts(table):
    said = [r"`\input{/etc/passwd}`{=latex}", r"$\input{/etc/passwd}$", "t\x1b[31mEV\x1b]0;t\x07\x9b2J", *"abcdefgh"]
    table.ns["lines"] = pd.DataFrame({"t": said})
    with capture_output() as shown:
        table("%%fm echo: --over lines -o kept\n{{ t }}")
    (data,) = [o.data for o in shown.outputs if "11 rows" in o.data["text/plain"]]
    assert list(table.ns["kept"]["text"]) == said and "the first 10 of 11 rows" in data["text/html"]
    assert not set("$`\\\x1b\x07\x9b") & set(data["text/html"]) and not set("\x1b\x07\x9b") & set(data["text/plain"])


def test_the_shown_table_leaves_out_what_is_about_the_calls(table):
    table.ns["costs"] = pd.DataFrame({"t": ["a", "b"], "cost": [3, 4]})
    with capture_output() as shown:
        table("%%fm echo: echo:think --over costs -o kept\n{{ t }}")
    head = shown.outputs[-1].data["text/plain"].split("\n")[0].split()
    assert head == ["t", "cost", "text_echo:", "text_echo:think"], "the user's own column of that name stays"
    assert "columns; " in shown.outputs[-1].data["text/plain"] and "about the calls" in shown.outputs[-1].data["text/plain"]
    assert "seconds_echo:" in table.ns["kept"].columns


def test_a_table_with_missing_values_and_arrays_is_shown_under_its_name(table):
    table.ns["odd"] = pd.DataFrame({"t": ["a", "b"], "n": pd.array([1, pd.NA], dtype="Int64"), "at": [pd.NaT, pd.NaT], "v": [[1, 2], [3]]})
    with capture_output() as shown:
        table("%%fm echo: --over odd --schema 'k int' -o kept\n{{ t }}")
    assert "2 rows × " in shown.outputs[-1].data["text/plain"] and "Traceback" not in shown.stdout + shown.stderr
    assert "NA" not in shown.outputs[-1].data["text/html"].replace("NAME", "")


@pytest.mark.parametrize(
    ("index", "head"),
    [(None, ["index", "t"]), ("product", ["product", "t"]), ("t", ["t", "(index)", "t"])],
    ids=["nameless", "named", "as a column"],
)
def test_the_index_of_a_table_is_shown_by_its_name(table, index, head):
    table.ns["rows"] = pd.DataFrame({"t": ["a", "b"]}, index=pd.Index(["x", "y"], name=index))
    with capture_output() as shown:
        table("%%fm echo: --over rows -o kept\n{{ t }}")
    text = shown.outputs[-1].data["text/plain"]
    assert text.split("\n")[0].split()[: len(head)] == head and f"{len(table.ns['kept'].columns)} columns" in text
