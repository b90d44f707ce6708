"""Which of several choices a text states: by its words, or by letters if the prompt asked for letters.

text ─ clauses ─ mentions of choices ─ without negated ones ─► the only one left, or none

Nothing is guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_REASONING = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\s*\{\s*(?:\\text\s*\{)?([^{}]*)\}?\s*\}")
_MARKS = re.compile(r"[*`~\"“”„«»]|(?<!\w)_+|_+(?!\w)|^#+\s*|^>\s*", re.MULTILINE)
_POINTS_OUT_OF = re.compile(r"(\d+)\s*(?:/|out of|von|sur|de)\s*\d+", re.IGNORECASE)
_CUE = re.compile(
    r"\b(?P<final>final\s+)?(?:answer|choice|option|label|class|classification|category|sentiment|verdict|prediction|output|result|rating|antwort"
    r"|réponse|reponse|respuesta|risposta|resposta|kategorie|catégorie|categoría)\b"
    r"(?:\s+(?:here|to this|to the question|lautet|hier))?\s*(?:is|would be|should be|must be|ist|wäre|est|serait|es|sería|è|lautet|:|=|-|–|→)+\s*:?",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"(?<!\d)[.](?!\d)|[!?;\n]|,(?!\d)|:(?=\s)|\s[-–—]\s|\b(?:but|rather|sondern|aber|mais|sino|pero|although|though|however)\b",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?")

NEGATIONS = frozenset(
    """not never neither nor cannot cant dont doesnt didnt isnt arent wasnt werent wont wouldnt shouldnt hardly barely scarcely without
    nothing unlike excluding eliminate eliminated eliminating ruled ruling nicht kein keine keinen keiner keinem keines weder noch nie niemals kaum ohne pas jamais aucun aucune ni
    sans nunca tampoco sin ningún ninguna non""".split()
)
_NO_WORDS = frozenset({"no"})
_NEGATING_PHRASES = (
    ("rather", "than"),
    ("instead", "of"),
    ("as", "opposed", "to"),
    ("far", "from"),
    ("anything", "but"),
    ("opposite", "of"),
    ("contrary", "of"),
    ("un",),
    ("plutôt", "que"),
    ("anstatt",),
    ("statt",),
)
_AFFIRMING_PHRASES = (
    ("no", "doubt"),
    ("no", "question"),
    ("without", "a", "doubt"),
    ("without", "doubt"),
    ("not", "only"),
    ("ohne", "zweifel"),
    ("kein", "zweifel"),
    ("sans", "aucun", "doute"),
    ("sans", "doute"),
    ("sin", "duda"),
)
_NEGATED_AFTER = re.compile(
    r"^\s*(?:\)|\.)?\s*(?:(?:is|are|was|were|would\s+be|seems|can\s+be|could\s+be|ist|wäre|est|es)\s*(?:clearly\s+|also\s+|simply\s+|definitely\s+)?"
    r"(?:not\b|n['’]t\b|wrong|incorrect|false|ruled\s+out|excluded|unlikely|out\b|falsch|nicht\b|faux|fausse|pas\b|incorrecta?|falsa?)"
    r"|(?:isn['’]t|wasn['’]t|aren['’]t|isnt|can['’]?t\s+be|cannot\s+be|does\s*n['’]?o?t|n['’]est\s+pas)\b)",
    re.IGNORECASE,
)
_LIST = re.compile(r"[\s,/&)\]]*(?:and|or|und|oder|et|ou|y|o)?[\s(\[]*", re.IGNORECASE)
_QUESTION = re.compile(r"[^.!;\n?]*\?")
_MAYBE = re.compile(r"\b(?:or|maybe|perhaps|possibly|oder|vielleicht|ou|peut-être)\b", re.IGNORECASE)
_HEDGE = re.compile(r"\W*(?:or|maybe|perhaps|possibly|actually|wait|no|or rather|oder|vielleicht|ou|peut-être)\b", re.IGNORECASE)
_AFTER_NO = frozenset("because since as and from it this that there they he she i we the but so therefore es das ce il elle for".split())
_ARTICLES = frozenset(("a", "an", "the"))


@dataclass(frozen=True)
class Mention:
    """A mention of choice number `choice`.

    `negated`: the text excludes this choice; `question`: it is part of a question; `tentative`: of a guess.
    """

    choice: int
    start: int
    end: int
    negated: bool
    letter: bool = False
    question: bool = False
    tentative: bool = False


def stated_choice(text: str, choices: Sequence[str], lettered: bool = False) -> tuple[int, bool] | None:
    """The number of the choice that a text states, and whether by its letter.

    None if it states no choice or several.

    >>> stated_choice("I'd say positive, not negative", ["positive", "negative"])
    (0, False)
    >>> stated_choice("The answer is a negative one", ["positive", "negative"])
    (1, False)
    >>> stated_choice("It's not A but C", ["red", "blue", "green"], lettered=True)
    (2, True)
    >>> stated_choice("Not negative", ["positive", "negative"])
    """
    cleaned = clean(text)
    boxed = _BOXED.findall(_REASONING.sub(" ", text))
    if boxed:
        return _exact_choice(clean(boxed[-1]), choices, letters=True) or _only_mention(clean(boxed[-1]), choices, lettered)
    exact = _exact_choice(cleaned, choices, letters=True)
    if exact is not None:
        return exact
    return (
        _after_cues(cleaned, choices, lettered) or _first_or_last(cleaned, choices, lettered) or _only_mention(cleaned, choices, lettered)
    )


def clean(text: str) -> str:
    """A text without tagged reasoning and Markdown marks; "4 out of 5" becomes "4"."""
    text = unicodedata.normalize("NFKC", _REASONING.sub(" ", text)).replace("\u2212", "-")
    return _POINTS_OUT_OF.sub(r"\1", _MARKS.sub("", text)).strip()


def asks_for_letters(prompt: str) -> bool:
    """Whether a prompt lists its choices by letters, or asks for a letter.

    >>> asks_for_letters("Which?\\nA) red\\nB) blue"), asks_for_letters("Is it a good one (A or B)?"), asks_for_letters("A. Smith asks")
    (True, True, False)
    """
    listed = [re.search(rf"(?:^|[\s(\[*]){x}\s*[).:\]]", prompt, re.MULTILINE) for x in ("A", "B")]
    lower = [re.search(rf"(?:^|[\s(\[*]){x}\s*[)\]]", prompt, re.MULTILINE) for x in ("a", "b")]
    letter_request = re.search(r"\bletters?\b|\bA\s*(?:,\s*B\s*)*,?\s*(?:or|oder|ou|/)\s*[B-Z]\b", prompt)
    return all(listed) or all(lower) or letter_request is not None


def _exact_choice(text: str, choices: Sequence[str], letters: bool) -> tuple[int, bool] | None:
    """The choice that is the whole text, by its words or a letter."""
    words = _words(text)
    equal = [i for i, c in enumerate(choices) if words and words == _words(c)]
    if not equal and words:
        without_articles = _without_articles(words)
        equal = [i for i, c in enumerate(choices) if without_articles and without_articles == _without_articles(_words(c))]
    if equal:
        return (equal[0], False) if len(equal) == 1 else None
    match = re.fullmatch(r"\W*([A-Za-z])\W*", text)
    if letters and match and match[1].upper() in LETTERS[: len(choices)]:
        return LETTERS.index(match[1].upper()), True
    return None


def _after_cues(text: str, choices: Sequence[str], lettered: bool) -> tuple[int, bool] | None:
    """The single choice after "the answer is", whatever else the text mentions.

    Several such statements must agree, unless one is final.
    """
    statements: list[tuple[tuple[int, bool], bool]] = []
    for cue in _CUE.finditer(text):
        rest = re.split(r"[.!?;\n](?:\s|$)", text[cue.end() :].lstrip() + " ", maxsplit=1)[0]
        choice = _letter_alone(rest, choices, lettered) or _only_mention(rest, choices, lettered)
        if choice is not None and not _is_negated_statement(text[: cue.start()].split("\n")[-1], rest):
            statements.append((choice, bool(cue["final"])))
    final = {choice[0] for choice, is_final in statements if is_final}
    if len(final) == 1:
        return next(choice for choice, is_final in statements if is_final)
    return statements[0][0] if statements and not final and len({choice[0] for choice, _ in statements}) == 1 else None


def _is_negated_statement(before: str, rest: str) -> bool:
    """Whether a statement is negated: "I don't think the answer is B"."""
    clause = _CLAUSE.split(before)[-1]
    return any(_is_negation(t) for t in _words(clause))


def _letter_alone(rest: str, choices: Sequence[str], lettered: bool) -> tuple[int, bool] | None:
    """A letter after a cue that is not part of a phrase: `B`, `(b)`, `B) blue`; "a" only at the end."""
    match = re.match(
        r"\W*(?:(?:option|choice|answer|letter)\s+)?[(\[]?([A-Za-z])(?:[)\].:,]|\s*$|\s+(?:because|since|as|weil|car)\b)", rest
    )
    if not match or match[1].upper() not in LETTERS[: len(choices)]:
        return None
    if match[1].islower() and not lettered and match[0].strip().lower() != match[1]:
        return None
    i = LETTERS.index(match[1].upper())
    later_mentions = {m.choice for m in _word_mentions(rest[match.end() :], choices) if not m.negated}
    return (i, True) if not later_mentions or i in later_mentions or not match[0].rstrip().endswith((")", "]", ".", ":")) else None


def _first_or_last(text: str, choices: Sequence[str], lettered: bool) -> tuple[int, bool] | None:
    """A choice that is the whole first sentence or last line; the two must agree."""
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        return None
    opening = re.match(r"\W*[(\[]?([A-Z])(?:[)\].:]|,)\s", lines[0] + " ")
    first: tuple[int, bool] | None = None
    if opening and opening[1] in LETTERS[: len(choices)]:
        i = LETTERS.index(opening[1])
        others = {m.choice for m in _word_mentions(lines[0][opening.end() :], choices) if not m.negated}
        first = (i, True) if not others or i in others else None
        if others and i not in others:
            return None
    else:
        head = re.match(r"(.*?)(?:(?P<end>[.!?;:,])(?:\s|$)|\s[-–—]\s)", lines[0] + " ")
        alone, rest = (head[1], lines[0][head.end() :]) if head else (lines[0], "")
        hedged = (head is not None and head["end"] == "?") or _HEDGE.match(rest or " ".join(lines[1:2])) is not None
        first = None if hedged else _exact_choice(alone, choices, letters=lettered)
    last = _exact_choice(lines[-1], choices, letters=True) if len(lines) > 1 else None
    if first and last and first[0] != last[0]:
        return None
    if first and not last:
        later = {m.choice for m in mentions(text, choices, lettered) if not m.negated and m.letter}
        return first if not later - {first[0]} else None
    return first or last


def _only_mention(text: str, choices: Sequence[str], lettered: bool) -> tuple[int, bool] | None:
    """The only choice that a text mentions without negation; or "not X" if that is a choice itself."""
    all_mentions = mentions(text, choices, lettered)
    if any(m.tentative for m in all_mentions):
        return None
    statements = [m for m in all_mentions if not m.question] or all_mentions
    affirmed = {m.choice for m in statements if not m.negated} - {m.choice for m in all_mentions if m.negated}
    if len(affirmed) == 1:
        i = affirmed.pop()
        return i, all(m.letter for m in all_mentions if m.choice == i)
    negated = {m.choice for m in all_mentions if m.negated}
    if not affirmed and len(negated) == 1:
        negations = [i for i, c in enumerate(choices) if _is_negation_of(_words(c), _words(choices[next(iter(negated))]))]
        return (negations[0], False) if len(negations) == 1 else None
    if not affirmed and len(negated) > 1 and "neither" in _words(text):
        none_of_them = [i for i, c in enumerate(choices) if _words(c) in (["neither"], ["none"])]
        return (none_of_them[0], False) if len(none_of_them) == 1 else None
    return None


def _is_negation_of(words: Sequence[str], of: Sequence[str]) -> bool:
    return len(words) == len(of) + 1 and words[0] in (*NEGATIONS, *_NO_WORDS) and list(words[1:]) == list(of)


def mentions(text: str, choices: Sequence[str], lettered: bool) -> list[Mention]:
    """Mentions of choices by their words or, if the prompt asked for letters, by their letters."""
    result = _word_mentions(text, choices)
    if lettered:
        result += [m for m in _letter_mentions(text, choices) if not any(w.start <= m.start < w.end for w in result)]
    result.sort(key=lambda m: m.start)
    negated_after = False
    for i in range(len(result) - 1, -1, -1):  # "A, C and D are wrong"
        negated_after = _NEGATED_AFTER.match(text[result[i].end :]) is not None or (
            negated_after and _LIST.fullmatch(text[result[i].end : result[i + 1].start]) is not None
        )
        result[i] = replace(result[i], negated=result[i].negated or negated_after)
        if _QUESTION.match(text[result[i].end :]):
            tentative = _MAYBE.search(_CLAUSE.split(text[: result[i].start])[-1]) is not None
            result[i] = replace(result[i], question=not tentative, tentative=tentative)
    return result


def _word_mentions(text: str, choices: Sequence[str]) -> list[Mention]:
    tokens = [(_fold(m[0]), m.start(), m.end()) for m in _TOKEN.finditer(text)]
    names = sorted(((_words(c), i) for i, c in enumerate(choices)), key=lambda n: -len(n[0]))
    out: list[Mention] = []
    at = 0
    while at < len(tokens):
        hit = next(((len(name), i) for name, i in names if name and [t[0] for t in tokens[at : at + len(name)]] == name), None)
        if hit is None:
            joined = next((i for name, i in names if len(name) > 1 and "".join(name) == tokens[at][0]), None)
            hit = None if joined is None else (1, joined)
        if hit is not None:
            size, i = hit
            start, end = tokens[at][1], tokens[at + size - 1][2]
            if not (size == 1 and tokens[at][0] in (*_NO_WORDS, *NEGATIONS) and not _is_standalone(text, tokens, at)):
                out.append(Mention(i, start, end, _is_negated(text, start, end)))
                at += size
                continue
        at += 1
    return out


def _is_standalone(text: str, tokens: Sequence[tuple[str, int, int]], at: int) -> bool:
    """Whether "no" (or "non", "neither") is an answer by itself: at a clause's end or before a new one."""
    rest = text[tokens[at][2] :].lstrip(" ")
    return not rest or not (rest[0].isalnum() or rest[0] in "'’(") or (at + 1 < len(tokens) and tokens[at + 1][0] in _AFTER_NO)


def _letter_mentions(text: str, choices: Sequence[str]) -> Iterator[Mention]:
    known = LETTERS[: len(choices)]
    for m in re.finditer(r"(?<![\w'’])[(\[]?([A-Za-z])[)\]]?(?![\w'’])", text):
        letter, marked = m[1], m[0] != m[1]
        if letter.upper() not in known:
            continue
        before = re.search(r"(?:options?|choices?|answers?|letters?)\s+$", text[: m.start()], re.IGNORECASE)
        rest = text[m.end() :].lstrip(" ")
        if letter.islower() and not (marked or before):
            continue
        word = re.match(r"[A-Za-z]+", rest)
        if (
            letter in "AI"
            and not (marked or before)
            and word
            and not re.match(r"(?:is|are|was|and|or|but|because|since|as|not|nor|seems|rather|for|if|isn|makes|best|would|can)\b", rest)
        ):
            continue  # the article "a", or the pronoun "I"
        yield Mention(LETTERS.index(letter.upper()), m.start(), m.end(), _is_negated(text, m.start(), m.end()), True)


def _is_negated(text: str, start: int, end: int) -> bool:
    """Whether the clause negates the choice."""
    before = text[:start]
    clause = _CLAUSE.split(_join_phrases(before))[-1]
    words = _words(clause)
    for phrase in _AFFIRMING_PHRASES:
        words = _remove_phrase(words, phrase)
    if any(_is_negation(w) for w in words[-14:]):
        return True
    if any(tuple(words[i : i + len(p)]) == p for p in _NEGATING_PHRASES for i in range(max(0, len(words) - 5), len(words))):
        return True
    return _NEGATED_AFTER.match(text[end:]) is not None


def _join_phrases(text: str) -> str:
    """Rewrite "rather than" and "anything but", which do not start a new clause."""
    text = re.sub(r"\brather(\s+than\b)", r"instead of\1", text, flags=re.IGNORECASE)
    return re.sub(r"\banything\s+but\b", "far from", text, flags=re.IGNORECASE)


def _is_negation(word: str) -> bool:
    return word in NEGATIONS or word in _NO_WORDS or word.endswith(("n't", "n’t"))


def _remove_phrase(words: list[str], phrase: tuple[str, ...]) -> list[str]:
    out, at = [], 0
    while at < len(words):
        if tuple(words[at : at + len(phrase)]) == phrase:
            at += len(phrase)
        else:
            out.append(words[at])
            at += 1
    return out


def _words(text: str) -> list[str]:
    return [_fold(m[0]) for m in _TOKEN.finditer(unicodedata.normalize("NFKC", text))]


def _without_articles(words: Sequence[str]) -> list[str]:
    return [w for w in words if w not in _ARTICLES]


def _fold(word: str) -> str:
    return word.casefold().replace("’", "'")
