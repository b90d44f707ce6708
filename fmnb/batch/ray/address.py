"""Whether batches may go to a Ray cluster: its workers receive rows and keys.

A notebook somebody sent could name its author's cluster. An address counts as the user's own if it
was in `RAY_ADDRESS` when the kernel started; for any other, a person is asked once in a kernel.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from ...config.confirm import confirm
from ...config.environment import initial
from ...core.errors import NotInteractiveError
from ...core.runtime import current

VARIABLE = "RAY_ADDRESS"


class Agreed:
    """The addresses that a person has agreed to in this kernel."""

    def __init__(self) -> None:
        self.addresses: set[str] = set()


_agreed = current(Agreed)


def address_to_use(address: str) -> str:
    """The address that Ray connects to: `auto` and "" mean `RAY_ADDRESS`, where it is set.

    >>> address_to_use("10.0.0.7:6379")
    '10.0.0.7:6379'
    """
    return os.environ.get(VARIABLE, "") or address if address in ("", "auto") else address


def check_address(address: str) -> None:
    """Ask a person whether batches may go to a cluster whose address a cell has named.

    Raises UsageError if the answer is no, NotInteractiveError where nobody can answer.
    """
    if address in ("", "auto", "local") or address == (initial(VARIABLE) or "").strip() or address in _agreed.addresses:
        return
    details = f"Its workers receive the rows and the keys of the models in use. The address was not in {VARIABLE} when the kernel started."
    try:
        confirm(f"Run batches on the Ray cluster at {address}?", yes="Run there", details=details)
    except NotInteractiveError as e:
        raise NotInteractiveError(e.message, detail=e.detail, hint=f"Set {VARIABLE}={address} before Jupyter or Python starts.") from None
    accept(address)


def accept(address: str) -> None:
    """Remember that a person agreed to an address."""
    _agreed.addresses.add(address)


def connected_address(ray: Any) -> str:
    """The cluster that Ray is connected to; "" if it runs on this machine."""
    client = importlib.import_module("ray.util.client").ray
    if client.is_connected():
        worker = getattr(client.get_context(), "client_worker", None)  # Ray has no public name for the address of its client
        return f"ray://{getattr(worker, '_conn_str', '') or 'of this client'}"
    address = str(ray.get_runtime_context().gcs_address)
    return "" if address.rpartition(":")[0] in ("127.0.0.1", ray.util.get_node_ip_address()) else address
