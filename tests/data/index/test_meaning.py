"""Search by meaning with the real embedder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fmnb as fm
from fmnb.core.errors import UsageError
from tests.conftest import MODELS


@pytest.fixture
def with_minilm(folder, minilm_path, monkeypatch):
    monkeypatch.setenv("FMNB_MODELS", str(MODELS))
    return folder


def test_other_words_for_the_same_thing_are_found(with_minilm, handbook):
    with fm.Index("kb") as kb:
        report = kb.add("docs")
        assert kb.embedder.endswith("int8") and report.vectors == report.chunks == report.embedded
        assert kb.search("espresso appliance")[0].path == "docs/notes.txt"
        assert "words and meaning" in repr(kb)


def test_only_new_text_is_embedded_again(with_minilm):
    lines = [f"# Part {i}\n\n{'Text of part ' + str(i) + '. ' * 3}\n" for i in range(20)]
    Path("a.md").write_text("\n".join(lines))
    with fm.Index("kb") as kb:
        assert kb.add("a.md").embedded == 20
        lines[7] = "# Part 7\n\nA new text.\n"
        Path("a.md").write_text("\n".join(lines))
        report = kb.add("a.md")
        assert report.changed == ("a.md",) and report.embedded == 1 and report.vectors == 20


def test_an_index_without_vectors_says_so(folder, handbook):
    with fm.Index("kb") as kb:  # the weights are not in this home
        report = kb.add("docs")
        assert report.vectors == 0 and "searched by words alone" in report.notes[-1] and "%fm pull minilm" in report.notes[-1]
        assert "by words alone" in kb.search("leave").notes[0]


def test_another_embedder_is_refused_with_an_offer_to_rebuild(with_minilm, handbook):
    with fm.Index("kb", embedder="none") as kb:
        kb.add("docs")
    with fm.Index("kb", embedder="minilm") as kb:
        with pytest.raises(UsageError, match="another embedder") as e:
            kb.add("docs")
        assert "--rebuild" in e.value.hint
        report = kb.add("docs", rebuild=True)
        assert report.vectors == report.chunks > 0 and kb.search("freelancers quit")
    with fm.Index("kb", embedder="minilm fp32") as kb, pytest.raises(UsageError, match="another embedder"):
        kb.add("docs")


def test_an_embedder_that_is_gone_is_named(with_minilm, handbook, monkeypatch, tmp_path_factory):
    with fm.Index("kb") as kb:
        kb.add("docs")
    monkeypatch.setenv("FMNB_MODELS", str(tmp_path_factory.mktemp("none")))
    from fmnb.catalog.resolve import forget_backends

    forget_backends()
    with fm.Index("kb") as kb, pytest.raises(UsageError, match="embedder of this index is not available") as e:
        kb.search("leave")
    assert "minilm" in e.value.detail


def test_vectors_in_memory_follow_the_file(with_minilm, handbook):
    with fm.Index("kb") as one, fm.Index("kb") as two:
        one.add("docs")
        assert two.search("vacation", path="docs/leave.md")
        (handbook / "rain.md").write_text("# Weather\n\nAn umbrella keeps one dry.\n")
        one.add("docs")
        assert two.search("protection from rain")[0].path == "docs/rain.md"
        two.remove("docs/rain.md")
        assert "docs/rain.md" not in {p.path for p in one.search("protection from rain")}
        ids = two._matrix._ids[: two._matrix._rows]
        two.search("anything")
        assert sorted(two._open().chunk_ids()) == sorted(two._matrix._ids[: two._matrix._rows].tolist()) and len(ids)


def test_stored_vectors_are_of_unit_length(with_minilm, handbook):
    with fm.Index("kb") as kb:
        kb.add("docs")
        _, vectors = kb._open().vectors(0, 384)
    assert np.allclose(np.linalg.norm(vectors.astype(np.float32), axis=1), 1, atol=2e-3)


def test_a_question_about_something_else_finds_nothing(with_minilm, handbook):
    with fm.Index("kb") as kb:
        kb.add("docs")
        assert kb.search("Who won the world cup of 1998?").passages == () and kb.search("annual vacation")


def test_long_passages_say_nothing_about_the_embedder(with_minilm):
    Path("a.txt").write_text("The lighthouse keeper counts ships and stars at night. " * 200)
    events = []
    with fm.Index("kb") as kb:
        kb.add("a.txt", sinks=[events.append])
    assert not [e for e in events if type(e).__name__ == "Notice"]
