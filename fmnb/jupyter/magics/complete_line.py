"""Completion of the line of a magic: verbs, options and their values, models."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any, TypeAlias

from ...calls.model import Model
from ...calls.prepare import APIS, DTYPES, FORMATS, QUANTS
from ...catalog import filters, model_lists, weights
from ...catalog.resolve import SCHEMES, aliases, usable_profiles
from ...core.errors import FmnbError
from ...core.registry import ENGINES, SCORERS
from ...core.sources import Source
from ...prompts.attachments import attachable
from ...prompts.prompt import Prompt, list_prompts
from ...providers import prices, profiles
from ...providers.profile import Profile
from .completions import Completions
from .line import VERBS
from .options import BY_FLAG, OPTIONS, Option
from .value_kinds import columns_of, kind_of, own_names

Items: TypeAlias = list[tuple[str, str]]

_WORD = re.compile(r"""(?:[^\s'"]|'[^']*(?:'|$)|"[^"]*(?:"|$))+""")
_TABLES = (".csv", ".jsonl", ".parquet")
_MODEL_VERBS = ("use", "pull", "rm", "unload", "ask", "retry", "fix", "explain", "alias", "leaderboard")
_VERB_WORDS: dict[str, tuple[str, ...]] = {
    "alias": ("--remove",),
    "budget": ("off", "--allow-unknown"),
    "index": ("--name", "--embedder", "--column", "--rebuild", "--remove", "--background"),
    "key": ("set", "rm", "show"),
    "leaderboard": ("--all",),
    "log": ("on", "off", "forget", "--open", "--before", "--all"),
    "pull": ("--yes",),
    "rm": ("--yes",),
    "search": ("--path", "--after", "--before", "--k"),
    "tape": ("prune", "off"),
    "use": ("--none",),
    "vote": ("left", "right", "tie", "bad", "--undo"),
}


def complete_cell_line(before: str, shell: Any) -> Completions:
    """Completions on the line of `%%fm`, given its text between the magic and the cursor."""
    words, typed = split_words(before)
    option = BY_FLAG.get(words[-1]) if words else None
    if option is not None and option.value:
        return _value(option, typed, words, shell)
    if "'" in typed or '"' in typed:
        return Completions(typed)
    flag, eq, given = typed.partition("=")
    if eq and (option := BY_FLAG.get(flag)) is not None:
        return _value(option, given, words, shell)
    if typed.startswith("-"):
        return Completions(typed, _options(words))
    name = typed.rpartition("|")[2]  # after `|`, the fallback
    return Completions(name, models(name, shell) + ([] if name else _options(words)))


def complete_verb_line(before: str, shell: Any) -> Completions:
    """Completions on a line of `%fm`, given its text between the magic and the cursor."""
    words, typed = split_words(before)
    if not words:
        return Completions(typed, [(name, "verb") for name in VERBS])
    verb, *rest = words
    if verb in ("ask", "retry") and (typed or rest):
        return complete_cell_line(before.lstrip()[len(verb) :], shell)
    items: Items = [(word, "option" if word.startswith("-") else "word") for word in _VERB_WORDS.get(verb, ())]
    if verb == "key" and rest:
        items = [(name, "provider") for name in profiles.names()]
    elif verb == "chat":
        items = [(w, "word") for w in ("show", "widget", "fork", "trim", "compact", "export", "load", "drop")] if rest else _chats()
    elif verb == "models":
        items = list(filters.words().items())
    elif verb == "index":
        items += _files(typed, ())
    elif verb == "search" and not rest:
        items = [(name, kind) for name, kind in _sources(typed, words, shell) if kind == "index"]
    elif verb == "help":
        items = [(name, "verb") for name in VERBS]
    elif verb in _MODEL_VERBS:
        items += models(typed, shell)
    return Completions(typed, items)


def split_words(before: str) -> tuple[list[str], str]:
    """The complete words of a line, without quotes, and the word at its end as typed.

    >>> split_words("echo: -s 'be brief' --for")
    (['echo:', '-s', 'be brief'], '--for')
    """
    words = _WORD.findall(before)
    typed = words.pop() if words and before.endswith(words[-1]) else ""
    return [re.sub("""['"]""", "", w) for w in words], typed


def models(typed: str, shell: Any) -> Items:
    """Models known without network requests; after `provider:`, all of that provider."""
    provider, colon, _ = typed.partition(":")
    if colon:
        served = next((p for p in usable_profiles() if p.name == provider), None)
        if served is not None:
            return [(f"{provider}:{m}", _place(served)) for m in _models_of(served)]
    found: Items = [(name, "local model") for name in (*weights.known_names(), "echo:")]
    found += [(name, f"alias of {model}") for name, model in aliases().items()]
    found += [(d.source, "local model") for d in weights.downloaded()]
    for name, value in own_names(shell).items():
        if issubclass(type(value), Model):
            found.append((name, "model"))
        elif type(value) is FunctionType:
            found.append((name, "function"))
    for p in usable_profiles():
        found += [(f"{p.name}:{m}", _place(p)) for m in p.models]
        found.append((f"{p.name}:", "provider"))
    return found + [(f"{scheme}:", "source of weights") for scheme in SCHEMES] + [(f"{e}:", "engine") for e in ENGINES]


def _place(p: Profile) -> str:
    return "local model" if p.local else "hosted model"


def _models_of(p: Profile) -> Iterable[str]:
    """The suggested models of a service, then those of its cached list or of the price table."""
    known = model_lists.cached_list(p)
    return dict.fromkeys([*p.models, *([m.name for m in known.models] if known else _priced(p) if profiles.at_own_address(p) else ())])


def _priced(p: Profile) -> tuple[str, ...]:
    try:
        return tuple(m.name for m in prices.table(p))
    except FmnbError:  # the price table is not installed
        return ()


def _options(words: Sequence[str]) -> Items:
    """The options that the line may still have."""
    used = {BY_FLAG[w].long for w in words if w in BY_FLAG}
    return [(f"--{o.long}", "option") for o in OPTIONS if o.long not in used or o.kind in ("list", "pair", "values")]


def _value(option: Option, typed: str, words: Sequence[str], shell: Any) -> Completions:
    if "'" in typed or '"' in typed:
        return Completions(typed)
    find = _VALUES.get(option.long)
    if find is None:
        return Completions(typed)
    fragment = typed.rpartition(",")[2] if option.kind == "names" else typed
    given = set(typed.split(",")[:-1]) if option.kind == "names" else set()
    return Completions(fragment, [i for i in find(fragment, words, shell) if i[0] not in given])


def over_data(words: Sequence[str], shell: Any) -> Any:
    """The value in the notebook that a line's `--over` names, or None."""
    given = [w.partition("=")[2] for w in words if w.startswith("--over=")]
    given += [after for flag, after in zip(words, words[1:], strict=False) if flag == "--over"]
    return own_names(shell).get(given[-1]) if given else None


def _choices(names: Iterable[str], kind: str) -> Callable[[str, Sequence[str], Any], Items]:
    return lambda typed, words, shell: [(name, kind) for name in names if name]


def _chats(*_: object) -> Items:
    from ...chat.named import chats

    return [(name, "conversation") for name in chats()]


def _prompts(typed: str, words: Sequence[str], shell: Any) -> Items:
    values = own_names(shell).items()
    own = [(name, "prompt") for name, value in values if issubclass(type(value), Prompt)]
    own += [(name, "str") for name, value in values if type(value) is str]
    return own + [(p.name, "saved prompt") for p in list_prompts() if p.name]


def _schemas(typed: str, words: Sequence[str], shell: Any) -> Items:
    return [(name, kind_of(value)) for name, value in own_names(shell).items() if issubclass(type(value), (type, str, dict))]


def _attachments(typed: str, words: Sequence[str], shell: Any) -> Items:
    return list(attachable(own_names(shell)).items()) + _files(typed, ())


def _data(typed: str, words: Sequence[str], shell: Any) -> Items:
    return [(name, kind_of(value)) for name, value in own_names(shell).items() if columns_of(value)] + _files(typed, _TABLES)


def _scorers(typed: str, words: Sequence[str], shell: Any) -> Items:
    own = [(name, "function") for name, value in own_names(shell).items() if type(value) is FunctionType]
    return own + [(name, "scorer") for name in SCORERS]


def _columns(typed: str, words: Sequence[str], shell: Any) -> Items:
    return list(columns_of(over_data(words, shell)).items())


def _sources(typed: str, words: Sequence[str], shell: Any) -> Items:
    from ...data.index.locate import index_names
    from ...data.sources import named

    own = [(name, "source") for name, value in own_names(shell).items() if isinstance(value, Source) and not isinstance(value, type)]
    live = [(name, "live source") for name in dict.fromkeys([*named.rows(), *named.READY])]
    return own + live + [(name, "index") for name in index_names()] + [("history", "earlier answers")]


def _varied(typed: str, words: Sequence[str], shell: Any) -> Items:
    return [] if "=" in typed else [(f"{name}=", "option") for name in ("temperature", "max_tokens", "seed", "system", "top_p")]


def _files(typed: str, endings: tuple[str, ...]) -> Items:
    """Files and folders beside a path that is being typed, without names that need quotes."""
    folder = typed[: typed.rfind("/") + 1]
    try:
        entries = sorted(os.scandir(Path(folder or ".").expanduser()), key=lambda e: e.name)
    except OSError:
        return []
    shown = [e for e in entries if not e.name.startswith(".") and not re.search(r"""[\s'"]""", e.name)]
    found: Items = [(f"{folder}{e.name}/", "folder") for e in shown if e.is_dir()]
    return found + [(folder + e.name, "file") for e in shown if e.is_file() and (not endings or e.name.lower().endswith(endings))]


_VALUES: dict[str, Callable[[str, Sequence[str], Any], Items]] = {
    "api": _choices(APIS, "interface"),
    "attach": _attachments,
    "chat": _chats,
    "dtype": _choices(DTYPES, "number type"),
    "format": _choices(FORMATS, "format"),
    "group": _columns,
    "on": _choices(("ray",), "cluster"),
    "over": _data,
    "prompts": _prompts,
    "quant": _choices(QUANTS, "quantization"),
    "save": _prompts,
    "schema": _schemas,
    "score": _scorers,
    "target": _columns,
    "vary": _varied,
    "with": _sources,
}
