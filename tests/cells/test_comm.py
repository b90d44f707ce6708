"""The kernel's word to its front end, with the test in the front end's place."""

import time

import pytest

from fmnb.core.registry import PROTOCOL
from tests.cells.kernel import Kernel

TARGET = "fmnb.front"
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
        if found["msg_type"] == "comm_msg" and found["content"]["data"]["do"] == "propose":
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
    _say(kernel, comm, ready=True, protocol=PROTOCOL)
    order = {"protocol": PROTOCOL, "do": "propose", "cell": "a", "code": "x = 1"}
    assert _ask(kernel, 1) == ([], [order])
    assert _ask(kernel, 1) == ([], [order])  # it knows whether the cell is still there


def test_a_cell_without_an_id_gets_its_code_the_old_way(kernel):
    (comm,) = _comms(kernel)
    _say(kernel, comm, ready=True, protocol=PROTOCOL)
    assert _ask(kernel, 1, cell="") == (["x = 1"], [])


def test_a_front_end_of_another_protocol_is_told_and_not_relied_on(kernel):
    (comm,) = _comms(kernel)
    kernel.client.shell_channel.send(
        kernel.client.session.msg("comm_msg", {"comm_id": comm, "data": {"ready": True, "protocol": PROTOCOL + 1}})
    )
    while (found := kernel.client.get_iopub_msg(timeout=60))["msg_type"] != "comm_msg":
        pass
    assert found["content"]["data"] == {"protocol": PROTOCOL}
    assert _ask(kernel, 1) == (["x = 1"], [])


def _reports(kernel, code: str, kind: str) -> list[dict]:
    """Run a cell; the reports of one kind that came on the comm meanwhile."""
    sent = kernel.client.execute(code)
    found = []
    while True:
        m = kernel.client.get_iopub_msg(timeout=60)
        if m["msg_type"] == "comm_msg" and m["content"]["data"].get("do") == kind:
            found.append(m["content"]["data"])
        if m["parent_header"].get("msg_id") == sent and m["msg_type"] == "status" and m["content"]["execution_state"] == "idle":
            return found


def test_the_notebooks_choice_is_obeyed_by_the_next_cell_and_a_later_use_beats_it(kernel):
    (comm,) = _comms(kernel)
    _say(kernel, comm, ready=True, protocol=PROTOCOL, model="echo:think", notebook="a.ipynb")
    assert "echo:think" in kernel("%fm use").stdout and "this notebook" in kernel("%fm use").stdout
    kernel("%fm use echo:")
    assert "echo:  (%fm use)" in kernel("%fm use").stdout
    _say(kernel, comm, ready=True, protocol=PROTOCOL, model="echo:think")  # the page was reloaded: nothing new was chosen
    assert "echo:  (%fm use)" in kernel("%fm use").stdout
    _say(kernel, comm, protocol=PROTOCOL, model="echo:slow=9")
    assert "echo:slow=9" in kernel("%fm use").stdout
    _say(kernel, comm, protocol=PROTOCOL, model="")
    assert "echo:  (%fm use)" in kernel("%fm use").stdout


@pytest.mark.parametrize("model", ["https://evil.example/v1", 3, {"base_url": "x"}, "x" * 301])
def test_metadata_that_names_no_model_fails_the_cell_and_is_not_shown(kernel, model):
    (comm,) = _comms(kernel)
    _say(kernel, comm, ready=True, protocol=PROTOCOL, model=model)
    assert "not a model's name" in kernel("%%fm\nhi").error and "evil" not in kernel("%fm use").stdout
    assert kernel("%%fm echo:\nhi").status == "ok"


def test_runs_are_reported_as_they_go_without_their_words(kernel):
    (comm,) = _comms(kernel)
    _say(kernel, comm, ready=True, protocol=PROTOCOL)
    events = [r["event"] for r in _reports(kernel, "%%fm echo:slow=20\n" + "secret " * 12, "event")]
    kinds = [e["event"] for e in events]
    assert kinds[0] == "Started" and kinds[-1] == "Finished" and "Used" in kinds and "TextDelta" not in kinds
    assert events[0]["meta"]["prompt"].startswith("secret") and "request" not in events[0]
    assert any(e["event"] == "Progress" and e["unit"] == "characters" and e["done"] > 0 for e in events)
    assert [e["n"] for e in events] == sorted(e["n"] for e in events)


def test_after_a_run_the_kernel_says_how_it_stands(kernel):
    (comm,) = _comms(kernel)
    _say(kernel, comm, ready=True, protocol=PROTOCOL)
    kernel("%fm budget 3")
    state = _reports(kernel, "%%fm echo:\nhi", "state")[-1]
    assert (state["budget"], state["spent"], state["loaded"]) == (3.0, 0.0, []) and state["host"] and state["memory"] > 0


def test_a_stop_is_heard_while_the_cell_runs_and_its_neighbour_goes_on(kernel):
    """From another thread, as the handler of the control comm does it."""
    (comm,) = _comms(kernel)
    _say(kernel, comm, ready=True, protocol=PROTOCOL)
    kernel("import threading, time\nfrom fmnb.calls import run as calls_run\nfrom comm import get_comm_manager")
    assert kernel("print('fmnb.control' in get_comm_manager().targets)").stdout == "True\n"
    kernel(
        "def neighbour(prompt):\n"
        "    while len(calls_run.running_calls()) > 1: time.sleep(0.01)\n"
        "    return 'whole'\n"
        "def stop_first():\n"
        "    while len(calls_run.running_calls()) < 2: time.sleep(0.01)\n"
        "    calls_run.stop(calls_run.running_calls()[0])\n"
        "threading.Thread(target=stop_first).start()"
    )
    result = kernel("%%fm echo:hang neighbour\nword")
    finishes = kernel("print([r.finish_reason for r in _.responses])").stdout
    assert sorted(eval(finishes)) == ["cancelled", "stop"], (finishes, result.stdout)


def test_a_thumb_is_kept_and_what_is_none_is_not_taken(kernel):
    kernel("%load_ext fmnb\nimport fmnb as fm\nfrom fmnb.store import feedback as signals\nr = fm.ask('hi', 'echo:')")
    (comm,) = _comms(kernel)
    _say(kernel, comm, protocol=PROTOCOL, ready=True)
    run = kernel("r.run").value.strip("'")
    for value in (1, -1):
        _say(kernel, comm, protocol=PROTOCOL, feedback={"run": run, "value": value})
        assert kernel("[s.value for s in signals.feedback_on([r.run])]").value == f"[{value}]"
    for odd in ({"run": run, "value": 5}, {"run": 7, "value": 1}, "x", {"run": "nosuch", "value": 1}, {"value": 1}):
        _say(kernel, comm, protocol=PROTOCOL, feedback=odd)
    _say(kernel, comm, protocol=PROTOCOL, feedback={"run": run, "value": 0})
    assert kernel("[s.value for s in signals.feedback_on([r.run])]").value == "[]"


def _run_all(kernel, *cells: str, model: str | None) -> None:
    """Send the cells all at once, as Run All does, each with the notebook's choice; wait until the last has ended."""
    content = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True}
    metadata = {} if model is None else {"fmnb": {"model": model, "notebook": "a/b.ipynb"}}
    sent = [kernel.client.session.msg("execute_request", {**content, "code": c}, metadata=metadata) for c in cells]
    for message in sent:
        kernel.client.shell_channel.send(message)
    waiting = {m["header"]["msg_id"] for m in sent}
    while waiting:
        waiting.discard(kernel.client.get_shell_msg(timeout=60)["parent_header"].get("msg_id"))
    while True:  # what they showed is of no interest here
        found = kernel.client.get_iopub_msg(timeout=60)
        if found["parent_header"].get("msg_id") == sent[-1]["header"]["msg_id"] and found["content"].get("execution_state") == "idle":
            return


ASKED = "from fmnb.store import log\nprint([log.events_of(r['run'])[0].meta['asked'] for r in log.search()])"


def test_the_notebooks_choice_holds_from_the_first_cell_of_run_all(tmp_path):
    k = Kernel({"FMNB_HOME": str(tmp_path)}, load=False)
    try:
        _run_all(k, "%load_ext fmnb", "%%fm\none", "%fm use echo:think", "%%fm\ntwo", model="echo:")
        assert k(ASKED).stdout == "['echo:think', 'echo:']\n"
        assert k("from fmnb.calls.session import session\nprint(session.notebook, session.choice_known)").stdout == "a/b.ipynb True\n"
        _run_all(k, "%%fm\nthree", model="echo:slow=99")  # chosen anew in the page
        assert k(ASKED).stdout == "['echo:slow=99', 'echo:think', 'echo:']\n"
        _run_all(k, "%%fm\nfour", model="https://elsewhere.example/v1")
        assert k(ASKED).stdout == "['echo:slow=99', 'echo:think', 'echo:']\n"
    finally:
        k.close()
