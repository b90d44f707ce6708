"""Loops are cut, and what people mean to repeat is not."""

from __future__ import annotations

import pytest

from fmnb.calls.model import Model
from fmnb.core.backend import estimate_tokens
from fmnb.core.events import TextDelta
from fmnb.core.repetition import NOTICE, REASON, LoopDetector
from fmnb.core.types import ModelInfo
from tests.conftest import FULL
from tests.repetitions import LOOPS, MEANT


def fed(text: str, size: int) -> LoopDetector:
    loop = LoopDetector()
    for i in range(0, len(text), size):
        if loop.add(text[i : i + size]):
            break
    return loop


@pytest.mark.parametrize("size", [1, 4, 60] if FULL else [4])
@pytest.mark.parametrize("name", MEANT)
def test_what_is_meant_is_let_through(name, size):
    assert fed("Here it is:\n\n" + MEANT[name], size).cut_at == -1
    assert fed(MEANT[name], size).cut_at == -1


@pytest.mark.parametrize("size", [1, 4, 60])
@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_is_found_and_cut_after_its_first_time(name, size):
    before, text = "It shows the weather. Then:\n", LOOPS[name]
    loop = fed(before + text, size)
    assert len(before) < loop.cut_at < len(before) + max(120, len(text) // 4)


class Endless:
    """A hosted model that repeats itself for as long as it is read."""

    info = ModelInfo("object:endless", "object", "far.example", local=False)

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
    assert answer.finish_reason == REASON and NOTICE in answer.notes and backend.read < 50
    assert answer.usage.estimated and answer.usage.output_tokens > 50
