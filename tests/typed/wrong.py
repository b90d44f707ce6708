"""Mistyped calls. mypy reports an error of the kind that is named on each marked line, and on no other; nothing here is run."""

from __future__ import annotations

import fmnb as fm
from fmnb.calls.options import CallOptions


def one_call() -> None:
    fm.ask("hello", "echo:", temperature="hot")  # error: arg-type
    fm.ask("hello", "echo:", temprature=0.5)  # error: call-arg
    fm.ask("hello", "echo:", schema=3)  # error: arg-type
    fm.ask("hello", "echo:", format="jsn")  # error: arg-type
    fm.ask("hello", "echo:", cache="no")  # error: arg-type
    fm.ask("hello", "echo:", stop=3)  # error: arg-type
    fm.ask("hello", "echo:", values=["a"])  # error: arg-type
    fm.ask("hello", "echo:", samples=2)  # error: call-arg
    fm.ask(3, "echo:")  # error: arg-type
    fm.ask("hello", 3)  # error: arg-type
    fm.stream("hello", "echo:", max_tokens="many")  # error: arg-type
    fm.Model("echo:", quant="int3")  # error: arg-type
    fm.Model("echo:").ask("hello", maxtokens=3)  # error: call-arg
    fm.Chat(3)  # error: arg-type
    fm.Chat("echo:").ask("hello", seed="one")  # error: arg-type
    print(fm.ask("hello", "echo:").txt)  # error: attr-defined
    options: CallOptions = {"temperature": 0, "sytem": "Be brief."}  # error: typeddict-unknown-key
    fm.ask("hello", **options)


def several() -> None:
    fm.compare("hello", 3)  # error: arg-type
    fm.compare("hello", ["echo:", 3])  # error: list-item
    fm.compare("hello", ["echo:"], samples="two")  # error: arg-type
    fm.compare("hello", ["echo:"], vary=["temperature"])  # error: arg-type
    fm.map("{{ a }}", [{"a": 1}], models=3)  # error: call-overload
    fm.map("{{ a }}", 3, "echo:")  # error: call-overload
    fm.map("{{ a }}", [{"a": 1}], "echo:", budget="1 dollar")  # error: call-overload
    fm.map("{{ a }}", [{"a": 1}], "echo:", consurrency=2)  # error: call-overload
    fm.evaluate("{{ a }}", [{"a": 1}], "echo:", 3)  # error: arg-type
    fm.evaluate("{{ a }}", [{"a": 1}], "echo:", missing="skip")  # error: arg-type
    fm.evaluate("{{ a }}", [{"a": 1}], "echo:", taget="a")  # error: call-arg
    fm.Dataset.from_rows(3)  # error: arg-type
    fm.Judge(model=3)  # error: arg-type
    fm.nothing("hello")  # error: attr-defined
