"""Cells whose answers are on the stored tape."""

from __future__ import annotations

from typing import Any

CELLS = {
    "text": ("far:m -t 0.3", "What is on the tape?"),
    "thoughts": ("far:m", "Please think on the tape"),
    "schema": ("far:m --schema 'mood good|bad, words int'", "Judge the tape"),
    "talk": ("-c taped far:m", "First on the tape"),
    "talk again": ("-c taped far:m", "Second on the tape"),
    "picture": ("draw:m -f image", "A tape"),
    "cut": ("far:m", "On the tape: please cut"),
    "comparison": ("far:m far:small", "Compare on the tape"),
    "samples": ("far:m --samples 2", "Twice on the tape"),
    "table": ("far:m --over people", "Greet {{ name }} on the tape"),
    "tool": ("echo:tool,think", "Call on the tape"),
}


def shown(shell: Any, cell: tuple[str, str]) -> Any:
    """What a cell gives: the answer, the answers, or the table's texts."""
    import fmnb as fm

    shell.user_ns["people"] = [{"name": "Ada"}, {"name": "Bob"}]
    value = shell.run_cell_magic("fm", *cell)
    if isinstance(value, fm.Response):
        return [value.text, value.reasoning, value.data, value.finish_reason, len(value.media), len(value.tool_calls)]
    return [r.text for r in value] if isinstance(value, fm.Comparison) else [r["text"] for r in value]
