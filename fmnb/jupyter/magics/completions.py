"""What tab completion finds: texts and their kinds, and the text before the cursor that they replace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Completions:
    """What can be typed at the cursor: `fragment` is replaced by a text of `items`, each with its kind.

    With `chosen`, the items fit already, also those that do not begin with the fragment.
    """

    fragment: str = ""
    items: Sequence[tuple[str, str]] = ()
    chosen: bool = False

    def matching(self) -> list[tuple[str, str]]:
        """The items that begin with the fragment, without repetitions.

        >>> Completions("te", [("text", "column"), ("stars", "column"), ("text", "str")]).matching()
        [('text', 'column')]
        """
        kinds: dict[str, str] = {}
        for text, kind in self.items:
            if self.chosen or text.startswith(self.fragment):
                kinds.setdefault(text, kind)
        return list(kinds.items())
