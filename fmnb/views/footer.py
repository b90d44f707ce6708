"""The line under an answer: model, host, time, tokens, cost.

As text and as HTML. Unknown values are named, never shown as zero. Model text cannot produce the
HTML (Markdown has no footer element), and in plain text a line that imitates the footer is marked.
"""

from __future__ import annotations

from ..core.inert_text import inert
from ..core.response import Response
from ..core.types import Usage
from .forged_footer import escape_terminal as escape_terminal
from .html import MUTED

FOOTER_PREFIX = "— fmnb · "
LOCAL = "local"


def footer_items(response: Response) -> list[str]:
    """The parts of the line, in order."""
    r = response
    asked_nobody = r.request is None and not r.text and r.usage == Usage()  # a download: no answer and no cost
    items = [_model_name(r)]
    if r.host and not asked_nobody:
        items.append(r.host)
    if r.source and r.source != "live":
        items.append(r.source)
    if r.finish_reason == "length":
        items.append("truncated at max_tokens")
    elif r.finish_reason == "loop":
        items.append("truncated where it repeated itself")
    elif r.finish_reason == "content_filter":
        items.append("truncated by the service's filter")
    if r.extra.get("base") is True:
        items.append("base model: completes text")
    if r.seconds is not None:
        whole = len(r.media) == 1 and not r.text  # an image is not streamed
        told = r.first_token_seconds is not None and r.seconds >= 0.1 and not whole
        first = f", first {seconds(r.first_token_seconds)}" if told else ""
        items.append(seconds(r.seconds) + first)
    items += _image_items(r)
    if tokens := _tokens(r):
        items.append(tokens)
    rate = r.extra.get("tokens_per_second")
    if isinstance(rate, (int, float)) and rate > 0:
        items.append(f"{rate:,.0f} tokens/s" if rate >= 10 else f"{rate:.1f} tokens/s")
    unpaid = r.error is not None and r.usage.cost is None and r.host != LOCAL
    not_billed = r.error is not None and r.error.get("billed") is False and r.usage.cost is None  # shown above; a price would contradict it
    if not asked_nobody and not not_billed:
        items.append("billed: unknown" if unpaid and r.error is not None and r.error.get("billed") is None else cost(r))
    if r.not_applied:
        items.append("not applied: " + ", ".join(r.not_applied))
    items += [_one_line(n) for n in r.notes]
    if r.run:
        items.append(f"run {r.run}")
    return [_one_line(i) for i in items if i]


def footer_text(response: Response) -> str:
    """The line as plain text.

    >>> footer_text(Response("hi", model="echo:", host="local", seconds=1.24, run="r1"))
    '— fmnb · echo: · local · 1.2 s · free · run r1'
    """
    return FOOTER_PREFIX + " · ".join(footer_items(response))


def anonymous_footer_text(response: Response) -> str:
    """The line under an answer whose model is hidden.

    It has no time, tokens or price, which could identify the model.

    >>> anonymous_footer_text(Response("hi", model="echo:", run="r1"))
    '— fmnb · run r1'
    """
    return f"{FOOTER_PREFIX}run {response.run}"


def footer_html(response: Response, blind: bool = False) -> str:
    """The line as HTML: small, muted, wraps between its parts."""
    items = [f"run {response.run}"] if blind else footer_items(response)
    spans = [f'<span style="white-space:nowrap;font-weight:600">{inert(items[0])}</span>']
    for item in items[1:]:
        wrap = "normal" if len(item) > 40 else "nowrap"
        strong = f";color:var(--jp-warn-color0,{MUTED})" if item.startswith(("not applied", "stale", "truncated ")) else ""
        spans.append(f'<span style="white-space:{wrap}{strong}">{inert(item)}</span>')
    return (
        f'<footer aria-label="About this answer" dir="ltr" style="clear:both;margin:.15em 0 .2em;font-family:var(--jp-ui-font-family,system-ui,sans-serif);'
        f'font-size:11.5px;line-height:1.6;color:{MUTED};font-variant-numeric:tabular-nums">' + " · ".join(spans) + "</footer>\n"
    )


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


def _model_name(r: Response) -> str:
    if title := _one_line(str(r.extra.get("title") or "")):  # local weights have a title
        return f"{title} ({r.requested_model})" if r.requested_model else title
    model = r.model or r.requested_model or "unknown model"
    if model.startswith("object:"):  # a custom model only has its variable name
        return model.removeprefix("object:")
    if model.startswith("/"):  # some servers report a file path
        model = model.rpartition("/")[2]
    if (
        r.requested_model
        and r.requested_model != model
        and not r.requested_model.endswith(f":{model}")
        and r.requested_model != f"{model}:"
    ):
        return f"{model} (requested: {r.requested_model})"
    return r.requested_model or model


def _tokens(r: Response) -> str:
    u = r.usage
    if u.input_tokens is None and u.output_tokens is None:
        return ""
    into = "?" if u.input_tokens is None else f"{u.input_tokens:,}"
    if u.cached_tokens:
        into += f" ({u.cached_tokens:,} cached)"
    out = "?" if u.output_tokens is None else f"{u.output_tokens:,}"
    if u.reasoning_tokens:
        out += f" ({u.reasoning_tokens:,} reasoning)"
    return f"{'about ' if u.estimated else ''}{into} tokens in, {out} out"


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
