"""`%fm VERB ...`: finds the verb and passes it the rest of the line."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...core.errors import UsageError
from ...core.registry import load
from .interrupts import interrupts


@dataclass(frozen=True)
class Verb:
    """A verb: its arguments, its help, and where its function is."""

    usage: str
    help: str
    run: str


VERBS = {
    "ask": Verb('[MODEL] [options] "text"', "send a one-line prompt; `x = %fm ask ...` stores the answer", "fmnb.jupyter.magics.chat:ask"),
    "use": Verb("MODEL", "set the model of this kernel; `%fm use` shows it, `--none` removes it", "fmnb.jupyter.magics.models:use"),
    "models": Verb(
        "[words]",
        "list models and what each needs; words filter: local, ready, ollama, ...",
        "fmnb.jupyter.magics.models:models",
    ),
    "alias": Verb("[NAME MODEL]", "give a model a short name, stored for this user; `--remove NAME`", "fmnb.jupyter.magics.models:alias"),
    "pull": Verb("MODEL [--yes]", "download a model's weights", "fmnb.jupyter.magics.models:pull"),
    "rm": Verb("MODEL [--yes]", "delete a model's weights", "fmnb.jupyter.magics.models:rm"),
    "unload": Verb("[MODEL]", "free the memory of a loaded model, or of all models", "fmnb.jupyter.magics.models:unload"),
    "key": Verb(
        "[set|rm|show PROVIDER]", "show where keys come from; `set` asks for a key and never shows it", "fmnb.jupyter.magics.admin:key"
    ),
    "chat": Verb(
        "[NAME [show|widget|fork|trim|compact|export|load|drop] ...]", "list or manage named conversations", "fmnb.jupyter.magics.chat:chat"
    ),
    "log": Verb("[words | RUN | on | off | forget ...]", "search the log; a run id reopens that run", "fmnb.jupyter.magics.admin:log"),
    "retry": Verb("[MODEL] [options]", "send the last prompt again", "fmnb.jupyter.magics.chat:retry"),
    "continue": Verb("", "continue an answer that was truncated, interrupted or stopped", "fmnb.jupyter.magics.chat:continue_answer"),
    "fix": Verb("[MODEL]", "insert a corrected version of the last failed cell", "fmnb.jupyter.magics.chat:fix"),
    "explain": Verb("[MODEL]", "explain the error of the last failed cell", "fmnb.jupyter.magics.chat:explain"),
    "vote": Verb(
        "[left|right|tie|bad|N|MODEL] [comment]",
        "vote for an answer of the last comparison; `--undo` retracts the vote",
        "fmnb.jupyter.magics.feedback:vote",
    ),
    "leaderboard": Verb(
        "[MODEL ...] [--all]",
        "rank models by the votes in this notebook (`--all`: in all), with significance",
        "fmnb.jupyter.magics.feedback:leaderboard",
    ),
    "tape": Verb("[FILE | prune | off]", "record answers to a file and replay them from it", "fmnb.jupyter.magics.admin:tape"),
    "budget": Verb("[DOLLARS | off] [--allow-unknown]", "cap what this kernel may spend", "fmnb.jupyter.magics.admin:budget"),
    "trust": Verb("", "trust this project's fmnb.toml, so that it may add providers", "fmnb.jupyter.magics.admin:trust"),
    "doctor": Verb("", "show what works here, and how to set up the rest", "fmnb.jupyter.magics.admin:doctor"),
    "index": Verb(
        "[PATHS --name NAME] [--embedder MODEL] [--column C] [--rebuild | --remove] [--background]",
        "index documents, or bring an index up to date; alone it lists the indexes",
        "fmnb.jupyter.magics.index:index",
    ),
    "search": Verb(
        'NAME "words" [--path P] [--after DATE] [--before DATE] [--k N]',
        "find passages in an index; no model is asked",
        "fmnb.jupyter.magics.index:search",
    ),
    "help": Verb("[VERB]", "show this list, or one verb", "fmnb.jupyter.magics.line:help"),
}


def run(line: str) -> Any:
    """Run a `%fm` line; without a verb, show the status."""
    from IPython.core.getipython import get_ipython

    verb, _, rest = line.strip().partition(" ")
    if not verb:
        from .admin import status

        return status(get_ipython())
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, 1, 0.65)
        raise UsageError("No such verb", detail=f"%fm {verb}", hint=f"Did you mean %fm {near[0]}?" if near else "`%fm help` lists them.")
    if rest.strip() in ("--help", "-h"):
        return help(verb, get_ipython())
    with interrupts.deferred():
        function: Callable[[str, Any], Any] = load(VERBS[verb].run)
    return function(rest.strip(), get_ipython())


def help(rest: str, shell: Any) -> None:
    """Print one verb's line, or all."""
    if rest.strip() and rest.strip() not in VERBS:
        raise UsageError("No such verb", detail=rest.strip(), hint="`%fm help` lists them.")
    print(_row(rest.strip()) if rest.strip() else help_text())


def _row(name: str) -> str:
    v = VERBS[name]
    return f"  %fm {name + ' ' + v.usage:<44} {v.help}"


def help_text() -> str:
    """What `%fm?` and `%fm help` show."""
    return "\n".join(["Foundation models, one line at a time. For cells, see `%%fm?`.", "", *map(_row, VERBS)])
