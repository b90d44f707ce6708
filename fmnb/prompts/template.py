"""The template language: text with `{{ expression }}` and six statements, parsed to a tree.

How values are converted to text is decided in `prompt.py`. An expression ends at the first `}}`
before which the source compiles as Python. Everything else (Handlebars blocks, LaTeX groups, GitHub
expressions) is text.
"""

from __future__ import annotations

import ast
import builtins
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import CodeType
from typing import Any, Protocol

from ..core.errors import PromptError

RAW_HINT = "To send braces as typed, write {{{{ for {{, or use --raw for the whole cell."

_MARK = re.compile(r"\{\{|\{%[ \t]*(for|if|elif|else|endfor|endif)\b([^\n]*?)%\}")
_HANDLEBARS = re.compile(r"\s*(?:[#/>!^&@~*\\]|else\b)")
_GITHUB = re.compile(
    r"\b(?:github|env|vars|jobs?|steps|runner|secrets|strategy|matrix|needs|inputs)\s*[.\[]"
    r"|\b(?:contains|startsWith|endsWith|format|join|toJSON|fromJSON|hashFiles|success|always|cancelled|failure)\s*\("
)
_OBJECT = re.compile(r"\s*[\w\"'$-]+\s*:")  # JSX: style={{color: "red"}}
_TRIES = 60  # maximum number of `}}` inside one expression


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression and its position: offset in the template, line and column from 1."""

    source: str
    code: CodeType
    start: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class For:
    """`{% for target in items %}`; `otherwise` is used for no items."""

    target: str
    assign: CodeType
    items: Expression
    body: list[Node]
    otherwise: list[Node]


@dataclass(frozen=True, slots=True)
class If:
    """The branches in order; a test of None is `{% else %}`."""

    branches: list[tuple[Expression | None, list[Node]]]


Node = str | Expression | For | If


@functools.lru_cache(maxsize=64)  # a template over rows is parsed once
def parse(text: str) -> list[Node]:
    """Parse a template to a tree, which must not be changed. Raises PromptError with line and column."""
    return _Parser(text).parse()


class Output(Protocol):
    """Receives what `walk` finds."""

    def text(self, text: str, /) -> None:
        """Text of the template."""

    def insert(self, expression: Expression, value: Any, /) -> None:
        """An expression and its value."""

    def test(self, expression: Expression, value: Any, /) -> None:
        """A condition and its value."""

    def loop(self, items: Expression, value: Any, names: set[str], /) -> None:
        """A loop that binds these names to the items of a value begins."""


def walk(nodes: list[Node], scope: dict[str, Any], output: Output) -> None:
    """Walk the tree and evaluate its expressions in a scope."""
    for node in nodes:
        if isinstance(node, str):
            output.text(node)
        elif isinstance(node, Expression):
            output.insert(node, evaluate(node, scope))
        elif isinstance(node, If):
            for test, body in node.branches:
                if test is None or _is_true(test, scope, output):
                    walk(body, scope, output)
                    break
        else:
            _loop(node, scope, output)


def evaluate(expression: Expression, scope: dict[str, Any]) -> Any:
    """Evaluate one expression; any exception becomes a PromptError."""
    try:
        return eval(expression.code, scope)  # the user's code in the user's notebook
    except NameError as e:
        if e.name and e.name in names_of(expression) and e.name not in scope and not hasattr(builtins, e.name):
            raise undefined_error(e.name, expression, scope) from None
        raise _evaluation_error(expression, e) from e
    except Exception as e:
        raise _evaluation_error(expression, e) from e


def undefined_error(name: str, at: Expression, scope: Mapping[str, Any]) -> PromptError:
    """The error for an undefined name, with similar names."""
    known = [n for n in scope if isinstance(n, str) and (not n.startswith("_") or name.startswith("_"))]
    near = get_close_matches(name, known, n=3, cutoff=0.6)
    if not near:
        near = [n for n in known if n.lower() == name.lower()][:3]
    line, column = at.line, at.column
    if "\n" not in at.source:
        hit = re.search(rf"(?<![\w.]){re.escape(name)}\b", at.source)
        column += hit.start() if hit else 0
    meant = f"Did you mean {' or '.join(near)}? " if near else f"Run the cell that defines {name} first. "
    return PromptError(f"The prompt uses a name that is not defined (line {line}, column {column})", detail=name, hint=meant + RAW_HINT)


def names_of(expression: Expression) -> frozenset[str]:
    """The free names of an expression, without names bound by comprehensions and lambdas."""
    return _free(expression.source)


def names_bound(expression: Expression) -> frozenset[str]:
    """Names that an expression binds with `:=`; later expressions can use them."""
    return _bound(expression.source) if ":=" in expression.source else frozenset()


def names_in(nodes: list[Node]) -> set[str]:
    """The free names of a tree; loop variables are free only outside their loop, names of `:=` nowhere."""
    return _names_in(nodes) - _all_bound(nodes)


def _names_in(nodes: list[Node]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, Expression):
            found |= names_of(node)
        elif isinstance(node, If):
            for test, body in node.branches:
                found |= (names_of(test) if test else frozenset()) | _names_in(body)
        elif isinstance(node, For):
            bound = _targets(node.target)
            found |= names_of(node.items) | (_names_in(node.body) - bound) | _names_in(node.otherwise)
    return found


def _all_bound(nodes: list[Node]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, Expression):
            found |= names_bound(node)
        elif isinstance(node, If):
            for test, body in node.branches:
                found |= (names_bound(test) if test else frozenset()) | _all_bound(body)
        elif isinstance(node, For):
            found |= names_bound(node.items) | _all_bound(node.body) | _all_bound(node.otherwise)
    return found


class _Parser:
    def __init__(self, text: str):
        self.text = text
        self.root: list[Node] = []
        self.into = self.root  # the list that nodes are appended to
        self.open: list[tuple[str, int, Node, list[Node]]] = []  # keyword, offset, node, enclosing list

    def parse(self) -> list[Node]:
        at = 0
        while hit := _MARK.search(self.text, at):
            if hit[1]:
                start, end = self._own_line(hit)
                if start < at:  # the tag before it has already removed the indentation
                    start = hit.start()
                if self._statement(hit[1], hit[2], hit, at, start):
                    at = end
                else:
                    self._out(self.text[at : hit.end()])
                    at = hit.end()
                continue
            self._out(self.text[at : hit.start()])
            at = self._braces(hit.start())
        self._out(self.text[at:])
        if self.open:
            keyword, start, _, _ = self.open[-1]
            raise self._error(f"A {{% {keyword} %}} is never closed", start, f"Add {{% end{keyword} %}}. {RAW_HINT}")
        return self.root

    def _out(self, text: str) -> None:
        if text:
            self.into.append(text)

    def _braces(self, start: int) -> int:
        """Handle `{{` at `start`; returns the offset to continue at."""
        text = self.text
        if text.startswith("{{{{", start):
            self._out("{{")
            return start + 4
        if text.startswith("{{{", start):  # Handlebars' raw value, LaTeX groups
            self._out("{{{")
            return start + 3
        inside = start + 2
        first = text.find("}}", inside)
        content = text[inside:first] if first >= 0 else ""
        before = text[start - 1 : start]
        if first < 0:
            if text[inside : inside + 1].isspace() and text[inside:].strip():
                raise self._error("A {{ is never closed", start, f"Add }}}} after the expression. {RAW_HINT}")
        elif content.strip() and not _HANDLEBARS.match(content) and not (before == "$" and _GITHUB.search(content)):
            end = first
            problem: SyntaxError | None = None
            for _ in range(_TRIES):
                source = text[inside:end]
                try:
                    self.into.append(self._expression(source, inside))
                    return end + 2
                except SyntaxError as e:
                    problem = problem or e
                end = text.find("}}", end + 1)
                if end < 0:
                    break
            tight = not content[0].isspace()
            if not (tight and (("}" in content) or ("{{" in content) or "\n" in content)) and not (
                before == "=" and _OBJECT.match(content)
            ):
                assert problem is not None
                raise self._error(f"This is not a Python expression ({problem.msg})", start, RAW_HINT, detail="{{" + content + "}}")
        self._out("{{")
        return inside

    def _expression(self, source: str, start: int) -> Expression:
        lead = len(source) - len(source.lstrip())
        line, column = self._place(start + lead)
        return Expression(source.strip(), _compile(source.strip()), start, line, column)

    def _statement(self, word: str, rest: str, hit: re.Match[str], at: int, start: int) -> bool:
        """Open, continue or close a block; False if the tag is not a statement and stays text."""
        if word in ("else", "endfor", "endif") and rest.strip():
            return False
        self._out(self.text[at:start])
        where = hit.start()
        if word == "for":
            node: Node = self._for(rest, where, hit.start(2))
            self._enter(word, where, node, node.body)  # type: ignore[union-attr]
        elif word == "if":
            body: list[Node] = []
            self._enter(word, where, If([(self._condition(rest, where, hit.start(2)), body)]), body)
        else:
            wanted = {"endfor": "for", "endif": "if", "elif": "if", "else": self.open[-1][0] if self.open else "if"}[word]
            if not self.open or self.open[-1][0] != wanted:
                inside = f"the open block is {{% {self.open[-1][0]} %}}" if self.open else f"no {{% {wanted} %}} is open"
                raise self._error(f"{{% {word} %}} has no matching block: {inside}", where, RAW_HINT)
            _, _, node, outside = self.open[-1]
            if word.startswith("end"):
                self.open.pop()
                self.into = outside
            elif isinstance(node, For):
                self.into = node.otherwise
            else:
                assert isinstance(node, If)
                if node.branches[-1][0] is None:
                    raise self._error(f"{{% {word} %}} comes after {{% else %}}", where, RAW_HINT)
                branch: list[Node] = []
                node.branches.append((None if word == "else" else self._condition(rest, where, hit.start(2)), branch))
                self.into = branch
        return True

    def _enter(self, word: str, where: int, node: Node, body: list[Node]) -> None:
        self.into.append(node)
        self.open.append((word, where, node, self.into))
        self.into = body

    def _condition(self, rest: str, where: int, start: int) -> Expression:
        try:
            return self._expression(rest, start)
        except SyntaxError as e:
            raise self._error(f"This condition is not a Python expression ({e.msg})", where, RAW_HINT, detail=rest.strip()) from None

    def _for(self, rest: str, where: int, start: int) -> For:
        try:
            tree = ast.parse(f"for {rest.strip()}: pass").body
            loop = tree[0]
            if len(tree) != 1 or not isinstance(loop, ast.For) or len(loop.body) != 1:
                raise SyntaxError("not `x in items`")
            target = ast.unparse(loop.target)
            split = re.search(r"\bin\b", rest)
            assert split
            items = self._expression(rest[split.end() :], start + split.end())
            return For(target, compile(f"{target} = {_ITEM}", "<prompt>", "exec"), items, [], [])
        except SyntaxError as e:
            todo = f"Write {{% for name in items %}}. {RAW_HINT}"
            raise self._error(f"This loop cannot be read ({e.msg})", where, todo, detail=rest.strip()) from None

    def _own_line(self, hit: re.Match[str]) -> tuple[int, int]:
        """Remove the line of a statement that is alone on it, so that loops leave no empty lines."""
        text = self.text
        start = text.rfind("\n", 0, hit.start()) + 1
        end = text.find("\n", hit.end())
        end = len(text) if end < 0 else end + 1
        if text[start : hit.start()].strip() or text[hit.end() : end].strip():
            return hit.start(), hit.end()
        return start, end

    def _place(self, at: int) -> tuple[int, int]:
        return self.text.count("\n", 0, at) + 1, at - self.text.rfind("\n", 0, at)

    def _error(self, message: str, at: int, hint: str, detail: str = "") -> PromptError:
        line, column = self._place(at)
        return PromptError(f"{message} (line {line}, column {column})", detail=detail, hint=hint)


_ITEM = "__fmnb_item__"


def _compile(source: str) -> CodeType:
    try:
        tree = ast.parse(source, "<prompt>", "eval")
    except (SyntaxError, ValueError) as e:
        if isinstance(e, SyntaxError) and "\n" in source and (wrapped := _wrapped(source)):
            return compile(wrapped, "<prompt>", "eval")
        raise e if isinstance(e, SyntaxError) else SyntaxError(str(e)) from None
    return compile(tree, "<prompt>", "eval")


def _wrapped(source: str) -> ast.Expression | None:
    """An expression broken over lines, as it could stand in parentheses."""
    try:
        tree = ast.parse(f"(\n{source}\n)", "<prompt>", "eval")
        ast.parse(f"[\n{source}\n]", "<prompt>", "eval")  # `a)(b` closes our bracket and fits only one kind
    except (SyntaxError, ValueError):
        return None
    return tree


@functools.lru_cache(maxsize=256)
def _bound(source: str) -> frozenset[str]:
    tree = _wrapped(source)
    assert tree is not None  # it has been compiled
    return frozenset(n.target.id for n in ast.walk(tree) if isinstance(n, ast.NamedExpr))


@functools.lru_cache(maxsize=256)  # an expression of a template over rows is parsed once
def _free(source: str) -> frozenset[str]:
    """Names that an expression reads and does not bind itself.

    Found in its syntax tree, since symbol tables differ between Python versions.
    """
    tree = _wrapped(source)
    assert tree is not None  # it has been compiled
    found: set[str] = set()
    bound = {n.target.id for n in ast.walk(tree) if isinstance(n, ast.NamedExpr)}
    _read(tree.body, frozenset(bound), found)
    return frozenset(found)


def _read(node: ast.AST, bound: frozenset[str], found: set[str]) -> None:
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load) and node.id not in bound:
            found.add(node.id)
    elif isinstance(node, ast.Lambda):
        a = node.args
        for default in [*a.defaults, *(d for d in a.kw_defaults if d is not None)]:
            _read(default, bound, found)
        names = {x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg)))}
        _read(node.body, bound | names, found)
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        inner = bound
        for part in node.generators:
            _read(part.iter, inner, found)
            inner |= {n.id for n in ast.walk(part.target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            for test in part.ifs:
                _read(test, inner, found)
        for value in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            _read(value, inner, found)
    else:
        for child in ast.iter_child_nodes(node):
            _read(child, bound, found)


def _targets(target: str) -> set[str]:
    return {n.id for n in ast.walk(ast.parse(target)) if isinstance(n, ast.Name)}


def _is_true(test: Expression, scope: dict[str, Any], output: Output) -> bool:
    value = evaluate(test, scope)
    output.test(test, value)
    try:
        return bool(value)
    except Exception as e:  # a DataFrame's truth, say
        raise _evaluation_error(test, e) from e


def _loop(node: For, scope: dict[str, Any], output: Output) -> None:
    names = _targets(node.target)
    hidden = {n: scope[n] for n in names if n in scope}
    items = evaluate(node.items, scope)
    output.loop(node.items, items, names)
    any_item = False
    try:
        for item in items:
            any_item = True
            scope[_ITEM] = item
            exec(node.assign, scope)
            walk(node.body, scope, output)
    except PromptError:
        raise
    except Exception as e:
        raise _evaluation_error(node.items, e) from e
    finally:
        for name in (_ITEM, *names):
            scope.pop(name, None)
        scope.update(hidden)
    if not any_item:
        walk(node.otherwise, scope, output)


def _evaluation_error(at: Expression, error: Exception) -> PromptError:
    detail = str(error).strip().split("\n")[0]
    return PromptError(
        f"An expression in the prompt failed (line {at.line}, column {at.column}): {{{{ {at.source} }}}}",
        detail=f"{type(error).__name__}: {detail}" if detail else type(error).__name__,
        hint="Try the expression in a cell of its own.",
    )
