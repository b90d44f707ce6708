"""The source `weather`: current weather and forecast for a place, from Open-Meteo, which needs no key.

Sources: https://open-meteo.com/en/docs and https://open-meteo.com/en/docs/geocoding-api
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ...core.errors import UnexpectedResponseError, UsageError
from .source import LiveSource, source
from .web import get_json

_NOW = "temperature_2m,apparent_temperature,relative_humidity_2m,precipitation,weather_code,wind_speed_10m,wind_gusts_10m"
_HOURS = "temperature_2m,precipitation_probability,precipitation,weather_code,wind_speed_10m,wind_gusts_10m"
_DAYS = "weather_code,temperature_2m_max,temperature_2m_min,precipitation_sum,precipitation_probability_max,wind_gusts_10m_max"
_LONGEST = 7  # days
# WMO code 4677, as Open-Meteo's documentation lists it.
_CODES = {
    **{0: "clear sky", 1: "mainly clear", 2: "partly cloudy", 3: "overcast", 45: "fog", 48: "freezing fog"},
    **{51: "light drizzle", 53: "drizzle", 55: "heavy drizzle", 56: "light freezing drizzle", 57: "freezing drizzle"},
    **{61: "light rain", 63: "rain", 65: "heavy rain", 66: "light freezing rain", 67: "freezing rain"},
    **{71: "light snow", 73: "snow", 75: "heavy snow", 77: "snow grains"},
    **{80: "light showers", 81: "showers", 82: "violent showers", 85: "light snow showers", 86: "snow showers"},
    **{95: "thunderstorm", 96: "thunderstorm with light hail", 99: "thunderstorm with hail"},
}


def weather_source(
    geocoding: str = "https://geocoding-api.open-meteo.com", forecast: str = "https://api.open-meteo.com", allow: tuple[str, ...] = ()
) -> LiveSource[..., str]:
    """The source `weather`. Other addresses than Open-Meteo's are for a server of your own."""

    @source(ttl="15m", name="weather")
    def weather(place: str, days: int = 2) -> str:
        """Current weather of a town, the next 24 hours, and a forecast of up to 7 days."""
        days = min(max(days, 1), _LONGEST)
        query = {"name": place, "count": 1, "language": "en", "format": "json"}
        places = _object(get_json(f"{geocoding}/v1/search?{urlencode(query)}", allow)).get("results")
        if not isinstance(places, list) or not places:
            raise UsageError("There is no place of this name", detail=place[:80], hint="Name a town, in its own language or English.")
        at = _object(places[0])
        query = {
            **{"latitude": at.get("latitude"), "longitude": at.get("longitude"), "timezone": "auto", "forecast_days": days},
            **{"current": _NOW, "hourly": _HOURS, "forecast_hours": 24, "daily": _DAYS, "wind_speed_unit": "ms"},
        }
        found = _object(get_json(f"{forecast}/v1/forecast?{urlencode(query)}", allow))
        name = ", ".join(str(at[n]) for n in ("name", "admin1", "country") if at.get(n))
        return "\n".join(
            [
                f"{name}; times in {found.get('timezone', 'local time')}; from Open-Meteo",
                f"Now, {_values(found, 'current', _object(found.get('current')))}",
                *(f"{_values(found, 'hourly', row)}" for row in _rows(found, "hourly")),
                *(f"{_values(found, 'daily', row)}" for row in _rows(found, "daily")),
            ]
        )

    return weather


def _object(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise UnexpectedResponseError("Open-Meteo did not answer as documented", detail=type(data).__name__)
    return data


def _rows(found: Mapping[str, Any], table: str) -> list[dict[str, Any]]:
    """The rows of a table that is stored by columns."""
    columns = {n: v for n, v in _object(found.get(table) or {}).items() if isinstance(v, list)}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=False)]


def _values(found: Mapping[str, Any], table: str, row: Mapping[str, Any]) -> str:
    """The values of one time, with their units."""
    units = _object(found.get(f"{table}_units") or {})
    parts = []
    for name, value in row.items():
        if name in ("time", "interval") or value is None:
            continue
        unit = units.get(name, "")
        words = name.replace("_2m", "").replace("_10m", "").replace("_", " ")
        shown = _CODES.get(value, f"weather code {value}") if name == "weather_code" else f"{words} {value:g} {unit}".rstrip()
        parts.append(shown)
    return f"{str(row.get('time', '')).replace('T', ' ')}: {', '.join(parts)}"
