"""Which files a walk finds, and why it skips others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fmnb.core.errors import UsageError
from fmnb.documents.limits import Limits
from fmnb.documents.walk import find_files

LINKS = hasattr(os, "symlink") and os.name != "nt"


@pytest.fixture
def here(tmp_path, monkeypatch):
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.chdir(root)
    return root


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def names(found):
    return [f.name for f in found.files]


def reasons(found, root):
    return {s.path.relative_to(root).as_posix(): s.reason for s in found.skipped}


def test_folders_are_read_with_all_below_them_in_the_order_of_their_names(here):
    put(here, "docs/b.md", "docs/a/z.txt", "docs/a/a.txt", "docs/c/d/e.md", "other.md")
    assert names(find_files("docs")) == ["docs/a/a.txt", "docs/a/z.txt", "docs/b.md", "docs/c/d/e.md"]
    assert names(find_files(["other.md", Path("docs/b.md")])) == ["docs/b.md", "other.md"]


def test_a_file_has_its_size_and_the_time_of_its_change(here):
    put(here, "a.md")
    os.utime("a.md", (1_000, 2_000))
    (file,) = find_files("a.md").files
    assert (file.size, file.mtime, file.path) == (4, 2_000.0, (here / "a.md").resolve())


@pytest.mark.parametrize(
    ("glob", "wanted"),
    [
        ("*.md", ["a.md"]),
        ("docs/*.md", ["docs/b.md"]),
        ("**/*.md", ["a.md", "docs/b.md", "docs/deep/c.md"]),
        ("docs/**", ["docs/b.md", "docs/deep/c.md", "docs/t.txt"]),
        ("docs/[ab].??", ["docs/b.md"]),
        ("d*/deep/*", ["docs/deep/c.md"]),
    ],
)
def test_globs(here, glob, wanted):
    put(here, "a.md", "docs/b.md", "docs/t.txt", "docs/deep/c.md", "docs/.hidden.md", "node_modules/x.md")
    assert names(find_files(glob)) == wanted


def test_a_glob_without_a_match_and_a_missing_file_are_said(here):
    found = find_files(["*.pdf", "missing.md", "nowhere/*.md"])
    assert found.files == () and sorted(s.reason for s in found.skipped) == [
        "no file matches",
        "no file matches",
        "there is no such file or folder",
    ]


def test_a_file_whose_name_looks_like_a_glob_is_a_file(here):
    put(here, "a[1].md")
    assert names(find_files("a[1].md")) == ["a[1].md"]


def test_a_glob_in_a_folder_whose_name_looks_like_one(here, monkeypatch):
    put(here, "a[1]/b.md", "a[1]/c.txt", "a1/d.md")
    assert names(find_files("a[1]/*.md")) == ["a[1]/b.md"]
    monkeypatch.chdir(here / "a[1]")
    assert names(find_files("*.md")) == ["b.md"]


def test_hidden_files_keys_and_caches_are_skipped_with_a_reason(here):
    secret = [".env", "prod.env", "sub/.env.local", "server.pem", "id_rsa", "credentials.json", "client_secret_1.json", ".netrc"]
    caches = ["__pycache__/a.txt", "node_modules/b.txt", ".git/config", ".ipynb_checkpoints/c.ipynb", "sub/.fmnb/kb.db"]
    put(here, *secret, *caches, ".hidden.md", ".folder/x.md", "env.py", "good.md", "venv/pyvenv.cfg", "venv/lib.txt")
    found = find_files(".")
    assert names(found) == ["env.py", "good.md"]
    said = reasons(found, here)
    assert {said[n] for n in secret} == {"it may hold keys or passwords"}
    assert {said[n.rpartition("/")[0]] for n in caches} == {"a cache"}
    assert said[".hidden.md"] == said[".folder"] == "hidden" and said["venv"] == "a virtual environment"


def test_a_key_is_skipped_even_if_it_is_named(here):
    put(here, ".env", ".git/config", ".notes/a.md")
    found = find_files([".env", ".git", ".notes"])
    assert names(found) == [".notes/a.md"] and len(found.skipped) == 2


@pytest.mark.skipif(not LINKS, reason="no symbolic links here")
def test_links_that_lead_out_are_skipped(here, tmp_path):
    put(tmp_path, "outside/secret.md")
    put(here, "docs/a.md")
    (here / "docs/out.md").symlink_to(tmp_path / "outside/secret.md")
    (here / "docs/folder").symlink_to(tmp_path / "outside")
    (here / "docs/gone").symlink_to(tmp_path / "nowhere")
    found = find_files("docs")
    assert names(found) == ["docs/a.md"]
    said = reasons(found, here)
    assert said["docs/out.md"].startswith("a link that leads out of") and said["docs/folder"].startswith("a link that leads out of")
    assert said["docs/gone"] == "a link that leads nowhere"


@pytest.mark.skipif(not LINKS, reason="no symbolic links here")
def test_links_inside_are_followed_once_and_circles_end(here):
    put(here, "docs/a.md")
    (here / "docs/again.md").symlink_to(here / "docs/a.md")
    (here / "docs/circle").symlink_to(here / "docs")
    (here / "docs/self").symlink_to(here / "docs/self")
    found = find_files("docs")
    assert names(found) == ["docs/a.md"]
    assert reasons(found, here)["docs/again.md"] == "the same file as docs/a.md"


@pytest.mark.skipif(not LINKS, reason="no symbolic links here")
def test_a_link_to_a_key_is_skipped(here):
    put(here, "docs/.env")
    (here / "docs/notes.md").symlink_to(here / "docs/.env")
    assert find_files("docs").files == ()


def test_nothing_is_found_outside_of_the_root(here, tmp_path):
    put(tmp_path, "outside/secret.md")
    put(here, "a.md")
    found = find_files(["a.md", "../outside", "../outside/secret.md", "../outside/*.md", tmp_path / "outside"], root=here)
    assert names(found) == ["a.md"]
    assert found.skipped and all("outside of" in s.reason for s in found.skipped)
    assert names(find_files("../outside/secret.md")) == [(tmp_path / "outside/secret.md").as_posix()]  # without a root, what is named


def test_the_root_is_where_relative_paths_start(here, tmp_path):
    put(tmp_path, "data/x/a.md")
    assert names(find_files("x", root=tmp_path / "data")) == ["x/a.md"]
    with pytest.raises(UsageError, match="not a folder"):
        find_files("x", root=tmp_path / "nowhere")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_and_devices_are_skipped(here):
    os.mkfifo(here / "pipe.txt")
    found = find_files([".", "/dev/zero"])
    assert found.files == () and [s.reason for s in found.skipped] == ["a pipe or a device", "a pipe or a device"]


def test_a_file_over_the_limit_is_skipped(here):
    with open("big.txt", "wb") as f:
        f.truncate(2_000_000_000)  # sparse
    put(here, "a.md")
    found = find_files(".")
    assert names(found) == ["a.md"] and found.skipped[0].reason == "2000.0 MB, the limit is 200.0 MB"
    assert names(find_files(".", limits=Limits(size=3))) == []


@pytest.mark.parametrize("address", ["file:///etc/passwd", "https://e.example/a.pdf", "data:text/plain,x", "s3://bucket/a"])
def test_addresses_are_refused(here, address):
    with pytest.raises(UsageError, match="not addresses"):
        find_files(address)


def test_paths_that_no_system_takes_are_skipped(here):
    found = find_files(["a\0b", "x" * 5_000])
    assert found.files == () and len(found.skipped) == 2


def test_the_same_file_is_found_once(here):
    put(here, "docs/a.md")
    found = find_files(["docs", "docs/a.md", "docs/*.md", "./docs/../docs"])
    assert names(found) == ["docs/a.md"] and found.skipped == ()
