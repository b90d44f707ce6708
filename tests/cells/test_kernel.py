"""`%%fm` in a real kernel: what a front end receives, interrupts at every stage, input that is not there."""

import json
import socket

import pytest

from tests.cells.kernel import Kernel
from tests.conftest import MODELS


@pytest.fixture(scope="module")
def kernel(tmp_path_factory, embedded_path):
    k = Kernel({"FMNB_HOME": str(tmp_path_factory.mktemp("home")), "FMNB_MODELS": str(MODELS)})
    yield k
    k.close()


def test_an_answer_is_one_output_updated_with_its_provenance(kernel):
    r = kernel("%%fm echo:slow=20 -t 0.5\n" + "word " * 20)
    assert r.status == "ok" and len(r.displays) == 1
    updates = next(iter(r.updates.values()))
    assert len(updates) >= 2
    assert "word word" in r.final("text/html") and "<footer" in r.final("text/html")
    (meta,) = r.metadata
    assert meta["requested_model"].startswith("echo:") and meta["run"] and meta["prompt"] and meta["parameters"] == {"temperature": 0.5}
    assert meta["usage"]["input_tokens"] == 20 and meta["version"]
    assert not r.value  # it streamed; it is not shown a second time


def test_the_answer_is_the_last_value_and_shows_itself_later(kernel):
    kernel("%%fm echo:\nhello")
    assert kernel("_.text").value == "'hello'"
    kernel("%%fm echo: -o a\nhello")
    assert kernel("a").displays or "hello" in kernel("a").value


def test_a_map_shows_its_bar_and_gives_its_table(kernel):
    r = kernel("import fmnb as fm\nfm.map('{{ w }}!', [{'w': 'a'}, {'w': 'b'}], 'echo:', cache=False)")
    assert "2 of 2" in r.final("text/html") and "'text': 'a!'" in r.value
    assert (
        kernel(
            "import threading\nt = threading.Thread(target=lambda: fm.map('{{ w }}', [{'w': 'c'}], 'echo:'))\nt.start(); t.join()"
        ).displays
        == []
    )
    r = kernel("fm.map('{{ w }}', [{'w': 'a'}], 'echo:fail=key')")
    assert r.status == "error" and r.displays and "UserWarning" not in r.stdout


def test_reasoning_is_an_output_of_its_own(kernel):
    r = kernel("%%fm echo:think\nhello")
    assert len(r.displays) == 2 and "<details" in r.final("text/html")


def test_an_error_shows_once_with_what_to_do(kernel):
    r = kernel("%%fm echo:fail=key\nhi")
    assert r.status == "error" and r.error.startswith("AuthenticationError")
    assert "Traceback" not in r.traceback and len(r.traceback) < 200
    assert "Leave out fail=key" in r.final("text/html")


def test_code_is_a_payload_for_the_cell_below(kernel):
    r = kernel("%%fm echo: -f code\n```python\nx = 1\n```")
    assert [(p["source"], p["text"], p["replace"]) for p in r.payload] == [("set_next_input", "x = 1", False)]


def test_questions_are_errors_where_no_input_is_possible(kernel):
    r = kernel("%fm rm embedded")
    assert r.error.startswith("NotInteractiveError") and "--yes" in r.error
    r = kernel("%fm key set openai")
    assert r.error.startswith("NotInteractiveError") and "OPENAI_API_KEY" in r.error


def test_it_works_under_the_kernels_running_loop(kernel):
    assert "'hi'" in kernel("import asyncio\nasyncio.get_running_loop()\nimport fmnb as fm\n(await fm.aask('hi', 'echo:')).text").value
    assert "'hi'" in kernel("fm.ask('hi', 'echo:').text").value


def test_a_background_call_leaves_the_kernel_free(kernel):
    kernel("import threading, fmnb as fm\ngo = threading.Event()\ndef held(prompt):\n    go.wait(60)\n    return prompt")
    r = kernel("%%fm held --background\nlate late", stdin=True)  # as a front end where a person sits
    assert r.status == "ok"
    assert kernel("1 + 1").value == "2"
    kernel("later = _ if hasattr(_, 'done') else __")
    assert kernel("later.done").value == "False"
    kernel("go.set()")
    while kernel("later.done").value != "True":
        pass
    assert "late late" in kernel("later.response.text").value


def _text_came(r):
    return any("word" in json.dumps(u[-1]["data"]) for u in r.updates.values()) or any("word" in json.dumps(d["data"]) for d in r.displays)


def _interrupted(kernel, source, when):
    r = kernel(source, interrupt_when=when)
    assert r.status == "error" and r.error.startswith("Interrupted"), r
    row = kernel("import fmnb as fm\nrow = fm.log(limit=1)[0]; print(row['finish_reason'], '|', row['text'][:200])").stdout
    assert row.startswith("cancelled")
    assert kernel("%%fm echo:\nalive").status == "ok"
    return r, row


def test_interrupt_while_streaming_keeps_the_text(kernel):
    r, row = _interrupted(kernel, "%%fm echo:slow=10\n" + "word " * 200, _text_came)
    assert "word" in row.split("|")[1] and "%fm continue" in r.final("text/html")


def test_interrupt_during_a_hanging_connection(kernel):
    with socket.create_server(("127.0.0.1", 0)) as hole:
        hole.setblocking(False)
        settings = f'[provider.hang]\nbase_url = "http://127.0.0.1:{hole.getsockname()[1]}/v1"\nneeds_key = false\n'
        kernel(f"from fmnb.config.settings import home\n(home() / 'fmnb.toml').write_text({settings!r})")
        held = []

        def connected(r):
            try:
                held.append(hole.accept())
            except BlockingIOError:
                pass
            return bool(held)

        _interrupted(kernel, "%%fm hang:m\nhi", connected)


@pytest.mark.weights
def test_interrupt_while_a_model_loads_prefills_and_decodes(kernel):
    kernel("%fm unload")
    r = kernel("%%fm embedded --max-tokens 20\nload", interrupt_when=lambda r: bool(r.displays))
    assert r.status in ("ok", "error")  # a small model may be faster than we are
    assert kernel("%%fm embedded --max-tokens 5\nSay hi.").status == "ok"
    kernel("import random\nrandom.seed(1)\nlong = ' '.join(random.choice(['alpha', 'beta', 'gamma', 'delta']) for _ in range(3400))")
    _interrupted(kernel, "%%fm embedded\n{{ long }}", lambda r: "processing the prompt" in r.final("text/html"))
    r, row = _interrupted(
        kernel, "%%fm embedded --max-tokens 2000 -p ignore_eos=true\nCount from 1 to 1000 in words.", lambda r: r.final().count(" ") > 30
    )
    assert row.split("|")[1].strip()
    assert kernel("%%fm embedded --max-tokens 5\nSay hi.").status == "ok"


@pytest.mark.weights
def test_the_embedded_model_reads_a_frame_and_fills_a_schema(kernel):
    kernel("import pandas as pd\ndf = pd.DataFrame({'city': ['Oslo', 'Rome'], 'temp': [3, 18]})")
    r = kernel("%%fm embedded --schema 'city str, temp int' -o found\nThe warmest city in this table, with its temperature:\n{{ df }}")
    assert r.status == "ok"
    assert "dict" in kernel("type(found.data).__name__").value and "temp" in kernel("list(found.df.columns)").value


def test_a_table_is_shown_once_with_its_answers_and_stays_the_value(kernel):
    kernel("import pandas as pd\ndf = pd.DataFrame({'w': ['costs $a$ and $b$', 'x']})")
    for name in ("", "-o kept"):
        r = kernel(f"%%fm echo: --over df {name}\n{{{{ w }}}}")
        assert r.status == "ok" and not r.value
        shown = r.displays[-1]["data"]
        assert "2 rows × " in shown["text/plain"] and "$" not in shown["text/html"]
        assert "first_token_seconds" not in shown["text/html"]
    assert kernel("kept").value and "costs" in kernel("kept").value, "later it shows itself"
    kernel("%%fm echo: --over df\n{{ w }}")
    assert kernel("list(_.columns)[:2]").value.startswith("['w'")


def test_a_comparison_is_its_answers_and_its_buttons_and_is_shown_once(kernel):
    r = kernel("%%fm echo: echo:think -o c\nhello")
    assert r.status == "ok" and len(r.displays) == 2 and not r.value
    answers, buttons = r.metadata
    assert answers["kind"] == "compare" and [a["requested_model"] for a in answers["answers"]] == ["echo:", "echo:think"]
    assert buttons == {"widget": "Grid"} and r.final("text/html").count("<footer") == 2
    assert kernel("%%fm echo: echo:think\nhello").value == "", "its value is on screen already"
    assert kernel("c").value.startswith("Comparison")


def test_an_interrupted_comparison_keeps_what_came_in_its_columns(kernel):
    def started(r):  # words have come in both slow columns, and one of them has two
        cells = [c["data"].get("content", {}).get("cells", {}) for c in r.comms]
        return {n for c in cells for n, cell in c.items() if "word word" in cell["tail"]} >= {"0", "1"}

    r = kernel("%%fm echo:slow=5 echo:slow=6 echo:\n" + "word " * 200, interrupt_when=started)
    assert r.status == "error" and r.error.startswith("Interrupted")
    page = r.final("text/html")
    assert page.count("<section") == 3 and page.count("stopped;") == 2 and "word word" in page


def test_when_all_of_a_comparison_fail_each_column_says_why(kernel):
    r = kernel("%%fm echo:fail=key echo:fail=model\nhi")
    assert r.status == "error" and "Traceback" not in r.traceback and len(r.displays) == 1
    assert r.final("text/html").count('role="alert"') == 2


def test_a_blind_cell_is_refused_where_it_could_not_work(kernel):
    assert "two answers" in kernel("%%fm --blind echo:\nhi").error
    kernel("%fm log off")
    try:
        assert "needs the log" in kernel("%%fm --blind echo: echo:think\nhi").error
    finally:
        kernel("%fm log on")


def test_an_index_is_updated_in_the_background_while_other_cells_run(kernel):
    kernel(
        "import os, tempfile\nos.chdir(tempfile.mkdtemp())\nos.mkdir('docs')\nfor i in range(200): open(f'docs/{i}.md', 'w').write(f'Document {i} is here. ' * 50)"
    )
    started = kernel("update = %fm index docs --name kb --embedder none --background", stdin=True)
    assert started.status == "ok" and "kb: an update is running" in started.final()
    assert kernel("update.wait(60) and len(update.report.added)").value == "200"
    assert kernel("%fm search kb 'document 7'").status == "ok"
