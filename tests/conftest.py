"""Every test gets a home folder of its own, and the embedded model where it asks for it."""

from __future__ import annotations

import gc
import ipaddress
import os
import signal
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a suite started as a background job inherits that; interrupts are tested
    signal.signal(signal.SIGINT, signal.default_int_handler)

FULL = bool(os.environ.get("FMNB_FULL"))  # the counts that take long
CORE = bool(os.environ.get("FMNB_CORE"))  # the part of the suite that needs no weights, no browser, no kernel of its own and no minute
BEYOND_CORE = (
    "browser", "contract", "engines", "faults", "jupyter/server",
    "batch/test_batch_jobs.py", "batch/test_neutral.py", "batch/ray/test_job.py", "batch/ray/test_vllm.py", "batch/test_run.py",
    "documents/test_child.py", "documents/test_damaged.py", "catalog/test_pipelines.py", "catalog/test_fetch.py",
    "cells/test_comm.py", "cells/test_hostile.py", "cells/test_images.py", "cells/test_kernel.py",
    "batch/test_claims.py", "batch/io/test_tables.py", "evals/scorers/test_code.py", "evals/datasets/test_heldout.py", "evals/datasets/test_paraphrases.py",
    "evals/scorers/test_scorers.py", "evals/scorers/test_sql.py", "limits/test_rate_limit.py", "stats/test_coverage.py", "stats/test_tests.py",
    "store/test_event_reader.py", "test_exports.py", "calls/test_notebook_model.py", "jupyter/widgets/test_answer_stream.py",
    "test_elsewhere.py", "test_labextension.py", "test_notebooks.py", "test_wheel.py",
)  # fmt: skip
MODELS = Path(__file__).parents[1] / ".models"

# The reduced suite tries the same examples every time: a rare counter-example belongs to the run that looks for it.
settings.register_profile("suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("full", print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("full" if FULL else "suite")


def pytest_configure(config):
    """What libraries read when they are imported: where the hub's client keeps its files, and how many threads matrix products take.

    One thread each: the workers share the machine, and a barrier that waits for a busy core costs more than the second thread gains.
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    folder = tempfile.TemporaryDirectory(prefix="fmnb-hf-")
    config.add_cleanup(folder.cleanup)
    os.environ["HF_HOME"] = folder.name


def pytest_ignore_collect(collection_path):
    """`make check` runs the core: folders and files beyond it are not even imported."""
    here = Path(__file__).parent
    if CORE and collection_path.is_relative_to(here) and collection_path.relative_to(here).as_posix() in BEYOND_CORE:
        return True
    return None


def pytest_collection_finish():
    """What a whole suite has imported stays: going through it at every collection of garbage takes a second, and some tests collect often."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items):
    """The tutorials, the longest file, come first, so that no worker waits for another at the end.

    Browser tests come last: their driver leaves an event loop running in this thread until the session ends.
    """
    items.sort(key=lambda item: ("tests/browser/" in item.nodeid) - ("tests/test_notebooks.py" in item.nodeid))


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """A temporary FMNB_HOME, so that no test reads or writes the user's settings, log or models."""
    folder = tmp_path_factory.mktemp("home")
    for name in [
        n
        for n in os.environ
        if n.startswith("FMNB_") and n not in ("FMNB_FULL", "FMNB_SHOTS", "FMNB_CHROMIUM", "FMNB_LABEXTENSION", "FMNB_LAB_PYTHON")
    ]:
        monkeypatch.delenv(name)  # what the Makefile or the user's shell sets must not decide a test
    monkeypatch.setenv("FMNB_HOME", str(folder))
    from fmnb.config import environment

    monkeypatch.setitem(environment._initial, "FMNB_HOME", str(folder))  # as if the kernel had started with it
    monkeypatch.setenv("FMNB_THREADS", "1")  # else engines follow the load of the machine, and sums are made in another order
    return folder


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """A retry that no service timed waits 20 ms, not half a second; whoever stops waits for the socket however busy the machine is."""
    from fmnb.calls.steps import retry
    from fmnb.core import event_loop

    monkeypatch.setattr(retry, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(event_loop, "_CLOSE", 60.0)


@pytest.fixture(autouse=True)
def fresh_kernel_state():
    """What a kernel remembers is forgotten between tests."""
    yield
    from fmnb.calls.session import Session
    from fmnb.catalog import resolve
    from fmnb.chat import named
    from fmnb.config import settings as config
    from fmnb.core.runtime import runtime
    from fmnb.limits import budget, rate_limit
    from fmnb.store import db, log

    runtime().put(Session())
    named.chats().clear()
    resolve.forget_backends()
    budget.reset()
    rate_limit.forget()
    runtime().put(log.LogSwitch())
    config._cache = None
    db.close_all()


@pytest.fixture(autouse=True, scope="session")
def no_network():
    """Sockets reach this machine alone."""
    real = socket.socket.connect

    def connect(self, address):
        if isinstance(address, tuple):
            try:
                outside = not ipaddress.ip_address(address[0]).is_loopback
            except ValueError:
                outside = address[0] != "localhost"
            if outside:
                raise ConnectionRefusedError(f"tests reach loopback only, not {address[0]}")
        return real(self, address)

    socket.socket.connect = connect
    yield
    socket.socket.connect = real


@pytest.fixture(scope="session")
def embedded_path() -> Path:
    """The embedded model's file, brought once into the repository's ignored models folder."""
    from fmnb.catalog import weights
    from fmnb.catalog.fetch import pull
    from fmnb.core.event_loop import iterate_sync

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FMNB_MODELS", str(MODELS))
        for _ in iterate_sync(pull("embedded")):
            pass
        path = weights.locate("embedded")
    assert path is not None
    return path


@pytest.fixture(scope="session")
def minilm_path() -> Path:
    """The folder of the embedding model, brought once into the repository's ignored models folder."""
    from fmnb.catalog import weights
    from fmnb.catalog.fetch import pull
    from fmnb.core.event_loop import iterate_sync

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FMNB_MODELS", str(MODELS))
        for _ in iterate_sync(pull("minilm")):
            pass
        path = weights.locate("minilm")
    assert path is not None
    return path
