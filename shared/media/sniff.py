"""Tell the kind of a file by its first bytes; names and headers of clients are not believed."""

from typing import Literal

Kind = Literal["image", "pdf", "media", "unknown"]

HEAD_BYTES = 64

_IMAGE_MAGIC = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"BM",  # BMP
    b"II*\x00",  # TIFF, little endian
    b"MM\x00*",  # TIFF, big endian
)


def sniff(head: bytes) -> Kind:
    """Kind of the file that begins with ``head`` (at least ``HEAD_BYTES`` of it).

    ``media`` means a container that a demuxer should try; it is not yet known to be sound.
    """
    if not head:
        return "unknown"
    if b"%PDF-" in head:
        return "pdf"
    if head.startswith(_IMAGE_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "image"
    return "media"
