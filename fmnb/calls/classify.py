"""A classifier made of a model: any model that fmnb can call gives texts probabilities of labels.

Guards use classifiers, so a classifier's own calls are not guarded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..core.events import Event
from ..core.typing import ModelLike
from .call import Options
from .pipeline import run, steps_of
from .prepare import prepare
from .run import stop_events
from .run_handle import Run

_PROMPT = "Which of these labels fits the text best: {labels}?\n\nText:\n{text}"


class ModelClassifier:
    """Classifies texts with a model.

    Args:
        model: A model's name or object, as in `fm.ask`. A local model gives probabilities; another gives 1 to the label it chooses.
        labels: Two labels or more.
    """

    def __init__(self, model: ModelLike, labels: Sequence[str]):
        self.model, self.labels = model, tuple(labels)
        self._schema = {"type": "object", "properties": {"label": {"enum": list(self.labels)}}, "required": ["label"]}

    async def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        """The probabilities of the labels for each text.

        Raises:
            FmnbError: A call failed: nothing is known about the text then.
        """
        return [await self._classify(text) for text in texts]

    async def _classify(self, text: str) -> Mapping[str, float]:
        prompt = _PROMPT.format(labels=", ".join(self.labels), text=text)
        options = Options(schema=self._schema, temperature=0.0)
        prepared = await asyncio.to_thread(prepare, prompt, self.model, options)  # it may read files
        call = replace(prepared.call, kind="classify")

        def stop(_: str, last: int, reason: str) -> Iterator[Event]:
            return stop_events(call, last, reason)

        handle = Run(run(call, steps_of(call, guarded=False)), runs=[call.run], stop_events=stop)
        await handle.adrive()
        response = handle.builders[call.run].response()
        probabilities = response.extra.get("labels") or {response.data["label"]: 1.0}
        return {label: float(probabilities.get(label, 0.0)) for label in self.labels}
