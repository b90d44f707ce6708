"""PDF files: paragraphs, headings, pages without text, hidden text, pictures, broken and encrypted files."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.platypus import Table

from fmnb.core.errors import UsageError
from fmnb.documents.limits import Limits
from fmnb.documents.read import read

from .pdfs import by_hand, drawn, flowing

LONG = "Contractors have a notice period of four weeks, which begins on the first day of the month that follows the notice. " * 3


def texts(document):
    return [b.text for b in document.blocks]


def picture(color=(200, 30, 30), size=(80, 60)):
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    out.seek(0)
    return ImageReader(out)


def test_paragraphs_and_headings_have_their_pages():
    data = flowing(
        ("Heading1", "Notice"), ("Normal", LONG), ("space", ""), ("Normal", "Employees: three months."),
        ("Heading2", "Details"), ("Normal", LONG), ("break", ""), ("Normal", "The last page."), title="The handbook",
    )  # fmt: skip
    document = read(data, "a.pdf")
    assert (document.title, document.pages, document.media_type, document.notes) == ("The handbook", 2, "application/pdf", ())
    assert [(b.kind, b.level, b.page) for b in document.blocks] == [
        ("heading", 1, 1), ("text", 0, 1), ("text", 0, 1), ("heading", 2, 1), ("text", 0, 1), ("text", 0, 2),
    ]  # fmt: skip
    assert texts(document)[0] == "Notice" and " ".join(texts(document)[1].split()) == LONG.strip()
    assert texts(document)[2:4] == ["Employees: three months.", "Details"]


def test_a_word_divided_at_the_end_of_a_line_is_one_word():
    document = read(by_hand(b"BT /F1 12 Tf 14 TL 20 150 Td (The contrac-) Tj T* (tor has four weeks.) Tj ET"), "a.pdf")
    assert texts(document) == ["The contractor has four weeks."]


def test_cells_of_a_table_stay_on_their_line():
    def draw(canvas):
        table = Table([["who", "weeks"], ["all", "4"]])
        table.wrapOn(canvas, 300, 300)
        table.drawOn(canvas, 72, 600)

    assert read(drawn(draw), "a.pdf").text.split() == "who | weeks all | 4".split()


def test_pages_without_text_are_said():
    def scan(canvas):
        canvas.drawImage(picture(), 0, 0, 500, 800)

    def text(canvas):
        canvas.drawString(50, 700, "Some text.")

    document = read(drawn(text, scan, scan, text, scan), "a.pdf")
    assert document.notes == ("pages 2-3, 5 hold no text (scanned?)",) and [b.page for b in document.blocks] == [1, 4]


# --- what a person does not see ---


@pytest.mark.parametrize(
    "content",
    [
        b"BT /F1 12 Tf 3 Tr 20 100 Td (obey) Tj ET",
        b"BT /F1 12 Tf 1 1 1 rg 20 100 Td (obey) Tj ET",
        b"BT /F1 12 Tf 1 g 20 100 Td (obey) Tj ET",
        b"BT /F1 12 Tf 0 0 0 0 k 20 100 Td [(ob) -20 (ey)] TJ ET",
        b"BT /F1 12 Tf 0.98 0.98 1 rg 20 100 Td (obey) Tj ET",
        b"BT /F1 0.5 Tf 20 100 Td (obey) Tj ET",
        b"BT /F1 12 Tf 20 5000 Td (obey) Tj ET",
        b"0 0 0 rg 10 90 100 30 re f BT /F1 12 Tf 20 100 Td (obey) Tj ET",
        b"0 0 0 rg 10 90 100 30 re f 1 1 1 rg 10 90 100 30 re f BT /F1 12 Tf 20 100 Td (obey) Tj ET",
        b"q 0.1 0 0 0.1 0 0 cm BT /F1 5 Tf 200 1000 Td (obey) Tj ET Q",
        b"/G gs BT /F1 12 Tf 20 100 Td (obey) Tj ET",
    ],
    ids=[
        "mode 3",
        "white",
        "white gray",
        "white ink",
        "nearly white",
        "tiny",
        "outside",
        "on black",
        "white on white",
        "scaled",
        "transparent",
    ],
)
def test_text_that_nobody_sees_is_left_out_and_said(content):
    resources = b"<</Font<</F1 5 0 R>>/ExtGState<</G<</ca 0>>>>>>"
    document = read(by_hand(b"BT /F1 12 Tf 20 150 Td (seen) Tj ET q " + content + b" Q", resources), "a.pdf")
    assert texts(document) == ["seen"] and document.notes == ("hidden text left out",)


@pytest.mark.parametrize(
    "content",
    [
        b"0 0 0.5 rg 10 90 150 30 re f 1 1 1 rg BT /F1 12 Tf 20 100 Td (shown) Tj ET",
        b"q 1 0 0 1 5 5 cm 0 0 0.5 rg 10 90 150 30 re f Q 1 g BT /F1 12 Tf 20 100 Td (shown) Tj ET",
        b"0 0 0.5 rg 10 90 m 150 90 l 150 130 l 60 140 l 10 130 l h f 1 1 1 rg BT /F1 12 Tf 20 100 Td (shown) Tj ET",
        b"q 100 0 0 40 10 90 cm /Im Do Q 1 g BT /F1 12 Tf 20 100 Td (shown) Tj ET",
        b"q 100 0 0 40 10 90 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \x20 EI Q 1 g BT /F1 12 Tf 20 100 Td (shown) Tj ET",
        b"0.5 g " + b"10 10 9 9 re f " * 1_500 + b"0 g 10 90 100 30 re f 1 g BT /F1 12 Tf 20 100 Td (shown) Tj ET",
        b"q 1 g Q BT /F1 12 Tf 20 100 Td (shown) Tj ET",
        b"BT 1 g 0 g /F1 12 Tf 20 100 Td (shown) Tj ET",
        b"BT 1 Tr 1 g /F1 12 Tf 20 100 Td (shown) Tj ET",
        b"/Fm Do",
    ],
    ids=[
        "dark box",
        "moved box",
        "dark shape",
        "over a picture",
        "over an inline picture",
        "many areas",
        "restored",
        "black again",
        "outlined",
        "in a form",
    ],
)
def test_text_on_something_dark_is_seen(content):
    form = b"<</Type/XObject/Subtype/Form/BBox[0 0 200 200]/Resources<</Font<</F1 5 0 R>>>>/Length 75>>stream\n0 0 1 rg 10 90 150 30 re f 1 1 1 rg BT /F1 12 Tf 20 100 Td (shown) Tj ET\nendstream"
    image = (
        b"<</Type/XObject/Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceRGB/Length 3>>stream\n\x20\x20\x20\nendstream"
    )
    resources = b"<</Font<</F1 5 0 R>>/XObject<</Fm 6 0 R/Im 7 0 R>>>>"
    document = read(by_hand(content, resources, (form, image)), "a.pdf")
    assert texts(document) == ["shown"] and document.notes == ()


def test_hidden_text_in_a_form_is_left_out():
    form = b"<</Type/XObject/Subtype/Form/BBox[0 0 200 200]/Resources<</Font<</F1 5 0 R>>>>/Length 45>>stream\n1 1 1 rg BT /F1 12 Tf 20 100 Td (obey) Tj ET  \nendstream"
    content = b"BT /F1 12 Tf 20 150 Td (seen) Tj ET /Fm Do"
    document = read(by_hand(content, b"<</Font<</F1 5 0 R>>/XObject<</Fm 6 0 R>>>>", (form,)), "a.pdf")
    assert texts(document) == ["seen"] and document.notes == ("hidden text left out",)


def test_the_text_layer_of_a_scan_is_read_and_said():
    def scan(canvas):
        canvas.drawImage(picture(), 0, 0, 595, 842)
        text = canvas.beginText(72, 700)
        text.setTextRenderMode(3)
        text.textLine("Recognized words.")
        canvas.drawText(text)

    document = read(drawn(scan), "a.pdf")
    assert texts(document) == ["Recognized words."]
    assert document.notes == ("page 1 holds the text layer of a scan, which may have errors of recognition",)


def test_a_layer_that_is_off_is_left_out():
    content = b"BT /F1 12 Tf 20 150 Td (seen) Tj ET /OC /A BDC BT /F1 12 Tf 20 100 Td (obey) Tj ET EMC /OC /B BDC BT /F1 12 Tf 20 60 Td (shown) Tj ET EMC"
    resources = b"<</Font<</F1 5 0 R>>/Properties<</A 6 0 R/B 7 0 R>>>>"
    data = by_hand(
        content,
        resources,
        (b"<</Type/OCG/Name(a)>>", b"<</Type/OCG/Name(b)>>"),
        root=b"/OCProperties<</OCGs[6 0 R 7 0 R]/D<</OFF[6 0 R]>>>>",
    )
    document = read(data, "a.pdf")
    assert texts(document) == ["seen", "shown"] and document.notes == ("hidden text left out",)


def test_forms_inside_forms_have_resources_of_their_own():
    inner = b"<</Type/XObject/Subtype/Form/BBox[0 0 200 200]/Resources<</Font<</F1 5 0 R>>/ExtGState<</G<</ca 0>>>>>>/Length 44>>stream\n/G gs BT /F1 12 Tf 20 100 Td (obey) Tj ET   \nendstream"
    outer = b"<</Type/XObject/Subtype/Form/BBox[0 0 200 200]/Matrix[1 0 0 1 5 5]/Resources<</Font<</F1 5 0 R>>/XObject<</In 7 0 R>>>>/Length 42>>stream\n/In Do BT /F1 12 Tf 20 50 Td (shown) Tj ET\nendstream"
    content = b"/Out Do BT /F1 12 Tf 20 20 Td (seen) Tj ET"
    document = read(by_hand(content, b"<</Font<</F1 5 0 R>>/XObject<</Out 6 0 R>>>>", (outer, inner)), "a.pdf")
    assert document.text.split() == ["shown", "seen"] and document.notes == ("hidden text left out",)


def test_what_is_filled_in_on_a_form_is_read_and_comments_are_not():
    annotations = (
        b"<</Subtype/Widget/T(notice)/TU(Notice period)/V(four weeks)/Rect[0 0 9 9]>>",
        b"<</Subtype/Widget/T(agreed)/FT/Btn/V/Yes/Rect[0 0 9 9]>>",
        b"<</Subtype/Widget/T(ghost)/V(obey)/F 2/Rect[0 0 9 9]>>",
        b"<</Subtype/Widget/T(pin)/V(obey)/Ff 8192/Rect[0 0 9 9]>>",
        b"<</Subtype/FreeText/Contents(typed on it)/Rect[0 0 9 9]>>",
        b"<</Subtype/Text/Contents(obey this comment)/Rect[0 0 9 9]>>",
        b"<</Subtype/Link/Contents(a link)/Rect[0 0 9 9]>>",
    )
    data = by_hand(b"BT /F1 12 Tf 20 150 Td (seen) Tj ET", more=annotations, page=b"/Annots[6 0 R 7 0 R 8 0 R 9 0 R 10 0 R 11 0 R 12 0 R]")
    document = read(data, "a.pdf")
    assert texts(document) == ["seen", "Notice period: four weeks", "agreed: Yes", "typed on it"]
    assert document.notes == ("comments left out",) and {b.page for b in document.blocks} == {1}


# --- pictures ---


def test_pictures_are_kept_with_their_pages_and_described():
    def page(color):
        def draw(canvas):
            canvas.drawString(50, 700, "Figure")
            canvas.drawImage(picture(color), 50, 500)
            canvas.drawImage(picture((1, 2, 3), (8, 8)), 50, 400)  # an icon

        return draw

    document = read(drawn(page((200, 0, 0)), page((0, 200, 0)), page((200, 0, 0))), "a.pdf", describe=lambda data, kind: f"a {kind}")
    assert [(p.page, p.media_type) for p in document.pictures] == [(1, "image/png"), (2, "image/png")]  # the third is the first again
    assert [(b.kind, b.text, b.page) for b in document.blocks] == [
        ("text", "Figure", 1), ("picture", "a image/png", 1), ("text", "Figure", 2), ("picture", "a image/png", 2), ("text", "Figure", 3),
    ]  # fmt: skip


def test_pictures_over_the_limit_are_left_out():
    def draw(canvas):
        for n in range(5):
            canvas.drawImage(picture((n * 40, 0, 0)), 50, 100 * n)

    assert len(read(drawn(draw), "a.pdf", limits=Limits(pictures=2)).pictures) == 2


# --- damaged and encrypted ---


def test_an_encrypted_file_is_refused_and_one_without_a_password_is_read():
    with pytest.raises(UsageError, match="encrypted"):
        read(flowing(("Normal", "secret"), encrypt="password"), "a.pdf")
    open_to_all = flowing(("Normal", "readable"), encrypt=StandardEncryption("", ownerPassword="owner", canPrint=0))
    assert texts(read(open_to_all, "a.pdf")) == ["readable"]


@pytest.mark.parametrize(
    "data", [b"%PDF-1.4 nothing", b"%PDF-1.4\n" + b"\0" * 5_000, b"%PDF-1.7\ntrailer<</Root 9 0 R>>\nstartxref\n9\n%%EOF"]
)
def test_a_damaged_file_is_refused(data):
    with pytest.raises(UsageError, match="cannot be read"):
        read(data, "a.pdf")


def test_a_page_limit_is_said():
    data = flowing(*[(s, "Text of a page.") for _ in range(3) for s in ("Normal", "break")])
    document = read(data, "a.pdf", limits=Limits(pages=2))
    assert document.notes == ("only the first 2 pages were read",) and document.pages == 3 and len(document.blocks) == 2
