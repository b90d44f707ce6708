"""A check is paid and counted; it is no question of the user."""

from __future__ import annotations

import pytest

import fmnb as fm
from fmnb.calls.check_model import check_model
from fmnb.calls.session import session
from fmnb.core.errors import FmnbError
from fmnb.store import log, log_query, search


def test_a_check_is_counted_and_not_listed(home):
    before = session.last
    assert check_model("echo:", "Say yes.", max_tokens=16).text == "Say yes."
    assert log.totals()["calls"] == 1
    assert not log.search() and not log.search("yes") and not log_query.log() and not search.find(search.Filter())
    assert session.last is before
    assert fm.ask("Say yes.", "echo:").run in [r["run"] for r in log.search("yes")]


def test_a_model_that_fails_says_so(home):
    with pytest.raises(FmnbError):
        check_model("echo:fail=key")
