"""Ask a model: the public calls, and how options become requests.

    ask(prompt, model) ─ prepare ─► Call ─ perform ─► events ─► sinks, Response

`perform` is the one place where events meet the caller: it drains the pipeline in the
caller's thread, gives each event to the sinks, and turns an interrupt into a kept partial
answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import signal
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from . import pipeline
from ._loop import adrain, drain, merge
from .catalog.resolve import Target, resolve
from .config import held, settings
from .errors import FmnbError, Interrupted, UsageError
from .events import Cancelled, Event, Fold, Sink, Stamper, TextDelta, drop, emit
from .pipeline import Call
from .prompts import Prompt, Rendered, render
from .session import default_model, session
from .store import log
from .types import Message, Part, Request, Response, Text, TokenCount, message

if TYPE_CHECKING:
    from .schema_text import SchemaSpec

# Names of `-p` that have an option of their own.
OWN = {
    "temperature": "-t",
    "max_tokens": "--max-tokens",
    "max_completion_tokens": "--max-tokens",
    "seed": "--seed",
    "stop": "--stop",
    "model": "the model's name",
    "messages": "the cell's text",
    "response_format": "--schema",
    "stream": "nothing: answers always stream",
    "tools": "--tools",
}
FORMATS = ("markdown", "text", "code", "json", "html", "math", "image")


@dataclass(frozen=True)
class Options:
    """What may be said about a call, by the names users know.

    `values` fills `{{ }}` in the prompt; without it the text is sent as it is.
    """

    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: Sequence[str] | str = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    format: str = "markdown"
    schema: Any = None
    attach: Any = ()
    values: Mapping[str, Any] | None = None
    history: tuple[Message, ...] = ()
    cache: bool = True
    replay_only: bool = False
    logprobs: int | None = None
    parent: str = ""


@dataclass
class Asked:
    """A call and what came of it: what `retry` and `continue` start from."""

    call: Call
    spec: SchemaSpec | None
    response: Response | None = None
    error: BaseException | None = None
    prompt: Any = None
    options: Options = field(default_factory=Options)


def target_for(model: Any = None, values: Mapping[str, Any] | None = None) -> Target:
    """The target of a name, a Model, or of nothing (the model in force)."""
    if isinstance(model, Model):
        return model.target
    if model is None or model == "":
        model, _ = default_model()
        if not model:
            return resolve("embedded", values)
    return resolve(model, values)


def fill(prompt: Any, options: Options) -> Rendered:
    """The prompt's parts, with values inserted if there are any to insert."""
    if isinstance(prompt, Rendered):
        return prompt
    if isinstance(prompt, Prompt):
        return render(prompt, options.values or {})
    if not isinstance(prompt, str):
        raise UsageError(
            "A prompt is text",
            seen=type(prompt).__name__,
            todo="Pass a str or an fm.Prompt; objects go in with {{ name }} or attach=[...].",
        )
    return render(prompt, options.values or {}, raw=options.values is None)


@held()
def prepare(prompt: Any, model: Any = None, options: Options = Options()) -> Asked:
    """One call, ready to be performed: nothing has been sent."""
    if options.format not in FORMATS:
        raise UsageError("No such format", seen=repr(options.format), todo=f"One of {', '.join(FORMATS)}.")
    if not str(prompt).strip() and isinstance(options.attach, (list, tuple)) and not options.attach:
        raise UsageError("The prompt is empty", todo="Write what you want to ask below the %%fm line.")
    target = target_for(model, options.values)
    spec = _schema(options)
    rendered = fill(prompt, options)
    parts: list[Part] = [*_attached(options, target), *rendered.parts]
    messages: list[Message] = list(options.history)
    if options.system is not None and not isinstance(options.system, str):
        raise UsageError("system is text", seen=type(options.system).__name__)
    system = options.system if options.system is not None else (prompt.system or None if isinstance(prompt, Prompt) else None)
    if system and not any(m.role == "system" for m in messages):
        messages.insert(0, message("system", _fill_system(system, options)))
    messages.append(Message("user", tuple(parts)))
    request = Request(
        model=target.name, messages=tuple(map(_writable, messages)), schema=spec.schema if spec else None, **_parameters(options)
    )
    call = Call(
        request=request,
        target=target,
        spec=spec,
        use_cache=options.cache,
        tape=session.tape,
        tape_only=options.replay_only or os.environ.get("FMNB_REPLAY_ONLY", "") not in ("", "0"),
        cell=_cell_key(prompt, target.name, options),
        parent=options.parent,
    )
    return Asked(call, spec, prompt=prompt, options=options)


def _writable(m: Message) -> Message:
    """Half of a surrogate pair has no UTF-8 form, so neither log, tape nor wire could carry it: it becomes U+FFFD."""
    if all(not isinstance(p, Text) or p.text.isascii() or not _HALF.search(p.text) for p in m.parts):
        return m
    return replace(m, parts=tuple(Text(_HALF.sub("\ufffd", p.text)) if isinstance(p, Text) else p for p in m.parts))


_HALF = re.compile("[\ud800-\udfff]")


def _schema(options: Options) -> SchemaSpec | None:
    if options.schema is None:
        return None
    from .schema_text import to_schema  # loads when a cell first asks for structure

    return to_schema(_named(options.schema, options.values))


def _attached(options: Options, target: Target) -> list[Part]:
    if isinstance(options.attach, (list, tuple)) and not options.attach:
        return []
    from .attachments import attach

    items = options.attach if isinstance(options.attach, (list, tuple)) else (options.attach,)
    return [p for item in items for p in attach(_named(item, options.values), as_text=target.local)]


def _named(item: Any, values: Mapping[str, Any] | None) -> Any:
    """A notebook object where its name was typed, else what was typed."""
    return values[item] if isinstance(item, str) and item.isidentifier() and values is not None and item in values else item


def _fill_system(system: str, options: Options) -> str:
    if options.values is None:
        return system
    return "".join(p.text for p in render(system, options.values).parts if isinstance(p, Text))


def _parameters(options: Options) -> dict[str, Any]:
    defaults = settings().get("default", {})
    for name in options.params:
        if name in OWN:
            raise UsageError(f"`-p {name}=` has an option of its own", todo=f"Use {OWN[name]}.")
    stop = (options.stop,) if isinstance(options.stop, str) else tuple(options.stop) if isinstance(options.stop, (list, tuple)) else (None,)
    if not all(isinstance(s, str) for s in stop):
        raise UsageError("stop is a text, or a list of texts", seen=repr(options.stop)[:80])
    temperature = _number("temperature", options.temperature if options.temperature is not None else defaults.get("temperature"), float)
    max_tokens = _number("max_tokens", options.max_tokens if options.max_tokens is not None else defaults.get("max_tokens"), int)
    if temperature is not None and not 0 <= temperature <= 2:
        raise UsageError("A temperature lies between 0 and 2", seen=f"{temperature:g}")
    if max_tokens is not None and max_tokens < 1:
        raise UsageError("--max-tokens is at least 1", seen=str(max_tokens))
    return {
        "temperature": temperature,
        "max_tokens": max_tokens,
        "seed": _number("seed", options.seed, int),
        "stop": stop,
        "extra": _plain(options.params),
        "format": options.format,
        "logprobs": _number("logprobs", options.logprobs, int),
    }


def _number(name: str, value: Any, kind: type) -> Any:
    """A Python number from what a notebook holds: numpy's numbers are numbers too."""
    if value is None:
        return None
    try:
        number = kind(value)
        if not isinstance(value, (str, bytes, bool)) and (kind is float or number == value):
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise UsageError(f"{name} is a {'number' if kind is float else 'whole number'}", seen=repr(value)[:80])


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    """Raw parameters as they go over the wire; what has no JSON form is a UsageError."""
    try:
        return json.loads(json.dumps(dict(params), allow_nan=False, default=lambda v: v.item()))
    except (TypeError, ValueError, AttributeError):
        raise UsageError("A raw parameter must have a JSON form", seen=repr(dict(params))[:80]) from None


def _cell_key(prompt: Any, model: str, options: Options) -> str:
    """Identifies the cell on a tape: what was typed, before values went in."""
    typed = "\x1f".join([str(prompt), model, options.system or "", options.format, str(options.schema), str(len(options.history))])
    return hashlib.sha256(typed.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def count(asked: Asked) -> TokenCount:
    """Tokens of the prompt as its model counts them."""
    return asked.call.target.open().count(asked.call.request)


def perform(asked: Sequence[Asked], sinks: Sequence[Sink] = ()) -> None:
    """Run the calls side by side and fill in their responses and errors.

    Events reach the sinks in this thread. An interrupt stops all, keeps what had arrived
    and raises Interrupted. Failures are left in `Asked.error`; a bug is raised.
    """
    listeners: list[Sink] = [
        log.LogSink(session.notebook, ticks=True),
        *sinks,
    ]  # the log first: what is shown is written down, whatever interrupts
    folds = {a.call.run: Fold() for a in asked}
    errors: dict[str, BaseException] = {}
    items = drain(_events([a.call for a in asked], errors), lambda: tick(listeners))
    with held():
        try:
            for event in items:
                folds[event.run].add(event)
                emit(event, listeners)
        except KeyboardInterrupt:
            with _patient():
                _cancel(asked, folds, listeners)
                items.close()  # type: ignore[attr-defined]
                finish(asked, folds, errors)
            raise Interrupted(asked[0].response, asked[0].call.run) from None
        finally:
            items.close()  # type: ignore[attr-defined]
    finish(asked, folds, errors)


def tick(sinks: list[Sink]) -> None:
    """Let the sinks draw or write down what they hold back; one that fails is switched off with one warning."""
    for sink in tuple(sinks):
        try:
            if hasattr(sink, "tick"):
                sink.tick()
        except Exception as e:
            drop(sink, sinks, e)


@contextmanager
def _patient() -> Iterator[None]:
    """A second press of stop is the same stop: it must not cut off the writing down of the first."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _cancel(asked: Sequence[Asked], folds: dict[str, Fold], listeners: list[Sink]) -> None:
    for a in asked:
        fold = folds[a.call.run]
        if fold.end is None:
            stamp = Stamper(a.call.run)
            stamp.n = fold.n
            event = stamp(Cancelled())
            fold.add(event)
            emit(event, listeners)


def finish(asked: Sequence[Asked], folds: dict[str, Fold], errors: dict[str, BaseException]) -> None:
    """Put each call's response and error where its caller finds them; a bug is raised."""
    for a in asked:
        response = folds[a.call.run].response()
        if a.spec is not None and response.data is not None:
            response = replace(response, data=a.spec.build(response.data))
        a.response = response
        a.error = errors.get(a.call.run)
        if isinstance(a.error, FmnbError):
            a.error.response = response
            a.error.run = a.call.run
    if asked:
        session.last = asked[0]
    for error in errors.values():
        if not isinstance(error, FmnbError):
            raise error


async def _events(calls: Sequence[Call], errors: dict[str, BaseException]) -> AsyncIterator[Event]:
    if len(calls) == 1:
        stream = _isolated(calls[0], errors)
        async for event in stream:
            yield event
        return
    async for _, event in merge({c.run: _isolated(c, errors) for c in calls}):
        yield event


async def _isolated(call: Call, errors: dict[str, BaseException]) -> AsyncIterator[Event]:
    """A call whose failure is kept aside, so that its neighbours go on."""
    stream = pipeline.run(call)
    try:
        async for event in stream:
            yield event
    except Exception as e:
        errors[call.run] = e
    finally:
        await stream.aclose()  # type: ignore[attr-defined]


def _one(asked: Asked) -> Response:
    if asked.error is not None:
        raise asked.error
    assert asked.response is not None
    return asked.response


def ask(prompt: Any, model: Any = None, *, sinks: Sequence[Sink] = (), **options: Any) -> Response:
    """Ask one model and return its answer.

    `prompt` is text, sent as it is, or an `fm.Prompt`, whose `{{ }}` are filled from
    `values=`. `model` is a name (`"openai:gpt-5-mini"`), an alias, an `fm.Model`, or None
    for the model in force. Options are those of `%%fm`: system, temperature, max_tokens,
    seed, stop, params, format, schema, attach, cache, replay_only.

    Raises a FmnbError leaf when the call fails; its `response` holds partial text.

    >>> ask("hello", "echo:").text
    'hello'
    """
    asked = prepare(prompt, model, _options(options))
    perform([asked], sinks)
    return _one(asked)


def _options(given: dict[str, Any]) -> Options:
    unknown = set(given) - set(Options.__dataclass_fields__)
    if unknown:
        import difflib

        name = sorted(unknown)[0]
        near = difflib.get_close_matches(name, Options.__dataclass_fields__, 1)
        raise UsageError(
            "No such option",
            seen=repr(name),
            todo=f"Did you mean {near[0]}?" if near else f"Options: {', '.join(Options.__dataclass_fields__)}.",
        )
    return Options(**given)


async def aask(prompt: Any, model: Any = None, *, sinks: Sequence[Sink] = (), **options: Any) -> Response:
    """`ask` for code that awaits; many may run at once.

    >>> asyncio.run(aask("hello", "echo:")).text
    'hello'
    """
    asked = prepare(prompt, model, _options(options))
    await aperform([asked], sinks)
    return _one(asked)


async def aperform(asked: Sequence[Asked], sinks: Sequence[Sink] = ()) -> None:
    """`perform` in the caller's own event loop; cancelling it stops the calls and keeps what came."""
    listeners: list[Sink] = [log.LogSink(session.notebook), *sinks]  # the log first: what is shown is written down, whatever interrupts
    folds = {a.call.run: Fold() for a in asked}
    errors: dict[str, BaseException] = {}
    items = adrain(_events([a.call for a in asked], errors))
    try:
        async for event in items:
            folds[event.run].add(event)
            emit(event, listeners)
    except asyncio.CancelledError:
        _cancel(asked, folds, listeners)
        raise
    finally:
        await items.aclose()  # type: ignore[attr-defined]
        finish(asked, folds, errors)


class Stream:
    """An answer as it comes: iterate for pieces of text; `response` is the whole afterwards."""

    def __init__(self, asked: Asked):
        self._asked = asked
        self.response: Response | None = None

    def __iter__(self) -> Iterator[str]:
        a = self._asked
        listeners: list[Sink] = [log.LogSink(session.notebook)]
        folds = {a.call.run: Fold()}
        errors: dict[str, BaseException] = {}
        items = drain(_events([a.call], errors))
        try:
            for event in items:
                folds[a.call.run].add(event)
                emit(event, listeners)
                if isinstance(event, TextDelta) and event.text:
                    yield event.text
        except (KeyboardInterrupt, GeneratorExit):
            _cancel([a], folds, listeners)
            raise
        finally:
            items.close()  # type: ignore[attr-defined]
            finish([a], folds, errors)
            self.response = a.response
        if a.error is not None:
            raise a.error


def stream(prompt: Any, model: Any = None, **options: Any) -> Stream:
    """Ask one model and iterate over the answer as it comes. Options as in `ask`.

    >>> "".join(stream("hello there", "echo:"))
    'hello there'
    """
    return Stream(prepare(prompt, model, _options(options)))


class Model:
    """A model with options of its own, to ask again and again.

    >>> Model("echo:", temperature=0).ask("hello").text
    'hello'
    """

    def __init__(self, name: str, **defaults: Any):
        self.target = resolve(name)
        self.defaults = defaults
        _options(defaults)

    @property
    def name(self) -> str:
        """The full `provider:name`."""
        return self.target.name

    def ask(self, prompt: Any, **options: Any) -> Response:
        """As `fm.ask`, with this model."""
        return ask(prompt, self, **{**self.defaults, **options})

    async def aask(self, prompt: Any, **options: Any) -> Response:
        """As `fm.aask`, with this model."""
        return await aask(prompt, self, **{**self.defaults, **options})

    def stream(self, prompt: Any, **options: Any) -> Stream:
        """As `fm.stream`, with this model."""
        return stream(prompt, self, **{**self.defaults, **options})

    def __repr__(self) -> str:
        return f"Model({self.name!r})"
