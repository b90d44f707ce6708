"""An endless answer of a real model ends with the notice, alone and among rows, on both engines."""

from __future__ import annotations

import pytest

from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import Finished, Notice, build_response
from fmnb.core.repetition import NOTICE, REASON
from fmnb.core.types import Request, message
from fmnb.engines.llamacpp import backend as llamacpp
from fmnb.engines.torch import backend as torch_engine


@pytest.mark.parametrize("engine", [llamacpp, torch_engine], ids=["llamacpp", "torch"])
def test_the_embedded_model_is_cut_where_it_loops(engine, embedded_path):
    model = engine.backend(embedded_path)
    text = "The table is about the table. " * 12  # a prompt that it goes on with
    request = Request("m", (message("user", f"Continue this text for ever: {text}"),), max_tokens=512)
    came = list(iterate_sync(model.stream(request)))
    answer = build_response(came)
    assert answer.finish_reason == REASON and (answer.usage.output_tokens or 0) < 400, answer.text
    assert [e.text for e in came if isinstance(e, Notice) and e.kind == "warning"] == [NOTICE]
    rows = [e for _, e in iterate_sync(model.stream_rows([(0, request)])) if isinstance(e, (Finished, Notice))]
    assert rows[-1].reason == REASON and NOTICE in [e.text for e in rows[:-1]]
