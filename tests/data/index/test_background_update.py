"""An update in a thread: progress, report, error, stop."""

from __future__ import annotations

import pytest

import fmnb as fm
from fmnb.core.errors import Interrupted, UsageError
from fmnb.data.index.background_update import BackgroundUpdate


def test_it_reports_progress_and_its_end(handbook):
    seen = []
    with fm.Index("kb", embedder="none") as kb:
        update = BackgroundUpdate("kb", lambda sinks: kb.add("docs", sinks=sinks), lambda u: seen.append((u.done, u.progress)))
        assert update.wait(60) and update.done and len(update.report.added) == 3
        assert seen[-1][0] and any(p is not None for _, p in seen) and repr(update) == repr(update.report)


def test_a_stop_keeps_what_is_indexed(folder):
    (folder / "docs").mkdir()
    for i in range(300):
        (folder / "docs" / f"{i:03}.md").write_text(f"# Document {i}\n\n" + "A sentence about it. " * 80)
    with fm.Index("kb", embedder="none") as kb:
        update = BackgroundUpdate(
            "kb", lambda sinks: kb.add("docs", sinks=sinks), lambda u: u.progress and u.progress.done > 100_000 and u.stop()
        )
        assert update.wait(60) and isinstance(update.error, Interrupted) and "was stopped" in repr(update)
        with pytest.raises(Interrupted):
            _ = update.report
        before = len(kb.files)
        assert 0 < before < 300 and kb.add("docs").unchanged == before


def test_an_error_is_kept(folder):
    with fm.Index("kb", embedder="none") as kb:
        update = BackgroundUpdate("kb", lambda sinks: kb.add("missing", sinks=sinks), lambda u: None)
        assert update.wait(60)
        with pytest.raises(UsageError, match="no such file"):
            _ = update.report
        assert "failed" in repr(update)
