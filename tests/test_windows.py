r"""What can be known of Windows without Windows: no module of Unix is needed, `C:\` survives a line, and a pipe of cp1252 is written to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import pytest

from fmnb.catalog.weights import parse
from fmnb.core import atomic_write
from fmnb.core.errors import UsageError
from fmnb.core.file_lock import alone_with, try_lock
from fmnb.evals.scorers.base import scorer
from fmnb.jupyter.magics.arguments import words_of
from fmnb.prompts.prompt import check_name

ROOT = Path(__file__).parents[1]


def on_windows(program: str, home: Path) -> str:
    env = {**os.environ, "FMNB_HOME": str(home), "PYTHONPATH": str(ROOT), "LOCALAPPDATA": str(home), "APPDATA": str(home)}
    done = subprocess.run([sys.executable, ROOT / "tests/windows.py"], input=program, capture_output=True, text=True, env=env, cwd=home)
    assert done.returncode == 0, done.stderr
    return done.stdout


IMPORTS = """
import importlib, pkgutil
import fmnb
OPTIONAL = (".torch", ".diffusers", ".ray", "langchain", "llamaindex", "._harness", "._sql_worker", "__main__", ".llamacpp", ".embedding")
for m in pkgutil.walk_packages(fmnb.__path__, "fmnb."):
    if not any(word in m.name for word in OPTIONAL):
        importlib.import_module(m.name)
print("imported")
"""


def test_every_module_is_imported_without_a_module_of_unix(home):
    assert on_windows(IMPORTS, home) == "imported\n"


def test_cells_tables_settings_and_keys_work_without_a_module_of_unix(home):
    said = on_windows(
        """
import fmnb as fm
from fmnb.config import settings
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
def cell(source):
    assert shell.run_cell(source).success, source
cell("%load_ext fmnb")
cell("%%fm echo: -o answer\\nhello")
cell("%fm tape a.tape.jsonl")
cell("rows = [{'q': 'a'}]")
cell("%%fm echo: --over rows -o out\\n{{ q }}")
cell("%%fm echo: echo:think\\nboth")
cell("%fm alias short echo:think")
cell("%fm doctor")
cell("%fm log")
chat = fm.Chat("echo:"); chat.ask("x"); chat.export("c.md")
fm.Prompt("hello {{ x }}", name="greet").save()
e = fm.evaluate("{{ q }}", [{"q": "a", "target": "a"}], models=["echo:"], score=["exact"]); e.save("e.json")
print("ends")
""",
        home,
    )
    assert said.endswith("ends\n")


def test_scorers_that_need_unix_say_so():
    for name in ("code:run", "sql"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "platform", "win32")
            with pytest.raises(UsageError, match="does not run on Windows"):
                scorer(name)


@pytest.mark.parametrize("place", [r"C:\data\a.txt", r"\\server\share\new table.csv", r"D:\reports\2026\n.pdf"])
def test_a_path_of_windows_survives_the_line(place):
    quoted = f'"{place}"' if " " in place else place
    assert words_of(f"echo: --attach {quoted} -f text") == ["echo:", "--attach", place, "-f", "text"]
    assert PureWindowsPath(words_of(quoted)[0]).name == place.rpartition("\\")[2]
    assert parse(f"path:{place}").name == place


@pytest.mark.parametrize(
    "name", ["CON", "nul", "aux.txt", "com1", "LPT9.md", "ends ", "ends.", "a:b", "a\\b", "a/b", 'say "x"', "what?", "a*"]
)
def test_a_prompt_has_no_name_that_windows_refuses(name):
    with pytest.raises(UsageError):
        check_name(name)


def test_a_file_is_replaced_once_its_reader_has_closed_it(tmp_path, monkeypatch):
    part, path = tmp_path / "a.part", tmp_path / "a"
    part.write_text("new")
    path.write_text("old")
    refusals = iter([PermissionError(13, "used by another process"), PermissionError(13, "used by another process")])
    real = os.replace

    def busy(*names):
        for refusal in refusals:
            raise refusal
        real(*names)

    monkeypatch.setattr(atomic_write.os, "replace", busy)
    monkeypatch.setattr(atomic_write.sys, "platform", "win32")
    atomic_write.replace_file(part, path)
    assert path.read_text() == "new" and not part.exists()


def test_a_lock_is_held_by_one_process_at_a_time(tmp_path):
    with alone_with(tmp_path / "a.toml"), open(tmp_path / ".a.toml.lock", "a+b") as other:
        assert not try_lock(other)
    with open(tmp_path / ".a.toml.lock", "a+b") as other:
        assert try_lock(other)


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "ascii"])
def test_a_pipe_of_windows_gets_every_line(home, encoding):
    env = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "FMNB_HOME": str(home)}
    command = [sys.executable, "-m", "fmnb"]
    answer = subprocess.run([*command, "ask", "-m", "echo:", "→ 漢 é"], capture_output=True, env=env, cwd=home)
    assert answer.returncode == 0 and answer.stdout.startswith(b"\\u2192 \\u6f22 "), answer.stderr
    refused = subprocess.run([*command, "ask", "-m", "openai:none", "x"], capture_output=True, env={**env, "OPENAI_API_KEY": ""}, cwd=home)
    assert refused.returncode == 1 and b"OPENAI_API_KEY" in refused.stderr and b"Traceback" not in refused.stderr
    assert subprocess.run([*command, "doctor"], capture_output=True, env=env, cwd=home).returncode == 0
