"""fmnb where no person sits: nbconvert, papermill, a script, a pipe; and on another Python where one is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.conftest import FULL

ROOT = Path(__file__).parents[1]
ENV = {"FMNB_LABEXTENSION": "skip", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def notebook(path: Path, *cells: str) -> Path:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path)
    return path


def run(*command: object, home: Path, **more: str) -> subprocess.CompletedProcess:
    env = {**os.environ, **ENV, "FMNB_HOME": str(home), **more}
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, env=env, cwd=home, stdin=subprocess.DEVNULL)


def test_nbconvert_executes_and_its_html_holds_the_answer(home):
    path = notebook(home / "a.ipynb", "%load_ext fmnb", "%%fm echo:\n**bold** answer")
    done = run(sys.executable, "-m", "nbconvert", "--to", "html", "--execute", path, home=home)
    assert done.returncode == 0, done.stderr
    html = (home / "a.html").read_text()
    assert "<strong>bold</strong> answer" in html and "local" in html


def test_papermill_fills_parameters_and_stops_at_a_failed_cell(home):
    path = notebook(
        home / "a.ipynb", "word = 'unset'", "%load_ext fmnb", "%%fm echo:\nsaid {{ word }}", "%%fm echo:fail=server\nx", "after = 1"
    )
    made = nbformat.read(path, 4)
    made.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(made, path)
    done = run(sys.executable, "-m", "papermill", path, home / "out.ipynb", "-p", "word", "hello", home=home)
    assert done.returncode != 0 and "ServerError" in done.stderr
    cells = nbformat.read(home / "out.ipynb", 4).cells
    assert any("said hello" in o.get("data", {}).get("text/plain", "") for c in cells for o in c.get("outputs", []))


def test_a_background_call_has_its_answer_in_the_file(home):
    path = notebook(home / "a.ipynb", "%load_ext fmnb", "%%fm echo:slow=40 --background\nlate words come " * 1 + "late " * 20, "1 + 1")
    for command in (
        ("nbconvert", "--to", "notebook", "--execute", "--output", home / "out.ipynb", path),
        ("papermill", path, home / "out.ipynb"),
    ):
        done = run(sys.executable, "-m", *command, home=home)
        assert done.returncode == 0, done.stderr
        shown = "".join(str(o.get("data", {}).get("text/html", "")) for o in nbformat.read(home / "out.ipynb", 4).cells[1].outputs)
        assert shown.count("late") >= 21 and "<footer" in shown


def test_papermill_s_log_holds_whole_answers_comparisons_and_batches(home):
    text = " ".join(f"late{n}" for n in range(60))
    path = notebook(
        home / "a.ipynb",
        "%load_ext fmnb\nrows = [{'w': f'word{n}'} for n in range(3)]",
        f"%%fm echo:slow=200\n{text}",
        f"%%fm echo:slow=200,think --background\nquietly {text}",
        f"%%fm echo:slow=200 echo:think\ncompared {text}",
        "%%fm echo:slow=50 --over rows -o labelled\nSay {{ w }}",
        "%%fm echo:slow=200,fail=cut\n" + text,
    )
    done = run(sys.executable, "-m", "papermill", "--log-output", path, home / "out.ipynb", home=home)
    logged = done.stderr
    assert "StreamInterruptedError" in logged
    assert logged.count(f"\n{text}\n") + logged.count(f" {text}\n") >= 3, "the answer, in the background, and in both columns"
    assert f"quietly {text}" in logged and logged.count(f"compared {text}") >= 2
    assert "saved before all answers" not in logged and "3 of 3 answered" in logged and "Say word2" in logged
    outputs = [c.outputs for c in nbformat.read(home / "out.ipynb", 4).cells if c.cell_type == "code" and "echo:slow" in c.source]
    first = [o["data"]["text/plain"] for o in outputs[0] if "data" in o]
    assert len(first) == 1 and first[0].startswith(text) and "— fmnb" in first[0]
    assert all("late0" in str(o) for o in outputs[5:]), "what had come of the one that failed"


def test_a_question_in_nbconvert_is_an_error_that_names_the_option(home):
    path = notebook(home / "a.ipynb", "%load_ext fmnb", "%%fm echo:\nhi", "%fm log forget --all")
    done = run(sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", path, home=home)
    assert done.returncode != 0 and "--yes" in done.stderr


def test_what_runs_a_notebook_unseen_is_told_the_whole_error(home):
    path = notebook(home / "a.ipynb", "%load_ext fmnb", "%%fm echo:fail=server\nx")
    done = run(sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", path, home=home)
    assert done.returncode != 0
    line = next(x for x in done.stderr.splitlines() if "ServerError, as shown above" in x)
    assert line.partition("above")[2].startswith(": ") and len(line) > 40 and "→" in done.stderr


def test_a_script_and_a_pipe(home):
    (home / "s.py").write_text("import fmnb as fm\nprint(fm.ask('from a script', 'echo:'))\n")
    assert run(sys.executable, home / "s.py", home=home).stdout == "from a script\n"
    piped = run(sys.executable, "-m", "fmnb", "ask", "-m", "echo:", "from a pipe", home=home)
    assert piped.stdout.startswith("from a pipe\n") and "\x1b" not in piped.stdout


def _working(name: str) -> str | None:
    found = shutil.which(name)
    works = found and subprocess.run([found, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0
    return found if works else None


OTHERS = [
    python
    for minor in (11, 12, 13, 14)
    if minor != sys.version_info.minor and (python := _working(f"python3.{minor}") or (_working(f"/usr/bin/python3.{minor}")))
]


@pytest.mark.skipif(not FULL, reason="installs once more: with `make test-full`")
@pytest.mark.parametrize("python", OTHERS, ids=[Path(p).name for p in OTHERS])
def test_on_another_python(python, home, tmp_path):
    env = tmp_path / "env"
    assert run(python, "-m", "venv", env, home=home).returncode == 0
    installed = run(
        env / "bin/python", "-m", "pip", "install", "-q", f"{ROOT}[frames]", "pytest", "pytest-timeout", "hypothesis", home=home
    )
    assert installed.returncode == 0, installed.stderr
    rooms = [ROOT / "tests" / n for n in ("cells/test_cell.py", "cells/test_line.py", "store", "prompts", "core/test_events.py")]
    done = run(
        env / "bin/python",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        ROOT,
        "-c",
        ROOT / "pyproject.toml",
        *rooms,
        home=home,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_comparison_and_its_vote_are_in_what_nbconvert_writes(home):
    path = notebook(
        home / "a.ipynb", "%load_ext fmnb\nimport fmnb as fm", "%%fm echo: echo:slow=99 -o c\n**bold** answer", "fm.vote(c, 'right')"
    )
    done = run(sys.executable, "-m", "nbconvert", "--to", "html", "--execute", path, home=home)
    assert done.returncode == 0, done.stderr
    html = (home / "a.html").read_text()
    page = html[html.index("data-fmnb-grid") :]
    assert page.count("<strong>bold</strong> answer") == 2 and "echo:slow=99" in page and "✓ preferred" in page
    assert "Grid object" not in html
