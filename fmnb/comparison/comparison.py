"""Several answers to one question, from different models, parameters, prompts or samples.

Every answer comes from a separate request that contains none of the other answers.

prompt × models × vary × samples ─ expand_grid ─► grid cells ─ run_comparison ─► parent run ─► Comparison
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Unpack

from ..calls.call import Options, PreparedCall
from ..calls.options import with_options
from ..calls.prepare import options_from, prepare
from ..calls.run import run_calls
from ..calls.session import session
from ..core.errors import Interrupted, UsageError
from ..core.events import Cancelled, EventStamper, Feedback, Finished, Sink, Started, emit
from ..core.optional import require
from ..core.registry import METHODS, load
from ..core.response import Response
from ..core.run_ids import new_run
from ..core.types import Message, Text
from ..core.typing import ModelLike, Record
from ..prompts.prompt import Prompt, PromptLike
from ..store import feedback as feedback_store
from ..store import log
from ..views.comparison import AnswerFeedback, Layout, columns_bundle, layout, letter
from .options import CompareOptions

if TYPE_CHECKING:
    import anywidget
    import pandas

COLUMNS = (
    "model",
    "text",
    "data",
    "error",
    "seconds",
    "first_token_seconds",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost",
    "vote",
    "run",
)
MAX_ANSWERS = 100  # per comparison; use a batch for more


@dataclass(frozen=True)
class Comparison:
    """Answers to one question, in the order of the requests.

    Attributes:
        responses: The answers.
        run: Id under which votes are stored; "" if the log is off.
        conditions: What varied, for each answer: model, temperature, prompt, sample, ...
        display_order: The order on screen, as positions in `responses`.
        blind: Whether names are hidden until somebody votes; the answers are then A, B, ...
        format: How the answers are shown: markdown, text, json, ...

    >>> c = compare("hi", ["echo:", "echo:slow=500"])
    >>> len(c), c.labels
    (2, ('echo:', 'echo:slow=500'))
    """

    responses: tuple[Response, ...]
    run: str = ""
    conditions: tuple[Mapping[str, object], ...] = ()
    display_order: tuple[int, ...] = field(default=(), repr=False)
    blind: bool = False
    format: str = "markdown"

    def __post_init__(self) -> None:
        if not self.display_order:
            object.__setattr__(self, "display_order", tuple(range(len(self.responses))))

    def _prompt_parts_(self) -> tuple[Text, ...]:
        """The answers, each below its label, to insert into a prompt."""
        return (Text("\n\n".join(f"{label}:\n{r.text}" for label, r in zip(self.labels, self.responses, strict=True))),)

    def _prompt_messages_(self) -> tuple[Message, ...]:
        """The messages whose labels a prompt with this comparison gets."""
        return tuple(m for r in self.responses for m in r.messages)

    def __len__(self) -> int:
        return len(self.responses)

    def __iter__(self) -> Iterator[Response]:
        return iter(self.responses)

    def __getitem__(self, at: int | str) -> Response:
        """The answer at a position, or with a label or model name."""
        if isinstance(at, int):
            return self.responses[at]
        for label, r in zip(self.labels, self.responses, strict=True):
            if at in (label, r.extra.get("asked"), r.requested_model, r.model):
                return r
        raise KeyError(at)

    @property
    def labels(self) -> tuple[str, ...]:
        """A label for each answer: its model, and what else differs.

        Letters stand for the answers while names are hidden.
        """
        if self.hidden:
            return tuple(letter(self.display_order.index(i)) for i in range(len(self)))
        return tuple(labels(self.conditions) if self.conditions else [r.requested_model for r in self.responses])

    @property
    def hidden(self) -> bool:
        """Whether names are hidden: the comparison is blind and nobody has voted yet.

        Always False if all answers failed, or if no log could store a vote.
        """
        return self.blind and bool(self.run) and not all(r.error for r in self.responses) and not any(s.kind == "vote" for s in self.votes)

    @property
    def layout(self) -> Layout:
        """Rows and columns in which the answers are shown."""
        return layout(self.conditions or [{"model": r.requested_model} for r in self.responses], self.labels)

    @property
    def votes(self) -> list[Feedback]:
        """The current votes, stars, edits and comments, without retracted ones, as events, oldest first."""
        runs = {r.run for r in self.responses}
        events = feedback_store.feedback_on([self.run, *runs]) if self.run else []
        return [e for e in events if e.kind != "vote" or runs.issuperset(e.value["runs"])]

    @property
    def by_row(self) -> bool:
        """Whether the rows are different questions, each with a vote of its own."""
        return any("row" in a for a in self.conditions)

    def row(self, number: int) -> Comparison:
        """One row of the layout: a comparison of the answers to one question.

        Args:
            number: The row, from 0.

        Returns:
            A comparison with the same votes.

        Raises:
            UsageError: There is no such row.
        """
        at = [i for i, (r, _) in enumerate(self.layout.places) if r == number] if len(self.layout.rows) > 1 else list(range(len(self)))
        if not at:
            raise UsageError("There is no such row", detail=repr(number), hint=f"0 to {len(self.layout.rows) - 1}.")
        display_order = tuple(at.index(i) for i in self.display_order if i in at)
        conditions = tuple({n: v for n, v in self.conditions[i].items() if n != "row"} for i in at)
        return replace(self, responses=tuple(self.responses[i] for i in at), conditions=conditions, display_order=display_order)

    @property
    def feedback(self) -> AnswerFeedback:
        """The votes, stars, edits and comment as they are shown with each answer."""
        votes = self.votes
        at = {r.run: i for i, r in enumerate(self.responses)}
        words: dict[int, str] = {}
        for v in (s.value for s in votes if s.kind == "vote"):
            words |= {at[r]: _VOTE_MARKS[w] for r in v["runs"] if (w := _vote_result(v, self.responses[at[r]])) in _VOTE_MARKS}
        stars = frozenset(at[s.run] for s in votes if s.kind == "star" and s.run in at and s.value)
        edits = {at[s.run]: str(s.value) for s in votes if s.kind == "edit" and s.run in at}
        comment = next((s.text for s in reversed(votes) if s.text and s.kind in ("vote", "comment")), "")
        return AnswerFeedback(words, stars, edits, comment)

    @property
    def best(self) -> Response | None:
        """The answer that the last vote chose; None without a vote, or after a tie or "bad"."""
        winner = next((s.value["winner"] for s in reversed(self.votes) if s.kind == "vote"), None)
        return next((r for r in self.responses if r.run == winner), None)

    @property
    def df(self) -> pandas.DataFrame:
        """A pandas DataFrame with one row per answer and a column for each thing that varies.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        pandas = require("pandas", "frames", "to make a DataFrame")
        votes = [s.value for s in self.votes if s.kind == "vote"]
        varied = [n for n in dict.fromkeys(n for a in self.conditions for n in a) if n != "model"]
        rows = [
            {
                **response_row(r),
                "vote": next((_vote_result(v, r) for v in reversed(votes) if r.run in v["runs"]), None),
                **{n: a.get(n) for n in varied},
            }
            for r, a in zip(self.responses, self.conditions or [{}] * len(self), strict=True)
        ]
        if self.hidden:  # any other column could reveal the model
            rows = [{"model": name, "text": r["text"], "run": r["run"]} for name, r in zip(self.labels, rows, strict=True)]
            return pandas.DataFrame([rows[i] for i in self.display_order], columns=["model", "text", "run"])
        return pandas.DataFrame(rows, columns=["model", *varied, *COLUMNS[1:]])

    def bundle(self) -> tuple[Record, Record]:
        """Its static form for a notebook: data by MIME type, and metadata."""
        return columns_bundle(
            self.responses,
            self.labels,
            self.layout,
            run=self.run,
            shown=self.display_order,
            blind=self.hidden,
            format=self.format,
            said=self.feedback,
        )

    def widget(self) -> anywidget.AnyWidget:
        """A widget with buttons to vote, edit, compare word by word and continue; it needs a notebook."""
        return load(METHODS["Comparison.widget"])(self)

    def __repr__(self) -> str:
        if self.hidden:
            return f"Comparison({len(self)} answers, names hidden until you vote, run {self.run})"
        return f"Comparison({('; ' if any(',' in name for name in self.labels) else ', ').join(self.labels)})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = self.bundle()
        return {**data, "text/plain": repr(self)}, metadata


_VOTE_MARKS = {"won": "✓ preferred", "tie": "= tie", "bad": "✗ not good"}


def _vote_result(vote: Mapping[str, Any], r: Response) -> str:
    """The result of a vote for one of its answers: won, lost, tie or bad."""
    return str(vote["said"]) if vote["said"] != "win" else "won" if vote["winner"] == r.run else "lost"


def response_row(r: Response) -> dict[str, Any]:
    """A response under the column names used everywhere."""
    u = r.usage
    return {
        "model": r.requested_model,
        "text": r.text,
        "data": r.data,
        "error": r.error["message"] if r.error else None,
        "seconds": r.seconds,
        "first_token_seconds": r.first_token_seconds,
        "input_tokens": u.input_tokens,
        "output_tokens": u.output_tokens,
        "cached_tokens": u.cached_tokens,
        "reasoning_tokens": u.reasoning_tokens,
        "cost": u.cost,
        "run": r.run,
    }


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
    names that results show.

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
    name = getattr(prompt, "name", None) or (prompt if isinstance(prompt, str) and len(prompt) <= 40 and "\n" not in prompt else "")
    return str(name) or f"prompt {number + 1}"


def _model_name(model: Any) -> str:
    return (
        model if isinstance(model, str) else str(getattr(model, "name", None) or getattr(model, "__name__", None) or type(model).__name__)
    )


def labels(conditions: Sequence[Mapping[str, Any]]) -> list[str]:
    """A label for each answer, made of what differs among the answers.

    >>> labels([{"model": "a", "temperature": 0}, {"model": "a", "temperature": 1}])
    ['a, temperature 0', 'a, temperature 1']
    """
    differ = [n for n in dict.fromkeys(n for a in conditions for n in a) if len({str(a.get(n)) for a in conditions}) > 1 and n != "model"]
    return [
        ", ".join([str(a["model"]), *(str(a[n]) if n in ("prompt", "row") else f"{n} {a[n]}" for n in differ if n in a)])
        for a in conditions
    ]


@with_options(CompareOptions)
def compare(
    prompt: PromptLike, models: Sequence[ModelLike], *, sinks: Sequence[Sink] = (), **options: Unpack[CompareOptions]
) -> Comparison:
    """Compare answers of several models, or of one model with varied parameters, prompts or samples.

    Args:
        prompt: Text or an `fm.Prompt`, as in `fm.ask`.
        models: Models as in `fm.ask`; one is enough if something else varies.
        sinks: Functions that receive every event of the comparison.
        **options: What varies (`samples`, `vary`, `prompts`), `blind`, and options of the calls:
            see `CompareOptions`.

    Returns:
        The answers, models innermost. If a model failed, its answer holds the error.

    Raises:
        UsageError: The options give fewer than two answers, or more than 100.
        FmnbError: Every call failed; this is the first error.

    >>> [r.text for r in compare("hi", ["echo:", "echo:slow=500"])]
    ['hi', 'hi']
    """
    samples, vary, prompts = options.pop("samples", 1), options.pop("vary", None), options.pop("prompts", ())
    blind = options.pop("blind", False)
    cells = expand_grid(
        prompt, models, options_from(options, tuple(CompareOptions.__annotations__)), samples=samples, vary=vary, prompts=prompts
    )
    if len(cells) < 2:
        raise UsageError(
            "A comparison needs two answers or more", detail=str(list(models)), hint="Name two models, vary something, or use fm.ask."
        )
    return run_comparison([prepare(c.prompt, c.model, c.options) for c in cells], [c.condition for c in cells], sinks, blind=blind)


def run_comparison(
    calls: Sequence[PreparedCall],
    conditions: Sequence[Mapping[str, Any]] = (),
    sinks: Sequence[Sink] = (),
    *,
    blind: bool = False,
    display_order: Sequence[int] = (),
) -> Comparison:
    """Run calls as one comparison; its parent run holds what belongs to all of them, such as votes.

    Raises the first error if all calls failed, Interrupted if the user stopped them. `blind` needs the log,
    where the order is written down and the vote that ends it; `shown` is that order, where the
    caller has made one.
    """
    conditions = list(conditions) or [{"model": a.call.target.requested_model} for a in calls]
    if blind and not log.enabled():
        raise UsageError("A blind comparison needs the log to store the vote", hint="Turn it on with `%fm log on`, or leave out blind.")
    stamp = EventStamper(new_run())
    names = labels(conditions)
    display_order = tuple(display_order) or choose_display_order(conditions, blind)
    for i, (a, name) in enumerate(zip(calls, names, strict=True)):
        label_meta = {"label": letter(display_order.index(i)), "blind": True} if blind else {"label": name}
        a.call = replace(a.call, parent=stamp.run, meta={**a.call.meta, **label_meta})
    listeners = session.listeners()
    meta = {
        "asked": ", ".join(names),
        "runs": [a.call.run for a in calls],
        "axes": [{n: str(v) for n, v in condition.items()} for condition in conditions],
        "shown": list(display_order),
        "blind": blind,
        "format": display_format(calls[0]),
    }
    emit(stamp(Started(kind="compare", model=", ".join(names), request=calls[0].call.request, meta=meta)), listeners)
    try:
        run_calls([calls[i] for i in display_order], sinks)  # the order of requests could reveal the models
    except Interrupted:
        emit(stamp(Cancelled()), listeners)
        _make_comparison(calls, stamp.run, conditions, display_order, blind)
        raise
    emit(stamp(Finished(extra={"answers": len(calls)})), listeners)
    comparison = _make_comparison(calls, stamp.run, conditions, display_order, blind)
    errors = [a.error for a in calls]
    if all(e is not None for e in errors):
        assert errors[0] is not None
        raise errors[0]
    return comparison


def _make_comparison(
    calls: Sequence[PreparedCall], run: str, conditions: Sequence[Mapping[str, Any]], display_order: tuple[int, ...], blind: bool
) -> Comparison:
    """Make the Comparison and set it as the last one, even if it failed or was stopped.

    Otherwise a vote without an explicit comparison would go to an older one.
    """
    responses = tuple(a.response for a in calls if a.response is not None)
    comparison = Comparison(responses, run if log.enabled() else "", tuple(conditions), display_order, blind, display_format(calls[0]))
    session.last_comparison = comparison
    return comparison


def display_format(call: PreparedCall) -> str:
    """The display format of an answer: JSON for structured output."""
    request = call.call.request
    return "json" if request.schema is not None and request.format == "markdown" else request.format


def choose_display_order(conditions: Sequence[Mapping[str, Any]], blind: bool) -> tuple[int, ...]:
    """The order on screen: that of the requests, or random within each row if names are hidden."""
    grid = layout(conditions, [""] * len(conditions))
    if not blind:
        return tuple(range(len(conditions)))
    rows: dict[int, list[int]] = {}
    for i, (at, _) in enumerate(grid.places):
        rows.setdefault(at, []).append(i)
    rng = random.SystemRandom()
    return tuple(i for at in sorted(rows) for i in rng.sample(rows[at], len(rows[at])))


def reopen(run: str) -> Comparison:
    """A comparison from the log, with its current feedback. UsageError if the run is not a comparison."""
    start = next((e for e in log.events_of(run) if isinstance(e, Started)), None)
    if start is None or start.kind != "compare":
        raise UsageError("That run is not a comparison", detail=repr(run), hint="`%fm log` lists run ids.")
    meta = start.meta
    responses = tuple(log.reopen(r) for r in meta["runs"])
    display_order = tuple(meta.get("shown") or range(len(responses)))
    return Comparison(responses, run, tuple(meta["axes"]), display_order, bool(meta.get("blind")), str(meta.get("format", "markdown")))
