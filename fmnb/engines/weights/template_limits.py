"""A sandbox for chat templates that also bounds their memory and time.

A template comes with the weights, and nobody has read it. Jinja's sandbox keeps it away from
Python; here, the strings and lists that one rendering makes are bounded together by `MAX_ITEMS`,
and its calls and turns of loops by `MAX_STEPS`, so that a few lines cannot fill the memory or run
without end.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Sized
from typing import Any

from jinja2 import Template, TemplateError, nodes
from jinja2.compiler import CodeGenerator
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_ITEMS = 200_000_000  # characters and list items that one rendering may make; a long conversation makes a few million
MAX_STEPS = 10_000_000  # calls and turns of loops of one rendering, which take some seconds; a long conversation takes some thousands
_made = threading.local()
_WIDTH = re.compile(r"\d{6,}")
_PADDING = ("ljust", "rjust", "center", "zfill", "expandtabs")
_PADDING_FILTERS = ("center", "indent", "format")
_NO_FILTERS = ("batch", "slice", "urlize", "wordwrap", "xmlattr", "pprint")  # for web pages, and without bounds


class TemplateTooLargeError(TemplateError):
    """The template makes more text than a model could read, or does not end."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or f"it makes more than {MAX_ITEMS:,} characters")


def render_limited(template: Template, **values: Any) -> str:
    """Render a template of a LimitedEnvironment.

    Raises TemplateError if the template raises one, or makes too much text.

    >>> render_limited(LimitedEnvironment().from_string("{{ 'ab' * 2 }}"))
    'abab'
    """
    _made.items = _made.steps = 0
    parts = []
    for part in template.generate(**values):
        _count(len(part))
        parts.append(part)
    return "".join(parts)


class _Generator(CodeGenerator):
    def visit_Concat(self, node: nodes.Concat, frame: Any) -> None:
        """`a ~ b`, through a function that knows the limit."""
        self.write("environment.join_limited((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def visit_For(self, node: nodes.For, frame: Any) -> None:
        """A loop, over something whose items are counted."""
        count = nodes.EnvironmentAttribute("count_turns")
        node.iter = nodes.Call(count, [node.iter], [], None, None).set_lineno(node.lineno).set_environment(self.environment)
        super().visit_For(node, frame)


class GenerationTag(Extension):
    """`{% generation %}`, with which templates of transformers mark an answer: its content."""

    tags = {"generation"}

    def parse(self, parser: Any) -> Any:
        """The nodes between the tags."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class LimitedEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's immutable sandbox, with limits on the strings and loops of a template."""

    code_generator_class = _Generator
    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.filters["join"] = _limited_join(self.filters["join"])
        self.filters["replace"] = _limited_replace(self.filters["replace"])
        for name in _PADDING_FILTERS:
            self.filters[name] = _limited_padding(self.filters[name])
        for name in _NO_FILTERS:
            del self.filters[name]

    def count_turns(self, items: Any) -> Any:
        """What a loop iterates over, its items counted as steps."""
        if isinstance(items, Sized):
            _step(len(items))
            return items
        return _counting(items)

    def join_limited(self, parts: Iterable[Any]) -> str:
        """Concatenate, within the limit."""
        texts = [str(p) for p in parts]
        _count(sum(map(len, texts)))
        return "".join(texts)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """`+`, `*`, `**` and `%` of the template."""
        if operator == "+" and isinstance(left, (str, list, tuple)) and isinstance(right, (str, list, tuple)):
            _count(len(left) + len(right))
        elif operator == "*":
            for text, times in ((left, right), (right, left)):
                if isinstance(text, (str, list, tuple)) and isinstance(times, int):
                    _count(len(text) * max(0, times))
                elif isinstance(text, int) and isinstance(times, int):
                    _count(text.bit_length() + times.bit_length())
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            _count(left.bit_length() * max(0, right))
        elif operator == "%" and isinstance(left, str) and (_WIDTH.search(left) or "*" in left):
            raise TemplateTooLargeError
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Calls, counted as steps, and those of a string's methods that make it longer."""
        _step(1)
        text = getattr(obj, "__self__", None)
        name = getattr(obj, "__name__", "")
        if isinstance(text, str):
            numbers = [v for v in (*args, *kwargs.values()) if isinstance(v, int)]
            if name in _PADDING:
                _count(len(text) * (max(numbers, default=8) if name == "expandtabs" else 1) + max(numbers, default=0))
            elif name == "replace" and len(args) >= 2:
                _count_replace(text, str(args[0]), str(args[1]))
            elif name == "join" and args:
                args = (list(args[0]),)
                _count(sum(len(str(v)) for v in args[0]) + len(text) * len(args[0]))
            elif name == "translate":
                raise TemplateTooLargeError
        result = super().call(context, obj, *args, **kwargs)
        if isinstance(result, str):  # a macro calls others
            _count(len(result))
        return result

    def wrap_str_format(self, value: Any) -> Any:
        """`str.format` and `str.format_map`, in Jinja's sandbox and without wide fields."""
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None
        text = value.__self__

        def format_limited(*args: Any, **kwargs: Any) -> Any:
            if _WIDTH.search(text) or re.search(r"\{[^{}]*:[^{}]*\{", text):  # a field whose width is another field
                raise TemplateTooLargeError
            longest = max((len(str(v)) for v in (*args, *kwargs.values())), default=0)
            _count(len(text) + text.count("{") * longest)
            return wrapped(*args, **kwargs)

        return format_limited


def _count(size: int) -> None:
    """Count what is about to be made."""
    _made.items = getattr(_made, "items", 0) + size
    if _made.items > MAX_ITEMS:
        raise TemplateTooLargeError


def _step(count: int) -> None:
    _made.steps = getattr(_made, "steps", 0) + count
    if _made.steps > MAX_STEPS:
        raise TemplateTooLargeError(f"it takes more than {MAX_STEPS:,} steps")


def _counting(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        _step(1)
        yield item


def _count_replace(text: str, old: str, new: str) -> None:
    count = text.count(old)
    _count(len(text) + count * max(0, len(new) - len(old)))


def _limited_join(original: Any) -> Any:
    def join(eval_ctx: Any, value: Any, d: str = "", attribute: Any = None) -> Any:
        values = list(value)
        if attribute is None:
            _count(sum(len(str(v)) for v in values) + len(str(d)) * len(values))
        else:
            _count(len(str(d)) * len(values))
        return original(eval_ctx, values, d, attribute)

    return _marked_like(original, join)


def _limited_replace(original: Any) -> Any:
    def replace(eval_ctx: Any, s: Any, old: Any, new: Any, count: Any = None) -> Any:
        _count_replace(str(s), str(old), str(new))
        return original(eval_ctx, s, old, new, count)

    return _marked_like(original, replace)


def _limited_padding(original: Any) -> Any:
    def pad(*args: Any, **kwargs: Any) -> Any:
        values = (*args, *kwargs.values())
        lines = max((v.count("\n") + 1 for v in values if isinstance(v, str)), default=1)
        _count(lines * max((v for v in values if isinstance(v, int)), default=0))
        if any(isinstance(v, str) and _WIDTH.search(v) and "%" in v for v in values):
            raise TemplateTooLargeError
        return original(*args, **kwargs)

    return _marked_like(original, pad)


def _marked_like(original: Any, wrapper: Any) -> Any:
    """Jinja passes the environment or the evaluation context to filters that carry a mark."""
    for name, value in vars(original).items():
        if name.startswith("jinja") or name.startswith("_"):
            setattr(wrapper, name, value)
    return wrapper
