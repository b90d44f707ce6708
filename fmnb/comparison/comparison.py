"""`Comparison`: several answers to one question, with their votes and feedback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from ..core.events import Feedback
from ..core.optional import require
from ..core.registry import METHODS, load
from ..core.response import Response
from ..core.types import Message, Text
from ..core.typing import Record
from ..store import feedback as feedback_store
from ..views.comparison import AnswerFeedback, Layout, columns_bundle, layout, letter

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

    >>> from fmnb.comparison.compare import compare
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

        >>> from fmnb.comparison.compare import compare
        >>> compare("hi", ["echo:"], vary={"temperature": [0, 1]}).labels
        ('echo:, temperature 0', 'echo:, temperature 1')
        """
        if self.hidden:
            return tuple(letter(self.display_order.index(i)) for i in range(len(self)))
        return tuple(labels(self.conditions) if self.conditions else [r.requested_model for r in self.responses])

    @property
    def hidden(self) -> bool:
        """Whether names are hidden: the comparison is blind and nobody has voted yet.

        Always False if all answers failed, or if no log could store a vote.

        >>> from fmnb.comparison.compare import compare
        >>> from fmnb.comparison.feedback import vote
        >>> c = compare("hi", ["echo:", "echo:think"], blind=True)
        >>> c.hidden, sorted(c.labels)
        (True, ['A', 'B'])
        >>> _ = vote(c, "left")
        >>> c.hidden
        False
        """
        return self.blind and bool(self.run) and not all(r.error for r in self.responses) and not any(s.kind == "vote" for s in self.votes)

    @property
    def layout(self) -> Layout:
        """Rows and columns in which the answers are shown.

        >>> from fmnb.comparison.compare import compare
        >>> len(compare("hi", ["echo:", "echo:think"], samples=2).layout.rows)
        2
        """
        return layout(self.conditions or [{"model": r.requested_model} for r in self.responses], self.labels)

    @property
    def votes(self) -> list[Feedback]:
        """The current votes, stars, edits and comments, without retracted ones, as events, oldest first.

        >>> from fmnb.comparison.compare import compare
        >>> from fmnb.comparison.feedback import vote
        >>> c = compare("hi", ["echo:", "echo:think"])
        >>> _ = vote(c, "tie", user="ada")
        >>> [(v.kind, v.user) for v in c.votes]
        [('vote', 'ada')]
        """
        runs = {r.run for r in self.responses}
        events = feedback_store.feedback_on([self.run, *runs]) if self.run else []
        return [e for e in events if e.kind != "vote" or runs.issuperset(e.value["runs"])]

    @property
    def by_row(self) -> bool:
        """Whether the rows are different questions, each with a vote of its own.

        >>> from fmnb.comparison.compare import compare
        >>> compare("hi", ["echo:", "echo:think"]).by_row
        False
        """
        return any("row" in a for a in self.conditions)

    def row(self, number: int) -> Comparison:
        """One row of the layout: a comparison of the answers to one question.

        Args:
            number: The row, from 0.

        Returns:
            A comparison with the same votes.

        Raises:
            UsageError: There is no such row.

        >>> from fmnb.comparison.compare import compare
        >>> c = compare("hi", ["echo:", "echo:think"], samples=2)
        >>> len(c), len(c.row(0))
        (4, 2)
        """
        at = [i for i, (r, _) in enumerate(self.layout.places) if r == number] if len(self.layout.rows) > 1 else list(range(len(self)))
        if not at:
            raise UsageError("There is no such row", detail=repr(number), hint=f"0 to {len(self.layout.rows) - 1}.")
        display_order = tuple(at.index(i) for i in self.display_order if i in at)
        conditions = tuple({n: v for n, v in self.conditions[i].items() if n != "row"} for i in at)
        return replace(self, responses=tuple(self.responses[i] for i in at), conditions=conditions, display_order=display_order)

    @property
    def feedback(self) -> AnswerFeedback:
        """The votes, stars, edits and comment as they are shown with each answer.

        >>> from fmnb.comparison.compare import compare
        >>> from fmnb.comparison.feedback import vote
        >>> c = compare("hi", ["echo:", "echo:think"])
        >>> _ = vote(c, "left", comment="shorter")
        >>> c.feedback.comment
        'shorter'
        """
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
        """The answer that the last vote chose; None without a vote, or after a tie or "bad".

        >>> from fmnb.comparison.compare import compare
        >>> from fmnb.comparison.feedback import vote
        >>> c = compare("hi", ["echo:", "echo:think"])
        >>> c.best is None
        True
        >>> _ = vote(c, "right")
        >>> c.best.requested_model
        'echo:think'
        """
        winner = next((s.value["winner"] for s in reversed(self.votes) if s.kind == "vote"), None)
        return next((r for r in self.responses if r.run == winner), None)

    @property
    def df(self) -> pandas.DataFrame:
        """A pandas DataFrame with one row per answer and a column for each thing that varies.

        Raises:
            MissingPackageError: pandas is not installed.

        >>> from fmnb.comparison.compare import compare
        >>> compare("hi", ["echo:", "echo:think"]).df[["model", "text"]].values.tolist()
        [['echo:', 'hi'], ['echo:think', 'hi']]
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
        """Its static form for a notebook: data by MIME type, and metadata.

        >>> from fmnb.comparison.compare import compare
        >>> data, metadata = compare("hi", ["echo:", "echo:think"]).bundle()
        >>> "text/html" in data
        True
        """
        return columns_bundle(
            self.responses,
            self.labels,
            self.layout,
            run=self.run,
            display_order=self.display_order,
            blind=self.hidden,
            format=self.format,
            feedback=self.feedback,
        )

    def widget(self) -> anywidget.AnyWidget:
        """A widget with buttons to vote, edit, compare word by word and continue; it needs a notebook.

        >>> from fmnb.comparison.compare import compare
        >>> import anywidget
        >>> isinstance(compare("hi", ["echo:", "echo:think"]).widget(), anywidget.AnyWidget)
        True
        """
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
