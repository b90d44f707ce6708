"""The gate for CI, by its exit code: only a real drop fails it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fmnb.cli.main import main
from fmnb.core.errors import UsageError
from fmnb.evals.ci_check import check
from fmnb.evals.evaluate import evaluate
from fmnb.evals.import_scores import from_scores


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
        assert "did not change significantly: -2.5 points" in said


def test_rows_that_got_worse_are_named():
    out = str(check(run(150), run(180)))
    assert "rows that got worse: 150, 151" in out and "by 15 points" in out


def test_runs_of_the_log_by_their_ids(capsys):
    rows = [{"id": i, "q": f"{i}", "target": f"{i}"} for i in range(20)]
    good = evaluate("{{ q }}", rows, ["echo:"])
    bad = evaluate("Say {{ q }}", rows, ["echo:"])
    assert main(["check", bad.run, "--against", good.run]) == 1
    assert main(["check", good.run, "--against", bad.run]) == 0
    assert main(["check", "nosuchrun", "--against", good.run]) == 2
    assert "No such run" in capsys.readouterr().err
    with pytest.raises(UsageError, match="must not be negative"):
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


def test_too_few_rows_in_common_cannot_tell(tmp_path, capsys):
    """Three of three hundred rows, all of them worse: no pass."""
    run(300, 300).save(tmp_path / "main.json")
    from_scores([{"id": i, "q": f"row {i}", "new": 0} for i in range(3)], ["new"]).save(tmp_path / "branch.json")
    given = ["check", str(tmp_path / "branch.json"), "--against", str(tmp_path / "main.json")]
    assert main(given) == 3
    said = capsys.readouterr().out
    assert said.startswith("INCONCLUSIVE") and "Only 3 of the baseline's 300 rows" in said and "3 rows are too few for a verdict" in said
    assert main([*given, "--min-overlap", "0"]) == 3
    assert main([*given, "--min-overlap", "2"]) == 2
    with pytest.raises(SystemExit) as e:
        main(["check"])
    assert e.value.code == 2


def test_a_real_drop_on_the_rows_in_common_fails_though_they_are_few():
    few = from_scores([{"id": i, "q": f"row {i}", "new": 0} for i in range(40)], ["new"])
    assert check(few, run(300, 300)).code == 1


def test_failed_calls_are_no_drop(capsys):
    rows = [{"id": i, "q": f"{i}", "target": f"{i}"} for i in range(60)]

    def well(text):
        return text

    def failing(n):
        def model(text):
            if int(text) < n:
                raise ValueError("overloaded")
            return text

        return model

    before = evaluate("{{ q }}", rows, [well])
    some = check(evaluate("{{ q }}", rows, [failing(2)], fresh=True), before)
    assert some.code == 0 and not some.comparison.regressed
    assert "run: 2 of 60 answers of model failed and are excluded: 2 × " in str(some) and "overloaded" in str(some)
    many = check(evaluate("{{ q }}", rows, [failing(20)], fresh=True), before)
    assert many.code == 3 and "run: model has no verdict: 20 of its 60 answers failed" in str(many) and "got worse" not in str(many)
    assert check(evaluate("{{ q }}", rows, [failing(20)], fresh=True), before, max_failures=0.5, min_overlap=0.5).code == 0


def test_answers_as_old_as_the_baseline_tell_nothing():
    rows = [{"id": i, "q": f"{i}", "target": f"{i}"} for i in range(30)]
    before = evaluate("{{ q }}", rows, ["echo:"])
    again = check(evaluate("{{ q }}", rows, ["echo:"]), before)
    assert again.code == 3 and "30 of the run's 30 answers are as old as the baseline's" in str(again)
    assert check(evaluate("{{ q }}", rows, ["echo:"]), before, allow_cached=True).code == 0
    assert check(evaluate("{{ q }}", rows, ["echo:"], fresh=True), before).code == 0
    reused = evaluate("{{ q }}", rows, ["echo:"])
    newer = check(reused, before)
    assert newer.code == 0 and "run: 30 of 30 answers came from the cache" in str(newer), "asked after the baseline: said, and no obstacle"
