"""Errors as people and programs read them: a calm page, or `application/problem+json` with a stable code."""

import traceback
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR

from bursar.domain.errors import BadRequest, BursarError, MethodNotAllowed, UnknownRoute

log = structlog.get_logger(__name__)

PROBLEM = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457, with `code` (stable, see docs/errors.md) and the field that was wrong."""

    title: str
    status: int
    code: str
    detail: str
    field: str | None = None


_ASKED_AS = {"every": "all"}
"""What a query calls a parameter whose name means something else in Python; others have `_` at their end there."""

ALLOW = {"allow": "GET, HEAD, OPTIONS"}
TITLES = {
    400: "That can't be read", 403: "Not from there", 404: "Not here", 405: "Not like that", 413: "Too large",
    503: "Not available just now",
}  # fmt: skip


def problem_of(error: Exception) -> Problem:
    """Any exception as a problem; what we didn't foresee is told without its insides."""
    if isinstance(error, BursarError):
        return Problem(
            TITLES.get(error.status, "That didn't work"), error.status, error.code, error.message, error.field
        )
    if isinstance(error, HTTPException):
        field, detail = _validation(error)
        code = {404: UnknownRoute.code, 405: MethodNotAllowed.code}.get(error.status_code, BadRequest.code)
        if error.status_code == 404:
            detail = "there is no page of that name; the list on the left has all that there are"
        if error.status_code < HTTP_500_INTERNAL_SERVER_ERROR:
            return Problem(TITLES.get(error.status_code, "That didn't work"), error.status_code, code, detail, field)
    return Problem(
        "Something broke here", HTTP_500_INTERNAL_SERVER_ERROR, BursarError.code,
        "the console met an error it didn't foresee; calls through the gateway and their records aren't affected. "
        "The console's log has the details.",
    )  # fmt: skip


def log_unforeseen(request: Request[Any, Any, Any], error: Exception) -> None:
    """The HTTP edge: what nobody caught is logged once, whole, by the path alone (a query may hold names)."""
    log.error("console_error", path=request.url.path, error=type(error).__name__, trace=traceback.format_exc())


def json_problem(problem: Problem) -> Response[bytes]:
    headers = ALLOW if problem.status == 405 else {}
    return Response(msgspec.json.encode(problem), status_code=problem.status, media_type=PROBLEM, headers=headers)


def _validation(error: HTTPException) -> tuple[str | None, str]:
    """Litestar lists what didn't fit: the first is told."""
    extra = error.extra if isinstance(error.extra, list) else []
    for item in extra:
        if isinstance(item, dict) and item.get("key"):
            key = _ASKED_AS.get(str(item["key"]), str(item["key"]).rstrip("_"))
            return key, f"{key}: {item.get('message', 'not usable')}"
    return None, error.detail
