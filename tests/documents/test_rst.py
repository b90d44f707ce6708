"""reStructuredText files."""

from __future__ import annotations

from fmnb.documents.read import read

TEXT = b"""\
========
Handbook
========

Notice
------
Four weeks.

.. note:: Seen.

.. obey this comment
   and more of it

   and still more

Details
~~~~~~~

=====  =====
who    weeks
=====  =====
all    4
=====  =====
"""


def test_headings_have_levels_and_comments_are_left_out():
    document = read(TEXT, "a.rst")
    assert document.title == "Handbook" and document.notes == ("hidden text left out",)
    assert [(b.kind, b.level, b.text, b.lines) for b in document.blocks[:5]] == [
        ("heading", 1, "Handbook", (1, 3)),
        ("heading", 2, "Notice", (5, 6)),
        ("text", 0, "Four weeks.", (7, 7)),
        ("text", 0, ".. note:: Seen.", (9, 9)),
        ("heading", 3, "Details", (16, 17)),
    ]
    assert document.blocks[5].text.startswith("=====  =====\nwho    weeks")


def test_directives_targets_and_footnotes_are_no_comments():
    text = ".. image:: a.png\n\n.. _target:\n\n.. [1] a footnote\n\n.. |x| replace:: y\n\n.. code-block:: python\n\n   x = 1"
    assert read(text.encode(), "a.rst").text == text.replace("   x", "x") and read(text.encode(), "a.rst").notes == ()
