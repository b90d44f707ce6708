"""What a level does not say: one label for every row, and no better than guessing."""

from __future__ import annotations

import fmnb as fm
from fmnb.evals.evaluate import evaluate
from fmnb.evals.import_scores import from_scores

LABELS = ["pay", "login", "bug", "praise", "other"]
ROWS = [{"q": f"message {i}", "target": LABELS[i % 5]} for i in range(60)]


def wrong(text):
    return LABELS[(int(text.split()[-1]) + 1) % 5]


def always(text):
    return "Bug."


def test_one_label_for_every_row_is_said():
    e = evaluate("{{ q }}", ROWS, [always, wrong], ["normalized", "contains"])
    assert e.sentences.count("always gave every row the same label: Bug.") == 1
    assert not any(s.startswith("wrong gave") for s in e.sentences)
    assert "same label: Bug." in e.to_html() and "same label" in fm.Evaluation.reopen(e.run)._repr_html_()


def test_below_guessing_is_said_with_what_guessing_scores(tmp_path):
    e = evaluate("{{ q }}", ROWS, [wrong], "exact")
    assert "wrong scores below chance (20%, one of 5 labels)." in e.sentences
    assert fm.Evaluation.load(e.save(tmp_path / "e.json")).sentences == e.sentences
    rows = [{**r, "choices": ["pay", "login", "bug", "praise", "other", "spam", "sales", "press"]} for r in ROWS]
    assert "wrong scores below chance (12%, one of 8 choices)." in evaluate("{{ q }}", rows, [wrong], "choice").sentences


def test_what_chance_explains_is_not_told_apart_and_a_good_model_has_no_note():
    def some(text):
        n = int(text.split()[-1])
        return LABELS[n % 5] if n % 4 == 0 else "nothing"

    def good(text):
        return LABELS[int(text.split()[-1]) % 5]

    e = evaluate("{{ q }}", ROWS, [some], "exact")
    assert "some is not significantly different from chance (20%, one of 5 labels)." in e.sentences
    assert "guessing" not in str(evaluate("{{ q }}", ROWS, [good], "exact"))


def test_free_answers_and_scores_of_others_have_no_labels():
    rows = [{"q": f"{i}", "target": f"answer {i}"} for i in range(30)]
    assert "guessing" not in str(evaluate("{{ q }}", rows, [always], "exact"))
    assert "same label" in str(evaluate("{{ q }}", rows, [always], "exact")), "thirty different answers were wanted"
    assert "guessing" not in str(from_scores([{"q": i, "a": 0.1} for i in range(30)], ["a"]))
    one = [{"q": f"{i}", "target": "bug"} for i in range(30)]
    assert "same label" not in str(evaluate("{{ q }}", one, [always], "normalized")), "one label was wanted"
