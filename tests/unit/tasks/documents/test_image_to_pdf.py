"""Pictures that go into a PDF as they are: not one pixel is another, and what is packed well is not packed again."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spoolfarm.tasks.documents import pdf as pdfs
from spoolfarm.tasks.ocr.pdf_page import PdfPage
from tests.unit.tasks.documents.test_pdf import checked

#: Bytes that hold the whole test picture in one piece.
WHOLE = 1 << 20
#: TIFF's tags: what a pixel of 0 is, the order of the bits in a byte, and which way is up.
PHOTOMETRIC, FILL_ORDER, ORIENTATION = 262, 266, 274


def page(size: tuple[int, int] = (123, 80)) -> Image.Image:
    """A black and white picture without any symmetry, of an odd width, with more white than black."""
    grain = np.random.default_rng(1).random((size[1], size[0])) > 0.2
    grain[:20, :40] = False
    return Image.fromarray(grain.astype(np.uint8) * 255).convert("1")


def fax(picture: Image.Image, tags: dict[int, int], piece: int = WHOLE, code: str = "group4") -> bytes:
    """*picture* as a TIFF of fax code in pieces of so many unpacked bytes."""
    file = io.BytesIO()
    picture.save(file, "TIFF", compression=code, strip_size=piece, tiffinfo=tags)
    return file.getvalue()


def made(data: bytes, path: Path) -> tuple[str, bytes, np.ndarray[Any, Any]]:
    """The image in the PDF that *data* becomes: its filter and its bytes, and what poppler unpacks of it, in grey."""
    with pdfs.of_picture(data, 72) as pdf:
        [shown] = pdf.pages
        image = shown.obj.Resources.XObject.Picture
        code, packed = str(image.Filter), image.read_raw_bytes()
        pdf.save(path / "out.pdf")
    checked(path / "out.pdf")
    subprocess.run(["pdfimages", "-png", path / "out.pdf", path / "image"], check=True)
    [unpacked] = path.glob("image*.png")
    return code, packed, np.asarray(Image.open(unpacked).convert("L"))


@pytest.mark.parametrize("zero", [0, 1], ids=["0 is white", "0 is black"])
def test_fax_code_in_one_piece_goes_in_as_it_is(zero: int, tmp_path: Path) -> None:
    data = fax(page(), {PHOTOMETRIC: zero})
    code, packed, seen = made(data, tmp_path)
    assert code == "/CCITTFaxDecode"
    assert packed in data
    with PdfPage((tmp_path / "out.pdf").read_bytes(), 72 * 4, 10**6) as rendered:
        middles = rendered.picture()[2::4, 2::4, 0]
    assert np.array_equal(middles > 127, np.asarray(page()))
    assert np.array_equal(seen, np.asarray(page().convert("L")))


@pytest.mark.parametrize(
    ("tags", "piece"), [({}, 200), ({PHOTOMETRIC: 0}, 200), ({FILL_ORDER: 2}, WHOLE)], ids=["pieces", "white", "bits"]
)
def test_fax_code_that_a_pdf_does_not_take_stays_fax_code(tags: dict[int, int], piece: int, tmp_path: Path) -> None:
    data = fax(page(), tags, piece)
    code, packed, seen = made(data, tmp_path)
    assert code == "/CCITTFaxDecode"
    assert len(packed) < len(data)
    assert np.array_equal(seen, np.asarray(page().convert("L")))


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_fax_is_shown_upright(orientation: int, tmp_path: Path) -> None:
    data = fax(page(), {ORIENTATION: orientation})
    *_, seen = made(data, tmp_path)
    assert np.array_equal(seen, np.asarray(Image.open(io.BytesIO(data)).convert("L")))


@pytest.mark.parametrize("code", ["group3", "packbits", "tiff_lzw"])
def test_black_and_white_in_another_code_loses_no_pixel(code: str, tmp_path: Path) -> None:
    *_, seen = made(fax(page(), {}, code=code), tmp_path)
    assert np.array_equal(seen, np.asarray(page().convert("L")))


def test_a_photo_of_several_pictures_in_one_file_goes_in_as_it_is_on_one_page(tmp_path: Path) -> None:
    file = io.BytesIO()
    first, second = (page((160, 120)).convert("RGB").rotate(turn) for turn in (0, 180))
    first.save(file, "MPO", save_all=True, append_images=[second])
    _, packed, _ = made(file.getvalue(), tmp_path)
    assert packed == file.getvalue()


def sized(data: bytes) -> list[float]:
    """Width and height, in points, of the page that *data* becomes."""
    with pdfs.of_picture(data) as pdf:
        return [float(length) for length in pdf.pages[0].mediabox[2:]]


def stored(kind: str, dpi: tuple[int, int], turn: int = 1) -> bytes:
    file, exif = io.BytesIO(), Image.Exif()
    exif[ORIENTATION] = turn
    page((204, 98)).convert("L").save(file, kind, dpi=dpi, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["TIFF", "JPEG", "PNG"])
def test_a_page_is_as_large_as_both_resolutions_say(kind: str) -> None:
    assert sized(stored(kind, (204, 98))) == pytest.approx([72, 72], abs=0.2)
    assert sized(stored(kind, (102, 98), turn=6)) == pytest.approx([72, 144], abs=0.2)


@pytest.mark.parametrize("kind", ["TIFF", "JPEG", "PNG", "BMP"])
def test_a_picture_that_says_only_what_programs_write_without_knowing_fits_a_page(kind: str) -> None:
    assert max(sized(stored(kind, (72, 72)))) == pytest.approx(842, abs=0.1)
