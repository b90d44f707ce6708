"""Test rows from the log: from feedback on answers, or from prompts alone.

Explicit feedback (a vote, an edit, a star, `fm.accept`) makes a target; implicit feedback (copied,
dwell, turns, ...) makes a weak one. If feedback names a user, the row belongs to that user's group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...core.errors import UsageError
from ...core.events import Feedback
from ...core.response import Response
from ...core.typing import TableLike
from ...store import feedback as feedback_store
from ...store import log
from ...store.run_rows import prompt_text
from .formats import rows_of
from .sample import Sample, content_id

MIN_GOOD_STARS = 4  # of five; a star without a number is good
JUDGE_PROMPT_START = "You compare two answers to the same request."  # how a judge's prompt begins: those are no user's
EXPLICIT_KINDS = ("vote", "edit", "star", "accept", "thumb")


def from_feedback(kinds: Sequence[str] = (), *, since: float | None = None, notebook: str = "") -> list[Sample]:
    """A row for each prompt with feedback; `values` are {"prompt": text}.

    The target is the answer that was voted for, edited or accepted; later feedback replaces earlier feedback.
    `extra` holds chosen and rejected answers, runs, and kinds of feedback. `kinds` selects kinds, `since`
    (seconds since the epoch) newer feedback, `notebook` feedback on runs of one notebook.
    """
    events = [s for s in feedback_store.all_feedback(since=since, notebook=notebook) if not kinds or s.kind in kinds]
    answers = _answers({r for s in events for r in _runs(s)})
    by_prompt: dict[tuple[str, str], list[Feedback]] = defaultdict(list)
    for s in events:
        if prompt := shared_prompt([_prompt(answers[r]) for r in _runs(s) if r in answers]):
            by_prompt[prompt, s.user].append(s)
    return _with_unique_ids(_sample(prompt, user, group, answers) for (prompt, user), group in by_prompt.items())


def from_log(query: str = "", *, model: str = "", since: float | None = None, limit: int = 1000) -> list[Sample]:
    """A row for each logged prompt, found as in `fm.log`, without a target.

    The logged answer is in `extra`.
    """
    rows = [r for kind in ("call", "row") for r in log.search(query, limit=limit, model=model, kind=kind, since=since)]
    samples: dict[str, Sample] = {}
    for r in sorted(rows, key=lambda r: r["started"])[-limit:]:
        if r["prompt"] and not r["error"] and not r["prompt"].startswith(JUDGE_PROMPT_START):
            values = {"prompt": r["prompt"]}
            samples[r["prompt"]] = Sample(content_id(values), values, extra={"answer": r["text"], "model": r["model"], "runs": [r["run"]]})
    return list(samples.values())


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
                "Each row of feedback needs a run and a kind", detail=f"column {column!r}", hint="Name the columns: run=..., kind=..."
            )
    logged = log.names_of([str(r[run]) for r in rows])
    missing = [str(r[run]) for r in rows if str(r[run]) not in logged]
    if missing:
        raise UsageError(
            "Some runs are not in the log",
            detail=f"{missing[0]} and {len(missing) - 1} more" if missing[1:] else missing[0],
        )
    for r in rows:
        if r[kind] in ("vote", "undo"):
            raise UsageError("Votes cannot be imported; use fm.vote", detail=str(r[run]))
    for r in rows:
        feedback_store.add(str(r[run]), str(r[kind]), r.get(value), user=str(r.get(user) or ""))
    return len(rows)


def shared_prompt(prompts: Sequence[str]) -> str:
    """The prompt itself if all are equal, else the last paragraphs that all prompts share; "" if none.

    Prompts of one comparison may differ in the instructions above the shared text.

    >>> shared_prompt(["Be brief.\\n\\nCustomer: hi", "Be kind.\\n\\nCustomer: hi"])
    'Customer: hi'
    """
    paragraphs = [p.split("\n\n") for p in prompts]
    n_shared = 0
    while paragraphs and all(len(p) > n_shared and p[-1 - n_shared] == paragraphs[0][-1 - n_shared] for p in paragraphs):
        n_shared += 1
    return "\n\n".join(paragraphs[0][-n_shared:]) if n_shared else ""


def _runs(s: Feedback) -> list[str]:
    return list(s.value["runs"]) if s.kind == "vote" else [s.run]


def _answers(runs: Iterable[str]) -> dict[str, Response]:
    responses = {}
    for run in runs:
        try:
            responses[run] = log.reopen(run)
        except UsageError:  # forgotten since
            continue
    return responses


def _prompt(r: Response) -> str:
    return prompt_text(r.request)


def _sample(prompt: str, user: str, events: Sequence[Feedback], answers: Mapping[str, Response]) -> Sample:
    """Combine one user's feedback on one prompt into a row; later feedback replaces earlier feedback."""
    target = chosen = None
    rejected: list[str] = []
    weak = False
    for s in events:
        good_text = bad_text = None
        match s.kind:
            case "vote":
                winner = s.value["winner"]
                good_text = answers[winner].text if winner in answers else None
                losers = [answers[r].text for r in _runs(s) if r in answers and r != winner] if winner or s.value["said"] == "bad" else []
                rejected = losers
            case "edit" if isinstance(new_text := s.value or s.text, str) and new_text.strip():
                good_text, bad_text = new_text, answers[s.run].text
            case "accept" if s.value:
                good_text = answers[s.run].text
            case "star" | "thumb":
                positive = s.value is True or (isinstance(s.value, (int, float)) and s.value >= (MIN_GOOD_STARS if s.kind == "star" else 1))
                good_text, bad_text = (answers[s.run].text, None) if positive else (None, answers[s.run].text)
            case "copied" if s.value is None or s.value:
                if target is None:
                    target, weak = answers[s.run].text, True
        if good_text is not None:
            target = chosen = good_text
            weak = False
        if bad_text is not None and bad_text != chosen:
            rejected = [*(r for r in rejected if r != bad_text), bad_text]
    runs = list(dict.fromkeys(r for s in events for r in _runs(s)))
    extra: dict[str, Any] = {"runs": runs, "said": [s.kind for s in events]}
    if chosen is not None and rejected:
        extra |= {"chosen": chosen, "rejected": [r for r in rejected if r != chosen]}
    elif rejected:
        extra["rejected"] = rejected
    if weak or all(s.kind not in EXPLICIT_KINDS for s in events):
        weak = True
        extra["behavior"] = {s.kind: s.value for s in events if s.kind not in EXPLICIT_KINDS}
    values = {"prompt": prompt}
    return Sample(content_id(values), values, target, user or None, weak=weak, extra=extra)


def _with_unique_ids(samples: Iterable[Sample]) -> list[Sample]:
    """Number the ids if several users gave feedback on one prompt."""
    counts: dict[str, int] = {}
    out = []
    for s in samples:
        n = counts[s.id] = counts.get(s.id, 0) + 1
        out.append(s if n == 1 else Sample.from_dict({**s.to_dict(), "id": f"{s.id}-{n}"}))
    return out
