"""The text column of a data frame."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fmnb.core.errors import UsageError
from fmnb.documents.frame import read_frame
from fmnb.documents.limits import Limits

ROWS = [{"text": "Four weeks.", "year": 2025, "who": None}, {"text": "", "year": 2024, "who": "x"}, {"text": None, "year": 1, "who": "y"}, {"text": "Three\x00.", "year": 2023, "who": "z"}]  # fmt: skip


@pytest.mark.parametrize(
    "frame", [ROWS, pd.DataFrame(ROWS), pl.DataFrame(ROWS), pa.Table.from_pylist(ROWS)], ids=["list", "pandas", "polars", "pyarrow"]
)
def test_a_frame_has_a_block_for_each_text_with_the_other_columns_as_values(frame):
    document = read_frame(frame, "text", "notices")
    assert document.name == "notices"
    assert [(b.text, b.place, b.values) for b in document.blocks] == [
        ("Four weeks.", "row 1", {"year": 2025}), ("Three.", "row 4", {"year": 2023, "who": "z"}),
    ]  # fmt: skip
    assert document.notes == ("1 control character removed",)


def test_a_column_that_is_not_there_names_the_nearest():
    with pytest.raises(UsageError, match="Did you mean text"):
        read_frame(ROWS, "txt", "a")
    with pytest.raises(UsageError, match="not a table"):
        read_frame("text", "text", "a")
    assert read_frame(ROWS, "text", "a", limits=Limits(rows=1)).notes == ("only the first 1 rows were read",)
