"""Whether a text is English, by its most frequent words. Other languages are not read."""

from __future__ import annotations

from .words import words

_ENGLISH = frozenset(
    "the of and to in a is was are were for with that on by at from it as than this have has had but not or be an which while over only".split()
)
_OTHERS = {
    "German": "der die das und ist sind war waren mit von im den dem ein eine auf für als auch nicht zu bei pro wurde".split(),
    "French": "le la les des et est sont était étaient avec dans un une du que sur pour par plus pas en au aux ont".split(),
    "Spanish": "el los las y es son fue con en un una del que por para más no se al lo su como entre".split(),
    "Italian": "il gli che è sono era con di un una del della per più non si alla nel dei tra come ha".split(),
    "Portuguese": "os as e é são foi com em um uma do da que por para mais não se ao no na dos das".split(),
    "Dutch": "de het een en is zijn was met van op voor dat die niet te bij ook als naar door".split(),
    "Polish": "i w z na jest są był się nie do że to od po dla jak oraz przez ze o".split(),
    "Swedish": "och är att det som en på av för med den till var inte om ett har i från".split(),
}


def is_english(text: str) -> bool:
    """Whether a text reads as English; short and wordless texts do.

    >>> is_english("The mean was 4.5."), is_english("Der Mittelwert lag im Jahr 2015 bei 4,5 und war damit höher als der Median.")
    (True, False)
    """
    sample = words(text[:4000])
    low = [w.lower for w in sample if w.lower[0].isalpha()]
    if not low:
        return True
    letters = [c for c in text[:4000] if c.isalpha()]
    if sum(ord(c) > 0x24F for c in letters) > 0.3 * len(letters):
        return False  # another script
    own = sum(w in _ENGLISH for w in low)
    other = max(sum(w in frequent for w in low) for frequent in map(set, _OTHERS.values()))
    return other < 3 or own >= other
