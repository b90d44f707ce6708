"""A picture as bytes, and as part of a Response: opened, told how it was made, saved."""

from __future__ import annotations

import io
import zlib
from html import unescape
from pathlib import Path

import pytest

from fmnb.core import media as _media
from fmnb.core.errors import BadRequestError, UsageError
from fmnb.core.image_options import image_options
from fmnb.core.response import Response
from fmnb.core.types import File, Image, Message, Request, Text, message
from tests.wire.images import MP4, png

PIL = pytest.importorskip("PIL.Image")


def encoded(format: str, size=(30, 20), **options) -> bytes:
    out = io.BytesIO()
    PIL.effect_noise(size, 100).convert("RGB").save(out, format, **options)
    return out.getvalue()


def answer(*media, **more) -> Response:
    request = Request("openai:gpt-image-2", (message("user", "a cat\non a mat"),), format="image")
    extra = {"seed": 7, "made": "2026-11-24T12:00:00+00:00"} | more
    return Response("", run="r1", model="gpt-image-2", requested_model="openai:gpt-image-2", media=media, request=request, extra=extra)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (png(), "image/png"),
        (encoded("JPEG"), "image/jpeg"),
        (encoded("GIF"), "image/gif"),
        (encoded("WEBP"), "image/webp"),
        (MP4, "video/mp4"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "video/webm"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ""),
        (b"<html>", ""),
        (b"", ""),
        (b"\0\0\0\x18ftypheic", ""),
    ],
)
def test_the_kind_is_told_from_the_bytes(data, kind):
    assert _media.sniff(data) == kind


@pytest.mark.parametrize(
    "data",
    [encoded("PNG"), encoded("JPEG"), encoded("JPEG", progressive=True), encoded("GIF"), encoded("WEBP"), encoded("WEBP", lossless=True)],
)
def test_the_size_is_read_from_the_header_as_pillow_reads_it(data):
    assert _media.pixels(data) == (30, 20)


def test_a_header_that_is_cut_has_no_size():
    assert all(
        _media.pixels(data[:n]) in (None, (30, 20)) for data in (encoded("PNG"), encoded("JPEG"), encoded("WEBP")) for n in range(len(data))
    )


def test_a_png_with_texts_is_still_the_same_picture():
    data = encoded("PNG")
    said = {"prompt": "eine Katze 🐈", "seed": "7"}
    opened = PIL.open(io.BytesIO(_media.with_metadata(data, said)))
    opened.load()
    assert opened.tobytes() == PIL.open(io.BytesIO(data)).tobytes()
    assert {k: opened.info[k] for k in said} == said
    assert _media.with_metadata(b"no png", said) == b"no png"


def test_a_large_picture_has_a_preview_and_a_small_one_is_itself():
    large = png(1200, 800)
    assert len(large) > _media.INLINE
    small = _media.preview(large)
    assert small is not None and len(small) <= _media.PREVIEW and _media.sniff(small) == "image/webp"
    html = _media.figure_html(large, 'a "cat"')
    assert (
        len(html) < 2 * _media.PREVIEW
        and "preview" in html
        and "2.9 MB" in html
        and 'alt="a &quot;cat&quot;"' in html
        and 'width="1200"' in html
    )
    assert "preview" not in _media.figure_html(png(), "a cat")


def test_without_pillow_a_large_picture_is_a_line_that_says_how_to_save_it(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(_media.importlib, "import_module", missing)
    _media._shown.cache_clear()
    html = _media.figure_html(png(1200, 800, seed=1), "a cat")
    assert (
        "<img" not in html
        and "image 1200x800 PNG, 2.9 MB" in html
        and "answer.save(&quot;" not in html
        and 'answer.save("image.png")' in html
    )


def test_a_broken_picture_that_is_large_is_a_line_too():
    html = _media.figure_html(png()[:40] + b"x" * 2_000_000, "a cat")
    assert "<img" not in html and "too large to show" in html


def test_a_video_plays_up_to_four_megabytes_and_is_a_line_beyond():
    assert "<video controls" in _media.figure_html(MP4, "a cat") and "data:video/mp4;base64," in _media.figure_html(MP4, "a cat")
    html = _media.figure_html(MP4 + bytes(5_000_000), "a cat")
    assert "<video" not in html and "[video MP4, 5.0 MB: a cat]" in unescape(html)


@pytest.mark.parametrize("data", [b"<svg onload='alert(1)'/>", b"<script>alert(1)</script>", b"GIF8"])
def test_what_could_act_is_never_shown(data):
    html = _media.figure_html(data, "<b>x</b>")
    assert "<svg" not in html and "<script" not in html and "data:" not in html and "not shown" in html


def test_a_picture_opens_with_how_it_was_made():
    picture = answer(Image(png(8, 6), "image/png", "a cat")).image
    assert picture.size == (8, 6)
    assert picture.info["model"] == "gpt-image-2" and picture.info["prompt"] == "a cat\non a mat" and picture.info["seed"] == 7
    assert picture.info["run"] == "r1" and picture.info["date"].startswith("2026-11-24") and picture.info["fmnb"]


def test_what_pillow_cannot_open_can_be_saved(tmp_path):
    r = answer(Image(b"<svg/>", "image/svg+xml"))
    with pytest.raises(UsageError, match=r"picture\.svg"):
        _ = r.image
    assert r.save(tmp_path / "x")[0].name == "x.svg"


def test_each_of_several_pictures_has_its_own_seed():
    r = answer(Image(png(4, 3, 1)), Image(png(4, 3, 2)), seeds=[7, 8])
    assert [p.info["seed"] for p in r.images] == [7, 8]


def test_an_answer_without_a_picture_says_how_to_get_one():
    for get in (lambda r: r.image, lambda r: r.images, lambda r: r.save("x")):
        with pytest.raises(UsageError, match="-f image"):
            get(Response("text"))
    with pytest.raises(UsageError, match="no video"):
        _ = answer(Image(png())).video


def test_saving_writes_the_bytes_that_came(tmp_path):
    jpeg = encoded("JPEG")
    assert answer(Image(jpeg, "image/jpeg")).save(tmp_path / "cat") == [tmp_path / "cat.jpg"]
    assert (tmp_path / "cat.jpg").read_bytes() == jpeg
    assert answer(File(MP4, "video/mp4", "x")).save(tmp_path / "new/clip.mp4")[0].read_bytes() == MP4
    saved = answer(Image(png())).save(tmp_path / "cat.png")[0]
    opened = PIL.open(saved)
    assert (
        opened.text["seed"] == "7"
        and opened.text["prompt"] == "a cat\non a mat"
        and opened.tobytes() == PIL.open(io.BytesIO(png())).tobytes()
    )


def test_several_are_numbered(tmp_path):
    r = answer(Image(png(4, 3, 1)), Image(png(4, 3, 2)), seeds=[7, 8])
    assert r.save(tmp_path / "cat.png") == [tmp_path / "cat-1.png", tmp_path / "cat-2.png"]
    assert PIL.open(tmp_path / "cat-2.png").text["seed"] == "8"


def test_nothing_is_overwritten_unless_that_is_asked(tmp_path):
    r = answer(Image(png(4, 3, 1)), Image(png(4, 3, 2)))
    (tmp_path / "cat-2.png").write_text("mine")
    with pytest.raises(UsageError, match="overwrite=True"):
        r.save(tmp_path / "cat.png")
    assert (tmp_path / "cat-2.png").read_text() == "mine" and not (tmp_path / "cat-1.png").exists()
    r.save(tmp_path / "cat.png", overwrite=True)
    assert _media.sniff((tmp_path / "cat-2.png").read_bytes()) == "image/png"
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError, match="Name a file"):
        answer(Image(png())).save(tmp_path / "folder.png", overwrite=True)


def test_a_file_that_cannot_be_written_is_an_error_without_a_traceback_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="cannot be written"):
        answer(Image(png())).save(tmp_path / "file/cat.png")
    with pytest.raises(UsageError, match="too long"):
        answer(Image(png())).save(tmp_path / f"{'x' * 300}.png")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_is_to_be_overwritten_stays_when_the_disk_is_full(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("needs a device that is always full")
    (tmp_path / "cat.png").write_bytes(b"mine")
    (tmp_path / ".cat.png.part").symlink_to("/dev/full")
    with pytest.raises(UsageError, match="No space left"):
        answer(Image(png())).save(tmp_path / "cat.png", overwrite=True)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("cat.png", b"mine")]


def test_a_picture_that_claims_to_be_enormous_is_not_opened():
    head = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    with pytest.raises(UsageError, match="cannot be opened"):
        _ = answer(Image(b"\x89PNG\r\n\x1a\n\0\0\0\r" + head + zlib.crc32(head).to_bytes(4, "big"))).image


def test_a_name_that_says_another_kind_is_refused(tmp_path):
    with pytest.raises(UsageError, match="PNG.*cat.jpg.*cat.png"):
        answer(Image(png())).save(tmp_path / "cat.jpg")
    assert answer(Image(png())).save(tmp_path / "cat.v2") == [tmp_path / "cat.v2.png"]


def test_an_answer_of_pictures_shows_itself():
    r = answer(Image(png(8, 6), "image/png", "Made by x: a cat"))
    assert str(r) == f"[image 8x6 PNG, {len(png(8, 6))} bytes: Made by x: a cat]" and "image 8x6" in repr(r)
    assert 'alt="Made by x: a cat"' in r._repr_html_() and Response("text")._repr_html_() is None


@pytest.mark.parametrize(
    ("extra", "match"),
    [
        ({"size": "big"}, "width x height"),
        ({"size": "0x8"}, "width x height"),
        ({"n": 0}, "above 0"),
        ({"n": 11}, "At most 10"),
        ({"steps": 2.5}, "whole number"),
        ({"guidance": "strong"}, "number above 0"),
        ({"steps": True}, "whole number"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(extra, match):
    with pytest.raises(UsageError, match=match):
        image_options(Request("m", (message("user", "a cat"),), extra=extra))


def test_options_have_the_names_of_services_too():
    w = image_options(
        Request("m", (message("user", "a cat"),), extra={"num_inference_steps": 4, "width": 64, "height": 32, "negative_prompt": "dogs"})
    )
    assert (w.steps, w.size, w.negative, w.raw) == (4, (64, 32), "dogs", {})


def test_what_no_maker_of_pictures_acts_on_is_named():
    request = Request(
        "m", (message("system", "Be brief."), message("user", "one"), message("user", "a cat")), temperature=0.5, max_tokens=9
    )
    assert (
        image_options(request).ignored == ("system", "the conversation so far", "temperature", "max_tokens")
        and image_options(request).prompt == "a cat"
    )
    with pytest.raises(UsageError, match="schema"):
        image_options(Request("m", (message("user", "a cat"),), schema={"type": "object"}))
    with pytest.raises(BadRequestError):
        image_options(Request("m", (Message("user", (Text("x"), File(b"%PDF", "application/pdf"))),)))
    with pytest.raises(UsageError, match="empty"):
        image_options(Request("m", (message("user", " "),)))
