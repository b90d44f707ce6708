"""The planned answers of a comparison: all combinations of prompts, parameters, models and samples."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from ..calls.call import Options
from ..core.errors import UsageError
from ..prompts.prompt import Prompt

MAX_ANSWERS = 100  # per comparison; use a batch for more


@dataclass(frozen=True)
class GridCell:
    """One planned answer: its prompt, model and options, and what distinguishes it from the others."""

    prompt: Any
    model: Any
    options: Options
    condition: Mapping[str, Any]


def expand_grid(
    prompt: Any,
    models: Sequence[Any],
    options: Options,
    *,
    samples: int = 1,
    vary: Mapping[str, Sequence[Any]] | None = None,
    prompts: Sequence[Any] | Mapping[str, Any] = (),
) -> list[GridCell]:
    """Every combination of prompts, parameters, models and samples; samples vary fastest, then models.

    `vary` maps names of options or raw parameters to values. `prompts` are texts, `fm.Prompt`s or
    names of saved prompts, each placed before the text of `prompt`; the keys of a dict are the
    names that results show. Others show a prompt's name or its variable's.

    >>> [c.condition for c in expand_grid("hi", ["echo:"], Options(), vary={"temperature": [0, 1]})]
    [{'model': 'echo:', 'temperature': 0}, {'model': 'echo:', 'temperature': 1}]
    """
    if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
        raise UsageError("samples must be an integer of at least 1", detail=repr(samples))
    prompts_by_title = {str(name): p for name, p in prompts.items()} if isinstance(prompts, Mapping) else {}
    models, prompts, varied = _as_list("models", models), list(prompts_by_title.values()) or _as_list("prompts", prompts), {}
    if not isinstance(vary or {}, Mapping):
        raise UsageError("vary must be a dict of names and values", detail=repr(vary), hint='vary={"temperature": [0, 0.7]}')
    for name, values in (vary or {}).items():
        varied[name] = _as_list(f"vary[{name!r}]", values)
        if len({repr(v) for v in varied[name]}) < len(varied[name]):
            raise UsageError(f"{name} has the same value twice", detail=repr(values), hint="To repeat a request, use samples.")
    titles = list(prompts_by_title) or [_prompt_title(p, i) for i, p in enumerate(prompts)]
    titled_prompts = [(_prepend(_load_prompt(p), prompt), title) for p, title in zip(prompts, titles, strict=True)] or [(prompt, "")]
    cells = []
    for (cell_prompt, title), values, model in product(titled_prompts, product(*varied.values()), models):
        for sample in range(samples):
            condition: dict[str, Any] = {"model": _model_name(model)}
            if title:
                condition["prompt"] = title
            condition |= (overrides := dict(zip(varied, values, strict=True)))
            if samples > 1:
                condition["sample"] = sample
            cells.append(GridCell(cell_prompt, model, replace(_override(options, overrides), sample=sample), condition))
    if len(cells) > MAX_ANSWERS:
        raise UsageError(
            f"A comparison of {len(cells)} answers is too large", detail=f"at most {MAX_ANSWERS} answers", hint="Vary fewer things at once."
        )
    return cells


def _as_list(name: str, value: Any) -> list[Any]:
    """The value as a list; a string is an error, although it is a sequence."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise UsageError(f"{name} must be a list", detail=repr(value), hint="Put it into brackets: [...].")
    return list(value)


def _override(options: Options, values: Mapping[str, Any]) -> Options:
    """The options with some values replaced; names that are not fields become raw parameters."""
    fields = {
        n: v
        for n, v in values.items()
        if n in Options.__dataclass_fields__ and n not in ("values", "history", "parent", "sample", "params")
    }
    raw = {n: v for n, v in values.items() if n not in fields}
    return replace(options, **fields, params={**options.params, **raw})


def prompts_by_name(names: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Resolve names on a cell's line to the notebook's prompts; other names are saved prompts.

    >>> prompts_by_name(["brief", "saved"], {"brief": "Be brief."})
    {'brief': Prompt(text='Be brief.', name=None, version=0, system='', path=None), 'saved': 'saved'}
    """
    prompts = {n: values.get(n, n) for n in names}
    return {n: Prompt(p) if isinstance(p, str) and n in values else p for n, p in prompts.items()}


def _load_prompt(prompt: Any) -> Any:
    """The saved prompt of that name if there is one, else the text itself."""
    if not isinstance(prompt, str) or "\n" in prompt or not prompt.strip():
        return prompt
    try:
        return Prompt.load(prompt)
    except UsageError:
        if prompt.isidentifier():
            raise  # it can only be a name, and no prompt has it
        return prompt


def _prepend(prompt: Any, text: Any) -> Any:
    """A prompt followed by the cell's own text, which all prompts share."""
    if not str(text or "").strip():
        return prompt
    if isinstance(prompt, Prompt):
        return replace(prompt, text=f"{prompt.text}\n\n{text}", name=None)
    return f"{prompt}\n\n{text}"


def _prompt_title(prompt: Any, number: int) -> str:
    """A prompt's name, that of its variable in the notebook, its text if short, or its number."""
    text = prompt.text if isinstance(prompt, Prompt) else prompt
    short = text if isinstance(text, str) and len(text) <= 40 and "\n" not in text else ""
    own = str(getattr(prompt, "name", None) or "")
    return own or (_variable_name(prompt) if isinstance(prompt, Prompt) or not short else "") or short or f"prompt {number + 1}"


def _variable_name(value: object) -> str:
    """The name under which the notebook holds a value; "" outside a notebook."""
    module = sys.modules.get("IPython.core.getipython")
    names = getattr(module.get_ipython() if module else None, "user_ns", {})
    return next((name for name, held in tuple(names.items()) if held is value and not name.startswith("_")), "")


def _model_name(model: Any) -> str:
    return (
        model if isinstance(model, str) else str(getattr(model, "name", None) or getattr(model, "__name__", None) or type(model).__name__)
    )
