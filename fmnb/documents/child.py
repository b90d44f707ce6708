"""Parses a document in a process of its own, with limits of memory and time.

kernel: the open file is the child's standard input ─► child: limits, parser ─► JSON on its standard output

The child gets no environment variables but those that Python needs, so no keys, and returns JSON, which is
not pickle: whatever a document does to its parser, the kernel only reads text. Windows and macOS have no
limit of memory; there only the time is limited.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO

from ..core.errors import FmnbError, UsageError, error_from_dict
from ..core.media import format_size
from .document import Block, Document, Picture
from .formats import parse
from .inert_document import inert_document
from .kinds import Kind
from .limits import Limits

_REPLY = 100 << 20  # bytes of a reply beyond those of text and pictures
_KEPT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_THREADS = {n: "1" for n in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS")}
_MEMORY_POOL = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"}  # others reserve more addresses than they use


def parse_in_child(kind: Kind, file: BinaryIO, name: str, limits: Limits) -> Document:
    """Read a file in a child process.

    Args:
        kind: Its format.
        file: The file, open at its start.
        name: Name of the document.
        limits: The limits.

    Returns:
        The document.

    Raises:
        UsageError: The file is damaged, encrypted, or needs more memory or time than the limits allow.
        MissingPackageError: The reader needs a package.
    """
    request = json.dumps({"kind": kind, "name": name, "limits": asdict(limits)})
    child: subprocess.Popen[bytes] | None = None
    out_of_time = threading.Event()

    def end() -> None:
        out_of_time.set()
        if child is not None:
            child.kill()

    timer = threading.Timer(limits.seconds, end)
    timer.daemon = True
    try:
        with _as_file(file) as source:
            child = subprocess.Popen(
                [sys.executable, "-P", "-B", "-c", f"from {__name__} import main; main()", request],
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,  # an interrupt is for the kernel, which then ends the child
            )
        timer.start()
        assert child.stdout is not None
        reply = child.stdout.read(_REPLY + 4 * limits.characters + 2 * limits.picture_bytes)
    finally:
        timer.cancel()
        if child is not None:
            child.kill()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()
    if out_of_time.is_set():
        raise UsageError(
            "The file takes too long to read",
            detail=f"{name}: still not read after {limits.seconds:g} s",
            hint="Split it, or save it again.",
        )
    return _document(reply, name, limits)


def _as_file(file: BinaryIO) -> BinaryIO:
    """A file with a descriptor, at its start, that can be closed."""
    with suppress(OSError, AttributeError):
        handle = os.dup(file.fileno())
        os.lseek(handle, 0, os.SEEK_SET)  # a buffered file at its start may have read ahead
        return os.fdopen(handle, "rb")
    copy = tempfile.TemporaryFile()
    copy.write(file.read())
    copy.flush()
    copy.seek(0)
    return copy


def _environment() -> dict[str, str]:
    kept = {n: os.environ[n] for n in _KEPT if n in os.environ}
    return {**kept, **_THREADS, **_MEMORY_POOL, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _document(reply: bytes, name: str, limits: Limits) -> Document:
    try:
        said = json.loads(reply)
        if "error" in said:
            raise error_from_dict(said["error"])
        return _from_dict(said["document"])
    except (ValueError, KeyError, TypeError, RecursionError):  # it died while it worked or wrote
        raise UsageError(
            "The file needs more memory than allowed, or ends its reader",
            detail=f"{name}: the limit is {format_size(limits.memory)}",
            hint="Split it, or save it again.",
        ) from None


def main() -> None:
    """The child: read the document on standard input and write it to standard output as JSON."""
    request = json.loads(sys.argv[1])
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a parser prints is no part of the reply
    limits = Limits(**request["limits"])
    try:
        _limit(limits)
        document = inert_document(parse(request["kind"], os.fdopen(0, "rb"), request["name"], limits), limits)
        reply = {"document": _to_dict(document)}
    except FmnbError as e:
        reply = {"error": e.to_dict()}
    except MemoryError:
        detail = f"{request['name']}: the limit is {format_size(limits.memory)}"
        reply = {
            "error": UsageError("The file needs more memory than allowed", detail=detail, hint="Split it, or save it again.").to_dict()
        }
    except Exception as e:  # parsers raise whatever a damaged file leads them to
        detail = f"{request['name']}: {type(e).__name__}: {e}"[:300]
        reply = {"error": UsageError("The file cannot be read", detail=detail, hint="It may be damaged: save it again.").to_dict()}
    out.write(json.dumps(reply, ensure_ascii=False).encode("utf-8", "replace"))
    out.close()


def _limit(limits: Limits) -> None:
    """Limit what this process may use: memory, time, and no bytes in any file."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = 0
    with suppress(OSError, ValueError, IndexError), open("/proc/self/statm", "rb") as f:
        used = int(f.read().split()[0]) * resource.getpagesize()
    seconds = int(limits.seconds) + 5
    for kind, most in (
        (resource.RLIMIT_AS, used + limits.memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def _to_dict(document: Document) -> dict[str, Any]:
    blocks = [(b.text, b.kind, b.level, b.page, b.lines, b.place) for b in document.blocks]  # a list is a third of the size of a dict
    pictures = [(base64.b64encode(p.data).decode(), p.media_type, p.page, p.place) for p in document.pictures]
    about = (document.name, document.media_type, document.title, document.pages, document.notes)
    return {"about": about, "blocks": blocks, "pictures": pictures}


def _from_dict(data: dict[str, Any]) -> Document:
    name, media_type, title, pages, notes = data["about"]
    blocks = (
        Block(text, kind, level, page, tuple(lines) if lines else None, place) for text, kind, level, page, lines, place in data["blocks"]
    )
    pictures = (Picture(base64.b64decode(d), kind, page, place) for d, kind, page, place in data["pictures"])
    return Document(name, media_type, tuple(blocks), title, pages, tuple(pictures), tuple(notes))
