"""Tab completion in `%%fm` cells and after `%fm`: a matcher of IPython that leaves prose alone.

`complete_line` completes the line of a magic, `complete_expression` the Python in `{{ }}`. No
completion uses the network or evaluates code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from .completions import Completions

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult

_CELL = re.compile(r"%%fm(?=\s|$)")
_LINE = re.compile(r"(?:^|=)\s*%fm\s")


class _NoOther(Sequence["SimpleCompletion"]):
    """No completions, but not empty: IPython suppresses other matchers only for a length above zero."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[SimpleCompletion]:
        return iter(())

    @overload
    def __getitem__(self, i: int) -> SimpleCompletion: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[SimpleCompletion]: ...
    def __getitem__(self, i: int | slice) -> Any:
        raise IndexError(i)


def match(shell: Any, context: CompletionContext) -> SimpleMatcherResult:
    """The completions at the cursor, for IPython; outside of fmnb's magics, other matchers stay."""
    from IPython.core.completer import SimpleCompletion, SimpleMatcherResult

    found = complete(shell, context.full_text, context.cursor_line, context.cursor_position)
    if found is None:
        return SimpleMatcherResult(completions=[], suppress=False)
    # The page breaks lines at ordinary spaces.
    items = [SimpleCompletion(text, type=kind.replace(" ", "\N{NO-BREAK SPACE}")) for text, kind in found.matching()]
    return SimpleMatcherResult(completions=items or _NoOther(), matched_fragment=found.fragment, suppress=True, ordered=True)


def complete(shell: Any, text: str, line: int, column: int) -> Completions | None:
    """The completions at a cursor; None where the text is not fmnb's."""
    lines = text.split("\n")
    first = next((i for i, s in enumerate(lines) if s.strip()), 0)
    before = lines[line][:column]
    if opened := _CELL.match(lines[first]):
        if line < first or (line == first and column <= opened.end()):
            return None  # the name of the magic itself
        from .complete_expression import complete_prompt
        from .complete_line import complete_cell_line

        if line == first:
            return complete_cell_line(before[opened.end() :], shell)
        prompt = "\n".join([*lines[first + 1 : line], before])
        return complete_prompt(prompt, lines[first][opened.end() :], shell)
    if opened := _LINE.search(before):
        from .complete_line import complete_verb_line

        return complete_verb_line(before[opened.end() :], shell)
    return None
