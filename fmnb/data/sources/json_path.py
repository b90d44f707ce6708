"""A small JSON path: `$.current.temp`, `$.items[0].name`, `$.items[*].name`, `$["a b"]`."""

from __future__ import annotations

import difflib
import re
from typing import Any

from ...core.errors import UsageError

_STEP = re.compile(r"""\.(\w[\w-]*)|\[(-?\d{1,9}|\*)\]|\[(?:"([^"]*)"|'([^']*)')\]""")


def steps_of(path: str) -> list[str | int]:
    """The steps of a path: names, positions, and "*" as the position of all.

    Raises:
        UsageError: It is no path.

    >>> steps_of("$.items[*].name")
    ['items', -1000000000, 'name']
    """
    steps: list[str | int] = []
    at = 1
    while isinstance(path, str) and path.startswith("$") and at < len(path):
        m = _STEP.match(path, at)
        if m is None:
            break
        name = next((g for g in (m[1], m[3], m[4]) if g is not None), None)
        steps.append(name if name is not None else ALL if m[2] == "*" else int(m[2]))
        at = m.end()
    if not isinstance(path, str) or not path.startswith("$") or at < len(path):
        raise UsageError("That is no JSON path", detail=repr(path)[:80], hint="For example $.current.temp, $.items[0] or $.items[*].name.")
    return steps


ALL = -1_000_000_000  # "*": no position has more than nine digits


def at_path(data: Any, path: str) -> Any:
    """What a path leads to.

    Raises:
        UsageError: The path is none, or leads nowhere; the message has the nearest name.

    >>> at_path({"items": [{"n": 1}, {"n": 2}]}, "$.items[*].n")
    [1, 2]
    """
    return _follow(data, steps_of(path), path)


def _follow(data: Any, steps: list[str | int], path: str) -> Any:
    for i, step in enumerate(steps):
        if step == ALL and isinstance(data, (list, dict)):
            return [_follow(v, steps[i + 1 :], path) for v in (data.values() if isinstance(data, dict) else data)]
        if isinstance(step, str) and isinstance(data, dict) and step in data:
            data = data[step]
        elif isinstance(step, int) and step != ALL and isinstance(data, list) and -len(data) <= step < len(data):
            data = data[step]
        else:
            raise _nowhere(data, step, path)
    return data


def _nowhere(data: Any, step: str | int, path: str) -> UsageError:
    what = f"{len(data)} items" if isinstance(data, list) else "an object" if isinstance(data, dict) else f"a {type(data).__name__}"
    near = difflib.get_close_matches(str(step), list(data), 1) if isinstance(data, dict) else []
    detail = f"{path}: {'[*]' if step == ALL else step!r} is not in {what}"
    return UsageError("The JSON path leads nowhere", detail=detail, hint=f"Did you mean {near[0]}?" if near else "")
