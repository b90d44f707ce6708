"""An index from its first file to its last: what is added, changed, removed, found."""

from __future__ import annotations

import datetime
import os
import shutil
import sqlite3
import sys
from pathlib import Path

import pandas as pd
import pytest

import fmnb as fm
from fmnb.core.errors import StoreError, UsageError
from fmnb.core.events import Progress


@pytest.fixture
def kb(folder):
    with fm.Index("kb", embedder="none") as index:
        yield index


def test_passages_name_their_document_headings_and_lines(kb, handbook):
    kb.add("docs")
    found = kb.search("notice period of contractors")
    assert found[0].text == "Contractors give thirty days' notice in writing."
    assert (found[0].title, found[0].path) == ("leave.md", "docs/leave.md") or found[0].title == "Leave"
    assert found[0].headings == ("Leave", "Notice") and found[0].location == "line 7" and found[0].source == "kb"


def test_an_update_names_what_was_added_changed_and_removed(kb, handbook):
    report = kb.add("docs")
    assert report.added == ("docs/leave.md", "docs/notes.txt", "docs/travel.md") and report.unchanged == 0
    (handbook / "travel.md").write_text("# Travel\n\nEverybody walks.\n")
    (handbook / "notes.txt").unlink()
    (handbook / "new.txt").write_text("A new rule.")
    report = kb.add("docs")
    assert (report.added, report.changed, report.removed, report.unchanged) == (
        ("docs/new.txt",),
        ("docs/travel.md",),
        ("docs/notes.txt",),
        1,
    )
    assert kb.search("coffee machine").passages == () and kb.search("everybody walks")[0].path == "docs/travel.md"
    assert "removed: docs/notes.txt" in repr(report) and "docs/travel.md" in report._repr_html_()


def test_an_update_without_sources_looks_at_all_of_them_again(kb, handbook):
    kb.add("docs")
    (handbook / "more.md").write_text("# More\n\nAn umbrella is provided.\n")
    (handbook / "leave.md").unlink()
    report = kb.add()
    assert report.added == ("docs/more.md",) and report.removed == ("docs/leave.md",) and report.unchanged == 2


def test_a_file_with_a_new_time_and_the_same_content_is_not_read_again(kb, handbook):
    kb.add("docs")
    os.utime(handbook / "leave.md", (1, 1))
    report = kb.add("docs")
    assert report.unchanged == 3 and not report.changed
    assert next(f for f in kb.files if f.path == "docs/leave.md").mtime == 1


def test_a_single_file_does_not_remove_the_others(kb, handbook):
    kb.add("docs")
    report = kb.add("docs/leave.md")
    assert not report.removed and report.unchanged == 1 and len(kb.files) == 3


def test_what_is_deleted_is_gone_from_the_file(kb, handbook):
    (handbook / "vault.txt").write_text("The password of the vault is xylophone7263 and nothing else.")
    kb.add("docs")
    assert kb.search("vault")[0].path == "docs/vault.txt"
    assert kb.remove("docs/vault.txt") == 1
    kb.close()
    content = b"".join(p.read_bytes() for p in Path(".fmnb").iterdir())
    assert b"xylophone7263" not in content and b"vault" not in content


def test_files_that_cannot_be_read_are_skipped_with_the_reason(kb, handbook):
    (handbook / "photo.bin").write_bytes(bytes(range(256)) * 10)
    (handbook / ".env").write_text("KEY=1")
    report = kb.add("docs")
    reasons = {s.path: s.reason for s in report.skipped}
    assert set(reasons) == {"docs/photo.bin", "docs/.env"} and all(reasons.values())
    assert len(report.added) == 3


def test_a_file_that_can_no_longer_be_read_leaves_the_index(kb, handbook):
    kb.add("docs")
    (handbook / "notes.txt").write_bytes(bytes(range(256)) * 10)
    report = kb.add("docs")
    assert report.removed == ("docs/notes.txt",) and report.skipped[0].path == "docs/notes.txt"
    assert not kb.search("coffee").passages


def test_a_link_out_of_the_folder_is_not_followed(kb, handbook, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "private.txt"
    outside.write_text("zanzibar")
    (handbook / "link.txt").symlink_to(outside)
    report = kb.add("docs")
    assert not kb.search("zanzibar").passages and "docs/link.txt" in {s.path for s in report.skipped}


@pytest.mark.parametrize("given", ["missing.pdf", "https://example.org/a", "file:///etc/passwd"])
def test_a_path_that_is_none_is_refused(kb, given):
    with pytest.raises(UsageError):
        kb.add(given)
    assert not Path(".fmnb/kb.db").exists() or not kb.files


def test_filters_choose_by_path_date_and_column(kb, handbook):
    kb.add("docs")
    os.utime(handbook / "leave.md", (0, datetime.datetime(2020, 1, 1).timestamp()))
    kb.add("docs")
    assert {p.path for p in kb.search("days leave travel coffee", path="docs/leave.md")} == {"docs/leave.md"}
    assert {p.path for p in kb.search("leave travel coffee", path="*.md")} == {"docs/leave.md", "docs/travel.md"}
    assert {p.path for p in kb.search("leave travel coffee", path="docs")} == {"docs/leave.md", "docs/travel.md", "docs/notes.txt"}
    assert {p.path for p in kb.search("leave travel coffee", before="2021-01-01")} == {"docs/leave.md"}
    with pytest.raises(UsageError, match="No such filter"):
        kb.search("leave", product="A")


def test_rows_of_a_frame_are_found_and_filtered_by_its_columns(kb):
    frame = pd.DataFrame({"text": ["The screen broke.", "The screen is bright."], "product": ["A", "B"], "stars": [1, 5]})
    report = kb.add(frame, column="text", name="reviews")
    assert report.added == ("frame:reviews",)
    assert [p.location for p in kb.search("screen", product="B")] == ["row 2"]
    assert kb.search("screen", stars=[1, 2])[0].details["columns"] == {"product": "A", "stars": 1}
    assert not kb.search("screen", stars=3).passages
    frame.loc[0, "text"] = "The keyboard broke."
    assert kb.add(frame, column="text", name="reviews").changed == ("frame:reviews",)
    assert not kb.search("screen", product="A").passages
    assert kb.add().unchanged == 0 and kb.search("keyboard")  # a frame is no file that could have vanished


def test_at_most_three_chunks_of_a_document_and_neighbors_are_joined(kb, folder):
    long = "\n\n".join(f"Paragraph {i} tells of the lighthouse. " + f"Filler {i} words. " * 60 for i in range(12))
    Path("long.txt").write_text(long)
    Path("short.txt").write_text("A lighthouse, too.")
    kb.add("long.txt", "short.txt")
    found = kb.search("lighthouse")
    assert {p.path for p in found} == {"long.txt", "short.txt"}
    assert sum(len(p.text) for p in found if p.path == "long.txt") <= 3 * 1_700
    for p in found:
        assert p.path == "short.txt" or p.text.replace("\n", " ").split()[:3] and " ".join(p.text.split()) in " ".join(long.split())


def test_two_indexes_open_on_one_file_see_each_others_changes(handbook):
    with fm.Index("kb", embedder="none") as one, fm.Index("kb", embedder="none") as two:
        one.add("docs")
        assert two.search("coffee")
        two.remove("docs/notes.txt")
        assert not one.search("coffee").passages


def test_an_index_is_found_from_a_folder_below(handbook, monkeypatch):
    with fm.Index("kb", embedder="none") as kb:
        kb.add("docs")
    monkeypatch.chdir(handbook)
    with fm.Index("kb", embedder="none") as kb:
        assert kb.search("coffee")[0].path == "docs/notes.txt"
        assert kb.add("new.txt" if Path("new.txt").write_text("umbrella") else "").added == ("docs/new.txt",)
    assert (handbook.parent / ".fmnb" / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("name", ["", "a/b", "../kb", "kb.db", "1kb", "a b", None, "x" * 65])
def test_a_name_that_is_none_is_refused(folder, name):
    with pytest.raises(UsageError, match="index's name"):
        fm.Index(name)


def test_an_index_that_does_not_exist_says_how_to_make_it(folder):
    with pytest.raises(UsageError) as e:
        fm.Index("kb").search("x")
    assert "%fm index FILES --name kb" in e.value.hint
    assert repr(fm.Index("kb")) == "Index('kb': empty)" and not Path(".fmnb").exists()


def test_a_file_that_is_no_index_is_named(folder):
    Path(".fmnb").mkdir()
    Path(".fmnb/kb.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="is damaged"):
        fm.Index("kb").search("x")


def test_progress_names_the_file_and_the_bytes(kb, handbook):
    events = []
    kb.add("docs", sinks=[events.append])
    progress = [e for e in events if isinstance(e, Progress) and e.unit == "bytes"]
    assert progress and progress[0].total == sum(f.stat().st_size for f in handbook.iterdir()) and progress[0].note.startswith("docs/")


def test_words_are_found_in_scripts_without_spaces_and_with_accents(kb, folder):
    Path("a.txt").write_text("契約社員の通知期間は三十日です。", "utf-8")
    Path("b.txt").write_text("La période de préavis est de trente jours.", "utf-8")
    kb.add("a.txt", "b.txt")
    assert kb.search("通知期間")[0].path == "a.txt" and kb.search("preavis")[0].path == "b.txt"


def test_a_search_shows_hostile_text_as_it_is(kb, folder):
    Path("a.txt").write_text("<script>alert(1)</script> ![x](http://evil/x.png) $\\evil$ notice")
    kb.add("a.txt")
    html = kb.search("notice alert")._repr_html_()
    assert "<script>" not in html and "<img" not in html and "&lt;script&gt;" in html


def test_nothing_to_search_for_is_refused(kb, handbook):
    kb.add("docs")
    for question in ("", "  ", None, 5):
        with pytest.raises(UsageError):
            kb.search(question)
    for k in (0, -1, 101, True, "8"):
        with pytest.raises(UsageError):
            kb.search("leave", k)
    assert kb.search("?!").passages == ()


def test_a_full_database_is_not_left_half_written(kb, handbook, monkeypatch):
    kb.add("docs")
    before = sqlite3.connect(".fmnb/kb.db").execute("SELECT count(*) FROM chunks").fetchone()
    (handbook / "big.txt").write_text("umbrella " * 20_000)
    kb._open().db._connection.execute(f"PRAGMA max_page_count = {kb._open().db.rows('PRAGMA page_count')[0][0]}")
    with pytest.raises(StoreError, match="full"):
        kb.add("docs")
    assert sqlite3.connect(".fmnb/kb.db").execute("SELECT count(*) FROM chunks").fetchone() == before


def test_a_long_prompt_is_searched_by_its_rarest_words(kb, handbook):
    kb.add("docs")
    long = " ".join(f"word{i}" for i in range(20_000))
    assert kb.search(f"coffee {long}")[0].path == "docs/notes.txt"
    assert kb.search("x" * 1_000_000).passages == ()
    assert kb.search('"' * 5_000 + " NEAR AND OR NOT coffee* -machine {text}: ^")


def test_a_column_that_is_gone_is_no_filter_and_a_taken_name_is_said(kb):
    frame = pd.DataFrame({"text": ["The screen broke."], "team": ["A"], "path": ["x"]})
    report = kb.add(frame, column="text", name="t")
    assert any("no filter can have the name of its column path" in n for n in report.notes)
    assert kb.search("screen", team="A")
    kb.add(frame.rename(columns={"team": "staff"}), column="text", name="t")
    with pytest.raises(UsageError, match="No such filter"):
        kb.search("screen", team="A")


def test_a_missing_text_is_left_out(kb):
    kb.add(pd.DataFrame({"text": ["The screen broke.", None, "", float("nan")]}), column="text", name="t")
    assert kb.files[0].chunks == 1


def test_an_index_that_could_not_be_made_is_bound_to_no_embedder(folder, handbook):
    with fm.Index("kb", embedder="openai:text-embedding-3-small") as kb, pytest.raises(fm.FmnbError):
        kb.add("docs", sinks=[])
    with fm.Index("kb", embedder="none") as kb:
        assert kb.add("docs").added


def test_a_folder_that_is_deleted_under_a_live_kernel_takes_its_texts_along(kb, handbook):
    kb.add("docs")
    shutil.rmtree(".fmnb")
    with pytest.raises(UsageError, match="no such index"):
        kb.search("coffee")
    assert kb.add("docs").added and kb.search("coffee") and Path(".fmnb/kb.db").is_file()


def test_a_file_in_place_of_the_folder_is_named(folder, handbook):
    Path(".fmnb").write_text("")
    with fm.Index("kb", embedder="none") as kb, pytest.raises(StoreError, match="cannot be made"):
        kb.add("docs")


def test_the_filter_takes_a_files_own_name(kb, folder):
    Path("my file [1] *.md").write_text("An umbrella.")
    kb.add("my file [1] *.md")
    assert kb.search("umbrella", path="my file [1] *.md")


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names there are Unicode")
def test_a_name_that_is_not_utf8_is_skipped(kb, handbook):
    with open(os.fsencode(handbook) + b"/bad\xff\xfename.md", "w") as f:
        f.write("giraffe")
    report = kb.add("docs")
    assert len(report.added) == 3 and [s.reason for s in report.skipped] == ["its name is not UTF-8"] and "\\udcff" in repr(report)


def test_an_index_in_a_folder_that_nobody_can_write_to_is_searched(kb, handbook, monkeypatch):
    kb.add("docs")
    kb.close()
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert kb.search("coffee " + " ".join(f"word{i}" for i in range(100)))[0].path == "docs/notes.txt"
    (handbook / "new.txt").write_text("An umbrella.")
    with pytest.raises(StoreError, match="cannot be written"):
        kb.add("docs")


def test_a_folder_is_removed(kb, handbook):
    kb.add("docs")
    assert kb.remove("docs/") == 3
    with pytest.raises(UsageError) as e:
        kb.remove()
    assert "delete its file" in e.value.hint
