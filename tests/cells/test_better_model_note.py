"""The note after a kernel's first answer of the embedded model."""

from __future__ import annotations

import pytest

from tests.cells.kernel import Kernel
from tests.conftest import MODELS


@pytest.fixture
def kernel(tmp_path, embedded_path):
    k = Kernel({"FMNB_HOME": str(tmp_path), "FMNB_MODELS": str(MODELS), "OLLAMA_HOST": "127.0.0.1:9", "OPENAI_API_KEY": "sk-not-used-0000"})
    yield k
    k.close()


def test_the_first_embedded_answer_says_what_the_model_is_good_for_and_the_next_step(kernel):
    assert "135 million" not in kernel("%%fm echo:\nhi").final()  # another model was named
    for n in range(20):  # a busy machine shows it after a later answer
        first = kernel(f"%%fm --max-tokens 5\nSay hi {n}.")
        assert first.status == "ok"
        if len(first.displays) == 2:
            break
    plain, html = first.final(), first.final("text/html")
    assert "good for trying cells" in plain and "often wrong" in plain
    assert "`%fm use openai:" in plain and "prompts go to api.openai.com" in plain
    assert 'role="note"' in html and "<code>%fm use openai:" in html
    second = kernel("%%fm --max-tokens 5\nSay ho.")
    assert len(second.displays) == 1 and "good for" not in second.final()
    rows = kernel("%fm doctor").value
    assert "better: openai:" in rows and "prompts go to api.openai.com" in rows


def test_a_first_comparison_with_the_embedded_model_has_the_note_too(kernel):
    assert "135 million" not in str(kernel("%%fm echo: echo:think\nhi").displays)
    for n in range(20):  # a busy machine shows it after a later answer
        first = kernel(f"%%fm embedded echo: --max-tokens 5\nSay hi {n}.")
        assert first.status == "ok"
        if "135 million" in str(first.displays):
            break
    assert "`%fm use openai:" in first.final()
    assert "135 million" not in str(kernel("%%fm --max-tokens 5\nSay ho.").displays)
