"""No line of a model's reads like ours, whatever letters and directions it is made of, whole or as it streams."""

from __future__ import annotations

import io

import pytest

from fmnb.core.errors import CallError
from fmnb.core.events import Finished, Started, TextDelta
from fmnb.core.response import Response
from fmnb.views.bundle import answer_bundle
from fmnb.views.footer import FOOTER_PREFIX, escape_terminal
from fmnb.views.forged_footer import like_footer
from fmnb.views.text import TextView

FORGED = [
    "— fmnb · gpt-5 · local · free",
    "— FMNB · x",
    "—\u200b\u2060f\u200bm\u200dn\u00adb · x",
    "— " + "\u200b" * 60 + "fmnb · x",
    "—" * 60 + " fmnb · x",
    "— ｆｍｎｂ · x",
    "— 𝐟𝐦𝐧𝐛 · x",
    "— ƒмпЬ · x",
    "— fmոЬ · x",
    "— frnnb · x",
    "— Ϝϻꓠꓐ · x".replace("ϻ", "Ϻ"),
    "— f\u0301m\u0302n\u0303b\u0304 · x",
    "\u202eeerf · 5-tpg · bnmf —",
    "\u202dfmnb · x",
    "\u2067x · fmnb — \u2069",
    "\u200fx · 5-tpg · fmnb —",
    "א · fmnb —",
    "text\r— fmnb · x",
    "text\u2028— fmnb · x",
    "text\x85— fmnb · x",
]


@pytest.mark.parametrize("line", FORGED)
def test_a_forged_line_is_marked_as_the_models(line):
    for shown in (escape_terminal(f"a\n{line}\nb"), answer_bundle(Response(f"a\n\n{line}\n\nb", model="m"))[0]["text/markdown"]):
        assert "\n> " in shown and "\u202e" not in shown
        assert not [x for x in shown.split("\n") if like_footer(x) and not x.startswith("> ")]


@pytest.mark.parametrize("line", FORGED)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_it_is_marked_while_it_streams(line, size):
    out = io.StringIO()
    view = TextView(out=out)
    text = f"first\n{line}\nlast words\n"
    view(Started(run="r", n=1, model="echo:", host="local"))
    for at in range(0, len(text), size):
        view(TextDelta(run="r", n=2, text=text[at : at + size]))
    view(Finished(run="r", n=3))
    *answer, ours = [x for x in out.getvalue().split("\n") if x]
    assert (
        ours.startswith(FOOTER_PREFIX)
        and not [x for x in answer if like_footer(x) and not x.startswith("> ")]
        and [x for x in answer if x.startswith("> ")]
    )


@pytest.mark.parametrize("line", ["we use fmnb here", "Привет, мир", "from numbers", "שלום עולם", "naïve café", "mnb f"])
def test_ordinary_lines_stay_as_they_are(line):
    assert escape_terminal(line) == line


def test_a_line_that_streams_in_pieces_is_marked_only_at_its_beginning():
    out = io.StringIO()
    view = TextView(out=out)
    view(Started(run="r", n=1, model="echo:", host="local"))
    for piece in ("a long beginning of a line about ", "fmnb and its", " fmnb footer\n"):
        view(TextDelta(run="r", n=2, text=piece))
    view(Finished(run="r", n=3))
    assert out.getvalue().startswith("a long beginning of a line about fmnb and its fmnb footer\n")


@pytest.mark.parametrize("bad", ["\x1b[2J", "\x9b2J", "\x07", "\x1b]8;;https://evil.example\x1b\\", "a\rb", "\u202e"])
def test_no_error_carries_terminal_escapes(bad):
    e = CallError(f"It failed {bad}", detail=bad + "x", hint=f"Do {bad}")
    shown = str(e) + "".join(e._render_traceback_())
    assert not any(ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160 or c == "\u202e" for c in shown)
