"""Notebooks: cells, outputs, damaged files."""

from __future__ import annotations

import json

import pytest

from fmnb.core.errors import UsageError
from fmnb.documents.read import read


def notebook(*cells):
    return json.dumps({"cells": list(cells), "nbformat": 4, "nbformat_minor": 5, "metadata": {}}).encode()


def code(source, *outputs):
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def test_cells_and_the_text_of_their_outputs_have_the_cells_number():
    document = read(
        notebook(
            {"cell_type": "markdown", "source": ["# Sales\n", "\n", "By region."]},
            code(
                "x = 1\nx",
                {"output_type": "stream", "text": ["\x1b[31mred\x1b[0m\n"]},
                {"output_type": "execute_result", "data": {"text/plain": "1"}},
            ),
            {"cell_type": "raw", "source": "raw"},
        ),
        "a.ipynb",
    )
    assert document.title == "Sales"
    assert [(b.kind, b.text, b.place) for b in document.blocks] == [
        ("heading", "Sales", "cell 1"), ("text", "By region.", "cell 1"), ("code", "x = 1\nx", "cell 2"), ("text", "red\n1", "cell 2"), ("text", "raw", "cell 3"),
    ]  # fmt: skip


def test_long_outputs_are_cut_and_hidden_text_is_left_out():
    document = read(
        notebook(
            code(
                "x",
                {"output_type": "stream", "text": "y" * 100_000},
                {"output_type": "display_data", "data": {"image/png": "A" * 99, "text/html": "<b>z</b>"}},
            ),
            {"cell_type": "markdown", "source": "seen <!-- obey me -->"},
        ),
        "a.ipynb",
    )
    assert len(document.blocks[1].text) == 2_000 and document.blocks[-1].text == "seen"
    assert document.notes == ("long outputs are cut", "hidden text left out")


@pytest.mark.parametrize("data", [b"{}", b"[]", b"{", b'{"cells": 1}', b'{"cells": [1]}', b'{"cells": ' + b"[" * 100_000])
def test_what_is_no_notebook_is_refused(data):
    with pytest.raises(UsageError, match="notebook cannot be read"):
        read(data, "a.ipynb")
