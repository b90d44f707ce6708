"""A dry run: what a call would send, to which host, and its cost; nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import FmnbError
from ..core.inert_text import inert, literal, printable
from ..core.types import File, Image, Message, Text, TokenCount
from ..limits.budget import estimate
from ..views.colors import BORDER, MONO, MUTED, PAPER, WARNING
from .call import PreparedCall
from .prepare import count_tokens

_BOX = f"border:1px dashed {BORDER};border-radius:4px;padding:.6em .9em .8em;margin:.2em 0"
_TEXT = f"white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere;margin:0;padding:.6em .8em;background:{PAPER};border-radius:4px;font-family:{MONO};font-size:.9em"


@dataclass(frozen=True)
class Preview:
    """One call as it would be sent. `cost` is the maximum in US dollars, None if the price is unknown."""

    model: str
    host: str
    messages: tuple[Message, ...]
    parameters: dict[str, Any]
    tokens: TokenCount
    cost: float | None
    key: str
    problem: str = ""

    def __str__(self) -> str:
        lines = [f"to       {self.model} ({self.host})", f"tokens   {self.tokens_line('in')}", f"price    {self.price_line()}"]
        if self.parameters:
            lines.append("with     " + ", ".join(f"{k}={v!r}" for k, v in self.parameters.items()))
        if self.problem:
            lines.append(f"problem  {self.problem}")
        for m in self.messages:
            lines += ["", f"── {m.role} " + "─" * max(2, 58 - len(m.role)), *(_part(p) for p in m.parts)]
        return printable("\n".join(lines))

    __repr__ = __str__

    def tokens_line(self, unit: str) -> str:
        """The number of tokens, and how exact it is."""
        t = self.tokens
        unit = unit.replace("tokens", "token") if t.tokens == 1 else unit
        return f"{t.tokens:,} {unit} ({'exact, ' if t.exact else 'estimated: '}{t.method}{f', {t.error}' if t.error else ''})"

    def price_line(self) -> str:
        """The maximum cost in words."""
        if self.host == "local" and not self.cost:
            return "free"
        return "unknown" if self.cost is None else f"at most ${self.cost:.4f}"

    def _repr_html_(self) -> str:
        facts = [f"<strong>{inert(self.model)}</strong>"]
        facts += map(
            inert, (self.host, self.tokens_line("tokens in"), self.price_line(), *(f"{k}={v!r}" for k, v in self.parameters.items()))
        )
        problem = f'<p style="margin:.2em 0;color:{WARNING}">{inert(self.problem)}</p>' if self.problem else ""
        said = "".join(
            f'<p style="margin:.7em 0 .2em;font-size:11.5px;color:{MUTED}">{inert(m.role)}</p>'
            f'<pre style="{_TEXT}">{literal(chr(10).join(_part(p) for p in m.parts))}</pre>'
            for m in self.messages
        )
        head = f'<p style="margin:0 0 .2em;font-size:11.5px;color:{MUTED}">Nothing was sent. This would go out:</p>'
        return f'<div style="{_BOX}">{head}<p style="margin:0;line-height:1.6">{" · ".join(facts)}</p>{problem}{said}</div>\n'

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def _part(p: Any) -> str:
    if isinstance(p, Text):
        return p.text
    if isinstance(p, Image):
        return f"[image, {p.media_type}, {len(p.data):,} bytes: {p.alt or 'no description'}]"
    if isinstance(p, File):
        return f"[file {p.name}, {p.media_type}, {len(p.data):,} bytes]"
    return f"[{type(p).__name__}] {getattr(p, 'text', None) or getattr(p, 'content', None) or getattr(p, 'arguments', '')}"


def preview(prepared: PreparedCall) -> Preview:
    """The preview of a prepared call. For a model that cannot be called yet it has the reason."""
    request, target = prepared.call.request, prepared.call.target
    problem = ""
    try:
        backend = target.open()
        tokens = count_tokens(prepared)
        problem = backend.info.missing
        cost = estimate(backend.info, request, tokens.tokens)
    except FmnbError as e:
        from ..core.backend import estimate_tokens

        tokens, cost, problem = estimate_tokens(request), 0.0 if target.local else None, str(e)
    shown = {
        name: getattr(request, name)
        for name in ("temperature", "max_tokens", "seed", "stop", "schema", "logprobs")
        if getattr(request, name) not in (None, ())
    }
    return Preview(target.name, target.host, request.messages, {**shown, **request.extra}, tokens, cost, request.fingerprint(), problem)


def show(prepared: Sequence[PreparedCall]) -> Preview | Previews:
    """The preview of one call, or of several."""
    found = [preview(a) for a in prepared]
    return found[0] if len(found) == 1 else Previews(found)


class Previews(list[Preview]):
    """Several previews, displayed one below the other."""

    def __str__(self) -> str:
        return "\n\n".join(map(str, self))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "".join(p._repr_html_() for p in self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))
