"""The events of a run that is one stream: its start, each event stamped, and its failure."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..core.errors import FmnbError
from ..core.event_loop import aclose
from ..core.events import Event, EventStamper, Failed, Started


async def run_events(start: Started, stream: AsyncIterator[Event], stamp: EventStamper) -> AsyncIterator[Event]:
    """The start and the events of a stream, stamped. A failure is a `Failed` event, then it is raised."""
    yield stamp(start)
    try:
        async for event in stream:
            yield stamp(event)
    except FmnbError as e:
        e.run = stamp.run
        yield stamp(Failed(error=e.to_dict()))
        raise
    finally:
        await aclose(stream)
