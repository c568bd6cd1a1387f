"""Documents: their pages as small files of their own, and which of them are meant."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pikepdf
import pytest
import tifffile
from pikepdf import Array, Dictionary, Name
from PIL import Image

from benchmarks import books
from spoolfarm import images
from spoolfarm.config import Settings
from spoolfarm.errors import BrokenImage, FarmError, InvalidParams, TooLarge, UnsupportedMedia
from spoolfarm.farm.farm import Farm
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Limits
from spoolfarm.tasks.documents.source import PdfSource, open_source
from spoolfarm.tasks.documents.tiff import Tiff
from spoolfarm.tasks.ocr.document import Document, chosen
from tests.support import pictures

# Which pages.


@pytest.mark.parametrize(
    ("pages", "numbers"),
    [
        *(("", [1, 2, 3, 4, 5]), ("2", [2]), ("4-", [4, 5]), ("1-2,5", [1, 2, 5]), (" 3 - 4 , 3 ", [3, 4])),
        *(("5,1", [1, 5]), ("4-99", [4, 5])),
    ],
)
def test_pages_are_chosen_by_number_and_range(pages: str, numbers: list[int]) -> None:
    assert chosen(pages, 5, 100) == numbers


def test_pages_that_are_not_there_are_an_error_that_says_how_many_there_are() -> None:
    with pytest.raises(InvalidParams, match=r"params\.pages: .* has 5"):
        chosen("6-7", 5, 100)


def test_too_many_pages_are_refused_and_some_of_them_are_not() -> None:
    with pytest.raises(TooLarge, match="FARM_MAX_PAGES"):
        chosen("", 101, 100)
    assert len(chosen("2-", 101, 100)) == 100


@pytest.mark.parametrize("pages", ["0", "3-1", "one", "1;2", "-3", "1,,2", "1234567"])
def test_pages_that_make_no_sense_are_refused_in_the_front(pages: str) -> None:
    with pytest.raises(InvalidParams, match=r"params\.pages"):
        Document().validate({"pages": pages})


# What is a document.


def test_a_pdf_for_ocr_becomes_a_document_and_a_picture_does_not(farm: Farm) -> None:
    pdf, png = books.book(1, (200, 200)).pdf, pictures.small()
    assert farm.prepare("ocr", [pdf], {}).task == "document"
    assert farm.prepare("ocr", [b"\n\n" + pdf], {"min_score": 0.7}).params["min_score"] == 0.7
    assert farm.prepare("ocr", [png], {}).task == "ocr"
    assert farm.prepare("ocr", [png], {"pages": "1-2"}).task == "document"
    assert farm.prepare("ocr", [pdf], {"password": "secret"}).params["password"] == "secret"
    assert farm.prepare("document", [png], {}).task == "document"


def test_a_pdf_is_no_picture() -> None:
    with pytest.raises(UnsupportedMedia):
        images.check(books.book(1, (200, 200)).pdf, "image", 10**6)


def test_a_farm_without_documents_says_so(settings: Settings) -> None:
    without = Farm(settings=replace(settings, enable=("ocr",)))
    with pytest.raises(UnsupportedMedia, match="image: is for the task document, which FARM_ENABLE leaves out"):
        without.prepare("ocr", [books.book(1, (200, 200)).pdf], {})
    without.close()


# PDF.


def test_a_page_is_a_small_file_with_what_it_needs() -> None:
    book = books.book(3, (400, 300))
    pdf = pikepdf.open(io.BytesIO(book.pdf))
    shared = pdf.make_indirect(Dictionary({f"/Scan{n}": pdf.pages[n].obj.Resources.XObject.Scan for n in range(3)}))
    for number, page in enumerate(pdf.pages):  # as some programs write it: one table of all pictures for every page
        page.obj.Resources = Dictionary(XObject=shared)
        page.obj.Contents = pdf.make_stream(f"q 192 0 0 144 0 0 cm /Scan{number} Do Q".encode())
    source = open_source(books.written(pdf))
    assert len(source) == 3
    for number in range(3):
        page = source.page(number)
        assert book.scans[number] in page
        assert len(page) < len(book.scans[number] or b"") + 2000


def test_a_damaged_pdf_is_said_to_be_so() -> None:
    with pytest.raises(BrokenImage, match="damaged"):
        open_source(b"%PDF-1.7\nnothing of the kind")


def test_a_pdf_cut_short_still_gives_the_pages_that_are_there() -> None:
    pdf = books.book(2, (200, 200)).pdf
    source = open_source(pdf[: pdf.rindex(b"xref")])
    assert len(source) == 2


def encrypted(**passwords: str) -> bytes:
    file = io.BytesIO()
    with pikepdf.open(io.BytesIO(books.book(1, (200, 200)).pdf)) as pdf:
        pdf.save(file, encryption=pikepdf.Encryption(**passwords))
    return file.getvalue()


def test_an_encrypted_pdf_wants_its_password() -> None:
    data = encrypted(owner="o", user="字")
    with pytest.raises(InvalidParams, match=r"params\.password: the PDF is encrypted"):
        open_source(data)
    with pytest.raises(InvalidParams, match=r"params\.password: the password is wrong"):
        open_source(data, "no")
    assert b"/Encrypt" not in open_source(data, "字").page(0)


def test_a_pdf_that_only_forbids_needs_no_password() -> None:
    assert len(open_source(encrypted(owner="o", user=""))) == 1


@pytest.mark.parametrize("unit", [0, -2, Name.Large, Array([])])
def test_a_unit_that_cannot_be_is_a_point(unit: Any) -> None:
    pdf = pikepdf.open(io.BytesIO(books.book(1, (200, 200)).pdf))
    pdf.pages[0].obj.UserUnit = unit
    assert PdfSource(books.written(pdf), "").scale(0) == 1


@pytest.mark.parametrize("name", ["FlateDecode", "Unknown"])
def test_a_page_of_whose_content_nothing_can_be_read_is_damaged_and_says_so(name: str) -> None:
    pdf = pikepdf.open(io.BytesIO(books.book(1, (200, 200)).pdf))
    pdf.pages[0].obj.Contents = pdf.make_stream(b"")
    pdf.pages[0].obj.Contents.write(b"no such code", filter=Name(f"/{name}"))
    with pytest.raises(BrokenImage, match=r"^page 1 of the PDF is (cut short or )?damaged: [^<]*$"):
        PdfSource(books.written(pdf), "").page(0)


def test_a_page_in_larger_units_is_larger() -> None:
    pdf = pikepdf.open(io.BytesIO(books.book(2, (200, 200)).pdf))
    pdf.pages[1].obj.UserUnit = 4
    source = PdfSource(books.written(pdf), "")
    assert [source.scale(0), source.scale(1)] == [1, 4]


# TIFF.


def tiff(*images: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    images[0].save(file, "TIFF", save_all=True, append_images=images[1:], **options)
    return file.getvalue()


def page(number: int, mode: str = "RGB") -> Image.Image:
    grain = np.random.default_rng(number).integers(0, 256, (50 + number, 70, 3), np.uint8)
    return Image.fromarray(grain).convert(mode)


@pytest.mark.parametrize(
    ("mode", "compression"),
    [("RGB", None), ("L", "tiff_lzw"), ("1", "group4"), ("RGB", "jpeg"), ("RGB", "tiff_deflate"), ("1", "packbits")],
)
def test_each_page_of_a_tiff_is_a_tiff_with_the_same_pixels(mode: str, compression: str | None) -> None:
    pages = [page(number, mode) for number in range(3)]
    data = tiff(*pages, compression=compression)
    source = Tiff(data)
    assert len(source) == 3
    with Image.open(io.BytesIO(data)) as whole:
        for number in range(3):
            whole.seek(number)
            one = source.page(number)
            with Image.open(io.BytesIO(one)) as alone:
                assert alone.n_frames == 1
                assert alone.size == whole.size
                assert np.array_equal(np.asarray(alone), np.asarray(whole))
            assert images.decode(one).shape[:2] == (50 + number, 70)


def test_a_big_endian_tiff_is_read_too() -> None:
    pixels = bytes(range(100))
    entries = [(256, 4, 1, 10), (257, 4, 1, 10), (258, 3, 1, 8 << 16), (259, 3, 1, 1 << 16), (262, 3, 1, 1 << 16)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 1 << 16), (278, 4, 1, 10), (279, 4, 1, 100)]
    directory = struct.pack(">H", len(entries)) + b"".join(struct.pack(">HHII", *entry) for entry in entries)
    data = b"MM\0*" + struct.pack(">I", 108) + pixels + directory + bytes(4)
    assert np.array_equal(images.decode(Tiff(data).page(0))[:, :, 0].ravel(), list(pixels))


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_each_page_of_a_bigtiff_is_a_tiff_with_the_same_pixels(byteorder: str) -> None:
    file = io.BytesIO()
    pages = [np.asarray(page(number, "RGB")) for number in range(3)]
    with tifffile.TiffWriter(file, bigtiff=True, byteorder=byteorder) as writer:
        for pixels in pages:
            writer.write(pixels, photometric="rgb", tile=(16, 16), compression="zlib", metadata=None)
    source = Tiff(file.getvalue())
    assert len(source) == 3
    for number, pixels in enumerate(pages):
        assert source.page(number)[:4] in (b"II*\0", b"MM\0*")
        assert np.array_equal(images.decode(source.page(number))[..., ::-1], pixels)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("pages", [1, 2, 5])
def test_a_tiff_of_several_pages_sent_to_ocr_is_a_document(farm: Farm, pages: int, bigtiff: bool) -> None:
    data = with_copies(pages, bigtiff)
    assert farm.prepare("ocr", [data], {}).task == ("document" if pages > 1 else "ocr")
    assert len(Tiff(data)) == pages


def with_copies(pages: int, bigtiff: bool) -> bytes:
    """A TIFF of *pages* pages, each followed by a thumbnail."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=bigtiff) as writer:
        for number in range(pages):
            pixels = np.asarray(page(number, "RGB"))
            for kind, part in ((0, pixels), (1, pixels[::4, ::4])):
                writer.write(part, subfiletype=kind, metadata=None)
    return file.getvalue()


def test_a_last_page_that_is_none_is_left_out() -> None:
    data = bytearray(tiff(page(0), page(1)))
    first = struct.unpack("<I", data[4:8])[0]
    second = struct.unpack_from("<I", data, first + 2 + 12 * struct.unpack_from("<H", data, first)[0])[0]
    struct.pack_into("<I", data, second + 2 + 12 * struct.unpack_from("<H", data, second)[0], len(data) - 1)
    assert len(Tiff(bytes(data))) == 2


def test_a_tiff_whose_pages_lead_back_to_the_first_ends() -> None:
    data = bytearray(tiff(page(0), page(1)))
    first = struct.unpack("<I", data[4:8])[0]
    second_link = first + 2 + 12 * struct.unpack("<H", data[first : first + 2])[0]
    second = struct.unpack("<I", data[second_link : second_link + 4])[0]
    last_link = second + 2 + 12 * struct.unpack("<H", data[second : second + 2])[0]
    data[last_link : last_link + 4] = struct.pack("<I", first)
    assert len(Tiff(bytes(data))) == 2


def test_a_tiff_that_names_one_piece_a_million_times_is_damaged() -> None:
    places = struct.pack("<I", 8) * 1000
    sizes = struct.pack("<I", 4000) * 1000
    body = places + sizes
    entries = [(273, 4, 1000, 8), (279, 4, 1000, 8 + len(places))]
    directory = struct.pack("<H", 2) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    source = Tiff(b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory + bytes(4))
    with pytest.raises(BrokenImage, match="larger than the file"):
        source.page(0)


@pytest.mark.parametrize("seed", range(40))
def test_a_spoilt_tiff_is_a_broken_image_or_still_a_tiff(seed: int) -> None:
    data = bytearray(tiff(page(0), page(1), compression="tiff_lzw"))
    chance = np.random.default_rng(seed)
    for place in chance.integers(4, len(data), 30):
        data[place] = chance.integers(256)
    try:
        source = Tiff(bytes(data[: chance.integers(100, len(data))] if seed % 2 else data))
        for number in range(len(source)):
            assert source.page(number).startswith(b"II*\0")
    except BrokenImage:
        pass


# The task itself, without a farm.


class Alone:
    """A context in which every page is read as its number."""

    limits = Limits(10_000, 3)

    def __init__(self, path: Any) -> None:
        self.path = path
        self.told: list[float] = []

    def scratch(self) -> Any:
        return self.path

    def progress(self, fraction: float) -> None:
        self.told.append(fraction)

    def map(self, task: str, items: Any) -> Any:
        return iter([(key, part if isinstance(part, FarmError) else self.outcome(task, *part)) for key, part in items])

    def outcome(self, task: str, picture: bytes, params: Any) -> Any:
        return UnsupportedMedia("unread")


def run(data: bytes, path: Any, **params: Any) -> Any:
    task = Document()
    context = Alone(path)
    [found] = task.run([Job("document", task.validate(params), [data])], context)  # type: ignore[arg-type]
    return found


def test_a_document_of_which_nothing_can_be_read_fails_and_says_why(tmp_path: Any) -> None:
    found = run(tiff(page(0), page(1)), tmp_path)
    assert found.code == "unsupported_media"
    assert str(found) == "no page can be read; page 1: unread"


def test_a_page_of_too_many_pixels_is_not_handed_out(tmp_path: Any) -> None:
    found = run(tiff(Image.new("L", (200, 200)), Image.new("L", (300, 300))), tmp_path)
    assert found.code == "too_large"


def test_a_document_of_too_many_pages_is_refused(tmp_path: Any) -> None:
    assert run(tiff(*[page(0)] * 4), tmp_path).code == "too_large"


def test_a_document_without_a_page_is_damaged(tmp_path: Any) -> None:
    assert run(books.written(pikepdf.new()), tmp_path).code == "broken_image"


def test_a_page_tree_that_turns_in_a_circle_is_damaged(tmp_path: Any) -> None:
    pdf = pikepdf.open(io.BytesIO(books.book(1, (200, 200)).pdf))
    pdf.Root.Pages.Kids = Array([pdf.Root.Pages])
    data = books.written(pdf)
    assert run(data, tmp_path).code == "broken_image"


def test_a_page_that_is_none_costs_no_other(tmp_path: Any) -> None:
    pdf = pikepdf.open(io.BytesIO(books.book(2, (200, 200)).pdf))
    pdf.pages[0].obj[Name.Contents] = Array([pikepdf.String("no stream")])
    assert run(books.written(pdf), tmp_path).code == "unsupported_media", "both were handed out"
