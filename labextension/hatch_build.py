"""Puts the JupyterLab side and the tutorials into the wheel, building the first where need be.

Without Node the Python part is installed all the same: code that a model proposes then goes
to a new cell each time. FMNB_LABEXTENSION=skip leaves the JupyterLab side out,
FMNB_LABEXTENSION=force builds it anew and fails where that cannot be done.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACE = "share/jupyter/labextensions/fmnb"
CONFIG = "etc/jupyter/jupyter_server_config.d"
TUTORIAL_FILES = (".ipynb", ".jsonl", ".csv", ".md")
NOT_OURS = ("install.json", "build_log.json")  # a development link lets pip write the first into the built folder


class LabExtensionHook(BuildHookInterface):
    """Called by hatchling for each archive it makes."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and name the files that a wheel installs for JupyterLab."""
        builder = _builder(Path(self.root, "labextension", "build.py"))
        trouble = builder.build()
        if trouble and builder.wanted() == "force":
            raise RuntimeError(f"The JupyterLab side of fmnb was not built: {trouble}.")
        if trouble:
            self.app.display_warning(f"The JupyterLab side of fmnb was not built: {trouble}. Everything else is installed.")
        built: Path = builder.BUILT
        if self.target_name == "wheel":  # tells Jupyter Server to load fmnb.jupyter.server; needs nothing that was built
            build_data["shared_data"][str(builder.SOURCE / "jupyter-config/fmnb.json")] = f"{CONFIG}/fmnb.json"
        if self.target_name == "wheel" and version != "editable":  # an editable install reads the folder itself
            for file in sorted(Path(self.root, "notebooks").glob("*.*")):
                if file.suffix in TUTORIAL_FILES:
                    build_data["force_include"][str(file)] = f"fmnb/tutorials/{file.name}"
        if self.target_name != "wheel" or builder.wanted() == "skip" or not (built / "package.json").exists():
            return
        shared: dict[str, str] = build_data["shared_data"]
        shared[str(builder.SOURCE / "install.json")] = f"{PLACE}/install.json"
        for file in built.rglob("*"):
            if file.is_file() and file.name not in NOT_OURS:
                shared[str(file)] = f"{PLACE}/{file.relative_to(built).as_posix()}"


def _builder(path: Path) -> Any:
    """build.py beside this file, which hatchling does not put on the import path."""
    spec = importlib.util.spec_from_file_location("fmnb_labextension_build", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
