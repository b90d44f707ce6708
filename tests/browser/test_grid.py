"""A comparison in a real JupyterLab: columns that stream, stop and fail apart, votes, views, what is saved."""

from __future__ import annotations

import os

import pytest

SLOW = "%%fm echo:slow=8 echo:fail=cut echo:\n" + "one two three four five six seven eight nine ten " * 3


def test_look(notebook):
    nb = notebook(SLOW, "%%fm echo: echo:think --blind\nhello **there**")
    nb.start(1)
    nb.page.wait_for_timeout(2000)
    nb.cell(1).screenshot(path="/tmp/g1.png")
    nb.wait_end(1)
    nb.page.wait_for_timeout(500)
    nb.cell(1).screenshot(path="/tmp/g2.png")
    nb.run(2)
    nb.page.wait_for_timeout(500)
    nb.cell(2).screenshot(path="/tmp/g3.png")
    nb.cell(2).get_by_role("button", name="Differences").click()
    nb.page.wait_for_timeout(500)
    nb.cell(2).screenshot(path="/tmp/g4.png")
    nb.cell(2).get_by_role("button", name="A", exact=False).first.click()
    nb.page.wait_for_timeout(700)
    nb.cell(2).screenshot(path="/tmp/g5.png")
    print([m for m in nb.page.said if m[0] in ("error", "pageerror")])
