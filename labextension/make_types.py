"""Writes src/types.ts: the events and the server's values, from the Python dataclasses. `--check` fails when it is not what they say."""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from fmnb.core import errors
from fmnb.core.backend import Vectors  # noqa: F401 - so that hints of the modules below resolve
from fmnb.core.events import KINDS, EventHeader
from fmnb.core.registry import PROTOCOL
from fmnb.core.types import Usage
from fmnb.jupyter.server import schemas

PAGE = Path(__file__).parent / "src" / "types.ts"
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


def page() -> str:
    """The whole file."""
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


if __name__ == "__main__":
    if "--check" in sys.argv:
        if not PAGE.exists() or PAGE.read_text("utf-8") != page():
            sys.exit("labextension/src/types.ts is not what the code says: run `python labextension/make_types.py`.")
    else:
        PAGE.write_text(page(), "utf-8")
