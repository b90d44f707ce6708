"""Prompts: renders a template to message parts, and saves templates as files.

The template's expressions use the notebook's variables.

    Summarise {{ df.describe() }} in one sentence.
    {% for claim in claims %}
    - {{ claim }}
    {% endfor %}

`{{ }}` holds a Python expression, evaluated once; its value is inert, never parsed
again. `for`, `if`, `elif`, `else`, `endfor`, `endif` are the only statements. Everything
else stays as typed: single braces, LaTeX, JSON, f-strings, Handlebars blocks, and
`${{ secrets.TOKEN }}` of a GitHub workflow. `{{{{` writes `{{`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from ..config import settings
from ..core.atomic_write import replace_file
from ..core.errors import UsageError
from ..core.labels import RowLabels
from ..core.types import Part, Text
from .rendered import Rendered


def render(text: str | Prompt, namespace: Mapping[str, Any] | None = None, raw: bool = False, labels: RowLabels | None = None) -> Rendered:
    """Render a template with the names of a namespace; `raw` keeps the text as typed.

    `labels` are those of names whose values carry none, such as the cells of a row.

    Raises PromptError, with line and column, for an undefined name (with the nearest ones), an
    expression that raises, or one that is not Python.

    >>> render("{{ a + 1 }} of {x}", {"a": 2}).text
    '3 of {x}'
    """
    text = text.text if isinstance(text, Prompt) else text
    if raw or ("{{" not in text and "{%" not in text):
        return Rendered((Text(text),) if text else ())
    from . import renderer  # a late import: not needed for a prompt without markers

    parts, inserted = renderer.render(text, namespace or {}, labels)
    return Rendered(parts, inserted)


def names(text: str | Prompt) -> set[str]:
    """The free names in a template, including builtins, since a column may be called `id`.

    >>> sorted(names("{{ title }} {% for t in tags %}{{ t + sep }}{% endfor %}"))
    ['sep', 'tags', 'title']
    """
    from . import template

    return template.names_in(template.parse(text.text if isinstance(text, Prompt) else text))


@dataclass(frozen=True)
class Prompt:
    """A named template, saved as `prompts/NAME.md` beside the notebook or in the user's folder.

    Args:
        text: The template: text with Python expressions in `{{ }}`.
        name: The name under which it is saved.
        version: Its version, from 1; 0 if unsaved.
        system: System prompt that goes with it.
        path: Its file, once it was saved.

    Raises:
        UsageError: The name is not valid as a file name.

    >>> Prompt("Translate: {{ line }}").render(line="bonjour").text
    'Translate: bonjour'
    """

    text: str
    name: str | None = None
    version: int = 0
    system: str = ""
    path: Path | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            check_name(self.name)

    def _prompt_parts_(self) -> tuple[Part, ...]:
        """The parts to insert into another prompt: the text, not rendered."""
        return (Text(self.text),)

    @property
    def hash(self) -> str:
        """The first 12 hex digits of the SHA-256 of text and system prompt.

        >>> Prompt("Say {{ x }}").hash == Prompt("Say {{ x }}", name="say").hash
        True
        """
        return hashlib.sha256(f"{self.system}\0{self.text}".encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def render(self, **values: object) -> Rendered:
        """Render the template with only these values.

        Args:
            **values: A value for each name in `{{ }}`, of any type.

        Returns:
            The rendered prompt: text and images in order, and the inserted values.

        Raises:
            PromptError: A name has no value, or an expression fails; it names line and column.

        >>> Prompt("{{ a }} + {{ a * 2 }}").render(a=1).text
        '1 + 2'
        """
        return render(self.text, values)

    def save(self, folder: str | Path | None = None, *, user: bool = False) -> Prompt:
        """Save this prompt as a file; changed text becomes a new version.

        Old versions stay readable with `fm.Prompt.load(name, version)`.

        Args:
            folder: Where to save it; `prompts/` in the working folder if None.
            user: Whether to save it in the user's own folder.

        Returns:
            The prompt with its version and path.

        Raises:
            UsageError: It has no name, or the file cannot be written.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     first = Prompt("Say {{ x }}", name="say").save(folder)
        ...     replace(first, text="Sing {{ x }}").save(folder).version
        2
        """
        if self.name is None:
            raise UsageError("This prompt has no name", hint='Name it: fm.Prompt(text, name="summary").save()')
        base = Path(folder) if folder else settings.home() / "prompts" if user else _folders()[0]
        try:
            return self._save(base, self.name)
        except OSError as e:
            raise UsageError(
                "The prompt could not be saved",
                detail=f"{base}: {e.strerror}",
                hint="Name another folder, or use fm.Prompt(...).save(user=True).",
            ) from None

    def _save(self, base: Path, name: str) -> Prompt:
        path = base / f"{name}.md"
        history = base / ".history"
        history.mkdir(parents=True, exist_ok=True)
        latest = max(_versions(history, name), default=0)
        if path.is_file() and (not latest or _read(path) != _read(history / f"{name}.{latest}.md")):
            latest += 1  # the file was edited by hand: that is a version, too
            _write(history / f"{name}.{latest}.md", *_read(path))
        if not latest or not path.is_file() or _read(path) != (self.text, self.system):
            latest += 1
            _write(history / f"{name}.{latest}.md", self.text, self.system)
            _write(path, self.text, self.system)
        return replace(self, version=latest, path=path)

    @classmethod
    def load(cls, name: str, version: int | None = None) -> Prompt:
        """Read a saved prompt, from the nearest folder that has it.

        Args:
            name: The name under which it was saved.
            version: Number of an older version; the current one if None.

        Returns:
            The prompt.

        Raises:
            UsageError: There is no such prompt or version; the message lists the nearest names.

        >>> _ = Prompt("Say {{ x }}", name="say").save(user=True)
        >>> Prompt.load("say").text
        'Say {{ x }}'
        """
        check_name(name)
        for base in _folders():
            path = base / f"{name}.md"
            if not path.is_file():
                continue
            known = _versions(base / ".history", name)
            latest = max(known, default=0)
            text, system = _read(path)
            edited = not latest or (text, system) != _read(base / ".history" / f"{name}.{latest}.md")
            current = latest + edited
            if version is None or version == current:
                return cls(text, name, current, system, path)
            if version in known:
                path = base / ".history" / f"{name}.{version}.md"
                text, system = _read(path)
                return cls(text, name, version, system, path)
            raise UsageError(f"The prompt {name} has no version {version}", hint=f"It has 1 to {current}.")
        near = get_close_matches(name, [p.name or "" for p in list_prompts()], n=3)
        raise UsageError(
            "No prompt of that name is saved",
            detail=name,
            hint=f"Did you mean {' or '.join(near)}?" if near else "Save one with `%%fm --save NAME` or fm.Prompt(text, name=...).save().",
        )

    def __str__(self) -> str:
        return self.text


PromptLike: TypeAlias = str | Prompt | Rendered
"""A prompt: text, sent unchanged; an `fm.Prompt`, rendered with `values`; or a rendered prompt."""


def list_prompts() -> list[Prompt]:
    """All saved prompts by name; those beside the notebook take precedence over the user's folder."""
    found: dict[str, Prompt] = {}
    for base in _folders():
        for path in sorted(base.glob("*.md")):
            if path.stem not in found and _NAME.fullmatch(path.stem) and path.is_file():
                found[path.stem] = Prompt.load(path.stem)
    return [found[n] for n in sorted(found)]


_NAME = re.compile(r"(?!\.)[\w .-]{1,100}(?<![ .])")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def check_name(name: str) -> None:
    """Raise UsageError for a name that is not a valid file name, or leads out of the folder."""
    if not _NAME.fullmatch(name) or ".." in name or name != name.strip() or _RESERVED.fullmatch(name):
        raise UsageError("A prompt cannot have that name", detail=repr(name), hint="Use letters, digits, spaces, '-', '_' and '.'.")


def _folders() -> tuple[Path, Path]:
    return (settings.working_folder() or settings.home()) / "prompts", settings.home() / "prompts"


def _versions(history: Path, name: str) -> set[int]:
    pattern = re.compile(re.escape(name) + r"\.(\d+)\.md")
    return {int(m[1]) for p in history.glob("*.md") if (m := pattern.fullmatch(p.name))}


def _write(path: Path, text: str, system: str) -> None:
    """Write the text and a line end.

    A system prompt, or a text that looks as if it had one, adds a header of three lines.
    """
    if system or text.startswith("---\n"):
        text = f"---\nsystem: {json.dumps(system, ensure_ascii=False)}\n---\n{text}"
    temporary = path.with_suffix(".new")
    temporary.write_bytes((text + "\n").encode("utf-8", "surrogatepass"))
    replace_file(temporary, path)


def _read(path: Path) -> tuple[str, str]:
    text = path.read_bytes().decode("utf-8", "replace").removesuffix("\n")
    system = ""
    head = re.match(r"---\nsystem: (.*)\n---\n", text + "\n")
    if head:
        try:
            system = str(json.loads(head[1]))
        except ValueError:
            system = head[1]
        text = text[head.end() :]
    return text, system
