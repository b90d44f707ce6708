"""Weights from the Hugging Face hub, through its own client, which resumes interrupted downloads.

Files are written to the models folder under temporary names; each is verified against the hub's
hash before it gets a record.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..config.environment import CERTIFICATES, set_here
from ..core.errors import ConnectionFailedError, DownloadError, FmnbError, ModelError, UnknownModelError, UsageError
from ..core.events import Event, Notice, Progress
from ..core.optional import require
from ..engines import host
from . import pipelines, weights
from .weights import Source

Put = Callable[[Event], None]
_SECONDS = 15.0  # timeout for repository queries; the client has none
_USUAL = ("huggingface.co", "hf.co")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# The files of a model that is not a GGUF file: config, tokenizer, processors, poolings; then its weights.
_PLAIN = re.compile(
    r"(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template|modules"
    r"|(image_|video_|feature_extractor_)?(pre)?processor_config|sentence_bert_config|config_sentence_transformers)\.json"
    r"|1_Pooling/config\.json|chat_template\.jinja|merges\.txt|vocab\.txt|(tokenizer|spiece|sentencepiece(\.bpe)?)\.model|(source|target)\.spm"
)
_SAFE = re.compile(r"model(-\d+-of-\d+)?\.safetensors(\.index\.json)?")
_PICKLED = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin(\.index\.json)?")  # read as plain tensors: their code is not run


@dataclass(frozen=True, slots=True)
class HubListing:
    """Files of a repository with sizes in bytes, its license, and whether that must be accepted first."""

    files: tuple[tuple[str, int], ...]
    license: str
    gated: bool
    revision: str

    @property
    def size(self) -> int:
        """Total bytes."""
        return sum(size for _, size in self.files)


def hub_listing(s: Source) -> HubListing:
    """Query the hub for the files of `s`. Raises the errors of `fetch_hub`."""
    hub = require("huggingface_hub", "all", "to reach the hub")
    try:
        info = hub.HfApi(token=token(hub)).model_info(s.name, revision=s.version or None, files_metadata=True, timeout=_SECONDS)
        sizes = {f.rfilename: f.size or 0 for f in info.siblings or ()}
        if _is_pipeline(s, list(sizes)):
            parts = sorted({n.partition("/")[0] for n in sizes if "/" in n})
            names = pipelines.files_of(sizes, parts, host.has_gpu())
        else:
            names = _choose(s, list(sizes))
    except FmnbError:
        raise
    except Exception as e:
        raise _error(hub, s, e) from None
    return HubListing(tuple((n, sizes[n]) for n in names), (info.card_data or {}).get("license", "") or "", bool(info.gated), info.sha)


def token(hub: Any) -> bool | None:
    """The token for the client: False (send none) if a notebook chose the hub but not the token."""
    own = [n for n in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") if os.environ.get(n)]
    if own and all(map(set_here, own)):
        return None
    # The token is from outside the notebook. Neither an address nor certificates that a cell set may lead it away.
    moved = set_here("HF_ENDPOINT") and urlsplit(hub.constants.ENDPOINT).hostname not in _USUAL
    return False if moved or any(map(set_here, CERTIFICATES)) else None


class DownloadStopped(Exception):
    """The user closed the stream; raised inside the progress bar to leave the client's code."""


def fetch_hub(s: Source, folder: Path, put: Put, stop: threading.Event) -> Path:
    """Download the files of a repository into `folder`; returns the model file, or the folder."""
    hub = require("huggingface_hub", "all", "to reach the hub")
    revision = s.version or None
    try:
        info = hub.HfApi(token=token(hub)).model_info(s.name, revision=revision, timeout=_SECONDS)
        license = (info.card_data or {}).get("license", "") or ""
        names = [f.rfilename for f in info.siblings or ()]
        names = _pipeline(hub, s, names, info.sha, folder) if _is_pipeline(s, names) else _choose(s, names)
        if license and weights.known_of(s) is None:
            put(Notice(kind="note", text=f"license: {license}"))
        plans = [hub.hf_hub_download(s.name, n, revision=info.sha, local_dir=folder, token=token(hub), dry_run=True) for n in names]
        total = sum(p.file_size for p in plans)
        free = shutil.disk_usage(folder.parent).free
        missing = sum(p.file_size for p in plans if p.will_download)
        if missing > free:
            raise DownloadError(
                "The disk is too full",
                detail=f"{missing / 1e6:.0f} MB are needed in {folder.parent}, {free / 1e6:.0f} MB are free",
                hint="Free disk space (`%fm rm`), or set FMNB_MODELS to another disk.",
            )
        done = 0
        for name, plan in zip(names, plans, strict=True):
            bar = _bar(hub, put, stop, done, total)
            hub.hf_hub_download(s.name, name, revision=info.sha, local_dir=folder, token=token(hub), tqdm_class=bar)
            _check(hub, s, name, info.sha, folder / name, license, put, stop)
            done += plan.file_size
    except (DownloadStopped, FmnbError):
        raise
    except Exception as e:  # the client raises its own errors and those of httpx and the system
        raise _error(hub, s, e) from None
    if len(names) == 1:
        return folder / names[0]
    main = folder / names[-1]
    weights.write_record(main, s, weights.sha256(main), total, license)
    return folder


def _is_pipeline(s: Source, names: list[str]) -> bool:
    return pipelines.INDEX in names and not s.file and not any(n.endswith(".gguf") for n in names)


def _pipeline(hub: Any, s: Source, names: list[str], revision: str, folder: Path) -> list[str]:
    """The files of a diffusers pipeline: 16-bit weights if a GPU will run them."""
    index = hub.hf_hub_download(s.name, pipelines.INDEX, revision=revision, local_dir=folder, token=token(hub))
    chosen = pipelines.files_of(names, pipelines.parts_of(weights.read_json(Path(index))), host.has_gpu())
    if not any(n.endswith(".safetensors") for n in chosen):
        raise ModelError(
            "This pipeline's weights are not safetensors", detail=str(s), hint="Use a repository that has them: other formats can run code."
        )
    return chosen


def _choose(s: Source, names: list[str]) -> list[str]:
    """The files of a repository that belong to the named model."""
    row = weights.known_of(s)
    wanted = s.file or (row.file if row else "")
    if wanted:
        if wanted not in names:
            raise UnknownModelError(
                "The repository has no such file",
                detail=str(s),
                hint=f"It has: {', '.join(n for n in names if n.endswith('.gguf')) or 'no .gguf file'}.",
            )
        return [wanted]
    models = [n for n in names if n.endswith(".gguf")]
    if len(models) == 1:
        return models
    if models:
        raise UsageError(f"{s} contains several models", detail=", ".join(models), hint=f"Name one: {s}/{models[0]}")
    weights_ = next(
        (w for kind in (_SAFE, re.compile(r"[^/]+\.safetensors"), _PICKLED) if (w := [n for n in names if kind.fullmatch(n)])), None
    )
    plain = [n for n in names if _PLAIN.fullmatch(n)]
    if "config.json" not in plain or weights_ is None:
        raise ModelError("The repository has no weights that fmnb can use", detail=str(s), hint="Use one with a .gguf file or safetensors.")
    plain += weights_
    return sorted(plain, key=lambda n: n == "config.json")  # last, since its record marks the download as complete


def _check(hub: Any, s: Source, name: str, revision: str, file: Path, license: str, put: Put, stop: threading.Event) -> None:
    """Verify a file against the hub's hash (large files have one); a wrong file is deleted."""
    size, said = file.stat().st_size, [0.0]

    def progress(done: int) -> None:
        if stop.is_set():
            raise DownloadStopped
        if time.monotonic() - said[0] > 0.2:
            said[0] = time.monotonic()
            put(Progress(stage="checking", done=done, total=size, unit="bytes"))

    digest = weights.sha256(file, progress)
    etag = hub.get_hf_file_metadata(hub.hf_hub_url(s.name, name, revision=revision), token=token(hub)).etag or ""
    row = weights.known_of(s)
    expected = row.sha256 if row and row.sha256 else etag if _SHA256.fullmatch(etag) else digest
    if digest != expected:
        file.unlink()
        raise DownloadError(
            "The downloaded weights are damaged", detail=f"{name}: sha256 {digest[:16]}…, expected {expected[:16]}…", hint="Pull again."
        )
    try:
        weights.check_model(file)
    except ModelError:
        file.unlink()
        raise
    if name not in ("config.json", pipelines.INDEX):
        weights.write_record(file, s, digest, size, license)


def _bar(hub: Any, put: Put, stop: threading.Event, before: int, total: int) -> type:
    """A progress bar class that yields events and prints nothing."""

    class Bar(hub.utils.tqdm):  # type: ignore[misc, name-defined]
        def __init__(self, *args: Any, **kwargs: Any):
            self._came = int(kwargs.get("initial") or 0)
            self._said = 0.0
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            if stop.is_set():
                raise DownloadStopped
            self._came += int(n or 0)
            if time.monotonic() - self._said > 0.1:
                self._said = time.monotonic()
                put(Progress(stage="downloading", done=min(before + self._came, total), total=total, unit="bytes"))
            return None

    return Bar


def _error(hub: Any, s: Source, e: Exception) -> FmnbError:
    """The client's exception as an fmnb error."""
    kinds = hub.errors
    if isinstance(e, kinds.GatedRepoError):
        page = f"{hub.constants.ENDPOINT}/{s.name}"
        return ModelError(
            "This model's license must be accepted first",
            detail=str(s),
            hint=f"Accept it at {page}, then set HF_TOKEN to your token.",
        )
    if isinstance(e, kinds.RepositoryNotFoundError):
        return UnknownModelError(
            "The hub has no such repository, or it is private", detail=str(s), hint="Check the name; for a private one set HF_TOKEN."
        )
    if isinstance(e, kinds.RevisionNotFoundError):
        return UnknownModelError("The repository has no such revision", detail=str(s), hint="Omit @revision for the newest.")
    if isinstance(e, (kinds.OfflineModeIsEnabled, kinds.LocalEntryNotFoundError)):
        return ConnectionFailedError(
            "The hub cannot be reached",
            detail=str(e).splitlines()[0],
            hint="Check the network; HF_HUB_OFFLINE turns the hub off, HF_ENDPOINT names a mirror.",
        )
    module = type(e).__module__.split(".")[0]
    if isinstance(e, ConnectionError) or module.startswith(("httpx", "httpcore")) and "HTTPStatus" not in type(e).__name__:
        return ConnectionFailedError(
            "The hub cannot be reached", detail=f"{type(e).__name__}: {e}", hint="Check the network and proxy; HF_ENDPOINT names a mirror."
        )
    if isinstance(e, OSError) and not isinstance(e, kinds.HfHubHTTPError) and e.errno is not None:
        raise e
    return DownloadError(
        "The download failed",
        detail=f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}",
        hint="Try again; the partial download is resumed.",
    )
