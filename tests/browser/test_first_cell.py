"""The first cell in a real JupyterLab: an answer of the embedded model streams, ends and is kept."""

import pytest

from tests.browser.conftest import CLOSE, OPEN


@pytest.mark.weights
def test_the_embedded_model_streams_into_one_output_and_is_kept(notebook):
    nb = notebook("%%fm embedded --max-tokens 60 --no-cache\nList three things that one does with a table of numbers.")
    nb.watch(1)
    nb.run(1)
    assert len(nb.seen()) >= 2, "it changed before its end"
    assert nb.outputs(1).count() in (1, 2)  # the answer, and once in a kernel a note on better models; a busy machine shows it later
    assert nb.outputs(1).locator("footer").count() == 1
    footer = nb.outputs(1).locator("footer").inner_text()
    assert footer.startswith("embedded · local") and "\n" not in footer and "tokens in" in footer and "free" in footer
    assert nb.outputs(1).first.inner_text().rstrip().endswith(footer)

    output, *note = nb.saved()["cells"][1]["outputs"]
    assert all("good for trying cells" in "".join(n["data"]["text/plain"]) for n in note)
    assert {"text/html", "text/markdown", "text/plain"} == set(output["data"])
    assert "<script" not in "".join(output["data"]["text/html"]).lower()
    kept = output["metadata"]["fmnb"]
    assert kept["run"] and kept["requested_model"] == "embedded" and kept["model"]
    assert len(kept["prompt"]) >= 16 and kept["usage"]["output_tokens"] > 5
    assert kept["parameters"]["max_tokens"] == 60


def test_a_saved_answer_shows_in_an_untrusted_notebook_without_a_kernel(notebook):
    nb = notebook("%%fm echo:\nSome **bold** words, a list:\n\n- one\n- two\n\n```python\nx = 1  # code\n```")
    nb.run(1)
    shown = nb.text(1)
    nb.command("docmanager:save")
    file = nb.file.with_name("untrusted.ipynb")
    file.write_text(nb.file.read_text())  # a file that another hand wrote is not trusted
    nb.page.evaluate(OPEN, file.name)
    try:
        assert nb.outputs(1).locator("strong").inner_text() == "bold"
        assert nb.text(1).split() == shown.split()
    finally:
        nb.page.evaluate(CLOSE, file.name)
