"""A call's life as a reader of the notebook sees it: waits, progress, thoughts, failures, stops, company."""

import re

import pytest


def test_a_stop_keeps_the_text_and_the_next_cell_works(notebook):
    nb = notebook("%%fm echo:slow=5\n" + "word " * 200, "%%fm echo:\nalive")
    nb.start(1)
    nb.outputs(1).get_by_text("word word").first.wait_for()
    nb.interrupt()
    nb.wait_end(1)
    assert "word word" in nb.text(1) and "stopped" in nb.text(1) and nb.text(1).count("word") < 200
    assert nb.outputs(1).locator("footer").count() == 1
    assert "Traceback" not in nb.text(1) and "KeyboardInterrupt" not in nb.text(1)
    nb.run(2)
    assert "alive" in nb.text(2)


@pytest.mark.weights
def test_a_stop_ends_the_embedded_models_decoding(notebook):
    nb = notebook(
        "%%fm embedded --max-tokens 3000 -p ignore_eos=true\nCount from 1 to 1000 in words.", "%%fm embedded --max-tokens 5\nSay hi."
    )
    nb.start(1)
    nb.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.content.widgets[1].outputArea.node.textContent.split(' ').length > 30"
    )
    nb.interrupt()
    nb.wait_end(1)
    assert "stopped" in nb.text(1) and len(nb.text(1).split()) > 30
    nb.run(2)
    assert nb.outputs(2).locator("footer").count() == 1


def test_reasoning_is_a_fold_of_its_own_above_the_answer(notebook):
    nb = notebook("%%fm echo:think,slow=40\nWhy is the sky blue, in a few words of your own choosing, please?")
    nb.watch(1)
    nb.run(1)
    assert any(re.search(r"thinking… \d+ words", text) for _, text in nb.seen())
    assert nb.outputs(1).count() == 2
    fold = nb.outputs(1).nth(0).locator("details")
    assert re.fullmatch(r"thought for .+, \d+ words", fold.locator("summary").inner_text())
    assert not fold.evaluate("d => d.open")
    assert nb.outputs(1).nth(1).locator("footer").count() == 1


def test_an_error_shows_once_in_a_box_that_says_what_to_do(notebook):
    nb = notebook("%%fm echo:fail=key\nhi")
    nb.run(1)
    text = nb.text(1)
    assert text.count("echo rejected the key") == 1
    assert "401, as requested" in text and "Leave out fail=key" in text
    assert "Traceback" not in text
    assert nb.outputs(1).locator("[role=alert]").count() == 1


def test_a_wait_is_counted_down_and_then_gone(notebook):
    nb = notebook("%%fm echo:fail=rate_limit,times=1,wait=4\nhello")
    nb.watch(1)
    nb.run(1)
    waits = [m[1] for _, text in nb.seen() if (m := re.search(r"next try in (\d+) s", text))]
    assert waits == sorted(waits, reverse=True) and len(set(waits)) >= 2
    assert "next try" not in nb.text(1) and "hello" in nb.text(1)


@pytest.mark.weights
def test_a_model_that_loads_says_so(notebook):
    nb = notebook("%%fm embedded --max-tokens 8\nSay hi.")
    nb.watch(1)
    nb.run(1)
    assert any("loading" in text for _, text in nb.seen()), nb.seen()
    assert "loading" not in nb.text(1)


def test_several_models_answer_side_by_side_under_their_names(notebook):
    nb = notebook("%%fm echo: echo:slow=40 echo:fail=server\nOne question for all of you.")
    nb.run(1)
    columns = nb.outputs(1).first.locator("section").all_inner_texts()
    assert [t.split("\n")[0] for t in columns] == ["echo:", "echo:slow=40", "echo:fail=server"]
    assert all("One question" in t for t in columns[:2]) and "echo failed" in columns[2]


def test_a_background_call_lands_under_its_own_cell(notebook):
    held = "import threading\ngo = threading.Event()\ndef held(prompt):\n    go.wait(60)\n    return 'word ' * 15"
    nb = notebook(held, "%%fm held --background\nhi", "1 + 1", "go.set()")
    nb.run(1, 2, 3)
    assert nb.text(3).strip() == "2"
    assert nb.outputs(2).locator("footer").count() == 0  # it is still at it
    nb.run(4)
    nb.outputs(2).locator("footer").wait_for()
    assert nb.text(2).count("word") == 15
    assert nb.text(3).strip() == "2"
