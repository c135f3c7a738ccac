"""Files as a client sends them, as far as their headers go: what the gateway reads of them is only that."""

import struct
import zlib
from base64 import b64encode


def b64(content: bytes) -> str:
    return b64encode(content).decode()


def png(width: int, height: int, size: int = 200) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\0\0\0" + b"\x17" * size


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0" * 40


def jpeg(width: int, height: int, exif_bytes: int = 30_000) -> bytes:
    """With a preview before the frame, as a camera writes it: its own size must not be taken for the image's."""
    exif = (
        b"\xff\xe1" + struct.pack(">H", exif_bytes + 2) + (b"\xff\xc0\0\x11\x08\0\x10\0\x10" * exif_bytes)[:exif_bytes]
    )
    frame = b"\xff\xc2\0\x11\x08" + struct.pack(">HH", height, width) + b"\x03" + b"\0" * 9
    return b"\xff\xd8" + exif + b"\xff\xdb\0\x05abc" + frame + b"\xff\xda" + b"\x55" * 100


def webp(width: int, height: int, kind: str = "VP8X") -> bytes:
    if kind == "VP8X":
        body = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif kind == "VP8L":
        body = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little")
    else:
        body = b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    return b"RIFF\0\0\0\0WEBP" + kind.ljust(4).encode() + b"\x0a\0\0\0" + body + b"\0" * 40


def wav(seconds: int, rate: int = 8_000) -> bytes:
    head = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0" + struct.pack("<IIHH", rate, rate * 2, 2, 16)
    return head + b"data\0\0\0\0" + b"\0" * (rate * 2 * seconds)


def pdf(pages: int, *, packed: bool) -> bytes:
    """Its page objects in the open, or inside a compressed stream as PDF 1.5 and later write them."""
    objects = b"<< /Type /Pages /Count %d >>" % pages + b"<< /Type /Page /Parent 2 0 R >>" * pages
    if not packed:
        return b"%PDF-1.4\n" + objects + b"\n%%EOF"
    stream = zlib.compress(objects)
    head = b"1 0 obj << /Type /ObjStm /Filter /FlateDecode /Length %d >> stream\n" % len(stream)
    return b"%PDF-1.7\n" + head + stream + b"\nendstream\n%%EOF"
