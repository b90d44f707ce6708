"""The options of a call, with types and descriptions.

`%%fm?`, completion and the reference are generated from this table. An editor shows the text below
a key; `key_docs` reads the same text. A notebook completes the names in `inspect.signature`, which
ignores TypedDicts: `with_options` adds them.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypedDict, TypeVar, get_type_hints

from ..core.typing import Api, Dtype, Format, Quant, SchemaLike, SourceLike


class CallOptions(TypedDict, total=False):
    """Options of `fm.ask` and of every other function that calls a model."""

    system: str | None
    """System prompt."""

    temperature: float | None
    """Sampling temperature, 0 to 2 (0 = deterministic)."""

    max_tokens: int | None
    """Maximum number of output tokens."""

    seed: int | None
    """Sampling seed: the same seed gives the same answer, if the model supports it."""

    stop: Sequence[str] | str
    """Stop before this text.

    A list of several texts: the first that appears ends the answer.
    """

    params: Mapping[str, object]
    """Raw wire parameter, sent to the service unchanged.

    A dict of names and values. Each value must have a JSON form.
    """

    format: Format
    """How the answer is used: markdown, text, code, json, html, math or image."""

    schema: SchemaLike | None
    """Structured output: `name, score float, mood good|bad?`.

    Schema text, a JSON schema, a dataclass, a TypedDict, a pydantic model, or `list[...]` of
    one. The answer's `data` holds the parsed value.
    """

    attach: object
    """Image, PDF, Office file, HTML page, text or table to send with the prompt.

    A path or a value of the notebook (a figure, a frame, bytes), or a list of them.
    """

    sources: SourceLike | Sequence[SourceLike]
    """Indexes and other sources to answer from, with citations.

    A name or an `fm.Index`, or a list of them. The passages found for the prompt are sent before it.
    """

    values: Mapping[str, object] | None
    """Values for `{{ }}` in the prompt; without them, the text is sent unchanged."""

    cache: bool
    """Use cached answers (default: True)."""

    replay_only: bool
    """Answer from the tape, or fail."""

    logprobs: int | None
    """Log probabilities of this many alternatives per token, if the model returns them."""

    api: Api
    """Interface of the service: chat, responses or native (default: the service's usual one)."""

    quant: Quant
    """Quantization of local weights: int8, int4 or none."""

    dtype: Dtype
    """Number type of local weights: float32, bfloat16 or float16."""


@functools.cache
def key_docs(table: type) -> dict[str, str]:
    """The description of each key of a TypedDict: the text below it, in the order of the keys.

    Args:
        table: A TypedDict. Keys it inherits come first.

    Returns:
        The text of each key, with its indentation removed. A key without a text is left out.

    >>> key_docs(CallOptions)["system"]
    'System prompt.'
    """
    module = sys.modules[table.__module__]
    body = next(n for n in ast.parse(inspect.getsource(module)).body if isinstance(n, ast.ClassDef) and n.name == table.__name__)
    found: dict[str, str] = {}
    for base in body.bases:
        if isinstance(base, ast.Name) and base.id != "TypedDict":
            found |= key_docs(getattr(module, base.id))
    for key, text in pairwise(body.body):
        if isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name) and isinstance(text, ast.Expr):
            if isinstance(text.value, ast.Constant) and isinstance(text.value.value, str):
                found[key.target.id] = inspect.cleandoc(text.value.value)
    return found


@functools.cache
def key_types(table: type) -> dict[str, object]:
    """The types of the keys of a TypedDict, including inherited ones.

    >>> key_types(CallOptions)["cache"]
    <class 'bool'>
    """
    return get_type_hints(table)


class NotGiven:
    """Placeholder for the default of an option in a signature: the function's own default."""

    def __init__(self, table: type, name: str):
        self.table = table
        self.name = name  # of the parameter that takes all options

    def __repr__(self) -> str:
        return "..."


Function = TypeVar("Function", bound=Callable[..., Any])


def with_options(table: type) -> Callable[[Function], Function]:
    """Add the options to a function's signature, for `help`, `?` and completion in notebooks.

    Args:
        table: The TypedDict of the function's `**options`.

    Returns:
        A decorator. The function stays the same object; only its `inspect.signature` changes.

    >>> @with_options(CallOptions)
    ... def answer(prompt, **options): ...
    >>> str(inspect.signature(answer))[:58]
    "(prompt, *, system: 'str | None' = ..., temperature: 'floa"
    """

    def spell(function: Function) -> Function:
        signature = inspect.signature(function)
        *own, options = signature.parameters.values()
        unset = NotGiven(table, options.name)
        keys = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=unset, annotation=getattr(kind, "__forward_arg__", kind))
            for key, kind in table.__annotations__.items()
        ]
        function.__signature__ = signature.replace(parameters=[*own, *keys])  # type: ignore[attr-defined]
        return function

    return spell


def short_signature(function: Callable[..., object]) -> inspect.Signature:
    """A signature with `**options` in place of the individual options.

    >>> @with_options(CallOptions)
    ... def answer(prompt, **options): ...
    >>> str(short_signature(answer))
    "(prompt, **options: 'CallOptions')"
    """
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if not isinstance(p.default, NotGiven)]
    unset = next((p.default for p in signature.parameters.values() if isinstance(p.default, NotGiven)), None)
    if unset is None:
        return signature
    options = inspect.Parameter(unset.name, inspect.Parameter.VAR_KEYWORD, annotation=unset.table.__name__)
    return signature.replace(parameters=[*own, options])
