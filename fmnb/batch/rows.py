"""Renders a template for each row and makes calls; what is the same for all rows is prepared once.

A column's name in the template is that row's value; notebook variables are available too.
`row` is the whole row, for names that are not Python names, and `notebook` all variables of the
notebook; if a column has one of these names, they are `row_fm` and `notebook_fm`. An empty
cell inserts nothing.
"""

from __future__ import annotations

import builtins
import functools
import hashlib
import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..calls.call import Call, Options, PreparedCall
from ..calls.prepare import cell_key, load_attachments, prepare, replace_surrogates, system_message
from ..calls.sources import Grounding, ground, open_sources
from ..calls.steps.cache import cache_key
from ..core.backend import CONTENT_FREE
from ..core.errors import PromptError, UsageError
from ..core.labels import RowLabels, column_label, join
from ..core.run_ids import new_run
from ..core.sources import Source
from ..core.types import Label, Message, Part, Text
from ..prompts import template
from ..prompts.prompt import Prompt, names, render
from ..prompts.rendered import Rendered
from ..prompts.value_labels import label_of
from ..schemas.spec import SchemaSpec
from .io.tables import Row, free_name, missing
from .model_identity import identity

ROW, NOTEBOOK = "row", "notebook"  # names in a template of the whole row and of all notebook variables


@dataclass(frozen=True)
class RowCalls:
    """How rows become calls. `columns` are the columns to read from the table, in this order."""

    prompt: str
    system: str | None
    columns: tuple[str, ...]
    bases: tuple[PreparedCall, ...]  # one per model
    samples: int
    row_name: str  # the template's name for the whole row, "" if unused
    notebook_values: Mapping[str, Any]  # notebook variables that the template uses
    options: Options  # with attachments that differ by row
    key_suffixes: tuple[str, ...]  # parts of the cache key besides the request, by model
    labels: RowLabels = field(default_factory=lambda: RowLabels({}))
    model_args: tuple[Any, ...] = ()  # the models as passed; a custom model is the object itself
    sources: tuple[Source, ...] = ()  # searched for each row

    @property
    def spec(self) -> SchemaSpec | None:
        """The schema of structured answers, or None."""
        return self.bases[0].spec

    @property
    def label(self) -> Label | None:
        """The label of everything that the prompts contain: columns and notebook variables."""
        return join([*(self.labels.get(c) for c in self.columns), *map(label_of, self.notebook_values.values())])

    @property
    def models(self) -> tuple[str, ...]:
        """The requested models."""
        return tuple(b.call.target.requested_model for b in self.bases)

    def calls(self, values: Row, number: int, parent: str = "", *, dry_run: bool = False) -> list[tuple[str, Call]]:
        """The calls of one row, each with its cache key, ordered by model and sample.

        In a dry run no source asks a model.

        Raises PromptError if the template cannot be rendered for this row.
        """
        before, parts, scope = self._render(values)
        calls = []
        for base, suffix in zip(self.bases, self.key_suffixes, strict=True):
            base_request = base.call.request
            lead = self._attachments(scope, base.call.target.local) if self.options.attach else base_request.messages[-1].parts[:-1]
            grounding = self._ground(parts, base, dry_run) if self.sources else None
            passages = (grounding.part,) if grounding else ()
            messages = (*before, *base_request.messages[:-1], replace_surrogates(Message("user", (*passages, *lead, *parts))))
            cell = base.call.cell if base.call.tape is None else f"{base.call.cell}:{_row_key(scope, self.columns)}"
            for sample in range(self.samples):
                request = replace(base_request, messages=messages, sample=sample)
                key = request.fingerprint()
                meta = {"row": number, "key": key + suffix} | (grounding.meta if grounding else {})
                neutral = self._content_free if not grounding and base.call.target.local and self.spec is not None else ()
                blank = tuple(replace(request, messages=(*before, *base_request.messages[:-1], m)) for before, m in neutral)
                tape_cell = f"{cell}:{sample}" if sample else cell
                call = replace(
                    base.call, request=request, parent=parent, meta=meta, run=new_run(), neutral=blank, cell=tape_cell, kind="row"
                )
                calls.append((key + suffix, call))
        return calls

    def _ground(self, parts: Sequence[Part], base: PreparedCall, dry_run: bool) -> Grounding:
        """The passages for a row; a source that cannot be searched is an error of that row."""
        try:
            return ground(
                self.sources,
                parts,
                (),
                base.call.target,
                self.options.max_tokens,
                base.call.tape,
                not (dry_run or base.call.tape_only),
                dry_run,
            )
        except UsageError as e:
            raise PromptError(e.message, detail=e.detail, hint=e.hint) from None

    def _attachments(self, scope: dict[str, Any], local: bool) -> list[Part]:
        """The attachments of a row; an unreadable one is an error of that row."""
        attach = self.options.attach if isinstance(self.options.attach, (list, tuple)) else (self.options.attach,)
        present = tuple(a for a in attach if not (isinstance(a, str) and scope.get(a) == ""))  # an empty cell attaches nothing
        try:
            return load_attachments(replace(self.options, values=scope, attach=present), local) if present else []
        except UsageError as e:
            raise PromptError(e.message, detail=e.detail, hint=e.hint) from None

    def _render(self, values: Row) -> tuple[tuple[Message, ...], tuple[Any, ...], dict[str, Any]]:
        """The system message, if any, the parts of the prompt, and the values by name."""
        scope = {**self.notebook_values, **self._scope(values)}
        try:
            parts = render(self.prompt, scope, labels=self.labels).parts
            before = () if self.system is None else (system_message(render(self.system, scope, labels=self.labels)),)
        except PromptError:
            raise
        except UsageError as e:  # a value that no prompt can contain: an error of that row
            raise PromptError(e.message, detail=e.detail, hint=e.hint) from None
        except Exception as e:  # a broken __str__, or a number with more digits than Python writes
            raise PromptError("A value cannot be inserted into the prompt", detail=f"{type(e).__name__}: {e}"[:200]) from None
        return before, parts, scope

    @functools.cached_property
    def _content_free(self) -> tuple[tuple[tuple[Message, ...], Message], ...]:
        """The template with content-free values; empty if it cannot be rendered with them."""
        try:
            rendered = [self._render((nothing,) * len(self.columns)) for nothing in CONTENT_FREE]
        except Exception:  # an expression in the template needs a number, a date, ...
            return ()
        return tuple((before, replace_surrogates(Message("user", parts))) for before, parts, _ in rendered)

    def _scope(self, values: Row) -> dict[str, Any]:
        scope = {n: "" if missing(v) else v for n, v in zip(self.columns, values, strict=True)}
        if self.row_name:
            scope[self.row_name] = _RowDict(scope)
        return scope


def _row_key(scope: Mapping[str, Any], columns: Sequence[str]) -> str:
    """Identifies a row on a tape by its values, so that its earlier answer is found as a stale one."""
    values = repr([scope[c] for c in columns])
    return hashlib.sha256(values.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _RowDict(dict[str, Any]):
    """A row by column names; a column whose name is a number can be read by that number too."""

    def __missing__(self, key: Any) -> Any:
        if not isinstance(key, str) and str(key) in self:
            return self[str(key)]
        raise KeyError(key)


def prepare_rows(
    prompt: Any,
    models: Sequence[Any],
    options: Options,
    columns: Sequence[str],
    samples: int = 1,
    attributes: Mapping[str, Any] | None = None,
) -> RowCalls:
    """Prepare what is the same for all rows. Nothing is sent. `attributes` are the `attrs` of a DataFrame.

    Raises UsageError if a name is both a column and a notebook variable, or if no column is used;
    PromptError for a name that is neither; and whatever `prepare` raises.
    """
    if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
        raise UsageError("samples must be a whole number of at least 1", detail=repr(samples))
    check_prompt(prompt)
    for m in models:
        if hasattr(m, "columns") or hasattr(m, "__array__") or (isinstance(m, (list, tuple, dict)) and m):
            raise UsageError(
                "A table was passed as the model", detail=type(m).__name__, hint="Pass the table with --over (over= in Python)."
            )
    if not str(prompt).strip() and not options.attach:
        raise UsageError("The prompt is empty", hint="Write what to ask about each row.")
    system = options.system if options.system is not None else (prompt.system or None if isinstance(prompt, Prompt) else None)
    if system is not None and not isinstance(system, str):
        raise UsageError("system must be text", detail=type(system).__name__)
    if not columns:
        raise UsageError("The table is empty", hint="Pass a table with columns; it may have no rows.")
    values: Mapping[str, Any] = options.values or {}
    if not isinstance(values, Mapping):
        raise UsageError("values must be a dict of names", detail=type(values).__name__)
    columns = list(columns)
    row, notebook = free_name(ROW, columns), free_name(NOTEBOOK, columns)
    used = _template_names(prompt, columns, row) | (_template_names(system, columns, row) if system else set())
    attach = options.attach if isinstance(options.attach, (list, tuple)) else (options.attach,)
    by_row = [a for a in attach if isinstance(a, str) and a in columns]
    needed = [c for c in columns if c in used or c in by_row]
    if clash := [c for c in needed if c in values and c in used]:
        name = clash[0]
        raise UsageError(
            f"{name!r} is both a column and a notebook variable",
            hint=f"Write {{{{ {row}[{name!r}] }}}} for the column, or {{{{ {notebook}[{name!r}] }}}} for the variable.",
        )
    row_name = row if row in used else ""  # even if the notebook has a variable `row`, such as one left by a loop
    notebook_values = {n: values[n] for n in used if n in values and n not in columns and n != row_name}
    if notebook in used:
        notebook_values[notebook] = dict(values)
    _check_names(str(prompt), used - set(columns) - set(notebook_values) - {row_name}, columns, values)
    if not needed and not row_name:
        raise UsageError(
            "The prompt uses no column of the table, so every row would send the same request",
            detail=", ".join(columns[:8]) + (", ..." if len(columns) > 8 else ""),
            hint=f"Insert one: {{{{ {next((c for c in columns if c.isidentifier()), row)} }}}}.",
        )
    sources = tuple(open_sources(options.sources, values)) if options.sources else ()
    if asking := next((s.name for s in sources if hasattr(s, "preview")), ""):
        raise UsageError(
            "This source asks a model for each prompt, so it does not go with a table of prompts",
            detail=asking,
            hint="Ask it once, with fm.sql or in a cell of its own, and insert what it returns with {{ }}.",
        )
    plain = replace(options, system=None, values=dict(values), attach=() if by_row else options.attach, sources=())
    cell = replace(options, system=system)
    bases = []
    for m in models or (None,):
        prepared = prepare(Rendered((Text("-"),)), m, plain)
        prepared.call = replace(prepared.call, cell=cell_key(prompt, prepared.call.target.name, cell))
        bases.append(prepared)
    requested = [b.call.target.requested_model for b in bases]
    if duplicate := next((m for m in requested if requested.count(m) > 1), ""):
        raise UsageError("A model is named twice", detail=duplicate)
    column_labels = {c: column_label(attributes or {}, [c]) for c in columns}
    if row_name:
        column_labels[row_name] = column_label(attributes or {}, columns)
    return RowCalls(
        prompt=str(prompt),
        system=system,
        columns=tuple(c for c in columns if c in needed or columns.count(c) == 1) if row_name else tuple(needed),
        bases=tuple(bases),
        samples=samples,
        row_name=row_name,
        notebook_values=notebook_values,
        labels=RowLabels(column_labels),
        options=replace(plain, attach=tuple(attach) if by_row else ()),
        sources=sources,
        model_args=tuple(_model_arg(m, b, values) for m, b in zip(models or (None,), bases, strict=True)),
        key_suffixes=tuple(_key_suffix(b.call, m, values) for b, m in zip(bases, models or (None,), strict=True)),
    )


def _model_arg(model: Any, base: PreparedCall, values: Mapping[str, Any]) -> Any:
    """The model as another process can use it: its full name, or the object itself."""
    if base.call.target.known:
        return base.call.target.name
    return values[model] if isinstance(model, str) else model


def _key_suffix(call: Call, model: Any, values: Mapping[str, Any]) -> str:
    """What the cache key has besides the request: the file of local weights, or a custom model's identity."""
    if not call.target.known:
        thing = values.get(model, model) if isinstance(model, str) else model
        return f":{identity(thing)}"
    if call.tape is not None or call.tape_only:
        return ""  # a replay needs no model
    return cache_key(call)[len(call.request.fingerprint()) :]


def check_prompt(prompt: Any) -> None:
    """Refuse a prompt that is not text: it is easily swapped with the table."""
    if not isinstance(prompt, (str, Prompt)):
        raise UsageError(
            "The prompt must be text",
            detail=type(prompt).__name__,
            hint="Pass the prompt, a str or fm.Prompt, first and the table second.",
        )


def _template_names(text: Any, columns: Sequence[str], row: str) -> set[str]:
    """The names a template uses. A column that is not a Python name gets a hint: use `row[...]`."""
    try:
        return names(text)
    except PromptError as e:
        for c in columns:
            if (not c.isidentifier() or keyword.iskeyword(c)) and re.search(r"\{\{\s*" + re.escape(c) + r"\s*\}\}", str(text)):
                e.hint = f"{c} is a column, but not a Python name: write {{{{ {row}[{c!r}] }}}}."
        raise


def _check_names(text: str, undefined: set[str], columns: Sequence[str], values: Mapping[str, Any]) -> None:
    """Raise for an undefined name before the first row: it would fail in every row."""
    undefined = {n for n in undefined if not hasattr(builtins, n) and n != "schema"}
    for name in sorted(undefined):
        for node in _expressions(template.parse(text)):
            if name in template.names_of(node):
                e = template.undefined_error(name, node, dict.fromkeys([*columns, *values]))
                if "Did you mean" not in e.hint:
                    e.hint = f"The table's columns are {', '.join(columns[:8])}{', ...' if len(columns) > 8 else ''}. {e.hint}"
                raise e
    if undefined:
        raise PromptError(
            "The system prompt uses a name that is not defined", detail=min(undefined), hint=f"Columns: {', '.join(columns[:8])}."
        )


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
