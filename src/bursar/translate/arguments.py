"""Arguments of a tool's call where the dialect wants an object, not a text."""

import msgspec

from bursar.translate.conversation import Losses

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def arguments_of(text: str, losses: Losses) -> msgspec.Raw:
    """A call's arguments as an object. What a model wrote and is none, is kept inside of one."""
    if not text.strip():
        return msgspec.Raw(b"{}")
    raw = text.encode("utf-8", "surrogatepass")
    try:
        _OBJECT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        losses.lose("tool_use.arguments")
        return msgspec.Raw(msgspec.json.encode({"arguments": text}))
    return msgspec.Raw(raw)
