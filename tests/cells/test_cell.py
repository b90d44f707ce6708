"""`%%fm` as users type it."""

import re

import pytest

from fmnb.calls.session import session
from fmnb.comparison.comparison import Comparison
from fmnb.core.errors import (
    AuthenticationError,
    LockedError,
    PromptError,
    SchemaMismatchError,
    ServerError,
    StreamInterruptedError,
    TapeMissError,
    UnknownModelError,
    UsageError,
)
from fmnb.core.response import Response
from tests.admin_config import use_admin_folder
from tests.cells.says import Says


def test_the_answer_streams_and_is_the_cells_value(cells):
    answer = cells("%%fm echo:\nhello there")
    assert isinstance(answer, Response) and answer.text == "hello there"
    assert "hello there\n\n— fmnb · echo" in cells.out and "local" in cells.out


def test_an_expression_is_inserted_once(cells):
    cells.ns["secret"] = "no"
    cells.ns["row"] = "{{ secret }}"
    assert cells("%%fm echo:\nvalue {{ row }} and {single}").text == "value {{ secret }} and {single}"


def test_raw_inserts_nothing(cells):
    assert cells("%%fm echo: --raw\n{{ 1 + 1 }}").text == "{{ 1 + 1 }}"


def test_ipython_leaves_braces_and_dollars_on_the_line_alone(cells):
    cells.ns["x"] = "BAD"
    assert cells('%%fm echo: -s "{x} $x"\nhi').messages[0].text == "{x} $x"


def test_backslashes_and_number_signs_on_the_line_are_themselves(cells):
    assert cells("%%fm echo: -s C:\\temp\\new#1\nhi").messages[0].text == r"C:\temp\new#1"
    assert cells("%%fm echo: -s 'a\\b'\nhi").messages[0].text == r"a\b"


@pytest.mark.parametrize("line", ["-o name echo:", "name << echo:", "echo: -o name", "echo: --out name"])
def test_an_answer_can_be_kept_under_a_name(cells, line):
    assert cells(f"%%fm {line}\nhi") is None
    assert cells.ns["name"].text == "hi"


def test_two_names_for_one_answer_are_refused(cells):
    assert "one name" in str(cells.fails("%%fm a << echo: -o b\nhi"))


def test_line_magic_in_an_assignment(cells):
    cells('x = %fm ask echo: "one line"')
    assert cells.ns["x"].text == "one line"


def test_an_undefined_name_is_an_error_with_the_nearest(cells):
    cells.ns["revenue"] = 3
    error = cells.fails("%%fm echo:\n{{ revenu }}")
    assert isinstance(error, PromptError) and "revenue" in str(error)
    assert "Traceback" not in cells.out


def test_user_mistakes_show_no_traceback_and_bugs_do(cells):
    cells.fails("%%fm nosuch:model\nhi")
    assert "UnknownModelError" in cells.out and "Traceback" not in cells.out
    cells.fails("%%fm echo:fail=bug\nhi")
    assert "Traceback" in cells.out


def test_an_unknown_model_names_the_nearest(cells):
    error = cells.fails("%%fm embeded\nhi")
    assert isinstance(error, UnknownModelError) and "embedded" in str(error)


def test_a_failed_call_fails_the_cell_once_and_keeps_the_text(cells):
    error = cells.fails("%%fm echo:fail=cut\none two three four")
    assert isinstance(error, StreamInterruptedError)
    assert error.response.text and error.response.text in "one two three four"
    assert cells.out.count("ended the connection") == 1 and "StreamInterruptedError, as shown above" in cells.out
    assert "billed" not in cells.out, "nobody bills a local model"


def test_a_key_that_is_refused_fails(cells):
    assert isinstance(cells.fails("%%fm echo:fail=key\nhi"), AuthenticationError)


def test_several_models_answer_each_on_its_own(cells):
    both = cells("%%fm echo: echo:slow=300\nhello")
    assert isinstance(both, Comparison) and [r.text for r in both] == ["hello", "hello"]
    assert [r.run for r in both][0] != [r.run for r in both][1]
    assert list(both.df.columns)[:3] == ["model", "text", "data"]


def test_one_of_several_may_fail(cells):
    both = cells("%%fm echo: echo:fail=server\nhello")
    assert both[0].text == "hello" and both[1].error["kind"] == "ServerError"


def test_when_all_of_several_fail_the_cell_fails(cells):
    cells.fails("%%fm echo:fail=server echo:fail=key\nhello")


def test_schema_gives_objects_and_a_frame(cells):
    answer = cells('%%fm echo: --schema "name, score float, tags list[str]"\nAnn')
    assert set(answer.data) == {"name", "score", "tags"} and isinstance(answer.data["score"], float)
    assert list(answer.df.columns) == ["name", "score", "tags"]


def test_a_schema_by_name_gives_its_objects(cells):
    cells("from dataclasses import dataclass\n@dataclass\nclass Person:\n    name: str\n    age: int")
    answer = cells("%%fm echo: --schema Person\nAnn")
    assert isinstance(answer.data, cells.ns["Person"])


def test_a_wrong_structured_answer_is_asked_for_once_more(cells):
    cells.ns["stubborn"] = Says("no JSON", "still none")
    error = cells.fails('%%fm stubborn --schema "a int"\nhi')
    assert isinstance(error, SchemaMismatchError)
    assert "retried" in " ".join(error.response.notes)
    cells.ns["willing"] = Says('{"a": "x"}', '{"a": 3}')
    assert cells('%%fm willing --schema "a int"\nhi').data == {"a": 3}


def test_parameters_reach_the_request(cells):
    request = cells(
        '%%fm echo: -t 0.3 --max-tokens 3 --seed 7 --stop END --stop FIN -p top_p=0.5 -s "be brief"\none two three four'
    ).request
    assert (request.temperature, request.max_tokens, request.seed, request.stop) == (0.3, 3, 7, ("END", "FIN"))
    assert request.extra == {"top_p": 0.5} and request.messages[0].text == "be brief"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("echo: -p temperature=1", "-t"),
        ("echo: -p api_key=sk-0000", "%fm key set"),
        ("echo: -p Authorization=x", "%fm key set"),
        ("echo: --temprature 1", "--temperature"),
        ("echo: -t hot", "number"),
        ("echo: -t", "needs a value"),
        ("echo: -t 1 -t 2", "twice"),
        ("echo: -t 3", "between 0 and 2"),
        ("echo: --max-tokens 0", "at least 1"),
        ('echo: -s "open', "quote"),
        ("echo: echo:", "twice"),
        ("echo: --chat a --schema b", "combined"),
        ("echo: echo:slow=9 -f code", "combined"),
        ("echo: --background -o x", "combined"),
        ("echo: -f pdf", "format"),
        ("echo: -f image", "makes no images"),
        ("echo: --tem 1", "No such option"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(cells, line, words):
    error = cells.fails(f"%%fm {line}\nhi")
    assert isinstance(error, UsageError) and words in str(error)
    assert not cells.shell.run_line_magic("fm", "log")  # nothing was sent


def test_an_empty_prompt_is_refused(cells):
    assert "empty" in str(cells.fails("%%fm echo:\n   \n"))


def test_dry_shows_everything_and_sends_nothing(cells):
    preview = cells('%%fm --dry-run openai:gpt-5-mini -s "be brief"\nhello {{ 2 + 2 }}')
    text = str(preview)
    assert "api.openai.com" in text and "hello 4" in text and "be brief" in text and "estimated" in text and "±" in text
    assert "local" in str(cells("%%fm --dry-run echo:\nhi"))
    assert not cells.shell.run_line_magic("fm", "log")


def test_code_goes_into_a_new_cell_without_its_fence(cells):
    cells("%%fm echo: -f code\n```python\nprint(1)\n```")
    assert cells.shell.rl_next_input == "print(1)"


def test_help_names_every_option(cells):
    from fmnb.jupyter.magics.options import OPTIONS

    text = cells.shell.find_cell_magic("fm").__doc__
    assert all(f"--{o.long}" in text for o in OPTIONS)


def test_cells_inputs_outputs_and_the_last_error_can_be_inserted(cells):
    cells("value = 6 * 7\nvalue")
    cells.fails("1/0")
    answer = cells("%%fm echo:\n{{ Out[1] }} {{ In[1] }} {{ Err }}")
    assert "42" in answer.text and "value = 6 * 7" in answer.text and "ZeroDivisionError" in answer.text


def test_run_all_stops_at_a_failed_cell(cells):
    assert not cells.shell.run_cell("%%fm echo:fail=server\nx").success


def test_replay_only_without_a_tape_is_an_error(cells):
    assert isinstance(cells.fails("%%fm echo: --replay-only\nhi"), TapeMissError)


def test_an_administrators_lock_beats_everything(cells, tmp_path, monkeypatch):
    (tmp_path / "fmnb.toml").write_text('[lock]\nproviders = ["echo"]\nmodels = ["echo:*"]\n')
    use_admin_folder(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    assert cells("%%fm echo:\nhi").text == "hi"
    assert isinstance(cells.fails("%%fm openai:gpt-5-mini\nhi"), LockedError)
    assert isinstance(cells.fails("%%fm embedded\nhi"), LockedError)


def test_background_runs_are_refused_where_nothing_would_show_them(cells):
    assert "kernel" in str(cells.fails("%%fm echo: --background\nhi"))


def test_answers_that_come_at_once_are_written_one_after_the_other_in_a_terminal(cells):
    cells("%%fm echo:slow=60 echo:slow=61 echo:fail=cut\none two three four five six")
    first, second, third = (cells.out.index(f"echo:{n}:\n") for n in ("slow=60", "slow=61", "fail=cut"))
    assert first < second < third
    assert cells.out.count("one two three four five six\n") == 2 and "one two three\n" in cells.out


def test_a_class_of_the_notebook_goes_in_as_its_source(cells):
    cells("class Point:\n    x: int = 0")
    assert cells("%%fm echo:\n{{ Point }}").text == "class Point:\n    x: int = 0"
    cells("import dataclasses\n@dataclasses.dataclass\nclass Point:\n    y: int = 1")
    assert cells("%%fm echo:\n{{ Point }}").text == "@dataclasses.dataclass\nclass Point:\n    y: int = 1"


def test_json_that_was_asked_for_is_data(cells):
    cells.ns["says"] = Says('Here:\n```json\n{"a": [1, 2]}\n```', "no JSON")
    assert cells("%%fm says -f json\nx").data == {"a": [1, 2]}
    assert cells("%%fm says -f json\nx").data is None


def test_a_table_over_which_was_asked_is_shown_under_a_name_too(cells):
    cells.ns["rows"] = [{"t": "a"}, {"t": "b"}]
    assert cells("%%fm echo: --over rows -o answers\n{{ t }}") is None
    assert len(cells.ns["answers"]) == 2
    assert "2 rows × " in cells.out and re.search(r"(?m)^a +a$", cells.out) and re.search(r"(?m)^b +b$", cells.out)


def test_a_running_conversation_takes_a_new_system_prompt(cells):
    cells("%%fm echo: --chat c -s first\none")
    second = cells("%%fm --chat c -s second -t 0.5\ntwo")
    assert [m.text for m in second.request.messages if m.role == "system"] == ["second"] and second.request.temperature == 0.5
    third = cells("%%fm --chat c\nthree")
    assert [m.text for m in third.request.messages if m.role == "system"] == ["second"] and third.request.temperature is None
    assert [m.role for m in third.request.messages][0] == "system"
    assert not [m for m in cells('%%fm --chat c -s ""\nfour').request.messages if m.role == "system"]


def test_a_logged_run_is_shown_as_it_was(cells):
    cells.ns["shaky"] = Says(ServerError("The service fell over", detail="500", hint="Try later."))
    error = cells.fails("%%fm shaky\nx")
    shown = cells.out
    cells(f"%fm log {error.run}")
    assert "said" in cells.out and "The service fell over" in cells.out and "Try later." in cells.out
    assert "said" in shown
    good = cells("%%fm echo:\nhello")
    cells(f"%fm log {good.run}")
    assert "hello" in cells.out and "fmnb" in cells.out and good.run in cells.out


def test_prune_asks_before_it_drops_everything(cells):
    cells("%fm tape t.jsonl")
    cells("%%fm echo:\nhello")
    cells("%fm tape off")
    cells("%fm tape t.jsonl")  # as in a new kernel: no cell ran yet
    assert "--yes" in str(cells.fails("%fm tape prune")) and len(session.tape) == 1
    cells("%%fm echo:\nhello")
    cells("%fm tape prune")
    assert len(session.tape) == 1
    cells("%fm tape off")
    cells("%fm tape t.jsonl")
    cells("%fm tape prune --yes")
    assert len(session.tape) == 0 and "Dropped 1 answer that" in cells.out
    assert "works only with prune" in str(cells.fails("%fm tape --yes"))


def test_what_a_stopped_table_had_come_to_stands_under_its_name(cells):
    cells.ns["shaky"] = Says("fine", *(AuthenticationError("no") for _ in range(20)))
    cells.ns["rows"] = [{"t": str(n)} for n in range(12)]
    cells.fails("%%fm shaky --over rows -o answers --concurrency 1 --fail-fast\n{{ t }}")
    assert len(cells.ns["answers"]) == 12 and cells.ns["answers"][0]["text"] == "fine"
    assert cells.ns["answers"][11]["text"] is None and "again for the rest" in cells.out


def test_what_a_stopped_table_without_a_name_had_come_to_is_in_its_error(cells):
    cells.ns["shaky"] = Says("fine", *(AuthenticationError("no") for _ in range(20)))
    cells.ns["rows"] = [{"t": str(n)} for n in range(12)]
    stop = cells.fails("%%fm shaky --over rows --concurrency 1 --fail-fast\n{{ t }}")
    assert stop.partial[0]["text"] == "fine" and len(stop.partial) == 12
    assert "sys.last_value.partial" in "\n".join(stop._render_traceback_())


def test_a_verbose_traceback_shows_no_key(cells, monkeypatch):
    """`%xmode Verbose` prints the variables of every frame."""
    from fmnb.config import keys

    monkeypatch.setenv("OPENAI_API_KEY", "0123-my-own-secret-4567")
    cells.ns["keys"] = keys
    cells("%xmode Verbose")
    cells.fails(
        "found = keys.find(('OPENAI_API_KEY',), 'openai', 'api.openai.com', own_hosts=['api.openai.com']).value\n1 / len(found[:0])"
    )
    assert "found" in cells.out and "[key removed]" in cells.out and "my-own-secret" not in cells.out


def test_a_raw_prompt_may_be_asked_of_a_function_of_the_notebook(cells):
    cells("def shout(prompt): return prompt.upper()")
    assert cells("%%fm shout --raw\n{{ nothing }}").text == "{{ NOTHING }}"


def test_the_beginning_of_an_option_is_nearer_than_other_letters(cells):
    assert "Did you mean --temperature?" in cells.fails("%%fm --temp 0 echo:\nx").hint


def test_line_ends_of_windows_are_line_ends(cells):
    assert cells.shell.run_cell("%%fm echo: -o answer\r\none\r\ntwo\r\n").success
    assert cells.shell.user_ns["answer"].text == "one\ntwo"
