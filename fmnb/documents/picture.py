"""Image files: a picture, without text of its own."""

from __future__ import annotations

from ..core.media import sniff
from .document import Document, Picture


def read_picture(data: bytes, name: str) -> Document:
    """An image file as a document of one picture.

    Args:
        data: The file's bytes.
        name: The file's name.

    Returns:
        A document without blocks; `read` adds one if it is given a function that describes pictures.

    >>> read_picture(b"GIF89a", "cat.gif").pictures[0].media_type
    'image/gif'
    """
    media_type = sniff(data)
    return Document(name, media_type, (), pictures=(Picture(data, media_type),))
