"""Test rows from what people said and did: votes, stars, edits, acceptance, behaviour; and from the log as it is.

Explicit signals (a vote, an edit, a star, `fm.accept`) make a target; implicit ones (copied,
dwell, turns, ...) make a weak one. Rows are of one user where the signal names one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...core.errors import UsageError
from ...core.events import Feedback
from ...core.response import Response
from ...core.typing import TableLike
from ...store import feedback as signals
from ...store import log
from ...store.run_rows import prompt_text
from .formats import rows_of
from .sample import Sample, content_id

GOOD_STARS = 4  # of five; a star without a number is good
JUDGE = "You compare two answers to the same request."  # how a judge's prompt begins: those are no user's
EXPLICIT = ("vote", "edit", "star", "accept", "thumb")


def from_feedback(kinds: Sequence[str] = (), *, since: float | None = None, notebook: str = "") -> list[Sample]:
    """A row for each prompt that something was said about, newest word last: `values` are {"prompt": text}.

    The target is what was voted for, edited or accepted; `extra` holds chosen, rejected, runs
    and what was said. `kinds` keeps some kinds of signals, `since` (seconds since the epoch) the newer ones, `notebook` those about runs of one notebook.
    """
    said = [s for s in signals.all_feedback(since=since, notebook=notebook) if not kinds or s.kind in kinds]
    answers = _answers({r for s in said for r in _runs(s)})
    by_prompt: dict[tuple[str, str], list[Feedback]] = defaultdict(list)
    for s in said:
        if prompt := shared_prompt([_prompt(answers[r]) for r in _runs(s) if r in answers]):
            by_prompt[prompt, s.user].append(s)
    return _with_unique_ids(_sample(prompt, user, found, answers) for (prompt, user), found in by_prompt.items())


def from_log(query: str = "", *, model: str = "", since: float | None = None, limit: int = 1000) -> list[Sample]:
    """A row for each prompt of the log, as `fm.log` finds them, without a target; the answer is in `extra`."""
    found = [r for kind in ("call", "row") for r in log.search(query, limit=limit, model=model, kind=kind, since=since)]
    seen: dict[str, Sample] = {}
    for r in sorted(found, key=lambda r: r["started"])[-limit:]:
        if r["prompt"] and not r["error"] and not r["prompt"].startswith(JUDGE):
            values = {"prompt": r["prompt"]}
            seen[r["prompt"]] = Sample(content_id(values), values, extra={"answer": r["text"], "model": r["model"], "runs": [r["run"]]})
    return list(seen.values())


def import_feedback(source: TableLike, *, kind: str = "kind", value: str = "value", run: str = "run", user: str = "user") -> int:
    """Write a table of user behavior into the log as feedback.

    Choose your own kinds: copied, dwell, turns, ... Test rows based on behavior alone are
    weak, and grouped by user.

    Args:
        source: A CSV or JSONL file, a frame, or a list of dicts; each row is about a run of the log.
        kind: Name of the column with the kind of feedback.
        value: Name of the column with its value.
        run: Name of the column with the run's id.
        user: Name of the column with the user.

    Returns:
        How many feedback events were stored.

    Raises:
        UsageError: A column is missing, or a run is not in the log; then none is stored.

    >>> from fmnb.calls.model import ask
    >>> import_feedback([{"run": ask("hi", "echo:").run, "kind": "dwell", "value": 12, "user": "ada"}])
    1
    """
    rows = rows_of(source)
    for column in (kind, run):
        if any(r.get(column) in (None, "") for r in rows):
            raise UsageError(
                "A row of behavior needs a run and a kind", detail=f"column {column!r}", hint="Name the columns: run=..., kind=..."
            )
    known = log.names_of([str(r[run]) for r in rows])
    missing = [str(r[run]) for r in rows if str(r[run]) not in known]
    if missing:
        raise UsageError(
            "Feedback on runs that are not in the log",
            detail=f"{missing[0]} and {len(missing) - 1} more" if missing[1:] else missing[0],
        )
    for r in rows:
        if r[kind] in ("vote", "undo"):
            raise UsageError("Votes are cast with fm.vote", detail=str(r[run]))
    for r in rows:
        signals.add(str(r[run]), str(r[kind]), r.get(value), user=str(r.get(user) or ""))
    return len(rows)


def shared_prompt(prompts: Sequence[str]) -> str:
    """What all prompts are about: themselves, or the last paragraphs they share where ways to ask stood above; "" for nothing.

    >>> shared_prompt(["Be brief.\\n\\nCustomer: hi", "Be kind.\\n\\nCustomer: hi"])
    'Customer: hi'
    """
    paragraphs = [p.split("\n\n") for p in prompts]
    same = 0
    while paragraphs and all(len(p) > same and p[-1 - same] == paragraphs[0][-1 - same] for p in paragraphs):
        same += 1
    return "\n\n".join(paragraphs[0][-same:]) if same else ""


def _runs(s: Feedback) -> list[str]:
    return list(s.value["runs"]) if s.kind == "vote" else [s.run]


def _answers(runs: Iterable[str]) -> dict[str, Response]:
    found = {}
    for run in runs:
        try:
            found[run] = log.reopen(run)
        except UsageError:  # forgotten since
            continue
    return found


def _prompt(r: Response) -> str:
    return prompt_text(r.request)


def _sample(prompt: str, user: str, events: Sequence[Feedback], answers: Mapping[str, Response]) -> Sample:
    """What one person's signals about one prompt add up to; a later word replaces an earlier one."""
    target = chosen = None
    rejected: list[str] = []
    weak = False
    for s in events:
        good = bad = None
        match s.kind:
            case "vote":
                winner = s.value["winner"]
                good = answers[winner].text if winner in answers else None
                losers = [answers[r].text for r in _runs(s) if r in answers and r != winner] if winner or s.value["said"] == "bad" else []
                rejected = losers
            case "edit" if isinstance(words := s.value or s.text, str) and words.strip():
                good, bad = words, answers[s.run].text
            case "accept" if s.value:
                good = answers[s.run].text
            case "star" | "thumb":
                liked = s.value is True or (isinstance(s.value, (int, float)) and s.value >= (GOOD_STARS if s.kind == "star" else 1))
                good, bad = (answers[s.run].text, None) if liked else (None, answers[s.run].text)
            case "copied" if s.value is None or s.value:
                if target is None:
                    target, weak = answers[s.run].text, True
        if good is not None:
            target = chosen = good
            weak = False
        if bad is not None and bad != chosen:
            rejected = [*(r for r in rejected if r != bad), bad]
    runs = list(dict.fromkeys(r for s in events for r in _runs(s)))
    extra: dict[str, Any] = {"runs": runs, "said": [s.kind for s in events]}
    if chosen is not None and rejected:
        extra |= {"chosen": chosen, "rejected": [r for r in rejected if r != chosen]}
    elif rejected:
        extra["rejected"] = rejected
    if weak or all(s.kind not in EXPLICIT for s in events):
        weak = True
        extra["behaviour"] = {s.kind: s.value for s in events if s.kind not in EXPLICIT}
    values = {"prompt": prompt}
    return Sample(content_id(values), values, target, user or None, weak=weak, extra=extra)


def _with_unique_ids(samples: Iterable[Sample]) -> list[Sample]:
    """Two people may have spoken of one prompt: the second row's id gets a number."""
    seen: dict[str, int] = {}
    out = []
    for s in samples:
        times = seen[s.id] = seen.get(s.id, 0) + 1
        out.append(s if times == 1 else Sample.from_dict({**s.to_dict(), "id": f"{s.id}-{times}"}))
    return out
