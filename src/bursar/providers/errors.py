"""Errors in the providers' own words: reading theirs, writing ours.

Source: the error bodies of tests/golden (recorded, and quoted in public issue threads), OpenAI's and Anthropic's
published schemas; google.rpc.Status with ErrorInfo.
"""

import re
from typing import Any

import msgspec

from bursar.domain.errors import BursarError

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}", re.ASCII)

_OPENAI_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


_GOOGLE_STATUSES = {
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}


class _Envelope(msgspec.Struct, gc=False):
    """Every shape seen: `error` an object, a text, or absent with its fields at the top."""

    error: Any = None
    type: Any = None
    code: Any = None
    status: Any = None
    aws_type: Any = msgspec.field(default=None, name="__type")


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_LIST = msgspec.json.Decoder(list[_Envelope])


def error_code(body: bytes, status: int) -> str:
    """The provider's code of what went wrong: `insufficient_quota`, `overloaded_error`; else `http_404`.

    The code comes before the type, since OpenAI's type is the same for most mistakes. A number isn't a name.
    """
    try:
        envelope = _LIST.decode(body)[0] if body[:1] == b"[" else _ENVELOPE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError):
        return f"http_{status}"
    return code_of(envelope.error) or code_of(msgspec.structs.asdict(envelope)) or f"http_{status}"


def code_of(error: Any) -> str:
    """The code in an error object, "" if it has none."""
    if not isinstance(error, dict):
        return ""
    for key in ("code", "type", "status", "aws_type"):
        value = error.get(key)
        if isinstance(value, str) and value != "error" and _CODE.fullmatch(value):
            return value
    number = error.get("code")
    return f"http_{number}" if isinstance(number, int) and 400 <= number <= 599 else ""


def openai_error(error: BursarError) -> bytes:
    """OpenAI's envelope, as its SDKs parse it."""
    return msgspec.json.encode(
        {
            "error": {
                "message": error.message,
                "type": _OPENAI_TYPES.get(error.status)
                or ("invalid_request_error" if error.status < 500 else "server_error"),
                "param": error.field,
                "code": error.code,
                **error.details,
            }
        }
    )


def anthropic_error(error: BursarError, call_id: str) -> bytes:
    """Anthropic's envelope; `code`, `param` and details are ours beside its two fields."""
    kind = _ANTHROPIC_TYPES.get(error.status) or ("invalid_request_error" if error.status < 500 else "api_error")
    return msgspec.json.encode(
        {
            "type": "error",
            "error": {
                **error.details,
                "type": kind,
                "message": error.message,
                "code": error.code,
                "param": error.field,
            },
            "request_id": call_id or None,
        }
    )


def google_error(error: BursarError, call_id: str) -> bytes:
    """Google's envelope; what is ours stands in an ErrorInfo, whose metadata is text."""
    more = {"code": error.code, "field": error.field, "call_id": call_id, **error.details}
    metadata = {
        key: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for key, value in more.items()
        if value not in (None, "")
    }
    return msgspec.json.encode(
        {
            "error": {
                "code": error.status,
                "message": error.message,
                "status": _GOOGLE_STATUSES.get(error.status)
                or ("INVALID_ARGUMENT" if error.status < 500 else "INTERNAL"),
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                        "reason": error.code.upper(),
                        "domain": "bursar",
                        "metadata": metadata,
                    }
                ],
            }
        }
    )


def bedrock_error(error: BursarError, call_id: str) -> bytes:
    """Amazon Bedrock's body, a message; its type goes into the headers, and what is ours stands beside it."""
    more = {"code": error.code, "field": error.field, "call_id": call_id}
    said = {key: value for key, value in more.items() if value}
    return msgspec.json.encode({"message": error.message, **said, **error.details})
