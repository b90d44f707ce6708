"""Two users of a real JupyterHub behind a base URL: sidebar, cells and the server extension work, and nobody sees another's key."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import KERNEL_READY, Notebook, end, new_page, write
from tests.browser.jupyterhub import Hub, installed_proxy, start_hub
from tests.conftest import FULL
from tests.environments import FOLDER, ROOT, python_with

SHOTS = os.environ.get("FMNB_SHOTS", "")
pytestmark = [
    pytest.mark.skipif(not (FULL or os.environ.get("FMNB_FIRST_HOUR")), reason="a hub and two servers: part of `make test-full`"),
    pytest.mark.timeout(1200),
]
USERS = ("ada", "grace")
KEY = "sk-of-ada-0123456789abcdef"


def get(page: Page, url: str) -> tuple[int, str, str]:
    """Status, address in the end and text of what a user's browser finds at an address."""
    tab = page.context.new_page()
    try:
        answer = tab.goto(url)
        assert answer is not None
        return answer.status, tab.url, answer.text()
    finally:
        tab.close()


@pytest.fixture(scope="module")
def hub(tmp_path_factory, extension, embedded_path) -> Iterator[Hub]:
    """A hub in an environment of its own, made from the registries; without it the tests are skipped in words."""
    try:
        python = python_with("jupyterhub", f"{ROOT}[lab,local]", "jupyterhub>=5")
        proxy = installed_proxy(FOLDER.parent / "proxy")
    except subprocess.CalledProcessError as e:
        pytest.skip(f"jupyterhub or its proxy could not be installed: `{' '.join(map(str, e.cmd))}` failed")
    if not proxy:
        pytest.skip("no proxy for JupyterHub: install Node.js with npm, or configurable-http-proxy")
    found, process = start_hub(tmp_path_factory.mktemp("hub"), extension, python, proxy)
    try:
        yield found
    finally:
        end(process)


@pytest.fixture(scope="module")
def pages(browser, hub) -> Iterator[dict[str, Page]]:
    """Each user's browser, logged in, with their server started and JupyterLab open."""
    found = {}
    for user in USERS:
        page = found[user] = new_page(browser)
        write_in = hub.home(user)
        write_in.mkdir()
        write(write_in / "cells.ipynb", "%load_ext fmnb", f"%%fm echo:\nhello from {user}", "%%fm embedded --max-tokens 12\nSay hi.")
        page.goto(f"{hub.url}/hub/login")
        page.locator("#username_input").fill(user)
        page.locator("#password_input").fill(hub.password)
        page.locator("#login_submit").click()
        page.wait_for_url(f"**/user/{user}/lab**", timeout=300_000)
        page.goto(f"{hub.url}/user/{user}/lab/tree/cells.ipynb")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        page.evaluate(KERNEL_READY)
    yield found
    for page in found.values():
        page.context.close()


@pytest.mark.parametrize("user", USERS)
def test_sidebar_and_cells_work_under_the_users_address(hub, pages, user):
    page = pages[user]
    nb = Notebook(page, hub.home(user) / "cells.ipynb")
    nb.run(0, 1, 2)
    assert f"hello from {user}" in nb.text(1)
    assert "embedded" in nb.outputs(2).locator("footer").inner_text()
    nb.command("fmnb:show-models")
    page.locator("#fmnb-panel").get_by_role("row", name="embedded").first.wait_for()
    status, _, about = get(page, f"{hub.url}/user/{user}/fmnb/about")
    assert status == 200 and '"version"' in about
    asked = [url for url in page.requests if "/fmnb/" in url]
    assert asked and all(url.startswith(f"{hub.url}/user/{user}/") for url in asked)
    assert [said for kind, said in page.said if kind in ("error", "pageerror") and "fmnb" in said] == []
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"jupyterhub_{user}.png")


def test_one_users_key_is_not_the_others(hub, pages):
    ada, grace = (pages[user] for user in USERS)
    for page in (ada, grace):
        page.evaluate("async () => { await window.jupyterapp.commands.execute('fmnb:show-keys', { provider: 'groq' }); }")
    panel = ada.locator("#fmnb-panel")
    panel.get_by_label("API key for Groq, sent to api.groq.com").fill(KEY)
    ada.keyboard.press("Enter")
    panel.get_by_text("from file, sent to api.groq.com").wait_for()
    assert '"source": "file"' in get(ada, f"{hub.url}/user/ada/fmnb/keys")[2]
    status, _, of_grace = get(grace, f"{hub.url}/user/grace/fmnb/keys")
    assert status == 200 and '"source": "file"' not in of_grace
    grace.evaluate("async () => { await window.jupyterapp.commands.execute('fmnb:refresh'); }")
    expect(grace.locator("#fmnb-panel").get_by_role("button", name="Set the key of Groq")).to_be_visible()
    assert KEY not in grace.content()


def test_a_user_does_not_reach_anothers_server(hub, pages):
    for path in ("lab", "fmnb/about", "fmnb/keys", "fmnb/activity"):  # the first asks the hub whether she may
        assert get(pages["ada"], f"{hub.url}/user/ada/{path}")[0] == 200
        status, url, said = get(pages["grace"], f"{hub.url}/user/ada/{path}")
        assert status in (403, 404), (path, url)
        assert '"protocol"' not in said and "hello from ada" not in said and KEY not in said
