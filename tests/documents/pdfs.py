"""PDFs for tests: written by reportlab, or by hand where a PDF must be odd."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer


def flowing(*parts: tuple[str, str], title: str = "", **more: Any) -> bytes:
    """A PDF of (style, text) parts; `break` starts a page and `space` leaves one."""
    out = io.BytesIO()
    styles = getSampleStyleSheet()
    made = [
        PageBreak() if style == "break" else Spacer(1, 14) if style == "space" else Paragraph(text, styles[style]) for style, text in parts
    ]
    SimpleDocTemplate(out, pagesize=A4, title=title or None, **more).build(made)
    return out.getvalue()


def drawn(*pages: Callable[[Any], None], **more: Any) -> bytes:
    """A PDF with a function that draws each page."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, **more)
    for draw in pages:
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def by_hand(
    content: bytes, resources: bytes = b"<</Font<</F1 5 0 R>>>>", more: tuple[bytes, ...] = (), page: bytes = b"", root: bytes = b""
) -> bytes:
    """A PDF of one page with a content stream; `more` are objects from number 6 on, `page` and `root` entries."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R" + root + b">>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources" + resources + page + b">>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        *more,
    ]
    out, places = b"%PDF-1.4\n", []
    for i, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (i, body)
    start = len(out)
    count = len(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % count + b"".join(b"%010d 00000 n \n" % p for p in places)
    return out + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (count, start)
