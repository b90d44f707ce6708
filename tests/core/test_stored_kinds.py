"""What stored data calls things: these words stand in logs, on tapes and in saved notebooks, and outlive the names of classes."""

from __future__ import annotations

import json
import pickle

import pytest

from fmnb.core import errors, events
from fmnb.core.errors import CallError, FmnbError, error_from_dict
from fmnb.core.events import KINDS, event_from_dict, event_to_dict
from fmnb.core.types import File, Image, Message, Reasoning, Request, Text, ToolCall, ToolResult, from_dict, message, to_dict

EVENTS = (
    "Started TextDelta ReasoningDelta Media ToolCallDelta Logprobs Progress Waiting Notice Restarted Used Signal Scored"
    " Finished Failed Cancelled"
).split()
ERRORS = (
    "FmnbError UsageError PromptError SchemaError SettingsError LockedError MissingPackageError ModelError UnknownModelError"
    " EndedServiceError NotPulledError DownloadError CannotFitError KeyMissingError KeyRefusedError BudgetError ReplayMissError NotInteractiveError"
    " StoreError CallError BadRequestError ContextTooLongError QueryError RateLimitError ServerError ConnectionFailedError CallTimeoutError"
    " TLSError StreamCutError StreamJunkError EmptyAnswerError ContentFilterError SchemaMismatchError ObjectFailedError"
).split()
PARTS = [
    ({"type": "Text", "text": "a"}, Text("a")),
    ({"type": "Image", "data": "YWI="}, Image(b"ab")),
    ({"type": "File", "data": "YWI=", "media_type": "application/pdf"}, File(b"ab", "application/pdf")),
    ({"type": "Reasoning", "text": "so"}, Reasoning("so")),
    ({"type": "ToolCall", "id": "1", "name": "f", "arguments": "{}"}, ToolCall("1", "f", "{}")),
    ({"type": "ToolResult", "id": "1", "content": "x"}, ToolResult("1", "x")),
]
WIDGETS = {
    "grid": "Grid",
    "history": "History",
    "interact": "Interact",
    "labeler": "Labeller",
    "playground": "Playground",
    "report": "Report",
    "chat": "Talk",
}


@pytest.fixture
def rename():
    """Gives a class another name, until the test ends."""
    before = []

    def to_another(kind):
        before.append((kind, kind.__name__))
        kind.__name__ = kind.__qualname__ = "Renamed"

    yield to_another
    for kind, name in before:
        kind.__name__ = kind.__qualname__ = name


def test_the_kinds_of_events_and_errors_are_these():
    assert list(KINDS) == EVENTS
    assert sorted(errors.KINDS) == sorted(ERRORS)
    own = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, FmnbError)]
    assert sorted(c.kind for c in own) == sorted(ERRORS)  # each has its own, none inherits one


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_is_stored_under_its_kind_whatever_its_class_is_called(kind, rename):
    known = {
        "text": "a",
        "data": b"ab" if kind == "Media" else None,
        "media_type": "image/png",
        "index": 0,
        "tokens": (),
        "stage": "load",
        "reason": "busy",
    }
    known |= {"kind": "star", "usage": events.Usage(), "answer": "r", "scorer": "exact"}
    known |= {"error": {"message": "x"} if kind == "Failed" else "no target"}
    made = KINDS[kind](**{f: v for f, v in known.items() if f in KINDS[kind].__dataclass_fields__}, run="r", n=1, at=1.0)
    rename(type(made))
    stored = json.loads(json.dumps(event_to_dict(made)))
    assert stored["event"] == kind and next(iter(stored)) == "event"  # the database finds some by how they begin
    assert event_from_dict(stored) == made


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_is_stored_under_its_kind_whatever_its_class_is_called(kind, rename):
    made = errors.KINDS[kind]("It failed", detail="why", hint="Try again", billed=None)
    rename(type(made))
    assert made.to_dict()["kind"] == kind
    back = error_from_dict(made.to_dict())
    assert type(back) is type(made) and back.to_dict() == made.to_dict()


def test_an_error_of_somebody_elses_is_not_taken_for_ours():
    class OwnError(CallError):
        pass

    assert OwnError("no").to_dict()["kind"] == "OwnError"
    assert type(error_from_dict(OwnError("no").to_dict())) is CallError


@pytest.mark.parametrize("kind", ["Interrupted", "Any", "re", "KeyError", ""])
def test_a_name_that_is_no_kind_of_error_is_a_failed_call(kind):
    assert type(error_from_dict({"kind": kind, "message": "x"})) is CallError


@pytest.mark.parametrize(("stored", "part"), PARTS)
def test_a_part_is_stored_under_its_kind(stored, part, rename):
    rename(type(part))
    assert to_dict(part) == stored
    assert from_dict(Message, {"role": "user", "parts": [stored]}).parts == (part,)


@pytest.mark.parametrize("module", WIDGETS)
def test_a_saved_notebook_calls_a_widget_by_its_kind(module):
    from fmnb.jupyter import widgets

    made = __import__(f"{widgets.__name__}.{module}", fromlist=["x"])
    assert WIDGETS[module] in {
        c.kind for c in vars(made).values() if isinstance(c, type) and c.__module__ == made.__name__ and hasattr(c, "kind")
    }


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_comes_back_whole_from_another_process(kind):
    """Workers on Ray send errors, events and requests as pickles, which the same version reads."""
    made = errors.KINDS[kind]("It failed", detail="why", hint="Try again", billed=None)
    back = pickle.loads(pickle.dumps(made))
    assert type(back) is type(made) and back.to_dict() == made.to_dict()


def test_events_and_requests_come_back_whole_from_another_process():
    request = Request("echo:", (message("user", "hi"), Message("assistant", tuple(p for _, p in PARTS))), schema={"type": "object"})
    sent = [events.Started(request=request, run="r", n=1), events.Media(data=b"ab", media_type="image/png", run="r", n=2)]
    assert pickle.loads(pickle.dumps(sent)) == sent and pickle.loads(pickle.dumps(request)).fingerprint() == request.fingerprint()


def test_the_keys_of_requests_are_the_stored_ones():
    """In caches, logs and tapes: a field's name is part of it as much as its value."""
    parts = (Text("a"), Image(b"1", alt="x"), File(b"2", "application/pdf", "n"))
    thoughts = Message("assistant", (Reasoning("r", {"k": 1}), ToolCall("1", "f", "{}", {"e": 2})), {"q": 1})
    messages = (message("system", "s"), Message("user", parts), thoughts, Message("tool", (ToolResult("1", "c", True),)))
    full = (0.5, 9, 3, ("END",), {"type": "object"}, ({"name": "f"},), 2, {"top_k": 5}, 1, "image", "chat", "int8", "float16")
    assert Request("far:m", messages, *full).fingerprint() == "94fe2f7cb0a3fbf425afabfd27a25ed13bd7301bd255b7ebb76c807c00ee569d"
    assert Request("far:m", (message("user", "hi"),)).fingerprint() == "f9800d8ce2432c0f1394a43fe5febee49b8f5410de247a350c3fbd115a763672"
