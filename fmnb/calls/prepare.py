"""From what the user typed to a call that can be sent: options, the rendered prompt, the request.

    prompt, model, Options ─ prepare ─► Asked(Call)

Nothing is sent here.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from ..catalog.resolve import Target, resolve
from ..config.settings import frozen, settings
from ..core.errors import SettingsError, UsageError
from ..core.labels import UNTRUSTED, join, segments, text_of, with_label
from ..core.surrogates import replace_surrogates_in_text
from ..core.types import Message, Part, Request, Text, TokenCount
from ..core.typing import Api, Dtype, Format, Quant
from ..prompts.prompt import Prompt, render
from ..prompts.rendered import Rendered
from ..providers.reserved_params import check_routing
from .call import Call, Options, PreparedCall
from .notebook_model import NOT_A_NAME
from .options import CallOptions
from .session import default_model, session
from .steps.check_target import check_output_modality

if TYPE_CHECKING:
    from ..schemas.spec import SchemaSpec
    from .sources import Grounding

# Names of `-p` that have an option of their own.
RESERVED_PARAMS = {
    "temperature": "-t",
    "max_tokens": "--max-tokens",
    "max_completion_tokens": "--max-tokens",
    "seed": "--seed",
    "stop": "--stop",
    "model": "the model's name",
    "messages": "the cell's text",
    "response_format": "--schema",
    "stream": "nothing: answers always stream",
    "tools": "nothing: tools are not part of this version yet",
    "quant": "--quant",
    "dtype": "--dtype",
    # A key in a cell is a key in the notebook, its checkpoints, the log and the tape.
    **dict.fromkeys(
        ("api_key", "apikey", "key", "authorization", "token", "headers", "extra_headers"),
        "`%fm key set PROVIDER`, and never a key in a cell",
    ),
}
APIS, QUANTS, DTYPES, FORMATS = map(get_args, (Api, Quant, Dtype, Format))


def target_for(model: Any = None, values: Mapping[str, Any] | None = None) -> Target:
    """The target of a name, a Model or a custom model; None is the default model."""
    if model is None or (isinstance(model, str) and not model):
        model, _ = default_model()
    if isinstance(model, str) and model.startswith(NOT_A_NAME):
        raise SettingsError(
            "What this notebook names as its model is not a model's name",
            detail=model,
            hint='Choose a model in the sidebar, run `%fm use MODEL`, name one on the %%fm line, or write "fmnb": {"model": "embedded"} there.',
        )
    return resolve(model, values)


def render_prompt(prompt: Any, options: Options) -> Rendered:
    """The prompt's parts, with the values of `{{ }}` inserted."""
    if isinstance(prompt, Rendered):
        return prompt
    if isinstance(prompt, Prompt):
        return render(prompt, options.values or {})
    if not isinstance(prompt, str):
        raise UsageError(
            "The prompt must be a string or an fm.Prompt",
            detail=type(prompt).__name__,
            hint="Insert objects with {{ name }} in an fm.Prompt, or pass them as attach=[...].",
        )
    return render(prompt, options.values or {}, raw=options.values is None)


@frozen()
def prepare(prompt: Any, model: Any = None, options: Options = Options()) -> PreparedCall:  # noqa: B008  it is frozen
    """Prepare one call; nothing is sent."""
    for name, known in (("format", FORMATS), ("api", APIS), ("quant", QUANTS), ("dtype", DTYPES)):
        if (given := getattr(options, name)) not in known:
            raise UsageError(f"No such {name}", detail=repr(given), hint=f"One of {', '.join(k for k in known if k)}.")
    if not str(prompt).strip() and isinstance(options.attach, (list, tuple)) and not options.attach:
        raise UsageError("The prompt is empty", hint="Write what you want to ask below the %%fm line.")
    target = target_for(model, options.values)
    if options.format == "image" and session.tape is None:  # a replay needs no model
        check_output_modality("image", target.requested_model, target.open())
    spec = _schema(options)
    rendered = render_prompt(prompt, options)
    parts: list[Part] = [*load_attachments(options, target.local), *rendered.parts]
    grounding = find_passages(options, rendered.parts, options.history, target)
    if grounding is not None:
        parts.insert(0, grounding.part)
    messages: list[Message] = list(options.history)
    if options.system is not None and not isinstance(options.system, str):
        raise UsageError("system must be a string", detail=type(options.system).__name__)
    system = options.system if options.system is not None else (prompt.system or None if isinstance(prompt, Prompt) else None)
    if options.system is not None and messages and messages[0].role == "system":
        messages.pop(0)  # the new system prompt replaces the earlier one
    if system and not any(m.role == "system" for m in messages):
        messages.insert(0, _render_system(system, options))
    messages.append(Message("user", tuple(parts)))
    request = Request(
        model=target.name, messages=tuple(map(replace_surrogates, messages)), schema=spec.schema if spec else None, **_parameters(options)
    )
    if getattr(target, "profile", None) is not None:
        from ..providers.wire.base import check_one_answer

        check_one_answer(request)
    call = Call(
        request=request,
        target=target,
        spec=spec,
        use_cache=options.cache,
        tape=session.tape,
        tape_only=_replays_only(options),
        cell=cell_key(prompt, target.name, options),
        parent=options.parent,
        meta=grounding.meta if grounding is not None else {},
        notes=(
            *(grounding.notes if grounding is not None else ()),
            *((session.model_warning,) if not model and session.model_warning else ()),
            *_omissions(rendered),
        ),
    )
    return PreparedCall(call, spec, prompt=prompt, options=options)


def replace_surrogates(m: Message) -> Message:
    """Replace lone surrogates by U+FFFD.

    They have no UTF-8 form, so neither log, tape nor wire could hold them.
    """
    if all(not isinstance(p, Text) or replace_surrogates_in_text(p.text) is p.text for p in m.parts):
        return m  # the same object, so that an attached part can be found again
    return replace(m, parts=tuple(replace(p, text=replace_surrogates_in_text(p.text)) if isinstance(p, Text) else p for p in m.parts))


def _omissions(rendered: Rendered) -> list[str]:
    """Notes for the user about what the prompt omits from its values.

    The model reads the true size in the prompt.
    """
    return list(dict.fromkeys(f"{i.expression} in the prompt: {i.omitted}" for i in rendered.inserted if i.omitted))


def _schema(options: Options) -> SchemaSpec | None:
    if options.schema is None:
        return None
    from ..schemas.convert import to_schema  # imported with the first schema

    return to_schema(_lookup(options.schema, options.values))


def load_attachments(options: Options, local: bool) -> list[Part]:
    """The parts of the attachments; for a local model documents become text."""
    if isinstance(options.attach, (list, tuple)) and not options.attach:
        return []
    from ..prompts.attachments import attach
    from ..prompts.value_labels import label_of

    items = options.attach if isinstance(options.attach, (list, tuple)) else (options.attach,)
    values = [_lookup(item, options.values) for item in items]
    found = [(p, join([UNTRUSTED, label_of(value)])) for value in values for p in attach(value, as_text=local)]
    # the prompt begins after a blank line
    return [with_label(Text(p.text.rstrip("\n") + "\n\n") if isinstance(p, Text) else p, label) for p, label in found]


def find_passages(options: Options, prompt: Sequence[Part], history: Sequence[Message], target: Target) -> Grounding | None:
    """The passages of the sources for a prompt; None if it has no sources."""
    if isinstance(options.sources, (list, tuple)) and not options.sources:
        return None
    from .sources import ground, open_sources  # imported with the first source

    record = not (_replays_only(options) or options.dry_run)
    sources = open_sources(options.sources, options.values)
    return ground(sources, prompt, history, target, options.max_tokens, session.tape, record, options.dry_run)


def _replays_only(options: Options) -> bool:
    return options.replay_only or os.environ.get("FMNB_REPLAY_ONLY", "") not in ("", "0")


def _lookup(item: Any, values: Mapping[str, Any] | None) -> Any:
    """The notebook's variable of that name, or the text itself."""
    return values[item] if isinstance(item, str) and item.isidentifier() and values is not None and item in values else item


def _render_system(system: str, options: Options) -> Message:
    return system_message(render(system, options.values or {}, raw=options.values is None))


def system_message(rendered: Rendered) -> Message:
    """The system message: the text of a rendered prompt, without images."""
    texts = [p for p in rendered.parts if isinstance(p, Text)]
    return replace_surrogates(Message("system", (text_of([piece for t in texts for piece in segments(t)]),)))


def _parameters(options: Options) -> dict[str, Any]:
    defaults = settings().get("default", {})
    if not isinstance(options.params, Mapping):
        raise UsageError("params must be a dict", detail=repr(options.params)[:80])
    for name in options.params:
        if name.lower().replace("-", "_") in RESERVED_PARAMS:
            raise UsageError(f"`-p {name}=` cannot be given like that", hint=f"Use {RESERVED_PARAMS[name.lower().replace('-', '_')]}.")
    check_routing(options.params)
    stop = (options.stop,) if isinstance(options.stop, str) else tuple(options.stop) if isinstance(options.stop, (list, tuple)) else (None,)
    if not all(isinstance(s, str) for s in stop):
        raise UsageError("stop must be a string or a list of strings", detail=repr(options.stop)[:80])
    temperature = _number("temperature", options.temperature if options.temperature is not None else defaults.get("temperature"), float)
    max_tokens = _number("max_tokens", options.max_tokens if options.max_tokens is not None else defaults.get("max_tokens"), int)
    if temperature is not None and not 0 <= temperature <= 2:
        raise UsageError("temperature must be between 0 and 2", detail=f"{temperature:g}")
    if max_tokens is not None and max_tokens < 1:
        raise UsageError("--max-tokens must be at least 1", detail=str(max_tokens))
    return {
        "temperature": temperature,
        "max_tokens": max_tokens,
        "seed": _number("seed", options.seed, int),
        "stop": stop,
        "extra": _json_params(options.params),
        "format": options.format,
        "logprobs": _number("logprobs", options.logprobs, int),
        "api": options.api,
        "quant": options.quant,
        "dtype": options.dtype,
        "sample": options.sample,
    }


def _number(name: str, value: Any, kind: type) -> Any:
    """A Python number; numpy's numbers count too."""
    if value is None:
        return None
    try:
        number = kind(value)
        if not isinstance(value, (str, bytes, bool)) and (kind is float or number == value):
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise UsageError(f"{name} must be a {'number' if kind is float else 'whole number'}", detail=repr(value)[:80])


def _json_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Raw parameters in their JSON form; a value without one is a UsageError."""
    try:
        return json.loads(json.dumps(dict(params), allow_nan=False, default=lambda v: v.item()))
    except (TypeError, ValueError, AttributeError):
        raise UsageError("A raw parameter must have a JSON form", detail=repr(dict(params))[:80]) from None


def cell_key(prompt: Any, model: str, options: Options) -> str:
    """Identifies a cell on a tape: what was typed, before values were inserted."""
    typed = "\x1f".join([str(prompt), model, options.system or "", options.format, str(options.schema), str(len(options.history))])
    return hashlib.sha256(typed.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def count_tokens(prepared: PreparedCall) -> TokenCount:
    """Tokens of the prompt, counted by its model."""
    return prepared.call.target.open().count(prepared.call.request)


def options_from(options: Mapping[str, object], also: Sequence[str] = ()) -> Options:
    """The options of these names. `also` are other names that may have been meant."""
    check_names(options, (*also, *CallOptions.__annotations__), Options.__dataclass_fields__)
    values: dict[str, Any] = dict(options)  # `prepare` checks each
    return Options(**values)


def check_names(names: Iterable[str], known: Sequence[str], allowed: Iterable[str] = ()) -> None:
    """Raise UsageError for an option that is not `allowed`, with the nearest of the `known` names.

    By default, all `known` names are allowed.
    """
    known = list(dict.fromkeys(known))
    unknown = sorted(set(names) - set(allowed or known))
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, 1)
        raise UsageError(
            "No such option",
            detail=repr(unknown[0]),
            hint=f"Did you mean {near[0]}?" if near else f"Options: {', '.join(known)}.",
        )
