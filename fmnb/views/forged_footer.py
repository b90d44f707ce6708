"""Detects lines of model text that imitate the footer, by their shape and not by their characters.

Marks that reverse the reading direction are made visible, so that the stored order is the visible
order. Letters are compared by shape, through Unicode's table of confusable characters and a few
more that look like the four letters of fmnb.
"""

from __future__ import annotations

import re
import unicodedata

from ..core.confusables import TABLE

_ESCAPES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_MAYBE = re.compile(r"[^\x00-\x7f]|(?i:f\W*(?:m|r\W*n)\W*n\W*b)")
_ENOUGH, _LONGEST = 6, 2_000  # letters, and characters, after which the start of a line is resolved
_SHAPES = {
    "f": "ſƒϝꞙꞘẝꬵꓝᖴꜰք𐊇𐊥𐔥Ϝ𝈓ḟ",
    "m": "мᴍΜМϺᎷᗰᛖꓟ𐊰𐌑ꮇɱⱮ𑜀𑣣ӎӍᶆ",
    "n": "пᴨɴոռηɳɲƞꞑꓠΝᶇŋ𐔓ℿνͷͶПԥիᥒ",
    "b": "ЬьвВʙƄƅɓƀβΒᏏᏴᗷᖯᑲꓐꞴ𐊂𐊡𐌁ᛒꮟҍбъᏸⲂ฿Ɓ",
}
_TABLE = TABLE | str.maketrans({c: name for name, others in _SHAPES.items() for c in others})


def escape_terminal(text: str) -> str:
    """Model text for plain display, without terminal escapes or lines that imitate the footer."""
    text = visible_text(text)
    if not _MAYBE.search(text):
        return text
    return "\n".join(f"> {line}" if like_footer(line) else line for line in text.split("\n"))


def visible_text(text: str) -> str:
    """Make escapes and direction marks in a text visible.

    >>> visible_text("a\\x1b[2J\\u202eb")
    'a␛[2J[U+202E]b'
    """
    text = text.replace("\r\n", "\n")
    text = _ESCAPES.sub(lambda m: "\n" if m[0] in "\r\x0b\x0c\x85" else "␛" if m[0] == "\x1b" else "\ufffd", text)
    return _TURNING.sub(lambda m: f"[U+{ord(m[0]):04X}]", text).replace("\u2028", "\n").replace("\u2029", "\n")


def like_footer(line: str) -> bool:
    """Whether a line appears to start with "fmnb"; right-to-left lines only need to contain it.

    >>> like_footer("— ｆｍｎｂ · x"), like_footer("— frnnb · x"), like_footer("about fmnb")
    (True, True, False)
    """
    if _RIGHT_TO_LEFT.search(line):
        letters = skeleton(line)
        return _NAME in letters or _NAME in letters[::-1].replace("nr", "rn")
    line = re.sub(r"\[U\+20[0-9A-F]{2}\]", "\u202e", line)
    letters = skeleton(line[:_LONGEST])
    reversed_ = "\u202e" in line and (skeleton("fmnb") in letters or skeleton("fmnb") in skeleton(line[::-1]))
    return letters.startswith(_NAME) or reversed_


def is_resolved(line: str) -> bool:
    """Whether the start of a line is long enough to tell whether it imitates the footer."""
    if len(line) > _LONGEST:
        return True
    return not _RIGHT_TO_LEFT.search(line) and "[U+20" not in line and len(skeleton(line)) >= _ENOUGH


def skeleton(text: str) -> str:
    """Letters and digits of a text, normalized by shape."""
    folded = unicodedata.normalize("NFKD", text.translate(_TABLE)).translate(_TABLE).casefold().translate(_TABLE)
    letters = "".join(c for c in folded if c.isalnum())
    return letters.replace("m", "rn")


_NAME = skeleton("fmnb")
