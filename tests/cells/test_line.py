"""`%fm` verbs as users type them."""

import dataclasses
import json
import os
import re

import pytest

from fmnb.calls import follow_up
from fmnb.calls.model import Model
from fmnb.calls.session import session
from fmnb.chat import named
from fmnb.config import settings
from fmnb.core.errors import BudgetError, StreamInterruptedError, UnknownModelError, UsageError
from fmnb.jupyter.magics.line import VERBS
from tests.cells.says import Says


def test_every_verb_of_the_table_has_a_function_and_help(cells):
    from fmnb.core.registry import load

    text = cells.shell.find_line_magic("fm").__doc__
    for name, verb in VERBS.items():
        assert callable(load(verb.run)) and f"%fm {name}" in text


def test_alone_it_says_where_things_stand(cells):
    text = str(cells("%fm"))
    assert "embedded" in text and "tape" in text


def test_in_a_new_kernel_a_comparison_is_opened_by_its_run_and_its_vote_taken_back(cells):
    from fmnb.calls.session import session

    c = cells("%%fm echo: echo:think\nhi")
    cells("%fm vote right")
    session.last_comparison = None  # as in a kernel that has just begun
    again = cells(f"%fm log {c.run}")
    assert again.best.run == c[1].run and [r.text for r in again] == ["hi", "hi"]
    cells("%fm vote --undo")
    assert "Vote retracted" in cells.out and c.best is None


def test_in_a_terminal_the_errors_of_a_blind_comparison_that_failed_whole_are_told(cells):
    error = cells.fails("%%fm echo:fail=cut echo:fail=model --blind\nhi")
    assert error.shown is False  # so that its own words are printed: above they are hidden


def test_a_number_votes_from_1_as_shown_and_a_name_works(cells):
    c = cells("%%fm echo: echo:think\nhi")
    cells("%fm vote 2")
    assert "number 2 of 2 as shown" in cells.out and c.best is c[c.display_order[1]]
    cells("%fm vote 1")
    assert c.best is c[c.display_order[0]]
    cells("%fm vote echo:think")
    assert c.best is c["echo:think"]
    assert "1 to 2" in cells.fails("%fm vote 0").hint and "1 to 2" in cells.fails("%fm vote 3").hint


def test_an_evaluation_in_the_log_shows_its_prompt(cells):
    cells.ns["rows"] = [{"q": "a", "target": "a"}]
    e = cells("%%fm echo: --over rows --score exact\nAnswer: {{ q }}")
    (row,) = [r for r in cells("%fm log") if r["run"] == e.run]
    assert row["prompt"] == "Answer: {{ q }}"


def test_a_cell_without_a_prompt_has_our_message(cells):
    error = cells.fails("%%fm echo:")
    assert error.message == "The prompt is empty" and "below the %%fm line" in error.hint
    assert cells.fails("%%fm").message == "The prompt is empty"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("--model echo:", "%%fm echo:"),
        ("--model=echo:", "%%fm echo:"),
        ("-m echo:", "%%fm echo:"),
        ("echo: -temp 5", "Did you mean -t or --temperature?"),
        ("echo: -seed 5", "Did you mean --seed?"),
    ],
)
def test_options_of_other_tools_lead_to_ours(cells, line, hint):
    assert cells.fails(f"%%fm {line}\nhi").hint == hint


def test_a_verb_that_resembles_none_suggests_none(cells):
    assert "Did you mean" not in str(cells.fails("%fm bogus"))


def test_one_is_singular(cells):
    from fmnb.calls.prepare import prepare
    from fmnb.calls.preview import preview
    from fmnb.jupyter.widgets.ask_mixin import short_tokens

    asked = preview(prepare("hi", "echo:"))
    assert asked.tokens_line("tokens in").startswith("1 token in (") and short_tokens(asked) == "1 token"
    asked = preview(prepare("hi there", "echo:"))
    assert asked.tokens_line("tokens in").startswith("2 tokens in (") and short_tokens(asked) == "2 tokens"


def test_an_unknown_verb_names_the_nearest(cells):
    assert "%fm models" in str(cells.fails("%fm modles"))


def test_use_chooses_the_model_of_this_kernel(cells):
    cells("%fm use echo:")
    assert cells("%%fm\nhi").requested_model == "echo:"
    cells("%fm use --none")
    assert "embedded" in cells.out


def test_use_refuses_what_does_not_exist(cells):
    assert isinstance(cells.fails("%fm use nosuch"), UnknownModelError)


def test_the_order_of_choices(cells, tmp_path, monkeypatch):
    from fmnb.calls.session import default_model, session

    (settings.home() / "fmnb.toml").write_text('[default]\nmodel = "echo:slow=901"\n')
    assert default_model() == ("echo:slow=901", "user fmnb.toml")
    (tmp_path / "fmnb.toml").write_text('[default]\nmodel = "echo:slow=902"\n')
    assert default_model()[0] == "echo:slow=902"
    monkeypatch.setenv("FMNB_MODEL", "echo:slow=903")
    assert default_model()[0] == "echo:slow=903"
    session.set_model("echo:slow=904")
    session.set_model("echo:slow=905", "notebook")
    assert default_model() == ("echo:slow=905", "this notebook")
    session.set_model("echo:slow=906")
    assert default_model() == ("echo:slow=906", "%fm use")
    assert cells("%%fm echo:\nhi").requested_model == "echo:"


def test_aliases_persist_and_resolve(cells):
    cells("%fm alias fast echo:")
    assert cells("%%fm fast\nhi").requested_model == "fast"
    assert 'fast = "echo:"' in (settings.home() / "fmnb.toml").read_text()
    cells("%fm alias --remove fast")
    cells.fails("%%fm fast\nhi")


def test_an_alias_may_not_be_a_variable_too(cells):
    cells.ns["fast"] = 1
    assert "variable" in str(cells.fails("%fm alias fast echo:"))


def test_models_are_listed_and_filtered(cells):
    assert {"embedded", "echo:"} <= {r["model"] for r in cells("%fm models local")}
    assert "no model matches" in str(cells("%fm models qqqq"))


def test_the_log_finds_words_in_prompts_and_answers_and_reopens(cells):
    run = cells("%%fm echo:\nfind the needle here").run
    cells("%%fm echo:\nsomething else")
    found = cells("%fm log needle")
    assert [r["run"] for r in found] == [run]
    assert cells(f"%fm log {run}").text == "find the needle here"
    assert cells(f"%fm log {run[:12]}").run == run


def test_the_log_can_be_off_and_can_forget(cells):
    cells("%%fm echo:\none")
    cells("%fm log off")
    cells("%%fm echo:\ntwo secret")
    cells("%fm log on")
    assert [r["prompt"] for r in cells("%fm log")] == ["one"]
    cells("%fm log forget one --yes")
    assert not cells("%fm log")
    assert "Forgot 1 run," in str(cells.out) or not cells("%fm log")


def test_forgetting_removes_the_words_from_the_disk(cells):
    cells("%%fm echo: -t 0\nxylophone-4711")
    cells("%fm log forget xylophone --yes")
    assert not any(b"xylophone-4711" in f.read_bytes() for f in settings.home().glob("fmnb.sqlite*"))


def test_nothing_named_forgets_nothing(cells):
    cells("%%fm echo:\none")
    assert isinstance(cells.fails("%fm log forget"), UsageError)
    assert len(cells("%fm log")) == 1


def test_conversations_continue_fork_trim_export(cells, tmp_path):
    cells("%%fm echo: -c talk\none")
    assert len(cells("%%fm -c talk\ntwo").request.messages) == 3
    cells("%fm chat talk fork other")
    cells("%%fm -c other\nthree")
    assert named.chats()["talk"].turns == 2 and named.chats()["other"].turns == 3
    cells("%fm chat other trim 1")
    assert [m.text for m in named.chats()["other"].messages] == ["three", "three"]
    assert [t["text"] for t in cells("%fm chat talk widget").turns] == ["one", "two"]
    cells("%fm chat talk export talk.json")
    cells("%fm chat talk drop")
    cells("%fm chat back load talk.json")
    assert named.chats()["back"].turns == 2
    assert json.loads((tmp_path / "talk.json").read_text())["messages"][0]["role"] == "user"


def test_a_conversation_is_compacted_by_its_model(cells):
    for i in range(4):
        cells(f"%%fm echo: -c long\nturn {i}")
    cells("%fm chat long compact")
    texts = [m.text for m in named.chats()["long"].messages]
    assert "Summarise" in texts[1] and texts[-1] == "turn 3" and len(texts) == 6


def test_cells_do_not_share_a_conversation_unless_named(cells):
    cells("%%fm echo:\none")
    assert len(cells("%%fm echo:\ntwo").request.messages) == 1


def test_a_failed_turn_leaves_the_conversation_as_it_was(cells):
    cells("%%fm echo: -c talk\none")
    cells.fails("%%fm echo:fail=cut -c talk\ntwo")
    assert named.chats()["talk"].turns == 1


def test_retry_asks_anew_with_changes(cells):
    first = cells("%%fm echo: -t 0\nhello")
    again = cells("%fm retry -t 0.5")
    assert again.run != first.run and again.source == "live" and again.request.temperature == 0.5
    assert cells("%fm retry echo:slow=400").requested_model == "echo:slow=400"


def test_continue_goes_on_after_a_cut(cells):
    cells.ns["shaky"] = Says(StreamInterruptedError("cut", billed=True), " and the rest")
    error = cells.fails("%%fm shaky\nx")
    assert error.response.text == "said"
    whole = cells("%fm continue")
    assert whole.text == "said and the rest"
    assert whole.request.messages[1].text == "said"


def test_a_local_answer_is_decoded_on_and_retry_asks_the_question(cells, embedded_path):
    model = f"path:{embedded_path}"
    whole = cells(f"%%fm {model} --max-tokens 12\nTell me about the sea.")
    begin = cells(f"%%fm {model} --max-tokens 6 --no-cache\nTell me about the sea.")
    more = cells("%fm continue")
    assert more.text == whole.text and len(begin.text) < len(more.text)
    assert [m.role for m in more.request.messages] == ["user", "assistant"]
    again = cells("%fm retry")
    assert [m.text for m in again.request.messages] == ["Tell me about the sea."]


def test_a_joint_repeats_nothing(cells):
    cells.ns["shaky"] = Says(StreamInterruptedError("cut", billed=True), "x")
    cells.fails("%%fm shaky\nx")
    assert follow_up.join_texts("One, two, three, four", "three, four, five") == "One, two, three, four, five"
    assert follow_up.join_texts("One, two", " and more") == "One, two and more"
    cells("%fm continue")
    again = follow_up.retry(session.last)
    assert again.call.request.messages[-1].text == "x" and len(again.call.request.messages) == 1


def test_an_answer_that_was_cut_in_a_loop_is_not_continued(cells):
    cells.ns["round"] = Says("The table is about the table. " * 40)
    cells("%%fm round\nx")
    session.last.response = dataclasses.replace(session.last.response, finish_reason="loop")
    assert "repeated itself" in str(cells.fails("%fm continue"))


def test_continue_after_a_whole_answer_is_refused(cells):
    cells("%%fm echo:\nhi")
    assert "complete" in str(cells.fails("%fm continue"))


def test_an_answer_closed_at_its_limit_is_asked_again_with_more(cells, embedded_path):
    cells(f"%%fm path:{embedded_path} --max-tokens 14 --schema summary\nTell me about the sea.")
    (said,) = [n for n in session.last.response.notes if "token limit" in n]
    error = cells.fails("%fm continue")
    assert "complete" in error.message and "`%fm retry --max-tokens 28`" in error.hint and "`%fm retry --max-tokens 28`" in said
    cells("%fm retry --max-tokens 28")
    assert session.last.call.request.max_tokens == 28 and set(session.last.response.data) == {"summary"}


def test_fix_offers_the_mended_cell(cells):
    cells.fails('d = {"a": {"b": 1}}\nd["x{y}"]["{{z}}"]')
    cells("%fm fix echo:")
    assert "{{z}}" in cells.shell.rl_next_input  # the echo model gives the failing cell back


def test_a_function_of_the_notebook_can_be_the_model_that_fixes(cells):
    cells("def mend(prompt): return 'x = 1'\n%fm use mend")
    cells.fails("1/0")
    cells("%fm fix")
    assert cells.shell.rl_next_input == "x = 1"


def test_explain_sends_the_cell_and_its_error(cells):
    cells.fails("1/0")
    text = cells("%fm explain echo:").request.messages[0].text
    assert "1/0" in text and "ZeroDivisionError" in text and "IPython/core" not in text


def test_fix_without_a_failed_cell_says_so(cells):
    assert "No cell has failed" in str(cells.fails("%fm fix echo:"))


def test_prompts_are_saved_versioned_and_used(cells, tmp_path):
    cells.ns["topic"] = "rain"
    cells("%%fm echo: --save haiku\nA haiku about {{ topic }}")
    assert (tmp_path / "prompts/haiku.md").read_text().strip() == "A haiku about {{ topic }}"
    cells("import fmnb as fm\np = fm.Prompt.load('haiku')")
    assert cells("fm.ask(p, 'echo:', values={'topic': 'snow'}).text") == "A haiku about snow"


def test_python_text_is_sent_as_it_is(cells):
    assert cells("import fmnb as fm\nfm.ask('{{ 1 + 1 }}', 'echo:').text") == "{{ 1 + 1 }}"


def test_a_tape_records_and_replays(cells, tmp_path):
    cells("%fm tape t.tape.jsonl")
    cells("%%fm echo:\nhello tape")
    line = json.loads((tmp_path / "t.tape.jsonl").read_text())
    assert line["prompt"] == "hello tape" and line["model"] == "echo:"
    again = cells("%%fm echo: --replay-only\nhello tape")
    assert again.source == "replayed" and again.text == "hello tape" and "replayed" in cells.out
    assert "was never recorded" in str(cells.fails("%%fm echo: --replay-only\nother"))


def test_other_values_are_asked_live_and_prune_drops_what_no_cell_used(cells, tmp_path):
    cells("%fm tape t.tape.jsonl")
    cells.ns["n"] = 1
    cells("%%fm echo:\nvalue {{ n }}")
    cells.ns["n"] = 2
    assert cells("%%fm echo:\nvalue {{ n }}").source == "live"
    cells("%fm tape t.tape.jsonl")
    assert cells("%%fm echo:\nvalue {{ n }}").source == "replayed"
    cells("%fm tape prune")
    assert "Dropped 1" in cells.out
    assert [json.loads(x)["prompt"] for x in (tmp_path / "t.tape.jsonl").read_text().splitlines()] == ["value 2"]


def test_budget_caps_and_counts_unknown_prices_as_over(cells):
    cells("%fm budget 0.5")
    assert cells("%%fm echo:\nlocal models cost nothing").text
    assert isinstance(cells.fails("%%fm vllm2:m\nhi"), UnknownModelError)
    (settings.home() / "fmnb.toml").write_text('[provider.mine]\nbase_url = "https://ai.example.com/v1"\nneeds_key = false\n')
    error = cells.fails("%%fm mine:m\nhi")
    assert isinstance(error, BudgetError) and "--allow-unknown" in str(error)


def test_forgetting_asks_with_the_number_of_runs_and_a_no_is_one_plain_line(cells, monkeypatch):
    from fmnb.config import confirm

    asked = []
    monkeypatch.setattr(confirm, "ask", lambda text, *more, **options: asked.append(text) or "no")
    for word in ("one needle", "two needles", "hay"):
        cells(f"%%fm echo:\n{word}")
    assert cells("%fm log forget needle*") is None and cells.out == "Nothing was done.\n"
    assert asked == ["Delete 2 runs of the log, with cached answers?"] and len(cells("%fm log")) == 3
    cells("%fm log forget nothing-like-it")
    assert cells.out == "Deleted 0 runs, including cached answers.\n" and len(asked) == 1
    monkeypatch.setattr(confirm, "ask", lambda *more, **options: "yes")
    cells("%fm log forget hay")
    assert cells.out == "Deleted 1 run, including cached answers.\n"


def test_a_no_to_a_batch_is_one_plain_line(cells, monkeypatch):
    from fmnb.batch import estimate
    from fmnb.config import confirm

    monkeypatch.setattr(confirm, "ask", lambda *more, **options: "no")
    monkeypatch.setattr(estimate, "CONFIRM_CALLS", 0)
    monkeypatch.setattr(estimate.Estimate, "needs_confirmation", True)
    cells.ns["rows"] = [{"q": "a"}]
    assert cells("%%fm echo: --over rows\n{{ q }}") is None and cells.out.endswith("Nothing was done.\n")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
def test_a_pipe_is_no_tape_and_no_evaluation(cells, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "regular file" in cells.fails("%fm tape pipe").message
    cells.ns["Evaluation"] = __import__("fmnb").Evaluation
    assert "regular file" in cells.fails("Evaluation.load('pipe')").detail


@pytest.mark.parametrize("line", ["%fm key set openai", "%fm log forget --all", "%fm log forget hi", "%fm rm embedded"])
def test_where_nobody_can_answer_a_question_names_the_option(cells, line, monkeypatch):
    cells("%%fm echo:\nhi")
    monkeypatch.setattr("sys.stdin", None)
    error = cells.fails(line)
    assert isinstance(error, UsageError) and ("--yes" in str(error) or "OPENAI_API_KEY" in str(error))


def test_a_key_is_never_shown(cells, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-0001")
    for line in ("%fm key show openai", "%fm doctor", "%fm models openai", "%%fm --dry-run openai:gpt-5-mini\nhi"):
        assert "very-secret" not in str(cells(line)) + cells.out
    assert "OPENAI_API_KEY" in str(cells("%fm key show openai"))


def test_doctor_names_what_is_missing_and_what_to_do(cells):
    rows = {r["check"]: r for r in cells("%fm doctor")}
    assert rows["model embedded"]["hint"] == "%fm pull embedded" or rows["model embedded"]["state"] == "ok"
    assert rows["log"]["state"] == "ok"


def test_completion_knows_verbs_models_and_options(cells):
    def complete(text):
        return cells.shell.complete("", text, len(text))[1]

    assert "retry" in complete("%fm ret")
    assert any("embedded" in c for c in complete("%fm use embed"))
    assert any("--schema" in c for c in complete("%%fm --sch"))
    assert "json" in complete("%%fm -f js")
    cells.shell.user_ns |= {"judge_model": Model("echo:"), "judge_other": object()}
    assert [c for c in complete("%fm use judge_") if "judge_" in c] == ["judge_model"]


def test_voting_on_the_last_comparison_by_a_verb(cells):
    assert "no comparison" in str(cells.fails("%fm vote left"))
    cells("%%fm echo: echo:think\nwhich?")
    cells("%fm vote right it is clearer")
    assert re.search(r"Voted for .+ \(number 2 of 2 as shown\)", cells.out)
    cells("%fm vote --undo")
    assert "Vote retracted." in cells.out
    assert "Name the best answer" in str(cells.fails("%fm vote"))
    assert cells("%fm leaderboard") == []


def test_axes_of_a_comparison_in_a_cell(cells):
    c = cells("%%fm echo: --samples 2 --vary max-tokens=1,2\none two")
    assert [r.text for r in c] == ["one", "one", "one two", "one two"]
    assert "echo:, max_tokens 1, sample 0:" in cells.out
    cells("short, long = 'Short:', 'Long:'")
    c = cells("%%fm echo: --prompts short,long\nwords")
    assert [r.text for r in c] == ["Short:\n\nwords", "Long:\n\nwords"]
    for line in (
        "--samples x",
        "--vary temperature",
        "--vary temperature=1",
        "--prompts a,a",
        "--chat t --samples 2",
        "-f code --vary seed=1,2",
    ):
        assert isinstance(cells.fails(f"%%fm echo: {line}\nhi"), UsageError), line


def test_a_cell_cannot_trust_a_file_in_its_readers_name(cells, tmp_path):
    (tmp_path / "fmnb.toml").write_text("[provider.mine]\nbase_url = 'https://mine.example/v1'\n")
    for line in ("%fm trust --yes", "%fm trust -y"):
        error = cells.fails(line)
        assert isinstance(error, UsageError) and "always asks" in str(error)
    assert "Nobody can answer" in str(cells.fails("%fm trust"))
    assert "not trusted" in str(cells.fails("%%fm mine:m\nhi"))


def test_trust_shows_everything_that_decides_where_requests_and_keys_go(cells, tmp_path, monkeypatch):
    row = 'native_url = "https://elsewhere.example"\nheader_env = { X-Key = "OTHER_KEY" }\nimage_hosts = ["*.example"]\n'
    (tmp_path / "fmnb.toml").write_text(f"[provider.cohere]\n{row}[provider.mine]\nbase_url = 'https://mine.example/v1'\n")
    assert "%fm trust" in str(cells.fails("%%fm mine:m\nhi"))
    cells.fails("%fm trust")
    for word in ("https://elsewhere.example", "OTHER_KEY", "*.example", "https://mine.example/v1"):
        assert word in cells.out
    from fmnb.jupyter.magics import admin

    monkeypatch.setattr(admin, "ask", lambda text, choices, **more: "yes")
    cells("%fm trust")
    assert "needs a key" in str(cells.fails("%%fm mine:m\nhi"))


def test_an_alias_of_an_alias_is_what_that_one_stands_for(cells):
    cells("%fm alias first echo:")
    cells("%fm alias second first")
    cells("%fm alias --remove first")
    assert "second" in str(cells("%fm alias")) and cells("%%fm second\nhello").requested_model == "second"


def test_what_a_projects_file_holds_is_printed_without_escapes(cells, tmp_path):
    (tmp_path / "fmnb.toml").write_text(
        '[provider."a\\u001b[2Jb"]\nbase_url = "http://x\\u001b]8;;http://evil.example\\u0007"\n[other]\nx = "\\u202e"\n'
    )
    cells.shell.run_cell("%fm trust")
    out = cells._capsys.readouterr().out
    assert "provider.a" in out and not any(c in out for c in "\x1b\x07\u202e")


def test_a_conversation_is_printed_without_escapes(cells):
    cells("%%fm echo: -c talk\nred \x1b[31m and \x9b0m")
    cells.shell.run_cell("%fm chat talk show")
    out = cells._capsys.readouterr().out
    assert "red" in out and "\x1b" not in out and "\x9b" not in out


def test_a_continued_turn_is_whole_in_its_conversation(cells, embedded_path):
    model = f"path:{embedded_path}"
    cells(f"%%fm {model} --max-tokens 6 -c sea\nTell me about the sea.")
    more = cells("%fm continue")
    talk = named.chats()["sea"]
    assert [m.role for m in talk.messages] == ["user", "assistant"] and talk.messages[-1].text == more.text
    sent = cells(f"%%fm {model} --max-tokens 4 -c sea\nAnd the wind?").request.messages
    assert [m.text for m in sent] == ["Tell me about the sea.", more.text, "And the wind?"]


@pytest.mark.parametrize("jedi", [True, False])
@pytest.mark.parametrize(
    ("typed", "option"),
    [
        ('fm.ask("x", tem', "temperature="),
        ('fm.compare("x", [], bli', "blind="),
        ('fm.map("x", [], conc', "concurrency="),
        ('fm.evaluate("x", [], max_f', "max_failures="),
        ('model.ask("x", see', "seed="),
        ('chat.ask("x", max_t', "max_tokens="),
    ],
)
def test_options_of_python_functions_are_completed(cells, typed, option, jedi):
    from IPython.core.completer import provisionalcompleter

    import fmnb

    cells.shell.user_ns |= {"fm": fmnb, "model": fmnb.Model("echo:"), "chat": fmnb.Chat("echo:")}
    completer = cells.shell.Completer
    before, completer.use_jedi = completer.use_jedi, jedi
    try:
        with provisionalcompleter():
            assert option in [c.text for c in completer.completions(typed, len(typed))]
    finally:
        completer.use_jedi = before


def test_prompts_of_a_comparison_show_the_names_of_their_variables(cells):
    cells("import fmnb as fm\nlong = 'word ' * 20\nbrief = fm.Prompt('Be brief.\\nVery.')\nsaved = fm.Prompt('Be kind.', name='kind')")
    labels = cells("fm.compare('hi', ['echo:'], prompts=[brief, saved, long, fm.Prompt('Say it.'), fm.Prompt('One.\\nTwo.')]).labels")
    assert labels == ("echo:, brief", "echo:, kind", "echo:, long", "echo:, Say it.", "echo:, prompt 5")
    assert cells("%%fm echo: --prompts brief,saved\nhi").labels == ("echo:, brief", "echo:, saved")
