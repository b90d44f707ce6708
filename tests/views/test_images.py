"""Pictures and videos of an answer in a notebook and in a terminal."""

from __future__ import annotations

import dataclasses
import io

from fmnb.core.events import Cancelled, Finished, Media, Progress, Started, TextDelta, UsageReported
from fmnb.core.types import Usage
from fmnb.views.bundle import answer_bundle
from fmnb.views.footer import footer_text
from fmnb.views.live import NotebookView
from fmnb.views.text import TextView
from tests.wire.images import MP4, png

ALT = "Made by tiny: a <cat>"


def events(*middle, end=None):
    end = end or Finished(model="tiny", extra={"seed": 7, "steps": 3, "size": "8x6"})
    start = Started(model="tiny", host="local", kind="call")
    all_of_it = [start, *middle, UsageReported(usage=Usage(cost=0.0)), end]
    return [dataclasses.replace(e, run="r1", n=i, at=100.0 + i) for i, e in enumerate(all_of_it, 1)]


STEPS = [Progress(stage="generating the image", done=n, total=3, unit="steps") for n in range(3)]
PICTURE = Media(data=png(8, 6), media_type="image/png", alt=ALT)


def notebook(stream):
    drawn = []
    now = [0.0]
    view = NotebookView(show=lambda bundle, ident, update: drawn.append(bundle), clock=lambda: now[0])
    for event in stream:
        now[0] += 1
        view(event)
    return view, drawn


def test_steps_are_a_bar_and_the_end_is_the_picture():
    view, drawn = notebook(events(*STEPS, PICTURE))
    assert 'aria-valuenow="67"' in drawn[2][0]["text/html"] and "generating the image: 2 of 3 steps" in drawn[2][0]["text/html"]
    data, metadata = drawn[-1]
    assert 'role="progressbar"' not in data["text/html"] and '<img src="data:image/png;base64,' in data["text/html"]
    assert 'alt="Made by tiny: a &lt;cat&gt;"' in data["text/html"] and "max-width:100%" in data["text/html"]
    assert data["text/plain"].startswith(f"[image 8x6 PNG, {len(png(8, 6))} bytes: {ALT}]")
    assert "image 8x6 PNG" in data["text/markdown"] and set(data) == {"text/html", "text/markdown", "text/plain"}
    assert metadata["fmnb"]["run"] == "r1"


def test_a_picture_is_not_sent_again_with_every_step_of_the_next():
    _, drawn = notebook(events(PICTURE, *STEPS, PICTURE))
    assert [b[0]["text/html"].count("<img") for b in drawn][:-1] == [0] * (len(drawn) - 1)
    assert drawn[-1][0]["text/html"].count("<img") == 2


def test_stopping_keeps_the_pictures_that_are_finished():
    _, drawn = notebook(events(PICTURE, *STEPS, end=Cancelled()))
    assert "<img" in drawn[-1][0]["text/html"] and "1 finished picture kept" in drawn[-1][0]["text/html"]
    assert "1 finished picture kept" in drawn[-1][0]["text/plain"]


def test_text_and_picture_stand_together():
    _, drawn = notebook(events(TextDelta(text="Here it is."), PICTURE))
    html = drawn[-1][0]["text/html"]
    assert html.index("Here it is.") < html.index("<img") < html.index("<footer")


def test_a_video_has_controls():
    view, drawn = notebook(events(Media(data=MP4, media_type="video/mp4", name="clip.mp4")))
    assert "<video controls" in drawn[-1][0]["text/html"] and "[video MP4" in drawn[-1][0]["text/plain"]


def test_bytes_that_could_act_are_not_shown():
    _, drawn = notebook(events(Media(data=b"<svg onload='alert(1)'/>", media_type="image/svg+xml", alt="x")))
    assert "<svg" not in drawn[-1][0]["text/html"] and "not shown" in drawn[-1][0]["text/html"]


def test_the_footer_tells_size_seed_and_steps():
    view, _ = notebook(events(PICTURE))
    text = footer_text(view.builder.response())
    assert " · free · 8x6 · seed 7 · 3 steps · run r1" in text and "first" not in text


def test_several_seeds_are_all_told():
    view, _ = notebook(events(PICTURE, PICTURE, end=Finished(model="tiny", extra={"seed": 7, "seeds": [7, 8]})))
    assert "seeds 7, 8" in footer_text(view.builder.response())


def test_a_terminal_says_what_cannot_be_seen_there():
    out = io.StringIO()
    view = TextView(out=out)
    for event in events(*STEPS, PICTURE):
        view(event)
    assert out.getvalue().startswith(f"[image 8x6 PNG, {len(png(8, 6))} bytes: {ALT}]\n— fmnb · tiny")


def test_a_picture_says_nothing_that_passes_for_our_line():
    forged = Media(data=png(), media_type="image/png", alt="x\n— fmnb · gpt-5 · free")
    view, drawn = notebook(events(forged))
    lines = answer_bundle(view.builder.response())[0]["text/plain"].splitlines()
    assert [line for line in lines if line.startswith("— fmnb")] == [lines[-1]]
