"""Named conversations. Nothing is remembered unless a conversation is named, and nothing is sent but what it holds.

A turn is kept when its answer is complete; a failed or stopped turn leaves the
conversation as it was. Conversations live as long as the kernel; `export` keeps them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import UsageError
from .events import Sink
from .performing import perform
from .preparing import Asked, options_from, prepare
from .types import Message, Reasoning, Response, Text, from_dict, message, to_dict

_COMPACT = "Summarise this conversation for yourself, so that you can go on with it: facts, decisions, open questions, names and numbers. At most 200 words."


@dataclass
class Chat:
    """A conversation with one model.

    >>> chat = Chat("echo:")
    >>> chat.ask("hello").text, len(chat.messages)
    ('hello', 2)
    """

    model: Any = None
    system: str | None = None
    name: str = ""
    messages: tuple[Message, ...] = ()

    def prepare(self, prompt: Any, **options: Any) -> Asked:
        """The next turn, ready to be performed; `take` keeps it afterwards."""
        options = {"system": self.system, **options, "history": self.messages}
        return prepare(prompt, options.pop("model", None) or self.model, options_from(options))

    def take(self, asked: Asked) -> None:
        """Keep a finished turn; reasoning is not sent again unless its model needs it."""
        if asked.error is None and asked.response is not None:
            last = asked.response.messages[-1]
            kept = tuple(p for p in last.parts if not isinstance(p, Reasoning) or p.extra)
            self.messages = (*asked.call.request.messages, Message(last.role, kept, last.extra))

    def ask(self, prompt: Any, *, sinks: Sequence[Sink] = (), **options: Any) -> Response:
        """Say something and return the answer; options as in `fm.ask`."""
        asked = self.prepare(prompt, **options)
        perform([asked], sinks)
        self.take(asked)
        if asked.error is not None:
            raise asked.error
        assert asked.response is not None
        return asked.response

    def fork(self, name: str = "") -> Chat:
        """A second conversation that begins with this one's turns."""
        return Chat(self.model, self.system, name, self.messages)

    @property
    def turns(self) -> int:
        """How often the user has spoken."""
        return sum(m.role == "user" for m in self.messages)

    def trim(self, turns: int) -> None:
        """Keep the system prompt and the last `turns` exchanges."""
        if turns < 0:
            raise UsageError("A conversation keeps 0 turns or more", seen=str(turns))
        starts = [i for i, m in enumerate(self.messages) if m.role == "user"]
        head = tuple(m for m in self.messages[:1] if m.role == "system")
        cut = starts[-turns] if 0 < turns <= len(starts) else (len(self.messages) if turns == 0 else len(head))
        self.messages = head + self.messages[max(cut, len(head)) :]

    def compact(self, *, keep: int = 2, sinks: Sequence[Sink] = ()) -> Response:
        """Replace all but the last `keep` exchanges by a summary the model writes; returns the summary's answer."""
        starts = [i for i, m in enumerate(self.messages) if m.role == "user"]
        if len(starts) <= keep:
            raise UsageError("There is nothing to compact", seen=f"{len(starts)} turns", todo=f"It keeps the last {keep}.")
        head = tuple(m for m in self.messages[:1] if m.role == "system")
        cut = starts[-keep] if keep else len(self.messages)
        asked = prepare(_COMPACT, self.model, options_from({"history": self.messages[:cut]}))
        perform([asked], sinks)
        if asked.error is not None:
            raise asked.error
        assert asked.response is not None
        summary = (message("user", "What we said so far, in short?"), message("assistant", asked.response.text))
        self.messages = head + summary + self.messages[cut:]
        return asked.response

    def export(self, path: str | Path) -> Path:
        """Write the conversation to a file: `.md` to read, `.json` to load again."""
        path = Path(path)
        if path.suffix == ".json":
            text = json.dumps(
                {"model": str(self.model or ""), "messages": [to_dict(m) for m in self.messages]}, ensure_ascii=False, indent=1
            )
        elif path.suffix == ".md":
            text = "\n\n".join(f"**{m.role}**\n\n{m.text}" for m in self.messages) + "\n"
        else:
            raise UsageError("A conversation is exported as .md or .json", seen=path.name)
        try:
            path.write_text(text, "utf-8")
        except OSError as e:
            raise UsageError("The conversation could not be written", seen=f"{path}: {e.strerror}") from None
        return path

    @classmethod
    def load(cls, path: str | Path, name: str = "") -> Chat:
        """A conversation that `export` wrote as .json."""
        try:
            data = json.loads(Path(path).read_text("utf-8"))
            return cls(data["model"] or None, None, name, tuple(from_dict(Message, m) for m in data["messages"]))
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise UsageError(f"{path} is not an exported conversation", seen=f"{type(e).__name__}: {e}") from None

    def __str__(self) -> str:
        return "\n".join(f"{m.role}: {''.join(p.text for p in m.parts if isinstance(p, Text))}" for m in self.messages)


_chats: dict[str, Chat] = {}


def chats() -> dict[str, Chat]:
    """The named conversations of this kernel."""
    return _chats


def named(name: str, *, create: bool = True) -> Chat:
    """The conversation of that name, begun if it is new. UsageError if `create` is False and it is not there."""
    if name not in _chats:
        if not create:
            have = ", ".join(_chats) or "none"
            raise UsageError(
                "No conversation of that name", seen=repr(name), todo=f"This kernel has: {have}. `%%fm --chat {name}` begins one."
            )
        if not name.replace("-", "").replace("_", "").isalnum():
            raise UsageError("A conversation's name is letters, digits, - and _", seen=repr(name))
        _chats[name] = Chat(name=name)
    return _chats[name]
