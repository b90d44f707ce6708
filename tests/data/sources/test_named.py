"""Sources by name: rows of fmnb.toml, and ready-made ones against servers that answer as their documentation says."""

from __future__ import annotations

import json
import sqlite3

import pytest

from fmnb.config import settings
from fmnb.core.errors import SettingsError, UnexpectedResponseError, UsageError
from fmnb.data.open_sources import open_sources
from fmnb.data.sources.exchange_rates import exchange_rates_source
from fmnb.data.sources.named import READY
from fmnb.data.sources.source import LiveSource
from fmnb.data.sources.weather import weather_source
from tests.wire.server import reply
from tests.wire.web import Web


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(name, values=None):
    [source] = open_sources(name, values or {})
    return source


def test_a_row_of_the_users_file_is_found_by_name(home, folder):
    with Web({"/Oslo": lambda seen: [reply(200, {"now": {"pm25": 7}})]}) as server:
        row = f'[source.air]\nurl = "{server.url}/{{city}}"\npath = "$.now.pm25"\nttl = "10m"\nprivate = true\n'
        (home / "fmnb.toml").write_text(row)
        found = opened("air").retrieve("Oslo?", model=lambda prompt: '{"city": "Oslo"}')
        assert found.passages[0].text.endswith("now.pm25: 7")
        opened("air").retrieve("Oslo?", model=lambda prompt: '{"city": "Oslo"}')
    assert len(server.seen) == 1


def test_a_row_of_a_project_counts_only_if_the_file_is_trusted(folder):
    file = folder / "fmnb.toml"
    file.write_text('[source.air]\nurl = "https://air.example.com/"\nttl = "10m"\n')
    with pytest.raises(UsageError, match="not trusted.*%fm trust"):
        opened("air")
    settings.trust(file)
    assert isinstance(opened("air"), LiveSource)
    file.write_text('[source.air]\nurl = "https://evil.example.com/"\nttl = "10m"\n')
    with pytest.raises(UsageError, match="not trusted"):
        opened("air")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ('url = "https://a.test/"', "lacks a field: ttl"),
        ('ttl = "5m"', "lacks a field: url"),
        ('ttl = "5m"\nsql = "select 1"', "lacks a field: database"),
        ('ttl = "5m"\nurl = "https://a.test/"\npth = "$.a"', "Did you mean path"),
        ('ttl = "5m"\nurl = 5', "wrong kind"),
        ('ttl = "5m"\nurl = "https://a.test/"\nprivate = "yes"', "wrong kind"),
        ('ttl = "soon"\nurl = "https://a.test/"', "time to live"),
        ('ttl = "5m"\nurl = "file:///etc/passwd"', "http and https"),
        ('ttl = "5m"\nurl = "https://{host}/"', "host"),
        ('ttl = "5m"\nurl = "https://a.test/"\npath = "a.b"', "JSON path"),
    ],
)
def test_an_invalid_row_says_what_is_wrong(home, folder, row, why):
    (home / "fmnb.toml").write_text(f"[source.air]\n{row}\n")
    with pytest.raises(SettingsError, match=why):
        opened("air")


def test_a_name_of_two_things_is_an_error(home, folder):
    (home / "fmnb.toml").write_text('[source.air]\nurl = "https://a.test/"\nttl = "5m"\n')
    with pytest.raises(UsageError, match="both"):
        opened("air", {"air": weather_source()})
    with pytest.raises(UsageError, match="both"):
        opened("air", {"air": [{"a": 1}]})


def test_a_misspelled_name_suggests_the_nearest(folder):
    with pytest.raises(UsageError, match="Did you mean weather"):
        opened("wether")


def test_the_notebooks_own_source_comes_before_a_ready_made_one(folder):
    own = weather_source("https://own.example.com")
    assert opened("weather", {"weather": own}) is own and opened("weather").name == "weather"


def test_a_query_to_a_database_is_a_source(home, folder):
    pytest.importorskip("sqlglot")
    db = sqlite3.connect(folder / "shop.db")
    db.execute("create table orders (region text, n integer)")
    db.execute("insert into orders values ('north', 41)")
    db.commit()
    db.close()
    row = f'database = "{folder / "shop.db"}"\ntables = ["orders"]\nsql = "select region, sum(n) total from orders group by region"'
    (home / "fmnb.toml").write_text(f'[source.open]\n{row}\nttl = "1m"\n')
    found = opened("open").retrieve("How many?")
    assert "41" in found.passages[0].text and found.frames == {"open": [{"region": "north", "total": 41}]}
    (home / "fmnb.toml").write_text(f'[source.open]\n{row.replace("select", "delete")}\nttl = "1m"\n')
    with pytest.raises(UsageError):
        opened("open").retrieve("How many?")


# As https://open-meteo.com/en/docs and /geocoding-api describe the answers.
PLACE = {"results": [{"id": 3143244, "name": "Oslo", "latitude": 59.91273, "longitude": 10.74609, "country": "Norway", "admin1": "Oslo"}]}
FORECAST = {
    "latitude": 59.9,
    "longitude": 10.75,
    "timezone": "Europe/Oslo",
    "current_units": {
        "time": "iso8601",
        "interval": "seconds",
        "temperature_2m": "°C",
        "weather_code": "wmo code",
        "wind_gusts_10m": "m/s",
    },
    "current": {"time": "2026-11-27T14:00", "interval": 900, "temperature_2m": -3.2, "weather_code": 73, "wind_gusts_10m": 14.5},
    "hourly_units": {"time": "iso8601", "temperature_2m": "°C", "precipitation_probability": "%"},
    "hourly": {"time": ["2026-11-27T14:00", "2026-11-27T15:00"], "temperature_2m": [-3.2, -4], "precipitation_probability": [80, None]},
    "daily_units": {"time": "iso8601", "temperature_2m_max": "°C"},
    "daily": {"time": ["2026-11-27"], "temperature_2m_max": [-2.5]},
}


def test_weather_comes_from_open_meteo_as_it_is_documented():
    with Web({"/v1/search": lambda seen: [reply(200, PLACE)], "/v1/forecast": lambda seen: [reply(200, FORECAST)]}) as server:
        weather = weather_source(server.url, server.url, ("127.0.0.1",))
        found = weather.retrieve("Should the crew in Oslo work outside?", model=lambda prompt: '{"place": "Oslo", "days": null}')
        text = found.passages[0].text
        assert (
            weather.retrieve("And now?", model=lambda prompt: '{"place": "Oslo", "days": 2}')
            .passages[0]
            .text.endswith(text.partition("\n")[2])
        )
    assert "Oslo, Oslo, Norway; times in Europe/Oslo; from Open-Meteo" in text
    assert "Now, 2026-11-27 14:00: temperature -3.2 °C, snow, wind gusts 14.5 m/s" in text
    assert (
        "2026-11-27 15:00: temperature -4 °C\n" in text and "precipitation probability 80 %" in text and "temperature max -2.5 °C" in text
    )
    search, forecast = server.seen
    assert "name=Oslo" in search.query and "latitude=59.91273" in forecast.query and "forecast_days=2" in forecast.query


@pytest.mark.parametrize(
    ("answer", "kind"), [({"generationtime_ms": 0.5}, UsageError), ([1], UnexpectedResponseError), ("<html>", UnexpectedResponseError)]
)
def test_an_unknown_place_or_another_answer_is_an_error(answer, kind):
    with Web({"/v1/search": lambda seen: [reply(200, answer)]}) as server:
        with pytest.raises(kind):
            weather_source(server.url, server.url, ("127.0.0.1",))("Nowhere")


# As https://frankfurter.dev describes the answer.
RATES = {"amount": 1.0, "base": "EUR", "date": "2026-11-26", "rates": {"NOK": 11.7435, "USD": 1.0512}}


def test_exchange_rates_come_from_frankfurter_as_it_is_documented():
    with Web({"/v1/latest": lambda seen: [reply(200, RATES)]}) as server:
        rates = exchange_rates_source(server.url, ("127.0.0.1",))
        text = rates.retrieve("EUR in NOK?", model=lambda prompt: json.dumps({"of": "eur", "to": ["nok", "USD"]})).passages[0].text
        with pytest.raises(UsageError, match="no currency"):
            rates("euro")
    assert "of 2026-11-26" in text and "1 EUR = 11.7435 NOK" in text
    assert server.seen[0].query == "base=EUR&symbols=NOK%2CUSD"


def test_ready_made_sources_go_to_their_services_alone():
    assert set(READY) == {"weather", "exchange_rates"}
    assert all(READY[name]().name == name for name in READY)
