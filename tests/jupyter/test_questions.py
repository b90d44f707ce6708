"""Questions of a running cell, in a real kernel with the test as the page."""

from __future__ import annotations

import time
from queue import Empty
from typing import Any

import pytest

from fmnb.core.registry import PROTOCOL
from tests.cells.kernel import Kernel
from tests.environments import ROOT, python_with

LOAD = "%load_ext fmnb\nfrom fmnb.config.question import ask"
ASK = "print('got', ask('Continue?', {'go': 'Go on', 'stop': 'Stop here'}, default='stop', details='ten calls', hint='Pass go=True.'))"


class Page:
    """A page with our extension: it runs cells, hears the front comm, and has a control comm where the kernel has subshells."""

    def __init__(self, kernel: Kernel, protocol: int = PROTOCOL):
        self.client, self.protocol = kernel.client, protocol
        self.front = ""
        self.subshell = ""
        self.control = f"control-{id(self)}"
        self.messages: list[dict[str, Any]] = []
        self.stdout = self.error = ""
        self.prompts: list[str] = []
        self.ended = False
        self.running = ""

    def run(self, source: str, stdin: bool = True, ours: bool = True) -> None:
        content = {
            "code": source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": stdin,
            "stop_on_error": True,
        }
        metadata = {"cellId": "cell-1", "fmnb": {"model": "", "notebook": "a.ipynb"}} if ours else {"cellId": "cell-1"}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.running, self.ended, self.stdout, self.error = message["header"]["msg_id"], False, "", ""
        self.client.shell_channel.send(message)

    def pump(self, until: Any, seconds: float = 60) -> None:
        """Take messages until a condition holds."""
        end = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < end, (self.messages, self.stdout, self.error)
            try:
                found = self.client.get_iopub_msg(timeout=0.05)
            except Empty:
                pass
            else:
                self._take(found)
            try:
                asked = self.client.get_stdin_msg(timeout=0.01)
                self.prompts.append(asked["content"]["prompt"])
            except Empty:
                pass

    def _take(self, message: dict[str, Any]) -> None:
        content, kind = message["content"], message["msg_type"]
        if kind == "comm_open" and content["target_name"] == "fmnb.front":
            self.front = content["comm_id"]
        elif kind == "comm_msg" and "do" in content["data"]:
            self.messages.append(content["data"])
        elif message["parent_header"].get("msg_id") == self.running:
            if kind == "stream":
                self.stdout += content["text"]
            elif kind == "error":
                self.error = f"{content['ename']}: {content['evalue']}"
            elif kind == "status" and content["execution_state"] == "idle":
                self.ended = True

    def connect(self) -> bool:
        """What a page does when it finds the front comm: a subshell over the control channel, and a comm on it."""
        info = self._request("kernel_info_request", {})
        if "kernel subshells" not in info.get("supported_features", []):
            return False
        self.subshell = self._request("create_subshell_request", {})["subshell_id"]
        self._shell(
            "comm_open", {"comm_id": self.control, "target_name": "fmnb.control", "data": {"protocol": self.protocol, "do": "hello"}}
        )
        return True

    def ready(self) -> None:
        """The ordinary message, which a busy kernel gets when its cell has ended."""
        message = self.client.session.msg("comm_msg", {"comm_id": self.front, "data": {"protocol": self.protocol, "ready": True}})
        self.client.shell_channel.send(message)

    def answer(self, question: str, choice: Any) -> None:
        data = {"protocol": self.protocol, "do": "answer", "question": question, "choice": choice}
        self._shell("comm_msg", {"comm_id": self.control, "data": data})

    def stop(self, run: str) -> None:
        self._shell("comm_msg", {"comm_id": self.control, "data": {"protocol": self.protocol, "do": "stop", "run": run}})

    def _shell(self, kind: str, content: dict[str, Any]) -> None:
        message = self.client.session.msg(kind, content)
        message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def _request(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        message = self.client.session.msg(kind, content)
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=30)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return reply["content"]

    def all(self, do: str) -> list[dict[str, Any]]:
        return [m for m in self.messages if m["do"] == do]

    def question(self, nth: int = 1) -> dict[str, Any]:
        """The nth question, once it is there."""
        self.pump(lambda: len(self.all("ask")) >= nth)
        return self.all("ask")[nth - 1]

    def end(self) -> None:
        self.pump(lambda: self.ended)


@pytest.fixture
def kernel(tmp_path):
    k = Kernel({"FMNB_HOME": str(tmp_path)}, load=False)
    yield k
    k.close()


@pytest.fixture
def page(kernel):
    """A page that is connected."""
    p = Page(kernel)
    p.run(LOAD)
    p.pump(lambda: p.front)
    assert p.connect()
    p.end()
    return p


def test_the_cell_waits_for_the_answer_and_prints_it(page):
    page.run(ASK)
    asked = page.question()
    assert (asked["text"], asked["details"], asked["default"], asked["cell"], asked["via"]) == (
        "Continue?",
        "ten calls",
        "stop",
        "cell-1",
        "control",
    )
    assert asked["choices"] == [{"name": "go", "label": "Go on"}, {"name": "stop", "label": "Stop here"}]
    for wrong in ("yes", None, ["go"], {}):
        page.answer(asked["id"], wrong)
    page.answer("another", "go")
    assert not page.ended and page.prompts == []
    page.answer(asked["id"], "stop")
    page.answer(asked["id"], "go")  # too late
    page.end()
    assert page.stdout == "Continue? Stop here\ngot stop\n"
    assert [m["id"] for m in page.all("answered")] == [asked["id"]]


def test_two_questions_in_a_row(page):
    page.run(f"{ASK}\n{ASK}")
    first = page.question()
    page.answer(first["id"], "go")
    second = page.question(2)
    assert first["id"] != second["id"]
    page.answer(first["id"], "go")
    page.answer(second["id"], "stop")
    page.end()
    assert page.stdout == "Continue? Go on\ngot go\nContinue? Stop here\ngot stop\n"


def test_a_page_that_comes_later_gets_the_question_and_can_answer(page, kernel):
    page.run(ASK)
    asked = page.question()
    late = Page(kernel)
    assert late.connect()
    assert page.question(2)["id"] == asked["id"]
    late.answer(asked["id"], "go")
    page.end()
    assert "got go" in page.stdout and len(page.all("answered")) == 1


def test_an_interrupt_while_waiting_ends_the_cell_and_closes_the_form(page, kernel):
    page.run(ASK)
    asked = page.question()
    kernel.manager.interrupt_kernel()
    page.end()
    assert page.error.startswith("KeyboardInterrupt") and "got" not in page.stdout
    assert [m["id"] for m in page.all("answered")] == [asked["id"]]
    page.run("print('alive')")
    page.end()
    assert page.stdout == "alive\n"


def test_a_question_in_the_first_cells_of_run_all_waits_for_the_page(kernel):
    """The cell that loads fmnb and the one that asks are queued at once: the page's ordinary messages come after both."""
    page = Page(kernel)
    page.run(f"{LOAD}\n{ASK}")
    page.pump(lambda: page.front)
    assert page.connect()
    page.answer(page.question()["id"], "go")
    page.end()
    assert "got go" in page.stdout and page.prompts == []


def test_a_stop_arrives_while_the_cell_runs(page):
    page.run("import fmnb as fm\nr = fm.compare('hi', ['echo:', 'echo:hang'])\nprint([x.finish_reason for x in r.responses])")
    page.pump(lambda: any(m["event"].get("model") == "echo:hang" for m in page.all("event")))
    hanging = next(m["event"]["run"] for m in page.all("event") if m["event"].get("model") == "echo:hang")
    page.stop(hanging)
    page.end()
    assert page.stdout == "['stop', 'cancelled']\n", page.error


def test_a_page_that_comes_later_is_told_which_runs_go_on(page, kernel):
    page.run("import fmnb as fm\nr = fm.ask('word ' * 60, 'echo:slow=20')")
    page.pump(lambda: any(m["event"]["event"] == "Progress" for m in page.all("event")))
    late = Page(kernel)
    assert late.connect()
    page.pump(lambda: sum(m["event"]["event"] == "Started" for m in page.all("event")) == 2)
    page.stop(page.all("event")[0]["event"]["run"])
    page.end()


@pytest.mark.parametrize("ours", [True, False])
def test_where_nobody_can_answer_the_question_is_refused(kernel, ours):
    """As nbconvert and papermill run cells, with or without a page that was there before."""
    page = Page(kernel)
    page.run(LOAD, ours=ours)
    page.pump(lambda: page.front)
    assert not ours or page.connect()
    page.end()
    page.run(ASK, stdin=False, ours=ours)
    page.end()
    assert page.error == "NotInteractiveError: Continue? Nobody can answer here: ten calls. Pass go=True."
    assert "got" not in page.stdout and page.all("ask") == []


def test_a_front_end_without_our_extension_asks_by_input(page):
    page.run(ASK, ours=False)
    page.pump(lambda: page.prompts)
    assert page.prompts == ["ten calls\nContinue? [go/STOP] (go: Go on, stop: Stop here) "] and page.all("ask") == []
    page.client.input("maybe")
    page.pump(lambda: len(page.prompts) == 2)
    page.client.input("g")
    page.end()
    assert page.stdout == "Type one of: go, stop\ngot go\n"


def test_three_lines_that_are_no_choice_are_an_error_and_never_a_yes(page):
    page.run(ASK.replace("default='stop', ", ""), ours=False)
    for n, typed in enumerate(("x", "", "perhaps"), 1):
        page.pump(lambda n=n: len(page.prompts) == n)
        page.client.input(typed)
    page.end()
    assert page.error.startswith("UsageError: Nothing was done") and "got" not in page.stdout


def test_a_page_of_another_version_is_not_asked(kernel):
    page = Page(kernel, protocol=PROTOCOL + 1)
    page.run(LOAD)
    page.pump(lambda: page.front)
    assert page.connect()
    page.end()
    page.run(ASK)
    page.pump(lambda: page.prompts)
    page.client.input("")
    page.end()
    assert page.stdout == "got stop\n"


def test_ipykernel_6_asks_by_input_with_the_same_form(tmp_path):
    python = python_with("ipykernel6", str(ROOT), "ipykernel==6.30.1")
    kernel = Kernel({"FMNB_HOME": str(tmp_path)}, load=False, python=python)
    try:
        page = Page(kernel)
        page.run(LOAD)
        page.pump(lambda: page.front)
        assert not page.connect()
        page.ready()
        page.end()
        page.run(ASK)
        asked = page.question()
        assert asked["via"] == "input" and asked["choices"][0] == {"name": "go", "label": "Go on"}
        page.pump(lambda: page.prompts)
        page.client.input("go")
        page.end()
        assert page.stdout == "got go\n" and [m["id"] for m in page.all("answered")] == [asked["id"]]
    finally:
        kernel.close()
