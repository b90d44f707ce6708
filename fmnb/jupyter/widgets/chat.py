"""`chat.widget()`: a conversation to look at and to go on with.

Each exchange can be asked again in other words; what was said before stays a branch. Values
and files are attached by name. What has no complete answer is not part of the conversation.
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
from ...views.footer import escape_terminal
from ...views.html import BORDER, MUTED, SHADE
from . import base, model_picker
from .answer_stream import still, whole_of
from .ask_mixin import Asking, names, weigh
from .cell_source import cell_of

_FILES = 200  # of the working folder that are offered
_AT_MOST = 10  # widgets that follow one conversation; a cell that is run again leaves one behind each time
_GONE = "said-"  # begins the name of an exchange whose run is not known


@dataclass
class Pending:
    """What is being asked, or was and has no complete answer: `at` is the number of its turn."""

    at: int
    prompt: str
    attach: tuple[str, ...]
    asked: PreparedCall


class Talk(Asking):
    """The view of one Chat."""

    kind = "Talk"
    _esm = base.files("answer_stream", "model_picker", "chat")["_esm"]
    _css = base.files("answer_stream", "model_picker", "chat")["_css"]
    about = traitlets.Dict().tag(sync=True)
    turns: Any = traitlets.List().tag(sync=True)

    def __init__(self, chat: Chat):
        super().__init__()
        self.chat = chat
        self._pending: Pending | None = None
        chat.watchers[:] = [*chat.watchers[1 - _AT_MOST :], self._follow]
        self._tell()

    def sources(self) -> list[str]:
        """The conversation as cells: one `%%fm --chat` a turn. One without a name is called chat1, chat2, ... there."""
        name = self.chat.name or next(f"chat{n}" for n in range(1, 10_000) if f"chat{n}" not in chats())
        found = []
        model = _name(self.chat.model)
        for i in range(self.chat.turns):
            turn = self.chat.turn(i)
            asked = turn.response.requested_model or model
            request = turn.response.request
            if request is None:  # from a file: what was sent is known, and nothing else
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

    # What the page asks for

    def on_whole(self, run: str) -> None:
        """An answer from its beginning."""
        if run in self._answers:
            super().on_whole(run)
            return
        for i in range(self.chat.turns):
            turn = self.chat.turn(i)
            if _run(turn) == run:
                self.send({**whole_of(turn.response, format=_format(turn)), "run": run})

    def on_send(self, text: str, attach: Sequence[str] = ()) -> None:
        """Say something."""
        self._ask(text, tuple(map(str, attach)), None)

    def on_edit(self, turn: int, text: str, attach: Sequence[str] = ()) -> None:
        """Say a turn in other words; what followed it stays a branch."""
        self._ask(text, tuple(map(str, attach)), turn if turn < self.chat.turns else None)

    def on_again(self, turn: int) -> None:
        """Ask a turn again as it is; the new answer is a branch."""
        p = self._pending
        if p is not None and turn == p.at:
            self._ask(p.prompt, p.attach, turn if turn < self.chat.turns else None)
        else:
            was = self.chat.turn(turn)
            self._ask(was.prompt, was.attach, turn)

    def on_dismiss(self) -> None:
        """Forget what has no complete answer."""
        if not self._busy:
            self._pending = None
            self._tell()

    def on_switch(self, branch: int) -> None:
        """Go on with another branch."""
        self._idle()
        self._pending = None
        self.chat.switch(branch)

    def on_draft(self, text: str, attach: Sequence[str] = (), turn: int | None = None) -> None:
        """What the next turn would weigh, with all that was said before. Nothing is asked."""
        if not text.strip():
            self.send({"do": "weight"})
            return
        try:
            options = Options(system=self.chat.system, values=names(), attach=tuple(attach), history=self.chat.history_before(turn))
            asked, waiting = draft(text, self.chat.model, options)
        except FmnbError as e:
            self.send({"do": "weight", "problem": base.problem_of(e)})
            return
        weigh(asked, waiting, lambda words: self.send({"do": "weight", **words}))

    def on_attachables(self) -> None:
        """What can be attached: values of the notebook, files of its folder."""
        folder = working_folder()
        files = sorted(p.name for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")) if folder else []
        values = [{"name": n, "what": what} for n, what in attachments.attachable(names()).items()]
        self.send({"do": "attachables", "values": values, "files": files[:_FILES]})

    def on_attach(self, item: str) -> None:
        """Whether a name or path can be attached, and what would be sent of it."""
        known = names()
        parts = attachments.attach(known[item] if item.isidentifier() and item in known else item)
        texts = [p.text.split("\n", 1)[0] for p in parts if hasattr(p, "text")]
        what = texts[0][:80] if texts else "image" if isinstance(parts[0], Image) else "file"
        self.send({"do": "attached", "item": item, "what": escape_terminal(what)})

    def on_models(self, query: str = "") -> None:
        """Models that fit."""
        model_picker.offer(query, self.send)

    def on_model(self, name: str) -> None:
        """Who answers from here on; "" is the model in force."""
        self.chat.model = name or None
        self._tell()

    def on_cells(self) -> None:
        """The conversation as cells."""
        if not self.chat.turns:
            raise UsageError("Nothing has been said yet")
        self.send({"do": "insert", "sources": self.sources()})

    def on_export(self, path: str) -> None:
        """Write it to a file, which must not be there yet."""
        to = Path(path.strip()).expanduser()
        if to.exists():
            raise UsageError("There is a file of that name", detail=str(to), hint="Name another one.")
        self.send({"do": "announce", "text": f"Written to {self.chat.export(to)}"})

    # The rest

    @property
    def _busy(self) -> bool:
        p = self._pending
        return p is not None and p.asked.response is None and p.asked.error is None

    def _idle(self) -> None:
        if self._busy:
            raise UsageError("An answer is still coming", hint="Wait for it, or stop it.")

    def _ask(self, text: str, attach: tuple[str, ...], turn: int | None) -> None:
        self._idle()
        if not text.strip():
            raise UsageError("There is nothing to send", hint="Write something.")
        asked = self.chat.prepare(text.strip("\n"), turn=turn, values=names(), attach=attach)
        pending = Pending(self.chat.turns if turn is None else turn, text, attach, asked)
        self._pending = pending
        self.send({"do": "taken", "text": text, "turn": turn})
        self._tell()
        self.begin(asked, lambda: self._ended(pending))

    def _ended(self, pending: Pending) -> None:
        done = pending.asked.error is None and pending.asked.response is not None and pending.asked.response.finish_reason != "cancelled"
        if done:
            if self._pending is pending:
                self._pending = None
            self.chat.commit(pending.asked)  # tells `_follow`
        else:
            self._tell()
            self.show_face()

    def _follow(self) -> None:
        """The conversation has changed, here or in a cell."""
        self._tell()
        self.show_face()

    def _tell(self) -> None:
        p = self._pending
        told = []
        for i in range(self.chat.turns if p is None else min(p.at, self.chat.turns)):
            turn = self.chat.turn(i)
            order, here = self.chat.alternatives(i)
            told.append(
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
            told.append(
                {
                    "run": p.asked.call.run,
                    "text": escape_terminal(p.prompt),
                    "attach": p.attach,
                    "branches": [],
                    "branch": 0,
                    "pending": True,
                }
            )
        self.turns = told
        self.about = {
            "name": self.chat.name,
            "model": _name(self.chat.model),
            "system": escape_terminal(self.chat.system or next((m.text for m in self.chat.messages if m.role == "system"), "")),
        }

    def face(self) -> base.Bundle | None:
        """The conversation on the branch it is on."""
        turns = [self.chat.turn(i) for i in range(self.chat.turns)]
        html, text, runs = "", "", []
        for turn in turns:
            html += said_html(turn)
            data, _ = still(turn.response, _format(turn))
            html += data["text/html"]
            text += f"you: {escape_terminal(turn.prompt)}\n\n{data['text/plain']}\n\n"
            runs.append(turn.response.run)
        p = self._pending
        if p is not None and p.asked.response is not None:  # stopped or failed: what came is kept
            r = p.asked.response
            html += said_html(Turn(p.prompt, p.attach, r))
            html += still(r, display_format(p.asked))[0]["text/html"]
        if not html:
            html = f'<p style="color:{MUTED}">A conversation; nothing has been said yet.</p>\n'
        return {"text/html": html, "text/plain": text.strip() or "A conversation"}, {"fmnb": {"widget": self.kind, "runs": runs}}

    def close(self) -> None:
        """Follow the conversation no longer."""
        if self._follow in self.chat.watchers:
            self.chat.watchers.remove(self._follow)
        super().close()


def said_html(turn: Turn) -> str:
    """What the user said, as it stands above its answer."""
    attached = f'<div style="font-size:11.5px;color:{MUTED}">attached: {inert(", ".join(turn.attach))}</div>' if turn.attach else ""
    return (
        f'<div style="background:{SHADE};border:1px solid {BORDER};border-radius:4px;padding:.4em .8em;margin:.9em 0 .5em" aria-label="You">'
        f'<div style="white-space:pre-wrap;overflow-wrap:anywhere" dir="auto">{inert(escape_terminal(turn.prompt))}</div>{attached}</div>\n'
    )


def _name(model: Any) -> str:
    """A model as one types it: an object by its name."""
    return str(getattr(model, "name", None) or getattr(model, "__name__", None) or model or "")


def _run(turn: Turn) -> str:
    """The run of an answer, or a name for one from a file."""
    return (
        turn.response.run
        or _GONE + hashlib.sha256(f"{turn.prompt}\0{turn.response.text}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
    )


def _format(turn: Turn) -> str:
    request = turn.response.request
    return "json" if request is not None and request.schema is not None else request.format if request is not None else "markdown"
