"""The wheel, installed bare in an empty environment: what it holds, what works with base dependencies, what says which extra to install."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import fmnb
from tests.conftest import MODELS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)], check=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def names(wheel) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


class Bare:
    """An environment with the wheel and its base dependencies, and a home of its own."""

    def __init__(self, folder: Path, wheel: Path):
        venv.create(folder / "env", with_pip=True)
        self.python = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
        self.work = folder / "work"
        self.work.mkdir()
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("FMNB_", "PYTHON", "JUPYTER", "IPYTHON"))}
        self.env |= {"FMNB_HOME": str(folder / "home"), "FMNB_MODELS": str(folder / "models"), "IPYTHONDIR": str(folder / "ipython")}
        self.run("-m", "pip", "install", "-q", "--prefer-binary", str(wheel))

    def run(self, *args: str) -> str:
        """Run Python; its output, errors and all. It must succeed."""
        found = subprocess.run([self.python, *args], cwd=self.work, env=self.env, capture_output=True, text=True)
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout + found.stderr

    def cell(self, *sources: str) -> str:
        """Run cells in an IPython shell; all they print."""
        code = "\n".join(
            [
                "from IPython.core.interactiveshell import InteractiveShell",
                "shell = InteractiveShell.instance(colors='nocolor')",
                "shell.run_cell('%load_ext fmnb')",
                *(f"shell.run_cell({s!r})" for s in sources),
            ]
        )
        return self.run("-c", code)


@pytest.fixture(scope="module")
def bare(tmp_path_factory, wheel) -> Bare:
    return Bare(tmp_path_factory.mktemp("bare"), wheel)


def test_it_holds_the_package_and_its_tables(names):
    tracked = subprocess.run(["git", "ls-files", "fmnb"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert [f for f in tracked if f not in names and (ROOT / f).exists()] == []
    assert any(f.endswith(".toml") for f in tracked)
    assert "fmnb/py.typed" in names


def test_it_holds_the_jupyterlab_side_where_jupyterlab_looks(names):
    place = f"fmnb-{fmnb.__version__}.data/data/share/jupyter/labextensions/fmnb"
    assert {f"{place}/package.json", f"{place}/install.json"} <= names
    assert any(n.startswith(f"{place}/static/remoteEntry.") for n in names)
    assert not any(n.startswith("fmnb/labextension") for n in names)


def test_it_holds_the_tutorials_and_the_files_they_need(names):
    tracked = subprocess.run(["git", "ls-files", "notebooks"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert {n for n in names if n.startswith("fmnb/tutorials/")} == {f.replace("notebooks/", "fmnb/tutorials/") for f in tracked}


def test_it_holds_the_license_and_nothing_that_is_not_fmnb(names):
    assert f"fmnb-{fmnb.__version__}.dist-info/licenses/LICENSE" in names
    assert {n.split("/")[0] for n in names} == {"fmnb", f"fmnb-{fmnb.__version__}.dist-info", f"fmnb-{fmnb.__version__}.data"}
    assert not any(
        re.search(r"(^|_)tests?[_.]", Path(n).name) or "node_modules" in n or n.endswith((".ts", ".pyc", ".gguf")) for n in names
    )


def test_without_the_jupyterlab_side_there_is_still_a_wheel(tmp_path):
    env = os.environ | {"FMNB_LABEXTENSION": "skip"}
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT)], check=True, env=env)
    (found,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(found).namelist()
    assert "fmnb/__init__.py" in names and not any("labextensions" in n for n in names)


def test_a_clone_without_node_installs_all_but_the_jupyterlab_side(tmp_path):
    clone = tmp_path / "clone"
    for name in subprocess.run(
        ["git", "ls-files", "fmnb", "labextension"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone / name)
    env = os.environ | {"PATH": str(tmp_path)}
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(clone)], check=True, env=env)
    (found,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(found).namelist()
    assert "fmnb/__init__.py" in names and not any("labextensions" in n for n in names)


def test_nothing_optional_comes_with_it(bare):
    listed = {p["name"].lower() for p in json.loads(bare.run("-m", "pip", "list", "--format", "json"))}
    assert {"fmnb", "ipython", "openai", "numpy"} <= listed
    assert (
        listed & {"torch", "transformers", "pandas", "jupyterlab", "notebook", "xllamacpp", "pypdf", "pillow", "litellm", "langchain"}
        == set()
    )


def test_a_cell_answers(bare):
    out = bare.cell("%%fm echo:\nhello {{ 6 * 7 }}", "print(_.text.upper())")
    assert "hello 42" in out and "local" in out and "HELLO 42" in out


def test_a_structured_answer_comes_back_as_objects(bare):
    out = bare.cell("%%fm echo: --schema 'name, age int' -o who\nAda is 36.", "print(type(who.data).__name__, sorted(who.data))")
    assert "dict ['age', 'name']" in out


def test_doctor_runs_and_names_the_extras(bare):
    out = bare.run("-m", "fmnb", "doctor")
    assert fmnb.__version__ in out
    assert re.search(r"^JupyterLab extension +ok", out, re.M)
    for extra in ("fmnb[local]", "fmnb[torch]", "fmnb[frames]"):
        assert extra in out


def test_a_data_frame_names_the_extra_it_needs(bare):
    out = bare.cell("%%fm echo: --schema 'list[name]' -o who\nAda", "who.df")
    assert "fmnb[frames]" in out and "Traceback" not in out


def test_the_embedded_model_names_the_download_it_needs(bare):
    out = bare.cell("%%fm embedded\nhello")
    assert "NotPulledError" in out and "%fm pull embedded" in out and "Traceback" not in out


@pytest.mark.weights
def test_the_embedded_model_names_the_extra_it_needs(bare, embedded_path, monkeypatch):
    monkeypatch.setitem(bare.env, "FMNB_MODELS", str(MODELS))
    out = bare.cell("%%fm embedded\nhello")
    assert "fmnb[local]" in out and "Traceback" not in out


def test_an_installed_package_finds_its_tutorials(bare):
    found = bare.run("-c", "import fmnb, pathlib; print(len(list((pathlib.Path(fmnb.__file__).parent / 'tutorials').glob('*.ipynb'))))")
    assert int(found) == len(list((ROOT / "notebooks").glob("*.ipynb")))


def test_jupyter_server_and_kernels_can_import_it_alone(bare):
    assert bare.run("-c", "import fmnb; print(fmnb._jupyter_labextension_paths()[0]['dest'])").strip() == "fmnb"
