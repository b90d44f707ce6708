"""Connects to Ray: the kernel's own, a cluster's, or a new one on this machine; without its output."""

from __future__ import annotations

import importlib
import logging
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from ...config import environment
from ...core.errors import UsageError
from ...core.optional import require
from .address import accept, address_to_use, check_address, connected_address

_CONNECT_SECONDS = 10.0  # to connect to a cluster
_CODE_VARIABLES = ("PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES")
_TOO_SLOW = "timed out during startup"  # in Ray's error


def start(address: str = "") -> Any:
    """Connect to Ray: the kernel's own, the cluster at `address`, or a new one on this machine."""
    ray = require("ray", "ray", "to run on Ray")
    require("ray.data", "ray", "to run on Ray")
    if ray.is_initialized():
        check_address(connected_address(ray))  # a cell may have connected it
    else:
        address = address_to_use(address)
        check_address(address)
        if address not in ("", "auto", "local"):
            _check_reachable(address)
        where = {"address": address} if address else {}
        here = {} if where else {"num_cpus": max(2, os.cpu_count() or 2), "include_dashboard": False}
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # otherwise its logs appear under the cell
        try:
            with suppress_stderr(), nullcontext() if where else _initial_code_variables():
                _init(ray, **where, **here, log_to_driver=False, logging_level=logging.ERROR, configure_logging=True)
        except (ConnectionError, RuntimeError, ValueError) as e:
            raise UsageError(
                "Ray does not answer", detail=f"{address}: {str(e)[:200]}", hint="Check the address, or use --on ray for this machine."
            ) from None
        if where:
            accept(connected_address(ray))  # the same cluster, by the address that Ray tells
    silence_logs(ray)
    return ray


@contextmanager
def _initial_code_variables() -> Iterator[None]:
    """Start processes with the values that `PYTHONPATH` and the like had when this process started.

    They run code in every process that inherits them, and Ray's workers receive keys.
    """
    set_here = {n: os.environ.get(n) for n in _CODE_VARIABLES if environment.set_here(n)}

    def put(values: Mapping[str, str | None]) -> None:
        for name, value in values.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    put({n: environment.initial(n) for n in set_here})
    try:
        yield
    finally:
        put(set_here)


def _init(ray: Any, **options: Any) -> None:
    """Call `ray.init`, and call it again if Ray's processes did not start in time.

    On a busy machine the second start is faster. Ray waits 30 seconds, which cannot be set, and
    then raises a bare Exception. Raises UsageError if it happens twice.
    """
    try:
        ray.init(**options)
    except Exception as first:
        if _TOO_SLOW not in str(first):
            raise
        ray.shutdown()
        try:
            ray.init(**options)
        except Exception as second:
            if _TOO_SLOW not in str(second):
                raise
            raise UsageError(
                "Ray did not start in time",
                detail="twice 30 seconds; the machine is busy",
                hint="Try again when other work on it has ended, or run this without --on ray.",
            ) from None


def is_client() -> bool:
    """Whether this process is a client of a remote Ray (`ray://`), not one of its processes."""
    return bool(importlib.import_module("ray.util.client").ray.is_connected())


def silence_logs(ray: Any) -> None:
    """Switch off Ray Data's progress bars and logs."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _check_reachable(address: str) -> None:
    """Fail quickly: Ray itself retries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as e:
        raise UsageError(
            "Ray does not answer", detail=f"{address}: {e}", hint="Check the address, or use --on ray for this machine."
        ) from None


@contextmanager
def suppress_stderr() -> Iterator[None]:
    """Discard what Ray's core prints at its start; errors are raised anyway."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def parse_address(on: str) -> str:
    """The address in `--on`: "" for Ray on this machine.

    >>> parse_address("ray"), parse_address("ray://head:10001"), parse_address("10.0.0.7:6379")
    ('', 'ray://head:10001', '10.0.0.7:6379')
    """
    if on == "ray":
        return ""
    if re.fullmatch(r"(ray://)?[^\s:/]+:\d+", on) or on == "auto":
        return on
    raise UsageError(
        "--on must name Ray", detail=on, hint="Use --on ray, or the address of a cluster: --on ray://HOST:10001, --on HOST:6379."
    )
