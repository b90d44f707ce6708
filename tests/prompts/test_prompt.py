"""Templates: what is ours is filled once, everything else stays as typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnb.core.errors import PromptError, UsageError
from fmnb.core.types import Image, Text
from fmnb.prompts.prompt import Prompt, list_prompts, names, render

LATEX = r"""Explain $\frac{a}{b}$, \textbf{{\bf x}} and \begin{align} x_{i_{j}} &= {{{n}}} \end{align}
\newcommand{\x}{% if this is set
\title{{BERT}: Pre-training of deep transformers}
@article{a, title = {{GPT}}-like {M}odels}}"""

HANDLEBARS = """{{#if author}}<h1>{{firstName}} {{{lastName}}}</h1>{{else}}<p>Unknown</p>{{/if}}
{{> card}} {{! a remark }} {{#each items}}{{@index}}: {{/each}} {{^none}}x{{/none}} {{~#if y~}}"""

ACTIONS = """on: push
jobs:
  test:
    strategy: {matrix: {os: [ubuntu, macos]}}
    runs-on: ${{ matrix.os }}
    if: ${{ github.event_name == 'push' && !cancelled() }}
    env: {TOKEN: "${{ secrets.TOKEN }}", KEY: '${{ hashFiles('**/lock') }}'}
    steps: [{run: "echo ${{ steps.a.outputs.b }} ${{ toJSON(needs) }}"}]"""

FSTRING = """f"{name!r:>{width}} {x['a']} {1 + 2} {{}}" and '{:.2f}'.format(x) and "%(a)s" % d and {% raw %} {# note #}"""

JSON = '{"a": {"b": [1, {"c": {}}]}, "d": "{x}"}'

TYPESCRIPT = """type A = { [k: string]: { b: { c: number } } };
const f = ({ a, b }: { a: A; b?: () => void }) => `${a} ${() => { return { a: {} }; }}`;
<div style={{color: "red", margin: 0}} data={{}} />"""


@pytest.mark.parametrize("text", [ACTIONS, FSTRING, JSON, TYPESCRIPT], ids=["actions", "fstring", "json", "typescript"])
def test_pasted_code_stays_as_typed(text):
    assert render(text, {"a": 1, "x": 2}).text == text


def test_latex_stays_as_typed_but_for_a_bare_name_in_double_braces():
    with pytest.raises(PromptError, match=r"line 4, column \d+.*GPT.*--raw"):
        render(LATEX)
    text = LATEX.replace("{{GPT}}", "{GPT}")
    assert render(text).text == text


def test_handlebars_blocks_stay_and_plain_names_are_ours():
    assert render(HANDLEBARS, {"firstName": "Ada"}).text == HANDLEBARS.replace("{{firstName}}", "Ada")


@pytest.mark.parametrize("text", [LATEX, HANDLEBARS, ACTIONS, FSTRING, JSON, TYPESCRIPT])
def test_raw_inserts_nothing(text):
    assert render(text, {"firstName": 1}, raw=True).text == text


@given(st.text().filter(lambda t: "{{" not in t and "{%" not in t))
def test_text_without_our_marks_is_unchanged(text):
    assert render(text, {}).text == text


@given(st.text(alphabet="{}%$ #\\\"'\nab", max_size=40))
def test_any_braces_are_filled_or_refused_with_the_prompts_own_error(text):
    try:
        render(text, {"a": 1, "b": 2})
    except PromptError:
        pass


@given(st.text(alphabet="{}% abx\n", max_size=30))
def test_values_are_inert(value):
    assert render("<{{ v }}>", {"v": value, "x": "SECRET"}).text == f"<{value}>"


def test_four_braces_write_two():
    assert render("{{{{ name }} and {{ 1 }}").text == "{{ name }} and 1"


def test_a_price_before_a_value_is_not_a_workflow_expression():
    assert render("${{ price }}", {"price": 5}).text == "$5"


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('{"a": 1}["a"]', "1"),
        ('{"a": {"b": 2}}["a"]["b"]', "2"),
        ("'}}'", "}}"),
        ("'{{' + \"}}\"", "{{}}"),
        ("f'{n}}}'", "3}"),
        ("len([x for x in range(n)])", "3"),
        ("(lambda k: k * n)(2)", "6"),
        ("max(\n  1,\n  n\n)", "3"),
        ("n\n+ 1", "4"),
        ("[m := 5, m][1]", "5"),
        ("{k: v for k, v in [('a', {})]}['a']", "{}"),
    ],
)
def test_an_expression_is_real_python(source, value):
    assert render("<{{ " + source + " }}>", {"n": 3}).text == f"<{value}>"


def test_an_expression_is_evaluated_once_and_leaves_no_trace():
    calls = []
    space = {"f": lambda: calls.append(1) or "x"}
    render("{{ f() }}{{ (y := 2) }}{% for z in [1] %}{{ z }}{% endfor %}", space)
    assert len(calls) == 1 and set(space) == {"f"}


def test_an_undefined_name_is_named_with_its_place_and_the_nearest():
    with pytest.raises(PromptError, match=r"line 2, column 8\): summry\. Did you mean summary\?"):
        render("a\n  x {{ summry }}", {"summary": 1})


def test_a_name_missing_inside_a_called_function_is_that_functions_failure():
    space: dict = {}
    exec("def f(): return missing", space)
    with pytest.raises(PromptError, match=r"\{\{ f\(\) \}\}: NameError"):
        render("{{ f() }}", space)


def test_an_expression_that_fails_is_named_with_its_error():
    with pytest.raises(PromptError, match=r"\(line 1, column 4\): \{\{ d\['k'\] \}\}: KeyError: 'k'"):
        render("{{ d['k'] }}", {"d": {}})


@pytest.mark.parametrize("text", ["{{ a b }}", "{{ 1 + }}", "{{ name: x }}", "{{ import os }}", "{{ x = 1 }}"])
def test_what_is_not_python_is_refused_with_both_ways_out(text):
    with pytest.raises(PromptError, match=r"not a Python expression.*\{\{\{\{.*--raw"):
        render(text)


def test_a_brace_that_is_never_closed_is_an_error():
    with pytest.raises(PromptError, match="never closed"):
        render("hello {{ name")


def test_loops_and_conditions():
    text = "{% for a, b in pairs %}\n- {{ a }}{% if b > 1 %} (many){% elif b %} (one){% else %} (none){% endif %}\n{% endfor %}\nend"
    assert render(text, {"pairs": [("x", 2), ("y", 1), ("z", 0)]}).text == "- x (many)\n- y (one)\n- z (none)\nend"


def test_a_loop_over_nothing_takes_its_else():
    assert render("{% for x in [] %}{{ x }}{% else %}none{% endfor %}").text == "none"


def test_a_loop_variable_hides_a_name_only_inside():
    assert render("{% for x in [1, 2] %}{{ x }}{% endfor %}{{ x }}", {"x": 9}).text == "129"


@pytest.mark.parametrize(
    "text", ["{% for x in y %}", "{% endif %}", "{% for %}{% endfor %}", "{% if %}{% endif %}", "{% if 1 %}{% endfor %}"]
)
def test_a_statement_that_does_not_fit_is_refused(text):
    with pytest.raises(PromptError, match="line 1"):
        render(text, {"y": []})


@pytest.mark.parametrize(
    "text", ["{% set x = 1 %}", "{% include 'a' %}", "{% raw %}", "{# note #}", "{%- for x in y %}", "{% forall %}", "{% else x %}"]
)
def test_other_statements_stay_text(text):
    assert render(text).text == text


def test_names_are_those_a_row_must_give():
    text = "{{ title.strip() }} {{ [t for t in tags if t != skip] }} {% for w in words %}{{ w + sep }}{% if id %}{{ id }}{% endif %}{% endfor %}"
    assert names(text) == {"title", "tags", "skip", "words", "sep", "id"}


def test_names_looks_into_lambdas_and_multi_line_expressions():
    assert names("{{ sorted(rows,\n key=lambda r: r[column]) }}") == {"sorted", "rows", "column"}


def test_schema_is_there_without_an_import():
    assert render("{{ schema(rows) }}", {"rows": [{"a": 1}]}).text == "a: int"


def test_an_image_stands_where_it_was_inserted():
    png = b"\x89PNG\r\n\x1a\n" + b"0" * 20
    parts = render("before {{ chart }} after", {"chart": png}).parts
    assert parts == (Text("before "), Image(png, "image/png", "chart"), Text(" after"))


def test_what_was_inserted_is_listed_with_its_size():
    (one,) = render("x {{ text }}", {"text": "word " * 100}).inserted
    assert (one.expression, one.kind, one.tokens, one.line, one.column) == ("text", "str", 125, 1, 6)


def test_a_saved_prompt_comes_back_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved = Prompt("Sum up {{ x }}\n", "sum-up", system="Be brief.").save()
    assert Prompt.load("sum-up") == saved and saved.version == 1
    assert (tmp_path / "prompts/sum-up.md").is_file()


def test_changed_text_is_a_new_version_and_the_old_one_stays_readable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in ("one", "two", "two", "three"):
        saved = Prompt(text, "p").save()
    assert saved.version == 3
    assert [Prompt.load("p", v).text for v in (1, 2, 3)] == ["one", "two", "three"]
    with pytest.raises(UsageError, match="1 to 3"):
        Prompt.load("p", 4)


def test_a_file_edited_by_hand_is_a_version_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Prompt("one", "p").save()
    (tmp_path / "prompts/p.md").write_text("by hand\n")
    assert (Prompt.load("p").text, Prompt.load("p").version) == ("by hand", 2)
    assert Prompt("three", "p").save().version == 3
    assert Prompt.load("p", 2).text == "by hand"


@given(st.text(max_size=60))
def test_any_text_survives_saving(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("prompts")
    saved = Prompt(text, "p", system="s\n---\n").save(folder)
    again = Prompt(text, "p", system="s\n---\n").save(folder)
    assert again.version == saved.version == 1
    from fmnb.prompts.prompt import _read

    assert _read(saved.path) == (text, "s\n---\n")


def test_the_users_folder_is_searched_after_the_notebooks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Prompt("mine", "a").save(user=True)
    Prompt("theirs", "b").save(user=True)
    Prompt("beside", "a").save()
    assert [(p.name, p.text) for p in list_prompts()] == [("a", "beside"), ("b", "theirs")]


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", "", ".hidden", "x" * 200, "nul", "a..b", "a ", "a\n", "C:x"])
def test_a_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(UsageError):
        Prompt("x", name)
    with pytest.raises(UsageError):
        Prompt.load(name)


def test_an_unknown_prompt_names_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Prompt("x", "summary").save()
    with pytest.raises(UsageError, match="Did you mean summary"):
        Prompt.load("sumary")


def test_a_prompt_inserted_in_a_template_is_inert_text():
    assert render("{{ p }}", {"p": Prompt("say {{ x }}"), "x": 1}).text == "say {{ x }}"
    assert render("{{ p.render(x=1) }}", {"p": Prompt("say {{ x }}")}).text == "say 1"
