"""What a call returns: text, data, media, tokens and cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import media as _media
from .answer_checks import NumberChecks, check_answer
from .citations import Citation, check_citations
from .errors import UsageError
from .inert_text import literal
from .labels import UNTRUSTED, join, label_frame, messages_label, with_label
from .markdown import neutral_markdown
from .optional import require
from .sources import Passage, passages_from
from .types import PROVIDER_STATE, File, Image, Label, Message, Part, Reasoning, Request, Text, ToolCall, Usage
from .version import __version__

if TYPE_CHECKING:
    import pandas
    import PIL.Image


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, whether live, cached, replayed or partial.

    Attributes:
        text: The answer's text.
        run: Id of the run in the log.
        model: The model that answered.
        requested_model: The model that the call named.
        host: Where it ran: a host, or "local" for this machine.
        reasoning: The model's reasoning, if it returns it.
        data: Structured output: dicts, lists, or objects of the schema's type.
        usage: Tokens and cost.
        finish_reason: stop, length, tool_calls, content_filter, cancelled or error.
        error: What failed, as a dict with `kind`, `message`, `detail` and `hint`; None if the call succeeded.
        seconds: Time of the whole call.
        first_token_seconds: Time until the first text.
        source: live, cached, replayed or stale.
        notes: Notes for the reader.
        not_applied: Options that had no effect.
        tool_calls: Calls of tools that the model asks for.
        media: Images (Image) and videos (File) from the model.
        logprobs: Log probabilities of tokens, if requested.
        request: The request that was sent.
        extra: Further facts from the service.

    >>> from fmnb.calls.model import ask
    >>> answer = ask("hello", "echo:")
    >>> answer.text, answer.requested_model, answer.host, answer.finish_reason
    ('hello', 'echo:', 'local', 'stop')
    """

    text: str
    run: str = ""
    model: str = ""
    requested_model: str = ""
    host: str = ""
    reasoning: str = ""
    data: Any = None
    usage: Usage = Usage()
    finish_reason: str = ""
    error: dict[str, Any] | None = None
    seconds: float | None = None
    first_token_seconds: float | None = None
    source: str = "live"
    notes: tuple[str, ...] = ()
    not_applied: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    media: tuple[Image | File, ...] = ()
    logprobs: tuple[dict[str, Any], ...] = ()
    request: Request | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def sources(self) -> Mapping[int, Passage]:
        """The passages that were sent with the prompt, by the number that the answer cites.

        >>> Response("hi").sources
        {}
        """
        return passages_from(self.extra.get("sources"))

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The marks such as `[1]` in the answer, each checked: the passage exists and says what is quoted.

        >>> Response("So it is [1].").citations
        ()
        """
        found = self.sources if self.request is None or self.request.format in ("markdown", "text") else {}
        return check_citations(self.text, found) if found else ()

    @property
    def checks(self) -> NumberChecks | None:
        """The figures of the answer, traced to its sources by code; None for an answer without sources.

        >>> Response("In 2024 it was 12.").checks
        """
        return check_answer(self.text, self.extra.get("sources"), self.extra.get("tables"))

    @property
    def cost(self) -> float | None:
        """Cost in US dollars, or None if the price is unknown.

        >>> from fmnb.calls.model import ask
        >>> ask("hello", "echo:").cost
        0.0
        """
        return self.usage.cost

    @property
    def label(self) -> Label:
        """Where the answer comes from: untrusted, with data class and columns of everything that was sent.

        >>> Response("hi").label
        Label(untrusted=True, data_class='', columns=())
        """
        return join([UNTRUSTED, messages_label(self.request.messages if self.request else ())]) or UNTRUSTED

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation up to and including this answer.

        >>> from fmnb.calls.model import ask
        >>> [(m.role, m.text) for m in ask("hello", "echo:").messages]
        [('user', 'hello'), ('assistant', 'hello')]
        """
        before = self.request.messages if self.request else ()
        parts: list[Part] = []
        if PROVIDER_STATE in self.extra:
            parts.append(Reasoning(self.reasoning, {PROVIDER_STATE: self.extra[PROVIDER_STATE]}))
        if self.text:
            parts.append(with_label(Text(self.text), self.label))
        parts.extend(with_label(m, self.label) for m in self.media)
        parts.extend(self.tool_calls)
        return (*before, Message("assistant", tuple(parts)))

    @property
    def df(self) -> pandas.DataFrame:
        """`data` as a pandas DataFrame: a row for each object of a list, or one row.

        Raises:
            UsageError: The answer holds no structured data; ask with `schema=`.
            MissingPackageError: pandas is not installed.

        >>> from fmnb.calls.model import ask
        >>> ask("Ada, 36", lambda prompt: '{"name": "Ada", "age": 36}', schema="name, age int").df.values.tolist()
        [['Ada', 36]]
        """
        if self.data is None:
            raise UsageError("This answer has no structured data", hint="Ask with a schema: --schema 'name, score float'.")
        rows = self.data if isinstance(self.data, list) else [self.data]
        pandas = require("pandas", "frames", "to make a DataFrame")
        frame = pandas.DataFrame([_as_row(r) for r in rows])
        label_frame(frame.attrs, {str(c): self.label for c in frame.columns})
        return frame

    @property
    def image(self) -> PIL.Image.Image:
        """The first image as a PIL image; its dict `info` holds its provenance.

        Raises:
            UsageError: The answer has no image; ask with `format="image"`.
            MissingPackageError: pillow is not installed.
        """
        return self.images[0]

    @property
    def images(self) -> list[PIL.Image.Image]:
        """The images as PIL images, each with `info`: model, prompt, seed, run, date, fmnb.

        Raises:
            UsageError: The answer has no image.
            MissingPackageError: pillow is not installed.
        """
        found = [(i, m) for i, m in enumerate(self.media) if isinstance(m, Image)]
        if not found:
            raise UsageError("This answer has no image", hint=_IMAGE_HINT)
        return [_media.open_image(m.data, m.media_type, self._provenance(i)) for i, m in found]

    @property
    def video(self) -> File:
        """The first video: encoded bytes in `data`, their kind in `media_type`.

        Raises:
            UsageError: The answer has no video.
        """
        found = next((m for m in self.media if m.media_type.startswith("video/")), None)
        if not isinstance(found, File):
            raise UsageError("This answer has no video", hint='Ask a model that makes videos, with `-f image` or format="image".')
        return found

    def save(self, path: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write the images and videos to files, unchanged.

            answer.save("cat.png")

        A PNG also carries model, prompt, seed, run and date as texts.

        Args:
            path: Name of the file. Several become cat-1.png, cat-2.png, ...; a name without an ending
                gets the right one.
            overwrite: Whether an existing file may be replaced.

        Returns:
            The files that were written.

        Raises:
            UsageError: A file is there already, the name's ending is of another kind, or there is
                nothing to write.
        """
        if not self.media:
            raise UsageError("This answer has no image or video", hint=_IMAGE_HINT)
        parts = [(m.data, m.media_type, {k: str(v) for k, v in self._provenance(i).items()}) for i, m in enumerate(self.media)]
        return _media.save(parts, Path(path).expanduser(), overwrite)

    def _provenance(self, i: int) -> dict[str, Any]:
        """How image number `i` was made: model, prompt, seed, run, date and version, as far as known."""
        asked = [m for m in self.request.messages if m.role == "user"] if self.request else []
        seed = self.extra.get("seed", self.request.seed if self.request else None)
        seeds = self.extra.get("seeds")
        about = {
            "model": self.model or self.requested_model,
            "prompt": asked[-1].text if asked else "",
            "seed": seeds[i] if isinstance(seeds, list) and i < len(seeds) else seed,
            "run": self.run,
            "date": self.extra.get("made"),
            "fmnb": __version__,
        }
        return {k: v for k, v in about.items() if v not in (None, "")}

    def __str__(self) -> str:
        return "\n".join(filter(None, (self.text, self._media_text())))

    def __repr__(self) -> str:
        text = str(self)
        head = text if len(text) <= 70 else text[:67] + "..."
        return f"Response({head!r}, model={self.model!r}, run={self.run!r})"

    def _repr_markdown_(self) -> str:
        return neutral_markdown(str(self))

    def _repr_html_(self) -> str | None:
        """Images and videos; a text answer is shown as Markdown."""
        if not self.media:
            return None
        text = f'<pre dir="auto" style="font-family:inherit;white-space:pre-wrap">{literal(self.text)}</pre>\n' if self.text else ""
        return text + "".join(_media.figure_html(m.data, m.alt if isinstance(m, Image) else m.name) for m in self.media)

    def _media_text(self) -> str:
        return "\n".join(_media.describe(m.data, m.media_type, m.alt if isinstance(m, Image) else m.name) for m in self.media)


_IMAGE_HINT = 'Ask for one: `%%fm MODEL -f image`, or format="image".'


def _as_row(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "model_dump"):
        return value.model_dump()
    return {"value": value}
