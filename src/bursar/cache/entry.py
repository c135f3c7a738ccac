"""A kept answer, and how it lies on a disk or in Redis: sealed with the site's secret, bound to its key.

The seal (AES-GCM) means that what was damaged, cut, exchanged or forged can't be opened: a miss, never a wrong answer.
"""

import os
from hashlib import blake2b

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bursar.domain.savings import NOTHING, Saved

NONCE_BYTES = 12
FORMAT = 1  # another one is a miss


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An answer as its caller had it, and what it would cost to ask again.

    body:      of a stream, all of its pieces. status: HTTP. content_type: its header.
    list_pico: what the provider would take for the same answer, its prompt cache read and not written; None: unknown.
    saved:     what the other levers save of that, as in `Settled`.
    """

    created_us: int
    expires_us: int
    status: int
    content_type: bytes
    is_stream: bool
    body: bytes
    provider: str
    model_served: str
    finish_reason: str
    outcome: str
    list_pico: int | None
    saved: Saved = NOTHING
    sku_id: str = ""
    sku_price_id: str = ""
    format: int = FORMAT

    def is_fresh(self, now_us: int, age_s_max: int | None) -> bool:
        """Whether it may be given out. One from the future is not: a clock was set back, so its age isn't known."""
        if not self.created_us <= now_us < self.expires_us:
            return False
        return age_s_max is None or now_us - self.created_us <= age_s_max * 1_000_000


class Box:
    """Seals and opens entries."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(blake2b(b"answers", key=secret, digest_size=32, person=b"bursar-box").digest())

    def seal(self, key: bytes, entry: Entry) -> bytes:
        """The entry for a place that others can write to; only with this key can it be opened again."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, _ENCODE(entry), key)

    def open(self, key: bytes, sealed: bytes) -> Entry | None:
        """None for anything but a whole entry of this site under this key."""
        try:
            entry = _DECODE(self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], key))
        except (InvalidTag, ValueError, msgspec.DecodeError):
            return None
        return entry if entry.format == FORMAT else None


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Entry).decode
