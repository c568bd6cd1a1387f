"""Formats: what a picture file is, recognised by its first bytes."""

from __future__ import annotations

#: What a picture file begins with. RIFF containers are WebP when bytes 8 to 12 say so.
MAGIC = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"RIFF": "WEBP",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",  # BigTIFF, here and below
    b"MM\x00+": "TIFF",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\x00\x00\x01\x00": "ICO",
}
#: The brands of the files that begin with a box `ftyp`: ISO/IEC 23008-12, and AV1 Image File Format.
BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "HEIC"),
}
#: Brands that say no more than that there are pictures; the brands after them say which.
ANY_PICTURE = (b"mif1", b"msf1")
#: Bytes after which the format is known.
LONGEST_MAGIC = 132
#: What each format needs that is not always there.
NEEDS = {
    "HEIC": "pillow-heif is installed",
    "AVIF": "Pillow is built with libavif",
    "JPEG 2000": "Pillow is built with OpenJPEG",
}
#: The media type of each format.
MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "GIF": "image/gif",
    "JPEG 2000": "image/jp2",
    "ICO": "image/vnd.microsoft.icon",
    "AVIF": "image/avif",
    "HEIC": "image/heic",
}
#: Files that people send for pictures, and what they are.
OTHERS = {
    b"%PDF-": "a PDF",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"8BPS": "a Photoshop document",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"<svg": "SVG",
    b"<?xml": "XML",
    b"%!PS": "PostScript",
    b"AT&TFORM": "DjVu",
    b"qoif": "QOI",
    b"\x89HDF": "HDF5",
    b"SIMPLE  =": "FITS",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    **{b"\0\0%c\0\0\0\0\0" % kind: "TGA" for kind in (2, 3, 10, 11)},
    **dict.fromkeys((b"\0\1\1\0\0", b"\0\1\t\0\0"), "TGA"),
    b"\0\0\2\0": "a cursor",
    **dict.fromkeys((b"\n\2\1", b"\n\3\1", b"\n\5\1"), "PCX"),
    **{b"P%d%c" % (kind, blank): "Netpbm" for kind in range(1, 8) for blank in b"\n\r \t"},
    b"\1\xda": "SGI",
    b"DDS ": "DDS",
    b"icns": "an icon of macOS",
    b"\xd7\xcd\xc6\x9a": "a Windows metafile",
    b"II\xbc\1": "JPEG XR",
    **dict.fromkeys((b"FUJIFILM", b"IIU\0", b"IIRO", b"IIRS", b"MMOR"), "a camera's raw file"),
    b"\x1aE\xdf\xa3": "a video",
    **dict.fromkeys((b"<!doctype", b"<!DOCTYPE", b"<html", b"<HTML"), "a web page"),
    b"{": "JSON",
    **dict.fromkeys((b"iVBORw0KGgo", b"/9j/", b"R0lGOD", b"UklGR", b"JVBERi0"), "base64, not the bytes themselves"),
    b"data:": "a data URI, not the bytes themselves",
    b"version https://git-lfs": "a pointer of Git LFS",
}
#: What a file of DICOM holds after 128 bytes of anything (PS3.10, 7.1).
DICOM = b"DICM"


def sniff(data: bytes) -> str | None:
    """The picture format that the magic bytes of *data* name, or None."""
    for magic, name in MAGIC.items():
        if data.startswith(magic) and (name != "WEBP" or data[8:12] == b"WEBP"):
            return name
    if data[4:8] != b"ftyp":
        return None
    brands = [data[8:12]]
    if brands[0] in ANY_PICTURE:
        end = min(int.from_bytes(data[:4], "big"), LONGEST_MAGIC)
        brands = [data[at : at + 4] for at in range(16, end, 4)]
    return next((BRANDS[brand] for brand in brands if brand in BRANDS), None)


def is_pdf(data: bytes) -> bool:
    """Whether *data* begins like a PDF; a little of something else may stand before it."""
    return b"%PDF-" in data[:1024] and sniff(data) is None


def media_type(data: bytes) -> str:
    """The media type of the picture or PDF *data*; that of any bytes when it is neither."""
    if kind := sniff(data):
        return MEDIA_TYPES[kind]
    return "application/pdf" if is_pdf(data) else "application/octet-stream"


def stranger(data: bytes) -> str:
    """What *data* is when it is not a picture of a format in the table: "SVG", or "" when that is not known."""
    if data[4:8] == b"ftyp":
        return "a video, or a picture of a kind too new"
    if data[8:12] == b"AVI ":
        return "a video"
    if data[128:132] == DICOM:
        return "DICOM"
    bare = data.lstrip(b"\xef\xbb\xbf \t\r\n")  # texts may begin with blanks and a byte order mark
    return next((name for magic, name in OTHERS.items() if data.startswith(magic) or bare.startswith(magic)), "")


def readable(kind: str) -> bool:
    """Whether the libraries at hand read the format *kind*."""
    if kind == "HEIC":
        try:
            import pillow_heif  # noqa: F401
        except ImportError:
            return False
        return True
    if kind in NEEDS:
        from PIL import features

        return bool(features.check({"AVIF": "avif", "JPEG 2000": "jpg_2000"}[kind]))
    return True


def taken() -> list[str]:
    """The names of the formats that are read, in the order of the tables."""
    return [kind for kind in dict.fromkeys([*MAGIC.values(), *BRANDS.values()]) if readable(kind)]
