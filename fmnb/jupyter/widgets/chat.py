"""`chat.widget()`: shows a conversation and continues it.

Each exchange can be edited and sent again; the earlier version remains a branch. Values and
files are attached by name. An incomplete answer is not part of the conversation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import traitlets

from ...calls.call import Options, PreparedCall
from ...calls.draft import draft
from ...chat.chat import Chat
from ...chat.named import chats
from ...chat.turns import Turn
from ...comparison.compare import display_format
from ...config.settings import working_folder
from ...core.errors import FmnbError, UsageError
from ...core.inert_text import inert
from ...core.types import Image, Request, message
from ...prompts import attachments
from ...views.colors import BORDER, MUTED, SHADE
from ...views.footer import escape_terminal
from . import base, model_picker
from .answer_stream import complete_message, static_answer
from .ask_mixin import AskMixin, estimate_cost, notebook_variables
from .cell_source import cell_of

_MAX_FILES = 200  # files of the working folder to offer
_MAX_WIDGETS = 10  # widgets that follow one conversation; each rerun of a cell leaves one behind
_UNKNOWN_RUN = "said-"  # prefix of the name of an exchange whose run is unknown


@dataclass
class Pending:
    """A turn without a complete answer: running, failed or stopped."""

    turn: int
    prompt: str
    attach: tuple[str, ...]
    prepared: PreparedCall


class ChatWidget(AskMixin):
    """The view of one Chat."""

    kind = "Talk"
    _esm = base.assets("answer_stream", "model_picker", "chat")["_esm"]
    _css = base.assets("answer_stream", "model_picker", "chat")["_css"]
    about = traitlets.Dict().tag(sync=True)
    turns: Any = traitlets.List().tag(sync=True)

    def __init__(self, chat: Chat):
        super().__init__()
        self.chat = chat
        self._pending: Pending | None = None
        chat.watchers[:] = [*chat.watchers[1 - _MAX_WIDGETS :], self._on_chat_change]
        self._push_state()

    def to_cells(self) -> list[str]:
        """The conversation as cells: one `%%fm --chat` per turn. An unnamed one gets a name: chat1, chat2, ..."""
        name = self.chat.name or next(f"chat{n}" for n in range(1, 10_000) if f"chat{n}" not in chats())
        found = []
        model = _name(self.chat.model)
        for i in range(self.chat.turns):
            turn = self.chat.turn(i)
            asked = turn.response.requested_model or model
            request = turn.response.request
            if request is None:  # from a file: only the messages are known
                request = Request(asked, (*(m for m in self.chat.messages if m.role == "system"), message("user", turn.prompt)))
            template = turn.prompt if turn.response.request is not None else ""
            found.append(
                cell_of(
                    request,
                    asked if i == 0 or asked != model else "",
                    template=template,
                    system=None if i == 0 else "",
                    chat=name,
                    attach=turn.attach,
                )
            )
            model = asked
        return found

    # Messages from the page

    def on_whole(self, run: str) -> None:
        """Send an answer from its beginning."""
        if run in self._answers:
            super().on_whole(run)
            return
        for i in range(self.chat.turns):
            turn = self.chat.turn(i)
            if _run(turn) == run:
                self.send({**complete_message(turn.response, format=_format(turn)), "run": run})

    def on_send(self, text: str, attach: Sequence[str] = ()) -> None:
        """Send a message."""
        self._ask(text, tuple(map(str, attach)), None)

    def on_edit(self, turn: int, text: str, attach: Sequence[str] = ()) -> None:
        """Edit a turn and send it again; what followed it remains a branch."""
        self._ask(text, tuple(map(str, attach)), turn if turn < self.chat.turns else None)

    def on_again(self, turn: int) -> None:
        """Send a turn again unchanged; the new answer is a branch."""
        p = self._pending
        if p is not None and turn == p.turn:
            self._ask(p.prompt, p.attach, turn if turn < self.chat.turns else None)
        else:
            was = self.chat.turn(turn)
            self._ask(was.prompt, was.attach, turn)

    def on_dismiss(self) -> None:
        """Remove the turn without a complete answer."""
        if not self._is_answering:
            self._pending = None
            self._push_state()

    def on_switch(self, branch: int) -> None:
        """Switch to another branch."""
        self._require_idle()
        self._pending = None
        self.chat.switch(branch)

    def on_draft(self, text: str, attach: Sequence[str] = (), turn: int | None = None) -> None:
        """Send tokens and price of the next turn with the whole history. No model is called."""
        if not text.strip():
            self.send({"do": "weight"})
            return
        try:
            options = Options(
                system=self.chat.system, values=notebook_variables(), attach=tuple(attach), history=self.chat.history_before(turn)
            )
            asked, waiting = draft(text, self.chat.model, options)
        except FmnbError as e:
            self.send({"do": "weight", "problem": base.error_lines(e)})
            return
        estimate_cost(asked, waiting, lambda words: self.send({"do": "weight", **words}))

    def on_attachables(self) -> None:
        """Send what can be attached: values of the notebook, files in its folder."""
        folder = working_folder()
        files = sorted(p.name for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")) if folder else []
        values = [{"name": n, "what": what} for n, what in attachments.attachable(notebook_variables()).items()]
        self.send({"do": "attachables", "values": values, "files": files[:_MAX_FILES]})

    def on_attach(self, item: str) -> None:
        """Check that a name or path can be attached, and send what it would be."""
        known = notebook_variables()
        parts = attachments.attach(known[item] if item.isidentifier() and item in known else item)
        texts = [p.text.split("\n", 1)[0] for p in parts if hasattr(p, "text")]
        what = texts[0][:80] if texts else "image" if isinstance(parts[0], Image) else "file"
        self.send({"do": "attached", "item": item, "what": escape_terminal(what)})

    def on_models(self, query: str = "") -> None:
        """Send matching models."""
        model_picker.send_models(query, self.send)

    def on_model(self, name: str) -> None:
        """Set the model of the conversation; "" is the default model."""
        self.chat.model = name or None
        self._push_state()

    def on_cells(self) -> None:
        """Insert the conversation as cells."""
        if not self.chat.turns:
            raise UsageError("The conversation is empty")
        self.send({"do": "insert", "sources": self.to_cells()})

    def on_export(self, path: str) -> None:
        """Write the conversation to a new file."""
        to = Path(path.strip()).expanduser()
        if to.exists():
            raise UsageError("A file with that name exists", detail=str(to), hint="Use another name.")
        self.send({"do": "announce", "text": f"Written to {self.chat.export(to)}"})

    # The rest

    @property
    def _is_answering(self) -> bool:
        p = self._pending
        return p is not None and p.prepared.response is None and p.prepared.error is None

    def _require_idle(self) -> None:
        if self._is_answering:
            raise UsageError("An answer is still streaming", hint="Wait for it, or stop it.")

    def _ask(self, text: str, attach: tuple[str, ...], turn: int | None) -> None:
        self._require_idle()
        if not text.strip():
            raise UsageError("The message is empty", hint="Write a message.")
        asked = self.chat.prepare(text.strip("\n"), turn=turn, values=notebook_variables(), attach=attach)
        pending = Pending(self.chat.turns if turn is None else turn, text, attach, asked)
        self._pending = pending
        self.send({"do": "taken", "text": text, "turn": turn})
        self._push_state()
        self.start_call(asked, lambda: self._on_end(pending))

    def _on_end(self, pending: Pending) -> None:
        done = (
            pending.prepared.error is None
            and pending.prepared.response is not None
            and pending.prepared.response.finish_reason != "cancelled"
        )
        if done:
            if self._pending is pending:
                self._pending = None
            self.chat.commit(pending.prepared)  # calls `_on_chat_change`
        else:
            self._push_state()
            self.update_static_view()

    def _on_chat_change(self) -> None:
        """Update: the conversation has changed, here or in a cell."""
        self._push_state()
        self.update_static_view()

    def _push_state(self) -> None:
        p = self._pending
        turns = []
        for i in range(self.chat.turns if p is None else min(p.turn, self.chat.turns)):
            turn = self.chat.turn(i)
            order, here = self.chat.alternatives(i)
            turns.append(
                {
                    "run": _run(turn),
                    "text": escape_terminal(turn.prompt),
                    "attach": turn.attach,
                    "branches": order,
                    "branch": here,
                    "pending": False,
                }
            )
        if p is not None:
            turns.append(
                {
                    "run": p.prepared.call.run,
                    "text": escape_terminal(p.prompt),
                    "attach": p.attach,
                    "branches": [],
                    "branch": 0,
                    "pending": True,
                }
            )
        self.turns = turns
        self.about = {
            "name": self.chat.name,
            "model": _name(self.chat.model),
            "system": escape_terminal(self.chat.system or next((m.text for m in self.chat.messages if m.role == "system"), "")),
        }

    def static_view(self) -> base.Bundle | None:
        """The conversation on its current branch."""
        turns = [self.chat.turn(i) for i in range(self.chat.turns)]
        html, text, runs = "", "", []
        for turn in turns:
            html += user_message_html(turn)
            data, _ = static_answer(turn.response, _format(turn))
            html += data["text/html"]
            text += f"you: {escape_terminal(turn.prompt)}\n\n{data['text/plain']}\n\n"
            runs.append(turn.response.run)
        p = self._pending
        if p is not None and p.prepared.response is not None:  # stopped or failed: show the partial answer
            r = p.prepared.response
            html += user_message_html(Turn(p.prompt, p.attach, r))
            html += static_answer(r, display_format(p.prepared))[0]["text/html"]
        if not html:
            html = f'<p style="color:{MUTED}">An empty conversation.</p>\n'
        return {"text/html": html, "text/plain": text.strip() or "A conversation"}, {"fmnb": {"widget": self.kind, "runs": runs}}

    def close(self) -> None:
        """Close the widget and stop following the conversation."""
        if self._on_chat_change in self.chat.watchers:
            self.chat.watchers.remove(self._on_chat_change)
        super().close()


def user_message_html(turn: Turn) -> str:
    """A user's message above its answer."""
    attached = f'<div style="font-size:11.5px;color:{MUTED}">attached: {inert(", ".join(turn.attach))}</div>' if turn.attach else ""
    return (
        f'<div style="background:{SHADE};border:1px solid {BORDER};border-radius:4px;padding:.4em .8em;margin:.9em 0 .5em" aria-label="You">'
        f'<div style="white-space:pre-wrap;overflow-wrap:anywhere" dir="auto">{inert(escape_terminal(turn.prompt))}</div>{attached}</div>\n'
    )


def _name(model: Any) -> str:
    """A model as typed: a custom model by its name."""
    return str(getattr(model, "name", None) or getattr(model, "__name__", None) or model or "")


def _run(turn: Turn) -> str:
    """The run of an answer, or a name for an answer from a file."""
    return (
        turn.response.run
        or _UNKNOWN_RUN + hashlib.sha256(f"{turn.prompt}\0{turn.response.text}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
    )


def _format(turn: Turn) -> str:
    request = turn.response.request
    return "json" if request is not None and request.schema is not None else request.format if request is not None else "markdown"
