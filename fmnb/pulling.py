"""A download as a run: the same events, log, interrupt and partial state as a call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from ._loop import aclose, drain
from .catalog.pull import pull as bring
from .errors import FmnbError, Interrupted
from .events import Cancelled, Event, Failed, Finished, Sink, Stamper, Started, emit, new_run
from .session import session
from .store import log


def pull(source: str, *, sinks: Sequence[Sink] = ()) -> Path:
    """Bring the weights of a source to this machine and return their path.

    What is here already is not brought again. Raises DownloadError; an interrupt leaves
    nothing that could load as a broken model.
    """
    stamp = Stamper(new_run())
    listeners: list[Sink] = [*sinks, log.LogSink(session.notebook)]
    found: Path | None = None
    items = drain(_events(source, stamp))
    try:
        for event in items:
            emit(event, listeners)
            if isinstance(event, Finished):
                found = Path(event.extra["path"])
    except KeyboardInterrupt:
        emit(stamp(Cancelled()), listeners)
        raise Interrupted(None, stamp.run) from None
    finally:
        items.close()  # type: ignore[attr-defined]
    assert found is not None
    return found


async def _events(source: str, stamp: Stamper) -> AsyncIterator[Event]:
    stream = bring(source)
    yield stamp(Started(kind="download", model=source, where=source.partition(":")[0]))
    try:
        async for event in stream:
            yield stamp(event)
    except FmnbError as e:
        e.run = stamp.run
        yield stamp(Failed(error=e.to_dict()))
        raise
    finally:
        await aclose(stream)
