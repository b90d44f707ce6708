"""The conclusions of an evaluation in sentences: the best model, failures, findings."""

from __future__ import annotations

from . import failures
from .label_baseline import label_notes
from .report.sentences import headline, sentences
from .results import Results


def verdict(r: Results) -> str:
    """The conclusion about the best model by the first scorer, or why there is none."""
    m = r.matrix()
    if failures.has_scores(m):
        return " ".join([*failures.no_verdict_sentences(m), headline(r.analysis())])
    return " ".join(failures.no_verdict_sentences(m)) or f"No row could be scored: {failures.causes_text(m.drop_causes)}."


def problems(r: Results) -> list[str]:
    """What failed: models without a score or verdict, scorers without scores, excluded answers."""
    matrices = [r.matrix(n) for n in r.scores]
    return list(
        dict.fromkeys(s for describe in (failures.no_verdict_sentences, failures.failure_sentences) for m in matrices for s in describe(m))
    )


def findings(r: Results) -> list[str]:
    """The findings, scorer by scorer."""
    out: list[str] = []
    for name in r.scores:
        m = r.matrix(name)
        if failures.has_scores(m):
            out += sentences(r.analysis(name))
            out += label_notes(r, r.analysis(name))
        else:
            out += [f"No row could be scored by {name}: {failures.causes_text(m.drop_causes)}."] if not m.n_expected else []
            out += [f"{r.judge_diagnostics[name]}."] if name in r.judge_diagnostics else []
        figures = r.corpus.get(name, {}).items()
        out += [f"{model} has {name} {value:.4f} over all rows together." for model, value in figures if model in m.models]
    out += [r.cache_use.sentence] if r.cache_use.count else []
    return list(dict.fromkeys(out))  # without repetitions across scorers
