"""The main calls with the right types: mypy finds no error in them, and they run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, assert_type

import pandas

import fmnb as fm
from fmnb.calls.options import CallOptions

if TYPE_CHECKING:
    from fmnb.batch.io.parts import Parts
    from fmnb.core.records import Rows


@dataclass
class Person:
    name: str
    age: int | None


class City(TypedDict):
    name: str


class Frame:
    """A table of a library that has types."""

    columns: list[str]

    def __getitem__(self, key: str) -> Any: ...


def shout(text: str) -> str:
    return text.upper()


def length(answer: str, target: object) -> float:
    return float(len(answer) == target)


def one_call() -> None:
    answer = fm.ask("hello", "echo:", temperature=0, max_tokens=20, seed=1, stop=["END"], params={"top_p": 0.9}, format="text")
    assert_type(answer, fm.Response)
    assert_type(answer.text, str)
    assert_type(answer.cost, float | None)
    fm.ask(fm.Prompt("Say {{ what }}"), shout, values={"what": "yes"}, cache=False)
    fm.ask("Ada is 36.", "echo:", schema=Person, attach=[pandas.DataFrame({"a": [1]})])
    fm.ask("Ada is 36.", "echo:", schema=list[Person])
    fm.ask("Oslo", "echo:", schema=City, stop="END", system=None)
    fm.ask("Ada is 36.", "echo:", schema="name, age int?", api="chat", quant="int8", dtype="float32")
    fm.ask("Ada", "echo:", schema={"type": "object", "properties": {"name": {"type": "string"}}})
    options: CallOptions = {"temperature": 0.5, "system": "Be brief."}
    fm.ask("hello", fm.Model("echo:", **options), **options)
    for piece in fm.stream("hello there", "echo:", temperature=0):
        assert_type(piece, str)
    assert_type(asyncio.run(fm.aask("hello", "echo:", seed=3)), fm.Response)
    assert_type(fm.Model("echo:", temperature=0).ask("hello", max_tokens=5), fm.Response)


def conversation() -> None:
    chat = fm.Chat("echo:", system="Be brief.")
    assert_type(chat.ask("hello", temperature=0).text, str)
    chat.edit(0, "good day", model=shout)
    assert_type(chat.fork("other"), fm.Chat)


def comparison() -> None:
    c = fm.compare("hello", ["echo:", shout], samples=2, temperature=0)
    assert_type(c, fm.Comparison)
    assert_type(c[0], fm.Response)
    fm.compare("hello", ["echo:"], vary={"temperature": [0, 0.7]}, prompts={"short": "Be brief.", "kind": fm.Prompt("Be kind.")})
    fm.vote(c, 0, comment="better")


def tables(folder: Path) -> None:
    rows = [{"word": "hi"}, {"word": "ho"}]
    listed = fm.map("Say {{ word }}", rows, "echo:", head=1, budget=0.1, samples=1)
    assert listed[0]["text"] == "Say hi"
    fm.map("Say {{ text }}", ["hi", "ho"], models=["echo:", shout], concurrency=2)
    frame = pandas.DataFrame(rows)
    frame = fm.map("Say {{ word }}", frame, "echo:", temperature=0, retry_errors=True)
    assert list(frame["text"]) == ["Say hi", "Say ho"]
    path = folder / "words.csv"
    frame[["word"]].to_csv(path, index=False)
    parts = fm.map("Say {{ word }}", path, "echo:", out=folder / "out")
    if TYPE_CHECKING:
        assert_type(parts, Parts)


def kinds_of_tables(frame: Frame, columns: dict[str, list[str]], cities: list[City]) -> None:
    """Read by mypy alone."""
    assert_type(fm.map("{{ a }}", frame, "echo:"), Frame)
    assert_type(fm.map("{{ a }}", cities, "echo:"), list[dict[str, Any]])
    assert_type(fm.map("{{ a }}", columns, "echo:"), object)
    fm.evaluate("{{ a }}", frame, "echo:")
    fm.Dataset.from_rows(columns)


def evaluation(folder: Path) -> None:
    dataset = fm.Dataset.from_rows([{"q": "a", "target": "a"}, {"q": "b", "target": "c"}], name="two")
    assert_type(dataset["train"], fm.Dataset)
    e = fm.evaluate("{{ q }}", dataset, ["echo:", shout], ["exact", length], missing="failure", max_failures=0.5, seed=1)
    assert_type(e, fm.Evaluation)
    fm.evaluate("{{ q }}", [{"q": "a", "good": "a"}], "echo:", target="good", fresh=True)
    assert_type(e.sentence, str)
    assert_type(e.to_html(), str)
    assert_type(e.to_html(folder / "report.html"), Path)
    assert_type(e.rescore("contains"), fm.Evaluation)
    fm.Judge("echo:", options={"temperature": 0})
    listed = fm.models("echo", ask=False)
    if TYPE_CHECKING:
        assert_type(listed, Rows)
