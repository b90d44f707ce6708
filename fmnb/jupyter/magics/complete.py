"""Tab completion after `%fm` and `%%fm`: verbs, options, models, formats."""

from __future__ import annotations

from typing import Any

from ...calls.model import Model
from ...calls.prepare import FORMATS
from ...catalog import weights
from ...catalog.resolve import aliases, usable_profiles
from ...core.registry import ENGINES
from ...providers import profiles
from .line import VERBS
from .options import BY_FLAG, OPTIONS


def complete(shell: Any, event: Any) -> list[str]:
    """Completions at the cursor. Never uses the network."""
    before = event.line[: len(event.line)] if hasattr(event, "line") else event.text_until_cursor
    words = before.lstrip("%").split()
    symbol = event.symbol
    previous = words[-1] if not symbol else (words[-2] if len(words) > 1 else "")
    if previous in ("-f", "--format"):
        return list(FORMATS)
    if previous == "--schema" or previous == "--attach":
        return [n for n in shell.user_ns if not n.startswith("_")]
    if previous in BY_FLAG and BY_FLAG[previous].value:
        return []
    if before.lstrip().startswith("%%"):
        return [f"--{o.long}" for o in OPTIONS] + model_names(shell)
    verb = words[1] if len(words) > 1 and (len(words) > 2 or not symbol) else ""
    if not verb:
        return list(VERBS)
    if verb in ("use", "pull", "rm", "unload", "ask", "retry", "fix", "explain", "alias"):
        extra = [f"--{o.long}" for o in OPTIONS] if verb in ("ask", "retry") else []
        return model_names(shell) + extra
    if verb == "key":
        return ["set", "rm", "show", *profiles.names()]
    if verb == "log":
        return ["on", "off", "forget", "--open", "--before", "--all"]
    if verb == "chat":
        from ...chat.named import chats

        return [*chats(), "show", "fork", "trim", "compact", "export", "load", "drop"]
    if verb == "help":
        return list(VERBS)
    return []


def model_names(shell: Any) -> list[str]:
    """Names of models known without network requests."""
    found = [*weights.known_names(), *aliases(), "echo:", *(f"{e}:" for e in ENGINES)]
    found += [d.source for d in weights.downloaded()]
    for p in usable_profiles():
        found += [f"{p.name}:{m}" for m in p.models] or [f"{p.name}:"]
    found += [n for n, v in shell.user_ns.items() if not n.startswith("_") and isinstance(v, Model)]
    return found
