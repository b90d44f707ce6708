"""The documents say what the code says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import fmnb
from fmnb.config import settings
from fmnb.core.registry import PUBLIC, load
from fmnb.jupyter.magics.line import VERBS
from fmnb.jupyter.magics.options import OPTIONS
from fmnb.providers import profile_rows, profiles

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / n for n in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted((ROOT / "docs").glob("*.md"))


def test_what_is_made_from_this_code_is_up_to_date():
    done = subprocess.run([sys.executable, ROOT / "docs/make.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_to_files_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.S), re.M)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_to_a_place_in_a_page_find_it(page):
    for target, anchor in re.findall(r"\]\(([^)#\s:]*)#([^)]+)\)", page.read_text()):
        other = page.parent / target if target else page
        assert anchor in _anchors(other), f"{page.name} links to {target}#{anchor}"


def test_every_page_can_be_reached_from_the_readme():
    linked = set(re.findall(r"\]\(([^)#\s]+)", (ROOT / "README.md").read_text()))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked
    assert {f"notebooks/{book.name}" for book in (ROOT / "notebooks").glob("[0-9]*.ipynb")} <= linked


@pytest.mark.parametrize("name", profiles.names(ended=True))
def test_every_provider_is_in_the_page_of_providers(name):
    assert re.search(rf"^\| `{name}:?` \|", (ROOT / "docs/providers.md").read_text(), re.M)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_settings_that_a_page_shows_can_be_used(page, home):
    for block in re.findall(r"```toml\n(.*?)```", page.read_text(), re.S):
        (home / "fmnb.toml").write_text(block)
        shown = settings.settings().get("provider", {})
        assert [profiles.profile(name).name for name in shown] == list(shown)


def test_the_fields_that_the_page_of_providers_explains_exist():
    text = (ROOT / "docs/providers.md").read_text().partition("| field | meaning |")[2].partition("\n\n")[0]
    named = {f for row in text.splitlines() for f in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    assert named and named <= set(profile_rows.FIELDS)


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
        "--local",
        "--undo",
        *(flag for v in VERBS.values() for flag in re.findall(r"--[a-z]+", v.usage)),
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
