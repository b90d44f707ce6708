"""`python -m fmnb VERB ...`: what a script or a Makefile needs of `%fm`.

python -m fmnb ask [-m MODEL] TEXT      python -m fmnb pull MODEL
python -m fmnb models [WORDS]           python -m fmnb doctor
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .catalog.resolve import source_of
from .catalog.weights import locate
from .doctor import examine
from .errors import FmnbError
from .listing import models
from .model import ask
from .pulling import pull
from .views import view_for


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code: 0, 1 for a FmnbError, 130 for an interrupt."""
    parser = argparse.ArgumentParser(prog="python -m fmnb", allow_abbrev=False, description="Foundation models from the command line.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("ask", help="ask one thing")
    one.add_argument("-m", "--model", default=None)
    one.add_argument("text", help="the prompt; - reads standard input")
    verbs.add_parser("pull", help="bring weights to this machine").add_argument("model")
    verbs.add_parser("models", help="which models there are").add_argument("words", nargs="*")
    verbs.add_parser("doctor", help="what works here")
    given = parser.parse_args(argv)
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
                print(examine())
    except FmnbError as e:
        print("\n".join(e._render_traceback_()), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
