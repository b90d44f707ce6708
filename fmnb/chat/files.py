"""Conversations as files: Markdown to read, JSON to load again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.types import Message, from_dict, to_dict
from .branches import Branch


def write(path: Path, model: str, messages: Branch, branches: Sequence[Branch]) -> None:
    """Write a conversation as .md or .json.

    Raises UsageError for other extensions, and if the file cannot be written.
    """
    if path.suffix == ".json":
        data: dict[str, Any] = {"model": model, "messages": [to_dict(m) for m in messages]}
        if len(branches) > 1:
            data["branches"] = [[to_dict(m) for m in b] for b in branches]
        text = json.dumps(data, ensure_ascii=False, indent=1)
    elif path.suffix == ".md":
        text = "\n\n".join(f"**{m.role}**\n\n{m.text}" for m in messages) + "\n"
    else:
        raise UsageError("A conversation is exported as .md or .json", detail=path.name)
    try:
        path.write_text(text, "utf-8")
    except OSError as e:
        raise UsageError("The conversation could not be written", detail=f"{path}: {e.strerror}") from None


def read(path: Path) -> tuple[str, Branch, list[Branch]]:
    """Read model, messages and branches from a .json file. UsageError for other files."""
    try:
        data = json.loads(path.read_text("utf-8"))
        messages, *branches = (tuple(from_dict(Message, m) for m in b) for b in (data["messages"], *data.get("branches", ())))
        return data["model"], messages, branches
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise UsageError(f"{path} is not an exported conversation", detail=f"{type(e).__name__}: {e}") from None
