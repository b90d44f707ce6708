"""Pictures in the log, the cache and on tapes: small ones in place, large ones as files, previews or a notice."""

from __future__ import annotations

import dataclasses

import pytest

from fmnb.core import media as _media
from fmnb.core.events import Finished, Media, Notice, Started, TextDelta
from fmnb.core.types import Request, message
from fmnb.store import cache, db, log, media, retention, tape
from fmnb.store.log_sink import LogSink
from tests.wire.images import MP4, png

SMALL, LARGE = png(8, 6), png(1200, 800)
REQUEST = Request("m", (message("user", "a cat"),), format="image")


def record(run: str, *middle) -> None:
    sink = LogSink()
    for n, event in enumerate((Started(model="tiny", request=REQUEST), *middle, Finished(model="tiny", extra={"seed": 7})), 1):
        sink(dataclasses.replace(event, run=run, n=n, at=100.0 + n))


def picture(data: bytes, kind: str = "image/png") -> Media:
    return Media(data=data, media_type=kind, alt="a cat", name="cat.png")


def files() -> list[str]:
    return sorted(f.name for f in media.folder().iterdir()) if media.folder().is_dir() else []


def test_a_picture_comes_back_from_the_log(home):
    record("run-1", picture(SMALL), picture(LARGE))
    r = log.reopen("run-1")
    assert [m.data for m in r.media] == [SMALL, LARGE] and r.media[1].alt == "a cat" and r.extra["seed"] == 7
    assert len(files()) == 1 and (media.folder() / files()[0]).stat().st_mode & 0o777 == 0o600
    assert (db.database().path.stat().st_size) < len(LARGE)
    assert log.search("cat")[0]["text"].startswith("[image 8x6 PNG")


def test_the_same_bytes_are_one_file_until_no_run_shows_them(home):
    record("run-1", picture(LARGE))
    record("run-2", picture(LARGE))
    assert len(files()) == 1
    retention.forget(run="run-1")
    assert len(files()) == 1 and log.reopen("run-2").media[0].data == LARGE
    retention.forget(run="run-2")
    assert files() == []


def test_forgetting_everything_leaves_no_picture(home):
    record("run-1", picture(LARGE), picture(png(1200, 800, 5)))
    cache.put("key", "run-1", [picture(LARGE), Finished()])
    retention.forget(everything=True)
    assert files() == [] and cache.get("key") is None


def test_what_a_dead_kernel_left_goes_in_time(home):
    record("run-1", picture(LARGE))
    left = media.folder() / ("0" * 64)
    left.write_bytes(b"x")
    retention.forget(run="run-1")
    assert not left.exists()


def test_a_file_that_is_gone_or_changed_is_said_and_the_rest_is_there(home):
    record("run-1", TextDelta(text="here"), picture(LARGE))
    (media.folder() / files()[0]).write_bytes(b"something else")
    r = log.reopen("run-1")
    assert r.media == () and r.text == "here" and r.notes == ("the image of 2.9 MB is no longer in the log's folder",)
    (media.folder() / files()[0]).unlink()
    assert log.reopen("run-1").media == ()


def test_the_cache_keeps_pictures_and_is_a_miss_without_them(home):
    cache.put("key", "run-1", [picture(SMALL), picture(LARGE), Finished()])
    found = cache.get("key")
    assert found is not None and [e.data for e in found if isinstance(e, Media)] == [SMALL, LARGE]
    (media.folder() / files()[0]).unlink()
    assert cache.get("key") is None


def test_a_full_disk_leaves_nothing_half_written(home, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(media.os, "replace", full)
    with pytest.raises(media.StoreError, match="2.9 MB"):
        cache.put("key", "run-1", [picture(LARGE)])
    assert files() == [] and cache.get("key") is None


def replayed(path, *events):
    one = tape.Tape(path)
    one.record(REQUEST, REQUEST.fingerprint(), "cell", [dataclasses.replace(e, at=float(n)) for n, e in enumerate(events)])
    entry = tape.Tape(path).get(REQUEST.fingerprint())
    return [e for _, e in entry.replay()]


def test_a_tape_holds_a_picture_of_up_to_two_megabytes(tmp_path):
    middling = png(700, 800)
    assert _media.INLINE < len(middling) < tape.MEDIA
    got = replayed(tmp_path / "a.jsonl", picture(middling), Finished())
    assert got[0] == picture(middling)


def test_of_a_larger_picture_it_holds_a_preview_and_says_so(tmp_path):
    pytest.importorskip("PIL")
    got = replayed(tmp_path / "a.jsonl", picture(LARGE), Finished())
    note, small = got[0], got[1]
    assert isinstance(note, Notice) and "preview of the image of 2.9 MB" in note.text
    assert len(small.data) <= _media.PREVIEW and small.media_type == _media.sniff(small.data) and small.alt == "a cat"
    assert (tmp_path / "a.jsonl").stat().st_size < 2 * _media.PREVIEW


def test_of_a_larger_video_it_holds_a_notice(tmp_path):
    got = replayed(tmp_path / "a.jsonl", picture(MP4 + bytes(10_000_000), "video/mp4"), Finished())
    assert isinstance(got[0], Notice) and got[0].kind == "warning" and "video of 10.0 MB was too large" in got[0].text
    assert (tmp_path / "a.jsonl").stat().st_size < 2_000
