"""The stored things as plain data, read through what users have: `fm`, `%fm`, `%%fm`. The one place that knows names of attributes.

The names in the data are those of the version that wrote the stored files.
"""

from __future__ import annotations

import hashlib
from typing import Any

import fmnb as fm

KINDS = ("call", "row", "compare", "batch", "evaluate", "job", "embed")
_ROW = ("run", "kind", "model", "prompt", "text", "error", "finish", "source", "seconds", "first_token_seconds",
        "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost", "estimated")  # fmt: skip


_NOW = {"finish": "finish_reason", "what": "message", "seen": "detail", "todo": "hint"}  # names that have changed since


def error(e: Any) -> Any:
    """An error's dict."""
    then = {now: name for name, now in _NOW.items()}
    return e and {then.get(k, k): v for k, v in e.items()}


def line(shell: Any, text: str) -> Any:
    """The value of a `%fm` line."""
    return shell.run_line_magic("fm", text)


def everything(shell: Any) -> dict[str, Any]:
    """All runs of the log by their ids, and what stands above them."""
    found: dict[str, Any] = {"words": {w: sorted(r["run"] for r in fm.log(w, limit=1000)) for w in ("river", "Bonn", "number")}}
    found["votes"] = {v: sorted(r["run"] for r in fm.log(vote=v, limit=1000)) for v in ("any", "won", "lost", "tie", "bad", "star", "edit")}
    for kind in KINDS:
        found[kind] = {r["run"]: {n: r.get(_NOW.get(n, n)) for n in _ROW} for r in fm.log(kind=kind, limit=1000)}
        for run, about in found[kind].items():
            about["opened"] = opened(line(shell, f"log {run}"))
    board = fm.leaderboard(notebook="all")
    found["leaderboard"] = [board.note, *(list(r.values()) for r in board)]
    return found


def opened(value: Any) -> Any:
    """What a run opens as."""
    if isinstance(value, fm.Response):
        return answer(value)
    if isinstance(value, fm.Comparison):
        return {"run": value.run, "labels": list(value.labels), "answers": [answer(r) for r in value], "votes": [signal(s) for s in value.votes],
                "best": value.best.run if value.best else None, "hidden": value.hidden, "rows": table(value.df)}  # fmt: skip
    if isinstance(value, fm.Evaluation):
        return evaluation(value)
    return {"state": value.state, "error": error(value.error), "answers": value.result()} if hasattr(value, "state") else repr(value)


def answer(r: Any) -> dict[str, Any]:
    """A Response."""
    u = r.usage
    return {
        "text": r.text, "run": r.run, "model": r.model, "asked": r.requested_model,
        "where": "stays here" if r.host == "local" else r.host, "reasoning": r.reasoning, "data": r.data,
        "usage": [u.input_tokens, u.output_tokens, u.cached_tokens, u.reasoning_tokens, u.cost, u.estimated],
        "finish": r.finish_reason, "error": error(r.error), "seconds": r.seconds, "source": r.source, "notes": list(r.notes),
        "not_applied": list(r.not_applied), "extra": r.extra, "logprobs": list(r.logprobs),
        "tools": [[t.id, t.name, t.arguments] for t in r.tool_calls],
        "media": [[m.media_type, len(m.data), hashlib.sha256(m.data).hexdigest()] for m in r.media],
        "conversation": [[m.role, [part(p) for p in m.parts]] for m in r.messages],
    }  # fmt: skip


def part(p: Any) -> list[Any]:
    """A part of a message."""
    return [hashlib.sha256(p.data).hexdigest(), p.media_type] if hasattr(p, "data") else [str(getattr(p, "text", p))]


def signal(s: Any) -> list[Any]:
    """What somebody said of an answer."""
    return [s.run, s.n, s.kind, s.value, s.user, s.text]


def evaluation(e: Any) -> dict[str, Any]:
    """An Evaluation: its figures, and its verdicts word for word."""
    return {
        "run": e.run, "sentence": e.sentence, "sentences": e.sentences, "trouble": e.problems, "markdown": e.to_markdown(),
        "models": [list(r.values()) for r in e.models], "pairs": [list(r.values()) for r in e.pairs],
        "scores": [[round(float(x), 9) for x in row] for row in e.matrix().values.reshape(len(e.matrix().values), -1)],
        "rows": table(e.df), "name": e.dataset.name, "version": e.dataset.version,
    }  # fmt: skip


def dataset(d: Any) -> dict[str, Any]:
    """A Dataset with everything in its rows."""
    rows = sorted([s.id, dict(s.values), s.target, s.group, s.split, s.weak, s.made, dict(s.extra)] for s in d)
    return {"name": d.name, "version": d.version, "rows": rows}


def chat(c: Any) -> dict[str, Any]:
    """A conversation with its branches."""
    return {"messages": [[m.role, m.text] for m in c.messages], "branches": len(c.branches), "text": str(c)}


def table(frame: Any) -> list[dict[str, Any]]:
    """A DataFrame as rows, for JSON."""
    import json

    return json.loads(frame.to_json(orient="records"))
