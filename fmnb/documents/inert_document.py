"""A document without control and invisible characters.

Such characters carry text that a person does not see and a model reads: Unicode tags spell
instructions, overrides of the direction show a word in another order than it is stored.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

from ..core.surrogates import replace_surrogates_in_text
from .document import Block, Document, Picture
from .limits import LIMITS, Limits

_SPACES = re.compile("[\x0b\x0c\x1c-\x1f\x85\u2028\u2029]")  # line ends of other programs: one space, so that line numbers stay
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_INVISIBLE = re.compile("[\u200b\u2060-\u2064\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\U000e0100-\U000e01ef]")
_SUSPECT = re.compile(f"[{''.join(p.pattern[1:-1] for p in (_SPACES, _CONTROL, _DIRECTION, _INVISIBLE))}\xad\r\ud800-\udfff]")
_REMOVED = ((_CONTROL, "control"), (_DIRECTION, "bidirectional control"), (_INVISIBLE, "invisible"))


def inert_text(text: str, removed: Counter[str] | None = None) -> str:
    r"""A text without control and invisible characters, with `\n` as its only line end.

    Args:
        text: Any text.
        removed: Counts of the removed characters by kind; they are added here.

    Returns:
        The text. Soft hyphens are removed without a count.

    >>> inert_text("one\r\ntwo\x00\u202e\U000e0041")
    'one\ntwo'
    """
    if not _SUSPECT.search(text):
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\xad", "")
    text = replace_surrogates_in_text(_SPACES.sub(" ", text))
    for pattern, kind in _REMOVED:
        text, n = pattern.subn("", text)
        if n and removed is not None:
            removed[kind] += n
    return text


def inert_document(document: Document, limits: Limits = LIMITS) -> Document:
    """A document without control and invisible characters, within the limit of its text.

    Args:
        document: A document as its reader made it.
        limits: The limits; `characters` counts here.

    Returns:
        The document. Notes say how many characters were removed, and that text was left out.
    """
    removed: Counter[str] = Counter()
    blocks, size, full = [], 0, False
    for block in document.blocks:
        clean = _inert_block(block, removed)
        if not clean.text.strip():
            continue
        if size + len(clean.text) > limits.characters:
            full = True
            if rest := clean.text[: max(0, limits.characters - size)].strip():
                blocks.append(replace(clean, text=rest))
            break
        size += len(clean.text)
        blocks.append(clean)
    notes = [_line(n) for n in document.notes]
    notes += [f"{n:,} {kind} character{'s' * (n != 1)} removed" for kind, n in removed.items()]
    if full:
        notes.append(f"only the first {limits.characters:,} characters were read")
    pictures = tuple(Picture(p.data, p.media_type, p.page, _line(p.place)) for p in document.pictures)
    return replace(
        document,
        name=_line(document.name),
        title=_line(document.title),
        blocks=tuple(blocks),
        pictures=pictures,
        notes=tuple(dict.fromkeys(notes)),
    )


def _inert_block(block: Block, removed: Counter[str]) -> Block:
    text = inert_text(block.text, removed).strip("\n")
    text = text if block.kind in ("code", "table") else text.strip()
    place = _line(block.place)
    values = {_line(k): _inert_value(v) for k, v in block.values.items()} if block.values else block.values
    if text == block.text and place == block.place and values == block.values:
        return block
    return replace(block, text=text, place=place, values=values)


def _inert_value(value: Any) -> Any:
    return inert_text(value) if isinstance(value, str) else value


def _line(text: str) -> str:
    return " ".join(inert_text(str(text)).split())
