"""Verbs about indexes over documents: index, search."""

from __future__ import annotations

import contextvars
import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...calls.background import main_loop
from ...core.errors import UsageError, is_run_by_program
from ...core.events import Sink
from ...core.inert_text import inert
from ...core.records import Bytes, Rows
from ...core.run_ids import new_run
from ...data.index.background_update import BackgroundUpdate
from ...data.index.index import Index
from ...data.index.locate import index_names
from ...data.index.update_report import UpdateReport
from ...views.bundle import progress_html
from ...views.footer import escape_terminal
from ...views.live import display
from ...views.model_name import short_name
from ...views.status_text import progress_line, share
from .arguments import words_of
from .shown import mark_displayed

_INTERVAL = 0.2  # seconds between two drawings of the progress


def index(rest: str, shell: Any) -> Any:
    """Make or update an index; without arguments, list the indexes."""
    words, options = _options(rest, {"--name", "--embedder", "--column"}, {"--rebuild", "--remove", "--background"})
    if not words and not options:
        return list_indexes()
    name = options.pop("--name", None)
    if name is None:
        names = list(index_names())
        if words or len(names) != 1:
            raise UsageError("The index needs a name", detail=rest, hint="`%fm index docs/ --name kb`.")
        name = names[0]
    embedder = options.get("--embedder")
    kb = Index(name, embedder=embedder)
    if "--remove" in options:
        print(f"{kb.remove(*words)} removed from {name}.")
        return None
    sources = [_source(word, options.get("--column"), shell) for word in words]
    frames = [s for s in sources if not isinstance(s, str)]
    if frames and len(sources) > 1:
        raise UsageError("A frame is indexed by itself", detail=rest, hint="Give files and frames in two lines.")

    def work(sinks: Sequence[Sink] | None = None) -> UpdateReport:
        rebuild = "--rebuild" in options
        if frames:
            return kb.add(frames[0], column=options.get("--column"), name=words[0], rebuild=rebuild, sinks=sinks)
        return kb.add(*sources, rebuild=rebuild, sinks=sinks)

    if "--background" in options and not is_run_by_program(shell):  # a program reads outputs only while their cell runs
        return _in_background(name, work, shell)
    return work()


def _in_background(name: str, work: Callable[[Sequence[Sink]], UpdateReport], shell: Any) -> BackgroundUpdate:
    """Start an update whose progress and report are drawn under this cell."""
    main = main_loop(shell)
    if main is None:
        raise UsageError("--background needs a notebook kernel", hint="Leave it out here.")
    context, display_id = contextvars.copy_context(), f"fmnb-index-{new_run()}"
    drawn = [0.0]

    def draw(update: BackgroundUpdate) -> None:
        line = progress_line(update.progress) if update.progress is not None and not update.done else repr(update)
        html = (
            progress_html(line, share(update.progress)) if update.progress is not None and not update.done else f"<pre>{inert(line)}</pre>"
        )
        display(({"text/html": html, "text/plain": escape_terminal(line)}, {}), display_id, True)

    def on_change(update: BackgroundUpdate) -> None:
        if update.done or time.monotonic() - drawn[0] > _INTERVAL:
            drawn[0] = time.monotonic()
            main.call_soon_threadsafe(context.run, draw, update)

    display(({"text/plain": f"{name}: an update is running"}, {}), display_id, False)
    return mark_displayed(BackgroundUpdate(name, work, on_change), shell)


def search(rest: str, shell: Any) -> Any:
    """Show the passages of an index for some words; no model is asked."""
    words, options = _options(rest, None, set())
    if len(words) < 2:
        raise UsageError(
            "Which index, and which words?", detail=rest, hint='`%fm search kb "notice period"`; `%fm index` lists the indexes.'
        )
    filters: dict[str, Any] = {k[2:]: v for k, v in options.items()}
    k = filters.pop("k", "8")
    if not str(k).isdecimal():
        raise UsageError("--k must be a number", detail=str(k))
    return Index(words[0]).search(" ".join(words[1:]), int(k), **filters)


def list_indexes() -> Rows:
    """A row for each index: documents, chunks, size, embedder, when it was updated."""
    rows = []
    for name, path in index_names().items():
        with Index(name) as kb:
            files = kb.files
            rows.append(
                {
                    "index": name,
                    "documents": len(files),
                    "chunks": sum(f.chunks for f in files),
                    "size": Bytes(sum(p.stat().st_size for p in path.parent.glob(f"{path.name}*"))),
                    "embedder": _short(kb.embedder),
                    "updated": datetime.datetime.fromtimestamp(max(f.indexed for f in files)) if files else None,
                    "path": str(path),
                }
            )
    return Rows(rows, note="" if rows else "no index here; `%fm index docs/ --name kb` makes one")


def _short(embedder: str) -> str:
    """An embedder by its short name, and how its weights are held."""
    name, _, quant = embedder.partition(" ")
    return f"{short_name(name)} {quant}".strip()


def _source(word: str, column: str | None, shell: Any) -> Any:
    """A frame of the notebook where a column is named, else a path."""
    if column is None:
        return word
    if word not in shell.user_ns:
        raise UsageError("No such frame in the notebook", detail=word, hint="`--column` is for a data frame by its name.")
    return shell.user_ns[word]


def _options(rest: str, valued: set[str] | None, switches: set[str]) -> tuple[list[str], dict[str, str]]:
    """Words, and options with their values; with `valued` None every name is one: a column."""
    words: list[str] = []
    options: dict[str, str] = {}
    given: Iterator[str] = iter(words_of(rest))
    for word in given:
        if not word.startswith("--"):
            words.append(word)
            continue
        name, equals, value = word.partition("=")
        if name in switches and not equals:
            options[name] = ""
            continue
        if valued is not None and name not in valued:
            known = ", ".join(sorted({*valued, *switches}))
            raise UsageError("No such option here", detail=name, hint=f"Options: {known}.")
        if not equals:
            found = next(given, None)
            if found is None:
                raise UsageError(f"{name} needs a value", detail=rest)
            value = found
        options[name] = value
    return words, options
