"""A real JupyterHub on loopback, behind a base URL: two users, each with a home folder and a server of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.browser.conftest import SETTINGS, _free_port
from tests.conftest import MODELS

CONFIG = """
c.JupyterHub.bind_url = {url!r}
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.cookie_secret_file = {cookies!r}
c.JupyterHub.db_url = {database!r}
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.ConfigurableHTTPProxy.api_url = 'http://127.0.0.1:{api_port}'
c.ConfigurableHTTPProxy.pid_file = {pid_file!r}
c.JupyterHub.authenticator_class = 'dummy'
c.DummyAuthenticator.password = {password!r}
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = 'simple'  # one Unix user, a home folder for each user of the hub
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r}
c.Spawner.cmd = [{python!r}, '-m', 'jupyterhub.singleuser']
c.Spawner.args = ['--allow-root', '--LabApp.expose_app_in_browser=True']
c.Spawner.environment = {environment!r}
c.Spawner.default_url = '/lab'
c.Spawner.start_timeout = 300
c.Spawner.http_timeout = 300
"""


@dataclass(frozen=True)
class Hub:
    """A running hub: its address with the base URL, the password of every user, homes and log."""

    url: str
    password: str
    homes: Path
    log: Path

    def home(self, user: str) -> Path:
        """A user's home folder, the root of their files."""
        return self.homes / user


def start_hub(root: Path, extension: Path, python: str, proxy: str) -> tuple[Hub, subprocess.Popen]:
    """A hub that keeps everything in `root`; `python` has jupyterhub, `proxy` is configurable-http-proxy."""
    port, hub_port, api_port = (_free_port() for _ in range(3))
    hub = Hub(f"http://127.0.0.1:{port}/team", "pw", root / "homes", root / "hub.log")
    for name, values in SETTINGS.items():
        settings = root / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(json.dumps(values))
    config = root / "jupyterhub_config.py"
    environment = {"JUPYTER_PATH": str(extension), "JUPYTERLAB_SETTINGS_DIR": str(root / "settings"), "FMNB_MODELS": str(MODELS)}
    config.write_text(
        CONFIG.format(
            url=hub.url,
            hub_port=hub_port,
            api_port=api_port,
            cookies=str(root / "cookies"),
            database=f"sqlite:///{root / 'hub.sqlite'}",
            proxy=proxy,
            pid_file=str(root / "proxy.pid"),
            password=hub.password,
            homes=str(hub.homes / "{username}"),
            python=python,
            environment=environment | {"HF_ENDPOINT": "http://127.0.0.1:9"},
        )
    )
    hub.homes.mkdir()
    ours = {n: v for n, v in os.environ.items() if not n.startswith("FMNB_")}
    with hub.log.open("a") as log:
        process = subprocess.Popen(
            [python, "-m", "jupyterhub", "-f", str(config)],
            cwd=root,
            env=ours,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    for _ in range(900):
        try:
            with urllib.request.urlopen(f"{hub.url}/hub/health", timeout=5):
                return hub, process
        except OSError:
            assert process.poll() is None, hub.log.read_text()
            time.sleep(0.1)
    raise TimeoutError(hub.log.read_text())


def installed_proxy(folder: Path) -> str:
    """The path of configurable-http-proxy: on PATH, or installed from npm into `folder`; "" where there is no npm."""
    if found := shutil.which("configurable-http-proxy"):
        return found
    proxy = folder / "node_modules" / ".bin" / "configurable-http-proxy"
    if not proxy.exists():
        if not (npm := shutil.which("npm")):
            return ""
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [npm, "install", "--silent", "--prefix", str(folder), "configurable-http-proxy"], check=True, stdout=subprocess.DEVNULL
        )
    return str(proxy)
