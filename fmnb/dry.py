"""What a call would send, to whom, and what it would cost; nothing is sent."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .errors import FmnbError
from .guard.budget import estimate
from .model import Asked, count
from .types import File, Image, Message, Text, TokenCount


@dataclass(frozen=True)
class Preview:
    """One call as it would go out. `cost` is US dollars at most, None where the price is unknown."""

    model: str
    where: str
    messages: tuple[Message, ...]
    parameters: dict[str, Any]
    tokens: TokenCount
    cost: float | None
    key: str
    problem: str = ""

    def __str__(self) -> str:
        lines = [f"to       {self.model} ({self.where})", f"tokens   {self._tokens()}", f"price    {self._price()}"]
        if self.parameters:
            lines.append("with     " + ", ".join(f"{k}={v!r}" for k, v in self.parameters.items()))
        if self.problem:
            lines.append(f"but      {self.problem}")
        for m in self.messages:
            lines += ["", f"── {m.role} " + "─" * max(2, 58 - len(m.role)), *(_part(p) for p in m.parts)]
        return "\n".join(lines)

    __repr__ = __str__

    def _tokens(self) -> str:
        t = self.tokens
        return f"{t.tokens:,} in ({'exact, ' if t.exact else 'estimated: '}{t.method}{f', {t.error}' if t.error else ''})"

    def _price(self) -> str:
        if self.where == "stays here" and not self.cost:
            return "free"
        return "unknown" if self.cost is None else f"at most ${self.cost:.4f}"

    def _repr_html_(self) -> str:
        style = "white-space:pre-wrap;overflow-wrap:anywhere;margin:0;font-family:var(--jp-code-font-family,monospace);font-size:.9em"
        return f'<pre style="{style}">{html.escape(str(self))}</pre>'

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


def preview(asked: Asked) -> Preview:
    """The preview of a prepared call. A model that cannot be called yet says why instead of failing."""
    request, target = asked.call.request, asked.call.target
    problem = ""
    try:
        backend = target.open()
        tokens = count(asked)
        problem = backend.card.missing
        cost = estimate(backend.card, request, tokens.tokens)
    except FmnbError as e:
        from .backend import estimate_tokens

        tokens, cost, problem = estimate_tokens(request), 0.0 if target.local else None, str(e)
    shown = {
        name: getattr(request, name)
        for name in ("temperature", "max_tokens", "seed", "stop", "schema", "logprobs")
        if getattr(request, name) not in (None, ())
    }
    return Preview(target.name, target.where, request.messages, {**shown, **request.extra}, tokens, cost, request.key(), problem)


def show(asked: Sequence[Asked]) -> Preview | Previews:
    """The preview of one call, or of several."""
    found = [preview(a) for a in asked]
    return found[0] if len(found) == 1 else Previews(found)


class Previews(list[Preview]):
    """Several previews, shown one below the other."""

    def __str__(self) -> str:
        return "\n\n".join(map(str, self))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "<br>".join(p._repr_html_() for p in self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))
