"""IFEval: whether an answer follows the verifiable instructions of its prompt.

Zhou et al., arXiv:2311.07911. The rules are those of the set's own checker, except for two of its tools:
sentences are split at periods, question and exclamation marks (the set uses a trained splitter), and
capitalized words are counted without a tokenizer. Borderline answers may be scored differently.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from ...core.optional import require
from .base import Case, Score, Scorer

_CONSTRAINED = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_ABBREVIATIONS = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|etc|e\.g|i\.e|Inc|Ltd|Co|No|U\.S|a\.m|p\.m)\.", re.IGNORECASE)


def ifeval(mode: str = "") -> Scorer:
    """1 if the answer follows all instructions of the row, else 0.

    `ifeval:loose` also accepts the answer without its first line, its last line, or asterisks.
    """
    return _make_scorer("ifeval", mode, lambda followed: float(all(followed)))


def ifeval_instructions(mode: str = "") -> Scorer:
    """The share of the row's instructions that the answer follows."""
    return _make_scorer("ifeval_instructions", mode, lambda followed: sum(followed) / len(followed))


def _make_scorer(name: str, mode: str, value: Callable[[list[bool]], float]) -> Scorer:
    def score(case: Case) -> Score:
        instructions = case.values["instructions"]
        followed = follows(case.text, instructions, str(case.values.get("prompt", "")), loose=mode == "loose")
        violated = [w[0] for w, ok in zip(instructions, followed, strict=True) if not ok]
        return Score(value(followed), explanation=", ".join(violated))

    return Scorer(name, score, needs_target=False, description="follows the prompt's checkable instructions")


def follows(text: str, instructions: list[Any], prompt: str = "", loose: bool = False) -> list[bool]:
    """Whether the answer follows each instruction (name, arguments).

    >>> follows("No commas here.", [["punctuation:no_comma", {}], ["startend:end_checker", {"end_phrase": "here."}]])
    [True, True]
    """
    versions = variants(text) if loose else [text]
    return [
        any(t.strip() and CHECKS[name](t, {"prompt_to_repeat": prompt, **arguments}) for t in versions) for name, arguments in instructions
    ]


def variants(text: str) -> list[str]:
    """The answer as it is, and without parts that models often add: a first line, a last line, asterisks."""
    lines = text.split("\n")
    shortened = ["\n".join(lines[1:]).strip(), "\n".join(lines[:-1]).strip(), "\n".join(lines[1:-1]).strip()]
    return [text, text.replace("*", ""), *shortened, *(c.replace("*", "") for c in shortened)]


def count_sentences(text: str) -> int:
    """The number of sentences."""
    flat = _ABBREVIATIONS.sub(lambda m: m.group(0).replace(".", ""), text.strip())
    return len([s for s in re.split(r"(?<=[.!?])[\"')\]]*\s+", flat) if s.strip()])


def _relation(count: int, arguments: dict[str, Any], limit: Any, relation: str = "relation") -> bool:
    return count < int(limit) if arguments.get(relation) == "less than" else count >= int(limit)


def _language(text: str, code: str) -> bool:
    langdetect = require("langdetect", "text", "to tell languages apart")
    langdetect.DetectorFactory.seed = 0  # without it the same text is sometimes another language
    try:
        return bool(langdetect.detect(text) == code)
    except langdetect.LangDetectException:
        return True  # nothing to tell a language by: the set counts it as followed


def _placeholders(text: str, arguments: dict[str, Any]) -> bool:
    return len(re.findall(r"\[.*?\]", text)) >= int(arguments["num_placeholders"])


def _bullets(text: str, arguments: dict[str, Any]) -> bool:
    bullets = re.findall(r"^\s*\*[^\*].*$", text, re.MULTILINE) + re.findall(r"^\s*-.*$", text, re.MULTILINE)
    return len(bullets) == int(arguments["num_bullets"])


def _highlights(text: str, arguments: dict[str, Any]) -> bool:
    single = [h for h in re.findall(r"\*[^\n\*]*\*", text) if h.strip("*").strip()]
    double = [h for h in re.findall(r"\*\*[^\n\*]*\*\*", text) if h.removeprefix("**").removesuffix("**").strip()]
    return len(single) + len(double) >= int(arguments["num_highlights"])


def _sections(text: str, arguments: dict[str, Any]) -> bool:
    parts = re.split(r"\s?" + str(arguments["section_spliter"]).strip() + r"\s?\d+\s?", text)
    return len(parts) - 1 >= int(arguments["num_sections"])


def _paragraphs(text: str, arguments: dict[str, Any]) -> bool:
    parts = re.split(r"\s?\*\*\*\s?", text)
    if any(not p.strip() for p in parts[1:-1]):
        return False
    return len([p for p in parts if p.strip()]) == int(arguments["num_paragraphs"])


def _first_word(text: str, arguments: dict[str, Any]) -> bool:
    parts = re.split(r"\n\n", text)
    count, at = len([p for p in parts if p.strip()]), int(arguments["nth_paragraph"])
    if at > count or not parts[at - 1].strip():
        return False
    word = parts[at - 1].split()[0].lstrip("'").lstrip('"')
    word = re.split(r"[.,?!'\"]", word)[0].lower()
    return count == int(arguments["num_paragraphs"]) and word == str(arguments["first_word"]).lower()


def _postscript(text: str, arguments: dict[str, Any]) -> bool:
    marker = str(arguments["postscript_marker"]).strip()
    patterns = {"P.P.S": r"\s*p\.\s?p\.\s?s.*$", "P.S.": r"\s*p\.\s?s\..*$"}
    return re.search(patterns.get(marker, r"\s*" + marker.lower() + r".*$"), text.lower(), re.MULTILINE) is not None


def _json(text: str, _: dict[str, Any]) -> bool:
    text = text.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        text = text.removeprefix(fence)
    try:
        json.loads(text.removesuffix("```").strip())
    except ValueError:
        return False
    return True


def _two_responses(text: str, _: dict[str, Any]) -> bool:
    parts = text.split("******")
    if any(not p.strip() for p in parts[1:-1]):
        return False
    responses = [p.strip() for p in parts if p.strip()]
    return len(responses) == 2 and responses[0] != responses[1]


def _capitals(text: str, arguments: dict[str, Any]) -> bool:
    words = [w for w in re.findall(r"[^\s.,;:!?\"()\[\]{}]+", text) if w.isupper()]
    return _relation(len(words), arguments, arguments["capital_frequency"], "capital_relation")


CHECKS: dict[str, Callable[[str, dict[str, Any]], bool]] = {
    "keywords:existence": lambda t, g: all(re.search(k, t, re.IGNORECASE) for k in g["keywords"]),
    "keywords:frequency": lambda t, g: _relation(len(re.findall(g["keyword"].strip(), t, re.IGNORECASE)), g, g["frequency"]),
    "keywords:forbidden_words": lambda t, g: not any(re.search(rf"\b{w}\b", t, re.IGNORECASE) for w in g["forbidden_words"]),
    "keywords:letter_frequency": lambda t, g: _relation(
        Counter(t.lower())[g["letter"].strip().lower()], g, g["let_frequency"], "let_relation"
    ),
    "language:response_language": lambda t, g: _language(t, g["language"]),
    "length_constraints:number_sentences": lambda t, g: _relation(count_sentences(t), g, g["num_sentences"]),
    "length_constraints:number_paragraphs": _paragraphs,
    "length_constraints:number_words": lambda t, g: _relation(len(re.findall(r"\w+", t)), g, g["num_words"]),
    "length_constraints:nth_paragraph_first_word": _first_word,
    "detectable_content:number_placeholders": _placeholders,
    "detectable_content:postscript": _postscript,
    "detectable_format:number_bullet_lists": _bullets,
    "detectable_format:constrained_response": lambda t, g: any(c in t.strip() for c in _CONSTRAINED),
    "detectable_format:number_highlighted_sections": _highlights,
    "detectable_format:multiple_sections": _sections,
    "detectable_format:json_format": _json,
    "detectable_format:title": lambda t, g: any(x.lstrip("<").rstrip(">").strip() for x in re.findall(r"<<[^\n]+>>", t)),
    "combination:two_responses": _two_responses,
    "combination:repeat_prompt": lambda t, g: t.strip().lower().startswith(str(g["prompt_to_repeat"]).strip().lower()),
    "startend:end_checker": lambda t, g: t.strip().strip('"').lower().endswith(g["end_phrase"].strip().lower()),
    "startend:quotation": lambda t, g: len(t.strip()) > 1 and t.strip()[0] == t.strip()[-1] == '"',
    "change_case:capital_word_frequency": _capitals,
    "change_case:english_capital": lambda t, g: t.isupper() and _language(t, "en"),
    "change_case:english_lowercase": lambda t, g: t.islower() and _language(t, "en"),
    "punctuation:no_comma": lambda t, g: "," not in t,
}
