"""`fm.compare`: asks one question of several models, or with varied parameters, prompts or samples.

prompt × models × vary × samples ─ expand_grid ─► grid cells ─ run_comparison ─► parent run ─► Comparison

Every answer comes from a separate request that contains none of the other answers.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

from ..calls.call import PreparedCall
from ..calls.options import with_options
from ..calls.prepare import options_from, prepare
from ..calls.run import run_calls
from ..calls.session import session
from ..core.errors import Interrupted, UsageError
from ..core.events import Cancelled, EventStamper, Finished, Sink, Started, emit
from ..core.run_ids import new_run
from ..core.typing import ModelLike
from ..prompts.prompt import PromptLike
from ..store import log
from ..views.comparison import layout, letter
from .comparison import Comparison, labels
from .grid import expand_grid
from .options import CompareOptions


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
