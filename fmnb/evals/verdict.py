"""What an evaluation says in sentences: the finding about the best, what failed, what the scores say."""

from __future__ import annotations

from . import failures
from .label_baseline import label_notes
from .report.sentences import headline, sentences
from .results import Results


def verdict(r: Results) -> str:
    """The finding about the best, by the first scorer; where nothing can be compared, why."""
    m = r.matrix()
    if failures.scored(m):
        return " ".join([*failures.blocked(m), headline(r.analysis())])
    return " ".join(failures.blocked(m)) or f"No row could be scored: {failures.causes(m.dropped)}."


def trouble(r: Results) -> list[str]:
    """What failed: models without a score or a verdict, scorers that scored nothing, answers that are left out."""
    found = [r.matrix(n) for n in r.scores]
    return list(dict.fromkeys(s for tell in (failures.blocked, failures.minor) for m in found for s in tell(m)))


def findings(r: Results) -> list[str]:
    """What the scores say, by each scorer in turn."""
    out: list[str] = []
    for name in r.scores:
        m = r.matrix(name)
        if failures.scored(m):
            out += sentences(r.analysis(name))
            out += label_notes(r, r.analysis(name))
        else:
            out += [f"No row could be scored by {name}: {failures.causes(m.dropped)}."] if not m.asked else []
            out += [f"{r.conduct[name]}."] if name in r.conduct else []
        figures = r.corpus.get(name, {}).items()
        out += [f"{model} has {name} {value:.4f} over all rows together." for model, value in figures if model in m.models]
    out += [r.reuse.sentence] if r.reuse.count else []
    return list(dict.fromkeys(out))  # what holds for every scorer is said once
