"""A tool's parameters, and the arguments of a call, where the dialect wants objects and not texts."""

import msgspec

from bursar.translate.conversation import Losses

_NO_PARAMETERS = ('{"type":"object"}', '{"type":"object","properties":{}}')
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


def arguments_text(raw: msgspec.Raw) -> str:
    """An object of an answer as text; what is no object is none."""
    text = bytes(raw).decode("utf-8", "replace")
    return text if text.startswith("{") else "{}"


def parameters_text(schema: str) -> str:
    """A tool's schema; "" where it says that the tool takes nothing."""
    return "" if schema in _NO_PARAMETERS else schema
