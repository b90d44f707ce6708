"""One question asked several ways: models, parameters, prompts, samples. Each answer has a request of its own and sees none of the others.

prompt × models × vary × samples ─ spread ─► cells ─ together ─► one run above all ─► Comparison
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
from ..core.typing import ModelLike, Record
from ..prompts.prompt import Prompt, PromptLike
from ..store import feedback as signals
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
MOST = 100  # answers of one comparison; more are a batch


@dataclass(frozen=True)
class Comparison:
    """Answers to one question, in the order of the requests.

    Attributes:
        responses: The answers.
        run: Id under which votes are stored; "" if the log is off.
        axes: What varied, for each answer: model, temperature, prompt, sample, ...
        shown: The order on screen, as positions in `responses`.
        blind: Whether names are hidden until somebody votes; the answers are then A, B, ...
        format: How the answers are shown: markdown, text, json, ...

    >>> c = compare("hi", ["echo:", "echo:slow=500"])
    >>> len(c), c.labels
    (2, ('echo:', 'echo:slow=500'))
    """

    responses: tuple[Response, ...]
    run: str = ""
    axes: tuple[Mapping[str, object], ...] = ()
    shown: tuple[int, ...] = field(default=(), repr=False)
    blind: bool = False
    format: str = "markdown"

    def __post_init__(self) -> None:
        if not self.shown:
            object.__setattr__(self, "shown", tuple(range(len(self.responses))))

    def __len__(self) -> int:
        return len(self.responses)

    def __iter__(self) -> Iterator[Response]:
        return iter(self.responses)

    def __getitem__(self, at: int | str) -> Response:
        """The answer at a position, with a label, or of a model's name as it was typed."""
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
            return tuple(letter(self.shown.index(i)) for i in range(len(self)))
        return tuple(labels(self.axes) if self.axes else [r.requested_model for r in self.responses])

    @property
    def hidden(self) -> bool:
        """Whether names are hidden: the comparison is blind and nobody has voted yet.

        Always False if all answers failed, or if no log could store a vote.
        """
        return self.blind and bool(self.run) and not all(r.error for r in self.responses) and not any(s.kind == "vote" for s in self.votes)

    @property
    def layout(self) -> Layout:
        """Rows and columns in which the answers are shown."""
        return layout(self.axes or [{"model": r.requested_model} for r in self.responses], self.labels)

    @property
    def votes(self) -> list[Feedback]:
        """The current votes, stars, edits and comments, without retracted ones, as events, oldest first."""
        runs = {r.run for r in self.responses}
        found = signals.feedback_on([self.run, *runs]) if self.run else []
        return [s for s in found if s.kind != "vote" or runs.issuperset(s.value["runs"])]

    @property
    def by_row(self) -> bool:
        """Whether the rows are different questions, each with a vote of its own."""
        return any("row" in a for a in self.axes)

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
        shown = tuple(at.index(i) for i in self.shown if i in at)
        axes = tuple({n: v for n, v in self.axes[i].items() if n != "row"} for i in at)
        return replace(self, responses=tuple(self.responses[i] for i in at), axes=axes, shown=shown)

    @property
    def said(self) -> AnswerFeedback:
        """The votes, stars, edits and comment as they are shown with each answer."""
        votes = self.votes
        at = {r.run: i for i, r in enumerate(self.responses)}
        words: dict[int, str] = {}
        for v in (s.value for s in votes if s.kind == "vote"):
            words |= {at[r]: _SHOWN[w] for r in v["runs"] if (w := _said(v, self.responses[at[r]])) in _SHOWN}
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
        last = [s.value for s in self.votes if s.kind == "vote"]
        more = [n for n in dict.fromkeys(n for a in self.axes for n in a) if n != "model"]
        rows = [
            {**row(r), "vote": next((_said(v, r) for v in reversed(last) if r.run in v["runs"]), None), **{n: a.get(n) for n in more}}
            for r, a in zip(self.responses, self.axes or [{}] * len(self), strict=True)
        ]
        if self.hidden:  # every column but these could tell who it is
            rows = [{"model": name, "text": r["text"], "run": r["run"]} for name, r in zip(self.labels, rows, strict=True)]
            return pandas.DataFrame([rows[i] for i in self.shown], columns=["model", "text", "run"])
        return pandas.DataFrame(rows, columns=["model", *more, *COLUMNS[1:]])

    def bundle(self) -> tuple[Record, Record]:
        """Its static form for a notebook: data by MIME type, and metadata."""
        return columns_bundle(
            self.responses,
            self.labels,
            self.layout,
            run=self.run,
            shown=self.shown,
            blind=self.hidden,
            format=self.format,
            said=self.said,
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


_SHOWN = {"won": "✓ preferred", "tie": "= tie", "bad": "✗ not good"}


def _said(vote: Mapping[str, Any], r: Response) -> str:
    """What a vote says of one of its answers: won, lost, tie, bad."""
    return str(vote["said"]) if vote["said"] != "win" else "won" if vote["winner"] == r.run else "lost"


def row(r: Response) -> dict[str, Any]:
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
class Cell:
    """One answer that is to come: what is asked of whom, and what tells it from the others."""

    prompt: Any
    model: Any
    options: Options
    axis: Mapping[str, Any]


def spread(
    prompt: Any,
    models: Sequence[Any],
    options: Options,
    *,
    samples: int = 1,
    vary: Mapping[str, Sequence[Any]] | None = None,
    prompts: Sequence[Any] | Mapping[str, Any] = (),
) -> list[Cell]:
    """Every combination of models, prompts, parameters and samples, models innermost but for samples.

    `vary` maps an option's name, or a raw parameter's, to its values; `prompts` are texts,
    `fm.Prompt`s or names of saved ones, each put above `prompt`'s text; a dict of them gives each
    the name that results show.

    >>> [c.axis for c in spread("hi", ["echo:"], Options(), vary={"temperature": [0, 1]})]
    [{'model': 'echo:', 'temperature': 0}, {'model': 'echo:', 'temperature': 1}]
    """
    if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
        raise UsageError("samples is a whole number from 1 on", detail=repr(samples))
    titled = {str(name): p for name, p in prompts.items()} if isinstance(prompts, Mapping) else {}
    models, prompts, varied = _listed("models", models), list(titled.values()) or _listed("prompts", prompts), {}
    if not isinstance(vary or {}, Mapping):
        raise UsageError("vary is a dict of names and values", detail=repr(vary), hint='vary={"temperature": [0, 0.7]}')
    for name, values in (vary or {}).items():
        varied[name] = _listed(f"vary[{name!r}]", values)
        if len({repr(v) for v in varied[name]}) < len(varied[name]):
            raise UsageError(f"{name} is varied over the same value twice", detail=repr(values), hint="samples asks the same again.")
    titles = list(titled) or [_title(p, i) for i, p in enumerate(prompts)]
    named = [(_above(_prompt(p), prompt), title) for p, title in zip(prompts, titles, strict=True)] or [(prompt, "")]
    cells = []
    for (asked, title), values, model in product(named, product(*varied.values()), models):
        for sample in range(samples):
            axis: dict[str, Any] = {"model": _name(model)}
            if title:
                axis["prompt"] = title
            axis |= (changed := dict(zip(varied, values, strict=True)))
            if samples > 1:
                axis["sample"] = sample
            cells.append(Cell(asked, model, replace(_with(options, changed), sample=sample), axis))
    if len(cells) > MOST:
        raise UsageError(f"That would be {len(cells)} answers", detail=f"{MOST} are the most a comparison holds", hint="Vary less at once.")
    return cells


def _listed(name: str, given: Any) -> list[Any]:
    """As a list. A text is a sequence of letters, too; nobody means that."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise UsageError(f"{name} is a list", detail=repr(given), hint="Put it into brackets: [...].")
    return list(given)


def _with(options: Options, values: Mapping[str, Any]) -> Options:
    """Options with these changed: fields by name, the rest as raw parameters."""
    own = {
        n: v
        for n, v in values.items()
        if n in Options.__dataclass_fields__ and n not in ("values", "history", "parent", "sample", "params")
    }
    raw = {n: v for n, v in values.items() if n not in own}
    return replace(options, **own, params={**options.params, **raw})


def prompts_named(names: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Prompts by the names on a cell's line: what a notebook name holds, else the name itself, of a saved prompt.

    >>> prompts_named(["brief", "saved"], {"brief": "Be brief."})
    {'brief': Prompt(text='Be brief.', name=None, version=0, system='', path=None), 'saved': 'saved'}
    """
    found = {n: values.get(n, n) for n in names}
    return {n: Prompt(p) if isinstance(p, str) and n in values else p for n, p in found.items()}


def _prompt(given: Any) -> Any:
    """A prompt by name where one of that name is saved, else the text itself."""
    if not isinstance(given, str) or "\n" in given or not given.strip():
        return given
    try:
        return Prompt.load(given)
    except UsageError:
        if given.isidentifier():
            raise  # a name, and nothing of that name
        return given


def _above(named: Any, text: Any) -> Any:
    """A named prompt with the cell's own text below it: what all of them are about."""
    if not str(text or "").strip():
        return named
    if isinstance(named, Prompt):
        return replace(named, text=f"{named.text}\n\n{text}", name=None)
    return f"{named}\n\n{text}"


def _title(given: Any, number: int) -> str:
    name = getattr(given, "name", None) or (given if isinstance(given, str) and len(given) <= 40 and "\n" not in given else "")
    return str(name) or f"prompt {number + 1}"


def _name(model: Any) -> str:
    return (
        model if isinstance(model, str) else str(getattr(model, "name", None) or getattr(model, "__name__", None) or type(model).__name__)
    )


def labels(axes: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each answer, of what differs among them.

    >>> labels([{"model": "a", "temperature": 0}, {"model": "a", "temperature": 1}])
    ['a, temperature 0', 'a, temperature 1']
    """
    differ = [n for n in dict.fromkeys(n for a in axes for n in a) if len({str(a.get(n)) for a in axes}) > 1 and n != "model"]
    return [", ".join([str(a["model"]), *(str(a[n]) if n in ("prompt", "row") else f"{n} {a[n]}" for n in differ if n in a)]) for a in axes]


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
    cells = spread(
        prompt, models, options_from(options, tuple(CompareOptions.__annotations__)), samples=samples, vary=vary, prompts=prompts
    )
    if len(cells) < 2:
        raise UsageError(
            "A comparison needs two answers or more", detail=str(list(models)), hint="Name two models, vary something, or use fm.ask."
        )
    return together([prepare(c.prompt, c.model, c.options) for c in cells], [c.axis for c in cells], sinks, blind=blind)


def together(
    asked: Sequence[PreparedCall],
    axes: Sequence[Mapping[str, Any]] = (),
    sinks: Sequence[Sink] = (),
    *,
    blind: bool = False,
    shown: Sequence[int] = (),
) -> Comparison:
    """Perform calls as one comparison: a run above theirs holds what belongs to all of them, votes above all.

    Raises the first error when all failed, Interrupted when stopped. `blind` needs the log,
    where the order is written down and the vote that ends it; `shown` is that order, where the
    caller has made one.
    """
    axes = list(axes) or [{"model": a.call.target.requested_model} for a in asked]
    if blind and not log.enabled():
        raise UsageError("The log is off, so a blind vote could not be kept", hint="`%fm log on`, or leave blind out.")
    stamp = EventStamper(new_run())
    names = labels(axes)
    shown = tuple(shown) or order(axes, blind)
    for i, (a, name) in enumerate(zip(asked, names, strict=True)):
        of = {"label": letter(shown.index(i)), "blind": True} if blind else {"label": name}
        a.call = replace(a.call, parent=stamp.run, meta={**a.call.meta, **of})
    listeners = session.listeners()
    meta = {
        "asked": ", ".join(names),
        "runs": [a.call.run for a in asked],
        "axes": [{n: str(v) for n, v in axis.items()} for axis in axes],
        "shown": list(shown),
        "blind": blind,
        "format": looks(asked[0]),
    }
    emit(stamp(Started(kind="compare", model=", ".join(names), request=asked[0].call.request, meta=meta)), listeners)
    try:
        run_calls([asked[i] for i in shown], sinks)  # who begins could tell who it is
    except Interrupted:
        emit(stamp(Cancelled()), listeners)
        _made(asked, stamp.run, axes, shown, blind)
        raise
    emit(stamp(Finished(extra={"answers": len(asked)})), listeners)
    made = _made(asked, stamp.run, axes, shown, blind)
    errors = [a.error for a in asked]
    if all(e is not None for e in errors):
        assert errors[0] is not None
        raise errors[0]
    return made


def _made(asked: Sequence[PreparedCall], run: str, axes: Sequence[Mapping[str, Any]], shown: tuple[int, ...], blind: bool) -> Comparison:
    """What came, as a Comparison, and as the last one: a vote that names none must not fall to an older one because this was stopped or failed."""
    responses = tuple(a.response for a in asked if a.response is not None)
    made = Comparison(responses, run if log.enabled() else "", tuple(axes), shown, blind, looks(asked[0]))
    session.last_comparison = made
    return made


def looks(asked: PreparedCall) -> str:
    """The format an answer is shown in: structured ones are JSON."""
    request = asked.call.request
    return "json" if request.schema is not None and request.format == "markdown" else request.format


def order(axes: Sequence[Mapping[str, Any]], blind: bool) -> tuple[int, ...]:
    """The order on screen: as asked for, or shuffled within each row where the names are hidden."""
    where = layout(axes, [""] * len(axes))
    if not blind:
        return tuple(range(len(axes)))
    rows: dict[int, list[int]] = {}
    for i, (at, _) in enumerate(where.places):
        rows.setdefault(at, []).append(i)
    chance = random.SystemRandom()
    return tuple(i for at in sorted(rows) for i in chance.sample(rows[at], len(rows[at])))


def reopen(run: str) -> Comparison:
    """The comparison of a run of the log, with what has been said of it since. UsageError for a run that is none."""
    start = next((e for e in log.events_of(run) if isinstance(e, Started)), None)
    if start is None or start.kind != "compare":
        raise UsageError("That run is no comparison", detail=repr(run), hint="`%fm log` lists run ids.")
    meta = start.meta
    responses = tuple(log.reopen(r) for r in meta["runs"])
    shown = tuple(meta.get("shown") or range(len(responses)))
    return Comparison(responses, run, tuple(meta["axes"]), shown, bool(meta.get("blind")), str(meta.get("format", "markdown")))
