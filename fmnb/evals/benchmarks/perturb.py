"""Changed rows: typing errors and spacing (robustness); dialect, gender and names (fairness).

After HELM (Liang et al. 2022, appendix D), with shorter word lists. A change depends only on the text and
the seed; a text without a word to change stays as it is.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...core.errors import UsageError
from ..datasets.dataset import Dataset
from ..datasets.sample import Sample

Change = Callable[[str, random.Random], str]

_CONTRACTIONS = {
    **{"do not": "don't", "does not": "doesn't", "did not": "didn't", "is not": "isn't", "are not": "aren't", "was not": "wasn't"},
    **{
        "were not": "weren't",
        "have not": "haven't",
        "has not": "hasn't",
        "had not": "hadn't",
        "will not": "won't",
        "would not": "wouldn't",
    },
    **{"can not": "can't", "cannot": "can't", "could not": "couldn't", "should not": "shouldn't", "it is": "it's", "that is": "that's"},
    **{"there is": "there's", "what is": "what's", "who is": "who's", "i am": "i'm", "you are": "you're", "we are": "we're"},
    **{"they are": "they're", "i will": "i'll", "you will": "you'll", "we will": "we'll", "i have": "i've", "we have": "we've"},
}
_MISSPELLINGS = {
    **{"accommodate": "accomodate", "achieve": "acheive", "address": "adress", "again": "agian", "always": "allways", "and": "adn"},
    **{"answer": "anwser", "because": "becuase", "before": "befor", "beginning": "begining", "believe": "beleive", "business": "buisness"},
    **{
        "calendar": "calender",
        "could": "coudl",
        "definitely": "definately",
        "different": "diffrent",
        "does": "dose",
        "environment": "enviroment",
    },
    **{"every": "evrey", "experience": "experiance", "finally": "finaly", "first": "frist", "foreign": "foriegn", "friend": "freind"},
    **{
        "from": "form",
        "government": "goverment",
        "have": "ahve",
        "immediately": "immediatly",
        "independent": "independant",
        "interest": "intrest",
    },
    **{
        "know": "konw",
        "language": "langauge",
        "library": "libary",
        "like": "liek",
        "many": "mnay",
        "money": "mony",
        "necessary": "neccessary",
    },
    **{"occurred": "occured", "often": "offen", "other": "otehr", "people": "poeple", "probably": "probaly", "question": "quesiton"},
    **{"really": "realy", "receive": "recieve", "remember": "rember", "separate": "seperate", "should": "shoudl", "some": "soem"},
    **{"success": "sucess", "surprise": "suprise", "that": "taht", "the": "teh", "their": "thier", "there": "thier", "this": "thsi"},
    **{"through": "thru", "tomorrow": "tommorow", "until": "untill", "usually": "usualy", "weird": "wierd", "what": "waht", "when": "wehn"},
    **{"where": "whre", "which": "whcih", "with": "wiht", "woman": "womna", "would": "woudl", "write": "wirte", "your": "yuor"},
}
# Of the vocabulary that Ziems et al. (2022) list for African American English, as HELM uses it.
_DIALECT = {
    **{"about": "bout", "and": "an", "are not": "ain't", "arguing": "arguin", "because": "cuz", "before": "befo", "brother": "brotha"},
    **{"coming": "comin", "do not": "don't", "doing": "doin", "door": "do", "for": "fo", "getting": "gettin", "give me": "gimme"},
    **{"going": "goin", "going to": "gonna", "got to": "gotta", "have to": "hafta", "is not": "ain't", "isn't": "ain't", "let me": "lemme"},
    **{"looking": "lookin", "making": "makin", "more": "mo", "mother": "motha", "nothing": "nothin", "of": "uh", "saying": "sayin"},
    **{"sister": "sista", "something": "sumthin", "taking": "takin", "talking": "talkin", "than": "den", "that": "dat", "the": "da"},
    **{"them": "dem", "these": "dese", "they": "dey", "this": "dis", "those": "dose", "trying": "tryin", "want to": "wanna"},
    **{"what": "wut", "with": "wit", "working": "workin", "you": "u", "your": "yo"},
}
_GENDER = (
    *(("he", "she"), ("him", "her"), ("his", "her"), ("himself", "herself"), ("man", "woman"), ("men", "women"), ("boy", "girl")),
    *(("boys", "girls"), ("father", "mother"), ("fathers", "mothers"), ("son", "daughter"), ("sons", "daughters"), ("brother", "sister")),
    *(("brothers", "sisters"), ("husband", "wife"), ("uncle", "aunt"), ("nephew", "niece"), ("grandfather", "grandmother"), ("dad", "mom")),
    *(("king", "queen"), ("prince", "princess"), ("sir", "madam"), ("mr", "ms"), ("gentleman", "lady"), ("gentlemen", "ladies")),
    *(("male", "female"), ("males", "females"), ("guy", "gal"), ("waiter", "waitress"), ("actor", "actress"), ("hero", "heroine")),
)
# First names that Caliskan et al. (2017) took from the literature on audits of hiring.
_NAMES = {
    **{"adam": "Alonzo", "harry": "Jamel", "josh": "Theo", "roger": "Alphonse", "alan": "Jerome", "frank": "Leroy", "justin": "Torrance"},
    **{"ryan": "Darnell", "andrew": "Lamar", "jack": "Lionel", "matthew": "Tyree", "stephen": "Deion", "brad": "Lamont", "greg": "Malik"},
    **{"paul": "Terrence", "jonathan": "Tyrone", "peter": "Lavon", "amanda": "Ebony", "courtney": "Shaniqua", "heather": "Latisha"},
    **{"melanie": "Shereen", "katie": "Nichelle", "betsy": "Tawanda", "kristin": "Latoya", "nancy": "Aisha", "stephanie": "Jasmine"},
    **{"ellen": "Keisha", "lauren": "Tanisha", "emily": "Yolanda", "sarah": "Ebony", "rachel": "Latonya", "megan": "Nia", "john": "Jamal"},
    **{
        "mary": "Latoya",
        "james": "Darius",
        "robert": "Tyrone",
        "michael": "Malik",
        "david": "Terrell",
        "jennifer": "Aaliyah",
        "jane": "Imani",
    },
}


def lowercase(text: str, _: random.Random) -> str:
    """Convert to lowercase."""
    return text.lower()


def contract(text: str, _: random.Random) -> str:
    """Contract words: "do not" becomes "don't"."""
    return _replace_words(_CONTRACTIONS)(text)


def misspell(text: str, rng: random.Random, share: float = 0.1) -> str:
    """Misspell a tenth of the words: a common misspelling if one is known, else two swapped letters."""

    def misspell_word(m: re.Match[str]) -> str:
        word = m.group(0)
        if rng.random() >= share or len(word) < 3:
            return word
        known = _MISSPELLINGS.get(word.lower())
        if known:
            return _match_case(word, known)
        if len(word) < 5:
            return word
        i = rng.randrange(1, len(word) - 2)
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]

    return re.sub(r"[A-Za-z]+", misspell_word, text)


def spaces(text: str, rng: random.Random) -> str:
    """Replace each space by one to three spaces."""
    return re.sub(r"(?<=\S) (?=\S)", lambda _: " " * rng.randint(1, 3), text)


def mild(text: str, rng: random.Random) -> str:
    """HELM's mild mix: lowercase, contractions, a tenth of the words misspelled, extra spaces."""
    for change in (lowercase, contract, misspell, spaces):
        text = change(text, rng)
    return text


def dialect(text: str, _: random.Random) -> str:
    """Replace words by those of African American English."""
    return _replace_words(_DIALECT)(text)


def gender(text: str, _: random.Random) -> str:
    """Swap male and female words."""
    table = dict(_GENDER)
    for a, b in _GENDER:
        table.setdefault(b, a)
    return _replace_words(table)(text)


def names(text: str, _: random.Random) -> str:
    """Replace first names common among white Americans by names common among Black Americans."""
    return re.sub(r"\b[A-Z][a-z]+\b", lambda m: _NAMES.get(m.group(0).lower(), m.group(0)), text)


ROBUSTNESS: Mapping[str, Change] = {"mild": mild}
FAIRNESS: Mapping[str, Change] = {"dialect": dialect, "gender": gender, "names": names}
CHANGES: Mapping[str, Change] = {
    **ROBUSTNESS,
    **FAIRNESS,
    "lowercase": lowercase,
    "contract": contract,
    "misspell": misspell,
    "spaces": spaces,
}
_IN_TARGETS = ("gender", "names")  # a good answer may hold the word that is changed


def perturb(dataset: Dataset, change: str, *, columns: tuple[str, ...] = (), seed: int = 0) -> Dataset:
    """Change the texts of a data set, in all columns or in `columns`; ids stay.

    Raises UsageError for an unknown change.

    >>> d = Dataset.from_rows([{"q": "John said that he does not know", "target": "he"}])
    >>> perturb(d, "gender")[0].values["q"], perturb(d, "names")[0].values["q"]
    ('John said that she does not know', 'Jamal said that he does not know')
    """
    if change not in CHANGES:
        raise UsageError("No such change", detail=repr(change), hint=f"One of {', '.join(CHANGES)}.")
    apply = CHANGES[change]

    def perturb_value(value: Any, s: Sample) -> Any:
        if not isinstance(value, str):
            return value
        return apply(value, random.Random(zlib.crc32(f"{seed}:{change}:{s.id}".encode())))

    def perturb_sample(s: Sample) -> Sample:
        values = {k: perturb_value(v, s) if not columns or k in columns else v for k, v in s.values.items()}
        target = s.target
        if change in _IN_TARGETS:
            target = [perturb_value(t, s) for t in target] if isinstance(target, (list, tuple)) else perturb_value(target, s)
        return replace(s, values=values, target=target)

    return replace(dataset, samples=tuple(map(perturb_sample, dataset.samples)), notes=(*dataset.notes, f"changed: {change}"))


def _replace_words(table: Mapping[str, str]) -> Callable[[str], str]:
    pattern = re.compile(r"\b(" + "|".join(sorted(map(re.escape, table), key=len, reverse=True)) + r")\b", re.IGNORECASE)
    return lambda text: pattern.sub(lambda m: _match_case(m.group(0), table[m.group(0).lower()]), text)


def _match_case(pattern: str, word: str) -> str:
    """The word, with the letter case of the pattern."""
    return word.upper() if pattern.isupper() and len(pattern) > 1 else word[:1].upper() + word[1:] if pattern[:1].isupper() else word
