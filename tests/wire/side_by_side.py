"""Four models of different character, for comparisons: slow, cut half-way, huge, hostile. Importing this adds them to the server."""

from __future__ import annotations

from fmnb.providers.echo import HOSTILE
from tests.wire.server import BEHAVIOURS, CLOSE, END, Seen, Steps, chunk, fixed, says

WORDS = 300  # of `side-slow`


def _steady(seen: Seen, attempt: int) -> Steps:
    """A hundred pieces a second, for three seconds."""
    yield from says()
    for n in range(WORDS):
        yield chunk({"content": f"word{n} " if (n + 1) % 25 else f"word{n}\n\n"})
        yield 0.01
    yield from END


BEHAVIOURS |= {f"side-{name}": _steady for name in ("slow", "slow-2", "slow-3", "slow-4")}
fixed("side-cut", *says("The first half"), 0.2, chunk({"content": " of an answer"}), CLOSE)
fixed("side-huge", *says(), *(chunk({"content": f"Paragraph {n}. " + "many words " * 60 + "\n\n"}) for n in range(120)), *END)
fixed("side-hostile", *says(), *(chunk({"content": HOSTILE[at : at + 40]}) for at in range(0, len(HOSTILE), 40)), *END)
