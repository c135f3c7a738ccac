"""OpenAI's refusals, as chat and Responses both write them. Source: tests/golden/errors; OpenAI's published schema."""

from typing import Any

import msgspec

from bursar.translate.answer import Fault

MESSAGE_CHARS_MAX = 4_096

KIND_OF_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_KIND_OF_CODE = {
    "insufficient_quota": "billing_error",
    "billing_hard_limit_reached": "billing_error",
    "rate_limit_exceeded": "rate_limit_error",
    "invalid_api_key": "authentication_error",
    "model_not_found": "not_found_error",
    "context_length_exceeded": "invalid_request_error",
    "invalid_prompt": "invalid_request_error",
    "server_is_overloaded": "overloaded_error",
    "server_error": "api_error",
}
_TYPE_OF_KIND = {
    "authentication_error": "authentication_error",
    "permission_error": "permission_error",
    "rate_limit_error": "rate_limit_error",
    "billing_error": "insufficient_quota",
    "api_error": "server_error",
    "overloaded_error": "server_error",
    "timeout_error": "server_error",
}
_STATUS_OF_KIND = {kind: status for status, kind in reversed(KIND_OF_STATUS.items())}


class _Envelope(msgspec.Struct, gc=False):
    """`error` is an object, a text, or absent with its fields at the top (Azure's gateway, vLLM)."""

    error: Any = None
    message: Any = None
    code: Any = None
    type: Any = None
    param: Any = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def read_fault(status: int, body: bytes) -> Fault:
    """A refusal of any status. Never raises: what can't be read is its own message."""
    try:
        seen = _ENVELOPE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body[: 4 * MESSAGE_CHARS_MAX].decode("utf-8", "replace").strip()
        return fault_of({"message": text or f"the provider answered {status}"}, status)
    if isinstance(seen.error, str):
        return fault_of({"message": seen.error, "code": seen.code}, status)
    return fault_of(seen.error if isinstance(seen.error, dict) else msgspec.structs.asdict(seen), status)


def fault_of(error: dict[str, Any], status: int = 0) -> Fault:
    """An error object, of an answer or in a stream. status 0: none was sent, so it goes by the code."""
    code = _text(error.get("code"))
    kind = _KIND_OF_CODE.get(code) or KIND_OF_STATUS.get(status)
    if kind is None:
        kind = "api_error" if status == 0 or status >= 500 else "invalid_request_error"
    message = _text(error.get("message")) or code or kind
    return Fault(status or _STATUS_OF_KIND.get(kind, 500), kind, message, code, _text(error.get("param")))


def error_object(fault: Fault) -> dict[str, Any]:
    """The object inside the envelope."""
    return {
        "message": fault.message,
        "type": _TYPE_OF_KIND.get(fault.kind, "invalid_request_error"),
        "param": fault.field or None,
        "code": fault.code or None,
    }


def write_fault(fault: Fault) -> bytes:
    """OpenAI's envelope, as its clients parse it."""
    return msgspec.json.encode({"error": error_object(fault)})


def _text(value: Any) -> str:
    return value[:MESSAGE_CHARS_MAX] if isinstance(value, str) else ""
