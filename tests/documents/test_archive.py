"""Archives that would fill memory or disk, or whose XML attacks its parser."""

from __future__ import annotations

import copy
import io
import zipfile

import docx
import openpyxl
import pptx
import pytest

from fmnb.core.errors import UsageError
from fmnb.documents.archive import check_archive
from fmnb.documents.limits import LIMITS, Limits
from fmnb.documents.read import read


def office(kind: str) -> bytes:
    out = io.BytesIO()
    {"docx": docx.Document, "pptx": pptx.Presentation, "xlsx": openpyxl.Workbook}[kind]().save(out)
    return out.getvalue()


def with_member(data: bytes, name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The archive with one more member, or another content of it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.infolist():
            if member.filename != name:
                new.writestr(member, old.read(member))
        new.writestr(name, content, method)
    return out.getvalue()


KINDS = ["docx", "pptx", "xlsx"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_zip_bomb_is_refused(kind):
    bomb = with_member(office(kind), "docProps/bomb.xml", b"0" * 50_000_000)
    assert len(bomb) < 200_000
    with pytest.raises(UsageError, match="refused.*100 times its size"):
        read(bomb, f"a.{kind}")


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_members_and_bytes_are_refused(kind):
    data = office(kind)
    with pytest.raises(UsageError, match="refused.*files in it, the limit is 3"):
        read(data, f"a.{kind}", limits=Limits(members=3))
    with pytest.raises(UsageError, match="refused.*once inflated"):
        read(data, f"a.{kind}", limits=Limits(inflated=1_000))


@pytest.mark.parametrize("kind", KINDS)
def test_entities_are_refused(kind):
    main = {"docx": "word/document.xml", "pptx": "ppt/presentation.xml", "xlsx": "xl/workbook.xml"}[kind]
    for xml in (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'.encode("utf-16"),
        b" " * ((1 << 18) - 5) + b'<!DOCTYPE x [<!ENTITY a "b">]><x/>',  # across two pieces
    ):
        with pytest.raises(UsageError, match="DTD"):
            read(with_member(office(kind), main, xml), f"a.{kind}")


def test_a_directory_that_lies_about_a_size_is_found():
    data = bytearray(with_member(office("docx"), "x.xml", b"y" * 5_000, zipfile.ZIP_STORED))
    at = data.rindex(b"x.xml") - 46  # the entry of the directory
    assert data[at : at + 4] == b"PK\x01\x02"
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")  # inflated size
    with pytest.raises(UsageError, match="damaged"):
        read(bytes(data), "a.docx")


def test_members_that_overlap_are_refused():
    """Many entries of the directory for the same bytes: the sum of their sizes counts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * 900_000)
        first = archive.infolist()[0]
        for n in range(300):
            copy = zipfile.ZipInfo(f"word/{n}.xml")
            for field in ("header_offset", "file_size", "compress_size", "CRC", "compress_type", "create_version", "extract_version"):
                setattr(copy, field, getattr(first, field))
            archive.filelist.append(copy)
            archive.NameToInfo[copy.filename] = copy
    with pytest.raises(UsageError, match="refused.*once inflated"):
        read(out.getvalue(), "a.docx")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_encrypted_odd_and_doubled_members_are_refused():
    data = office("docx")
    with pytest.raises(UsageError, match="compression"):
        check_archive(io.BytesIO(with_member(data, "x.xml", b"y" * 100, zipfile.ZIP_BZIP2)), "a.docx", LIMITS)
    out = io.BytesIO(data)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("word/document.xml", "<x/>")
    with pytest.raises(UsageError, match="same name"):
        check_archive(out, "a.docx", LIMITS)
    marked = bytearray(data)
    at = marked.rindex(b"PK\x01\x02")
    marked[at + 8] |= 1
    with pytest.raises(UsageError, match="encrypted"):
        check_archive(io.BytesIO(bytes(marked)), "a.docx", LIMITS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_without_its_main_part_is_refused(kind):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    with pytest.raises(UsageError):
        read(out.getvalue(), f"a.{kind}")


def test_a_table_of_equal_cells_is_no_bomb():
    word = docx.Document()
    row = word.add_table(1, 10).rows[0]._tr
    for _ in range(2_000):
        row.addnext(copy.deepcopy(row))
    out = io.BytesIO()
    word.save(out)
    member = zipfile.ZipFile(out).getinfo("word/document.xml")
    assert member.file_size > 100 * member.compress_size
    assert read(out.getvalue(), "a.docx").blocks == ()
