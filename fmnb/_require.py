"""The one door for optional packages: imports late, and names the extra when it is missing."""

from __future__ import annotations

import importlib
from typing import Any

from .errors import MissingPackageError


def require(module: str, extra: str, why: str) -> Any:
    """Import `module`, or say which pip line brings it.

    `extra` is the fmnb extra that holds it; `why` completes "is needed ...".

    >>> require("json", "lab", "to read JSON").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as e:
        if e.name and e.name.split(".")[0] != module.split(".")[0]:
            raise  # the package is there and broken inside: a bug, shown whole
        raise MissingPackageError(
            f"The package {module.split('.')[0]} is needed {why}",
            todo=f'Run `%pip install "fmnb[{extra}]"`, then run this cell again.',
        ) from None
