"""Imports of optional packages; the error for a missing one names the extra to install."""

from __future__ import annotations

import importlib
from typing import Any

from .errors import MissingPackageError


def require(module: str, extra: str, why: str, *, package: str = "") -> Any:
    """Import `module`; MissingPackageError with the pip command if it is not installed.

    `extra` is the fmnb extra that installs it, `package` its own name if there is no extra; `why`
    completes "is needed ...".

    >>> require("json", "lab", "to read JSON").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as e:
        if e.name and e.name.split(".")[0] != module.split(".")[0]:
            raise  # the package is installed but broken: show the full traceback
        wanted = package or f'"fmnb[{extra}]"'
        raise MissingPackageError(
            f"The package {package or module.split('.')[0]} is needed {why}",
            hint=f"Run `%pip install {wanted}`, then run this cell again.",
        ) from None
