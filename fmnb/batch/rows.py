"""A row and a template become calls: what is the same for all rows is prepared once.

A column's name in the template is that row's value; notebook names are there too. `row` is
the whole row (`row_fm` where a column is called so), for names that are no Python names, and
`notebook` all names of the notebook; an empty cell inserts nothing.
"""

from __future__ import annotations

import builtins
import functools
import hashlib
import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..calls.call import Call, Options, PreparedCall
from ..calls.prepare import cell_key, load_attachments, prepare, replace_surrogates
from ..calls.steps.cache import cache_key
from ..core.backend import CONTENT_FREE
from ..core.errors import PromptError, UsageError
from ..core.run_ids import new_run
from ..core.types import Message, Part, Text, message
from ..prompts import template
from ..prompts.prompt import Prompt, Rendered, names, render
from ..schemas.spec import SchemaSpec
from .io.tables import Row, free_name, missing
from .model_identity import identity

ROW, NOTEBOOK = "row", "notebook"  # what the whole row and the notebook's names are called in a template


@dataclass(frozen=True)
class Rows:
    """How rows become calls. `columns` are those that must be taken from the table, in this order."""

    prompt: str
    system: str | None
    columns: tuple[str, ...]
    bases: tuple[PreparedCall, ...]  # one a model
    samples: int
    whole: str  # what the template calls the whole row, if it says so
    around: Mapping[str, Any]  # the notebook's names that the template uses
    options: Options  # with what is attached row by row
    suffixes: tuple[str, ...]  # what decides a model's answers beside the request
    given: tuple[Any, ...] = ()  # the models as they were given, an object of the notebook itself

    @property
    def spec(self) -> SchemaSpec | None:
        """The schema, if answers are structured."""
        return self.bases[0].spec

    @property
    def models(self) -> tuple[str, ...]:
        """The models as they were asked for."""
        return tuple(b.call.target.requested_model for b in self.bases)

    def calls(self, values: Row, number: int, parent: str = "") -> list[tuple[str, Call]]:
        """The calls of one row, model after model with their samples, each after its key: what decides its answer.

        Raises PromptError when the template cannot be filled from this row.
        """
        before, parts, scope = self._filled(values)
        made = []
        for base, suffix in zip(self.bases, self.suffixes, strict=True):
            asked = base.call.request
            lead = self._attached(scope, base.call.target.local) if self.options.attach else asked.messages[-1].parts[:-1]
            messages = (*before, *asked.messages[:-1], replace_surrogates(Message("user", (*lead, *parts))))
            cell = base.call.cell if base.call.tape is None else f"{base.call.cell}:{_row_key(scope, self.columns)}"
            for sample in range(self.samples):
                request = replace(asked, messages=messages, sample=sample)
                key = request.fingerprint()
                meta = {"row": number, "key": key + suffix}
                neutral = self._neutral if base.call.target.local and self.spec is not None else ()
                blank = tuple(replace(request, messages=(*before, *asked.messages[:-1], m)) for before, m in neutral)
                place = f"{cell}:{sample}" if sample else cell
                call = replace(base.call, request=request, parent=parent, meta=meta, run=new_run(), neutral=blank, cell=place, kind="row")
                made.append((key + suffix, call))
        return made

    def _attached(self, scope: dict[str, Any], local: bool) -> list[Part]:
        """What a row attaches; what cannot be read is that row's error."""
        given = self.options.attach if isinstance(self.options.attach, (list, tuple)) else (self.options.attach,)
        there = tuple(a for a in given if not (isinstance(a, str) and scope.get(a) == ""))  # an empty cell attaches nothing
        try:
            return load_attachments(replace(self.options, values=scope, attach=there), local) if there else []
        except UsageError as e:
            raise PromptError(e.message, detail=e.detail, hint=e.hint) from None

    def _filled(self, values: Row) -> tuple[tuple[Message, ...], tuple[Any, ...], dict[str, Any]]:
        """The system message, if any, and the parts of the prompt, with a row's values in them; and those by name."""
        scope = {**self.around, **self._scope(values)}
        try:
            parts = render(self.prompt, scope).parts
            before = () if self.system is None else (replace_surrogates(message("system", render(self.system, scope).text)),)
        except PromptError:
            raise
        except UsageError as e:  # a cell that no prompt can hold: that row's error
            raise PromptError(e.message, detail=e.detail, hint=e.hint) from None
        except Exception as e:  # somebody else's __str__, a number of more digits than Python writes
            raise PromptError("A cell cannot be put into the prompt", detail=f"{type(e).__name__}: {e}"[:200]) from None
        return before, parts, scope

    @functools.cached_property
    def _neutral(self) -> tuple[tuple[tuple[Message, ...], Message], ...]:
        """The template with nothing in it, system and prompt; none where it cannot be filled with words."""
        try:
            filled = [self._filled((nothing,) * len(self.columns)) for nothing in CONTENT_FREE]
        except Exception:  # an expression in the template that wants a number, a date, ...
            return ()
        return tuple((before, replace_surrogates(Message("user", parts))) for before, parts, _ in filled)

    def _scope(self, values: Row) -> dict[str, Any]:
        found = {n: "" if missing(v) else v for n, v in zip(self.columns, values, strict=True)}
        if self.whole:
            found[self.whole] = _Whole(found)
        return found


def _row_key(scope: Mapping[str, Any], columns: Sequence[str]) -> str:
    """Identifies a row on a tape by its own values: where the notebook's have changed, its earlier answer may stand in for a new one."""
    values = repr([scope[c] for c in columns])
    return hashlib.sha256(values.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _Whole(dict[str, Any]):
    """A row by its columns' names; a column that is called by a number answers to that, too."""

    def __missing__(self, key: Any) -> Any:
        if not isinstance(key, str) and str(key) in self:
            return self[str(key)]
        raise KeyError(key)


def rows_of(prompt: Any, models: Sequence[Any], options: Options, columns: Sequence[str], samples: int = 1) -> Rows:
    """What is the same for all rows. Nothing is sent.

    Raises UsageError where a name is both a column and the notebook's, where no column is
    used, PromptError for a name that is neither, and whatever `prepare` refuses.
    """
    if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
        raise UsageError("samples is a whole number from 1 on", detail=repr(samples))
    check_prompt(prompt)
    for m in models:
        if hasattr(m, "columns") or hasattr(m, "__array__") or (isinstance(m, (list, tuple, dict)) and m):
            raise UsageError(
                "A table stands where a model is named", detail=type(m).__name__, hint="The table goes behind --over (over= in Python)."
            )
    if not str(prompt).strip() and not options.attach:
        raise UsageError("The prompt is empty", hint="Write what you want to ask about each row.")
    system = options.system if options.system is not None else (prompt.system or None if isinstance(prompt, Prompt) else None)
    if system is not None and not isinstance(system, str):
        raise UsageError("system is text", detail=type(system).__name__)
    if not columns:
        raise UsageError("The table is empty", hint="Give one with columns; it may have no rows.")
    values: Mapping[str, Any] = options.values or {}
    if not isinstance(values, Mapping):
        raise UsageError("values is a dict of names", detail=type(values).__name__)
    columns = list(columns)
    row, notebook = free_name(ROW, columns), free_name(NOTEBOOK, columns)
    used = _names(prompt, columns, row) | (_names(system, columns, row) if system else set())
    attach = options.attach if isinstance(options.attach, (list, tuple)) else (options.attach,)
    by_row = [a for a in attach if isinstance(a, str) and a in columns]
    wanted = [c for c in columns if c in used or c in by_row]
    if clash := [c for c in wanted if c in values and c in used]:
        name = clash[0]
        raise UsageError(
            f"{name!r} is a column and a name of the notebook",
            hint=f"Write {{{{ {row}[{name!r}] }}}} for the column, or {{{{ {notebook}[{name!r}] }}}} for the notebook's.",
        )
    whole = row if row in used else ""  # also where the notebook has a `row`: a loop leaves one behind
    around = {n: values[n] for n in used if n in values and n not in columns and n != whole}
    if notebook in used:
        around[notebook] = dict(values)
    _check_names(str(prompt), used - set(columns) - set(around) - {whole}, columns, values)
    if not wanted and not whole:
        raise UsageError(
            "The prompt uses no column of the table, so every row would ask the same",
            detail=", ".join(columns[:8]) + (", ..." if len(columns) > 8 else ""),
            hint=f"Insert one: {{{{ {next((c for c in columns if c.isidentifier()), row)} }}}}.",
        )
    plain = replace(options, system=None, values=dict(values), attach=() if by_row else options.attach)
    cell = replace(options, system=system)
    bases = []
    for m in models or (None,):
        asked = prepare(Rendered((Text("-"),)), m, plain)
        asked.call = replace(asked.call, cell=cell_key(prompt, asked.call.target.name, cell))
        bases.append(asked)
    asked_for = [b.call.target.requested_model for b in bases]
    if twice := next((m for m in asked_for if asked_for.count(m) > 1), ""):
        raise UsageError("A model is named twice", detail=twice)
    return Rows(
        prompt=str(prompt),
        system=system,
        columns=tuple(c for c in columns if c in wanted or columns.count(c) == 1) if whole else tuple(wanted),
        bases=tuple(bases),
        samples=samples,
        whole=whole,
        around=around,
        options=replace(plain, attach=tuple(attach) if by_row else ()),
        given=tuple(_given(m, b, values) for m, b in zip(models or (None,), bases, strict=True)),
        suffixes=tuple(_suffix(b.call, m, values) for b, m in zip(bases, models or (None,), strict=True)),
    )


def _given(model: Any, base: PreparedCall, values: Mapping[str, Any]) -> Any:
    """The model as another process can be told of it: by its full name, or the object itself."""
    if base.call.target.known:
        return base.call.target.name
    return values[model] if isinstance(model, str) else model


def _suffix(call: Call, model: Any, values: Mapping[str, Any]) -> str:
    """What decides an answer beside the request: which file weights on this machine are, what an object of the notebook is."""
    if not call.target.known:
        thing = values.get(model, model) if isinstance(model, str) else model
        return f":{identity(thing)}"
    if call.tape is not None or call.tape_only:
        return ""  # a replay needs no model
    return cache_key(call)[len(call.request.fingerprint()) :]


def check_prompt(prompt: Any) -> None:
    """A prompt and a table change places easily."""
    if not isinstance(prompt, (str, Prompt)):
        raise UsageError(
            "A prompt over a table is text",
            detail=type(prompt).__name__,
            hint="The prompt, a str or fm.Prompt, comes first; the table second.",
        )


def _names(text: Any, columns: Sequence[str], row: str) -> set[str]:
    """The names a template uses. A column whose name is no Python name is told how to be named: as one of `row`, the whole row."""
    try:
        return names(text)
    except PromptError as e:
        for c in columns:
            if (not c.isidentifier() or keyword.iskeyword(c)) and re.search(r"\{\{\s*" + re.escape(c) + r"\s*\}\}", str(text)):
                e.hint = f"{c} is a column, but no Python name: write {{{{ {row}[{c!r}] }}}}."
        raise


def _check_names(text: str, odd: set[str], columns: Sequence[str], values: Mapping[str, Any]) -> None:
    """An undefined name would fail in every row: it fails before the first."""
    odd = {n for n in odd if not hasattr(builtins, n) and n != "schema"}
    for name in sorted(odd):
        for node in _expressions(template.parse(text)):
            if name in template.names_of(node):
                e = template.undefined_error(name, node, dict.fromkeys([*columns, *values]))
                if "Did you mean" not in e.hint:
                    e.hint = f"The table's columns are {', '.join(columns[:8])}{', ...' if len(columns) > 8 else ''}. {e.hint}"
                raise e
    if odd:
        raise PromptError("The system prompt uses a name that is not defined", detail=min(odd), hint=f"Columns: {', '.join(columns[:8])}.")


def _expressions(nodes: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for node in nodes:
        if isinstance(node, template.Expression):
            found.append(node)
        elif isinstance(node, template.If):
            for test, body in node.branches:
                found += ([test] if test else []) + _expressions(body)
        elif isinstance(node, template.For):
            found += [node.items, *_expressions(node.body), *_expressions(node.otherwise)]
    return found
