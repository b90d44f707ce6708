"""Ask a model: the public calls.

ask(prompt, model) ─ prepare ─► run.perform ─► Response
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from ..catalog.resolve import resolve
from ..core.events import Sink, TextDelta
from ..core.registry import METHODS, load
from ..core.response import Response
from .call import Asked
from .prepare import options_from, prepare
from .run import aperform, handle_of, perform


def ask(prompt: Any, model: Any = None, *, sinks: Sequence[Sink] = (), **options: Any) -> Response:
    """Ask one model and return its answer.

    `prompt` is text, sent as it is, or an `fm.Prompt`, whose `{{ }}` are filled from
    `values=`. `model` is a name (`"openai:gpt-5-mini"`), an alias, an `fm.Model`, a function
    or another object that answers, or None for the model in force. Options are those of
    `%%fm`: system, temperature, max_tokens, seed, stop, params (a dict for `-p`), format,
    schema, attach, api, quant, dtype, cache, replay_only.

    Raises a FmnbError leaf when the call fails; its `response` holds partial text.

    >>> ask("hello", "echo:").text
    'hello'
    """
    asked = prepare(prompt, model, options_from(options))
    perform([asked], sinks)
    return _one(asked)


async def aask(prompt: Any, model: Any = None, *, sinks: Sequence[Sink] = (), **options: Any) -> Response:
    """`ask` for code that awaits; many may run at once.

    >>> import asyncio
    >>> asyncio.run(aask("hello", "echo:")).text
    'hello'
    """
    asked = prepare(prompt, model, options_from(options))
    await aperform([asked], sinks)
    return _one(asked)


def _one(asked: Asked) -> Response:
    if asked.error is not None:
        raise asked.error
    assert asked.response is not None
    return asked.response


class Stream:
    """An answer as it comes: iterate for pieces of text; `response` is the whole afterwards."""

    def __init__(self, asked: Asked):
        self._asked = asked
        self.response: Response | None = None

    def __iter__(self) -> Iterator[str]:
        a = self._asked
        try:
            with closing(iter(handle_of([a]))) as events:
                for event in events:
                    if isinstance(event, TextDelta) and event.text:
                        yield event.text
        finally:
            self.response = a.response
        if a.error is not None:
            raise a.error


def stream(prompt: Any, model: Any = None, **options: Any) -> Stream:
    """Ask one model and iterate over the answer as it comes. Options as in `ask`.

    >>> "".join(stream("hello there", "echo:"))
    'hello there'
    """
    return Stream(prepare(prompt, model, options_from(options)))


class Model:
    """A model with options of its own, to ask again and again.

    `name` is what `%%fm` takes, or an object that answers; `defaults` are options of `fm.ask`,
    and a call's own options beat them. Nothing is loaded or sent before the first question.

    >>> Model("echo:", temperature=0).ask("hello").text
    'hello'
    """

    def __init__(self, name: str, **defaults: Any):
        self.target = resolve(name)
        self.defaults = defaults
        options_from(defaults)

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

    def as_langchain(self) -> Any:
        """This model as a LangChain chat model, for chains of yours. Needs langchain-core.

            chain = prompt | fm.Model("openai:gpt-5-mini", temperature=0).as_langchain()

        It streams and counts tokens; its calls are in fmnb's log, cache, budget and tape.
        Messages may hold text and pictures; tools are not carried.
        """
        return load(METHODS["Model.as_langchain"])(self)

    def as_llamaindex(self) -> Any:
        """This model as a LlamaIndex LLM, for engines of yours. Needs llama-index-core.

            engine = index.as_query_engine(llm=fm.Model("openai:gpt-5-mini").as_llamaindex())

        The rest is as with `as_langchain`.
        """
        return load(METHODS["Model.as_llamaindex"])(self)

    def __repr__(self) -> str:
        return f"Model({self.name!r})"
