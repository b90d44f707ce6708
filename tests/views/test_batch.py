"""How a batch looks: a bar that says what one wants to know, the first rows, a summary; nothing a model wrote acts."""

from __future__ import annotations

import io
from html.parser import HTMLParser

from fmnb.batching.run import batch
from fmnb.events import Cancelled, Failed, Finished, Notice, Progress, Stamper, Started, TextDelta
from fmnb.types import Request, message
from fmnb.views.batch import BatchView, summary_lines


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
    def html(self):
        return self.drawn[-1][0]["text/html"]

    def clock(self):
        self.now += 1.0
        return self.now


def view(screen):
    return BatchView(show=screen, clock=screen.clock)


def play(v, *events, run="b", kind="batch", **meta):
    stamp = Stamper(run)
    v(stamp(Started(kind=kind, model="m", meta={"asked": "m", "models": ["m"], "calls": 100, **meta}, request=meta.get("request"))))
    for e in events:
        v(stamp(e))


def row(v, number, text, run):
    stamp = Stamper(run)
    v(
        stamp(
            Started(
                kind="row", model="m", request=Request("m", (message("user", f"Read this: {number}"),)), meta={"row": number, "asked": "m"}
            )
        )
    )
    v(stamp(TextDelta(text=text)))
    v(stamp(Finished()))


def test_one_output_is_updated_in_place_and_ends_as_a_summary():
    screen = Screen()
    v = view(screen)
    play(v, Progress(stage="rows", done=20, total=100, unit="rows", note="32/s · 3 s left · $0.0100 · no errors · 32 at once"))
    assert "20 of 100 · 32/s · 3 s left" in screen.html and 'aria-valuenow="20"' in screen.html
    row(v, 3, "fine", "r3")
    row(v, 1, "good", "r1")
    assert screen.html.index(">1<") < screen.html.index(">3<") and "Read this" not in screen.html  # what all have in common is left out
    v(
        Finished(
            run="b", n=9, extra={"answered": 99, "asked": 100, "failed": 1, "cost": 0.5, "seconds": 3.2, "causes": [["X", "no luck", 1, 7]]}
        )
    )
    assert "99 of 100 answered" in screen.html and "1 × no luck (first in row 7)" in screen.html and "$0.5000" in screen.html
    assert (
        len({d for _, d, _ in screen.drawn}) == 1 and [u for _, _, u in screen.drawn][0] is False and all(u for _, _, u in screen.drawn[1:])
    )


def test_what_a_model_wrote_and_what_a_row_holds_cannot_act():
    screen = Screen()
    v = view(screen)
    play(v)
    stamp = Stamper("r")
    bad = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    v(stamp(Started(kind="row", model=bad, request=Request("m", (message("user", bad),)), meta={"row": 0, "asked": bad})))
    v(stamp(TextDelta(text=bad)))
    v(stamp(Finished()))
    v(Notice(run="b", n=3, kind="note", text=bad))
    v(Finished(run="b", n=4, extra={"answered": 1, "asked": 1, "causes": [["X", bad, 1, 0]]}))
    ours = {"div", "p", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}
    assert all(tags(d["text/html"]) <= ours for d, _, _ in screen.drawn)


def test_a_stop_and_a_failure_say_what_to_do():
    for end, words in ((Cancelled(), "run the cell again to go on"), (Failed(error={"what": "no key", "todo": "get one"}), "get one")):
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
    assert (
        "60 of 60 answered" in screen.html
        and "the first 8 answers" in screen.html
        and ">echo:slow=5000<" in screen.html
        or ">echo:<" in screen.html
    )


def test_an_unknown_price_is_said_and_never_zero():
    assert "price unknown" in summary_lines({"answered": 1, "asked": 1, "cost": None})[0]


def test_where_nothing_new_was_answered_nothing_is_called_free():
    assert summary_lines({"answered": 5, "asked": 5, "reused": 5, "cost": 0.0}) == [
        "5 of 5 answered, 5 of them before and not paid again · 0.0 s"
    ]
    assert summary_lines({"asked": 5, "missing": 5, "cost": 0.0}) == ["0 of 5 answered · 5 not asked · 0.0 s"]


def test_what_questions_have_in_common_ends_before_a_word_that_differs():
    screen = Screen()
    v = view(screen)
    play(v)
    row(v, 166, "fine", "r1")
    row(v, 167, "good", "r2")
    v.tick()
    assert "…166<" in screen.html and "Read this" not in screen.html
