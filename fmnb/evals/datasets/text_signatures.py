"""Signatures that compare texts without storing them: hashes of words, word sequences and numbers.

A text is normalized first (case, accents, punctuation, spacing, Unicode forms). Words are reduced to
stems, courtesy words are ignored, and function words weigh less. This module knows nothing of rows
and files.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

from ...core.confusables import TABLE

Array = np.ndarray[Any, Any]

_WORD = re.compile(r"\w+|[-+*/^=<>%](?=\s*\d)|(?<=\d)[-+*/^=<>%]")  # signs count between numbers: 7+7 is not 7-7
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_PARTS = re.compile(r"[\n\r|]+|(?<=[.!?:;。！？])\s+")
MAX_HASH = (1 << 63) - 1  # the largest hash
_LEET = re.compile(r"\b(?=\w*[01345])(?=\w*[a-z])(?!\d+(?:am|pm|st|nd|rd|th|[dghkmsx])\b)[a-z01345]{2,}\b")  # tr4nsf3r, not 3rd
_INVISIBLE = "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # invisible letters and symbols
_MIN_UNSPACED = 15  # length from which a text without spaces is distinctive
_MIN_LEET_WORDS = 2  # fewer such words are product names
_LEET_LETTERS = str.maketrans("01345", "oieas")
_QUOTES = re.compile("[\u2018\u2019\u02bc]")
_MAX_GRAMS = 400  # sequences stored for a long text: those with the smallest hashes

FUNCTION_WORDS = frozenset(
    """a an the and or but if so of to in on at by for from with as is are was were be been being am do does did doing done have has
    had having i me my mine we us our you your yours he she it its they them their this that these those there here what which who whom
    when where why how can could will would shall should may might must s ve re ll d m im ive tell know want need like get got just
    very really also any some help der die das und oder ein eine ist sind ich wir sie mein meine wie was warum wann wo kann le la les
    un une et ou est sont je nous vous mon ma mes comment pourquoi quand el los las y es son yo mi como cuando donde""".split()
)
COURTESY_WORDS = frozenset(
    """please pls kindly hello hi hey dear team good morning afternoon evening thanks thank thx cheers regards many lot much advance
    bitte danke vielen dank hallo guten tag merci bonjour gracias hola por favor""".split()
)
_OPENING = re.compile(
    r"^(?:(?:hello|hi|hey|dear|good (?:morning|afternoon|evening)|please|team|there|sir|madam|thanks|thank you|hallo|bonjour|hola"
    r"|(?:could|can|would) you (?:please )?(?:tell me|help me)?|please tell me|i would like to know|i want to know)[\s,.!:]+)+",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"[\s,.!?]+(?:(?:please|thanks|thank you|many thanks|in advance|a lot|so much|very much|(?:could|can) you (?:please )?help(?: me)?"
    r"|cheers|regards|danke|merci|gracias)[\s,.!?]*)+$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Signature:
    """Hashes of a text.

    `text_hash` is the hash of the normalized text, `unspaced` that of a long text without spaces (0 for a short
    one). `max_gram` is the largest hash that `grams` may hold. `letter_hashes` maps words of four letters or
    more to the hash of their letters, which finds typing errors.
    """

    text_hash: int
    length: int
    words: frozenset[int]
    function_words: frozenset[int] = frozenset()
    numbers: frozenset[int] = frozenset()
    grams: frozenset[int] = frozenset()
    max_gram: int = MAX_HASH
    letter_hashes: Mapping[int, int] = field(default_factory=dict)
    unspaced: int = 0

    @property
    def is_comparable(self) -> bool:
        """Whether the text has at least two words besides numbers; other texts are only compared for equality."""
        return len(self.words - self.numbers) >= 2

    def to_dict(self) -> dict[str, Any]:
        """The form that JSON can hold."""
        out: dict[str, Any] = {"whole": self.text_hash, "length": self.length}
        hashes = {"words": self.words, "light": self.function_words, "numbers": self.numbers, "grams": self.grams}
        out |= {key: _pack(sorted(v)) for key, v in hashes.items() if v}
        if self.unspaced:
            out["unspaced"] = self.unspaced
        if self.max_gram != MAX_HASH:
            out["upto"] = self.max_gram
        if self.letter_hashes:
            out["keys"] = _pack([n for pair in sorted(self.letter_hashes.items()) for n in pair])
        return out

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Signature:
        """Rebuild a signature from the output of `to_dict`."""
        words, function_words, numbers, grams = (frozenset(_unpack(d.get(n, ""))) for n in ("words", "light", "numbers", "grams"))
        keys = _unpack(d.get("keys", ""))
        letter_hashes = dict(zip(keys[::2], keys[1::2], strict=True))
        return cls(
            int(d["whole"]),
            int(d["length"]),
            words,
            function_words,
            numbers,
            grams,
            int(d.get("upto", MAX_HASH)),
            letter_hashes,
            int(d.get("unspaced", 0)),
        )


def signature(text: str) -> Signature:
    """Compute the signature of a text.

    >>> a, b = signature("Why did my transfer NOT work?"), signature("why did my  transfer not work")
    >>> a == b, signature("7+7") == signature("7-7")
    (True, False)
    """
    all_words = flat_words(text)
    relevant = [w for w in all_words if w not in COURTESY_WORDS] or all_words
    words, function_words, numbers, letter_hashes = set(), set(), set(), {}
    for w in relevant:
        if w in FUNCTION_WORDS:
            function_words.add(_hash(w))
            continue
        stem = _stem(w)
        words.add(_hash(stem))
        if any(c.isdigit() for c in w):
            numbers.add(_hash(stem))
        elif len(stem) > 3:
            letter_hashes[_hash(stem)] = _hash(letters(stem))
    if not words:  # only function words: then they are the content
        words, function_words = function_words, set()
    grams = sorted({_hash(" ".join(all_words[i : i + 3])) for i in range(len(all_words) - 2)})
    max_gram = MAX_HASH if len(grams) <= _MAX_GRAMS else grams[_MAX_GRAMS - 1]
    smallest = frozenset(grams[:_MAX_GRAMS])
    joined = "".join(all_words)
    unspaced = _hash(joined) if len(joined) >= _MIN_UNSPACED else 0
    return Signature(
        _hash(" ".join(all_words)),
        len(all_words),
        frozenset(words),
        frozenset(function_words),
        frozenset(numbers),
        smallest,
        max_gram,
        letter_hashes,
        unspaced,
    )


def text_hash(text: str) -> int:
    """The hash of the normalized text."""
    return _hash(" ".join(flat_words(text)))


def split_parts(text: str) -> Iterator[str]:
    """The lines and sentences of a text, and the parts after colons."""
    for part in _PARTS.split(text):
        if part and part.strip():
            yield part


def without_courtesies(text: str) -> str:
    """A text without greetings and thanks, for its vector.

    >>> without_courtesies("Hello, could you please tell me where my card is? Thank you!")
    'where my card is'
    """
    rest = _CLOSING.sub("", _OPENING.sub("", text.strip()))
    return rest if len(flat_words(rest)) >= 2 else text


def flat_words(text: str) -> list[str]:
    """The words of a text without case, accents and punctuation.

    Chinese, Japanese and Korean text is split into pairs of characters.

    >>> flat_words("Can’t  find the CAFÉ")
    ['cant', 'find', 'the', 'cafe']
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c)).replace("’", "'").replace("\u2212", "-")
    out: list[str] = []
    for w in _WORD.findall(re.sub(r"(?<=\w)'(?=\w)", "", plain)):
        if _CJK.search(w) and len(w) > 2:
            out += [w[i : i + 2] for i in range(len(w) - 1)]
        else:
            out.append(w)
    return out


def unmask(text: str) -> str:
    """Undo what hides a copied text from comparison.

    Lookalike letters of other scripts, invisible characters, marks, and digits in place of letters are replaced.
    Words change only if they become ASCII, and only in a text with ASCII letters, so that other scripts stay
    as they are.

    >>> unmask("Whеrе is my саrd?"), unmask("tr\u00adans\u200bfer"), unmask("Где карта?")
    ('where is my card?', 'transfer', 'Где карта?')
    """
    text = text.replace("_", " ")
    leet = len(_LEET.findall(text)) >= _MIN_LEET_WORDS
    if text.isascii() and not leet:
        return text
    plain = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf" and c not in _INVISIBLE)
    plain = re.sub(r"\S+", _unmask_word, plain) if re.search("[A-Za-z]", plain) else plain
    return _LEET.sub(lambda m: m[0].translate(_LEET_LETTERS), plain) if leet else plain


def _unmask_word(match: re.Match[str]) -> str:
    word = match[0]
    plain = "".join(c for c in unicodedata.normalize("NFKD", word.translate(TABLE)) if unicodedata.category(c) not in ("Mn", "Me"))
    plain = _QUOTES.sub("'", plain.casefold().translate(TABLE))
    return plain if plain.isascii() else word


def letters(word: str) -> str:
    """The distinct letters of a word in order; swapped and doubled letters do not change them.

    >>> letters("transfer") == letters("tranfser"), letters("swallow") == letters("swalow")
    (True, True)
    """
    return "".join(sorted(set(word)))


def letters_hash(word: str) -> int:
    """The hash of a word's letters."""
    return _hash(letters(word))


def misspelled_hashes(word: str) -> Iterator[int]:
    """Letter hashes of words that this one may be a misspelling of.

    The same letters, one more, one fewer, or one exchanged.
    """
    word_letters = letters(word)
    yield _hash(word_letters)
    fewer = [word_letters[:i] + word_letters[i + 1 :] for i in range(len(word_letters))]
    yield from map(_hash, fewer)
    more = [c for c in "abcdefghijklmnopqrstuvwxyz" if c not in word_letters]
    yield from (_hash(letters(word_letters + c)) for c in more)
    yield from (_hash(letters(f + c)) for f in fewer for c in more)


def split_words(word: str) -> Iterator[tuple[int, int]]:
    """Hashes of two words that may have been written as this one: topup, top up."""
    for i in range(2, len(word) - 1):
        yield _hash(_stem(word[:i])), _hash(_stem(word[i:]))


def unknown_words(text: str, known: Container[int]) -> dict[int, str]:
    """Words of a text, by hash, that are not known and long enough to be misspelled."""
    stems = {_hash(s): s for w in flat_words(text) if w not in FUNCTION_WORDS and w not in COURTESY_WORDS for s in [_stem(w)]}
    return {h: s for h, s in stems.items() if h not in known and len(s) > 2 and s.isalpha()}


@lru_cache(maxsize=100_000)
def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


@lru_cache(maxsize=50_000)
def _stem(w: str) -> str:
    """A word without common English endings; numbers and short words stay."""
    if not w.isalpha():
        return w
    for end in ("ing", "edly", "ed", "ies", "es", "s", "ly"):
        if w.endswith(end) and len(w) - len(end) >= 3 and not w.endswith("ss"):
            w = w[: -len(end)]
            break
    w = w[:-1] if w.endswith("e") and len(w) > 3 else w
    return w[:-1] if len(w) > 3 and w[-1] == w[-2] else w


def containment(a: Signature, b: Signature, weight: Mapping[int, float] | None = None) -> float:
    """The larger share of one text's three-word sequences that the other text has.

    Only a text with at least four sequences counts.
    """
    max_gram = min(a.max_gram, b.max_gram)
    x, y = ({g for g in s.grams if g <= max_gram} for s in (a, b))
    shared = _size(x & y, weight)
    return max(shared / _size(s, weight) if len(s) >= 4 else 0.0 for s in (x, y)) if shared else 0.0


def _size(grams: set[int], weight: Mapping[int, float] | None) -> float:
    return sum(weight.get(g, 1.0) for g in grams) if weight else float(len(grams))


def _pack(numbers: Sequence[int]) -> str:
    return base64.b64encode(np.array(numbers, dtype=">u8").tobytes()).decode()


def _unpack(text: str) -> list[int]:
    numbers: list[int] = np.frombuffer(base64.b64decode(text), dtype=">u8").tolist()
    return numbers


FUNCTION_WORD_HASHES = frozenset(map(_hash, FUNCTION_WORDS))
FUNCTION_WORD_LETTERS = frozenset(_hash(letters(w)) for w in FUNCTION_WORDS | COURTESY_WORDS if len(w) > 3)
_NUMBERS = """one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million""".split()
_DIGITS = [*map(str, range(1, 21)), *map(str, range(30, 101, 10)), "1000", "1000000"]
NUMBER_WORDS = {_hash(n): _hash(_stem(word)) for n, word in zip(_DIGITS, _NUMBERS, strict=True)}  # hash of a number: hash of its word
