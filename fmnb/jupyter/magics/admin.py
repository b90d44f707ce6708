"""Verbs about this kernel and this user: key, log, tape, budget, trust, doctor, and `%fm` alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ...calls.session import default_model, session
from ...catalog.resolve import forget_backends, usable_profiles
from ...comparison.compare import reopen
from ...config import keys, settings
from ...config.confirm import LIVE, confirm, declined, secret
from ...config.environment import set_here
from ...config.question import ask
from ...core.errors import UsageError, alternatives
from ...core.events import Started
from ...core.inert_text import printable
from ...core.records import Rows
from ...limits import budget as budgets
from ...providers import profiles
from ...store import log as store
from ...store import log_query, retention
from ...store.tape import Tape
from ...views.router import view_for
from ..comm import send_state
from .arguments import flags_of, words_of
from .shown import mark_displayed


def key(rest: str, shell: Any) -> Any:
    """Show the source of keys; set one (typed unseen), or remove one."""
    words = words_of(rest)
    if not words or words[0] == "show":
        rows = []
        for p in [profiles.profile(n) for n in words[1:]] or usable_profiles():
            if p.needs_key or words[1:]:
                found = keys.status(p.key_env, p.name)
                rows.append(
                    {"provider": p.name, "key": found or "none", "goes to": ", ".join(p.key_hosts), "set with": alternatives(p.key_env)}
                )
        return Rows(rows, ("provider", "key", "goes to", "set with"))
    if len(words) != 2 or words[0] not in ("set", "rm"):
        raise UsageError(
            "Use `set` or `rm` with a provider", detail=rest, hint="`%fm key set openai` asks for the value; never type it into a cell."
        )
    p = profiles.profile(words[1])
    if words[0] == "rm":
        print("Removed." if keys.remove_key(p.name) else "There was no stored key.")
    else:
        variable = p.key_env[0] if p.key_env else "the provider's variable"
        if any(os.environ.get(v) and set_here(v) for v in p.base_url_env):
            raise UsageError(
                f"A cell has set another address for {p.label}",
                detail=p.usual_address,
                hint=f"Set {alternatives(p.base_url_env)} before Jupyter starts if you trust it; then the key can be stored for it.",
            )
        value = secret(
            f"Key for {p.label} (goes to {p.usual_address}):",
            f"Set {variable} in the environment before the kernel starts, or run `%fm key set {p.name}` in a live notebook.",
        )
        print(f"Stored in the {keys.set_key(p.name, value, p.usual_address)}.")
    forget_backends()
    return None


def log(rest: str, shell: Any) -> Any:
    """Search the log, reopen a run, switch the log on or off, delete runs."""
    words, flags = flags_of(rest, "--open", "--all", "--before", "--yes")
    if len(words) == 1 and words[0] in ("on", "off"):
        store.set_enabled(words[0] == "on")
        print(f"The log is {words[0]}.")
        return None
    if words and words[0] == "forget":
        return _forget(words[1:], flags)
    if unknown := flags - {"--open"}:
        raise UsageError(
            f"{sorted(unknown)[0]} works only with forget", detail=f"%fm log {rest}", hint="`%fm log forget --before 2026-01-31`."
        )
    if len(words) == 1 and len(words[0]) >= 8 and any(c.isdigit() for c in words[0]):
        try:
            return _reopen(words[0], shell)
        except UsageError:
            pass  # a search word with digits
    return log_query.log(" ".join(words), open="--open" in flags)


def _reopen(run: str, shell: Any) -> Any:
    """Show a run again as it was displayed.

    A comparison becomes the last one, to which `%fm vote` and `--undo` apply, also in a new kernel.
    """
    response = log_query.reopen(run)
    events = store.events_of(response.run)
    start = events[0]
    if isinstance(start, Started) and start.kind == "batch":
        from ...batch.log_view import load_batch

        return load_batch(response.run)
    if isinstance(start, Started) and start.kind == "evaluate":
        from ...evals.evaluate import reopen as reopen_evaluation

        return reopen_evaluation(response.run)
    if not isinstance(start, Started) or start.kind not in ("compare", "call"):
        return response
    if start.kind == "call":
        view = view_for(shell, start.request.format if start.request is not None else "markdown")
        for event in events:
            view(event)
        return mark_displayed(response, shell)
    session.last_comparison = reopen(response.run)
    return session.last_comparison


def _forget(words: list[str], flags: set[str]) -> None:
    which: dict[str, Any]
    if "--before" in flags:
        if len(words) != 1:
            raise UsageError("The date is missing", hint="`%fm log forget --before 2026-01-31`.")
        which = {"before": log_query.parse_date(words[0])}
    elif "--all" in flags:
        which = {"everything": True}
    else:
        run = words[0] if len(words) == 1 else ""
        exact = run and any(r["run"] == run for r in store.search(limit=100_000))
        which = {"run": run} if exact else {"query": " ".join(words)}
    found = retention.count(**which)
    if found and "--yes" not in flags:
        confirm(f"Delete {_runs(found)} of the log, with cached answers?", "--yes", yes="Delete")
    print(f"Deleted {_runs(retention.forget(**which) if found else 0)}, including cached answers.")


def _runs(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"


def tape(rest: str, shell: Any) -> None:
    """Use a tape from now on; `off` stops, `prune` drops unused answers; alone shows the tape."""
    words, flags = flags_of(rest, "--yes")
    if flags and words != ["prune"]:
        raise UsageError("--yes works only with prune", detail=f"%fm tape {rest}", hint="`%fm tape prune --yes`.")
    if words == ["off"]:
        session.tape = None
    elif words == ["prune"]:
        if session.tape is None:
            raise UsageError("There is no tape to prune", hint="`%fm tape FILE`, run the notebook from top to bottom, then prune.")
        unused, all_ = session.tape.unused(), len(session.tape)
        if unused and unused == all_ and "--yes" not in flags:
            confirm(f"Drop all {all_} answers of {session.tape.path.name}? No cell of this kernel has used one of them", "--yes")
        dropped = session.tape.prune()
        print(f"Dropped {dropped} answer{'' if dropped == 1 else 's'} that this kernel did not use.")
    elif len(words) == 1:
        session.tape = Tape(Path(words[0]))
    elif words:
        raise UsageError("One tape at a time", detail=rest, hint="Quote a name with spaces.")
    print("No tape." if session.tape is None else printable(f"Tape {session.tape.path}: {len(session.tape)} answers."))


def budget(rest: str, shell: Any) -> None:
    """Set, lift or show the spending cap."""
    words, flags = flags_of(rest, "--allow-unknown")
    if words == ["off"]:
        budgets.set_limit(None)
    elif len(words) > 1:
        raise UsageError("A budget must be one number of dollars", detail=rest, hint="`%fm budget 5`, or `%fm budget off`.")
    elif words:
        try:
            limit = float(words[0].lstrip("$"))
        except ValueError:
            raise UsageError("A budget must be a number of dollars", detail=words[0], hint="`%fm budget 5`.") from None
        if not limit >= 0 or limit == float("inf"):
            raise UsageError("A budget must be 0 or more", detail=words[0])
        budgets.set_limit(limit, allow_unknown="--allow-unknown" in flags)
    send_state()  # the sidebar's bar
    b = budgets.budget()
    cap = "no cap" if b.limit is None else f"of ${b.limit:g}"
    unknown = f"; {b.unknown_calls} call{'' if b.unknown_calls == 1 else 's'} of unknown price" if b.unknown_calls else ""
    doubt = budgets.uncertain_text(b.uncertain_calls, b.uncertain_cost)
    print(f"${b.spent:.4f} spent in this kernel{doubt}, {cap}{unknown}.")


def trust(rest: str, shell: Any) -> None:
    """Trust the project's fmnb.toml in its present state, after a person has agreed."""
    if rest:
        raise UsageError(
            "trust takes no arguments",
            detail=rest,
            hint="It always asks: a notebook must not trust a file in its reader's name.",
        )
    file = settings.project_file()
    if file is None:
        raise UsageError("There is no fmnb.toml in this project")
    settings_ = settings.read_toml(file)
    lines = []
    named = [table for table in ("provider", "source") if settings_.get(table)]
    for table in named:
        for name, row in settings_[table].items():
            lines += [f"[{table}.{name}]", *(f"  {k} = {v!r}" for k, v in (row.items() if isinstance(row, dict) else [(name, row)]))]
    lines += [f"[{table}]: {settings_[table]}" for table in sorted(set(settings_) - {"provider", "source", "default", "alias"})]
    whose = " and ".join(f"{table}s'" for table in named) or "providers'"
    before = settings.trusted(file)
    question = f"{'Still let' if before else 'Let'} {file} decide where these {whose} requests and keys go?"
    if ask(question, {"yes": "Yes", "no": "No"}, default="no", details="\n".join(map(printable, lines)), hint=LIVE) == "no":
        if not before:
            raise declined()
        settings.distrust(file)
        print("No longer trusted.")
        return
    settings.trust(file)
    print("Trusted, as long as the file does not change.")


def doctor(rest: str, shell: Any) -> Any:
    """Show what works here, and how to set up the rest."""
    if rest:
        raise UsageError("doctor takes no arguments", detail=rest)
    from ...calls.doctor import diagnose

    return diagnose()


def status(shell: Any) -> Any:
    """The status that `%fm` alone shows."""
    model, who = default_model()
    b = budgets.budget()
    tape_is = "none" if session.tape is None else f"{session.tape.path.name} ({len(session.tape)} answers)"
    rows = [
        {"": "model", "now": f"{model} ({who})"},
        {
            "": "spent",
            "now": f"${b.spent:.4f}"
            + ("" if b.limit is None else f" of ${b.limit:g}")
            + budgets.uncertain_text(b.uncertain_calls, b.uncertain_cost),
        },
        {"": "tape", "now": tape_is},
        {"": "log", "now": "on" if store.enabled() else "off"},
    ]
    return Rows(rows, ("", "now"), "`%fm help` lists the verbs, `%fm doctor` shows what works here.")
