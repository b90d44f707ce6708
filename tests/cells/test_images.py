"""`%%fm MODEL -f image` as users type it, with a tiny pipeline that the tests make themselves."""

from __future__ import annotations

import pytest

from fmnb.core.errors import TapeMissError, UsageError
from fmnb.engines import loaded
from tests.cells.kernel import Kernel

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("PIL")

from tests.engines import tiny_pipeline

LINE = "--seed 7 -p steps=2 -p size=32x32"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    yield tiny_pipeline.save(tmp_path_factory.mktemp("pipelines") / "tiny")
    loaded.unload()


def test_a_cell_makes_a_picture_and_keeps_it_under_a_name(cells, folder):
    assert cells(f"%%fm path:{folder} -f image -o cat {LINE}\na cat on a mat") is None
    assert "[image 32x32 PNG" in cells.out and "a cat on a mat]" in cells.out
    assert "local" in cells.out and "32x32 · seed 7 · 2 steps" in cells.out and "free" in cells.out
    assert cells("cat.image.size, cat.image.info['seed'], cat.save('cat')[0].name") == ((32, 32), 7, "cat.png")
    again = cells(f"%%fm path:{folder} -f image {LINE}\na cat on a mat")
    assert again.source == "cached" and again.media == cells.ns["cat"].media
    assert cells(f"%fm log {again.run}").media == again.media
    assert "cat on a mat" in str(cells("%fm log mat"))


def test_values_go_into_the_prompt_of_a_picture(cells, folder):
    cells.ns["animal"] = "dog"
    assert cells(f"%%fm path:{folder} -f image {LINE}\na {{{{ animal }}}}").image.info["prompt"] == "a dog"


def test_a_tape_shows_the_picture_where_there_is_no_pipeline(cells, folder, tmp_path):
    cells("%fm tape pictures.tape.jsonl")
    made = cells(f"%%fm path:{folder} -f image {LINE} --no-cache\na cat")
    moved = folder.rename(folder.with_name("gone"))
    try:
        loaded.unload()
        replayed = cells(f"%%fm path:{folder} -f image {LINE} --no-cache\na cat")
        assert replayed.source == "replayed" and replayed.media == made.media and replayed.extra["seed"] == 7
        error = cells.fails(f"%%fm path:{folder} -f image {LINE} --replay-only\na dog")
        assert isinstance(error, TapeMissError)
    finally:
        moved.rename(folder)


def test_a_model_that_writes_makes_no_pictures_and_one_that_makes_pictures_writes_nothing(cells, folder):
    assert isinstance(cells.fails("%%fm echo: -f image\na cat"), UsageError)
    error = cells.fails(f"%%fm path:{folder}\nhello")
    assert isinstance(error, UsageError) and "-f image" in str(error)


def test_a_size_that_cannot_be_drawn_is_a_line_and_no_traceback(cells, folder):
    error = cells.fails(f"%%fm path:{folder} -f image -p size=33x32\na cat")
    assert "multiples of 8" in str(error) and "size=32x32" in str(error)


def test_a_notebook_shows_the_picture_once_and_again_when_asked(folder, tmp_path_factory):
    kernel = Kernel({"FMNB_HOME": str(tmp_path_factory.mktemp("home"))})
    try:
        r = kernel(f"%%fm path:{folder} -f image {LINE}\na cat")
        assert r.status == "ok" and r.final("text/html").count('<img src="data:image/png;base64,') == 1 and not r.value
        assert 'alt="Made by path:' in r.final("text/html") and "seed 7" in r.final("text/html")
        kernel("made = _")
        shown = kernel("made")
        assert "<img" in shown.bundle["text/html"]
        shown = kernel(f"%fm log {r.metadata[0]['run']}")
        assert "<img" in shown.final("text/html")
    finally:
        kernel.close()
