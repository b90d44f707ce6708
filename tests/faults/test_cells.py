"""Everything that can go wrong, as a `%%fm` cell in a real shell: what is shown, kept, logged, billed, and that life goes on."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import warnings
from pathlib import Path

import pytest

from fmnb.core import errors
from fmnb.store import log
from tests.engines.conftest import write as write_gguf
from tests.wire import server as wire
from tests.wire.server import Server, self_signed

KEY = "not-of-any-known-form-42"  # no pattern of keys catches this one
SECRETS = (KEY, "sk-abcdefghijklmnop1234")

wire.fixed("limited", wire.error(429, "Rate limit reached", "rate_limit_exceeded", headers={"Retry-After": "0"}))
wire.fixed("limited-for-an-hour", wire.error(429, "Rate limit reached", "rate_limit_exceeded", headers={"Retry-After": "3600"}))
wire.fixed("overloaded-now", wire.error(503, "Overloaded", headers={"Retry-After": "0"}))
wire.fixed("thinks-then-cut", wire.chunk({"reasoning_content": "hm"}), wire.CLOSE)
wire.BEHAVIOURS["limited-once"] = lambda s, n: (
    [wire.error(429, "Rate limit reached", "rate_limit_exceeded", headers={"retry-after-ms": "1500"})]
    if n == 1
    else wire.BEHAVIOURS["plain"](s, n)
)
wire.BEHAVIOURS["cut-once"] = lambda s, n: [*wire.says("Hello"), wire.CLOSE] if n == 1 else [*wire.says(" world!"), *wire.END]
wire.BEHAVIOURS["key-in-stream"] = lambda s, n: [
    *wire.says("Hello"),
    wire.event({"error": {"message": f"upstream said no to {s.headers['authorization']}", "code": 500}}),
]
wire.BEHAVIOURS["key-in-junk"] = lambda s, n: [f"<<< {s.headers['authorization']} >>>\n\n".encode()]


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture
def lab(cells, server, home, monkeypatch):
    """Cells with a provider `lab` in the user's settings: the loopback server, with a key."""
    monkeypatch.setenv("LAB_KEY", KEY)
    provider(home, server.url)
    return cells


def provider(home: Path, url: str, more: str = "") -> None:
    (home / "fmnb.toml").write_text(f'[provider.lab]\nbase_url = "{url}"\nkey_env = ["LAB_KEY"]\n{more}')


def sent(server: Server) -> list[wire.Seen]:
    return [r for r in server.requests if not r.path.endswith("/models")]


def written(home: Path) -> bytes:
    """Every byte fmnb has left under its home and in the working folder."""
    return b"".join(p.read_bytes() for folder in (home, Path.cwd()) for p in folder.rglob("*") if p.is_file())


def one_line(text: str) -> str:
    return " ".join(text.split())


# model of the loopback server, error, requests that reached it, text that was kept, billed, words of what happened, words of what to do
CASES = [
    ("key-refused", errors.AuthenticationError, 1, "", False, "rejected the key", "%fm key set lab"),
    ("key-echoed", errors.AuthenticationError, 1, "", False, "rejected the key", "LAB_KEY"),
    ("forbidden", errors.AuthenticationError, 1, "", False, "does not permit this", "may not have access to every model"),
    ("gpt-loopbak", errors.UnknownModelError, 1, "", False, "no model 'gpt-loopbak'", "Did you mean gpt-loopback"),
    ("wrong-path", errors.BadRequestError, 1, "", False, "Nothing answers chat requests", "usually ends in /v1"),
    ("bad-temperature", errors.BadRequestError, 1, "", False, "rejected the request", "remove what it names"),
    ("context", errors.ContextTooLongError, 1, "", False, "by 904 tokens", "Shorten the prompt"),
    ("context-anthropic", errors.ContextTooLongError, 1, "", False, "by 8,310 tokens", "larger context window"),
    ("limited", errors.RateLimitError, 4, "", False, "rate limit reached", "lower the rate"),
    ("limited-for-an-hour", errors.RateLimitError, 1, "", False, "rate limit reached", "asks to wait 3600 s"),
    ("quota", errors.RateLimitError, 1, "", False, "no credit left", "Add credit"),
    ("rate-limit-in-stream", errors.RateLimitError, 4, "", None, "rate limit reached", "Wait"),
    ("server-error", errors.ServerError, 4, "", None, "failed", "Try again"),
    ("overloaded-now", errors.ServerError, 4, "", None, "overloaded", "Try again"),
    ("gateway-page", errors.ServerError, 4, "", None, "web page", "HTTPS_PROXY"),
    ("sign-in-page", errors.UnexpectedResponseError, 1, "", False, "web page", "sign-in page"),
    ("cut", errors.StreamInterruptedError, 1, "Hello", True, "middle of the answer", "%fm continue"),
    ("cut-cleanly", errors.StreamInterruptedError, 1, "Hello", True, "middle of the answer", "%fm continue"),
    ("reset", errors.StreamInterruptedError, 1, "Hello", True, "middle of the answer", "%fm continue"),
    ("nothing-at-all", errors.StreamInterruptedError, 4, "", None, "middle of the answer", "Try again"),
    ("reset-before-answer", errors.ConnectionFailedError, 4, "", None, "without an answer", "Try again"),
    ("thinks-then-cut", errors.StreamInterruptedError, 1, "", None, "middle of the answer", "Try again"),
    ("junk", errors.StreamInterruptedError, 1, "Hello", True, "middle of the answer", "%fm continue"),
    ("junk-only", errors.UnexpectedResponseError, 1, "", None, "not an answer", "base_url"),
    ("junk-json", errors.UnexpectedResponseError, 1, "", None, "not an answer", "OpenAI-compatible"),
    ("key-in-junk", errors.UnexpectedResponseError, 1, "", None, "not an answer", "base_url"),
    ("not-http", errors.UnexpectedResponseError, 1, "", None, "did not respond with HTTP", "base_url"),
    ("error-in-stream", errors.ServerError, 1, "Hello", True, "failed", "Try again"),
    ("key-in-stream", errors.ServerError, 1, "Hello", True, "failed", "Try again"),
    ("error-event", errors.ServerError, 4, "", None, "is overloaded", "Try again"),
    ("empty", errors.EmptyAnswerError, 1, "", True, "no text", "rephrase"),
    ("only-thinks", errors.EmptyAnswerError, 1, "", True, "no text", "--max-tokens"),
    ("content-policy", errors.ContentFilterError, 1, "", None, "rejected the prompt", "Rephrase"),
    ("filtered", errors.ContentFilterError, 1, "Hello", True, "the rest of the answer", "Rephrase"),
    ("redirect", errors.BadRequestError, 1, "", False, "redirect, which is not followed", "base_url"),
    ("silent", errors.CallTimeoutError, 4, "", None, "did not start to answer", "read_timeout"),
    ("stalls", errors.CallTimeoutError, 1, "Hello", True, "stopped in the middle", "%fm continue"),
]


@pytest.mark.parametrize("model, kind, requests, kept, billed, what, todo", CASES, ids=[c[0] for c in CASES])
def test_a_fault_at_the_cell(lab, server, home, model, kind, requests, kept, billed, what, todo):
    if model in ("silent", "stalls"):  # the first word of one that stalls must come in time, however busy the machine
        provider(home, server.url, f"read_timeout = {0.3 if model == 'silent' else 1.5}\n")
    lab("%fm tape t.tape.jsonl")
    error = lab.fails(f"%%fm lab:{model}\nhello")
    shown = one_line(lab.out)

    assert type(error) is kind
    assert what in error.message and todo in error.hint and error.detail
    for part in (error.message + ":", error.hint):
        assert shown.count(one_line(part)) == 1, shown
    assert "Traceback" not in shown
    assert len(sent(server)) == requests

    assert error.response.text == kept and kept in shown
    assert error.billed is billed
    paid = "billed, although the answer is empty" if kind is errors.EmptyAnswerError else "billed for the partial answer"
    assert {False: "not billed", True: paid, None: "billed: unknown"}[billed] in shown

    row = log.search()[0]
    assert (row["finish_reason"], row["text"], row["error"]) == ("error", kept, error.message)
    assert log.reopen(error.run) == error.response
    assert error.response.error.get("billed") is billed

    assert lab("%%fm lab:plain\nhello").text == "Hello world!"
    assert not any(s in shown or s.encode() in written(home) for s in SECRETS)
    assert all(s not in repr(x) for s in SECRETS for x in (error, error.response, error.to_dict()))


def test_a_cut_answer_is_continued_and_becomes_whole(lab, server):
    lab.fails("%%fm lab:cut-once -o answer\nhello")
    assert "answer" not in lab.ns
    assert lab("%fm continue").text == "Hello world!"
    roles = [(m["role"], m["content"]) for m in sent(server)[-1].body["messages"]]
    assert roles[:2] == [("user", "hello"), ("assistant", "Hello")] and roles[2][0] == "user"


def test_nothing_can_be_continued_where_nothing_had_come(lab):
    lab.fails("%%fm lab:server-error\nhello")
    assert "no text to continue" in str(lab.fails("%fm continue"))


def test_a_wait_is_counted_down_and_the_call_tried_again(lab, server):
    answer = lab("%%fm lab:limited-once\nhello")
    assert answer.text == "Hello world!" and len(sent(server)) == 2
    waits = [e for e in log.events_of(answer.run) if type(e).__name__ == "Waiting"]
    assert [w.attempt for w in waits] == [2] * len(waits) and "rate limit reached" in waits[0].reason
    assert waits[0].seconds == 1.5 and all(a.seconds > b.seconds > 0 for a, b in zip(waits, waits[1:], strict=False))


def test_a_call_that_never_came_through_leaves_nothing_on_the_tape(lab):
    lab("%fm tape t.tape.jsonl")
    lab.fails("%%fm lab:cut\nhello")
    assert not Path("t.tape.jsonl").exists()


def test_no_key(lab, server, monkeypatch):
    monkeypatch.delenv("LAB_KEY")
    error = lab.fails("%%fm lab:plain\nhello")
    assert type(error) is errors.KeyMissingError and error.billed is False
    assert "LAB_KEY" in lab.out and "%fm key set lab" in lab.out and not server.requests
    monkeypatch.setenv("LAB_KEY", KEY)
    assert lab("%%fm lab:plain\nhello").text == "Hello world!"


def test_a_key_does_not_follow_a_redirect(lab, server):
    with Server() as other:
        wire.BEHAVIOURS["elsewhere"] = lambda s, n: [wire.reply(307, "", {"Location": f"{other.url}/chat/completions"})]
        lab.fails("%%fm lab:elsewhere\nhello")
        assert len(sent(server)) == 1 and not other.requests


def test_a_model_that_was_not_pulled(lab, monkeypatch, tmp_path):
    monkeypatch.setenv("FMNB_MODELS", str(tmp_path / "none"))
    error = lab.fails("%%fm embedded\nhello")
    assert type(error) is errors.NotPulledError and "%fm pull embedded" in lab.out
    assert log.search()[0]["finish_reason"] == "error"


def test_a_model_that_needs_more_memory_than_there_is(lab, tmp_path):
    pytest.importorskip("xllamacpp")
    head = write_gguf({"general.architecture": "llama", "llama.block_count": 1}, {"w": ((2**20, 2**18), 0, b"")})
    path = tmp_path / "huge.gguf"
    path.write_bytes(head)
    with open(path, "r+b") as f:
        f.truncate(len(head) + 2**40)  # a hole: a terabyte that takes no room
    error = lab.fails(f"%%fm path:{path}\nhello")
    assert type(error) is errors.InsufficientMemoryError, error
    assert "GiB" in str(error) and error.hint and error.billed is False
    assert lab("%%fm lab:plain\nhello").text == "Hello world!"


def test_a_server_that_does_not_run(lab, home):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    provider(home, f"http://127.0.0.1:{port}/v1")
    error = lab.fails("%%fm lab:plain\nhello")
    assert type(error) is errors.ConnectionFailedError and "Nothing answers at" in lab.out and "server is running" in lab.out
    assert not [e for e in log.events_of(error.run) if type(e).__name__ == "Waiting"]  # a server of one's own does not come back by itself


def test_a_certificate_nobody_vouches_for(lab, home, tmp_path):
    pytest.importorskip("cryptography")
    with Server(tls=self_signed(tmp_path)) as secure:
        provider(home, secure.url)
        error = lab.fails("%%fm lab:plain\nhello")
    assert type(error) is errors.TLSError and "SSL_CERT_FILE" in lab.out and not secure.requests


def test_an_address_that_never_accepts(lab, home):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for s in waiting:  # fill the queue of connections nobody accepts
            s.setblocking(False)
            s.connect_ex(full.getsockname())
        provider(home, f"http://127.0.0.1:{full.getsockname()[1]}/v1", "connect_timeout = 0.2\n")
        error = lab.fails("%%fm lab:plain\nhello")
        for s in waiting:
            s.close()
    assert type(error) is errors.CallTimeoutError and "No connection" in lab.out


@contextlib.contextmanager
def full_disk():
    """No file of this process can grow any more, as on a full disk; undone before pytest writes its own lines."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_turns_the_log_off_with_one_warning_and_fails_no_cell(lab):
    lab("%%fm lab:plain\nhello")
    with warnings.catch_warnings(record=True) as said, full_disk():
        warnings.simplefilter("always")
        answers = [lab("%%fm lab:plain\nhello").text for _ in range(3)]
    assert answers == ["Hello world!"] * 3
    ours = [str(w.message) for w in said if "fmnb" in str(w.message)]
    assert len(ours) == 1 and "the log" in ours[0] and "%fm log on" in ours[0]
    assert not log.enabled()


def test_a_full_disk_under_a_tape_keeps_the_answer_and_says_so(lab):
    lab("%fm tape t.tape.jsonl")
    lab("%%fm lab:plain\nfirst")
    before = Path("t.tape.jsonl").read_bytes()
    with warnings.catch_warnings(), full_disk():
        warnings.simplefilter("ignore")
        answer = lab("%%fm lab:plain\nsecond")
    assert answer.text == "Hello world!" and answer.finish_reason == "stop"
    assert "not recorded" in lab.out and "t.tape.jsonl cannot be written" in one_line(lab.out)
    assert Path("t.tape.jsonl").read_bytes() == before and not list(Path().glob("*.part"))


def test_one_model_may_fail_beside_another_and_both_are_in_the_log(lab):
    both = lab("%%fm lab:plain lab:cut\nhello")
    assert both[0].text == "Hello world!" and both[1].text == "Hello" and both[1].error["kind"] == "StreamCutError"
    assert {r["finish_reason"] for r in log.search()} == {"stop", "error"}


def test_a_failed_turn_leaves_the_conversation_as_it_was(lab, server):
    lab("%%fm lab:plain --chat talk\none")
    lab.fails("%%fm lab:cut --chat talk\ntwo")
    lab("%%fm lab:plain --chat talk\nthree")
    assert [m["content"] for m in sent(server)[-1].body["messages"]] == ["one", "Hello world!", "three"]


def test_an_error_survives_a_trip_through_json_and_pickle(lab):
    import pickle

    error = lab.fails("%%fm lab:cut\nhello")
    for again in (pickle.loads(pickle.dumps(error)), errors.error_from_dict(json.loads(json.dumps(error.to_dict())))):
        assert type(again) is type(error) and str(again) == str(error) and again.billed is error.billed


def test_a_short_wait_is_not_no_wait(lab):
    wire.fixed("limited-briefly", wire.error(429, "Rate limit reached", "rate_limit_exceeded", headers={"retry-after-ms": "20"}))
    assert "asks to wait 1 s" in str(lab.fails("%%fm lab:limited-briefly\nhi"))


def test_a_service_that_ignores_the_schema_is_named_as_the_cause(lab):
    error = lab.fails("%%fm lab:plain --schema 'n int'\nhi")
    assert "the service ignored that" in str(error) and "The answer is not JSON" in str(error)


def test_the_model_of_a_server_is_not_unloaded_here(lab):
    error = lab.fails("%fm unload llamacpp:x")
    assert "Only models in the memory of this kernel" in str(error) and "llama.cpp" in str(error)


def test_a_raw_parameter_that_no_option_replaces_names_none(lab):
    assert "tools are not part of this version yet" in str(lab.fails("%%fm lab:plain -p tools=1\nhi"))
