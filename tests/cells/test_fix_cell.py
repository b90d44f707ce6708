"""The corrected source of a failed cell, proposed to the page: `%fm fix --cell ID` in a real kernel, with the test in the page's place."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pytest

from fmnb.core.registry import PROTOCOL
from tests.cells.kernel import Kernel

MODEL = "def mend(prompt):\n    seen.append(prompt)\n    return 'Here:\\n```python\\nx = 1\\n```'\nseen = []"


@dataclass
class Reply:
    """What the page hears of one request."""

    content: dict = field(default_factory=dict)
    orders: list[dict] = field(default_factory=list)
    displays: int = 0


@pytest.fixture
def kernel(tmp_path):
    k = Kernel({"FMNB_HOME": str(tmp_path)})
    (comm,) = k.client.comm_info(target_name="fmnb.front", reply=True, timeout=30)["content"]["comms"]
    data = {"ready": True, "protocol": PROTOCOL}
    k.client.shell_channel.send(k.client.session.msg("comm_msg", {"comm_id": comm, "data": data}))
    assert k(MODEL).status == "ok" and k("%fm use mend").status == "ok"
    yield k
    k.close()


def run(kernel, code: str, cell: str = "", silent: bool = False) -> Reply:
    """Run a cell with its id, or a silent request, as the page does."""
    content = {"code": code, "silent": silent, "store_history": not silent, "allow_stdin": False, "stop_on_error": False}
    message = kernel.client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
    kernel.client.shell_channel.send(message)
    reply, end = Reply(), time.monotonic() + 60
    while time.monotonic() < end:
        found = kernel.client.get_iopub_msg(timeout=60)
        if found["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        if found["msg_type"] == "comm_msg":
            reply.orders.append(found["content"]["data"])
        reply.displays += found["msg_type"] in ("display_data", "stream", "execute_result")
        if found["msg_type"] == "status" and found["content"]["execution_state"] == "idle":
            break
    while not reply.content:
        answer = kernel.client.get_shell_msg(timeout=60)
        if answer["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            reply.content = answer["content"]
    return reply


def fix(kernel, cell: str) -> Reply:
    return run(kernel, f'get_ipython().run_line_magic("fm", "fix --cell {cell}")', silent=True)


def test_the_corrected_cell_goes_to_the_page_and_nothing_is_displayed(kernel):
    assert run(kernel, "x = 1/0", "a").content["status"] == "error"
    assert run(kernel, "y = nope", "b").content["status"] == "error"
    reply = fix(kernel, "a")
    assert reply.content["status"] == "ok", reply.content
    assert reply.content["payload"] == [] and reply.displays == 0
    kinds = [o["do"] for o in reply.orders]
    assert kinds[0] == "fixing" and kinds[1] == "event" and "change" in kinds
    (change,) = [o for o in reply.orders if o["do"] == "change"]
    assert (change["cell"], change["source"], change["code"], change["model"]) == ("a", "x = 1/0", "x = 1", "mend")
    assert reply.orders[0]["run"] == reply.orders[1]["event"]["run"]
    prompt = kernel("seen[-1]").value
    assert "ZeroDivisionError" in prompt and "x = 1/0" in prompt and "nope" not in prompt


def test_the_hidden_question_is_not_the_one_that_retry_repeats(kernel):
    kernel("%%fm echo:\nasked by hand")
    run(kernel, "1/0", "a")
    fix(kernel, "a")
    assert "asked by hand" in kernel("%fm retry").final()


def test_a_cell_that_did_not_fail_here_is_an_error_in_words(kernel):
    assert "has not failed" in fix(kernel, "a").content["evalue"]
    run(kernel, "1/0", "a")
    run(kernel, "1/1", "a")
    assert "has not failed" in fix(kernel, "a").content["evalue"]


def test_an_answer_without_code_and_a_model_that_fails_are_errors_in_words(kernel):
    run(kernel, "1/0", "a")
    kernel("%fm use echo:fail=server")
    reply = fix(kernel, "a")
    assert (
        reply.content["status"] == "error" and reply.content["ename"] == "ServerError" and "change" not in [o["do"] for o in reply.orders]
    )


def test_failed_cells_keep_no_values_of_the_notebook_alive(kernel):
    kernel("import weakref\nclass Big: pass\ndef fails():\n    big = Big(); refs.append(weakref.ref(big)); return 1/0\nrefs = []")
    run(kernel, "fails()", "a")
    run(kernel, "nope", "b")
    kernel("import gc, sys\nsys.last_exc = sys.last_value = sys.last_traceback = None; _ = gc.collect()")
    assert "None" in kernel("refs[0]()").value or kernel("refs[0]() is None").value == "True"
