"""From a template and the notebook's values to message parts, with the label of each inserted value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.labels import RowLabels, segments, text_of, with_label
from ..core.types import Label, Part, Text
from . import template
from .describe import describe, schema, tokens_of, without_omitted
from .expression_labels import Labels
from .rendered import Inserted, Rendered


def render(text: str, namespace: Mapping[str, Any], labels: RowLabels | None) -> tuple[tuple[Part, ...], tuple[Inserted, ...]]:
    """The parts of a template with the values of a namespace, and what was inserted.

    Raises PromptError, with line and column, for an expression that fails.
    """
    output = _Renderer(
        {"schema": schema, **namespace}, RowLabels({}) if labels is None else labels
    )  # a copy, so that `:=` and loops have no side effects
    template.walk(template.parse(text), output.scope, output)
    return output.finished(), tuple(output.inserted)


class _Renderer:
    def __init__(self, scope: dict[str, Any], labels: RowLabels):
        self.scope = scope
        self.inserted: list[Inserted] = []
        self._parts: list[Part] = []
        self._pieces: list[tuple[str, Label | None]] = []  # of the text at the end
        self._labels = Labels(labels)

    def text(self, text: str, /) -> None:
        self._pieces.append((text, None))

    def insert(self, at: template.Expression, value: Any, /) -> None:
        new = value.parts if isinstance(value, Rendered) else describe(value, at.source)
        label = self._labels.inserted(at, value, self.scope)
        for part in new:
            if isinstance(part, Text) and not part.spans:
                self._pieces.append((part.text, label))
                continue
            part = with_label(part, label)
            if isinstance(part, Text):
                self._pieces += segments(part)
            else:
                self._end_text()
                self._parts.append(part)
        cut = "" if isinstance(value, (str, Rendered)) else without_omitted(new)
        self.inserted.append(Inserted(at.source, type(value).__name__, tokens_of(new), at.line, at.column, cut))

    def test(self, at: template.Expression, value: Any, /) -> None:
        self._labels.evaluated(at, value, self.scope)

    def loop(self, items: template.Expression, value: Any, names: Iterable[str], /) -> None:
        self._labels.loop(items, value, names, self.scope)

    def finished(self) -> tuple[Part, ...]:
        self._end_text()
        return tuple(self._parts)

    def _end_text(self) -> None:
        if any(piece for piece, _ in self._pieces):
            self._parts.append(text_of(self._pieces))
        self._pieces = []
