"""Our outputs as assistive technology meets them: axe-core finds nothing serious, in light and in dark."""

import subprocess

import pytest

from tests.browser.conftest import ROOT, change_theme
from tests.browser.test_shots import CELLS

AXE = ROOT / "labextension/node_modules/axe-core/axe.min.js"
CHECK = """async () => {
  const found = await axe.run({ include: ['.jp-OutputArea-output'] }, { resultTypes: ['violations'] });
  return found.violations.filter(v => ['serious', 'critical'].includes(v.impact))
    .map(v => [v.id, v.nodes.map(n => n.html.slice(0, 300) + ' | ' + n.failureSummary)]);
}"""

# axe leaves contrast undecided inside JupyterLab's layers, so it is worked out here: text over the blend of what lies behind it.
# Typeset mathematics and the theme's own colours of code are left out.
CONTRAST = """() => {
  const rgba = css => {
    const n = css.match(/[\\d.]+/g).map(Number);
    const channels = css.startsWith('color(srgb') ? [...n.slice(0, 3).map(c => 255 * c), ...n.slice(3)] : n;
    return channels.length < 4 ? [...channels, 1] : channels;
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((c, i) => a * c + (1 - a) * under[i]);
  const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = e => {
    const layers = [];
    for (; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      layers.unshift(colour);
      if (colour[3] === 1) break;
    }
    return layers.reduce((under, colour) => over(colour, under), [255, 255, 255]);
  };
  const texts = [...document.querySelectorAll('.jp-OutputArea-output *')]
    .filter(e => e.checkVisibility() && !e.closest('mjx-container, pre span') && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  return texts.map(e => {
    const under = behind(e), [a, b] = [light(over(rgba(getComputedStyle(e).color), under)), light(under)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return [Math.round(ratio * 100) / 100, e.tagName, e.textContent.trim().slice(0, 60)];
  });
}"""


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script, from the extension's development packages."""
    if not AXE.exists():
        subprocess.run(["npm", "ci"], cwd=AXE.parents[2], check=True)
    return AXE.read_text()


@pytest.mark.weights
def test_axe_finds_nothing_serious_in_any_view(notebook, axe):
    names = [n for n in CELLS if n not in ("stopped", "waiting")]
    nb = notebook(*[CELLS[n] for n in names])
    nb.run(*range(1, len(names) + 1))
    nb.page.evaluate(axe)
    try:
        for theme in ("JupyterLab Light", "JupyterLab Dark"):
            change_theme(nb.page, theme)
            assert nb.page.evaluate(CHECK) == []
            contrasts = nb.page.evaluate(CONTRAST)
            assert len(contrasts) > 100
            assert [c for c in contrasts if c[0] < 4.5] == []
    finally:
        change_theme(nb.page, "JupyterLab Light")
