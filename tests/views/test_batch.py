"""How a batch looks: a bar that says what one wants to know, the first rows, a summary; nothing a model wrote acts."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest

from fmnb.batch.run import batch
from fmnb.core.errors import FmnbError
from fmnb.core.events import Cancelled, EventStamper, Failed, Finished, Notice, Progress, Started, TextDelta
from fmnb.core.response import Response
from fmnb.core.types import Request, message
from fmnb.views.batch import BatchView, summary_lines
from fmnb.views.batch_preview import preview


def tags(html):
    """The elements of a page, and their attributes that act."""
    found = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.add(tag)
            found.update(name for name, _ in attributes if name.startswith("on") or name in ("src", "href"))

    Reader().feed(html)
    return found


class Screen:
    """What a notebook was told to draw, the latest last."""

    def __init__(self):
        self.drawn = []
        self.now = 0.0

    def __call__(self, bundle, display_id, update):
        self.drawn.append((bundle[0], display_id, update))

    @property
    def outputs(self):
        """HTML of what stands in the notebook, by the end of its display id."""
        return {display_id.rpartition("-")[2]: data["text/html"] for data, display_id, _ in self.drawn}

    @property
    def html(self):
        return "".join(self.outputs.values())

    @property
    def words(self):
        return " ".join(re.sub("<[^>]+>", " ", self.html).split())

    def clock(self):
        self.now += 1.0
        return self.now


def view(screen):
    return BatchView(show=screen, clock=screen.clock)


def play(v, *events, run="b", kind="batch", **meta):
    stamp = EventStamper(run)
    v(stamp(Started(kind=kind, model="m", meta={"asked": "m", "models": ["m"], "calls": 100, **meta}, request=meta.get("request"))))
    for e in events:
        v(stamp(e))


def row(v, number, text, run, *, data=None, error=None):
    stamp = EventStamper(run)
    asked = Request("m", (message("user", f"Read this: {number}"),))
    v(stamp(Started(kind="row", model="m", request=asked, meta={"row": number, "asked": "m"})))
    if error:
        v(stamp(Failed(error={"message": error})))
        return
    v(stamp(TextDelta(text=text)))
    v(stamp(Finished(data=data)))


def test_the_bar_is_updated_in_place_and_ends_as_a_summary():
    screen = Screen()
    v = view(screen)
    play(v, Progress(stage="rows", done=20, total=100, unit="rows", note="32/s · 3 s left · $0.0100 · 32 at once"))
    assert "20 of 100 · 32/s · 3 s left" in screen.words and 'aria-valuenow="20"' in screen.html
    row(v, 3, "fine", "r3")
    row(v, 1, "good", "r1")
    assert screen.html.index(">1<") < screen.html.index(">3<") and "Read this" not in screen.html  # what all have in common is left out
    v(
        Finished(
            run="b", n=9, extra={"answered": 99, "asked": 100, "failed": 1, "cost": 0.5, "seconds": 3.2, "causes": [["X", "no luck", 1, 7]]}
        )
    )
    assert "99 of 100 answered" in screen.html and "1 × no luck (first in row 7)" in screen.html and "$0.50" in screen.html
    for display_id in {d for _, d, _ in screen.drawn}:
        updates = [u for _, d, u in screen.drawn if d == display_id]
        assert not updates[0] and all(updates[1:])


def test_the_first_rows_stand_in_an_output_that_is_left_alone_while_the_bar_moves():
    screen = Screen()
    v = view(screen)
    play(v)
    row(v, 1, "good", "r1")
    v(Progress(run="b", stage="rows", done=1, total=100))
    before = len([d for _, d, _ in screen.drawn if d == "fmnb-b-rows"])
    for done in range(2, 20):
        v(Progress(run="b", stage="rows", done=done, total=100))
    assert len([d for _, d, _ in screen.drawn if d == "fmnb-b-rows"]) == before and "19 of 100" in screen.words


def test_with_a_schema_each_field_has_a_column_and_a_failure_stands_in_place_of_them():
    screen = Screen()
    v = view(screen)
    play(v, schema={"type": "object", "properties": {"about": {}, "topics": {}, "sure": {}}})
    row(v, 0, '{"about": "top-up"}', "r0", data={"about": "top-up", "topics": ["a", "b"], "sure": None})
    row(v, 1, "", "r1", error="no luck")
    v.tick()
    rows = screen.outputs["rows"]
    assert re.findall("<th [^>]*>([^<]*)", rows) == ["row", "prompt", "about", "topics", "sure"] and "{" not in rows
    assert re.findall("<td[^>]*>([^<]*)", rows) == ["0", "…0", "top-up", "a, b", "–", "1", "…1", "✗ no luck"]
    assert re.search(r'colspan="3"[^>]*>✗ no luck', rows)


def test_a_column_is_as_wide_as_its_longest_word_and_an_address_does_not_make_it_wider():
    html = preview([(0, Response("internationalisation https://example.org/" + "a" * 80))]).html("rows")
    assert re.findall("min-width:([0-9]+)ch", html)[-1] == "21"


def test_loading_is_said_beside_the_rows_until_one_comes():
    screen = Screen()
    v = view(screen)
    play(v, Progress(stage="rows", done=0, total=100), Progress(stage="loading", done=9e6, total=1e7, unit="bytes"))
    v(Progress(run="b", stage="rows", done=0, total=100))
    assert "0 of 100 · loading: 9.0 of 10.0 MB" in screen.words and 'aria-valuenow="0"' in screen.html
    v(Progress(run="b", stage="rows", done=1, total=100))
    assert "loading" not in screen.words


def test_a_bar_has_a_name_that_stays_and_a_value_in_words():
    screen = Screen()
    play(view(screen), Progress(stage="rows", done=20, total=100, note="3 failed"))
    assert 'aria-label="Progress of the batch"' in screen.html and 'aria-valuetext="20 of 100 · 3 failed"' in screen.html


def test_what_is_seen_of_a_dead_run_says_when_it_was_true_and_what_to_do():
    screen = Screen()
    v = view(screen)
    play(v, Progress(stage="rows", done=20, total=100))
    assert re.search(r"as of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d; after a kernel restart, run the cell again to resume", screen.words)
    v(Notice(run="b", n=3, kind="warning", text="the log is off"))
    v(Progress(run="b", stage="rows", done=21, total=100))
    assert "the log is off" in screen.words and "goes on" not in screen.words
    v(Cancelled(run="b", n=4))
    assert "as of" not in screen.words and "is kept" not in screen.words


def test_where_more_failed_than_was_answered_it_is_an_alert():
    for answered, failed, role, head in ((0, 9, "alert", "None of 10"), (4, 5, "alert", "4 of 10"), (9, 1, "status", "9 of 10")):
        screen = Screen()
        play(
            view(screen),
            Finished(extra={"answered": answered, "asked": 10, "failed": failed, "cost": 0, "causes": [["X", "down", failed, 0]]}),
        )
        assert f'<div role="{role}"' in screen.html and f"{head} answered · {failed} failed" in screen.words and "× down" in screen.words


def test_a_batch_that_failed_does_not_call_failures_answers():
    screen = Screen()
    v = view(screen)
    play(v)
    row(v, 65, "", "r0", error="no key")
    v(Progress(run="b", stage="rows", done=0, total=200, note="16 failed"))
    v(Failed(run="b", n=5, error={"message": "no key"}))
    assert "None of 200 answered · 16 failed" in screen.words and 'role="alert"' in screen.html
    assert "the first row of this run" in screen.words and "answers" not in screen.words


def test_what_a_model_wrote_and_what_a_row_holds_cannot_act():
    screen = Screen()
    v = view(screen)
    play(v)
    stamp = EventStamper("r")
    bad = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    v(stamp(Started(kind="row", model=bad, request=Request("m", (message("user", bad),)), meta={"row": 0, "asked": bad})))
    v(stamp(TextDelta(text=bad)))
    v(stamp(Finished()))
    v(Notice(run="b", n=3, kind="note", text=bad))
    v(Finished(run="b", n=4, extra={"answered": 1, "asked": 1, "causes": [["X", bad, 1, 0]]}))
    ours = {"div", "p", "span", "table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary"}
    assert all(tags(d["text/html"]) <= ours for d, _, _ in screen.drawn)


def test_a_stop_and_a_failure_say_what_to_do():
    for end, words in ((Cancelled(), "run the cell again to resume"), (Failed(error={"message": "no key", "hint": "get one"}), "get one")):
        screen = Screen()
        play(view(screen), Progress(stage="rows", done=1, total=2), end)
        assert words in screen.html


def test_a_terminal_gets_one_line_and_a_pipe_the_summary_alone():
    out = io.StringIO()
    play(
        BatchView(out=out), Progress(stage="rows", done=1, total=2), Finished(extra={"answered": 2, "asked": 2, "cost": 0, "seconds": 1.0})
    )
    assert out.getvalue() == "2 of 2 answered · free · 1.0 s\n"


def test_it_is_drawn_a_few_times_a_second_at_most():
    screen = Screen()
    v = BatchView(show=screen, clock=lambda: 5.0)
    play(v, *(Progress(stage="rows", done=i, total=100) for i in range(50)))
    assert len(screen.drawn) == 1
    v.tick()
    assert len(screen.drawn) == 1


def test_a_real_batch_tells_all_of_it():
    screen = Screen()
    batch("say {{ w }}", [{"w": str(i)} for i in range(30)], ["echo:", "echo:slow=5000"], sinks=[view(screen)])
    assert "60 of 60 answered" in screen.words and "the first 8 calls of this run" in screen.words
    assert ">echo:slow=5000<" in screen.html or ">echo:<" in screen.html


def test_a_real_batch_in_which_all_fails_says_so():
    screen = Screen()
    with pytest.raises(FmnbError):
        batch("say {{ w }}", [{"w": "hi"}], ["echo:fail=nokey"], sinks=[view(screen)])
    assert "None of 1 answered" in screen.words and "free" not in screen.words and "no errors" not in screen.words


def test_an_unknown_price_is_said_and_never_zero():
    assert "price unknown" in summary_lines({"answered": 1, "asked": 1, "cost": None})[0]


def test_where_nothing_new_was_answered_nothing_is_called_free():
    assert summary_lines({"answered": 5, "asked": 5, "reused": 5, "cost": 0.0}) == ["5 of 5 answered, 5 of them cached · under 1 ms"]
    assert summary_lines({"asked": 5, "missing": 5, "cost": 0.0}) == ["None of 5 answered · 5 not sent · under 1 ms"]


def test_what_questions_have_in_common_ends_before_a_word_that_differs():
    screen = Screen()
    v = view(screen)
    play(v)
    row(v, 166, "fine", "r1")
    row(v, 167, "good", "r2")
    v.tick()
    assert "…166<" in screen.html and "Read this" not in screen.html
