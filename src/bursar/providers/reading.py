"""Reading JSON that others wrote: requests are refused with a reason, answers are read as far as they go."""

from typing import Any, TypeVar

import msgspec

from bursar.domain.errors import BadRequest, InvalidJson, MissingField

TEXT_CHARS_MAX = 256  # ids, tiers and reasons of an answer are cut here

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""All that decoding can raise: malformed or mistyped JSON, bytes that aren't UTF-8, nesting without end."""

T = TypeVar("T")


def decode_request(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The fields we need of a request body. Raises InvalidJson, or BadRequest that names the field."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        reason, field = _split(str(error))
        raise BadRequest(f"{field or 'the request body'}: {reason}", field=field) from error
    except UNREADABLE as error:
        if not body.strip():
            raise InvalidJson("the request body is empty; a JSON object is needed") from error
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidJson(f"the request body is not valid JSON: {reason}") from error


def decode_answer(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    """The fields we need of a provider's body; None if it can't be read that way."""
    try:
        return decoder.decode(body)
    except UNREADABLE:
        return None


def require_model(model: str | None) -> str:
    """The model's name. Raises MissingField: nothing can be routed or priced without it."""
    if not model:
        raise MissingField("the request names no model", field="model")
    return model


def texts(pairs: dict[str, Any] | None) -> dict[str, str]:
    """Metadata with every value as text: what isn't a string stays its JSON, so nothing that was said is lost."""
    if not pairs:
        return {}
    return {
        key: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for key, value in pairs.items()
        if value is not None
    }


def labels(tags: Any) -> list[str]:
    """The strings of LiteLLM's `tags`, which nobody checks."""
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def clip(text: str | None) -> str:
    """A provider's word, at most as long as a ledger column should hold."""
    return text[:TEXT_CHARS_MAX] if text else ""


def served_tier(tier: str | None) -> str:
    """The tier an answer names. "auto" is what was asked for, never what was served."""
    return "" if not tier or tier == "auto" else tier[:TEXT_CHARS_MAX]


def _split(message: str) -> tuple[str, str | None]:
    """msgspec says "Expected `str`, got `int` - at `$.model`": the reason, and the field's path."""
    reason, _, where = message.partition(" - at `$")
    return reason.replace("`", ""), where.rstrip("`").lstrip(".") or None
