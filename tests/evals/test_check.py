"""The gate for CI, by its exit code: only a real drop fails it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fmnb.cli import main
from fmnb.errors import UsageError
from fmnb.evals.check import check
from fmnb.evals.elsewhere import from_scores
from fmnb.evals.running import evaluate


def run(right: int, of: int = 200, name: str = "new"):
    return from_scores([{"id": i, "q": f"row {i}", name: int(i < right)} for i in range(of)], [name])


@pytest.mark.parametrize(
    ("now", "allowed", "passes"),
    [(180, "0", True), (150, "2", False), (150, "20", True), (150, "14", False), (185, "0", True), (175, "0", True)],
)
def test_only_a_real_drop_beyond_what_is_allowed_fails(now, allowed, passes, tmp_path, capsys):
    before, after = tmp_path / "main.json", tmp_path / "branch.json"
    run(180).save(before)
    run(now).save(after)
    code = main(["check", str(after), "--against", str(before), "--max-drop", allowed])
    said = capsys.readouterr().out
    assert (code == 0) is passes and said.startswith("passed" if passes else "FAILED: new got worse")
    if now == 175:
        assert "did not change in a way that can be told from chance: -2.5 points" in said


def test_rows_that_got_worse_are_named():
    out = str(check(run(150), run(180)))
    assert "rows that got worse: 150, 151" in out and "by 15 points" in out


def test_runs_of_the_log_by_their_ids(capsys):
    rows = [{"id": i, "q": f"{i}", "target": f"{i}"} for i in range(20)]
    good = evaluate("{{ q }}", rows, ["echo:"])
    bad = evaluate("Say {{ q }}", rows, ["echo:"])
    assert main(["check", bad.run, "--against", good.run]) == 1
    assert main(["check", good.run, "--against", bad.run]) == 0
    assert main(["check", "nosuchrun", "--against", good.run]) == 1
    assert "No such run" in capsys.readouterr().err
    with pytest.raises(UsageError, match="0 or more"):
        check(good, bad, max_drop=-1)


def test_from_a_shell(tmp_path):
    run(180).save(tmp_path / "a.json")
    run(120).save(tmp_path / "b.json")
    done = subprocess.run(
        [sys.executable, "-m", "fmnb", "check", "b.json", "--against", "a.json", "--max-drop", "2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "FAILED" in done.stdout and "Traceback" not in done.stderr
