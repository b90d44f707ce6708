"""One output per answer, updated in place, and in the end equal to the fold."""

from __future__ import annotations

import atexit
import io
from dataclasses import replace
from html.parser import HTMLParser

from fmnb.core.events import (
    Cancelled,
    Failed,
    Finished,
    Notice,
    Progress,
    ReasoningDelta,
    Restarted,
    Started,
    TextDelta,
    UsageReported,
    Waiting,
    build_response,
)
from fmnb.core.response import Response
from fmnb.core.types import Request, Usage, message
from fmnb.views.bundle import answer_bundle
from fmnb.views.live import NotebookView
from fmnb.views.router import RunRouter, view_for
from fmnb.views.text import TextView


class Screen:
    """Stands where the front end is: keeps outputs in order of display, and every update."""

    def __init__(self, cost=0.0):
        self.now, self.cost = 0.0, cost
        self.outputs, self.updates = {}, []

    def show(self, bundle, display_id, update):
        assert update == (display_id in self.outputs), "an output is displayed once, then updated"
        self.outputs[display_id] = bundle
        self.updates.append((self.now, display_id))
        self.now += self.cost

    def clock(self):
        return self.now

    def html(self, i=-1):
        return list(self.outputs.values())[i][0]["text/html"]


def run(events, screen=None, step=0.0, **options):
    screen = screen or Screen()
    view = NotebookView(show=screen.show, clock=screen.clock, **options)
    stamped = []
    for i, event in enumerate(events):
        event = type(event)(**{**{f: getattr(event, f) for f in event.__slots__}, "run": event.run or "r1", "n": i + 1, "at": screen.now})
        stamped.append(event)
        view(event)
        screen.now += step
    screen.view = view
    return screen, build_response(stamped)


START = Started(model="echo:", host="local", request=Request("echo:", (message("user", "q"),), temperature=0.5))
HOSTED = replace(START, host="api.openai.com")


def test_the_last_drawing_is_the_fold():
    events = [START, *(TextDelta(text=f"w{i} ") for i in range(200)), UsageReported(usage=Usage(1, 2)), Finished(model="echo:")]
    screen, response = run(events, step=0.003)
    assert len(screen.outputs) == 1
    (bundle,) = screen.outputs.values()
    assert bundle == answer_bundle(response)


def test_the_first_text_is_drawn_as_soon_as_more_is_awaited():
    screen, _ = run([START, TextDelta(text="a")])
    assert not screen.updates
    screen.view.caught_up()
    assert "a" in screen.html()


def test_an_answer_that_arrives_whole_is_drawn_once():
    screen, _ = run([START, TextDelta(text="a"), Finished()])
    assert len(screen.updates) == 1 and "a" in screen.html()


def test_there_are_never_more_than_twenty_drawings_a_second():
    screen, _ = run([START, *(TextDelta(text="x ") for _ in range(1000)), Finished()], step=0.01)
    times = [t for t, _ in screen.updates]
    assert 80 <= len(times) <= 120
    assert all(sum(t <= u < t + 1 for u in times) <= 20 for t in times)


def test_slow_drawing_takes_at_most_a_fifth_of_the_time():
    screen, _ = run([START, *(TextDelta(text="x ") for _ in range(1000)), Finished()], Screen(cost=0.2), step=0.01)
    assert len(screen.updates) * 0.2 <= 0.25 * screen.now


def test_held_back_text_is_drawn_by_a_tick():
    screen = Screen()
    view = NotebookView("r", show=screen.show, clock=screen.clock)
    view(TextDelta(text="a", run="r"))
    view.caught_up()
    view(TextDelta(text="b", run="r"))
    view.caught_up()
    assert "ab" not in screen.html()
    screen.now += 1
    view.tick()
    assert "ab" in screen.html()


def test_a_wait_is_a_visible_countdown_that_gives_way_to_text():
    screen, _ = run([START, Waiting(reason="Too many requests", seconds=12, attempt=2)])
    assert "Too many requests: next try in 12 s (attempt 2)" in screen.html()
    screen, _ = run([START, Waiting(reason="Too many requests", seconds=12, attempt=2), TextDelta(text="hello")])
    screen.view.caught_up()
    assert "Too many requests" not in screen.html() and "hello" in screen.html()


def test_progress_is_a_bar_that_gives_way_to_text():
    load = Progress(stage="loading", done=50, total=100, unit="bytes")
    screen, _ = run([START, load])
    assert 'aria-valuenow="50"' in screen.html()
    screen, _ = run([START, load, TextDelta(text="hello"), Finished()])
    assert "progressbar" not in screen.html() and len(screen.outputs) == 1


def test_progress_of_a_run_below_shows_and_its_end_ends_nothing():
    below = [Progress(stage="downloading", done=1, total=4, unit="bytes", run="child"), Finished(run="child")]
    screen, _ = run([START, *below])
    assert "downloading" in screen.html() and "<footer" not in screen.html()


def test_reasoning_is_one_line_then_a_fold_that_is_left_alone():
    events = [START, *(ReasoningDelta(text="so then ") for _ in range(50)), TextDelta(text="42"), TextDelta(text="!"), Finished()]
    screen, _ = run(events, step=0.05)
    thought, answer = screen.outputs.values()
    assert thought[0]["text/html"].startswith("<details") and "100 words" in thought[0]["text/html"]
    assert "42!" in answer[0]["text/html"]
    first_text = next(i for i, (_, d) in enumerate(screen.updates) if d.endswith("a2"))
    assert all(d.endswith("a2") for _, d in screen.updates[first_text:])


def test_reasoning_stands_above_the_answer_also_after_a_wait():
    events = [START, Waiting(reason="busy"), ReasoningDelta(text="hm"), TextDelta(text="42"), Finished()]
    screen, _ = run(events)
    assert "<details" in screen.html(0) and "42" in screen.html(1) and len(screen.outputs) == 2


def test_an_error_stands_under_the_text_that_was_kept():
    error = {
        "kind": "StreamCutError",
        "message": "The connection ended",
        "detail": "<b>x</b>",
        "hint": "Run `%fm continue`.",
        "billed": True,
    }
    screen, _ = run([HOSTED, TextDelta(text="half"), Failed(error=error)])
    html = screen.html()
    assert html.index("half") < html.index("The connection ended") < html.index("%fm continue") < html.index("<footer")
    assert "&lt;b&gt;x&lt;/b&gt;" in html and "billed for the partial answer" in html and "4 characters kept" in html


def test_whether_it_was_billed_is_said_in_three_ways():
    for billed, words in ((False, "not billed"), (True, "billed for the partial answer"), (None, "billed: unknown")):
        screen, _ = run([HOSTED, Failed(error={"message": "x", "billed": billed})])
        assert words in screen.html()


def test_an_interrupt_says_what_was_kept():
    screen, _ = run([START, TextDelta(text="half"), Cancelled()])
    assert "stopped; 4 characters kept; %fm continue" in screen.html()


def test_an_answer_asked_for_again_starts_afresh():
    screen, _ = run(
        [START, TextDelta(text="wrong\n\nwrong\n\nwrong"), Restarted(reason="not JSON"), TextDelta(text="right"), Finished()], step=1
    )
    assert "wrong" not in screen.html() and "right" in screen.html()


def test_two_views_interleaved_keep_to_themselves():
    screen = Screen()
    views = RunRouter(lambda s: NotebookView(s.run, header=s.model, show=screen.show, clock=screen.clock))
    for run_, model in (("r1", "a:x"), ("r2", "b:y")):
        views(Started(run=run_, model=model))
    for _ in range(3):
        views(TextDelta(run="r1", text="one "))
        views(TextDelta(run="r2", text="two "))
    views(Finished(run="r1", model="x"))
    views(Failed(run="r2", error={"message": "down"}))
    first, second = (b[0]["text/html"] for b in screen.outputs.values())
    assert "one one one" in first and "two" not in first and ">a:x<" in first
    assert "two two two" in second and "down" in second and ">b:y<" in second


def test_a_load_inside_a_call_is_shown_in_its_view():
    screen = Screen()
    views = RunRouter(lambda s: NotebookView(s.run, show=screen.show, clock=screen.clock))
    views(Started(run="r1", model="m"))
    views(Started(run="r2", kind="load", parent="r1"))
    views(Progress(run="r2", stage="loading", done=1, total=2))
    views(Finished(run="r2"))
    assert len(screen.outputs) == 1 and "loading" in screen.html()


def test_the_saved_output_carries_its_provenance():
    screen, response = run([START, TextDelta(text="a"), UsageReported(usage=Usage(3, 4, cost=0.1)), Finished(model="echo-1")])
    (bundle,) = screen.outputs.values()
    kept = bundle[1]["fmnb"]
    assert kept["run"] == "r1" and kept["requested_model"] == "echo:" and kept["model"] == "echo-1"
    assert kept["parameters"] == {"temperature": 0.5} and kept["prompt"] == response.request.fingerprint()
    assert kept["usage"] == {"input_tokens": 3, "output_tokens": 4} and kept["cost"] == 0.1 and kept["version"]


def test_what_was_not_applied_is_in_the_footer():
    screen, _ = run([START, Notice(kind="not_applied", text="seed"), TextDelta(text="a"), Finished()])
    assert "not applied: seed" in screen.html()


def test_html_from_a_model_cannot_hint_at_hosts_to_reach():
    response = Response("<LINK rel=preconnect href=//e.example><meta http-equiv=refresh content='0;url=//e.example'></base>")
    shown = answer_bundle(response, format="html")[0]["text/html"]
    assert "&lt;x-LINK" in shown and "&lt;x-meta http-equiv=refresh" in shown and "&lt;/x-base" in shown and "&lt;LINK" not in shown


def test_html_from_a_model_stands_in_a_closed_frame():
    screen, _ = run([START, TextDelta(text="<h1 onclick='x()'>hi</h1><script>1</script>\"'"), Finished()], format="html")
    found = []

    class Frames(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append((tag, dict(attrs)))

    Frames().feed(screen.html())
    assert not {"script", "h1"} & {t for t, _ in found}
    (frame,) = [a for t, a in found if t == "iframe"]
    assert frame["sandbox"] == "" and "default-src 'none'" in frame["srcdoc"] and "src" not in frame


def test_code_is_taken_out_of_its_fence():
    screen, _ = run([START, TextDelta(text="Sure!\n```python\nx = 1\n```\n"), Finished()], format="code")
    assert "Sure" not in screen.html() and "```" not in screen.html()


def test_a_terminal_gets_text_and_footer_without_escapes_in_a_pipe():
    out = io.StringIO()
    view = TextView("r", out=out)
    for event in (
        Started(run="r", model="echo:", host="local", at=1.0),
        Waiting(run="r", reason="busy"),
        TextDelta(run="r", text="a\x1b[2Jb\n", at=1.5),
    ):
        view(event)
    view(Finished(run="r", model="echo:", at=2.0))
    assert out.getvalue() == "a␛[2Jb\n\n— fmnb · echo: · local · 1.0 s · free · run r\n"


def test_a_terminal_marks_a_forged_footer_however_it_is_cut():
    for cut in range(1, 20):
        out, text = io.StringIO(), "hi\n— fmnb · forged · free\n"
        view = TextView("r", out=out)
        view(Started(run="r", model="m", at=0.0))
        view(TextDelta(run="r", text=text[:cut]))
        view(TextDelta(run="r", text=text[cut:]))
        view(Finished(run="r"))
        ours = [line for line in out.getvalue().split("\n") if line.startswith("— fmnb")]
        assert len(ours) == 1 and "forged" not in ours[0]


def test_a_terminal_shows_reasoning_on_one_line_that_goes():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out = Terminal()
    view = TextView("r", out=out)
    view(ReasoningDelta(run="r", text="a b c"))
    view(TextDelta(run="r", text="done\n"))
    assert "thinking… 3 words" in out.getvalue() and "\r\x1b[2Kdone" in out.getvalue()


def test_a_shell_without_a_kernel_gets_text():
    views = view_for(None)
    views(Started(run="r", model="m"))
    assert isinstance(views._views["r"], TextView)


def test_the_real_display_gets_one_output_and_updates_of_it():
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    before, shell.display_pub = shell.display_pub, CapturingDisplayPublisher(shell=shell)
    try:
        view = NotebookView()
        for event in (Started(run="r", model="echo:", at=1.0), TextDelta(run="r", text="hello"), Finished(run="r")):
            view(event)
            view.caught_up()
        sent = shell.display_pub.outputs
    finally:
        shell.display_pub = before
        InteractiveShell.clear_instance()  # a later test of the same worker may be a script's
        atexit.unregister(shell.atexit_operations)
    assert [o["update"] for o in sent] == [False, True]
    assert len({o["transient"]["display_id"] for o in sent}) == 1
    assert list(sent[0]["data"]) == ["text/html", "text/plain"]
    assert list(sent[1]["data"]) == ["text/html", "text/markdown", "text/plain"]
    assert sent[1]["metadata"]["fmnb"]["run"] == "r"


def test_a_list_that_travelled_inside_an_object_is_shown_as_a_list():
    response = Response('{"items": [{"a": 1}]}', data=[{"a": 1}], finish_reason="stop")
    data, _ = answer_bundle(response, format="json")
    assert "items" not in data["text/html"] + data["text/markdown"] + data["text/plain"] and '"a": 1' in data["text/plain"]
