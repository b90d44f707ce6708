"""Labels of message parts: whether a text can be trusted, its data class, and its columns.

A label says where text comes from; it never changes what is sent, cached or shown. An answer has
the labels of everything in its request, and is untrusted itself. So labels travel through
variables, conversations, the cache, tapes, the log and batches. Guards read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .types import File, Image, Label, Message, Part, Span, Text

DATA_CLASSES = ("", "public", "internal", "personal", "secret")  # from the least to the most restricted
UNTRUSTED = Label(untrusted=True)


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


def _rank(data_class: str) -> int:
    """A class that is not known ranks above all others."""
    return DATA_CLASSES.index(data_class) if data_class in DATA_CLASSES else len(DATA_CLASSES)
