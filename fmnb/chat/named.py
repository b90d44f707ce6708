"""The named conversations of a kernel: `%%fm --chat NAME`."""

from __future__ import annotations

from ..core.errors import UsageError
from ..core.runtime import state
from .chat import Chat


class _Chats:
    def __init__(self) -> None:
        self.by_name: dict[str, Chat] = {}


def chats() -> dict[str, Chat]:
    """The named conversations of this kernel."""
    return state(_Chats).by_name


def get_chat(name: str, *, create: bool = True) -> Chat:
    """The conversation of that name, created if it is new.

    Raises UsageError if `create` is False and there is none.
    """
    by_name = chats()
    if name not in by_name:
        if not create:
            names = ", ".join(by_name) or "none"
            raise UsageError(
                "No conversation of that name", detail=repr(name), hint=f"This kernel has: {names}. `%%fm --chat {name}` starts one."
            )
        if not name.replace("-", "").replace("_", "").isalnum():
            raise UsageError("A conversation's name may contain letters, digits, - and _", detail=repr(name))
        by_name[name] = Chat(name=name)
    return by_name[name]
