"""A typed function as a source: arguments from the prompt, one fetch at a time, values that expire."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest

import fmnb as fm
from fmnb.core.errors import CustomModelError, UsageError
from fmnb.core.runtime import Runtime
from fmnb.core.sources import Source
from fmnb.data.sources import values
from fmnb.data.sources.times import as_of, seconds_of


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves."""

    class Clock:
        now = time.time()

        def time(self):
            return self.now

    found = Clock()
    for module in (values, __import__("fmnb.data.sources.source", fromlist=["time"])):
        monkeypatch.setattr(module, "time", found)
    return found


def counter(ttl="5m", **more):
    """A source that says how often it was fetched."""
    fetched = []

    @fm.source(ttl=ttl, **more)
    def count() -> str:
        fetched.append(1)
        return f"fetched {len(fetched)} times"

    return count, fetched


def text_of(source, question="how often?", **more):
    return source.retrieve(question, **more).passages[0].text


def test_a_source_is_called_as_before_and_retrieved():
    @fm.source(ttl="5m")
    def stock(sku: str, warehouse: str = "Oslo") -> dict:
        """Pieces in stock."""
        return {"sku": sku, "pieces": 12, "warehouse": warehouse}

    assert stock("a-1") == {"sku": "a-1", "pieces": 12, "warehouse": "Oslo"}
    assert isinstance(stock, Source) and stock.__doc__ == "Pieces in stock." and stock.name == "stock"
    asked = []

    def model(prompt):
        asked.append(prompt)
        return '{"sku": "a-7", "warehouse": null}'

    [passage] = stock.retrieve("How many of a-7 are there?", model=model).passages
    assert passage.title == "stock(sku='a-7', warehouse='Oslo')" and '"pieces": 12' in passage.text.replace("'", '"')
    assert passage.details["arguments"] == {"sku": "a-7", "warehouse": "Oslo"} and passage.label.untrusted and not passage.stale
    assert "Pieces in stock." in asked[0] and "How many of a-7" in asked[0] and "stock(sku: str, warehouse: str = 'Oslo')" in asked[0]


def test_a_value_is_kept_until_it_expires(clock):
    count, fetched = counter()
    assert text_of(count).endswith("just fetched)\nfetched 1 times")
    clock.now += 180
    assert "3 minutes old" in text_of(count) and "fetched 1 times" in text_of(count)
    clock.now += 121
    assert text_of(count).endswith("just fetched)\nfetched 2 times")


def test_another_kernel_finds_the_value_in_the_store(clock):
    count, fetched = counter()
    first = text_of(count)
    with Runtime():
        assert text_of(count) == first
        clock.now += 301
        assert "fetched 2 times" in text_of(count)


def test_nothing_is_stored_while_the_log_is_off(home):
    count, fetched = counter()
    (home / "fmnb.toml").write_text("[log]\nenabled = false\n")
    text_of(count)
    with Runtime():
        text_of(count)
    assert len(fetched) == 2


def test_forgetting_the_log_forgets_the_values():
    from fmnb.store.retention import forget

    count, fetched = counter()
    text_of(count)
    assert forget(everything=True)
    with Runtime():
        text_of(count)
    assert len(fetched) == 2


def test_other_arguments_have_values_of_their_own():
    asked = []

    @fm.source(ttl="1h")
    def double(number: int) -> int:
        asked.append(number)
        return number * 2

    for number in (3, 4, 3):
        found = double.retrieve("double it", model=lambda prompt, n=number: json.dumps({"number": n}))
        assert found.passages[0].text.endswith(f"\n{number * 2}")
    assert asked == [3, 4]


def test_a_function_that_was_edited_is_fetched_anew():
    def version(result):
        @fm.source(ttl="1h", name="same")
        def same() -> str:
            return result

        return same

    assert text_of(version("one")).endswith("one") and text_of(version("two")).endswith("two")


def test_many_who_ask_at_once_share_one_fetch():
    started, go, fetched = threading.Event(), threading.Event(), []

    @fm.source(ttl="1h")
    def slow() -> str:
        fetched.append(1)
        started.set()
        assert go.wait(60)
        return "once"

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(text_of, slow)
        assert started.wait(60)
        others = [pool.submit(text_of, slow) for _ in range(7)]
        go.set()
        assert {f.result(60).partition("\n")[2] for f in [first, *others]} == {"once"}
    assert len(fetched) == 1


def test_a_failed_fetch_is_an_error_and_not_kept():
    failing = [True]

    @fm.source(ttl="1h")
    def flaky() -> str:
        if failing:
            raise ConnectionError("the shop is down")
        return "up"

    with pytest.raises(CustomModelError, match="flaky failed: ConnectionError: the shop is down"):
        flaky.retrieve("up?")
    failing.clear()
    assert text_of(flaky).endswith("up")


@pytest.mark.parametrize("stale", [True, False])
def test_an_expired_value_is_used_only_if_asked_and_says_so(clock, stale):
    failing = []

    @fm.source(ttl="5m", stale=stale)
    def price() -> str:
        if failing:
            raise ConnectionError("down")
        return "7 NOK"

    text_of(price)
    failing.append(1)
    clock.now += 600
    if not stale:
        with pytest.raises(CustomModelError):
            price.retrieve("price?")
        return
    found = price.retrieve("price?")
    assert found.passages[0].stale and found.passages[0].text.startswith("(STALE, as of ") and "10 minutes old" in found.passages[0].text
    assert "STALE" in found.notes[0] and "down" in found.notes[0]


def test_an_async_function_is_awaited():
    @fm.source(ttl="5m")
    async def later() -> str:
        return "awaited"

    assert text_of(later).endswith("awaited")


def test_a_table_comes_with_its_rows_for_the_tracing_of_figures():
    pd = pytest.importorskip("pandas")

    @fm.source(ttl="5m")
    def orders() -> pd.DataFrame:
        return pd.DataFrame({"region": ["north", "south"], "revenue": [675, 320]})

    found = orders.retrieve("revenue?")
    assert found.frames == {"orders": [{"region": "north", "revenue": 675}, {"region": "south", "revenue": 320}]}
    assert "675" in found.passages[0].text


def test_a_value_with_a_data_class_is_labeled_and_not_stored():
    pd = pytest.importorskip("pandas")
    fetched = []

    @fm.source(ttl="1h")
    def patients() -> pd.DataFrame:
        fetched.append(1)
        frame = pd.DataFrame({"name": ["Ada Lovelace"]})
        frame.attrs["data_class"] = "personal"
        return frame

    assert patients.retrieve("who?").passages[0].label.data_class == "personal"
    assert "Ada" not in "".join(str(r) for r in fm.log("Ada"))
    with Runtime():
        patients.retrieve("who?")
    assert len(fetched) == 2


def test_a_prompt_that_does_not_give_an_argument_is_said_so():
    @fm.source(ttl="5m")
    def weather(city: str) -> str:
        return city

    found = weather.retrieve("Should we go out?", model=lambda prompt: '{"city": null}')
    assert found.passages == () and found.notes == ("weather: the prompt does not say its city",)
    found = weather.retrieve("Should we go out?", model=lambda prompt: "I cannot")
    assert found.passages == () and "did not fill in" in found.notes[0]
    with pytest.raises(UsageError, match="needs a model"):
        weather.retrieve("Oslo?")


def test_defaults_serve_without_a_model_and_when_the_model_fails():
    @fm.source(ttl="5m")
    def weather(city: str = "Oslo", unit: Literal["C", "F"] = "C") -> str:
        return f"{city} {unit}"

    assert text_of(weather).endswith("Oslo C")
    assert text_of(weather, model=lambda prompt: '{"city": "Bergen", "unit": "F"}').endswith("Bergen F")
    found = weather.retrieve("hm?", model=lambda prompt: '{"unit": "kelvin"}')
    assert found.passages[0].text.endswith("Oslo C") and "did not fill in" in found.notes[0]


def test_a_value_for_an_answer_is_cited_and_sent():
    @fm.source(ttl="5m")
    def stock() -> str:
        return "12 pieces are left"

    answer = fm.ask("How many are left?", lambda prompt: "12 pieces are left [1]." if "as of" in prompt else "?", sources=stock)
    assert answer.text == "12 pieces are left [1]." and answer.sources[1].source == "stock" and answer.sources[1].time
    assert answer.checks.traced and not answer.citations[0].problem


def test_a_replay_uses_the_recorded_value(tmp_path):
    from fmnb.calls.session import session
    from fmnb.store.tape import Tape

    count, fetched = counter(ttl=0.000001)
    model = lambda prompt: prompt  # noqa: E731
    session.tape = Tape(tmp_path / "t.tape.jsonl")
    first = fm.ask("How often?", model, sources=count)
    session.tape = Tape(tmp_path / "t.tape.jsonl")
    again = fm.ask("How often?", model, sources=count)
    assert again.source == "replayed" and again.text == first.text and len(fetched) == 1
    assert again.sources[1].time == first.sources[1].time


def test_a_fetch_is_a_run_of_its_own():
    from fmnb.store.db import database
    from fmnb.store.inbox import ingest

    count, _ = counter()
    text_of(count)
    ingest()
    assert [(r["model"], r["text"], r["finish"]) for r in database().rows("SELECT * FROM runs WHERE kind='source'")] == [
        ("count()", "fetched 1 times", "stop")
    ]


def test_what_cannot_be_a_source_is_refused():
    with pytest.raises(UsageError, match="no type"):
        fm.source(ttl="5m")(lambda city: city)
    with pytest.raises(UsageError, match="without names"):

        @fm.source(ttl="5m")
        def many(*cities: str) -> str:
            return ""

    with pytest.raises(UsageError, match="returned nothing"):

        @fm.source(ttl="5m")
        def empty() -> None:
            return None

        empty.retrieve("?")


@pytest.mark.parametrize("ttl", ["", "5", "5 weeks", "-5m", 0, -1, True, None, "0s", float("nan"), float("inf"), "999d"])
def test_an_impossible_time_to_live_is_refused(ttl):
    with pytest.raises(UsageError, match="time to live"):
        seconds_of(ttl)


def test_ages_are_said_in_words():
    now = time.time()
    ages = {0: "just fetched", 30: "30 seconds old", 60: "1 minute old", 7200: "2 hours old", 200000: "2 days old", -5: "just fetched"}
    assert {a: as_of(now - a, now).partition(", ")[2] for a in ages} == ages
    assert as_of(now - 200000, now).count("-") == 2  # with its date


def test_a_model_that_fails_is_an_error():
    @fm.source(ttl="5m")
    def weather(city: str = "Oslo") -> str:
        return city

    def broken(prompt):
        raise RuntimeError("no")

    with pytest.raises(CustomModelError):
        weather.retrieve("?", model=broken)
