"""Labels of message parts: whether a text can be trusted, its data class, and its columns.

A label says where text comes from; it never changes what is sent, cached or shown. An answer has
the labels of everything in its request, and is untrusted itself. So labels travel through
variables, conversations, the cache, tapes, the log and batches. Guards read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .types import File, Image, Label, Message, Part, Span, Text

DATA_CLASSES = ("", "public", "internal", "personal", "secret")  # from the least to the most restricted
UNTRUSTED = Label(untrusted=True)
DATA_CLASS = "data_class"  # key in the `attrs` of a DataFrame
SOURCES = "fmnb_sources"  # key in its `attrs`: for each column of answers, the columns that the prompts used


class RowLabels(dict[str, Label]):
    """The labels of the columns of a table, by their names in the prompt.

    `by_expression` has the labels of expressions that read columns alone: they are the same for all rows.
    """

    def __init__(self, columns: Mapping[str, Label]):
        super().__init__(columns)
        self.by_expression: dict[str, Label | None] = {}


def join(labels: Iterable[Label | None]) -> Label | None:
    """The label of text made of several: the most restricted data class, all columns.

    >>> join([None, Label(columns=("name",)), Label(untrusted=True, data_class="internal")])
    Label(untrusted=True, data_class='internal', columns=('name',))
    """
    found = [label for label in dict.fromkeys(labels) if label is not None]
    if len(found) < 2:
        return found[0] if found else None
    return Label(
        any(label.untrusted for label in found),
        max((label.data_class for label in found), key=_rank),
        tuple(dict.fromkeys(column for label in found for column in label.columns)),
    )


def part_label(part: Part) -> Label | None:
    """The label of a whole part. What a model or a tool wrote is untrusted."""
    match part:
        case Text(spans=spans):
            return join(span.label for span in spans)
        case Image(label=label) | File(label=label):
            return label
        case _:
            return join([UNTRUSTED, getattr(part, "label", None)])


def messages_label(messages: Iterable[Message]) -> Label | None:
    """The label of a conversation. Answers of models and results of tools are untrusted.

    >>> messages_label([Message("assistant", (Text("hi"),))])
    Label(untrusted=True, data_class='', columns=())
    """
    found: list[Label | None] = []
    for m in messages:
        if m.role in ("assistant", "tool"):
            found.append(UNTRUSTED)
        found += [part_label(part) for part in m.parts]
    return join(found)


def with_label(part: Part, label: Label | None) -> Part:
    """The part with one more label, over its whole length.

    >>> with_label(Text("abc"), UNTRUSTED).spans
    (Span(start=0, end=3, label=Label(untrusted=True, data_class='', columns=())),)
    """
    if label is None:
        return part
    match part:
        case Text(text=text):
            return text_of([(piece, join([own, label])) for piece, own in segments(part)]) if text else part
        case Image() | File():
            return replace(part, label=join([part.label, label]))
        case _:
            return part


def segments(text: Text) -> list[tuple[str, Label | None]]:
    """The text in pieces of one label each, in order.

    >>> segments(Text("Hi Ada", (Span(3, 6, Label(columns=("name",))),)))
    [('Hi ', None), ('Ada', Label(untrusted=False, data_class='', columns=('name',)))]
    """
    pieces: list[tuple[str, Label | None]] = []
    at = 0
    for span in text.spans:
        if at < span.start:
            pieces.append((text.text[at : span.start], None))
        pieces.append((text.text[span.start : span.end], span.label))
        at = span.end
    if at < len(text.text):
        pieces.append((text.text[at:], None))
    return pieces


def text_of(pieces: Sequence[tuple[str, Label | None]]) -> Text:
    """The inverse of `segments`; neighbors with the same label become one span.

    >>> text_of([("Hi ", None), ("Ada", Label(columns=("name",)))]).text
    'Hi Ada'
    """
    spans: list[Span] = []
    at = 0
    for piece, label in pieces:
        end = at + len(piece)
        if label is not None and piece:
            if spans and spans[-1].end == at and spans[-1].label == label:
                spans[-1] = Span(spans[-1].start, end, label)
            else:
                spans.append(Span(at, end, label))
        at = end
    return Text("".join(piece for piece, _ in pieces), tuple(spans))


def column_label(attributes: Mapping[str, Any], columns: Iterable[str]) -> Label:
    """The label of columns of a DataFrame with these `attrs`.

    It has the columns that answers were made from, too.

    >>> column_label({"data_class": "personal"}, ["name"])
    Label(untrusted=True, data_class='personal', columns=('name',))
    """
    names = list(columns)
    sources = attributes.get(SOURCES)
    sources = sources if isinstance(sources, Mapping) else {}
    lists = [made_from for name in names if isinstance(made_from := sources.get(name), (list, tuple))]
    made_from = [column for some in lists for column in some if isinstance(column, str)]
    return Label(True, str(attributes.get(DATA_CLASS) or "").strip().lower(), tuple(dict.fromkeys([*names, *made_from])))


def label_frame(attributes: dict[Any, Any], columns: Mapping[str, Label]) -> None:
    """Write the labels of new columns into the `attrs` of their DataFrame.

    >>> attributes = {}
    >>> label_frame(attributes, {"text": Label(True, "personal", ("name",))})
    >>> attributes
    {'fmnb_sources': {'text': ['name']}, 'data_class': 'personal'}
    """
    sources = attributes.get(SOURCES)
    made_from = {name: list(label.columns) for name, label in columns.items() if label.columns}
    if made_from:
        attributes[SOURCES] = {**(sources if isinstance(sources, Mapping) else {}), **made_from}
    label = join([column_label(attributes, ()), *columns.values()])
    if label is not None and label.data_class:
        attributes[DATA_CLASS] = label.data_class


def _rank(data_class: str) -> int:
    """A class that is not known ranks above all others."""
    return DATA_CLASSES.index(data_class) if data_class in DATA_CLASSES else len(DATA_CLASSES)
