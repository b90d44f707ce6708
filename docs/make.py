"""Generates documents from the code: all of reference.md, the tables of providers.md, the rooms of CONTRIBUTING.md.

`--check` fails if a page is out of date.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import house

from fmnb import catalog
from fmnb.batch.options import BatchOptions
from fmnb.calls.options import CallOptions, key_docs, short_signature
from fmnb.comparison.options import CompareOptions
from fmnb.config.settings import read_toml
from fmnb.core import errors, typing
from fmnb.core.registry import PUBLIC, load
from fmnb.evals import scoring
from fmnb.evals.options import EvaluateOptions
from fmnb.jupyter.magics.line import VERBS
from fmnb.jupyter.magics.options import CONFLICTS, OPTIONS, _option_text
from fmnb.prompts import prompt
from fmnb.providers import profiles
from fmnb.providers.profiles import Profile

FOLDER = Path(__file__).parent
ROOMS = ("<!-- The rooms, generated from the import contract and the docstrings by `make docs`. -->", "<!-- End of the rooms. -->")
MARK = "<!-- Generated from the code by `make docs` from here on. -->"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in rows])


def code(words: Iterable[str], between: str = ", ") -> str:
    """Words in code marks."""
    return between.join(f"`{w}`" for w in words)


def reference() -> str:
    """All of reference.md."""
    options = [(f"`{f'-{o.short}, ' if o.short else ''}--{o.long}{f' {o.value}' if o.value else ''}`", o.help) for o in OPTIONS]
    clashes = [(f"`{_option_text(a)}`" if "--" in _option_text(a) else _option_text(a), _option_text(b), why) for a, b, why in CONFLICTS]
    verbs = [(f"`%fm {name}{f' {v.usage}' if v.usage else ''}`", v.help) for name, v in VERBS.items()]
    kinds = [
        (f"`{n}`", (inspect.getdoc(c) or "").split("\n")[0])
        for n, c in vars(errors).items()
        if inspect.isclass(c) and c.__module__ == errors.__name__
    ]
    names = []
    for name in PUBLIC:
        value = load(PUBLIC[name])
        if inspect.ismodule(value):
            continue  # errors: they have a table of their own
        names.append(f"### `fm.{name}{_signature(value)}`\n\n{in_markdown(inspect.getdoc(value) or '')}")
        if inspect.isclass(value) and (members := list(_members(value))):
            names.append("\n".join(members))
    return "\n\n".join(
        [
            "# Reference",
            "Generated from the code by `make docs`.",
            "## `%%fm`: options",
            "    %%fm [NAME <<] [MODEL ...] [options]\n    prompt text with {{ python expressions }}",
            table(("option", "meaning"), options),
            "### Options that conflict",
            "All other pairs can be combined.",
            table(("option", "with", "reason"), clashes),
            "## `%fm`: verbs",
            table(("verb", "what it does"), verbs),
            "## Providers",
            "[Providers](providers.md) lists services, their keys and interfaces, and shows how to add your own.",
            "## Errors",
            "Catch any of them as `fm.FmnbError`, or one by its name: `fm.errors.RateLimitError`.",
            table(("error", "when"), kinds),
            "## Python",
            *names,
            "## Options of Python functions",
            *(_option_table(t) for t in (CallOptions, CompareOptions, BatchOptions, EvaluateOptions)),
            "## What functions accept",
            table(("name", "type", "meaning"), _type_aliases()),
            "",
        ]
    )


def _option_table(options: type) -> str:
    """The keys that a TypedDict of options adds to those it extends, with types and meanings."""
    body = next(n for n in ast.parse(inspect.getsource(options)).body if isinstance(n, ast.ClassDef)).body
    types = {n.target.id: ast.unparse(n.annotation) for n in body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
    rows = [(f"`{key}`", f"`{kind}`", " ".join(key_docs(options)[key].split())) for key, kind in types.items()]
    return f"### `{options.__name__}`\n\n{inspect.getdoc(options)}\n\n" + table(("option", "type", "meaning"), rows)


def _type_aliases() -> Iterator[tuple[str, ...]]:
    """Type aliases in public signatures: name, type, and the text below each."""
    for module in (prompt, typing, scoring):
        for alias, text in pairwise(ast.parse(inspect.getsource(module)).body):
            if isinstance(alias, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                assert alias.value is not None
                yield f"`{ast.unparse(alias.target)}`", f"`{ast.unparse(alias.value)}`", str(text.value.value)


_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises):\n((?:    .*\n?|\n(?=    ))+)", re.M)
_ENTRY = re.compile(r"^(\*{0,2}\w+): (.*(?:\n +.*)*)", re.M)


def in_markdown(said: str, indent: str = "") -> str:
    r"""A docstring as Markdown: sections become lists, examples become code blocks.

    >>> print(in_markdown("Do it.\n\nArgs:\n    how: In which\n        way.\n\nReturns:\n    What came."))
    Do it.
    <BLANKLINE>
    **Args**
    <BLANKLINE>
    - `how`: In which way.
    <BLANKLINE>
    **Returns**
    <BLANKLINE>
    What came.
    """
    text = _SECTION.sub(lambda m: f"**{m[1]}**\n\n{_entries(m[1], textwrap.dedent(m[2]))}\n", said + "\n")
    return re.sub(r"^>>> (?:.+\n?)+", lambda m: f"```python\n{m[0].rstrip()}\n```\n", text, flags=re.M).strip()


def _entries(section: str, body: str) -> str:
    """The entries of a section as a list; the Returns section as a paragraph."""
    if section == "Returns":
        return " ".join(body.split())
    return "\n".join(f"- `{name}`: {' '.join(text.split())}" for name, text in _ENTRY.findall(body))


def _signature(value: object) -> str:
    """Its signature: with types, or without them if that would be too long, or empty."""
    if not callable(value):
        return ""
    signature = short_signature(value)
    if inspect.isclass(value):
        signature = signature.replace(return_annotation=signature.empty)
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(signature))
    if len(text) >= 160 or "<factory>" in text or "Exception" in text:
        bare = [p.replace(annotation=p.empty) for p in signature.parameters.values() if not p.name.startswith("_")]
        text = str(signature.replace(parameters=bare, return_annotation=signature.empty)).replace("=<factory>", "=...")
    return text if len(text) < 160 else "(...)"


def _members(kind: type) -> Iterator[str]:
    """A line for each documented method and property of a class, with its arguments; handlers of a widget's page are omitted."""
    data = [k for k in reversed(kind.__mro__) if k is kind or dataclasses.is_dataclass(k)]
    described: dict[object, str] = {}
    for name, member in {name: member for k in data for name, member in vars(k).items()}.items():
        plain = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        said = inspect.getdoc(plain) or ""
        if (
            name.startswith(("_", "on_"))
            or name in ("face", "close")
            or not said
            or not (inspect.isfunction(plain) or isinstance(plain, property))
        ):
            continue
        call = re.sub(r"^\((self|cls)(, )?", "(", _signature(plain)) if inspect.isfunction(plain) else ""
        if (first := described.get(plain)) is not None:
            yield f"- `.{name}{call}` The same as `.{first}`, named after its input."
            continue
        described[plain] = name
        yield f"- `.{name}{call}` {_prose(said)}"
        for section, body in _SECTION.findall(said):
            word = {"Returns": "Returns: ", "Raises": "Raises "}.get(section, "")
            yield from (f"  - {word}{line.removeprefix('- ')}" for line in _entries(section, textwrap.dedent(body)).split("\n"))


def _prose(said: str) -> str:
    """The paragraphs before the first section, without code."""
    paragraphs = re.split(r"^(?:Args|Attributes|Returns|Raises):$|^>>> ", said, maxsplit=1, flags=re.M)[0].split("\n\n")
    return " ".join(" ".join(p.split()) for p in paragraphs if not p.startswith("    "))


def providers() -> str:
    """The tables of providers.md."""
    known = profiles._built_in()
    living = [known[n] for n in sorted(known) if not known[n].ended]
    here = [p for p in living if p.local]
    own = [p for p in living if not p.host and p.slow]
    hosted = [p for p in living if p not in here and p not in own]
    posts = read_toml(Path(catalog.__file__).with_name("suggestions.toml"))
    return "\n\n".join(
        [
            MARK,
            "## Hosted services",
            "*Keys*: variables in order of precedence, before keys from `%fm key set`. *Interfaces*: the default first. "
            '*Vision*: "some" models are known to read images, "no" models do; if empty, it depends on the model. '
            "`%fm models vision NAME` lists the known ones.",
            table(("name", "service", "host", "keys", "interfaces", "also makes", "vision", "notes"), map(_hosted, hosted)),
            "## Servers on this machine",
            "fmnb finds these on their default ports, without a key. A variable sets another address; the key is for servers started with one.",
            table(("name", "server", "default address", "address variable", "key", "interfaces", "start it"), map(_here, here)),
            "## Endpoints that you host",
            "Set the first variable to your endpoint's address (the part before `/chat/completions`; `/v1` is added to a bare one). "
            "Keys and headers are sent only to that address. A first answer may wait for a container to start; the cell shows this.",
            table(("name", "platform", "address variable", "keys", "further headers", "notes"), map(_own, own)),
            "## Discontinued services",
            table(
                ("name", "what happened", "instead"),
                [(f"`{n}`", f"{p.title}: {p.ended}.", p.successor) for n, p in sorted(known.items()) if p.ended],
            ),
            "## Names that are not models",
            "Used as a model, each raises an error that explains what it is and what to use.",
            table(
                ("name", "also", "what it is", "in fmnb"),
                [(f"`{n}`", code(r.get("also", ())), f"{r['title']}.", r["hint"]) for n, r in posts.items()],
            ),
            "",
        ]
    )


def _hosted(p: Profile) -> tuple[str, ...]:
    own = code(p.base_url_env, " or ")
    where = ", or ".join(filter(None, (f"`{p.usual_host}`", own))) if p.usual_host else f"your own: {own}"
    makes = [w for w, has in (("embeddings", p.embeds), ("images", p.image_models), ("videos", p.video_models)) if has]
    sees = "no" if not p.images else "some" if p.vision_models else ""
    return f"`{p.name}:`", p.label, where, code(p.key_env), _interfaces(p), ", ".join(makes), sees, p.notes


def _interfaces(p: Profile) -> str:
    """The interfaces a service has, the usual one first; none where all its models make pictures and videos."""
    return "" if "*" in p.video_models else code(dict.fromkeys((p.api, *p.served)))


def _here(p: Profile) -> tuple[str, ...]:
    start = p.start_hint.partition("? Start it ")[2]
    return f"`{p.name}:`", p.label, f"`{p.base_url}`", code(p.base_url_env, " or "), code(p.key_env), _interfaces(p), start


def _own(p: Profile) -> tuple[str, ...]:
    headers = ", ".join(f"`{h}` from `{variable}`" for h, variable in p.header_env.items())
    return f"`{p.name}:`", p.label, code(p.base_url_env), code(p.key_env) or "none", headers, p.notes


def contributing() -> str:
    """CONTRIBUTING.md with its table of rooms generated; the rest is written by hand."""
    before, _, rest = (FOLDER.parent / "CONTRIBUTING.md").read_text("utf-8").partition(ROOMS[0])
    after = rest.partition(ROOMS[1])[2]
    rooms = table(("floor", "room", "what lives there"), house.rows())
    return f"{before}{ROOMS[0]}\n\n{rooms}\n\n{ROOMS[1]}{after}"


def pages() -> dict[Path, str]:
    """The up-to-date text of each page. The part above the mark in providers.md is written by hand."""
    page = FOLDER / "providers.md"
    head = page.read_text("utf-8").partition(MARK)[0] if page.exists() else ""
    return {FOLDER / "reference.md": reference(), page: head + providers(), FOLDER.parent / "CONTRIBUTING.md": contributing()}


if __name__ == "__main__":
    for path, text in pages().items():
        if "--check" not in sys.argv:
            path.write_text(text, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != text:
            sys.exit(f"{path.name} is out of date: run `make docs`.")
