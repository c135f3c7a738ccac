"""What the header of an image, a recording or a PDF says of its size, from base64 and without decoding it all.

Only the places that are needed are decoded: four characters are three bytes, so any offset can be looked up. What can't
be read is zero, which means unknown. A PDF is read up to PDF_BYTES_MAX, since its pages stand anywhere.
"""

import re
import zlib
from binascii import Error, a2b_base64

PDF_BYTES_MAX = 4 * 1024 * 1024
INFLATED_BYTES_MAX = 8 * 1024 * 1024
JPEG_SEGMENTS_MAX = 200
MP3_BYTES_PER_S = 1_000  # the lowest rate that there is: 8 kbit/s
COMPRESSED_BYTES_PER_S = 500  # Opus and its kin, at 4 kbit/s
WAV_BYTES_PER_S_MIN = 1_000

_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_COUNT = re.compile(rb"/Count\s+(\d{1,6})")
_OBJECTS = re.compile(rb"/ObjStm\b.{0,400}?stream\r?\n", re.DOTALL)
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def decoded_bytes(data: str) -> int:
    """How many bytes a base64 text holds, at most."""
    return len(data) * 3 // 4


def image_size(data: str) -> tuple[int, int]:
    """Width and height in pixels; (0, 0) where they can't be read."""
    try:
        head = _at(data, 0, 32)
        if head.startswith(b"\x89PNG") and head[12:16] == b"IHDR":
            return _big(head, 16, 4), _big(head, 20, 4)
        if head.startswith((b"GIF87a", b"GIF89a")):
            return _little(head, 6, 2), _little(head, 8, 2)
        if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
            return _webp(head)
        return _jpeg(data) if head.startswith(b"\xff\xd8") else (0, 0)
    except (Error, ValueError, IndexError):
        return 0, 0


def audio_seconds(data: str, form: str) -> int:
    """The most seconds that a recording can last."""
    size = decoded_bytes(data)
    rate = MP3_BYTES_PER_S if form == "mp3" else COMPRESSED_BYTES_PER_S
    try:
        head = _at(data, 0, 44)
    except (Error, ValueError):
        head = b""
    if head.startswith(b"RIFF") and head[8:16] == b"WAVEfmt ":
        rate = max(WAV_BYTES_PER_S_MIN, min(_little(head, 28, 4), _little(head, 24, 4) * _little(head, 32, 2)))
    return -(-size // rate) + 1


def pdf_pages(data: str) -> int:
    """How many pages a PDF has, never less; 0 where that can't be told."""
    if decoded_bytes(data) > PDF_BYTES_MAX:
        return 0
    try:
        whole = a2b_base64(data)
        found = _pages(whole)
        left = INFLATED_BYTES_MAX
        for match in _OBJECTS.finditer(whole):
            inflated = zlib.decompressobj().decompress(whole[match.end() :], left)
            left -= len(inflated)
            if left <= 0:
                return 0
            listed = _pages(inflated)
            found = (found[0] + listed[0], max(found[1], listed[1]))
    except (Error, ValueError, zlib.error):
        return 0
    return max(found)


def _pages(text: bytes) -> tuple[int, int]:
    """Page objects, and the highest count in a tree of them."""
    return len(_PAGE.findall(text)), max((int(count) for count in _COUNT.findall(text)), default=0)


def _at(data: str, offset: int, size: int) -> bytes:
    """So many decoded bytes from an offset on; fewer at the end. Raises binascii.Error if that isn't base64."""
    start = offset // 3
    end = -(-(offset + size) // 3)
    return a2b_base64(data[start * 4 : end * 4], strict_mode=True)[offset - start * 3 :][:size]


def _jpeg(data: str) -> tuple[int, int]:
    """From segment to segment until the one with the frame's size."""
    offset = 2
    for _ in range(JPEG_SEGMENTS_MAX):
        segment = _at(data, offset, 10)
        if segment[0] != 0xFF:
            return 0, 0
        if segment[1] == 0xFF:  # padding
            offset += 1
        elif segment[1] in _JPEG_SIZES:
            return _big(segment, 7, 2), _big(segment, 5, 2)
        else:
            offset += 2 + _big(segment, 2, 2)
    return 0, 0


def _webp(head: bytes) -> tuple[int, int]:
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + _little(head, 24, 3), 1 + _little(head, 27, 3)
    if kind == b"VP8L":
        bits = _little(head, 21, 4)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return _little(head, 26, 2) & 0x3FFF, _little(head, 28, 2) & 0x3FFF


def _big(text: bytes, start: int, size: int) -> int:
    return int.from_bytes(text[start : start + size], "big")


def _little(text: bytes, start: int, size: int) -> int:
    return int.from_bytes(text[start : start + size], "little")
