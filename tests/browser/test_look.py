"""The parts of the look, on a page without JupyterLab: complete, legible in light, dark and forced colors."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmnb.views.look import look
from tests.browser.test_axe import axe  # noqa: F401  a fixture
from tests.browser.test_shots import FOLDER

GALLERY = Path(__file__).with_name("look.html")
CHECK = "async () => (await axe.run(document, { resultTypes: ['violations'] })).violations.filter(v => v.impact !== 'minor').map(v => [v.id, v.nodes[0].html])"
# What JupyterLab defines, in its dark theme.
DARK = """:root { color-scheme: dark; --jp-content-font-color1: #fff; --jp-ui-font-color2: rgba(255,255,255,.7); --jp-layout-color1: #212121;
  --jp-layout-color2: #424242; --jp-border-color1: #616161; --jp-border-color2: #424242; --jp-brand-color1: #64b5f6; --jp-ui-inverse-font-color1: #111 }"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_part_is_legible(browser, axe, scheme):  # noqa: F811
    page = browser.new_page(device_scale_factor=2, viewport={"width": 660, "height": 720})
    try:
        page.set_content(GALLERY.read_text())
        page.add_style_tag(content=look() + (DARK if scheme == "dark" else ":root { color-scheme: light }"))
        page.evaluate(axe)
        assert page.evaluate(CHECK) == []
        missing = page.evaluate(
            "() => ['fm-button', 'fm-primary', 'fm-quiet', 'fm-link', 'fm-menu', 'fm-field', 'fm-chip', 'fm-card', 'fm-table', 'fm-progress', 'fm-empty'].filter(c => !document.querySelector('.' + c))"
        )
        assert missing == []
        if FOLDER:
            page.screenshot(path=Path(FOLDER) / f"look_{scheme}.png", full_page=True)
        page.emulate_media(forced_colors="active")
        pressed = page.locator(".fm-button[aria-pressed=true]")
        assert pressed.evaluate("e => getComputedStyle(e).borderTopColor") != "rgba(0, 0, 0, 0)"
    finally:
        page.close()
