"""Google's refusals: google.rpc.Status in JSON, in a list where a stream was asked for as one.

Source: google.rpc's status and error_details; refusals recorded in tests/golden/vertex.
"""

from typing import Any

import msgspec

from bursar.providers.reading import UNREADABLE
from bursar.translate.answer import Fault
from bursar.translate.openai_faults import KIND_OF_STATUS

MESSAGE_CHARS_MAX = 4_096

_KINDS = {
    "INVALID_ARGUMENT": "invalid_request_error",
    "FAILED_PRECONDITION": "invalid_request_error",
    "OUT_OF_RANGE": "invalid_request_error",
    "UNAUTHENTICATED": "authentication_error",
    "PERMISSION_DENIED": "permission_error",
    "NOT_FOUND": "not_found_error",
    "RESOURCE_EXHAUSTED": "rate_limit_error",
    "UNAVAILABLE": "overloaded_error",
    "DEADLINE_EXCEEDED": "timeout_error",
    "INTERNAL": "api_error",
}
_STATUSES = {
    "invalid_request_error": ("INVALID_ARGUMENT", 400),
    "authentication_error": ("UNAUTHENTICATED", 401),
    "billing_error": ("RESOURCE_EXHAUSTED", 402),
    "permission_error": ("PERMISSION_DENIED", 403),
    "not_found_error": ("NOT_FOUND", 404),
    "request_too_large": ("INVALID_ARGUMENT", 413),
    "rate_limit_error": ("RESOURCE_EXHAUSTED", 429),
    "api_error": ("INTERNAL", 500),
    "overloaded_error": ("UNAVAILABLE", 503),
    "timeout_error": ("DEADLINE_EXCEEDED", 504),
}
_REASONS = {"API_KEY_INVALID": "authentication_error"}
"""Google answers 400 to a wrong key."""

_ANY = msgspec.json.Decoder()


def read_fault(status: int, body: bytes) -> Fault:
    """A refusal of any status. Never raises: what can't be read is its own message."""
    try:
        said = _ANY.decode(body)
    except UNREADABLE:
        said = None
    if isinstance(said, list) and said:
        said = said[0]
    error = said.get("error") if isinstance(said, dict) else None
    if not isinstance(error, dict):
        text = body[: 4 * MESSAGE_CHARS_MAX].decode("utf-8", "replace").strip()[:MESSAGE_CHARS_MAX]
        error = {"message": text or f"the provider answered {status}"}
    return fault_of(error, status)


def fault_of(error: Any, status: int = 0) -> Fault:
    """An error object, of an answer or in a stream. status 0: none was sent, so the object's own code counts."""
    said = error if isinstance(error, dict) else {}
    number = said.get("code")
    if not status and isinstance(number, int) and 400 <= number <= 599:
        status = number
    reason, field = _details(said.get("details"))
    kind = _REASONS.get(reason) or _KINDS.get(_text(said.get("status"))) or KIND_OF_STATUS.get(status)
    if kind is None:
        kind = "api_error" if status == 0 or status >= 500 else "invalid_request_error"
    if status == 402:
        kind = "billing_error"
    return Fault(status or _STATUSES[kind][1], kind, _text(said.get("message")) or kind, reason, field)


def error_object(fault: Fault) -> dict[str, Any]:
    """The object inside the envelope."""
    status = _STATUSES.get(fault.kind, ("INTERNAL", 500))[0]
    error: dict[str, Any] = {"code": fault.status, "message": fault.message, "status": status}
    if fault.code or fault.field:
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": fault.code,
            "domain": "bursar",
            "metadata": {"field": fault.field} if fault.field else {},
        }
        error["details"] = [info]
    return error


def write_fault(fault: Fault) -> bytes:
    """Google's envelope."""
    return msgspec.json.encode({"error": error_object(fault)})


def _details(details: Any) -> tuple[str, str]:
    """(reason, field) as far as the details have them."""
    reason = field = ""
    for one in details if isinstance(details, list) else ():
        if not isinstance(one, dict):
            continue
        reason = reason or _text(one.get("reason"))
        metadata, violations = one.get("metadata"), one.get("fieldViolations")
        if isinstance(metadata, dict):
            field = field or _text(metadata.get("field"))
        if isinstance(violations, list) and violations and isinstance(violations[0], dict):
            field = field or _text(violations[0].get("field"))
    return reason, field


def _text(value: Any) -> str:
    return value[:MESSAGE_CHARS_MAX] if isinstance(value, str) else ""
