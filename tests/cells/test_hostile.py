"""A user who tries everything, in a real kernel: it says what is wrong, shows no traceback, and goes on."""

from __future__ import annotations

import pytest

from tests.cells.kernel import Kernel
from tests.wire import server as wire
from tests.wire.server import Server

wire.BEHAVIOURS["ten-megabytes"] = lambda s, n: [
    *wire.says(),
    *[wire.chunk({"content": "".join(f"{i * 1250 + j:7d} " for j in range(1250))}) for i in range(1000)],  # no loop, which would be cut
    *wire.END,
]


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def kernel(tmp_path_factory, server):
    home = tmp_path_factory.mktemp("home")
    (home / "fmnb.toml").write_text(f'[provider.lab]\nbase_url = "{server.url}"\nneeds_key = false\n')
    k = Kernel({"FMNB_HOME": str(home), "FMNB_MODELS": str(home / "models")})
    k(f"import os, fmnb as fm\nos.chdir({str(tmp_path_factory.mktemp('work'))!r})")
    yield k
    k.close()


@pytest.mark.parametrize("prompt", ["a\x00b", "🎉 世界 \u202e", "\x1b[31mred", "{{ '\\ud83d' }}", "%%fm echo:\nnested", "x" * 1_000_000])
def test_odd_prompts_are_answered(kernel, prompt):
    assert kernel(f"%%fm echo:\n{prompt}").status == "ok"


JUNK = """use a b|use 'open|use \x00|alias x|alias a b c|alias embedded echo:|alias '' echo:|alias --remove zz|pull|pull nosuch|pull 'a b'|rm|rm nosuch --yes
rm path:/proc/version --yes|unload zz|key set|key set nosuch|key a b c d|chat zz|chat a load /nonexistent|chat a load /etc/passwd|log forget|log forget --before
log forget --before x|log forget --all|log --all|log --before 2026-01-01|log '"(*'|log %|retry a b|retry --nonsense|continue|continue echo:|continue -t 1|fix echo: echo:think
fix --schema a|explain --zz|explain --chat c|tape a b|tape /|tape /proc/version|budget x|budget -1|budget nan|budget inf|budget 5 6|budget off off|trust|doctor x|help zz|zz|--help|ask"""


@pytest.mark.parametrize("words", [w for line in JUNK.splitlines() for w in line.split("|")])
def test_verbs_with_words_they_do_not_understand_are_errors_in_words(kernel, words):
    r = kernel(f"%fm {words}")
    assert r.status == "error" and "Traceback" not in r.traceback and "Error: " in r.error


@pytest.mark.parametrize(
    "line", ["-o class", "-o 3x", "-o a.b", "--save ../x", "--chat ../x", "--attach nofile.png", "\x00", "echo: 'open", "-o", "<< echo:"]
)
def test_lines_that_cannot_be_are_errors_in_words(kernel, line):
    r = kernel(f"%%fm echo: {line}\nhi")
    assert r.status == "error" and "Traceback" not in r.traceback


def test_a_name_is_the_one_python_reads(kernel):
    kernel("%%fm echo: -o \u00b5\nhi")  # the micro sign; Python reads the Greek letter
    assert kernel("\u00b5.text").value == "'hi'"


def test_a_kept_answer_shows_itself_in_the_next_cell_and_not_twice_in_its_own(kernel):
    first = kernel('x = %fm ask echo: "kept"\nx')
    assert first.final().count("kept") == 1 and not first.value
    again = kernel("x")
    assert "kept" in again.bundle["text/markdown"] and not again.displays
    assert kernel("type(x) is __import__('fmnb').Response").value == "True"


def test_the_magic_works_inside_a_function(kernel):
    kernel("def f(q):\n    return get_ipython().run_cell_magic('fm', 'echo:', q)")
    assert kernel("f('nested').text").value == "'nested'"


def test_a_notebook_that_takes_the_name_fm_keeps_its_magics(kernel):
    kernel("fm = 3")
    assert kernel("%%fm echo:\nhi").status == "ok" and kernel("%fm").status == "ok"
    kernel("import fmnb as fm")


def test_the_extension_may_be_loaded_again_and_again_and_taken_away(kernel):
    for line in ("%load_ext fmnb", "%reload_ext fmnb", "%reload_ext fmnb"):
        assert kernel(line).status == "ok" and kernel("%%fm echo:\nhi").status == "ok"
    assert kernel("len([f for f in get_ipython().events.callbacks['post_run_cell'] if type(f).__name__ == 'LastErrorHook'])").value == "1"
    kernel("%unload_ext fmnb")
    assert kernel("%%fm echo:\nhi").status == "error"
    kernel("%load_ext fmnb")
    assert kernel("%%fm echo:\nhi").status == "ok"


def test_ten_megabytes_arrive_whole(kernel):
    r = kernel("%%fm lab:ten-megabytes -o big\nhi")
    assert r.status == "ok" and kernel("len(big.text), len(fm.log(limit=1)[0]['text'])").value == "(10000000, 10000000)"


def test_many_threads_and_many_awaited_calls_at_once(kernel):
    kernel(
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(20) as p: a = list(p.map(lambda i: fm.ask(f'q{i}', 'echo:').text, range(60)))"
    )
    assert kernel("a == [f'q{i}' for i in range(60)]").value == "True"
    kernel("import asyncio\nb = await asyncio.gather(*(fm.aask(f'q{i}', 'lab:repeat') for i in range(50)))")
    assert kernel("[r.text for r in b] == [f'q{i}' for i in range(50)]").value == "True"


def test_a_forked_child_asks_too(kernel):
    code = "pid = os.fork()\nif not pid:\n    good = fm.ask('child', 'echo:').text == 'child' and fm.ask('kid', 'lab:repeat').text == 'kid'\n    os._exit(not good)\nos.waitpid(pid, 0)[1]"
    assert kernel(code).value == "0" and kernel("fm.ask('parent', 'echo:').text").value == "'parent'"


def test_a_working_folder_that_is_gone_fails_nothing_that_needs_none(kernel):
    kernel("import tempfile\nwas = os.getcwd(); gone = tempfile.mkdtemp(); os.chdir(gone); os.rmdir(gone)")
    for cell in ("%%fm echo:\nhi", "%fm", "%fm models local", "%fm doctor", "%fm use echo:", "%fm use --none"):
        assert kernel(cell).status == "ok", cell
    assert "not recorded" in (kernel("%fm tape t.jsonl") and kernel("%%fm echo:\nhi")).final()
    assert "it was deleted" in kernel("%%fm echo: --attach a.png\nhi").error
    kernel("%fm tape off")
    kernel("os.chdir(was)")


def test_an_empty_tape_is_a_tape(kernel):
    assert "t2.jsonl: 0 answers" in kernel("%fm tape t2.jsonl").stdout
    kernel("%%fm echo:\nhi")
    assert "t2.jsonl: 1 answers" in kernel("%fm tape").stdout
    kernel("%fm tape off")


def test_a_storm_of_interrupts_is_one_interrupt(kernel, server):
    for model, first in (("echo:slow=5", "word"), ("lab:slow", "one")):

        def press(result, first=first):
            """Ten times as soon as a word has come; the last is the driver's own."""
            if first not in result.final("text/html"):
                return False
            for _ in range(9):
                kernel.manager.interrupt_kernel()
            return True

        r = kernel(f"%%fm {model}\n" + "word " * 100, interrupt_when=press)
        assert r.error.startswith("Interrupted")
        assert (
            kernel("row = fm.log(limit=1)[0]; row['finish_reason'], bool(row['text']), len(fm.log(open=True))").value
            == "('cancelled', True, 0)"
        )
    assert server.wait_for_abort()


def test_run_all_stops_at_a_failed_cell(kernel, tmp_path):
    kernel.client.execute(f"import os, time\nwhile not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.01)")  # until all are queued
    failing = kernel.client.execute("%%fm lab:key-refused\nhi")
    after = kernel.client.execute("never = 1")
    (tmp_path / "go").touch()
    answers = {}
    while len(answers) < 3:
        m = kernel.client.get_shell_msg(timeout=30)
        answers[m["parent_header"]["msg_id"]] = m["content"]["status"]
    assert answers[failing] == "error" and answers[after] == "aborted"
    kernel("pass")
    assert kernel("'never' in globals()").value == "False"


@pytest.mark.parametrize("home", ["/proc/nope", "/dev/null/x"])
def test_a_home_that_cannot_be_written_fails_no_cell(home):
    k = Kernel({"FMNB_HOME": home})
    try:
        first, second = k("%%fm echo:\nhi"), k("%%fm echo:\nhi")
        assert first.status == second.status == "ok"
        for cell in ("%fm log", "%fm log off", "%fm alias f echo:", "%fm log forget --all --yes"):
            r = k(cell)
            assert r.status == "error" and "cannot be written" in r.error and "FMNB_HOME" in r.error, cell
        assert k("%fm doctor").status == "ok"
    finally:
        k.close()
