"""The pictures inside a document, as far as the limits allow."""

from __future__ import annotations

import hashlib

from ..core.media import pixels, sniff
from .document import Picture
from .limits import Limits

_SIDE = 48  # pixels; what is smaller is a bullet or an icon


class Pictures:
    """Collects the pictures of a document: formats that can be shown, each once, no icons."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._seen: set[bytes] = set()
        self._bytes = 0
        self._left_out = 0
        self.found: list[Picture] = []

    def add(self, data: bytes, page: int | None = None, place: str = "") -> None:
        """Keep a picture unless it is over a limit."""
        media_type = sniff(data)
        digest = hashlib.sha256(data).digest()
        size = pixels(data)
        if not media_type.startswith("image/") or digest in self._seen or (size and max(size) < _SIDE):
            return
        self._seen.add(digest)
        if len(self.found) >= self._limits.pictures or self._bytes + len(data) > self._limits.picture_bytes:
            self._left_out += 1
            return
        self._bytes += len(data)
        self.found.append(Picture(data, media_type, page, place))

    @property
    def full(self) -> bool:
        """Whether no more pictures are kept."""
        return len(self.found) >= self._limits.pictures or self._bytes >= self._limits.picture_bytes

    @property
    def notes(self) -> list[str]:
        """What was left out."""
        return [f"{self._left_out:,} pictures left out"] if self._left_out else []
