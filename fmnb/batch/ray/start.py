"""Ray, connected: the kernel's own, a cluster's, or one that is started on this machine; and quiet about it."""

from __future__ import annotations

import importlib
import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...core.errors import UsageError
from ...core.optional import require

_REACH = 10.0  # seconds for a cluster to take a connection


def start(address: str = "") -> Any:
    """Ray, connected: the kernel's own where there is one, a cluster at an address, else one on this machine."""
    ray = require("ray", "ray", "to run on Ray")
    require("ray.data", "ray", "to run on Ray")
    if not ray.is_initialized():
        if address and address != "auto":
            _reach(address)
        where = {"address": address} if address else {"address": "auto"} if os.environ.get("RAY_ADDRESS") else {}
        here = {} if where else {"num_cpus": max(2, os.cpu_count() or 2), "include_dashboard": False}
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its own news would stand below the cell
        try:
            with unheard():
                ray.init(**where, **here, log_to_driver=False, logging_level=logging.ERROR, configure_logging=True)
        except (ConnectionError, RuntimeError, ValueError) as e:
            raise UsageError(
                "Ray does not answer", detail=f"{address}: {str(e)[:200]}", hint="Check the address, or say --on ray alone."
            ) from None
    quiet(ray)
    return ray


def outside() -> bool:
    """Whether this process is a client of a Ray elsewhere (`ray://`), and none of its processes."""
    return bool(importlib.import_module("ray.util.client").ray.is_connected())


def quiet(ray: Any) -> None:
    """Ray Data has bars and news of its own."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _reach(address: str) -> None:
    """Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_REACH).close()
    except OSError as e:
        raise UsageError("Ray does not answer", detail=f"{address}: {e}", hint="Check the address, or say --on ray alone.") from None


@contextmanager
def unheard() -> Iterator[None]:
    """What Ray's own core says at its start goes nowhere: what goes wrong is raised."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def address_of(on: str) -> str:
    """What follows `--on`: "" for a Ray of this machine, or an address.

    >>> address_of("ray"), address_of("ray://head:10001"), address_of("10.0.0.7:6379")
    ('', 'ray://head:10001', '10.0.0.7:6379')
    """
    if on == "ray":
        return ""
    if re.fullmatch(r"(ray://)?[^\s:/]+:\d+", on) or on == "auto":
        return on
    raise UsageError(
        "That is no place to run", detail=on, hint="--on ray, or the address of a cluster: --on ray://HOST:10001, --on HOST:6379."
    )
