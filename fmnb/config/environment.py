"""The environment that the process started with, as opposed to what a cell has set since.

Addresses, folders with settings, and certificates decide where a key goes. A notebook somebody
sent must not change them, so they count only if they were there at the start. The start is that
of the process where the system shows it (Linux), else the import of fmnb.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

DECISIVE = ("FMNB_HOME", "XDG_DATA_HOME", "HOME", "LOCALAPPDATA", "USERPROFILE", "SSL_CERT_FILE", "SSL_CERT_DIR", "HF_ENDPOINT")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # of all HTTP libraries


def _read() -> dict[str, str]:
    try:
        pairs = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return dict(os.environ)
    return {os.fsdecode(name): os.fsdecode(value) for name, found, value in (pair.partition(b"=") for pair in pairs) if found}


_initial = _read()


def initial(variable: str) -> str | None:
    """The value of a variable when the process started; None if it was not set.

    >>> initial("NO_SUCH_VARIABLE") is None
    True
    """
    return _initial.get(variable)


def set_here(variable: str) -> bool:
    """Whether this process set, changed or removed a variable, as a cell can.

    >>> os.environ["SET_BY_A_CELL"] = "1"
    >>> set_here("SET_BY_A_CELL"), set_here("NO_SUCH_VARIABLE")
    (True, False)
    """
    return os.environ.get(variable) != _initial.get(variable)


def inherit(environment: dict[str, str], set_by_notebook: Collection[str]) -> None:
    """Adopt the variables of another kernel, with its knowledge of which of them a notebook set.

    A worker of a batch starts after cells have run: what they set is in the environment it starts
    with, and would otherwise count as the user's own.

    Args:
        environment: Variables to set in this process.
        set_by_notebook: Names of those that a notebook set.
    """
    os.environ.update(environment)
    for name in {*environment, *set_by_notebook}:
        if name in set_by_notebook:
            _initial.pop(name, None)
        else:
            _initial[name] = os.environ[name]
