"""The one door for optional packages: imports late, and names the extra when it is missing."""

from __future__ import annotations

import importlib
from typing import Any

from .errors import MissingPackageError


def require(module: str, extra: str, why: str, *, package: str = "") -> Any:
    """Import `module`, or say which pip line brings it.

    `extra` is the fmnb extra that holds it, `package` its own name where none does; `why`
    completes "is needed ...".

    >>> require("json", "lab", "to read JSON").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as e:
        if e.name and e.name.split(".")[0] != module.split(".")[0]:
            raise  # the package is there and broken inside: a bug, shown whole
        wanted = package or f'"fmnb[{extra}]"'
        raise MissingPackageError(
            f"The package {package or module.split('.')[0]} is needed {why}",
            hint=f"Run `%pip install {wanted}`, then run this cell again.",
        ) from None
