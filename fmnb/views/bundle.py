"""A complete answer as a MIME bundle: HTML, Markdown and plain text, with provenance metadata."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import escape
from typing import Any

from ..core import media as _media
from ..core.inert_text import inert, literal, one_block, undirected
from ..core.markdown import neutral_markdown
from ..core.response import Response
from ..core.types import Image
from ..core.version import __version__
from .colors import ACCENT, BORDER, ERROR, ERROR_SHADE, MONO, MUTED, UI
from .footer import LOCAL, anonymous_footer_text, escape_terminal, footer_html, footer_text, seconds
from .html import Rendering, code, render
from .marked_answer import cited_text, marked_text, marks_as_html
from .sources import sources_html, sources_text
from .status_text import run_label

Bundle = tuple[dict[str, Any], dict[str, Any]]

HIDDEN = "This answer failed; the error is shown together with the names."
FORMATS = ("markdown", "text", "code", "json", "html", "math", "image")
_FOLD = 3_000  # characters of JSON that are shown unfolded
_WRAP = "overflow-x:auto;max-width:100%;unicode-bidi:plaintext"


def answer_bundle(
    response: Response,
    streaming: bool = False,
    *,
    format: str = "markdown",
    rendering: Rendering | None = None,
    header: str = "",
    status: str = "",
    failure: str = "",
    blind: bool = False,
) -> Bundle:
    """(data, metadata) for a display: text/html, text/markdown, text/plain.

    While `streaming` there is no footer, and `status` (trusted HTML: a wait, a progress bar) is below
    the text. `failure` is trusted HTML, too. `header` names the model if several answer.
    `rendering` keeps rendered blocks between calls. With `blind`, only the run id identifies the
    answer.
    """
    response = anonymized(response) if blind else response
    text = cited_text(response) if _is_checked(response, format, streaming) else response.text
    if format == "json" and isinstance(response.data, list):  # a list is wrapped in an object; show the list
        text = json.dumps(response.data, ensure_ascii=False, indent=2)
    body = body_html(text, format, streaming) if format == "json" else answer_html(response, format, streaming, rendering)
    end = "" if streaming else footer_html(response, blind)
    html = f'<div style="{_WRAP}">\n{body}</div>\n' if body else ""
    words = escape_terminal(text)
    if not streaming:  # an image is drawn once, not with each update
        html += media_html(response) + sources_html(response)
        words = "\n".join(filter(None, (words, *media_lines(response), sources_text(response))))
        line = anonymous_footer_text(response) if blind else footer_text(response)
        words = f"{words}\n\n{line}" if words else line
        if response.error:
            why = HIDDEN if blind else error_text(response.error, response.host)
            words = f"{why}\n{words}" if not (response.text or response.media) else f"{words}\n{why}"
            failure = f'<p role="status" style="{_QUIET}">{HIDDEN}</p>\n' if blind else failure
    data = {"text/html": one_block(header_html(header) + html + status + failure + end)}
    if not streaming:  # an output that is soon replaced needs one format only
        shown = _for_markdown(text, format)
        data["text/markdown"] = neutral_markdown(
            "\n\n".join(filter(None, (escape_terminal(shown), *media_lines(response), sources_text(response))))
        )
    data["text/plain"] = run_label(header) + words if header else words
    known = {"run": response.run, "version": __version__} if blind else provenance(response)
    return data, ({} if streaming else {"fmnb": known})


def anonymized(response: Response) -> Response:
    """An answer without hints to its model in images and sources."""
    media = tuple(replace(m, alt="A picture") if isinstance(m, Image) else replace(m, name="") for m in response.media)
    return replace(response, media=media, extra={k: v for k, v in response.extra.items() if k not in ("sources", "citations")})


def media_html(response: Response) -> str:
    """HTML of the images and videos of an answer, with alternative text."""
    return "".join(_media.figure_html(m.data, m.alt if isinstance(m, Image) else m.name) for m in response.media)


def media_lines(response: Response) -> list[str]:
    """One line of text for each image or video."""
    return [escape_terminal(_media.describe(m.data, m.media_type, m.alt if isinstance(m, Image) else m.name)) for m in response.media]


def answer_html(response: Response, format: str, streaming: bool, rendering: Rendering | None = None) -> str:
    """The text of an answer as HTML; once it is complete, its figures and citations are marked."""
    if not _is_checked(response, format, streaming):
        return body_html(response.text, format, streaming, rendering)
    if format == "text":
        return body_html(cited_text(response), format, streaming)
    return marks_as_html(render(marked_text(response)), response)


def _is_checked(response: Response, format: str, streaming: bool) -> bool:
    return not streaming and format in ("markdown", "text") and bool(response.text) and bool(response.sources)


def body_html(text: str, format: str, streaming: bool, rendering: Rendering | None = None) -> str:
    """The text of an answer as HTML, by format."""
    if not text:
        return ""
    match format:
        case "text":
            return f'<pre dir="auto" style="font-family:inherit;white-space:pre-wrap;overflow-wrap:anywhere;margin:0">{literal(undirected(_clean(text)))}</pre>\n'
        case "code":
            language, source = fenced(text)
            return code(source, language or "python")
        case "json":
            return code(text) if streaming else _json(text)
        case "html":
            return code(text) if streaming else frame(fenced(text)[1])
        case "math" if not re.search(r"\$|\\\(|\\\[", text):
            return render(f"$$\n{text.strip()}\n$$")
    return rendering.html(text) if rendering else render(text)


def fenced(text: str) -> tuple[str, str]:
    """Language and content of the code fences in an answer; ("", text) without any.

    Several fences are joined. An unclosed fence counts.

    >>> fenced("Here:\\n```python\\nx = 1\\n```\\nDone.")
    ('python', 'x = 1')
    """
    found: list[tuple[str, str]] = []
    lines: list[str] | None = None
    mark, language = "", ""
    for line in text.replace("\r\n", "\n").split("\n"):
        if lines is None:
            if m := re.match(r" {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$", line):
                mark, language, lines = m[1], m[2], []
        elif re.fullmatch(rf" {{0,3}}{re.escape(mark[0])}{{{len(mark)},}}\s*", line):
            found.append((language, "\n".join(lines)))
            lines = None
        else:
            lines.append(line)
    if lines is not None:
        found.append((language, "\n".join(lines)))
    if not found:
        return "", text.strip("\n")
    return found[0][0], "\n\n".join(source for _, source in found)


def frame(source: str) -> str:
    """Model HTML in a sandboxed frame without scripts, remote content, or access to the page."""
    source = _HINTS.sub(r"\1x-\2", undirected(source))  # prefetch and DNS hints are not blocked by a content policy
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"
    page = (
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}"><base target="_blank">{source}'
    )
    return (
        f'<iframe sandbox="" referrerpolicy="no-referrer" loading="lazy" title="The model\'s HTML, shown without scripts" srcdoc="{escape(page, quote=True)}" '
        f'style="box-sizing:border-box;width:100%;height:24em;border:1px solid {BORDER};border-radius:4px;background:#fff"></iframe>\n'
        f'<p style="color:{MUTED};font-size:11.5px;margin:.2em 0">HTML from the model, without scripts or remote content.</p>\n'
    )


_HINTS = re.compile(r"(</?)(link|meta|base)\b", re.I)


def _json(text: str) -> str:
    try:
        shown = json.dumps(json.loads(fenced(text)[1]), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):  # the latter for thousands of nested brackets
        return code(text)
    if len(shown) <= _FOLD:
        return code(shown, "json")
    lines = shown.count("\n") + 1
    return f'<details><summary style="cursor:pointer">JSON, {lines:,} lines</summary>{code(shown, "json")}</details>\n'


def _for_markdown(text: str, format: str) -> str:
    if format in ("text", "json", "html", "code") and text:
        language, source = (format if format == "json" else "text", text) if format != "code" else fenced(text)
        fence = "`" * max(3, 1 + max((len(m) for m in re.findall(r"`+", source)), default=0))
        return f"{fence}{language}\n{source}\n{fence}"
    return text


def _clean(text: str) -> str:
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", re.sub("\r\n|[\r\u2028\u2029]", "\n", text))


def header_html(name: str) -> str:
    """The name above an answer, for several models in one cell."""
    if not name:
        return ""
    return (
        f'<p style="font-family:{UI};font-size:12px;font-weight:600;letter-spacing:.01em;'
        f'margin:.9em 0 .4em;padding:0 0 .25em;border-bottom:1px solid {BORDER}">{inert(name)}</p>\n'
    )


def reasoning_bundle(text: str, seconds_: float | None, running: bool) -> Bundle:
    """Reasoning: a line with a count while it streams, then a closed fold."""
    count = f"{len(text.split()):,} words"
    if running:
        line = f"thinking… {count}"
        return {"text/html": f'<p style="{_QUIET}">{line}</p>\n', "text/plain": line}, {}
    line = f"thought for {seconds(seconds_)}, {count}" if seconds_ is not None else f"thought, {count}"
    html = (
        f'<details style="{_QUIET}"><summary style="cursor:pointer">{line}</summary>\n'
        f'<div style="border-left:2px solid {BORDER};padding:0 0 0 .9em;margin:.3em 0 .6em;max-height:24em;overflow:auto">\n{render(text)}</div></details>\n'
    )
    return {"text/html": one_block(html), "text/plain": f"[{line}]"}, {}


_QUIET = f"font-size:12px;color:{MUTED};margin:.2em 0 .4em"


def waiting_html(line: str) -> str:
    """A line that explains a wait."""
    return f'<p role="status" style="{_QUIET}">{inert(line)}</p>\n'


def progress_html(line: str, share: float | None) -> str:
    """A line with a thin bar below; no bar without a known total."""
    bar = ""
    if share is not None:
        percent = round(100 * min(1.0, max(0.0, share)))
        bar = (
            f'<div role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}" aria-label="{escape(line)}" '
            f'style="height:4px;max-width:28em;border-radius:2px;background:{BORDER};overflow:hidden;margin:.3em 0 .5em">'
            f'<div style="height:4px;width:{percent}%;background:{ACCENT}"></div></div>\n'
        )
    return f'<p style="{_QUIET}">{inert(line)}</p>\n{bar}'


def error_html(error: dict[str, Any], kept: int = 0, host: str = "") -> str:
    """An error as HTML: message, detail, hint, and whether a service billed it."""
    head = f"<strong>{inert(_one_line(error.get('message', 'The call failed')))}</strong>"
    if error.get("detail"):
        head += f': <span style="font-family:{MONO};font-size:.92em;overflow-wrap:anywhere">{inert(_one_line(error["detail"]))}</span>'
    rows = [head]
    if error.get("hint"):
        rows.append("→ " + _CODE.sub(rf'<span style="font-family:{MONO};font-size:.92em">\1</span>', inert(_one_line(error["hint"]))))
    small = [] if host == LOCAL else [billed(error)]
    if kept:
        small.append(f"{kept:,} characters kept above")
    if small:
        rows.append(f'<span style="font-size:11.5px">{" · ".join(small)}</span>')
    return (
        f'<div role="alert" style="border-left:4px solid {ERROR};background:{ERROR_SHADE};'
        'padding:.55em .9em;margin:.5em 0;border-radius:0 4px 4px 0;line-height:1.55">' + "<br>".join(rows) + "</div>\n"
    )


_CODE = re.compile(r"&#96;(.+?)&#96;")  # between backticks, as `inert` writes them


def error_text(error: dict[str, Any], host: str = "") -> str:
    """An error as plain text; where no service was asked, nothing is billed."""
    head = _one_line(error.get("message", "The call failed"))
    if error.get("detail"):
        head += f": {_one_line(error['detail'])}"
    return "\n".join(
        [
            f"✗ {head}",
            *([f"  → {_one_line(error['hint'])}"] if error.get("hint") else []),
            *([] if host == LOCAL else [f"  {billed(error)}"]),
        ]
    )


def billed(error: dict[str, Any]) -> str:
    """Whether a failed call was billed, as text; stored errors omit False and None."""
    value = error.get("billed", None)
    if value and error.get("kind") == "EmptyAnswerError":
        return "billed, although the answer is empty"
    return "not billed" if value is False else "billed for the partial answer" if value else "billed: unknown"


def _one_line(text: Any) -> str:
    return escape_terminal(str(text)).replace("\n", " ").strip()


def stopped_html(kept: int, media: int = 0) -> str:
    """The line under a stopped answer, as HTML."""
    return f'<p role="status" style="{_QUIET}">■ {escape(stopped_text(kept, media))}</p>\n'


def stopped_text(kept: int, media: int = 0) -> str:
    """The line under a stopped answer."""
    if media:
        return f"stopped; {media} finished picture{'s' if media > 1 else ''} kept"
    return f"stopped; {kept:,} characters kept; %fm continue continues from there" if kept else "stopped before any output"


def provenance(response: Response) -> dict[str, Any]:
    """Provenance of a saved output: run, models, parameters, fingerprint, usage, cost, time, version."""
    out: dict[str, Any] = {
        "run": response.run,
        "requested_model": response.requested_model,
        "model": response.model,
        "host": response.host,
    }
    request = response.request
    if request is not None:
        out["parameters"] = {
            k: list(v) if isinstance(v, tuple) else v
            for k in ("temperature", "max_tokens", "seed", "stop", "extra")
            if (v := getattr(request, k)) not in (None, (), {})
        }
        out["prompt"] = request.fingerprint()
    usage = {
        k: v
        for k in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
        if (v := getattr(response.usage, k)) is not None
    }
    return out | {
        "usage": usage,
        "cost": response.cost,
        "seconds": None if response.seconds is None else round(response.seconds, 3),
        "first_token_seconds": None if response.first_token_seconds is None else round(response.first_token_seconds, 3),
        "source": response.source,
        "finish_reason": response.finish_reason,
        "not_applied": list(response.not_applied),
        "version": __version__,
    }
