"""The box of a failed answer."""

from fmnb.views.bundle import error_html


def test_a_command_in_a_hint_is_set_as_code_and_stays_inert():
    html = error_html({"message": "It failed", "hint": "Run `%fm key set <b>`, or not."})
    assert ">%fm key set &lt;b&gt;</span>, or not." in html and "`" not in html and "&#96;" not in html
