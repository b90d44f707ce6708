"""The cell that sends a request again, for "insert as a cell"."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

from ...core.types import Request, Text


def cell_of(
    request: Request,
    model: str,
    *,
    template: str = "",
    system: str | None = None,
    schema: str = "",
    chat: str = "",
    attach: Sequence[str] = (),
) -> str:
    """The `%%fm` cell with the options that were in force, and the prompt below.

    `template` is the prompt as typed, if known; otherwise the cell has the text that was sent, with
    `--raw` if it would be read as a template. `system` and `schema` are as typed; `chat` is the
    conversation to continue, `attach` names and paths.

    >>> from fmnb.core.types import message
    >>> print(cell_of(Request("echo:", (message("user", "hi"),), temperature=0.2), "echo:"))
    %%fm echo: -t 0.2
    hi
    """
    user_messages = [m for m in request.messages if m.role == "user"]
    sent_text = "".join(p.text for p in user_messages[-1].parts if isinstance(p, Text)) if user_messages else ""
    raw = not template and bool(re.search(r"\{\{|\{%", sent_text))
    if system is None:
        system = "".join(m.text for m in request.messages if m.role == "system")
    words = [_quoted(model)] if model else []
    words += ["--chat", _quoted(chat)] if chat else []
    for item in attach:
        words += ["--attach", _quoted(item)]
    if system:  # the line cannot contain a line break: insert it as a value
        words += ["-s", _quoted(system) if raw else shlex.quote(system.replace("\n", '{{ "\\n" }}'))]
    if request.temperature is not None:
        words += ["-t", f"{request.temperature:g}"]
    for flag, value in (("--max-tokens", request.max_tokens), ("--seed", request.seed)):
        words += [flag, str(value)] if value is not None else []
    for stop in request.stop:
        words += ["--stop", _quoted(stop)]
    for name, value in request.extra.items():
        words += ["-p", _quoted(f"{name}={value if isinstance(value, str) else json.dumps(value)}")]
    for flag, text in (("--api", request.api), ("--quant", request.quant), ("--dtype", request.dtype), ("--schema", schema)):
        words += [flag, _quoted(text)] if text else []
    if request.format != "markdown":
        words += ["-f", request.format]
    text = template or sent_text
    if raw:
        words.append("--raw")
    return f"%%fm {' '.join(words)}".rstrip() + f"\n{text}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _quoted(word: Any) -> str:
    return shlex.quote(_one_line(str(word))) if not re.fullmatch(r"[\w:./@=+,-]+", str(word)) else str(word)
