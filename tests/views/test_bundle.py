"""The box of a failed answer."""

from fmnb.views.bundle import error_html


def test_a_command_in_a_hint_is_set_as_code_and_stays_inert():
    html = error_html({"message": "It failed", "hint": "Run `%fm key set <b>`, or not."})
    assert ">%fm key set &lt;b&gt;</span>, or not." in html and "`" not in html and "&#96;" not in html


def test_an_empty_answer_is_not_called_a_partial_one():
    from fmnb.core.errors import EmptyAnswerError, StreamInterruptedError
    from fmnb.views.bundle import error_text

    empty = EmptyAnswerError("The model returned no text", billed=True)
    assert "partial" not in error_text(empty.to_dict()) and "billed, although" in error_text(empty.to_dict())
    assert empty._render_traceback_()[-1] == "  Billed: yes"
    cut = StreamInterruptedError("The connection ended", billed=True)
    assert "billed for the partial answer" in error_text(cut.to_dict()) and "partial" in cut._render_traceback_()[-1]
