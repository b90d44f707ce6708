"""`python -m fmnb`: what it prints and the code it leaves."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys

import pytest

from fmnb.cli.main import main


def test_an_answer_goes_to_standard_output(capsys):
    assert main(["ask", "-m", "echo:", "hello"]) == 0
    assert "hello" in capsys.readouterr().out


def test_a_prompt_may_come_from_standard_input(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe"))
    assert main(["ask", "-m", "echo:", "-"]) == 0
    assert "from a pipe" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["ask", "-m", "echo:fail=key", "hi"], ["ask", "-m", "nosuch", "hi"], ["pull", "nosuch"], ["ask", "-m", "echo:", " "]]
)
def test_an_error_is_one_and_is_said_without_a_traceback(capsys, words):
    assert main(words) == 1
    assert "Traceback" not in (err := capsys.readouterr().err) and "Error: " in err


@pytest.mark.parametrize("words", [[], ["nosuch"], ["ask"], ["ask", "a", "b"], ["doctor", "x"]])
def test_words_that_cannot_be_are_two(words):
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2


def test_the_lists_print(capsys):
    assert main(["models", "echo"]) == 0 and main(["doctor"]) == 0
    assert "Python" in capsys.readouterr().out


def test_an_interrupt_is_130():
    p = subprocess.Popen(
        [sys.executable, "-u", "-m", "fmnb", "ask", "-m", "echo:slow=5", "word " * 200],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ,
    )
    assert p.stdout is not None and p.stdout.read(4)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=30)
    assert p.returncode == 130 and b"Traceback" not in err
