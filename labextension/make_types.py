"""Writes the TypeScript that comes from Python: `python labextension/make_types.py`; `--check` fails where it differs.

`src/types.ts` has the events and the server's values, `src/prompt/options.ts` the options of `%%fm`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from fmnb.calls.options import key_types
from fmnb.core import errors
from fmnb.core.backend import Vectors  # noqa: F401 - so that hints of the modules below resolve
from fmnb.core.events import KINDS, EventHeader
from fmnb.core.registry import PROTOCOL
from fmnb.core.types import Usage
from fmnb.jupyter.magics.options import OPTIONS, Option
from fmnb.jupyter.server import schemas

SOURCE = Path(__file__).parent / "src"
_PLAIN = {str: "string", int: "number", float: "number", bool: "boolean", bytes: "string", type(None): "null", Any: "unknown"}


def written(hint: Any) -> str:
    """A type as TypeScript writes it; bytes travel as base64, tuples as arrays."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, of = get_origin(hint), get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(dict.fromkeys(map(written, of)))
    if origin in (tuple, list):
        inner = written(of[0])
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    if origin is dict:
        return f"Record<string, {written(of[1])}>"
    if origin is typing.Literal:
        return " | ".join(f"'{v}'" for v in of)
    known = (Usage, *schemas.ALL)
    return hint.__name__ if hint in known else "Record<string, unknown>"


def interface(kind: type, name: str, lead: str = "", leave_out: tuple[str, ...] = ()) -> str:
    """One dataclass. A field with a default may be left out of an event's JSON; the server writes all of its own."""
    hints = get_type_hints(kind)
    optional = kind in KINDS.values() or kind is Usage
    lines = []
    for f in dataclasses.fields(kind):
        if f.name in leave_out:
            continue
        has = f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING
        lines.append(f"  {f.name}{'?' if optional and has else ''}: {written(hints[f.name])};")
    doc = (kind.__doc__ or "").strip().split("\n")[0]
    return "\n".join([f"/** {doc} */", f"export interface {name} {{", *([lead] if lead else []), *lines, "}"])


def types_page() -> str:
    """The whole of `types.ts`."""
    stamp = tuple(f.name for f in dataclasses.fields(EventHeader))
    parts = [
        "/** Made by labextension/make_types.py from the Python dataclasses: change those. */",
        f"/** Of server, kernel and page; raised with every change that another side would misread. */\nexport const PROTOCOL = {PROTOCOL};",
        f"/** The errors of fmnb, as error outputs name them. */\nexport const ERRORS: readonly string[] = [\n{_error_names()}\n];",
        interface(Usage, "Usage"),
        "/** What every stamped event has. */\nexport interface Stamp {\n  run: string;\n  n: number;\n  at: number;\n}",
    ]
    for name, kind in KINDS.items():
        parts.append(interface(kind, name, f"  event: '{name}';", stamp).replace(f"interface {name} ", f"interface {name} extends Stamp "))
    parts.append("export type Event =\n" + "\n".join(f"  | {name}" for name in KINDS) + ";")
    parts += [interface(kind, kind.__name__) for kind in schemas.ALL]
    return "\n\n".join(parts) + "\n"


def _error_names() -> str:
    return ",\n".join(f"  '{kind.__name__}'" for kind in dict.fromkeys(errors.KINDS.values()))


def choices(o: Option) -> list[str]:
    """The values that an option takes, if its type lists them."""
    given = key_types(o.table)[o.key] if o.table is not None else None
    return [v for v in get_args(given) if v] if get_origin(given) is typing.Literal else []


def options_page() -> str:
    """The whole of `prompt/options.ts`."""
    rows = [
        {"long": o.long, "short": o.short, "value": o.value, "help": f"{o.help[:1].upper()}{o.help[1:]}.", "choices": choices(o)}
        for o in OPTIONS
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    return "\n".join(
        [
            "/** Made by labextension/make_types.py from fmnb/jupyter/magics/options.py: change that. */",
            "",
            "export interface PromptOption {",
            "  long: string;",
            '  /** "" if it has no short name. */',
            "  short: string;",
            '  /** The name of its value, "" if it takes none. */',
            "  value: string;",
            "  help: string;",
            "  /** The values it takes, if they are few. */",
            "  choices: readonly string[];",
            "}",
            "",
            "export const OPTIONS: readonly PromptOption[] = [",
            ",\n".join(f"  {line}" for line in lines),
            "];",
            "",
        ]
    )


PAGES = {SOURCE / "types.ts": types_page, SOURCE / "prompt" / "options.ts": options_page}

if __name__ == "__main__":
    for file, page in PAGES.items():
        if "--check" not in sys.argv:
            file.write_text(page(), "utf-8")
        elif not file.exists() or file.read_text("utf-8") != page():
            sys.exit(f"labextension/src/{file.relative_to(SOURCE)} is not what the code says: run `python labextension/make_types.py`.")
