"""Trust in a project's file and its withdrawal, as a person at a notebook answers, seen by two kernels."""

from __future__ import annotations

import threading
from queue import Empty

import pytest

from tests.cells.kernel import Kernel, Result
from tests.wire.server import Server

ASK = "%%fm mine:plain --no-cache\nhello"


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture
def kernels(tmp_path, server):
    """Two kernels of one user in one project, whose file names a service at our server."""
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir(), project.mkdir()
    (project / "fmnb.toml").write_text(f'[provider.mine]\nbase_url = "{server.url}"\nneeds_key = false\n')
    started = [Kernel({"FMNB_HOME": str(home)}) for _ in range(2)]
    for kernel in started:
        assert kernel(f"%cd -q {project}").status == "ok"
    yield started
    for kernel in started:
        kernel.close()


def answers(kernel: Kernel, source: str, *typed: str, asked: list[str] | None = None) -> Result:
    """Run a cell, and type into its input fields as they come; `asked` gets their texts."""
    done = threading.Event()

    def person():
        left = list(typed)
        while left and not done.is_set():
            try:
                text = kernel.client.get_stdin_msg(timeout=0.1)["content"]["prompt"]
            except Empty:
                continue
            if asked is not None:
                asked.append(text)
            kernel.client.input(left.pop(0))

    thread = threading.Thread(target=person)
    thread.start()
    try:
        return kernel(source, stdin=True)
    finally:
        done.set()
        thread.join()


def test_withdrawn_trust_is_refused_at_once_also_in_a_second_kernel(kernels, server):
    one, two = kernels
    for kernel in kernels:
        assert "not trusted" in kernel(ASK).error
    assert answers(one, "%fm trust", "yes").stdout.endswith("Trusted, as long as the file does not change.\n")
    for kernel in kernels:
        assert kernel(ASK).status == "ok"
    before = len(server.requests)
    asked: list[str] = []
    r = answers(one, "%fm trust", "no", asked=asked)
    assert r.status == "ok" and r.stdout == "No longer trusted.\n" and server.url in asked[0]
    for kernel in (two, one):
        assert "not trusted" in kernel(ASK).error
    assert len(server.requests) == before
    assert answers(two, "%fm trust", "yes").status == "ok" and one(ASK).status == "ok"  # trusted again by the other kernel


def test_only_a_persons_no_withdraws_trust(kernels):
    one, two = kernels
    answers(one, "%fm trust", "yes")
    assert two("%fm trust").error.startswith("NotInteractiveError")  # run by a program, nobody answers
    assert answers(two, "%fm trust", "perhaps", "perhaps", "perhaps").status == "error"
    assert one(ASK).status == "ok" and two(ASK).status == "ok"


def test_a_first_no_trusts_nothing(kernels):
    one, two = kernels
    assert answers(one, "%fm trust", "no").stdout.endswith("Nothing was done.\n")
    assert "not trusted" in one(ASK).error and "not trusted" in two(ASK).error
