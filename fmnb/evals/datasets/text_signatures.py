"""What of a text can be compared without keeping it: hashes of its words, of runs of three words, of its numbers.

A text is flattened first (case, accents, punctuation, spacing, Unicode forms), so that none of
these hides it. Words are stems; courtesies are no words; function words weigh less (`light`).
Nothing here knows about rows or files.
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
_INVISIBLE = "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # letters and symbols that show nothing
_MIN_UNSPACED = 15  # letters of a text that are as telling without its blanks
_MIN_LEET_WORDS = 2  # such words, of one text: fewer are names of products
_LEET_LETTERS = str.maketrans("01345", "oieas")
_QUOTES = re.compile("[\u2018\u2019\u02bc]")
_MAX_GRAMS = 400  # runs kept of a long text: those with the smallest hashes

LIGHT = frozenset(
    """a an the and or but if so of to in on at by for from with as is are was were be been being am do does did doing done have has
    had having i me my mine we us our you your yours he she it its they them their this that these those there here what which who whom
    when where why how can could will would shall should may might must s ve re ll d m im ive tell know want need like get got just
    very really also any some help der die das und oder ein eine ist sind ich wir sie mein meine wie was warum wann wo kann le la les
    un une et ou est sont je nous vous mon ma mes comment pourquoi quand el los las y es son yo mi como cuando donde""".split()
)
COURTESY = frozenset(
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
    """What is known of a text. `keys` maps words of four letters and more to their letters' hash, so that typing errors are found.

    `whole` is the hash of the flattened text, `unspaced` that of a long one without its blanks (0 for a short one), `upto`
    the largest hash that `grams` may hold.
    """

    whole: int
    length: int
    words: frozenset[int]
    light: frozenset[int] = frozenset()
    numbers: frozenset[int] = frozenset()
    grams: frozenset[int] = frozenset()
    upto: int = MAX_HASH
    keys: Mapping[int, int] = field(default_factory=dict)
    unspaced: int = 0

    @property
    def is_comparable(self) -> bool:
        """Whether there is enough of it to be told from others by more than equality: two words beside numbers."""
        return len(self.words - self.numbers) >= 2

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        out: dict[str, Any] = {"whole": self.whole, "length": self.length}
        out |= {n: _pack(sorted(v)) for n in ("words", "light", "numbers", "grams") if (v := getattr(self, n))}
        if self.unspaced:
            out["unspaced"] = self.unspaced
        if self.upto != MAX_HASH:
            out["upto"] = self.upto
        if self.keys:
            out["keys"] = _pack([n for pair in sorted(self.keys.items()) for n in pair])
        return out

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Signature:
        """The signature that `to_dict` described."""
        words, light, numbers, grams = (frozenset(_unpack(d.get(n, ""))) for n in ("words", "light", "numbers", "grams"))
        keys = _unpack(d.get("keys", ""))
        met = dict(zip(keys[::2], keys[1::2], strict=True))
        return cls(
            int(d["whole"]), int(d["length"]), words, light, numbers, grams, int(d.get("upto", MAX_HASH)), met, int(d.get("unspaced", 0))
        )


def signature(text: str) -> Signature:
    """The signature of a text.

    >>> a, b = signature("Why did my transfer NOT work?"), signature("why did my  transfer not work")
    >>> a == b, signature("7+7") == signature("7-7")
    (True, False)
    """
    said = flat_words(text)
    kept = [w for w in said if w not in COURTESY] or said
    words, light, numbers, keys = set(), set(), set(), {}
    for w in kept:
        if w in LIGHT:
            light.add(_hash(w))
            continue
        stem = _stem(w)
        words.add(_hash(stem))
        if any(c.isdigit() for c in w):
            numbers.add(_hash(stem))
        elif len(stem) > 3:
            keys[_hash(stem)] = _hash(letters(stem))
    if not words:  # all of it is function words: then these are what it says
        words, light = light, set()
    grams = sorted({_hash(" ".join(said[i : i + 3])) for i in range(len(said) - 2)})
    upto = MAX_HASH if len(grams) <= _MAX_GRAMS else grams[_MAX_GRAMS - 1]
    few = frozenset(grams[:_MAX_GRAMS])
    joined = "".join(said)
    unspaced = _hash(joined) if len(joined) >= _MIN_UNSPACED else 0
    return Signature(_hash(" ".join(said)), len(said), frozenset(words), frozenset(light), frozenset(numbers), few, upto, keys, unspaced)


def text_hash(text: str) -> int:
    """The hash of the flattened text alone."""
    return _hash(" ".join(flat_words(text)))


def split_parts(text: str) -> Iterator[str]:
    """The lines and sentences of a text, and what stands behind a colon."""
    for part in _PARTS.split(text):
        if part and part.strip():
            yield part


def without_courtesies(text: str) -> str:
    """A text without greeting and thanks, for its vector.

    >>> without_courtesies("Hello, could you please tell me where my card is? Thank you!")
    'where my card is'
    """
    found = _CLOSING.sub("", _OPENING.sub("", text.strip()))
    return found if len(flat_words(found)) >= 2 else text


def flat_words(text: str) -> list[str]:
    """The words of a text without case, accents, punctuation; of Chinese, Japanese and Korean, pairs of letters.

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
    """A text without what hides a copy from a comparison of letters: lookalikes of other scripts, invisible characters, marks, digits for letters.

    Only words that become ASCII by it are changed, and only where the text has ASCII letters, so
    that other scripts stay as they are.

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


def _unmask_word(found: re.Match[str]) -> str:
    word = found[0]
    bare = "".join(c for c in unicodedata.normalize("NFKD", word.translate(TABLE)) if unicodedata.category(c) not in ("Mn", "Me"))
    bare = _QUOTES.sub("'", bare.casefold().translate(TABLE))
    return bare if bare.isascii() else word


def letters(word: str) -> str:
    """The letters of a word, each once and in order: what swapped and doubled letters leave alone.

    >>> letters("transfer") == letters("tranfser"), letters("swallow") == letters("swalow")
    (True, True)
    """
    return "".join(sorted(set(word)))


def letters_hash(word: str) -> int:
    """The hash of a word's letters."""
    return _hash(letters(word))


def misspelled_hashes(word: str) -> Iterator[int]:
    """Hashes of the letters of words that this one may be meant to be: the same letters, one more or one less, one exchanged."""
    have = letters(word)
    yield _hash(have)
    fewer = [have[:i] + have[i + 1 :] for i in range(len(have))]
    yield from map(_hash, fewer)
    more = [c for c in "abcdefghijklmnopqrstuvwxyz" if c not in have]
    yield from (_hash(letters(have + c)) for c in more)
    yield from (_hash(letters(f + c)) for f in fewer for c in more)


def split_words(word: str) -> Iterator[tuple[int, int]]:
    """Hashes of the two words that this one may be, written as one: topup, top up."""
    for i in range(2, len(word) - 1):
        yield _hash(_stem(word[:i])), _hash(_stem(word[i:]))


def unknown_words(text: str, known: Container[int]) -> dict[int, str]:
    """Words of a text, by hash, that are none of the known ones and long enough to be misspelt."""
    found = {_hash(s): s for w in flat_words(text) if w not in LIGHT and w not in COURTESY for s in [_stem(w)]}
    return {h: s for h, s in found.items() if h not in known and len(s) > 2 and s.isalpha()}


@lru_cache(maxsize=100_000)
def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


@lru_cache(maxsize=50_000)
def _stem(w: str) -> str:
    """A word without its commonest English endings; numbers and short words stay."""
    if not w.isalpha():
        return w
    for end in ("ing", "edly", "ed", "ies", "es", "s", "ly"):
        if w.endswith(end) and len(w) - len(end) >= 3 and not w.endswith("ss"):
            w = w[: -len(end)]
            break
    w = w[:-1] if w.endswith("e") and len(w) > 3 else w
    return w[:-1] if len(w) > 3 and w[-1] == w[-2] else w


def containment(a: Signature, b: Signature, weight: Mapping[int, float] | None = None) -> float:
    """The larger share of the one's runs of three words that the other has, where the one has four runs or more."""
    upto = min(a.upto, b.upto)
    x, y = ({g for g in s.grams if g <= upto} for s in (a, b))
    both = _size(x & y, weight)
    return max(both / _size(s, weight) if len(s) >= 4 else 0.0 for s in (x, y)) if both else 0.0


def _size(grams: set[int], weight: Mapping[int, float] | None) -> float:
    return sum(weight.get(g, 1.0) for g in grams) if weight else float(len(grams))


def _pack(numbers: Sequence[int]) -> str:
    return base64.b64encode(np.array(numbers, dtype=">u8").tobytes()).decode()


def _unpack(text: str) -> list[int]:
    found: list[int] = np.frombuffer(base64.b64decode(text), dtype=">u8").tolist()
    return found


LIGHT_HASHES = frozenset(map(_hash, LIGHT))
LIGHT_LETTERS = frozenset(_hash(letters(w)) for w in LIGHT | COURTESY if len(w) > 3)
_NUMBERS = """one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million""".split()
_DIGITS = [*map(str, range(1, 21)), *map(str, range(30, 101, 10)), "1000", "1000000"]
NUMBER_WORDS = {_hash(n): _hash(_stem(word)) for n, word in zip(_DIGITS, _NUMBERS, strict=True)}  # a number's hash: its word's
