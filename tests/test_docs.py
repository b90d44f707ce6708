"""The documents say what the code says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import fmnb
from fmnb._names import PUBLIC, load
from fmnb.magics.line import VERBS
from fmnb.magics.options import OPTIONS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / n for n in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted((ROOT / "docs").glob("*.md"))


def test_the_reference_is_made_from_this_code():
    done = subprocess.run([sys.executable, ROOT / "docs/make.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_to_files_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_option_and_verb_a_page_names_exists(page):
    text = page.read_text()
    flags = {f"--{o.long}" for o in OPTIONS} | {
        "--yes",
        "--allow-unknown",
        "--before",
        "--all",
        "--open",
        "--none",
        "--remove",
        "--check",
        "--help",
    }
    lines = [line for line in text.splitlines() if "%fm" in line]
    for flag in re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", "\n".join(lines)):
        assert flag in flags, f"{page.name} names {flag}"
    for verb in re.findall(r"(?<!%)%fm ([a-z]+)\b", text):
        assert verb in VERBS, f"{page.name} names %fm {verb}"


def test_public_names_have_a_docstring_that_starts_with_a_sentence():
    for name in PUBLIC:
        doc = load(PUBLIC[name]).__doc__
        assert doc and doc.strip().split("\n")[0].rstrip().endswith((".", "?", ":")), name


def test_the_version_is_one():
    assert f'version = "{fmnb.__version__}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## {fmnb.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_makefiles_targets_are_those_the_readme_and_contributing_name():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        assert set(re.findall(r"\bmake ([a-z-]+)\b(?! (?:are|is))", page.read_text())) - {"sure"} <= targets
