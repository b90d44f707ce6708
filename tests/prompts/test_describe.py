"""A value in a prompt: its true size, its types, and nothing cut in silence."""

from __future__ import annotations

import dataclasses
import io
import math
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PIL

from fmnb.calls.call import Options
from fmnb.calls.prepare import prepare
from fmnb.core.backend import estimate_tokens
from fmnb.core.errors import UsageError
from fmnb.core.response import Response
from fmnb.core.types import File, Image, Text
from fmnb.prompts.attachments import attach
from fmnb.prompts.describe import describe, literal, schema, without_omitted
from fmnb.prompts.prompt import Prompt, render


def text_of(value, name=""):
    (part,) = describe(value, name)
    return part.text


def test_importing_it_imports_no_third_party_package():
    code = "import sys; b=set(sys.modules); import fmnb.prompts.describe, fmnb.prompts.prompt, fmnb.schemas.spec, fmnb.prompts.attachments, fmnb.views;"
    code += "print([m for m in set(sys.modules)-b if m.split('.')[0] not in sys.stdlib_module_names and not m.startswith('fmnb')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("value", "text"),
    [("x" * 10**6, "x" * 10**6), (3, "3"), (0.1, "0.1"), (True, "True"), (None, "None"), (date(2026, 1, 2), "2026-01-02")],
)
def test_plain_values_go_as_they_are(value, text):
    assert text_of(value) == text


def test_a_frame_says_size_types_nulls_and_typed_values():
    frame = pd.DataFrame({"city": ["Oslo", None], "n": [1, 2], "at": pd.to_datetime(["2026-01-01", None]), "f": [0.5, math.nan]})
    assert text_of(frame, "df") == (
        "df: DataFrame (pandas), 2 rows × 4 columns\nColumns:\n- city: str, 1 null\n- n: int64\n- at: datetime, 1 null\n- f: float64, 1 null\n"
        'All 2 rows, values in the order of the columns:\n["Oslo", 1, "2026-01-01 00:00:00", 0.5]\n[NaN, 2, NaT, NaN]'
    )


def test_a_long_frame_shows_an_even_spread_and_the_true_count():
    text = text_of(pd.DataFrame({"a": range(100_000)}))
    assert "100,000 rows × 1 column" in text and "8 rows of 100,000, evenly spread" in text
    assert "\n0: [0]\n" in text and text.endswith("\n99999: [99999]")


def test_notes_for_people_are_not_in_the_text():
    frame = pd.DataFrame({"a": ["some words"] * 50, "b": range(50)})
    assert "token" not in text_of(frame) and without_omitted(describe(frame)) == "8 of 50 rows"
    assert without_omitted(describe(frame.head(3))) == "" and without_omitted(describe("8 of 50 rows")) == ""
    assert without_omitted(describe(list(range(20_000)))).endswith(" characters left out")


def test_a_value_is_counted_as_the_request_is():
    frame = pd.DataFrame({"a": ["some words"] * 50})
    asked = prepare("{{ frame }}", "echo:", Options(values={"frame": frame}))
    (value,) = render("{{ frame }}", {"frame": frame}).inserted
    assert value.tokens + 4 == estimate_tokens(asked.call.request).tokens
    assert asked.call.notes == ("frame in the prompt: 8 of 50 rows",)


def test_what_is_attached_stands_apart_from_the_prompt():
    asked = prepare("What is this?", "echo:", Options(attach=("rows",), values={"rows": [{"a": 1}, {"a": 2}]}))
    assert asked.call.request.messages[-1].text.endswith("[2]\n\nWhat is this?")


def test_ten_thousand_columns_say_how_many_are_left_out():
    text = text_of(pd.DataFrame(np.zeros((3, 10_000))))
    assert "3 rows × 10,000 columns" in text and "… 9,940 columns left out (9,940 float64)" in text and len(text) < 6_000


def test_a_million_character_cell_says_how_much_is_left_out():
    text = text_of(pd.DataFrame({"a": ["x" * 10**6]}))
    assert "(999,800 characters more)" in text and len(text) < 1_000


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame(), "0 rows × 0 columns"),
        (pd.DataFrame({"a": []}), "0 rows × 1 column"),
        (pd.DataFrame(index=range(3)), "3 rows × 0 columns"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "- a: int64\n- a: int64"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("x", "y")])), "- x / y: int64"),
        (
            pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([("p", 2)], names=["k", None])),
            "- k (index): str\n- index1 (index): int64\n- a: int64",
        ),
        (pd.DataFrame({"a": [1]}, index=pd.to_datetime(["2026-01-01"])), '["2026-01-01 00:00:00", 1]'),
        (pd.DataFrame({"a": pd.Categorical(["u", "v"])}), "- a: category of 2"),
        (pd.DataFrame({"a": [{"k": [1]}, [2], (3,)]}), '[{"k": [1]}]\n[[2]]\n[[3]]'),
        (pd.DataFrame({"a": [math.inf, -math.inf]}), "[Infinity]\n[-Infinity]"),
        (
            pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
            "- a: Int64, 1 null\nAll 2 rows, values in the order of the columns:\n[1]\n[<NA>]",
        ),
        (pd.DataFrame({"line\nbreak": [1]}), "- line break: int64"),
        (pd.Series([1, 2], name="s"), "Series (pandas), 2 rows × 1 column\nColumns:\n- s: int64"),
        (pl.DataFrame({"a": [1, None], "b": [[1], None]}), "- a: Int64, 1 null\n- b: List(Int64), 1 null"),
        (pl.Series("s", ["x"]), "Series (polars), 1 row × 1 column"),
        (pl.LazyFrame({"a": [1]}), "LazyFrame (polars), unknown rows × 1 column"),
        (pa.table({"a": [1, None]}), "Table (pyarrow), 2 rows × 1 column\nColumns:\n- a: int64, 1 null"),
        (np.array([[1.0, math.nan]]), "array (numpy) of shape (1, 2), 1 row × 2 columns\nColumns:\n- 0: float64\n- 1: float64, 1 null"),
        (np.arange(3), "- value: int64"),
        (np.zeros((2, 3, 4)), "of shape (2, 3, 4), shown with its leading axes flattened, 6 rows × 4 columns"),
        (np.zeros((0, 3)), "0 rows × 3 columns"),
        (np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]), "- a: int32\n- b: float64"),
        ({"a": [1, 2], "b": ["x", None]}, "dict of columns, 2 rows × 2 columns"),
        ([{"a": 1}, {"b": "x"}], "- a: int, 1 null\n- b: str, 1 null"),
    ],
    ids=range(24),
)
def test_odd_tables(frame, words):
    text = text_of(frame)
    assert words in text
    assert text == text_of(frame)


def test_anything_that_speaks_arrow_is_a_table():
    class Relation:
        def __arrow_c_stream__(self, requested_schema=None):
            return pa.table({"a": [1, 2]}).__arrow_c_stream__(requested_schema)

    assert "Relation, 2 rows × 1 column" in text_of(Relation())


def test_a_frames_subclass_is_a_frame():
    class Geo(pd.DataFrame):
        pass

    assert text_of(Geo({"a": [1]})).startswith("Geo (pandas), 1 row × 1 column")


def test_schema_sends_no_row():
    assert schema(pd.DataFrame({"name": ["secret"], "n": [1]})) == "name: str\nn: int64"
    with pytest.raises(UsageError, match="takes a table"):
        schema(3)


def test_small_collections_go_whole_as_json():
    assert text_of({"a": [1, {"b": None}], "c": "é"}) == '{"a": [1, {"b": null}], "c": "é"}'
    assert text_of({3, 1, 2}) == "[1, 2, 3]"


def test_a_huge_collection_says_how_much_is_left_out():
    text = text_of(list(range(100_000)), "xs")
    assert text.startswith("xs: list of 100,000, ") and "characters left out" in text and len(text) < 21_000


def test_a_value_that_holds_itself_is_described():
    loop: list = [1]
    loop.append(loop)
    assert "1" in text_of(loop)


def test_functions_and_classes_are_their_source():
    def double(x):
        return 2 * x

    assert "return 2 * x" in text_of(double)
    assert "class Thing" in text_of(Thing)
    assert "source is not available" in text_of(len) and "number of items" in text_of(len)


@dataclasses.dataclass
class Thing:
    a: int = 1


def test_a_dataclass_value_is_json():
    assert text_of(Thing()) == '{"a": 1}'


def test_a_repr_has_no_address_in_it():
    class Plain:
        pass

    assert text_of(Plain()) == text_of(Plain()) and "0x" not in text_of(Plain())


def test_an_exception_is_its_traceback_with_the_whole_cell():
    import linecache

    cell = "d = {'a': {}}\nfor k in 'ab':\n    d[k]\n"
    name = "<ipython-input-7-abc>"
    linecache.cache[name] = (len(cell), None, cell.splitlines(True), name)
    try:
        exec(compile(cell, name, "exec"), {})
    except KeyError as e:
        text = text_of(e)
    assert "KeyError: 'b'" in text and text.endswith(f"The cell that raised it:\n```python\n{cell.rstrip()}\n```")
    assert "test_describe.py" not in text


def test_a_figure_is_an_image_with_its_title():
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots()
    axes.set_title("Growth")
    for value in (figure, axes):
        (image,) = describe(value, "fig")
        assert isinstance(image, Image) and image.data.startswith(b"\x89PNG") and image.alt == "Growth"
    assert describe(figure) == describe(figure)
    plt.close(figure)


def picture(side, kind="PNG"):
    out = io.BytesIO()
    PIL.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(out, format=kind)
    return out.getvalue()


def test_images_of_every_form(tmp_path):
    data = picture(8)
    (tmp_path / "a.png").write_bytes(data)
    assert describe(data)[0] == Image(data, "image/png", "")
    assert describe(picture(8, "JPEG"))[0].media_type == "image/jpeg"
    assert describe(tmp_path / "a.png")[0].data == data
    assert describe(PIL.new("CMYK", (4, 4)), "pic")[0].media_type == "image/png"


def test_an_image_too_large_is_scaled_down():
    (image,) = describe(picture(2100))
    assert len(image.data) < 4_500_000 and max(PIL.open(io.BytesIO(image.data)).size) <= 2048


def test_other_bytes_are_refused_with_the_way_out():
    with pytest.raises(UsageError, match="decode"):
        describe(b"hello")


def test_answers_and_prompts_are_their_text():
    assert text_of(Response("hi")) == "hi"
    assert text_of(Prompt("say {{ x }}")) == "say {{ x }}"


def test_a_prompt_of_a_class_of_ones_own_goes_in_as_its_text_too():
    class Mine(Prompt):
        pass

    assert text_of(Mine("say {{ x }}")) == "say {{ x }}"
    assert text_of(render("{{ p }}, then stop", {"p": Mine("say {{ x }}")})) == "say {{ x }}, then stop"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
    )
)
def test_any_cell_has_a_literal_on_one_line(value):
    assert "\n" not in literal(value) and literal(value) == literal(value)


# --- attachments ---


def test_text_goes_whole_in_a_fence_that_it_cannot_close(tmp_path):
    (tmp_path / "a.md").write_text("# hi\n```\ncode\n```\n")
    (part,) = attach(tmp_path / "a.md")
    assert part.text == "a.md:\n````markdown\n# hi\n```\ncode\n```\n````\n"


def test_a_csv_is_described_with_its_types(tmp_path):
    (tmp_path / "a.csv").write_text("id;name;zip;v\n1;Oslo;0150;1.5\n2;;0151;\n", encoding="utf-8-sig")
    (part,) = attach(str(tmp_path / "a.csv"))
    assert "a.csv: CSV file, 2 rows × 4 columns" in part.text
    assert "- id: int\n- name: str, 1 null\n- zip: str\n- v: float, 1 null" in part.text


def test_a_parquet_file_is_described(tmp_path):
    pd.DataFrame({"a": [1, 2, 3]}).to_parquet(tmp_path / "a.parquet")
    assert "3 rows × 1 column" in attach(tmp_path / "a.parquet")[0].text


def test_a_notebook_is_its_sources(tmp_path):
    (tmp_path / "n.ipynb").write_text('{"cells": [{"cell_type": "code", "source": ["x = 1"], "outputs": [{"text": "SECRET"}]}]}')
    text = attach(tmp_path / "n.ipynb")[0].text
    assert "x = 1" in text and "SECRET" not in text


def pdf(words):
    stream = f"BT /F1 12 Tf 20 100 Td ({words}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = b"%PDF-1.4\n", []
    for i, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (i, body)
    start = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % p for p in places)
    return out + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % start


def test_a_pdf_goes_as_a_file_or_as_its_text(tmp_path):
    (tmp_path / "a.pdf").write_bytes(pdf("Hello report"))
    assert attach(tmp_path / "a.pdf") == (File(pdf("Hello report"), "application/pdf", "a.pdf"),)
    assert attach(tmp_path / "a.pdf", as_text=True) == (Text("a.pdf (1 page):\n[page 1]\nHello report\n"),)


def test_a_pdf_without_text_says_so(tmp_path):
    (tmp_path / "scan.pdf").write_bytes(pdf(""))
    with pytest.raises(UsageError, match="has no text"):
        attach(tmp_path / "scan.pdf", as_text=True)


def test_a_broken_pdf_is_refused(tmp_path):
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4 nothing")
    with pytest.raises(UsageError, match="cannot be read"):
        attach(tmp_path / "b.pdf", as_text=True)


def test_addresses_folders_and_binaries_are_refused(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"\0\1\2" * 10)
    for source, words in (
        ("https://e.example/a?key=SECRET", "does not download"),
        (tmp_path, "folder"),
        (tmp_path / "a.bin", "No model reads"),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            attach(source)
        assert "SECRET" not in str(caught.value)


def test_a_missing_file_names_the_nearest(tmp_path):
    Path(tmp_path / "sales_2025.csv").write_text("a\n1\n")
    with pytest.raises(UsageError, match=r"Did you mean sales_2025\.csv"):
        attach(tmp_path / "sale_2025.csv")


def test_a_notebook_value_can_be_attached():
    assert attach([{"a": 1}]) == describe([{"a": 1}])


def test_arrow_columns_are_tables():
    pa = pytest.importorskip("pyarrow")
    for column in (pa.array([1, None, 3]), pa.chunked_array([[1, None], [3]])):
        text = text_of(column, "x")
        assert "(pyarrow), 3 rows × 1 column" in text and "- value: int64, 1 null" in text and text.endswith("[1]\n[null]\n[3]")
    many = text_of(pa.array(range(1000)))
    assert "8 rows of 1,000, evenly spread" in many


@pytest.mark.parametrize(
    "value", [10**5000, [10**5000], [{"a": 10**5000}, {"a": 1}], {"a": (10**5000,)}], ids=["alone", "in a list", "in a table", "in a dict"]
)
def test_a_whole_number_that_python_does_not_write_is_refused_in_words(value):
    with pytest.raises(UsageError, match="too long to be converted to text"):
        describe(value)
