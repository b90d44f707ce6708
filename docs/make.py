"""Writes docs/reference.md from the code: options, verbs, providers, errors, Python names.

`--check` fails when the page is not what the code says.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from fmnb import errors
from fmnb._names import PUBLIC, load
from fmnb.magics.line import VERBS
from fmnb.magics.options import CLASHES, OPTIONS, _spoken
from fmnb.providers import profiles

PAGE = Path(__file__).with_name("reference.md")


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in rows])


def page() -> str:
    """The whole page."""
    options = [(f"`{f'-{o.short}, ' if o.short else ''}--{o.long}{f' {o.value}' if o.value else ''}`", o.help) for o in OPTIONS]
    clashes = [(f"`{_spoken(a)}`" if "--" in _spoken(a) else _spoken(a), _spoken(b), why) for a, b, why in CLASHES]
    verbs = [(f"`%fm {name}{f' {v.usage}' if v.usage else ''}`", v.help) for name, v in VERBS.items()]
    living, ended = [], []
    for name in profiles.names(ended=True):
        p = profiles._built_in()[name]
        if p.ended:
            ended.append((name, p.ended, p.successor))
        else:
            living.append((f"`{name}:`", p.label, p.base_url or "your own", ", ".join(f"`{k}`" for k in p.key_env) or "none", p.notes))
    kinds = [
        (f"`{n}`", (inspect.getdoc(c) or "").split("\n")[0])
        for n, c in vars(errors).items()
        if inspect.isclass(c) and c.__module__ == errors.__name__
    ]
    names = []
    for name in PUBLIC:
        value = load(PUBLIC[name])
        signature = str(inspect.signature(value)) if callable(value) else ""
        names.append(
            f"### `fm.{name}{signature if len(signature) < 160 and 'Exception' not in signature else '(...)'}`\n\n{inspect.getdoc(value) or ''}"
        )
    return "\n\n".join(
        [
            "# Reference",
            "Made from the code by `make docs`.",
            "## `%%fm`: options",
            "    %%fm [NAME <<] [MODEL ...] [options]\n    prompt text with {{ python expressions }}",
            table(("option", "meaning"), options),
            "### What does not go together",
            "Any pair not listed here works.",
            table(("this", "with this", "because"), clashes),
            "## `%fm`: verbs",
            table(("verb", "what it does"), verbs),
            "## Providers",
            "Names are `provider:model`. Keys are looked for in the variables in this order, then where `%fm key set` put them. "
            "Only services on this machine and `echo:` can be tried without a key; none of the hosted rows has been tried against the real service yet.",
            table(("name", "service", "address", "keys", "notes"), living),
            "### Services that ended",
            table(("name", "what happened", "instead"), ended),
            "## Errors",
            "Each can be caught as `fm.FmnbError`, or by its own name from `fmnb.errors`.",
            table(("error", "when"), kinds),
            "## Python",
            *names,
            "",
        ]
    )


if __name__ == "__main__":
    text = page()
    if "--check" in sys.argv:
        if not PAGE.exists() or PAGE.read_text("utf-8") != text:
            sys.exit("docs/reference.md is not what the code says: run `make docs`.")
    else:
        PAGE.write_text(text, "utf-8")
