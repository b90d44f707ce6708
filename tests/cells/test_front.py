"""The kernel's word to its front end, with the test in the front end's place."""

import time

import pytest

from .kernel import Kernel

TARGET = "fmnb.cells"
ASK = "%%fm echo: -f code\n```python\nx = {{ n }}\n```"


@pytest.fixture
def kernel(tmp_path):
    k = Kernel({"FMNB_HOME": str(tmp_path)})
    yield k
    k.close()


def _comms(kernel) -> list[str]:
    reply = kernel.client.comm_info(target_name=TARGET, reply=True, timeout=30)
    return list(reply["content"]["comms"])


def _say(kernel, comm: str, **data) -> None:
    kernel.client.shell_channel.send(kernel.client.session.msg("comm_msg", {"comm_id": comm, "data": data}))
    kernel("None")  # handled by the time the next cell is


def _ask(kernel, n: int, cell: str = "a") -> tuple[list[str], list[dict]]:
    """Run the asking cell; the cells asked for the old way, and the orders on the comm."""
    kernel(f"n = {n}")
    content = {"code": ASK, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True}
    message = kernel.client.session.msg("execute_request", content, metadata={"cellId": cell})
    kernel.client.shell_channel.send(message)
    orders = []
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = kernel.client.get_iopub_msg(timeout=60)
        if found["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        if found["msg_type"] == "comm_msg":
            orders.append(found["content"]["data"])
        if found["msg_type"] == "status" and found["content"]["execution_state"] == "idle":
            break
    reply = kernel.client.get_shell_msg(timeout=60)
    while reply["parent_header"].get("msg_id") != message["header"]["msg_id"]:
        reply = kernel.client.get_shell_msg(timeout=60)
    assert reply["content"]["status"] == "ok"
    return [p["text"] for p in reply["content"]["payload"]], orders


def test_loading_twice_opens_one_comm_and_unloading_closes_it(kernel):
    kernel("%load_ext fmnb")
    assert len(_comms(kernel)) == 1
    kernel("%reload_ext fmnb")
    assert len(_comms(kernel)) == 1
    kernel("%unload_ext fmnb")
    assert _comms(kernel) == []


def test_where_nobody_answers_each_code_is_asked_for_once_a_cell(kernel):
    assert _ask(kernel, 1) == (["x = 1"], [])
    assert _ask(kernel, 1) == ([], [])
    assert _ask(kernel, 2) == (["x = 2"], [])
    assert _ask(kernel, 2, cell="b") == (["x = 2"], [])


def test_a_front_end_that_is_ready_is_given_the_code_and_its_cell(kernel):
    (comm,) = _comms(kernel)
    _say(kernel, comm, ready=True, protocol=1)
    order = {"protocol": 1, "do": "propose", "cell": "a", "code": "x = 1"}
    assert _ask(kernel, 1) == ([], [order])
    assert _ask(kernel, 1) == ([], [order])  # it knows whether the cell is still there


def test_a_cell_without_an_id_gets_its_code_the_old_way(kernel):
    (comm,) = _comms(kernel)
    _say(kernel, comm, ready=True, protocol=1)
    assert _ask(kernel, 1, cell="") == (["x = 1"], [])


def test_a_front_end_of_another_protocol_is_told_and_not_relied_on(kernel):
    (comm,) = _comms(kernel)
    kernel.client.shell_channel.send(kernel.client.session.msg("comm_msg", {"comm_id": comm, "data": {"ready": True, "protocol": 2}}))
    while (found := kernel.client.get_iopub_msg(timeout=60))["msg_type"] != "comm_msg":
        pass
    assert found["content"]["data"] == {"protocol": 1}
    assert _ask(kernel, 1) == (["x = 1"], [])
