"""Loops are cut, and what people mean to repeat is not."""

from __future__ import annotations

import pytest

from fmnb.backend import estimate_tokens
from fmnb.events import TextDelta
from fmnb.loops import NOTICE, REASON, Loop
from fmnb.model import Model
from fmnb.types import ModelCard

MEANT = {
    "zeros": "0, " * 400,
    "a table of zeros": "| 0 | 0 | 0 |\n" * 60,
    "a rule": "|" + "---|" * 300,
    "dashes": "-" * 1500,
    "a laugh": "ha " * 60,
    "a chorus": "la la la la " * 30,
    "code": "```python\n" + "print(0)\n" * 60 + "```",
    "bare code": "x = 0\n" * 100,
    "indented code": "    x += 1\n" * 60,
    "HTML": "<td>none</td>\n" * 60,
    "rows that are alike": "| no | no |\n" * 60,
    "answers of one word": "no\n" * 60,
    "numbered lines": "\n".join(f"{i}. The value of row {i} is fine" for i in range(200)),
    "a column of ones": "1\n" * 800,
    "empty lines": "\n" * 900,
    "emphasis": "very " * 80,
    "JSON": "[" + '{"a": 0, "b": "none"}, ' * 40,
}
LOOPS = {
    "a word that goes on": "temp_min_max_max_" * 60,
    "items": "temp_min, max_max_max, " * 36,
    "a sentence": "The table is about the table. " * 20,
    "lines": "- temp_min_max_max\n" * 40,
    "two lines": "* The first column is the name.\n* The second is the value.\n" * 14,
    "other scripts": "表は表についてです。" * 60,
}


def fed(text: str, size: int) -> Loop:
    loop = Loop()
    for i in range(0, len(text), size):
        if loop.add(text[i : i + size]):
            break
    return loop


@pytest.mark.parametrize("size", [1, 4, 60])
@pytest.mark.parametrize("name", MEANT)
def test_what_is_meant_is_let_through(name, size):
    assert fed("Here it is:\n\n" + MEANT[name], size).cut == -1


@pytest.mark.parametrize("size", [1, 4, 60])
@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_is_found_and_cut_after_its_first_time(name, size):
    before = "It shows the weather. Then:\n"
    loop = fed(before + LOOPS[name], size)
    assert len(before) < loop.cut < len(before) + 80


class Endless:
    """A hosted model that repeats itself for as long as it is read."""

    card = ModelCard("object:endless", "object", "far.example", local=False)

    def __init__(self):
        self.read = 0

    async def stream(self, request):
        while self.read < 100_000:
            self.read += 1
            yield TextDelta(text="The table is about the table. ")

    def count(self, request):
        return estimate_tokens(request)

    def deterministic(self, request):
        return False


def test_a_hosted_stream_is_cut_by_its_text():
    backend = Endless()
    answer = Model(backend).ask("What is this table about?")
    assert answer.finish == REASON and NOTICE in answer.notes and backend.read < 50
    assert answer.usage.estimated and answer.usage.output_tokens > 50
