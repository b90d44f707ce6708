"""A real Jupyter Server with our extension, on a loopback port, under a base URL as behind a hub."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fmnb.core.registry import PROTOCOL
from tests.conftest import MODELS

pytest.importorskip("jupyter_server")


@dataclass
class Answer:
    """Status, body as JSON where it is some, headers, raw text."""

    status: int
    body: Any
    headers: dict[str, str]
    text: str


@dataclass
class Running:
    """The server: asked with its token unless told otherwise."""

    url: str
    token: str
    home: Path
    log: Path
    base: str = "/user/ada/"
    cookies: dict[str, str] = field(default_factory=dict)

    def __call__(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, raw: bytes | None = None
    ) -> Answer:
        given = {"Authorization": f"token {self.token}", "X-Fmnb-Protocol": str(PROTOCOL)} if headers is None else headers
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=40)
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, f"{self.base}fmnb/{path}", data, given)
            got = connection.getresponse()
            text = got.read().decode("utf-8", "replace")
        finally:
            connection.close()
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = None
        return Answer(got.status, parsed, {k.lower(): v for k, v in got.getheaders()}, text)

    def logged(self) -> str:
        """The server's log so far."""
        return self.log.read_text()


def start(root: Path, **env: str) -> tuple[Running, subprocess.Popen[bytes]]:
    """Start a server in `root`; the environment is added to ours."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    for name in ("work", "config", "runtime"):
        (root / name).mkdir(parents=True, exist_ok=True)
    token, log = secrets.token_hex(16), root / "server.log"
    around = {
        **{k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")},
        "HOME": str(root),
        "JUPYTER_CONFIG_DIR": str(root / "config"),
        "JUPYTER_RUNTIME_DIR": str(root / "runtime"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "FMNB_HOME": str(root / "fmnb"),
        "FMNB_MODELS": str(MODELS),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "HF_ENDPOINT": "http://127.0.0.1:9",  # no hub: refused at once
        **env,
    }
    command = [
        *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--ServerApp.port={port}"),
        *(
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={token}",
            f"--ServerApp.root_dir={root / 'work'}",
        ),
        *("--ServerApp.base_url=/user/ada/", "--ServerApp.jpserver_extensions={'fmnb': True}"),
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=root / "work", env=around, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    running = Running(f"http://127.0.0.1:{port}", token, root / "fmnb", log)
    for _ in range(600):
        try:
            if running("GET", "about").status == 200:
                return running, process
        except OSError:
            pass
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise TimeoutError(log.read_text())


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop the server and what it started."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory):
    running, process = start(tmp_path_factory.mktemp("jupyter"))
    yield running
    end(process)
