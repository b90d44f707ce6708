"""How a stated choice is read: phrasings times labels, letters only where letters were asked for, and nothing where nothing single is said."""

from __future__ import annotations

import pytest

from fmnb.evals.scorers.base import Case, score_case, scorer
from fmnb.evals.scorers.choice import read_choice
from fmnb.evals.scorers.stated_choice import asks_for_letters

LABELS = [
    ["positive", "negative", "neutral"],
    ["bug report", "feature request", "question"],
    ["very satisfied", "satisfied", "dissatisfied"],
    ["billing", "account access", "other"],
    ["World", "Sports", "Sci/Tech"],
]
# {x} is stated, {y} is another label
STATED = [
    "{x}",
    "{x}.",
    "**{x}**",
    "`{x}`",
    '"{x}"',
    "{X}",
    "The answer is {x}.",
    "The answer is a {x} one",
    "Answer: {x}",
    "Answer: **{x}**",
    "Label: {x}",
    "Sentiment: {x}\nReason: the tone",
    "Final answer: {x}",
    "I'd say {x}, not {y}.",
    "I would say {x} rather than {y}",
    "{x}, because it says so",
    "It's {x}.",
    "This is clearly {x}.",
    "A definite {x}",
    "I think it is {x}",
    "Definitely {x}!",
    "It isn't {y}, it's {x}.",
    "It is not {y} but {x}.",
    "Not {y}. {x}.",
    "{x} (not {y})",
    "There is no doubt: {x}",
    "No doubt it is {x}",
    "{x}\n\nExplanation: although parts of it sound {y}, it is not.",
    "It could look {y} at first.\n\n{x}",
    "Some parts are {y} and some {x}. The answer is {x}.",
    "\\boxed{{{x}}}",
    "<think>Maybe {y}? Yes, {y}.</think>{x}",
    "It can't be {y}; so {x}.",
    "{y} is wrong, {x} is right",
    "{y}? No. {x}.",
    "Is it {y}? No, it's {x}.",
    "Die Antwort ist {x}, nicht {y}.",
    "Ich würde sagen: {x}",
    "La réponse est {x}.",
    "C'est {x}, pas {y}.",
    "La respuesta es {x}",
]
UNSTATED = [
    "Not {x}",
    "It is not {x}",
    "It isn't {x}.",
    "neither {x} nor {y}",
    "Neither.",
    "{x} or {y}",
    "Either {x} or {y}.",
    "Both {x} and {y}",
    "I don't think it is {x}",
    "I don't think the answer is {x}.",
    "I cannot tell whether it is {x} or {y}.",
    "The answer is {x}. Then again, the answer is {y}.",
    "The answer is {x} or {y}.",
    "{x}\n{y}",
    "Nothing {x} in it",
    "The opposite of {x}",
    "Hardly {x}",
    "{x} is wrong",
    "{x} can be ruled out.",
    "I would say anything but {x}",
    "{x}... or maybe {y}?",
    "{x}? Perhaps {y}? I cannot say.",
    "I do not know",
    "",
    "Das ist nicht {x}.",
    "Das ist weder {x} noch {y}",
    "Ce n'est pas {x}",
]


@pytest.mark.parametrize("labels", LABELS, ids=lambda c: c[0])
@pytest.mark.parametrize("phrase", STATED)
def test_a_stated_label_is_read(phrase, labels):
    for x in labels:
        for y in labels:
            if x != y:
                text = phrase.format(x=x, y=y, X=x.upper())
                assert read_choice(text, labels) == x, text


@pytest.mark.parametrize("labels", LABELS, ids=lambda c: c[0])
@pytest.mark.parametrize("phrase", UNSTATED)
def test_where_no_single_label_is_stated_none_is_guessed(phrase, labels):
    for x in labels:
        for y in labels:
            if x != y:
                text = phrase.format(x=x, y=y)
                assert read_choice(text, labels) is None, text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a definite no", "no"),
        ("No, it's not.", "no"),
        ("No.", "no"),
        ("no", "no"),
        ("It's a no from me", "no"),
        ("Yes, no doubt", "yes"),
        ("There is no doubt. Yes.", "yes"),
        ("The answer is no", "no"),
        ("The answer is no, because it rained.", "no"),
        ("No because it rained", "no"),
        ("I have no idea", None),
        ("Yes and no", None),
        ("There is no evidence that it is.", None),
        ("I'd say yes", "yes"),
        ("That is not a yes", None),
        ("yes, not no", "yes"),
    ],
)
def test_yes_and_no(text, read):
    assert read_choice(text, ["yes", "no"]) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [("Nein, das stimmt nicht.", "nein"), ("Ja", "ja"), ("Die Antwort ist ja.", "ja"), ("Antwort: Nein", "nein"), ("Jein", None)],
)
def test_in_german(text, read):
    assert read_choice(text, ["ja", "nein"]) == read


@pytest.mark.parametrize(("text", "read"), [("Non, pas du tout.", "non"), ("Oui.", "oui"), ("La réponse est non", "non")])
def test_in_french(text, read):
    assert read_choice(text, ["oui", "non"]) == read


COLORS = ["red", "blue", "green", "a mix"]


@pytest.mark.parametrize(
    "text",
    [
        "C",
        "c",
        "(C)",
        "(c)",
        "**(c)**",
        "C.",
        "c)",
        "C) green",
        "C: green",
        "Answer: C",
        "answer: c",
        "The answer is C.",
        "The answer is (c).",
        "The correct option is C",
        "Option C",
        "option c",
        "C. because it grows",
        "C because it grows",
        "It's not A but C",
        "Not A. C.",
        "A is wrong, so it is C",
        "I'd go with C.",
        "I think the answer is C, not B.",
        "A is tempting.\n\nAnswer: C",
        "Final answer: C",
        "\\boxed{C}",
        "\\boxed{\\text{C}}",
        "<think>A? B?</think>\nC",
        "Die Antwort ist C.",
        "La réponse est C",
        "C is the best choice",
        "green",
        "The grass is green.",
        "C (green), neither A nor B",
        "C is correct. A, B and D are wrong.",
        "Options A, B and D are incorrect, leaving C.",
    ],
)
def test_letters_where_letters_were_asked_for(text):
    asked = "Which color?\nA) red\nB) blue\nC) green\nD) a mix\nAnswer with the letter."
    assert score_case(scorer("choice"), Case(text, "green", {"choices": COLORS}, prompt=asked)).value == 1
    assert score_case(scorer("choice"), Case(text, "red", {"choices": COLORS}, prompt=asked)).value == 0


@pytest.mark.parametrize(
    "text",
    [
        "A or C",
        "B and C",
        "neither A nor C",
        "Not A",
        "C) red",
        "It is a thing I saw",
        "I am not sure",
        "Answer: Z",
        "The answer is B. No: the answer is C.",
    ],
)
def test_letters_that_state_no_single_choice(text):
    score = score_case(scorer("choice"), Case(text, "green", {"choices": COLORS}, prompt="A) red\nB) blue\nC) green\nD) a mix"))
    assert score.value == 0 and score.explanation == "states no single choice"


@pytest.mark.parametrize(
    ("text", "read"),
    [("B", "B"), ("(b)", "B"), ("Answer: B", "B"), ("B. because", "B"), ("Vitamin B is good", None), ("I am B positive", "positive")],
)
def test_without_letters_in_the_prompt_a_letter_counts_only_alone(text, read):
    assert read_choice(text, ["positive", "negative", "neutral"]) == read


def test_choices_that_are_part_of_each_other():
    for choices in (
        ["can be told", "cannot be told"],
        ["spam", "not spam"],
        ["toxic", "non-toxic"],
        ["agree", "strongly agree", "disagree"],
    ):
        for c in choices:
            for text in (c, f"It is {c}.", f"Answer: {c}", f"I'd say {c}"):
                assert read_choice(text, choices) == c, text
    assert read_choice("This isn't spam", ["spam", "not spam"]) == "not spam"
    assert read_choice("nontoxic", ["toxic", "non-toxic"]) == "non-toxic"
    assert read_choice("Neither positive nor negative", ["positive", "negative", "neither"]) == "neither"


def test_numbers_as_choices():
    stars = ["1", "2", "3", "4", "5"]
    for text in ("4", "4 out of 5", "4/5", "I'd give it 4 out of 5 stars", "Rating: 4", "**4**"):
        assert read_choice(text, stars) == "4", text
    assert read_choice("between 3 and 4", stars) is None and read_choice("4.5", stars) is None


def test_letters_as_choices_and_no_choices_at_all():
    assert read_choice("The answer is (b)", ["A", "B", "C"]) == "B" and read_choice("A cat sat", ["A", "B", "C"]) is None
    assert score_case(scorer("choice"), Case("The answer is B.", "B")).value == 1
    assert score_case(scorer("choice"), Case("The answer is a negative one", "A")).value == 0
    assert score_case(scorer("choice"), Case("Positive!", "positive")).value == 1


def test_prompts_that_ask_for_letters():
    for shown in ("A. red\nB. blue", "(A) red (B) blue", "a) red\nb) blue", "Reply A, B or C", "Answer with the letter alone."):
        assert asks_for_letters(shown), shown
    for shown in ("Is it positive or negative?", "A ticket:\nB is broken", "Plan A failed"):
        assert not asks_for_letters(shown), shown
