"""Another provider's proof of a thought or a call, carried through a dialect that has one opaque field for its own.

A caller who speaks Responses to Claude gets Claude's signature as `encrypted_content` and sends it back with the next
turn, as its client does anyway; without it the provider refuses to go on from its own tools' results. The seal says
whose it is: nothing here is secret, and nothing of it is believed by anyone but the provider that signed it.
"""

import msgspec

_PREFIX = "bursar:"
SEAL_CHARS_MAX = 4 * 1024 * 1024  # a thought of a million tokens


class Seal(msgspec.Struct, frozen=True, array_like=True):
    """provider: the dialect that made it. signature, redacted: as in `Thinking`. call: the id of the tool's call that
    it signs (Gemini), "" for a thought's."""

    provider: str
    signature: str = ""
    redacted: str = ""
    call: str = ""


_DECODER = msgspec.json.Decoder(Seal)


def sealed(seal: Seal) -> str:
    """The seal as one text."""
    return _PREFIX + msgspec.json.encode(seal).decode()


def unsealed(text: str) -> Seal | None:
    """The seal in a text; None if it is none: a provider's own opaque field."""
    if not text.startswith(_PREFIX) or len(text) > SEAL_CHARS_MAX:
        return None
    try:
        return _DECODER.decode(text[len(_PREFIX) :])
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
