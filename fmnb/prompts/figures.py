"""Figures, images and encoded bytes as an Image part of a size that services accept.

matplotlib and Pillow are used only if the notebook has imported them; encoded bytes need neither.
"""

from __future__ import annotations

import importlib
import io
from typing import Any

from ..core.errors import UsageError
from ..core.types import Image

BYTES = 4_500_000  # the lowest limit of large services is 5 MB per image; some count base64, a third more
SIDE = 2_048  # pixels; services scale down larger images

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)


def sniff(data: bytes) -> str:
    """The media type according to the first bytes, or "".

    >>> sniff(b"%PDF-1.7")
    'application/pdf'
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), "")


def image_of(value: Any, name: str = "") -> Image | None:
    """The image of a figure, axes, PIL image or encoded bytes, or None.

    An image that is too large is scaled down if Pillow is installed, else a UsageError is raised.
    """
    if isinstance(value, bytes):
        kind = sniff(value)
        return _fit(value, kind, name) if kind.startswith("image/") else None
    for base in type(value).__mro__:
        root = base.__module__.split(".")[0]
        if root == "matplotlib" and base.__name__ in ("Figure", "FigureBase"):
            return _figure(value, name)
        if root == "matplotlib" and base.__name__ in ("Axes", "_AxesBase"):
            return _figure(value.figure, name)
        if root == "PIL" and base.__name__ == "Image":
            return _pil(value, name)
    return None


def _figure(figure: Any, name: str) -> Image:
    while getattr(figure, "savefig", None) is None and getattr(figure, "figure", None) not in (None, figure):
        figure = figure.figure  # a subfigure is drawn by its parent figure
    out = io.BytesIO()
    dpi = float(figure.get_dpi())
    longest = max(figure.get_size_inches())
    figure.savefig(out, format="png", dpi=min(dpi, SIDE / longest) if longest else dpi, metadata={"Software": None})
    titles = [t for t in (_suptitle(figure), *(a.get_title() for a in figure.get_axes())) if t]
    return _fit(out.getvalue(), "image/png", "; ".join(titles) or name or "figure")


def _suptitle(figure: Any) -> str:
    get = getattr(figure, "get_suptitle", None)
    return get() if get else ""


def _pil(picture: Any, name: str) -> Image:
    if max(picture.size) > SIDE:
        picture = picture.copy()
        picture.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    if picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        picture = picture.convert("RGB")
    picture.save(out, format="PNG")
    return _fit(out.getvalue(), "image/png", name or f"image of {picture.size[0]} × {picture.size[1]} pixels")


def _fit(data: bytes, kind: str, alt: str) -> Image:
    if len(data) <= BYTES:
        return Image(data, kind, alt)
    try:
        pil = importlib.import_module("PIL.Image")
    except ModuleNotFoundError:
        raise UsageError(
            "This image is larger than services accept",
            detail=f"{len(data) / 1e6:.1f} MB, the limit is {BYTES / 1e6:.1f} MB",
            hint='Scale it down, or run `%pip install "fmnb[docs]"` and it is done for you.',
        ) from None
    picture = pil.open(io.BytesIO(data))
    picture.thumbnail((SIDE, SIDE))
    for quality in (90, 75, 50):
        out = io.BytesIO()
        picture.convert("RGB").save(out, format="JPEG", quality=quality)
        if out.tell() <= BYTES:
            break
    return Image(out.getvalue(), "image/jpeg", alt)
