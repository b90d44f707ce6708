"""What a type checker tells users: nothing where calls are right, and the line where they are not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.typed import right

ROOT = Path(__file__).parents[1]
WRONG = ROOT / "tests/typed/wrong.py"
# Other libraries are not read: that takes ten times as long, and nothing here rests on them.
CONFIG = """[mypy]
strict = True
follow_imports = skip
ignore_missing_imports = True

[mypy-fmnb.*]
follow_imports = silent

[mypy-numpy.*]
follow_imports = skip
follow_imports_for_stubs = True
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, dict[int, str]]:
    """Errors by file and line, as mypy finds them for somebody who has installed fmnb: it reads the package by its `py.typed`."""
    away = tmp_path_factory.mktemp("away")  # mypy would take a folder `fmnb` beside it for sources of one's own
    (away / "mypy.ini").write_text(CONFIG)
    files = [str(WRONG), str(WRONG.with_name("right.py"))]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-incremental", "--no-error-summary", *files], cwd=away, capture_output=True, text=True
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    errors: dict[str, dict[int, str]] = {"right": {}, "wrong": {}}
    for file, line, text in re.findall(r"^(.*?):(\d+): error: (.*)$", done.stdout, re.M):
        errors[Path(file).stem][int(line)] = text
    return errors


def test_right_calls_have_no_error(found):
    assert found["right"] == {}


def test_each_mistyped_call_has_its_error_on_its_line(found):
    marked = {n: m[1] for n, line in enumerate(WRONG.read_text().split("\n"), 1) if (m := re.search(r"# error: ([\w-]+)$", line))}
    assert len(marked) > 25
    kinds = {n: text.rpartition("[")[2].rstrip("]") for n, text in found["wrong"].items()}
    assert kinds == marked


def test_a_misspelled_option_is_named_with_the_right_one(found):
    text = next(t for t in found["wrong"].values() if "temprature" in t)
    assert 'did you mean "temperature"?' in text


@pytest.mark.parametrize("name", ["one_call", "conversation", "comparison", "tables", "evaluation"])
def test_right_calls_run(name, tmp_path):
    call = getattr(right, name)
    call(tmp_path) if call.__code__.co_argcount else call()
