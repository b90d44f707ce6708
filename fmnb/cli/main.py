"""`python -m fmnb VERB ...`: what a script or a Makefile needs of `%fm`.

python -m fmnb ask [-m MODEL] TEXT      python -m fmnb pull MODEL
python -m fmnb models [WORDS]           python -m fmnb doctor
python -m fmnb check RUN --against BASELINE [--max-drop POINTS] [--scorer NAME] ...
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

from ..calls.doctor import diagnose
from ..calls.download import pull
from ..calls.model import ask
from ..catalog.models import models
from ..catalog.resolve import source_of
from ..catalog.weights import locate
from ..core.errors import FmnbError
from ..views.router import view_for


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code.

    The exit code is 0, 1 for a FmnbError, or 130 for an interrupt; `check` has its own (`--help`).
    """
    parser = argparse.ArgumentParser(prog="python -m fmnb", allow_abbrev=False, description="Foundation models from the command line.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("ask", help="send one prompt")
    one.add_argument("-m", "--model", default=None)
    one.add_argument("text", help="the prompt; - reads standard input")
    verbs.add_parser("pull", help="download weights to this machine").add_argument("model")
    verbs.add_parser("models", help="list models").add_argument("words", nargs="*")
    verbs.add_parser("doctor", help="what works here")
    gate = verbs.add_parser(
        "check",
        help="fail if a run is significantly worse than another",
        epilog="Exit codes: 0 passed, 1 worse, 2 invalid call (no such run or file, nothing in common, a wrong option), 3 cannot tell (too few rows in common, too many failures, answers as old as the baseline's).",
    )
    gate.add_argument("run", help="a run's id, or a file written by evaluation.save()")
    gate.add_argument("--against", required=True, metavar="BASELINE", help="the earlier run's id or file")
    gate.add_argument("--max-drop", type=float, default=0.0, metavar="POINTS", help="allowed significant drop (0)")
    gate.add_argument("--scorer", default="", help="which score decides; the first without it")
    gate.add_argument("--min-overlap", type=float, default=0.8, metavar="SHARE", help="of the baseline's rows that must be compared (0.8)")
    gate.add_argument("--max-failures", type=float, default=None, metavar="SHARE", help="of failed answers that allow a verdict (0.05)")
    gate.add_argument("--allow-cached", action="store_true", help="answers may be as old as the baseline's")
    given = parser.parse_args(argv)
    _write_any_text()
    try:
        match given.verb:
            case "ask":
                ask(sys.stdin.read() if given.text == "-" else given.text, given.model, sinks=[view_for(None)])
            case "pull":
                source = source_of(given.model)
                print(locate(source) or pull(source, sinks=[view_for(None)]))
            case "models":
                print(models(" ".join(given.words)))
            case "doctor":
                print(diagnose())
            case "check":
                names = ("max_drop", "scorer", "min_overlap", "max_failures", "allow_cached")
                from ..evals.ci_check import check

                outcome = check(given.run, given.against, **{n: getattr(given, n) for n in names})
                print(outcome)
                return int(outcome.code)
    except FmnbError as e:
        print("\n".join(e._render_traceback_()), file=sys.stderr)
        return 2 if given.verb == "check" else 1
    except KeyboardInterrupt:
        return 130
    return 0


def _write_any_text() -> None:
    """Write characters as escapes that the output cannot encode: a pipe on Windows has no arrow."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
