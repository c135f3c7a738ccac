"""Signatures of thoughts on their way through a caller of another dialect, who gives them back with the next request.

Each is opaque to the caller, so it can say whose it is: `bursar:DIALECT:SIGNATURE`. No provider's own signature holds a
colon: all are base64.
"""

import base64
import binascii

_MARK = "bursar:"


def carry(provider: str, signature: str) -> str:
    """A signature of another dialect's provider, for a caller whose dialect takes any text."""
    return f"{_MARK}{provider}:{signature}"


def carried(signature: str) -> tuple[str, str] | None:
    """(whose, the signature) if it was carried; None for the dialect's own."""
    if not signature.startswith(_MARK):
        return None
    provider, _, inner = signature[len(_MARK) :].partition(":")
    return provider, inner


def carry_in_base64(provider: str, signature: str) -> str:
    """The same for a dialect whose signatures are bytes (Gemini)."""
    return base64.b64encode(carry(provider, signature).encode()).decode()


def carried_in_base64(signature: str) -> tuple[str, str] | None:
    """(whose, the signature); either alphabet of base64, since a client may write it anew."""
    try:
        plain = base64.b64decode(signature.replace("-", "+").replace("_", "/"), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return carried(plain)
