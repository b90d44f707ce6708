"""Structured output: an answer is validated against its schema and repaired once if it does not fit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from ...core.errors import SchemaMismatchError
from ...core.events import Event, Failed, Finished, Notice, Restarted, TextDelta
from ...core.json_prefix import is_json_prefix
from ...core.repetition import HINT, NOTICE, REASON, is_looping
from ...core.types import UNFINISHED, message
from ..call import Call
from .base import Proceed

_REPAIRED = "retried: the first answer did not match the schema"


def validate_schema(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
    """Validate a structured answer; without a schema, parse an answer in JSON format."""
    if call.spec is not None:
        return _validated(call, proceed)
    return _read_json(call, proceed) if call.request.format == "json" else proceed(call)


async def _validated(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
    for attempt in (1, 2):
        text: list[str] = []
        end: Finished | None = None
        async for event in proceed(call):
            if isinstance(event, TextDelta):
                text.append(event.text)
            elif isinstance(event, Restarted):
                text.clear()
            if isinstance(event, Finished):
                end = event
            else:
                yield event
        answer = "".join(text)
        try:
            data = data_of(call, answer, end)
        except SchemaMismatchError as e:
            reason = "" if end is None else end.reason
            if is_stuck(answer, reason) and reason not in (REASON, "length"):  # else the stream has warned
                yield Notice(kind="warning", text=NOTICE)
            if attempt == 2 or reason == "length" or is_stuck(answer, reason):
                raise
            yield Restarted(reason=e.message)
            yield Notice(kind="note", text=_REPAIRED)
            call = _repair(call, answer, e)
            continue
        assert end is not None
        yield replace(end, data=data)
        return


async def _read_json(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
    text: list[str] = []
    async for event in proceed(call):
        if isinstance(event, TextDelta):
            text.append(event.text)
        elif isinstance(event, Restarted):
            text.clear()
        if isinstance(event, Finished) and event.data is None:
            from ...schemas.validate import read_json

            event = replace(event, data=read_json("".join(text)))
        yield event


def _repair(call: Call, text: str, error: SchemaMismatchError) -> Call:
    from ...schemas.validate import repair_prompt

    messages = (*call.request.messages, message("assistant", text), message("user", repair_prompt(error)))
    return replace(call, request=replace(call.request, messages=messages), cell=call.cell and call.cell + "+repair")


def data_of(call: Call, text: str, end: Finished | None) -> Any:
    """The data of an answer as JSON.

    Raises:
        SchemaMismatchError: The text does not fit the call's schema; it says so if the answer was truncated or repeats itself.
    """
    from ...schemas.validate import parse

    assert call.spec is not None
    reason = "" if end is None else end.reason
    try:
        if end is not None and end.extra.get(UNFINISHED):  # its engine reports it, even if the text is valid JSON
            raise SchemaMismatchError("The answer is not JSON", detail="it ends in the middle", billed=True)
        parse(text, call.spec)  # validated as the user's own classes do
        return parse(text, replace(call.spec, build=lambda plain: plain))  # kept as JSON
    except SchemaMismatchError as e:
        if not call.target.known:
            e.billed = None  # whether a custom model costs money is unknown
        if reason == "length":
            raise truncated_error(e) from None
        if is_stuck(text, reason):
            raise repetition_error(e) from None
        profile = getattr(call.target, "profile", None)
        if e.message == "The answer is not JSON" and not e.hint and profile is not None and profile.schema != "none":
            e.hint = "The request asked for JSON with this schema, and the service ignored that: use another model or server."
        raise


def read_data(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
    """The answer with its data, if there is a schema; a mismatch fails and is not repaired."""
    return proceed(call) if call.spec is None else _read_data(call, proceed)


async def _read_data(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
    text: list[str] = []
    async for event in proceed(call):
        if isinstance(event, TextDelta):
            text.append(event.text)
        elif isinstance(event, Restarted):
            text.clear()
        yield replace(event, data=data_of(call, "".join(text), event)) if isinstance(event, Finished) else event


def with_data(call: Call, text: str, end: Finished) -> Event:
    """The end of an answer that arrived without the pipeline: with its data, or a schema mismatch."""
    try:
        return replace(end, data=data_of(call, text, end))
    except SchemaMismatchError as e:
        return Failed(error=e.to_dict())


def is_stuck(text: str, reason: str = "") -> bool:
    """Whether a text that does not fit its schema is stuck in a loop, so that a retry would give the same."""
    from ...schemas.validate import read_json

    return reason == REASON or (is_looping(text) and (is_json_prefix(text) or read_json(text) is None))


def truncated_error(e: SchemaMismatchError) -> SchemaMismatchError:
    """The error of an answer truncated at its token limit."""
    what = "The answer was truncated at max_tokens"
    return SchemaMismatchError(what, hint="Raise --max-tokens.", billed=e.billed)


def repetition_error(e: SchemaMismatchError) -> SchemaMismatchError:
    """The error of an answer stuck in a loop."""
    what = "The answer repeated itself and does not match the schema"
    return SchemaMismatchError(what, hint=f"{HINT[0].upper()}{HINT[1:]}.", billed=e.billed)
