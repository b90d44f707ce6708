"""The line under an answer: model, host, time, tokens, cost; everything else on a click.

As text and as HTML. Unknown values are named, never shown as zero. As HTML, it is a shaded strip
below the answer: small text of an answer may read like it, but no Markdown gives text a
background, except for code, which is monospaced. In plain text, a line that imitates the footer is
marked.
"""

from __future__ import annotations

from ..core.inert_text import inert, inert_with_code
from ..core.response import Response
from ..core.types import Usage
from .colors import BORDER, SHADE, TEXT, UI, WARNING
from .forged_footer import escape_terminal as escape_terminal
from .model_name import answer_name, full_name

FOOTER_PREFIX = "— fmnb · "
LOCAL = "local"
_TRUNCATED = {
    "length": "truncated at max_tokens",
    "loop": "truncated where it repeated itself",
    "content_filter": "truncated by the service's filter",
}
_WARNINGS = ("not applied", "stale", "truncated ", "cites no source", "no source found")


def footer_items(response: Response) -> list[str]:
    """The parts of the line: short name, host, time, tokens, cost, then only what limits the answer."""
    r = response
    asked_nobody = _is_download(r)
    items = [answer_name(r)]
    if r.host and not asked_nobody:
        items.append(r.host)
    if r.source and r.source != "live":
        items.append(r.source)
    elif r.seconds is not None:  # a stored answer took its time before
        items.append(seconds(r.seconds))
    if tokens := _tokens(r):
        items.append(tokens)
    unpaid = r.error is not None and r.usage.cost is None and r.host != LOCAL
    not_billed = r.error is not None and r.error.get("billed") is False and r.usage.cost is None  # shown above; a price would contradict it
    if not asked_nobody and not not_billed:
        items.append("billed: unknown" if unpaid and r.error is not None and r.error.get("billed") is None else cost(r))
    if truncated := _TRUNCATED.get(r.finish_reason):
        items.append(truncated)
    if r.sources and r.text and r.error is None:
        unverified = sum(bool(c.problem) for c in r.citations)
        if not r.citations:
            items.append("cites no source")
        elif unverified:
            items.append(f"{unverified} of {len(r.citations)} citations unverified")
        if r.checks is not None and r.checks.coverage:
            items.append(r.checks.coverage)
    if r.extra.get("no_source") is True and r.error is None:
        items.append("no source found")
    if r.extra.get("base") is True:
        items.append("base model: completes text")
    if r.not_applied:
        items.append("not applied: " + ", ".join(r.not_applied))
    return [one for i in items if (one := _one_line(i))]


def footer_details(response: Response) -> list[str]:
    """What a click shows: full name, first token, speed, tokens of each kind, image, notes, run."""
    r = response
    live = r.source in ("", "live")
    items = [f"model: {full}"] if (full := full_name(r)) else []
    whole = len(r.media) == 1 and not r.text  # an image is not streamed
    if live and r.first_token_seconds is not None and r.seconds is not None and r.seconds >= 0.1 and not whole:
        items.append(f"first token after {seconds(r.first_token_seconds)}")
    rate = r.extra.get("tokens_per_second")
    if live and isinstance(rate, (int, float)) and rate > 0:
        items.append(f"{rate:,.0f} tokens/s" if rate >= 10 else f"{rate:.1f} tokens/s")
    if live and r.extra.get("busy"):
        items.append(str(r.extra["busy"]))
    if r.usage.cached_tokens:
        items.append(f"{_count(r.usage.cached_tokens)} of the prompt cached by the service")
    if r.usage.reasoning_tokens:
        items.append(f"{_count(r.usage.reasoning_tokens)} of the answer are reasoning")
    items += [*_image_items(r), *r.notes]
    if r.run:
        items.append(f"run {r.run}")
    return [one for i in items if (one := _one_line(i))]


def footer_text(response: Response) -> str:
    """The line as plain text, where nothing can be clicked: with notes and the run.

    >>> footer_text(Response("hi", model="echo:", host="local", seconds=1.24, run="r1"))
    '— fmnb · echo: · local · 1.2 s · free · run r1'
    """
    r = response
    more = [*_image_items(r), *r.notes, *([f"run {r.run}"] if r.run else [])]
    return FOOTER_PREFIX + " · ".join([*footer_items(r), *filter(None, map(_one_line, more))])


def anonymous_footer_text(response: Response) -> str:
    """The line under an answer whose model is hidden.

    It has no time, tokens or price, which could identify the model.

    >>> anonymous_footer_text(Response("hi", model="echo:", run="r1"))
    '— fmnb · run r1'
    """
    return f"{FOOTER_PREFIX}run {response.run}"


def footer_html(response: Response, blind: bool = False, title: str = "") -> str:
    """The line as HTML: small, muted; a click on it shows the details.

    It does not repeat the name if the title above it has it.
    """
    if blind:
        return f"{_OPEN}{_name(f'run {response.run}')}</footer>\n"
    first, *items = footer_items(response)
    if n := len(response.notes):
        items.append(f"{n:,} note{'' if n == 1 else 's'}")
    spans = [] if first in title and items else [_name(first)]
    for item in items:
        wrap = "normal" if len(item) > 40 else "nowrap"
        strong = f";color:{WARNING}" if item.startswith(_WARNINGS) else ""
        spans.append(f'<span style="white-space:{wrap}{strong}">{inert(item)}</span>')
    line = " · ".join(spans)
    rows = "".join(f'<div style="overflow-wrap:anywhere">{inert_with_code(d)}</div>\n' for d in footer_details(response))
    if not rows:
        return f"{_OPEN}{line}</footer>\n"
    return (
        f'{_OPEN}<details style="margin:0"><summary style="cursor:pointer" title="More about this answer">{line}</summary>\n'
        f'<div style="padding:.1em 0 .2em 1.2em">{rows}</div></details></footer>\n'
    )


_OPEN = (
    f'<footer aria-label="About this answer" dir="ltr" style="clear:both;margin:.4em 0 .3em;padding:.1em .6em;font-family:{UI};'
    f"background:{SHADE};border-top:1px solid {BORDER};font-size:11.5px;line-height:1.6;color:color-mix(in srgb,{TEXT} 80%,transparent);"
    'font-variant-numeric:tabular-nums">'
)


def _name(text: str) -> str:
    return f'<span style="white-space:nowrap;font-weight:600">{inert(_one_line(text))}</span>'


def seconds(value: float | None) -> str:
    """Format a duration.

    >>> seconds(0.0312), seconds(1.24), seconds(75.2)
    ('31 ms', '1.2 s', '1 min 15 s')
    """
    if value is None:
        return ""
    if value < 0.9995:
        return f"{value * 1000:.0f} ms" if value >= 0.0005 else "under 1 ms"
    if value < 59.95:
        return f"{value:.1f} s"
    whole = round(value)
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def money(value: float) -> str:
    """Format US dollars with two significant digits.

    >>> money(0.00123), money(1.5), money(0.0), money(2e-7)
    ('$0.0012', '$1.50', '$0', 'under $0.000001')
    """
    if value == 0:
        return "$0"
    if value < 1e-6:
        return "under $0.000001"
    if value >= 0.1:
        return f"${value:,.2f}"
    places = 2
    while round(value, places) * 10 ** (places - 1) < 1 and places < 7:
        places += 1
    return f"${value:.{places}f}"


def uncertain_calls_text(n: int) -> str:
    """A note on failed calls that may have been billed.

    >>> uncertain_calls_text(1), uncertain_calls_text(1200)
    ('1 failed call billed: unknown', '1,200 failed calls billed: unknown')
    """
    return f"{n:,} failed call{'' if n == 1 else 's'} billed: unknown"


def cost(response: Response) -> str:
    """The cost of an answer: "free" for local models, "price unknown" if unknown."""
    if response.source in ("cached", "replayed", "stale"):
        return f"nothing spent (was {money(response.cost)})" if response.cost else "nothing spent"
    if response.cost is not None and not (response.cost == 0 and response.host == LOCAL):
        return ("about " if response.usage.estimated else "") + money(response.cost)
    return "free" if response.host == LOCAL else "price unknown"


def _is_download(r: Response) -> bool:
    """Whether nobody was asked: a download has no answer and no cost."""
    return r.request is None and not r.text and r.usage == Usage()


def _tokens(r: Response) -> str:
    u = r.usage
    if u.input_tokens is None and u.output_tokens is None:
        return ""
    into = "? tokens" if u.input_tokens is None else _count(u.input_tokens)
    out = "?" if u.output_tokens is None else f"{u.output_tokens:,}"
    return f"{'about ' if u.estimated else ''}{into} in, {out} out"


def _count(tokens: int) -> str:
    return f"{tokens:,} token{'' if tokens == 1 else 's'}"


def _image_items(r: Response) -> list[str]:
    """Size, seed and steps of an image, to make it again."""
    if not r.media:
        return []
    size, seed, seeds, steps = (r.extra.get(k) for k in ("size", "seed", "seeds", "steps"))
    several = ", ".join(map(str, seeds)) if isinstance(seeds, list) and len(seeds) > 1 else ""
    return [
        *([str(size)] if size else []),
        *([f"seeds {several}"] if several else [f"seed {seed}"] if seed is not None else []),
        *([f"{steps} steps"] if steps else []),
    ]


def _one_line(text: str) -> str:
    """External text (a model name, a notice) on one line and without the separator."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).replace("·", "-").split())
