"""Answers side by side as plain HTML: what stands where, what a hidden name lets through, what was said."""

from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fmnb as fm
from fmnb.calls.session import session
from fmnb.comparison.compare import reopen
from fmnb.comparison.feedback import feedback
from fmnb.core.response import Response
from fmnb.core.types import Image
from fmnb.views.comparison import AnswerFeedback, columns_bundle, layout
from fmnb.views.diff import changes, diff_html
from tests.views.hostile import HOSTILE


def html(c) -> str:
    return c.bundle()[0]["text/html"]


def test_models_are_columns_and_what_else_varies_makes_rows():
    axes = [{"model": m, "temperature": t} for t in (0, 1) for m in "ab"]
    where = layout(axes, list("wxyz"))
    assert where.rows == ("temperature 0", "temperature 1") and where.columns == ("a", "b")
    assert where.places == ((0, 0), (0, 1), (1, 0), (1, 1))


def test_one_model_asked_several_ways_makes_one_row():
    where = layout([{"model": "a", "sample": n} for n in range(3)], ["0", "1", "2"])
    assert where.rows == ("",) and where.columns == ("0", "1", "2") and where.places == ((0, 0), (0, 1), (0, 2))


def test_each_answer_is_a_titled_section_with_its_footer():
    c = fm.compare("hello", ["echo:", "echo:fail=cut", "echo:think"])
    page = html(c)
    assert page.count("<section") == page.count("<footer") == 3
    assert "ended the connection" in page and "thought" in page
    assert [a["requested_model"] for a in c.bundle()[1]["fmnb"]["answers"]] == ["echo:", "echo:fail=cut", "echo:think"]
    assert c.bundle()[0]["text/plain"].index("echo:\n") < c.bundle()[0]["text/plain"].index("echo:fail=cut:")


def test_nothing_of_a_hidden_comparison_tells_who_answered():
    c = fm.compare("hello", ["echo:", "echo:think", "echo:fail=cut", "echo:slow=900"], blind=True)
    told = json.dumps(c.bundle()) + repr(c) + str(c.labels) + c.df.to_string() + str(c._repr_mimebundle_())
    assert "echo" not in told and "think" not in told and " s," not in re.sub("<[^>]*>", "", html(c))
    assert all(r.run in told for r in c)
    assert sorted(c.labels) == ["A", "B", "C", "D"] and [c.labels[i] for i in c.display_order] == ["A", "B", "C", "D"]
    best = next(i for i in c.display_order if c.responses[i].error is None)  # a failed answer gets no vote
    fm.vote(c, c.labels[best])
    assert "echo:think" in html(c) and "✓ preferred" in html(c) and c.best is c.responses[best]
    fm.retract(c)
    assert c.hidden and "echo:think" not in html(c)


def test_the_order_of_a_blind_one_is_shuffled_and_written_down():
    orders = {fm.compare("x", ["echo:", "echo:think", "echo:slow=900"], blind=True).display_order for _ in range(40)}
    assert len(orders) >= 4
    c = fm.compare("x", ["echo:", "echo:think"], blind=True)
    again = reopen(c.run)
    assert again.display_order == c.display_order and again.blind and again.hidden and [r.text for r in again] == ["x", "x"]
    fm.vote(again, "left")
    assert c.best.run == c.responses[c.display_order[0]].run == again.best.run


def test_what_was_said_stands_with_its_answer():
    c = fm.compare("x", ["echo:", "echo:think"])
    fm.vote(c, "tie", comment="no <b>difference</b>")
    feedback(c[0], "star", True)
    feedback(c[1], "edit", "better <i>so</i>")
    page = html(c)
    assert page.count("= tie") == 2 and page.count("★") == 1
    assert "no &lt;b&gt;difference" in page and "better &lt;i&gt;so" in page


def test_a_huge_answer_is_saved_in_part_and_says_so():
    c = fm.compare("x", ["echo:huge=30000", "echo:"])
    assert len(html(c)) < 60_000 and "more characters" in html(c) and c[0].run in html(c)


def test_many_rows_are_saved_in_part_and_say_so():
    c = fm.compare("x", ["echo:", "echo:think"], samples=30)
    assert html(c).count("<section") == 20 and "20 more rows" in html(c)


def test_hostile_text_in_every_place_stays_text():
    for text in HOSTILE:
        r = fm.ask("x", "echo:")
        bad = type(r)(text, run="r", model=text, requested_model=text, reasoning=text)
        axes = [{"model": text, "prompt": text}, {"model": "b", "prompt": "p"}]
        page = columns_bundle(
            [bad, bad], [text, "b"], layout(axes, [text, "b"]), feedback=AnswerFeedback({0: text}, frozenset(), {0: text}, text)
        )[0]["text/html"]
        assert not re.search(r"<(script|img|iframe|form|style|svg|object|base|meta|link|input|button)\b", page, re.I)
        assert not re.search(r"<[^>]*\son\w+\s*=", re.sub(r'"[^"]*"', '""', page))


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_changes_of_any_two_texts_give_both_back(a, b):
    found = changes(a, b)
    assert "".join(c.text for c in found if c.kind != "added") == a
    assert "".join(c.text for c in found if c.kind != "removed") == b


def test_changes_are_marked_by_more_than_colour_and_counted():
    page = diff_html("a quick brown fox", "a very quick fox")
    assert "1 word added, 1 removed" in page
    assert "<ins" in page and "underline" in page and "<del" in page and "line-through" in page
    assert "the same words" in diff_html("a b", "a b")
    assert "&lt;script&gt;" in diff_html("", "<script>")


def test_very_long_texts_are_compared_by_lines_and_soon():
    a = "\n".join(f"line {n} " + "word " * 20 for n in range(2_000))
    assert "removed" in diff_html(a, a.replace("line 7 ", "line seven "))


def test_texts_that_repeat_themselves_are_one_change_and_not_a_search_of_minutes():
    for a, b in (("a b " * 1000, "a c " * 999 + "z"), ("a\n" * 5000, "a\nb\n" * 1500), ("a b " * 1500, "a c " * 90)):
        found = changes(a, b)
        assert len(found) <= 5
        assert "".join(c.text for c in found if c.kind != "added") == a
        assert "".join(c.text for c in found if c.kind != "removed") == b
    assert [c.kind for c in changes("the " * 1900, "the " * 1900 + "end")] == ["same", "added"]


def test_a_huge_answer_is_saved_in_part_in_every_form():
    data, _ = fm.compare("x", ["echo:huge=60000", "echo:"]).bundle()
    assert all(len(form) < 40_000 for form in data.values())
    assert "more characters" in data["text/markdown"] and "more characters" in data["text/plain"]


def test_pictures_of_a_hidden_model_are_shown_without_the_name_they_carry():
    dot = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
    made = Response("", run="r1", media=(Image(dot, alt="Made by some:painter: a cat"),), extra={"sources": [{"title": "some:source"}]})
    data, metadata = columns_bundle([made, made], ["A", "B"], layout([{"model": "x"}, {"model": "y"}], ["A", "B"]), blind=True)
    assert data["text/html"].count("<img") == 2
    assert "some:" not in json.dumps([data, metadata])


def test_of_a_blind_comparison_in_which_all_failed_the_errors_are_told():
    with pytest.raises(fm.FmnbError):
        fm.compare("x", ["echo:fail=cut", "echo:fail=model"], blind=True)
    c = session.last_comparison
    assert not c.hidden and "ended the connection" in html(c)
