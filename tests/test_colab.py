"""fmnb with the versions that Colab has (github.com/googlecolab/backend-info, August 2026): IPython 7.34, ipykernel 6.17, ipywidgets 7.7."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cells.kernel import Kernel, Result
from tests.conftest import FULL
from tests.environments import ROOT, python_with

COLAB = ("ipython==7.34.0", "ipykernel==6.17.1", "ipywidgets==7.7.1", "traitlets==5.7.1", "tornado==6.5.7", "jupyter_client==7.4.9")
pytestmark = pytest.mark.skipif(not FULL, reason="installs once more: with `make test-full`")


@pytest.fixture(scope="module")
def kernel(tmp_path_factory) -> Iterator[Kernel]:
    try:
        python = python_with("colab", f"{ROOT}[frames]", *COLAB)
    except subprocess.CalledProcessError as e:
        pytest.skip(f"these versions could not be installed: `{' '.join(map(str, e.cmd))}` failed")
    found = Kernel({"FMNB_HOME": str(tmp_path_factory.mktemp("colab"))}, python=python)
    yield found
    found.close()


def run(kernel: Kernel, source: str, **how: Any) -> Result:
    """Run a cell. A kernel discards cells for a moment after one that failed."""
    while (done := kernel(source, **how)).status == "aborted":
        pass
    return done


def test_the_versions_are_colab_s_own(kernel):
    assert run(kernel, "import IPython, ipykernel; print(IPython.__version__, ipykernel.__version__)").stdout == "7.34.0 6.17.1\n"


def test_an_answer_streams_into_one_output(kernel):
    done = run(kernel, "%%fm echo:slow=50\nhello {{ 1 + 1 }} " + "word " * 20)
    assert done.status == "ok" and len(done.displays) == 1 and done.updates and done.final().startswith("hello 2 word")
    assert "<footer" in done.final("text/html")


def test_the_line_magic_assigns(kernel):
    assert run(kernel, 'x = %fm ask echo: "one line"\nprint(x)').stdout == "one line\n"


def test_a_table_a_comparison_and_widgets_have_their_html(kernel):
    table = run(kernel, "rows = [{'q': 'a'}, {'q': 'b'}]\nget_ipython().run_cell_magic('fm', 'echo: --over rows -o out', '{{ q }}')")
    assert table.status == "ok" and "2 of 2 answered" in table.final()
    compared = run(kernel, "%%fm echo: echo:think\n**bold** answer")
    assert compared.status == "ok" and compared.final("text/html").count("<strong>bold</strong>") >= 2
    widget = run(kernel, "import fmnb as fm\nchat = fm.Chat('echo:')\nchat.ask('hello there')\nchat.widget()")
    assert any("application/vnd.jupyter.widget-view+json" in d["data"] for d in widget.displays) and "hello there" in widget.final(
        "text/html"
    )


def test_an_error_and_a_stop_keep_what_came(kernel):
    failed = run(kernel, "%%fm echo:fail=cut\none two three four five six seven")
    assert failed.error.startswith("StreamInterruptedError") and "one two" in failed.final()
    stopped = run(kernel, "%%fm echo:slow=20\n" + "word " * 200, interrupt_when=lambda r: "word word" in r.final())
    assert stopped.error.startswith("Interrupted") and "word word" in stopped.final()


def test_a_question_that_nobody_can_answer_is_an_error(kernel):
    assert "--yes" in run(kernel, "%fm log forget --all").error


def test_completion_is_left_to_ipython(kernel):
    assert run(kernel, "print(len(get_ipython().Completer.custom_matchers))").stdout == "0\n"
    assert run(kernel, "%reload_ext fmnb").status == "ok"
