"""Encoded images and videos: format, size, and how they are shown.

Knows nothing of models. Model output is untrusted: its type is read from its bytes, and only types
without active content are shown (no SVG). Pillow, if installed, makes previews of images that are
too large for a notebook.
"""

from __future__ import annotations

import base64
import functools
import importlib
import io
import os
import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

from .atomic_write import replace_file
from .errors import UsageError
from .inert_text import inert
from .optional import require

INLINE = 1_000_000  # bytes of an image that a notebook holds unchanged; larger ones become previews
INLINE_VIDEO = 4_000_000  # bytes of a video that a notebook holds; there are no previews
PREVIEW = 400_000  # maximum bytes of a preview
_SIDE = 1_600  # pixels of the longer side of a preview

_SUFFIX = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/svg+xml": ".svg",  # saved, never shown
    "video/mp4": ".mp4",
    "video/webm": ".webm",
}

_MP4 = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"dash", b"M4V ", b"MSNV")


def sniff(data: bytes) -> str:
    """The media type of an image or video that can be shown, from its first bytes; "" for anything else.

    >>> sniff(b"\\xff\\xd8\\xff\\xe0"), sniff(b"<svg>")
    ('image/jpeg', '')
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp" and data[8:12] in _MP4:
        return "video/mp4"
    if data.startswith(b"\x1aE\xdf\xa3") and b"webm" in data[:64]:
        return "video/webm"
    return ""


def suffix(kind: str) -> str:
    """File suffix of a media type; "" if unknown."""
    return _SUFFIX.get(kind, "")


def pixels(data: bytes) -> tuple[int, int] | None:
    """Width and height of an image, from its header; None for a video or a truncated header."""
    try:
        match sniff(data):
            case "image/png":
                return struct.unpack(">II", data[16:24])  # type: ignore[return-value]
            case "image/gif":
                return struct.unpack("<HH", data[6:10])  # type: ignore[return-value]
            case "image/webp":
                return _webp(data)
            case "image/jpeg":
                return _jpeg(data)
    except (struct.error, IndexError):
        pass
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while data[at] == 0xFF:
        mark = data[at + 1]
        if 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    match data[12:16]:
        case b"VP8X":
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        case b"VP8 ":
            width, height = struct.unpack("<HH", data[26:30])
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


def format_size(size: int) -> str:
    """Format a number of bytes.

    >>> format_size(812), format_size(48_200), format_size(4_200_000)
    ('812 bytes', '48 kB', '4.2 MB')
    """
    return f"{size} bytes" if size < 1_000 else f"{size / 1e3:.0f} kB" if size < 999_500 else f"{size / 1e6:.1f} MB"


def describe(data: bytes, kind: str, alt: str) -> str:
    """Describe an image or video in text.

    >>> describe(b"GIF89a" + struct.pack("<HH", 3, 2), "image/gif", "a cat")
    '[image 3x2 GIF, 10 bytes: a cat]'
    """
    group, _, name = kind.partition("/")
    size = pixels(data)
    about = f"{group} {size[0]}x{size[1]} {name.upper()}" if size else f"{group} {name.upper()}"
    line = " ".join(f"{about}, {format_size(len(data))}: {alt}".split()) if alt else f"{about}, {format_size(len(data))}"
    return f"[{line}]"


def alt_text(model: str, prompt: str) -> str:
    """Alternative text of a generated image.

    >>> alt_text("openai:gpt-image-2", "a cat")
    'Made by openai:gpt-image-2: a cat'
    """
    flat = " ".join(prompt.split())
    return f"Made by {model}: {flat if len(flat) <= 160 else flat[:157] + '...'}"


def with_metadata(png: bytes, said: dict[str, str]) -> bytes:
    """A PNG with the given texts as metadata; other formats are returned unchanged."""
    if sniff(png) != "image/png" or len(png) < 33:
        return png
    chunks = b""
    for key, text in said.items():
        body = b"iTXt" + key.encode("latin-1", "replace")[:79] + b"\0\0\0\0\0" + text.encode("utf-8", "replace")
        chunks += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:33] + chunks + png[33:]  # after the header, which is always 33 bytes


def open_image(data: bytes, kind: str, about: dict[str, Any]) -> Any:
    """A PIL image with `about` in its info; UsageError if Pillow cannot open it."""
    pil = require("PIL.Image", "docs", "to open an image")
    try:
        picture = pil.open(io.BytesIO(data))
        picture.load()
    except Exception as e:  # Pillow raises many kinds of errors for broken and oversized files
        todo = f'answer.save("picture{suffix(kind)}") writes its bytes.'
        raise UsageError("The image cannot be opened", detail=f"{kind}: {str(e)[:80]}", hint=todo) from None
    picture.info.update(about)
    return picture


def save(parts: Sequence[tuple[bytes, str, dict[str, str]]], path: Path, overwrite: bool) -> list[Path]:
    """Write media to files named after `path`, each with its PNG metadata; returns the paths.

    Nothing is written if a file exists and may not be overwritten, or if the suffix is of another
    type. Writes are atomic: a file to be overwritten is kept when the disk is full.
    """
    files = [_named(path, kind, n if len(parts) > 1 else 0) for n, (_, kind, _) in enumerate(parts, 1)]
    if there := [f for f in files if os.path.exists(f) and (f.is_dir() or not overwrite)]:
        todo = "Name a file in that folder." if there[0].is_dir() else "Give another name, or overwrite=True."
        raise UsageError("A file or folder of that name exists", detail=str(there[0]), hint=todo)
    for file, (data, _, said) in zip(files, parts, strict=True):
        part = file.with_name(f".{file.name}.part")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(with_metadata(data, said))
            replace_file(part, file)
        except OSError as e:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise UsageError(
                "The file cannot be written", detail=f"{file}: {e.strerror or e}", hint="Name a file in another folder."
            ) from None
    return files


def _named(path: Path, kind: str, number: int) -> Path:
    ending = suffix(kind) or ".bin"
    given = {".jpeg": ".jpg", ".jpe": ".jpg"}.get(path.suffix.lower(), path.suffix.lower())
    if given != ending and given in _SUFFIX.values():
        convert = f", or convert: answer.image.save({path.name!r})" if kind.startswith("image/") else ""
        raise UsageError(
            f"These bytes are {kind.partition('/')[2].upper()}", detail=path.name, hint=f"Name it {path.stem}{ending}{convert}."
        )
    name = path.name if given == ending else path.name + ending
    stem, _, last = name.rpartition(".")
    return path.with_name(f"{stem}-{number}.{last}" if number else name)


def preview(data: bytes, most: int = PREVIEW) -> bytes | None:
    """A smaller copy of an image, at most `most` bytes of WebP or JPEG.

    None without Pillow, or if the image is unreadable.
    """
    try:
        pil: Any = importlib.import_module("PIL.Image")
    except ModuleNotFoundError:
        return None
    try:
        with pil.open(io.BytesIO(data)) as opened:
            opened.draft("RGB", (_SIDE, _SIDE))
            picture = opened.convert("RGBA" if "A" in opened.getbands() or "transparency" in opened.info else "RGB")
        for side, quality in ((_SIDE, 85), (1_200, 80), (800, 70), (400, 60), (200, 50)):
            picture.thumbnail((side, side))
            out = io.BytesIO()
            try:
                picture.save(out, "WEBP", quality=quality)
            except (OSError, KeyError):  # Pillow without WebP
                out = io.BytesIO()
                picture.convert("RGB").save(out, "JPEG", quality=quality)
            if out.tell() <= most:
                return out.getvalue()
    except Exception:  # Pillow raises many kinds of errors for broken files
        return None
    return None


@functools.lru_cache(maxsize=4)
def _shown(data: bytes) -> bytes | None:
    """The bytes for a notebook: the image, its preview, or None."""
    return data if len(data) <= INLINE else preview(data)


def figure_html(data: bytes, alt: str) -> str:
    """HTML of an image or video; a note on how to save it where it is too large or untrusted."""
    kind = sniff(data)
    name = f'<code>answer.save("{(kind or "image/?").partition("/")[0]}{suffix(kind)}")</code>'
    if not kind:
        return _note(f"not shown: this is not an image or video that can be shown safely ({format_size(len(data))})")
    if kind.startswith("video/"):
        if len(data) > INLINE_VIDEO:
            return _note(f"{inert(describe(data, kind, alt))} too large to show here; {name} writes it")
        source = _uri(kind, data)
        return f'<video controls preload="metadata" aria-label="{escape(alt)}" src="{source}" style="{_FRAME}"></video>\n'
    shown = _shown(data)
    if shown is None:
        return _note(
            f"{inert(describe(data, kind, alt))} too large to show here; {name} writes it, and with Pillow installed a preview is shown"
        )
    size = pixels(data)
    width = f' width="{size[0]}"' if size and size[0] else ""
    html = f'<img src="{_uri(sniff(shown), shown)}" alt="{escape(alt)}"{width} style="{_FRAME}">\n'
    return html if len(data) <= INLINE else html + _note(f"preview; {name} writes the original, {format_size(len(data))}")


_FRAME = "display:block;max-width:100%;height:auto;margin:.3em 0"


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _note(html: str) -> str:
    return f'<p style="font-size:12px;color:var(--vscode-descriptionForeground,var(--jp-ui-font-color2,inherit));margin:.2em 0 .4em">{html}</p>\n'
