"""Ask a model: the public calls.

ask(prompt, model) ─ prepare ─► run.perform ─► Response
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Unpack

from ..catalog.resolve import resolve
from ..core.events import Sink, TextDelta
from ..core.registry import METHODS, load
from ..core.response import Response
from ..core.typing import ModelLike
from ..prompts.prompt import PromptLike
from .call import PreparedCall
from .options import CallOptions, with_options
from .prepare import options_from, prepare
from .run import arun_calls, handle_for, run_calls

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from llama_index.core.llms import CustomLLM


@with_options(CallOptions)
def ask(prompt: PromptLike, model: ModelLike | None = None, *, sinks: Sequence[Sink] = (), **options: Unpack[CallOptions]) -> Response:
    """Ask one model and return its answer.

    Args:
        prompt: Text, sent unchanged, or an `fm.Prompt`, rendered with `values=`.
        model: A name (`"openai:gpt-5-mini"`), an alias, an `fm.Model`, a function or another
            custom model; None for the default model.
        sinks: Functions that receive every event of the call.
        **options: Options of the call, as in `%%fm`: see `CallOptions`.

    Returns:
        The answer: its text, data, tokens, cost in US dollars, time in seconds.

    Raises:
        UsageError: An unknown option, or an invalid value.
        FmnbError: The call failed, by the kind of failure; its `response` holds partial text.

    >>> ask("hello", "echo:").text
    'hello'
    """
    asked = prepare(prompt, model, options_from(options))
    run_calls([asked], sinks)
    return _one(asked)


@with_options(CallOptions)
async def aask(
    prompt: PromptLike, model: ModelLike | None = None, *, sinks: Sequence[Sink] = (), **options: Unpack[CallOptions]
) -> Response:
    """Ask one model and return its answer, in async code; many calls may run at once.

    Args:
        prompt: Text or an `fm.Prompt`, as in `fm.ask`.
        model: The model, as in `fm.ask`.
        sinks: Functions that receive every event of the call.
        **options: Options of the call: see `CallOptions`.

    Returns:
        The answer.

    Raises:
        FmnbError: As `fm.ask` does.

    >>> import asyncio
    >>> asyncio.run(aask("hello", "echo:")).text
    'hello'
    """
    asked = prepare(prompt, model, options_from(options))
    await arun_calls([asked], sinks)
    return _one(asked)


def _one(asked: PreparedCall) -> Response:
    if asked.error is not None:
        raise asked.error
    assert asked.response is not None
    return asked.response


class Stream:
    """An answer while it comes: iterate for pieces of text; `response` is the whole afterwards."""

    def __init__(self, asked: PreparedCall):
        self._asked = asked
        self.response: Response | None = None

    def __iter__(self) -> Iterator[str]:
        a = self._asked
        try:
            with closing(iter(handle_for([a]))) as events:
                for event in events:
                    if isinstance(event, TextDelta) and event.text:
                        yield event.text
        finally:
            self.response = a.response
        if a.error is not None:
            raise a.error


@with_options(CallOptions)
def stream(prompt: PromptLike, model: ModelLike | None = None, **options: Unpack[CallOptions]) -> Stream:
    """Ask one model and iterate over the answer as it streams.

    Args:
        prompt: Text or an `fm.Prompt`, as in `fm.ask`.
        model: The model, as in `fm.ask`.
        **options: Options of the call: see `CallOptions`.

    Returns:
        An iterator over pieces of text; its `response` is the complete answer afterwards.

    Raises:
        UsageError: An unknown option, or an invalid value. Other errors of `fm.ask`
            are raised by the iteration.

    >>> "".join(stream("hello there", "echo:"))
    'hello there'
    """
    return Stream(prepare(prompt, model, options_from(options)))


class Model:
    """A model with default options, for repeated calls.

    Nothing is loaded or sent before the first call.

    Args:
        name: What `%%fm` takes as a model, or an object that answers.
        **defaults: Options of every call (see `CallOptions`); a call's own options override them.

    Raises:
        UnknownModelError: No model has that name; the message lists the nearest ones.
        UsageError: An unknown option.

    >>> Model("echo:", temperature=0).ask("hello").text
    'hello'
    """

    @with_options(CallOptions)
    def __init__(self, name: ModelLike, **defaults: Unpack[CallOptions]):
        self.target = resolve(name)
        self.defaults = defaults
        options_from(defaults)

    @property
    def name(self) -> str:
        """The full name, `provider:name`.

        >>> Model("echo:").name
        'echo:'
        """
        return self.target.name

    @with_options(CallOptions)
    def ask(self, prompt: PromptLike, **options: Unpack[CallOptions]) -> Response:
        """Ask this model and return its answer.

        Args:
            prompt: Text or an `fm.Prompt`, as in `fm.ask`.
            **options: Options of this call; they override the model's defaults.

        Returns:
            The answer.

        Raises:
            FmnbError: As `fm.ask` does.

        >>> Model("echo:").ask("hello").text
        'hello'
        """
        return ask(prompt, self, **self._with_defaults(options))

    @with_options(CallOptions)
    async def aask(self, prompt: PromptLike, **options: Unpack[CallOptions]) -> Response:
        """Ask this model and return its answer, in async code.

        Args:
            prompt: Text or an `fm.Prompt`, as in `fm.ask`.
            **options: Options of this call; they override the model's defaults.

        Returns:
            The answer.

        Raises:
            FmnbError: As `fm.ask` does.

        >>> import asyncio
        >>> asyncio.run(Model("echo:").aask("hello")).text
        'hello'
        """
        return await aask(prompt, self, **self._with_defaults(options))

    @with_options(CallOptions)
    def stream(self, prompt: PromptLike, **options: Unpack[CallOptions]) -> Stream:
        """Ask this model and iterate over the answer as it streams.

        Args:
            prompt: Text or an `fm.Prompt`, as in `fm.ask`.
            **options: Options of this call; they override the model's defaults.

        Returns:
            An iterator over pieces of text; its `response` is the complete answer afterwards.

        Raises:
            FmnbError: As `fm.stream` does.

        >>> "".join(Model("echo:").stream("hello there"))
        'hello there'
        """
        return stream(prompt, self, **self._with_defaults(options))

    def as_langchain(self) -> BaseChatModel:
        """This model as a LangChain chat model, to use in chains.

            chain = prompt | fm.Model("openai:gpt-5-mini", temperature=0).as_langchain()

        It streams and counts tokens; its calls are in fmnb's log, cache, budget and tape.
        Messages may hold text and images; tools are not supported.

        Returns:
            A `langchain_core` chat model with this model's default options.

        Raises:
            MissingPackageError: langchain-core is not installed.
        """
        return load(METHODS["Model.as_langchain"])(self)

    def as_llamaindex(self) -> CustomLLM:
        """This model as a LlamaIndex LLM, to use in query engines.

            engine = index.as_query_engine(llm=fm.Model("openai:gpt-5-mini").as_llamaindex())

        It streams and counts tokens; its calls are in fmnb's log, cache, budget and tape.

        Returns:
            A `llama_index` LLM with this model's default options.

        Raises:
            MissingPackageError: llama-index-core is not installed.
        """
        return load(METHODS["Model.as_llamaindex"])(self)

    def _with_defaults(self, options: CallOptions) -> CallOptions:
        return {**self.defaults, **options}

    def __repr__(self) -> str:
        return f"Model({self.name!r})"
