"""`%%fm --with` and live facts: a function of the notebook, a row of fmnb.toml, names that complete."""

from __future__ import annotations

import re

import pytest

import fmnb as fm
from fmnb.core.errors import UsageError
from tests.wire.server import reply
from tests.wire.web import Web

SOURCE = '''
import fmnb as fm

@fm.source(ttl="5m")
async def stock(sku: str) -> dict:
    """Pieces in stock now."""
    fetched.append(sku)
    return {"sku": sku, "pieces": 12}
'''


def test_a_function_of_the_notebook_is_fetched_cited_and_traced(cells):
    seen = cells.ns["seen"] = []
    cells.ns["fetched"] = fetched = []

    def model(prompt):
        seen.append(prompt)
        return '{"sku": "A-17"}' if "Fill in the arguments" in prompt else "12 pieces of A-17 are left [1]."

    cells.ns["model"] = model
    cells(SOURCE)
    cells("%%fm model --with stock -o answer\nHow many of A-17 are left?")
    arguments, sent = seen
    assert "How many of A-17 are left?" in arguments and "stock(sku='A-17')" in sent and "just fetched" in sent
    answer = cells.ns["answer"]
    assert answer.sources[1].title == "stock(sku='A-17')" and [c.problem for c in answer.citations] == [""]
    assert answer.checks.traced
    assert re.search(r"stock\(sku='A-17'\) fetched \d{4}-\d\d-\d\d \d\d:\d\d", cells.out)
    cells("%%fm model --with stock\nIs A-17 there?")
    assert fetched == ["A-17"]


def test_a_source_without_what_it_needs_says_so_in_the_footer(cells):
    cells.ns["fetched"] = fetched = []
    cells.ns["model"] = lambda prompt: '{"sku": null}' if "Fill in" in prompt else "I do not know."
    cells(SOURCE)
    cells("%%fm model --with stock\nHow many are left?")
    assert "stock: the prompt does not say its sku" in cells.out and fetched == []


def test_two_sources_are_numbered_one_after_the_other(cells, home):
    with Web({"/": lambda seen: [reply(200, {"temp": -3})]}) as server:
        (home / "fmnb.toml").write_text(f'[source.yard]\nurl = "{server.url}"\npath = "$.temp"\nttl = "1m"\nprivate = true\n')
        cells.ns["model"] = lambda prompt: prompt
        cells('import fmnb as fm\n@fm.source(ttl="5m")\ndef crew() -> str:\n    return "four people"')
        cells("%%fm model --with yard,crew -o answer\nShould the crew work outside?")
    text = cells.ns["answer"].text
    assert "[1] yard(), 127.0.0.1\n(as of " in text and "temp: -3" in text and "[2] crew()" in text and "four people" in text


def test_names_of_live_sources_complete(cells, home):
    from fmnb.jupyter.magics.complete_line import _sources

    (home / "fmnb.toml").write_text('[source.yard]\nurl = "https://a.example.com"\nttl = "1m"\n')
    cells('import fmnb as fm\n@fm.source(ttl="5m")\ndef crew() -> str:\n    return "four people"')
    items = dict(_sources("", [], cells.shell))
    assert {"yard", "weather", "exchange_rates", "crew"} <= set(items)


def test_a_dry_run_fetches_nothing_and_asks_no_model(cells):
    cells.ns["fetched"] = fetched = []
    cells.ns["model"] = lambda prompt: 1 / 0
    cells(SOURCE)
    cells("%%fm model --with stock --dry-run\nHow many of A-17 are left?")
    assert fetched == [] and "stock(sku)" in cells.out and "fill in sku" in cells.out


def test_a_comparison_fetches_once(cells):
    cells.ns["fetched"] = fetched = []
    cells("import fmnb as fm\n@fm.source(ttl='5m')\ndef n() -> int:\n    fetched.append(1)\n    return 675")
    result = fm.compare("How many?", [lambda prompt: prompt, lambda prompt: prompt + "!"], sources=[cells.ns["n"]])
    assert all("675" in answer.text for answer in result) and len(fetched) == 1


def test_a_source_without_arguments_goes_with_rows_and_one_with_arguments_does_not(cells):
    with Web({"/": lambda seen: [reply(200, {"temp": -3})]}) as server:
        yard = fm.web_source(server.url, name="yard", ttl="1h", private=True)

        @fm.source(ttl="5m")
        async def crew() -> str:
            return "four people"

        frame = fm.map("Row {{ n }}?", [{"n": 1}, {"n": 2}], lambda prompt: prompt, sources=[yard, crew])
        assert len(server.seen) == 1
    assert all("temp" in str(row) and "four people" in str(row) for row in frame)
    place = fm.web_source("https://a.example.com/{place}", name="place", ttl="1h")
    with pytest.raises(UsageError, match="for each prompt"):
        fm.map("Row {{ n }}?", [{"n": 1}], lambda prompt: prompt, sources=place)
