"""What `--with` names: indexes, live sources, tables and sources of the notebook."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from ..config.settings import read_toml, settings, untrusted_hint
from ..core.errors import UsageError
from ..core.sources import Source
from ..prompts.dataframes import table_of
from .history import NAME, History
from .index.locate import index_names
from .index.open_indexes import open_index
from .other_retrievers import retriever_source
from .sources import named
from .sql.frames_source import FramesSource


def open_sources(given: object, values: Mapping[str, Any] | None) -> list[Source]:
    """The sources of names and objects, each once.

    Args:
        given: A name, a source, or a list of them.
        values: The notebook's variables.

    Raises:
        UsageError: A name is unknown or is two things, or an object is no source.
    """
    items = list(given) if isinstance(given, (list, tuple)) else [given]
    items, frames = _split(items, values or {})
    if not items and not frames:
        raise UsageError("--with names no source", hint="For example --with kb; `%fm index` lists the indexes.")
    found: list[Source] = []
    for item in items:
        source = _named(item, values or {}) if isinstance(item, str) else _object(item)
        if not any(source is f for f in found):
            found.append(source)
    if frames:
        found.append(FramesSource(frames))
    return found


def _split(items: list[Any], values: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The items that are no frames, and the frames by name, which are asked together."""
    indexes = index_names()
    others: list[Any] = []
    frames: dict[str, Any] = {}
    for item in items:
        value = values.get(item) if isinstance(item, str) else item
        if value is None or isinstance(value, (str, Source)) or table_of(value) is None:
            others.append(item)
        elif not isinstance(item, str):
            raise UsageError(
                "A frame needs a name", detail=type(item).__name__, hint="Give fm.Tables(sales=df), or its name in the notebook."
            )
        elif item in indexes:
            raise UsageError(f"{item!r} is both an index and a table of the notebook", hint="Rename the variable.")
        elif item in named.rows():
            raise UsageError(f"{item!r} is both a source of fmnb.toml and a table of the notebook", hint="Rename the variable.")
        else:
            frames[item] = value
    return others, frames


def _is_source(value: Any) -> bool:
    """Whether a value is a source of fmnb, not a retriever of another library, which has other arguments."""
    return isinstance(value, Source) and not isinstance(value, type) and retriever_source(value, "") is None


def _named(name: str, values: Mapping[str, Any]) -> Source:
    value = values.get(name)
    variable = _is_source(value)
    index = name in index_names()
    if variable and index and getattr(value, "path", None) != index_names()[name]:
        raise UsageError(f"{name!r} is both an index and a variable of the notebook", hint="Rename the variable.")
    if name in named.rows():
        if variable or index:
            what = "a variable of the notebook" if variable else "an index"
            raise UsageError(f"{name!r} is both a source of fmnb.toml and {what}", hint="Rename one of them.")
        source = named.named_source(name)
        assert source is not None
        return source
    if variable:
        assert isinstance(value, Source)
        return value
    if index:
        return open_index(name)
    if name in values:
        return _object(value, name)
    if name == NAME:
        return History()
    if name in named.READY:
        return named.READY[name]()
    if (file := settings().untrusted) is not None and name in read_toml(file).get("source", {}):
        raise UsageError(f"The source {name} is in a file that is not trusted", detail=str(file), hint=untrusted_hint(file))
    known = [*index_names(), *named.rows(), *named.READY, *(n for n, v in values.items() if isinstance(v, Source))]
    near = difflib.get_close_matches(name, known, 1)
    raise UsageError(
        "There is no such source",
        detail=name,
        hint=f"Did you mean {near[0]}?" if near else f"`%fm index FILES --name {name if name.isidentifier() else 'kb'}` makes an index.",
    )


def _object(value: Any, name: str = "") -> Source:
    if _is_source(value):
        source: Source = value
        return source
    if (retriever := retriever_source(value, name)) is not None:
        return retriever
    shown = f"{name}: {type(value).__name__}" if name else type(value).__name__
    raise UsageError(
        "This is no source of answers",
        detail=shown,
        hint="A source is an index or a live source by its name, a table, an fm.Index or fm.Tables, or a retriever of LangChain or LlamaIndex.",
    )
