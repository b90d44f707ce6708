"""Agreement of the annotators of a data set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ...core.errors import UsageError
from ...stats.agreement import Agreement, alpha, kappa
from .sample import Sample


def label_agreement(samples: Sequence[Sample], level: str) -> Agreement:
    """Cohen's kappa if the same two annotators labeled every row, else Krippendorff's alpha."""
    labels_by_row = [dict(s.extra.get("labels", {})) for s in samples]
    rated = [{k: _hashable(v) for k, v in labels.items()} for labels in labels_by_row if len(labels) > 1]
    if not rated:
        raise UsageError("No row has labels of two annotators", hint="Let a second person label: fm.Labeler(dataset, annotator='...').")
    annotators = sorted({str(r) for labels in rated for r in labels})
    if len(annotators) == 2 and level == "nominal":
        return kappa([r[annotators[0]] for r in rated], [r[annotators[1]] for r in rated])
    return alpha(rated, level)


def _hashable(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, (dict, list)) else value
