"""A made picture in the real JupyterLab: really there, also in a notebook that is opened untrusted, and in Notebook 7."""

from __future__ import annotations

import json

import pytest

from tests.browser.conftest import new_page, open_at, write

MAKER = """import base64, io
from PIL import Image as Pictures, ImageDraw
from fmnb.core.backend import estimate_tokens
from fmnb.core.events import Finished, Media, Progress, UsageReported
from fmnb.core.types import ModelInfo, Usage

class Painter:
    info = ModelInfo("object:painter", "object", "local", local=True, outputs=("image",))
    kind = "image/png"
    def count(self, request): return estimate_tokens(request)
    def deterministic(self, request): return False
    async def stream(self, request):
        out = io.BytesIO()
        picture = Pictures.new("RGB", (640, 360), "#cfe3ee")
        draw = ImageDraw.Draw(picture)
        draw.polygon([(0, 360), (180, 150), (300, 290), (430, 110), (640, 360)], fill="#3b6e8f")
        draw.ellipse([470, 40, 550, 120], fill="#f2c14e")
        picture.save(out, "PNG")
        for n in range(20): yield Progress(stage="generating the image", done=n, total=20, unit="steps")
        data = out.getvalue() if self.kind == "image/png" else bytes.fromhex("0000001866747970") + b"isom" + bytes(80)
        yield Media(data=data, media_type=self.kind, alt="Made by painter: two hills and a sun", name="hills")
        yield UsageReported(usage=Usage(cost=0.0))
        yield Finished(model="painter", extra={"seed": 7, "steps": 20, "size": "640x360"})

painter = Painter()
filmer = Painter()
filmer.kind = 'video/mp4'
"""
CELL = "%%fm painter -f image -o hills\ntwo hills and a sun"
FILM = "%%fm filmer -f image -o film\ntwo hills and a sun"


def check(nb, i, width=640):
    """The picture in that cell's output is loaded, with its size and words."""
    picture = nb.outputs(i).locator("img").first
    picture.wait_for()
    nb.page.wait_for_function("e => e.complete && e.naturalWidth > 0", arg=picture.element_handle())
    assert picture.evaluate("e => e.naturalWidth") == width
    assert picture.get_attribute("alt") == "Made by painter: two hills and a sun"
    box = picture.bounding_box()
    assert box["width"] <= width + 1 and abs(box["width"] / box["height"] - 640 / 360) < 0.02
    details = nb.outputs(i).first.locator("details")
    details.locator("summary").click()
    assert "seed 7" in details.inner_text() and "20 steps" in details.inner_text()


def test_a_picture_and_a_video_are_shown(notebook):
    nb = notebook(MAKER, CELL, "hills", FILM)
    nb.run(1, 2, 3, 4)
    check(nb, 2)
    assert nb.outputs(3).locator("img").count() == 1
    assert nb.outputs(4).locator("video[controls]").count() == 1
    kinds = set(nb.saved()["cells"][2]["outputs"][0]["data"])
    assert kinds == {"text/html", "text/markdown", "text/plain"}


@pytest.mark.parametrize("app", ["lab/tree", "notebooks"], ids=["lab", "notebook7"])
def test_a_picture_is_there_in_a_notebook_that_nobody_trusts_yet(notebook, browser, lab, app):
    nb = notebook(MAKER, CELL)
    nb.run(1, 2)
    saved = nb.saved()
    other = lab.work / f"untrusted-{app.partition('/')[0]}.ipynb"
    write(other, "1 + 1")
    saved["cells"][0]["source"] = "# changed elsewhere, so no signature fits"
    other.write_text(json.dumps(saved))
    page = new_page(browser)
    try:
        opened = open_at(page, lab, other, app)
        opened.outputs(2).locator("img").scroll_into_view_if_needed()
        check(opened, 2)
        opened.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    finally:
        page.context.close()
