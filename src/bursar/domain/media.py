"""What a request carries beside text, as far as its tokens depend on it. No content."""

from enum import StrEnum

import msgspec


class MediaKind(StrEnum):
    """How a part is billed."""

    IMAGE = "image"
    AUDIO = "audio"
    PDF = "pdf"
    FILE = "file"


class Media(msgspec.Struct, frozen=True, gc=False):
    """One part of a request that isn't text. Zero means unknown: it stands elsewhere, or its header can't be read.

    width, height: of an image, in pixels, as its file says. detail: as the request asks ("low", "high"...) or "".
    seconds: the most that an audio part can last. pages: of a PDF. text_bytes: of a file that is text.
    """

    kind: MediaKind
    width: int = 0
    height: int = 0
    detail: str = ""
    seconds: int = 0
    pages: int = 0
    text_bytes: int = 0
