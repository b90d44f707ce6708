"""A call as data: the options of the user, the request they become, and the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..core.response import Response
from ..core.run_ids import new_run
from ..core.types import Message, Request
from ..core.typing import Api, Dtype, Format, Quant, SchemaLike, SourceLike
from ..limits.usage import UsageMeter

if TYPE_CHECKING:
    from ..catalog.resolve import Target
    from ..schemas.spec import SchemaSpec
    from ..store.tape import Tape


@dataclass(frozen=True)
class Call:
    """One request, and what the steps of the pipeline need to know about it.

    `cell` identifies the unfilled prompt for tapes; `tape_only` makes a miss an error.
    """

    request: Request
    target: Target
    spec: SchemaSpec | None = None
    use_cache: bool = True
    tape: Tape | None = None
    tape_only: bool = False
    cell: str = ""
    parent: str = ""
    run: str = field(default_factory=new_run)
    meta: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # shown before the answer
    kind: str = "call"  # kind of its run: call, or row of a table
    neutral: tuple[Request, ...] = ()  # of a row: its template with placeholders, see `backend.BatchBackend`
    meter: UsageMeter = field(default_factory=UsageMeter, compare=False, repr=False)

    @property
    def is_row(self) -> bool:
        """Whether it is a row of a table, whose answer is not displayed while it streams."""
        return self.kind == "row"

    def __post_init__(self) -> None:
        if self.meter.run != self.run:  # a copy for another run gets a meter of its own
            object.__setattr__(self, "meter", UsageMeter(self.run))


@dataclass(frozen=True)
class Options:
    """Options of a call with their defaults: those of `CallOptions`, and those that fmnb sets itself.

    fmnb sets `history` (the turns before), `sample` (which of several), `parent` (the run above) and
    `dry_run` (no source may ask a model).
    """

    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: Sequence[str] | str = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    format: Format = "markdown"
    schema: SchemaLike | SchemaSpec | None = None
    attach: object = ()
    sources: SourceLike | Sequence[SourceLike] = ()
    values: Mapping[str, Any] | None = None
    history: tuple[Message, ...] = ()
    cache: bool = True
    replay_only: bool = False
    logprobs: int | None = None
    api: Api = ""
    quant: Quant = ""
    dtype: Dtype = ""
    sample: int = 0
    parent: str = ""
    dry_run: bool = False


@dataclass
class PreparedCall:
    """A call and its result: `retry` and `continue` start from it."""

    call: Call
    spec: SchemaSpec | None
    response: Response | None = None
    error: BaseException | None = None
    prompt: Any = None
    options: Options = field(default_factory=Options)
    chat: Any = None  # the conversation it belongs to
