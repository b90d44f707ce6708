"""Tab in `%%fm` cells and after `%fm`, as a kernel completes: nothing is evaluated, and nothing asks the network."""

import json
import time

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from IPython.core.completer import provisionalcompleter

from fmnb.calls.model import Model
from fmnb.config import settings
from fmnb.prompts.prompt import Prompt
from fmnb.providers.profiles import profile


@pytest.fixture
def kinds(cells):
    """The completions at the end of a text, or at `|`, each with its kind."""
    frame = pd.DataFrame({"text": ["good"], "two words": [2], "stars": [1.5], 7: [0]})
    cells.ns |= {"df": frame, "n": 3, "greet": lambda name: name, "rows": [{"city": "Oslo"}]}

    def complete(text):
        before = text.partition("|")[0] if "|" in text else text
        with provisionalcompleter():
            found = list(cells.shell.Completer.completions(text.replace("|", "", 1), len(before)))
        return {c.text: c.type.replace("\N{NO-BREAK SPACE}", " ") for c in found}

    complete.ns = cells.ns
    return complete


def test_models_of_a_service_come_from_its_cached_list_and_never_from_the_network(kinds, monkeypatch):
    from fmnb.catalog import model_lists

    monkeypatch.setattr(model_lists, "refresh", None)
    listed = {"openai": {"url": profile("openai").base_url, "at": time.time(), "models": [{"name": "gpt-listed"}]}}
    (settings.state_dir() / "listed.json").write_text(json.dumps(listed))
    found = kinds("%%fm openai:")
    assert found["openai:gpt-listed"] == "hosted model"
    assert all(name.startswith("openai:") for name in found) and "print" not in found


def test_a_service_without_a_list_has_the_models_of_the_price_table(kinds):
    assert len(kinds("%%fm openai:gpt-")) > 10


def test_a_service_at_another_address_has_none_of_them(kinds, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example/v1")
    assert not kinds("%%fm openai:gpt-")


def test_models_complete_by_name_alias_object_and_provider(kinds):
    kinds.ns["judge"] = Model("echo:")
    (settings.home() / "fmnb.toml").write_text('[alias]\nfast = "openai:gpt-5-mini"\n')
    found = kinds("%%fm ")
    assert found["embedded"] == "local model" and found["judge"] == "model" and found["greet"] == "function"
    assert found["openai:"] == "provider" and found["fast"] == "alias of openai:gpt-5-mini" and found["--over"] == "option"


def test_what_nobody_knows_has_no_completions_instead_of_those_of_python(kinds):
    assert kinds("%%fm nosuchmodel") == {} and kinds("%%fm nosuch:") == {} and kinds("%fm use nosuch") == {}


def test_after_a_bar_the_fallback_is_completed(kinds, cells):
    with provisionalcompleter():
        (found,) = [c for c in cells.shell.Completer.completions("%%fm echo:|embed", 16) if c.text == "embedded"]
    assert (found.start, found.end) == (11, 16)


@pytest.mark.parametrize(
    ("typed", "some"),
    [
        ("%%fm --for", {"--format": "option"}),
        ("%%fm -f js", {"json": "format"}),
        ("%%fm --format=js", {"json": "format"}),
        ("%%fm --quant ", {"int4": "quantization", "int8": "quantization", "none": "quantization"}),
        ("%%fm --dtype b", {"bfloat16": "number type"}),
        ("%%fm --api ", {"chat": "interface", "responses": "interface", "native": "interface"}),
        ("%%fm --over d", {"df": "frame, 1×4"}),
        ("%%fm --over df --score exact,gre", {"greet": "function"}),
        ("%%fm --over df --target t", {"text": "column, str", "two words": "column, int64"}),
        ("%%fm --attach d", {"df": "DataFrame 1 × 4"}),
        ("%%fm --vary temp", {"temperature=": "option"}),
        ("%fm ret", {"retry": "verb"}),
        ("%fm models loc", {"local": "runs on this machine"}),
        ("%fm key set opena", {"openai": "provider"}),
        ("answer = %fm ask embed", {"embedded": "local model"}),
    ],
)
def test_options_values_and_verbs(kinds, typed, some):
    found = kinds(typed)
    assert {name: found.get(name) for name in some} == some and "print" not in found


def test_a_used_option_is_not_offered_again_unless_it_may_be_repeated(kinds):
    found = kinds("%%fm -t 0 --stop END --")
    assert "--temperature" not in found and "--stop" in found and "--seed" in found


def test_conversations_prompts_and_schemas_by_name(kinds):
    from fmnb.chat.named import get_chat

    get_chat("travel")
    Prompt("Hello", name="greeting").save()
    kinds.ns["Ticket"] = type("Ticket", (), {})
    assert kinds("%%fm -c tr") == {"travel": "conversation"} == kinds("%fm chat tr")
    assert kinds("%%fm --prompts gree")["greeting"] == "saved prompt"
    kinds.ns["friendly"] = "Answer kindly."
    assert kinds("%%fm --prompts fri") == {"friendly": "str"}
    assert kinds("%%fm --schema Tick") == {"Ticket": "class"}


def test_files_are_offered_for_tables_and_attachments(kinds, tmp_path):
    for name in ("reviews.csv", "photo.png", "two words.csv"):
        (tmp_path / name).write_text("x")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "more.parquet").write_text("x")
    assert kinds("%%fm --over re") == {"reviews.csv": "file"} and kinds("%%fm --over da") == {"data/": "folder"}
    assert kinds("%%fm --over data/") == {"data/more.parquet": "file"}
    assert kinds("%%fm --attach pho") == {"photo.png": "file"} and kinds("%%fm --over pho") == {}


def test_a_broken_prompt_is_completed(kinds):
    assert "greet" in kinds("%%fm\n" + "{{ f( }} " * 200 + "{{ gre") and kinds("%%fm\n{{ " + "(" * 5000 + " }} gre") == {}


def test_prose_has_no_completions(kinds):
    for prompt in ("%%fm\npri", "%%fm\n{{ n }} pri", "%%fm\n{{{{ pri", "%%fm\n{{#each pri", "%%fm --raw\n{{ pri", "%%fm\n{{ 'pri"):
        assert kinds(prompt) == {}, prompt


def test_other_cells_are_completed_as_before(kinds):
    assert "print" in kinds("pri") and "len" in kinds("x = 'fm'\nle") and "%%timeit" in kinds("%%timei")
    assert "%%fm" in kinds("%%f")


def test_names_in_an_expression_frames_first_each_with_its_kind(kinds):
    import math

    kinds.ns["math"] = math
    found = kinds("%%fm\n{{ ")
    assert found == {"df": "frame, 1×4", "n": "int", "rows": "list", "greet": "function", "math": "module", "schema": "function"}
    assert list(found)[0] == "df" and list(found)[-2] == "math"
    assert kinds("%%fm\n{{ n + gr| }} more") == {"greet": "function"}
    assert kinds("%%fm\n{{ f({'a': n}, gr") == {"greet": "function"}
    assert kinds("%%fm\n{{ le") == {"len": "function"}
    assert kinds("%%fm\n{{ math.sq") == {"sqrt": "function"}


def test_columns_of_a_frame_after_the_dot_and_in_brackets(kinds):
    found = kinds("%%fm\n{{ df.")
    assert list(found)[:4] == ["df.text", 'df["two words"]', "df.stars", "df[7]"] and found["df.stars"] == "column, float64"
    assert found["df.describe"] == "function" and found["df.shape"] == "property"
    assert set(kinds('%%fm\n{{ df["')) == {"text", "two words", "stars"}
    assert set(kinds("%%fm\n{{ df[")) == {'"text"', '"two words"', '"stars"', "7"}
    assert kinds("%%fm\n{{ df['t") == {"text": "column, str", "two words": "column, int64"}


def test_a_column_that_is_no_attribute_replaces_the_dot(kinds, cells):
    assert list(kinds("%%fm\n{{ df.st"))[:2] == ["stars", "stack"]  # nothing to replace
    assert list(kinds("%%fm\n{{ df.tw")) == ['df["two words"]']
    with provisionalcompleter():
        (found,) = cells.shell.Completer.completions("%%fm\n{{ n + df.tw }}", 17)
    assert (found.start, found.end) == (12, 17)
    kinds.ns["odd"] = pd.DataFrame({"count": [1], "class": [2], "_mgr": [3], "\N{LATIN SMALL LIGATURE FI}t": [4], ("a", 1): [5]})
    assert list(kinds("%%fm\n{{ odd."))[:4] == ['odd["count"]', 'odd["class"]', 'odd["_mgr"]', 'odd["\N{LATIN SMALL LIGATURE FI}t"]']
    assert "odd[('a', 1)]" in kinds("%%fm\n{{ odd.")


@pytest.mark.parametrize("frame", [pl.DataFrame({"text": ["a"]}), pa.table({"text": ["a"]})])
def test_columns_of_polars_and_arrow_are_no_attributes(kinds, frame):
    kinds.ns["table"] = frame
    assert list(kinds("%%fm\n{{ table.te")) == ['table["text"]']


HOSTILE = [
    'a "quoted"',
    "it's",
    "C:\\dir\\",
    "two\nlines",
    "a}}b",
    "{{ a",
    "{% if x %}",
    "\x00\u202e",
    "nbsp\xa0",
    '"""',
    "",
    "#",
    "Preis (€)",
]


@pytest.mark.parametrize("column", HOSTILE)
@pytest.mark.parametrize("typed", ["odd.", "odd[", 'odd["', "odd['"])
def test_completions_of_hostile_column_names_are_their_literals(kinds, cells, column, typed):
    frame = kinds.ns["odd"] = pd.DataFrame({column: ["found"]})
    prompt = "%%fm\nOf {{ " + typed
    with provisionalcompleter():
        found = next(iter(cells.shell.Completer.completions(prompt, len(prompt))))
    expression = (prompt[: found.start] + found.text).removeprefix("%%fm\nOf {{ ")
    expression += {"odd.": "", "odd[": "]", 'odd["': '"]', "odd['": "']"}[typed]
    assert eval(expression, {"odd": frame}).tolist() == ["found"]
    assert Prompt("Of {{ " + expression + ".iloc[0] }}").render(odd=frame).text == "Of found"


def test_a_column_is_completed_after_its_own_quotes(kinds):
    kinds.ns["odd"] = pd.DataFrame({'a "quoted"': [1], "it's": [2]})
    assert list(kinds("%%fm\n{{ odd['a \"quo")) == ['a "quoted"'] and list(kinds('%%fm\n{{ odd["a \\"q')) == ['a \\"quoted\\"']
    assert list(kinds("%%fm\n{{ odd[\"it'")) == ["it's"] and list(kinds('%%fm --over odd\n{{ row["it'))[:1] == ["it's"]
    assert 'row["it\'s"]' in kinds("%%fm --over odd\n{{ ")


@pytest.mark.parametrize("frame", [pl.DataFrame({"text": ["a"]}), pa.table({"text": ["a"]}), [{"text": "a"}], {"text": ["a"]}])
def test_other_tables_have_columns_too(kinds, frame):
    kinds.ns["table"] = frame
    assert "text" in kinds('%%fm\n{{ table["') and "text" in kinds("%%fm --over table\n{{ te")
    assert "table" in kinds("%%fm --over ta")


def test_with_over_the_columns_are_names(kinds):
    found = kinds("%%fm --over df\n{{ ")
    assert list(found)[:4] == ["text", "stars", 'row["two words"]', "row"] and "df" in found
    assert set(kinds("%%fm --over df\n{{ row['")) == {"text", "two words", "stars"}


def test_loop_variables_and_statements(kinds):
    assert kinds("%%fm\n{% for row in ro") == {"rows": "list"}
    assert kinds("%%fm\n{% for row in rou") == {"round": "function"}, "Python's own, where nothing of the notebook begins so"
    assert kinds("%%fm\n{% for city in rows %}{{ ci") == {"city": "loop variable"}
    assert kinds("%%fm\n{% for city in rows %}{% endfor %}{{ ci") == {}
    assert "greet" in kinds("%%fm\n{% if gr")


def test_no_code_of_the_notebook_is_run(kinds):
    touched = []

    class Touchy:
        secret = property(lambda self: touched.append("secret"))

        @property
        def __class__(self):
            touched.append("__class__")
            return Touchy

        def __getattr__(self, name):
            touched.append(name)
            raise AttributeError(name)

        def __dir__(self):
            touched.append("dir")
            return []

    class Frame(pd.DataFrame):
        @property
        def columns(self):
            touched.append("columns")
            return []

    kinds.ns |= {"touchy": Touchy(), "frame": Frame({"a": [1]})}
    touched.clear()
    assert kinds("%%fm\n{{ touch") == {"touchy": "Touchy"}
    assert kinds("%%fm\n{{ touchy.sec") == {"secret": "property"}
    assert "frame" in kinds("%%fm --over frame\n{{ fr")
    kinds("%%fm --over "), kinds("%%fm "), kinds("%%fm --schema "), kinds("%%fm\n{{ frame.")
    assert touched == []


def test_unloading_the_extension_takes_its_completions_along(cells):
    cells.shell.run_line_magic("unload_ext", "fmnb")
    assert not [m for m in cells.shell.Completer.custom_matchers if getattr(m, "matcher_identifier", "") == "fmnb"]
