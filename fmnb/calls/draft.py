"""A prompt that is still being typed: prepared as far as that has no side effects.

Reading a value is harmless and shows at once what will be sent. A call in `{{ }}` may do
anything, so it waits until the prompt is really asked, or until a preview is asked for.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..core.errors import PromptError
from ..core.types import Text
from ..prompts import template
from ..prompts.rendered import Rendered
from .call import Options, PreparedCall
from .prepare import prepare

_PURE_FUNCTIONS = ("schema", "len", "str", "int", "float", "round", "sum", "min", "max", "sorted", "repr", "list", "type")


def draft(prompt: str, model: Any, options: Options) -> tuple[PreparedCall, tuple[str, ...]]:
    """The call without the results of the notebook's functions, and the expressions that call them.

    If there are such expressions, the call has the prompt as typed. Raises PromptError for an
    undefined name, and the errors of `prepare`.

    >>> asked, waiting = draft("{{ city }} {{ ask() }}", "echo:", Options(values={"city": "Oslo", "ask": input}))
    >>> asked.call.request.messages[-1].text, waiting
    ('{{ city }} {{ ask() }}', ('ask()',))
    """
    options = replace(options, dry_run=True)
    texts = [t for t in (prompt, options.system or "") if options.values is not None]
    waiting = tuple(dict.fromkeys(w for text in texts for w in calls(text, options.values or {})))
    if not waiting:
        return prepare(prompt, model, options), ()
    for text in texts:
        _check_names(text, options.values or {})
    head = f"{options.system}\n\n" if options.system and not any(m.role == "system" for m in options.history) else ""
    return prepare(Rendered((Text(head + prompt),)), model, replace(options, system=None)), waiting


def undefined_names(text: str, names: Any) -> list[str]:
    """The names that a template uses and nothing defines; none if it cannot be parsed.

    >>> undefined_names("{{ len(rows) }} {{ nope }}", {"rows": []})
    ['nope']
    """
    try:
        used = template.names_in(template.parse(text))
    except PromptError:
        return []
    return sorted(used - {*names, "schema", *dir(builtins)})


def calls(text: str, names: Any) -> list[str]:
    """The expressions of a template that call something with possible side effects.

    >>> calls("{{ len(rows) }} {{ df.head() }}", {})
    ['df.head()']
    """
    return [e.source for e in _expressions(template.parse(text)) if any(_has_side_effects(n, names) for n in ast.walk(_parsed(e.source)))]


def _has_side_effects(node: ast.AST, names: Any) -> bool:
    if not isinstance(node, (ast.Call, ast.Await)):
        return False
    name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
    return name not in _PURE_FUNCTIONS or name in names


def _expressions(nodes: list[template.Node]) -> Iterator[template.Expression]:
    for node in nodes:
        match node:
            case template.Expression():
                yield node
            case template.For(items=items, body=body, otherwise=otherwise):
                yield items
                yield from _expressions([*body, *otherwise])
            case template.If(branches=branches):
                for test, body in branches:
                    if test is not None:
                        yield test
                    yield from _expressions(body)


def _parsed(source: str) -> ast.AST:
    try:
        return ast.parse(f"(\n{source}\n)", mode="eval")
    except SyntaxError:  # its own parser took it; what this one does not is not called
        return ast.parse("f()", mode="eval")


def _check_names(text: str, names: Any) -> None:
    nodes = template.parse(text)
    for name in undefined_names(text, names):
        at = next(e for e in _expressions(nodes) if name in template.names_of(e))
        raise template.undefined_error(name, at, names)
