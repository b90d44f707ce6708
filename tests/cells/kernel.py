"""A real IPython kernel in a process of its own, driven as a notebook front end drives it."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

from jupyter_client.manager import KernelManager


@dataclass
class Result:
    """What came of one cell."""

    status: str = ""
    error: str = ""
    traceback: str = ""
    stdout: str = ""
    displays: list[dict[str, Any]] = field(default_factory=list)
    comms: list[dict[str, Any]] = field(default_factory=list)
    updates: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    value: str = ""
    bundle: dict[str, str] = field(default_factory=dict)  # the value in all its forms
    payload: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def final(self, kind: str = "text/plain") -> str:
        """The last state of every display, in order, joined."""
        out = []
        for d in self.displays:
            name = d.get("transient", {}).get("display_id", "")
            last = (self.updates.get(name) or [d])[-1]
            out.append(last["data"].get(kind, ""))
        return "\n".join(out)

    @property
    def metadata(self) -> list[dict[str, Any]]:
        """`fmnb` metadata of every display's last state."""
        found = []
        for d in self.displays:
            name = d.get("transient", {}).get("display_id", "")
            last = (self.updates.get(name) or [d])[-1]
            if "fmnb" in last.get("metadata", {}):
                found.append(last["metadata"]["fmnb"])
        return found


class Kernel:
    """Start one, run cells, interrupt, ask whether it lives.

    Interrupt a cell only once something of its own has come: ipykernel loses the reply of a cell
    that is interrupted before its code begins (about one in thirty where the signal comes within 6 ms), whatever the cell holds.
    """

    def __init__(self, env: dict[str, str], load: bool = True, python: str = sys.executable):
        self.manager = KernelManager()
        if python != sys.executable:
            self.manager.kernel_spec.argv = [python, *self.manager.kernel_spec.argv[1:]]
        self.manager.start_kernel(env={**os.environ, **env}, extra_arguments=["--HistoryManager.enabled=False"], stderr=sys.stderr)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        assert not load or self("%load_ext fmnb").status == "ok"

    def __call__(
        self, source: str, *, interrupt_when: Any = None, timeout: float = 120, stdin: bool = False, silent: bool = False
    ) -> Result:
        """Run a cell to its end. `interrupt_when(result)` is asked after every message, once it says True the kernel is interrupted."""
        message = self.client.execute(source, silent=silent, allow_stdin=stdin)
        result, began, interrupted, stopped_at = Result(), time.monotonic(), False, 0.0
        idle = reply = False
        while not (idle and reply):
            if time.monotonic() - began > timeout:
                raise TimeoutError(f"no end of: {source}")
            if interrupt_when is not None and not interrupted and interrupt_when(result):
                self.manager.interrupt_kernel()
                interrupted, stopped_at = True, time.monotonic()
            if not reply:
                try:
                    shell = self.client.get_shell_msg(timeout=0.01)
                    if shell["parent_header"].get("msg_id") == message:
                        reply = True
                        result.status = shell["content"]["status"]
                        result.payload = shell["content"].get("payload", [])
                except Empty:
                    pass
            try:
                found = self.client.get_iopub_msg(timeout=0.02)
            except Empty:
                continue
            if found["parent_header"].get("msg_id") != message:
                continue
            idle = self._take(found, result) or idle
        result.seconds = time.monotonic() - (stopped_at or began)
        return result

    def _take(self, message: dict[str, Any], result: Result) -> bool:
        content = message["content"]
        match message["msg_type"]:
            case "stream":
                result.stdout += content["text"]
            case "display_data":
                result.displays.append(content)
            case "update_display_data":
                result.updates.setdefault(content["transient"]["display_id"], []).append(content)
            case "comm_msg":
                result.comms.append(content)
            case "execute_result":
                result.bundle = content["data"]
                result.value = content["data"].get("text/plain", "")
            case "error":
                result.error = f"{content['ename']}: {content['evalue']}"
                result.traceback = "\n".join(content["traceback"])
            case "status":
                return content["execution_state"] == "idle"
        return False

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
