"""Named conversations. Only a named conversation has a history, and only its history is sent.

A turn is stored when its answer is complete, or with the partial answer of an interrupted call;
a failed turn is not stored. Editing an earlier turn starts a branch, and the previous turns stay
as another one (`branches.py`). Conversations end with the kernel; `export` writes them to a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from ..calls.call import PreparedCall
from ..calls.options import CallOptions, with_options
from ..calls.prepare import options_from, prepare
from ..calls.run import run_calls
from ..core.errors import Interrupted, UsageError
from ..core.events import Sink
from ..core.registry import METHODS, load
from ..core.response import Response
from ..core.types import Message, Reasoning, Text, ToolCall, message
from ..core.typing import ModelLike
from ..prompts.prompt import PromptLike
from . import branches as chat_branches
from . import files
from .turns import Turn, last_turns, system_messages, turn_end, turn_start, turn_starts

if TYPE_CHECKING:
    import anywidget

_COMPACT = "Summarise this conversation for yourself, so that you can go on with it: facts, decisions, open questions, names and numbers. At most 200 words."


@dataclass
class Chat:
    """A conversation with one model, which receives all earlier turns.

    Args:
        model: The model, as in `fm.ask`; None for the default model.
        system: System prompt.
        name: Name under which `%%fm --chat` continues it.
        messages: The messages of the current branch.
        branches: All branches, each a tuple of messages.
        watchers: Functions called after each change.

    >>> chat = Chat("echo:")
    >>> chat.ask("hello").text, len(chat.messages)
    ('hello', 2)
    >>> chat.edit(0, "good day").text, len(chat.branches)
    ('good day', 2)
    """

    model: ModelLike | None = None
    system: str | None = None
    name: str = ""
    messages: tuple[Message, ...] = ()
    branches: list[tuple[Message, ...]] = field(default_factory=list, repr=False)
    watchers: list[Callable[[], object]] = field(default_factory=list, repr=False, compare=False)  # called after each change
    _committed_turns: list[tuple[Message, Turn]] = field(default_factory=list, repr=False, compare=False)

    @with_options(CallOptions)
    def prepare(
        self, prompt: PromptLike, *, turn: int | None = None, model: ModelLike | None = None, **options: Unpack[CallOptions]
    ) -> PreparedCall:
        """Prepare the next turn, or a new version of an earlier one, without sending it.

        `commit` stores the turn after the call.

        Args:
            prompt: Text or an `fm.Prompt`.
            turn: Number of the turn to edit, from 0; None for a new one.
            model: A model for this turn only.
            **options: Options of the call: see `CallOptions`.

        Returns:
            The call, ready to run.

        Raises:
            UsageError: There is no such turn, or an unknown option.

        >>> chat = Chat("echo:")
        >>> call = chat.prepare("hello")
        >>> chat.turns, call.call.request.messages[-1].text
        (0, 'hello')
        """
        history = self.history_before(turn)
        has_system = any(m.role == "system" for m in history)  # already rendered, with the values of that time
        call_options = {"system": None if has_system else self.system, **options, "history": history}
        call = prepare(prompt, model or self.model, options_from(call_options))
        call.chat = self
        return call

    def history_before(self, turn: int | None = None) -> tuple[Message, ...]:
        """The messages before a turn.

        Args:
            turn: Number of the turn, from 0; None for all messages.

        Returns:
            The messages.

        >>> chat = Chat("echo:")
        >>> _ = chat.ask("a"), chat.ask("b")
        >>> [m.text for m in chat.history_before(1)]
        ['a', 'a']
        """
        return self.messages if turn is None else self.messages[: turn_start(self.messages, turn)]

    def commit(self, call: PreparedCall) -> None:
        """Store a finished turn, or the partial answer of an interrupted one.

        Reasoning is not sent again unless its model needs it.

        Args:
            call: The call that `prepare` returned, after it ran.

        >>> chat = Chat("echo:")
        >>> call = chat.prepare("hello")
        >>> run_calls([call], [])
        >>> chat.commit(call)
        >>> chat.turns
        1
        """
        interrupted = isinstance(call.error, Interrupted) or (call.response is not None and call.response.finish_reason == "cancelled")
        if call.response is None or (call.error is not None and not interrupted) or (interrupted and not call.response.text):
            return
        last = call.response.messages[-1]
        parts = tuple(p for p in last.parts if not isinstance(p, Reasoning) or p.extra)
        if interrupted:  # a tool call without a result would make the next request invalid
            parts = tuple(p for p in parts if not isinstance(p, ToolCall))
        answer = Message(last.role, parts, last.extra)
        self.branches = chat_branches.add_branch(self.branches, self.messages)
        if call.options.system is not None:
            self.system = call.options.system
        self.messages = (*call.call.request.messages, answer)
        self.branches = chat_branches.add_branch(self.branches, self.messages)
        attach = call.options.attach
        attachments = attach if isinstance(attach, (list, tuple)) else (attach,)
        self._committed_turns.append((answer, Turn(str(call.prompt), tuple(a for a in attachments if isinstance(a, str)), call.response)))
        self._notify_watchers()

    def extend_last_turn(self, before: PreparedCall, after: PreparedCall) -> None:
        """Replace the last turn with its continued or repeated answer.

        Nothing changes if the conversation has continued, or has another history.

        Args:
            before: The call of the last turn, which may have failed.
            after: The call that continued or repeated it.
        """
        is_last = before.response is not None and self.messages and self.messages[:-1] == before.call.request.messages
        is_ours = is_last and before.response is not None and self.messages[-1].text == before.response.messages[-1].text
        if is_ours or (before.chat is self and self.messages == before.options.history):
            if is_ours and after.call is before.call:
                self.messages = before.call.request.messages  # the partial answer is not a branch
            self.commit(after)

    @with_options(CallOptions)
    def edit(
        self,
        turn: int,
        prompt: PromptLike,
        *,
        model: ModelLike | None = None,
        sinks: Sequence[Sink] = (),
        **options: Unpack[CallOptions],
    ) -> Response:
        """Reword an earlier turn and send it; the turns after it stay as a branch.

        Args:
            turn: Number of the turn, from 0.
            prompt: The new text.
            model: A model for this turn only.
            sinks: Functions that receive every event of the call.
            **options: Options of the call: see `CallOptions`.

        Returns:
            The answer.

        Raises:
            UsageError: There is no such turn.
            FmnbError: The call failed; the conversation is as it was.

        >>> chat = Chat("echo:")
        >>> _ = chat.ask("a")
        >>> chat.edit(0, "b").text
        'b'
        """
        return self._run(self.prepare(prompt, turn=turn, model=model, **options), sinks)

    def alternatives(self, turn: int) -> tuple[list[int], int]:
        """Find the alternative branches at a turn.

        Args:
            turn: Number of the turn, from 0.

        Returns:
            Numbers of the branches, and the position of the current one among them.

        >>> chat = Chat("echo:")
        >>> _ = chat.ask("a"), chat.edit(0, "b")
        >>> chat.alternatives(0)
        ([0, 1], 1)
        """
        self.branches = chat_branches.add_branch(self.branches, self.messages)
        return chat_branches.alternatives(self.branches, self.messages, turn_start(self.messages, turn))

    def switch(self, branch: int) -> None:
        """Continue with another branch.

        Args:
            branch: Number of the branch, from 0.

        Raises:
            UsageError: There is no such branch.

        >>> chat = Chat("echo:")
        >>> _ = chat.ask("a"), chat.edit(0, "b")
        >>> chat.switch(0)
        >>> chat.turn(0).prompt
        'a'
        """
        if not 0 <= branch < len(self.branches):
            raise UsageError("No such branch", detail=str(branch), hint=f"There are {len(self.branches)}, from 0.")
        self.branches = chat_branches.add_branch(self.branches, self.messages)
        self.messages = self.branches[branch]
        self._notify_watchers()

    def turn(self, number: int) -> Turn:
        """Read one exchange.

        Turns of this kernel have the text as typed; others have the text that was sent.

        Args:
            number: Number of the turn, from 0.

        Returns:
            Prompt, attachments and answer.

        Raises:
            UsageError: There is no such turn.

        >>> chat = Chat("echo:")
        >>> _ = chat.ask("hello")
        >>> chat.turn(0).prompt
        'hello'
        """
        start = turn_start(self.messages, number)
        end = turn_end(self.messages, start)
        answer = self.messages[end - 1]
        for message_, turn in reversed(self._committed_turns):
            if message_ is answer:
                return turn
        text = answer.text if end - 1 > start else ""
        return Turn(self.messages[start].text, (), Response(text, requested_model=str(self.model or ""), finish_reason="stop"))

    def widget(self) -> anywidget.AnyWidget:
        """A widget to read and continue it: edit, resend, branches, attachments, stop.

        >>> import anywidget
        >>> isinstance(Chat("echo:").widget(), anywidget.AnyWidget)
        True
        """
        return load(METHODS["Chat.widget"])(self)

    def _notify_watchers(self) -> None:
        for watcher in tuple(self.watchers):
            watcher()

    @with_options(CallOptions)
    def ask(
        self, prompt: PromptLike, *, model: ModelLike | None = None, sinks: Sequence[Sink] = (), **options: Unpack[CallOptions]
    ) -> Response:
        """Send the next turn and return the answer; failed turns are not stored.

        Args:
            prompt: Text or an `fm.Prompt`, as in `fm.ask`.
            model: A model for this turn only.
            sinks: Functions that receive every event of the call.
            **options: Options of the call: see `CallOptions`.

        Returns:
            The answer.

        Raises:
            FmnbError: The call failed; the conversation is as it was.

        >>> Chat("echo:").ask("hello").text
        'hello'
        """
        return self._run(self.prepare(prompt, model=model, **options), sinks)

    def _run(self, call: PreparedCall, sinks: Sequence[Sink]) -> Response:
        try:
            run_calls([call], sinks)
        finally:
            self.commit(call)
        if call.error is not None:
            raise call.error
        assert call.response is not None
        return call.response

    def fork(self, name: str = "") -> Chat:
        """Start a second conversation with this one's turns.

        Args:
            name: Its name.

        Returns:
            The new conversation.

        >>> chat = Chat("echo:")
        >>> _ = chat.ask("hello")
        >>> chat.fork().turns
        1
        """
        return Chat(self.model, self.system, name, self.messages)

    @property
    def turns(self) -> int:
        """The number of turns: how many messages are the user's.

        >>> chat = Chat("echo:")
        >>> _ = chat.ask("a"), chat.ask("b")
        >>> chat.turns
        2
        """
        return sum(m.role == "user" for m in self.messages)

    def trim(self, turns: int) -> None:
        """Keep the system prompt and the last turns, and drop the rest.

        Args:
            turns: How many turns to keep.

        Raises:
            UsageError: The number is negative.

        >>> chat = Chat("echo:")
        >>> _ = chat.ask("a"), chat.ask("b")
        >>> chat.trim(1)
        >>> chat.messages[0].text
        'b'
        """
        if turns < 0:
            raise UsageError("The number of turns must not be negative", detail=str(turns))
        self.messages = last_turns(self.messages, turns)
        self._notify_watchers()

    def compact(self, *, keep: int = 2, sinks: Sequence[Sink] = ()) -> Response:
        """Replace all but the last turns with a summary written by the model.

        Args:
            keep: How many turns to keep as they are.
            sinks: Functions that receive every event of the call.

        Returns:
            The answer with the summary.

        Raises:
            UsageError: There are no more turns than `keep`.
            FmnbError: The call failed; the conversation is as it was.

        >>> chat = Chat(lambda prompt: "A short summary")
        >>> for text in ("a", "b", "c"):
        ...     _ = chat.ask(text)
        >>> _ = chat.compact(keep=1)
        >>> [m.text for m in chat.messages[1:3]]
        ['A short summary', 'c']
        """
        starts = turn_starts(self.messages)
        if len(starts) <= keep:
            raise UsageError(
                "There is nothing to compact",
                detail=f"{len(starts)} turn{'' if len(starts) == 1 else 's'}",
                hint=f"It keeps the last {keep}.",
            )
        start = starts[-keep] if keep else len(self.messages)
        call = prepare(_COMPACT, self.model, options_from({"history": self.messages[:start]}))
        run_calls([call], sinks)
        if call.error is not None:
            raise call.error
        assert call.response is not None
        summary = (message("user", "What we said so far, in short?"), call.response.messages[-1])
        self.messages = system_messages(self.messages) + summary + self.messages[start:]
        self._notify_watchers()
        return call.response

    def export(self, path: str | Path) -> Path:
        """Write the conversation to a file.

        Args:
            path: A `.md` file to read, or a `.json` file to load again.

        Returns:
            Path of the file.

        Raises:
            UsageError: Another file extension, or a file that cannot be written.

        >>> import tempfile
        >>> chat = Chat("echo:")
        >>> _ = chat.ask("hello")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(chat.export(f"{folder}/chat.md").read_text().splitlines()[2])
        hello
        """
        path = Path(path)
        files.write(path, str(self.model or ""), self.messages, self.branches)
        return path

    @classmethod
    def load(cls, path: str | Path, name: str = "") -> Chat:
        """Read a conversation that `export` wrote as `.json`.

        Args:
            path: The file.
            name: Name of the conversation.

        Returns:
            The conversation.

        Raises:
            UsageError: The file is not an exported conversation.

        >>> import tempfile
        >>> chat = Chat("echo:")
        >>> _ = chat.ask("hello")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Chat.load(chat.export(f"{folder}/chat.json")).messages == chat.messages
        True
        """
        model, messages, branches = files.read(Path(path))
        return cls(model or None, None, name, messages, branches)

    def _prompt_parts_(self) -> tuple[Text, ...]:
        """The conversation as text, to insert into a prompt."""
        return (Text(str(self)),)

    def _prompt_messages_(self) -> tuple[Message, ...]:
        """The messages whose labels a prompt with this conversation gets."""
        return self.messages

    def __str__(self) -> str:
        return "\n".join(f"{m.role}: {''.join(p.text for p in m.parts if isinstance(p, Text))}" for m in self.messages)
