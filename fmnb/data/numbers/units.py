"""Units that figures and columns state, and how one converts to another of the same dimension."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """One unit: `value * factor + offset` is the value in the base unit of its dimension."""

    dimension: str
    factor: float
    offset: float = 0.0


_TABLE = {
    "length": {
        "mm millimeter millimeters millimetre millimetres": 0.001,
        "cm centimeter centimeters centimetre centimetres": 0.01,
        "m meter meters metre metres": 1.0,
        "km kilometer kilometers kilometre kilometres": 1000.0,
        "mi mile miles": 1609.344,
        "ft foot feet": 0.3048,
        "inch inches": 0.0254,
        "yard yards": 0.9144,
    },
    "mass": {
        "mg milligrams": 1e-6,
        "g gram grams": 0.001,
        "kg kilo kilos kilogram kilograms": 1.0,
        "t ton tons tonne tonnes": 1000.0,
        "lb lbs pound pounds": 0.45359237,
        "oz ounce ounces": 0.028349523,
    },
    "time": {
        "ms millisecond milliseconds": 0.001,
        "s sec secs second seconds": 1.0,
        "min mins minute minutes": 60.0,
        "h hr hrs hour hours": 3600.0,
        "day days": 86400.0,
        "week weeks": 604800.0,
    },
    "calendar": {"month months": 1.0, "yr yrs year years": 12.0, "decades": 120.0},
    "speed": {"mph": 0.44704, "km/h kph kmh": 0.277778, "m/s": 1.0, "knots": 0.514444},
    "economy": {"mpg": 1.0, "km/l kpl": 2.35215},
    "power": {"hp horsepower": 745.7, "watt watts": 1.0, "kw kilowatts": 1000.0, "mw megawatts": 1e6},
    "energy": {"kwh": 1.0, "mwh": 1000.0, "gwh": 1e6},
    "volume": {"ml": 0.001, "cc": 0.001, "l liter liters litre litres": 1.0, "gallon gallons": 3.785412},
    "data": {
        "byte bytes": 1.0,
        "kb kilobytes": 1e3,
        "mb megabytes": 1e6,
        "gb gigabytes": 1e9,
        "tb terabytes": 1e12,
        "kib": 1024.0,
        "mib": 1048576.0,
        "gib": 1073741824.0,
    },
}
UNITS: dict[str, Unit] = {
    name: Unit(dimension, factor) for dimension, rows in _TABLE.items() for names, factor in rows.items() for name in names.split()
}
UNITS["miles per gallon"] = UNITS["mpg"]
UNITS["cubic inches"] = UNITS["cu in"] = Unit("volume", 0.0163871)
for _name in ("°c", "degrees celsius", "celsius", "c"):
    UNITS[_name] = Unit("temperature", 1.0)
for _name in ("°f", "degrees fahrenheit", "fahrenheit", "f"):
    UNITS[_name] = Unit("temperature", 5 / 9, -160 / 9)

CURRENCIES = {
    **{"$": "USD", "usd": "USD", "us$": "USD", "dollar": "USD", "dollars": "USD", "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR"},
    **{"£": "GBP", "gbp": "GBP", "¥": "JPY", "jpy": "JPY", "yen": "JPY", "chf": "CHF"},
}
# Units whose letters are also ordinary ones: they count only right after a figure, or in brackets of a column's name.
ONE_LETTER = {"c", "f", "g", "h", "l", "m", "s", "t"}
# Last words of a column's name that are a unit. Two-letter ones such as `hr` are often a department.
NAME_UNITS = {
    *"mm cm km kg lb lbs g mg mph mpg kwh mwh gwh kb mb gb tb ms sec secs seconds mins minutes hrs hours days weeks months years".split(),
    *"usd eur gbp jpy chf pct percent celsius fahrenheit miles meters feet liters gallons min ft mi".split(),
}
_BRACKETS = re.compile(r"[\[(]\s*([^\[\]()]{1,20}?)\s*[\])]\s*$")


def canonical(name: str) -> str | None:
    """The unit as fmnb writes it: a currency code, `%`, or a name of `UNITS`; None for anything else.

    >>> canonical("EUR"), canonical("Hours"), canonical("percent"), canonical("apples")
    ('EUR', 'hours', '%', None)
    """
    low = name.strip().lower()
    if low in CURRENCIES:
        return CURRENCIES[low]
    if low in ("%", "pct", "percent"):
        return "%"
    return low if low in UNITS else None


def unit_in_brackets(name: str) -> str | None:
    """The unit in the brackets that end a column's name.

    >>> unit_in_brackets("Resolution time (hours)"), unit_in_brackets("Price [USD]"), unit_in_brackets("f(x)")
    ('hours', 'USD', None)
    """
    found = _BRACKETS.search(name)
    return canonical(found.group(1)) if found else None


def comparable(one: str, other: str) -> bool:
    """Whether values in these units can be compared: the same currency, or one dimension."""
    if one == other:
        return True
    return one in UNITS and other in UNITS and UNITS[one].dimension == UNITS[other].dimension


def convert(value: float, source: str, target: str, *, difference: bool = False) -> float | None:
    """A value in another unit; None if the two are not comparable. A difference has no zero point.

    >>> convert(2.0, "hours", "minutes"), convert(10.0, "°c", "°f"), convert(1.0, "USD", "EUR")
    (120.0, 50.0, None)
    """
    if source == target:
        return value
    if not comparable(source, target):
        return None
    one, other = UNITS[source], UNITS[target]
    if difference:
        return value * one.factor / other.factor
    return round((value * one.factor + one.offset - other.offset) / other.factor, 12)
