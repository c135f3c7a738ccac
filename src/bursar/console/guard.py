"""What stands before every page: loopback names only, writes only from here, a policy that lets nothing foreign run.

A page on the internet can make a browser ask 127.0.0.1 under a name of its own (DNS rebinding); the Host header tells.
State changes at the addresses of CHANGING alone, and only for JSON that no page of another origin can send: a browser
asks first before it sends that type elsewhere, and says where a request comes from. Forms of our own pages (FORMS)
carry a token that only those pages know; whoever takes the form looks at it.
"""

import ipaddress
from collections.abc import Callable

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from bursar.domain.errors import BursarError, Forbidden, MethodNotAllowed

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
METHODS = ("GET", "HEAD", "OPTIONS")
CHANGING = (
    "/api/budgets",
    "/api/policies",
    "/api/limits",
    "/api/routes",
    "/api/kills",
    "/api/caches",
    "/api/kept-answers",
    "/api/initiatives",
    "/api/plans",
    "/api/initiative-bookings",
    "/api/advice/",
    "/api/alerts/",
    "/api/maturity/",
    "/api/anomalies/",
    "/api/markers",
    "/api/scenarios/",
    "/api/contracts",
    "/api/reports/",
    "/api/rates",
    "/api/invoices",
    "/api/bill-",
    "/api/close",
    "/api/journal",
    "/api/chart",
    "/api/allocation",
    "/api/tax/",
    "/api/business/",
    "/api/customers/",
)
FORMS = (
    "/controls/change",
    "/caches/change",
    "/initiatives/change",
    "/forecast/plans",
    "/scenarios/change",
    "/contracts/change",
    "/maturity/change",
    "/anomalies/change",
    "/reports/change",
    "/rates/change",
    "/invoices/change",
    "/uploads/change",
    "/close/change",
    "/close/flat",
    "/allocation/change",
    "/tax/change",
    "/advice/apply",
    "/customers/change",
    "/budgets/approve",
    "/budgets/rate",
    "/budgets/raise",
    *(f"/edit/{noun}" for noun in ("budget", "policy", "limit", "cache", "initiative")),
    "/loops/lift",
    *(f"/alerts/{act}" for act in ("ack", "test", "rule", "channel", "switch", "remove")),
)
UPLOADS = ("/uploads", "/focus/import")
"""Forms with a file: the same, in the one other form that browsers can send."""

FILES = {"/api/focus/import": ("text/csv", "application/vnd.apache.parquet")}
"""Files sent as they are, and of which kinds: no page of another origin can send those unasked either."""
BUSINESS = "/api/business/"
BUSINESS_TYPES = (
    "text/csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
"""Files and events are sent as what they are: of each a browser asks first before it sends it elsewhere."""

CHANGING_METHODS = ("POST", "PUT", "DELETE")


class GuardMiddleware:
    """Refuses before anything is routed; adds the headers to every answer, refusals included."""

    def __init__(self, app: ASGIApp, refuse: Callable[[Scope, BursarError], ASGIApp]) -> None:
        self.app = app
        self.refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.body" and is_head:
                message = {**message, "body": b""}
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in HEADERS if pair[0] not in names)]
            await send(message)

        app = self.app
        is_head = scope["method"] == "HEAD"
        if is_head:
            scope = {**scope, "method": "GET"}  # answered as GET is, length and all, without the body
        if error := refusal(scope):
            app = self.refuse(scope, error)
        await app(scope, receive, guarded)


def refusal(scope: HTTPScope) -> BursarError | None:
    """Why this request isn't answered at all, if so."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
    if not is_loopback(host):
        return Forbidden(
            f"this console answers only to the names of this machine (localhost, 127.0.0.1), not to {host[:100]!r}; "
            "it has no login yet, so it isn't for other machines",
            field="host",
        )
    if scope["method"] == "POST" and scope["path"] in FILES:
        return _foreign(scope, host, *FILES[scope["path"]], own_origin=host)
    if scope["method"] in CHANGING_METHODS and scope["path"].startswith(CHANGING):
        more = BUSINESS_TYPES if scope["path"].startswith(BUSINESS) else ()
        return _foreign(scope, host, "application/json", *more, own_origin=host)
    if scope["method"] == "POST" and scope["path"] in FORMS:
        # to a form under `referrer-policy: no-referrer` browsers write `Origin: null`
        return _foreign(scope, host, "application/x-www-form-urlencoded", own_origin="null")
    if scope["method"] == "POST" and scope["path"] in UPLOADS:
        return _foreign(scope, host, "multipart/form-data", own_origin="null")
    if scope["method"] not in METHODS:
        return MethodNotAllowed(
            f"{scope['method'][:20]} isn't answered at {scope['path'][:200]}; /api/openapi.json tells what is",
            headers={"allow": ", ".join(METHODS)},
        )
    return None


def _foreign(scope: HTTPScope, host: str, *kinds: str, own_origin: str) -> BursarError | None:
    """Why a change isn't made: a browser says that another site asked for it, or it isn't of the kind we take."""
    headers = {name: value.decode("latin-1").strip().lower() for name, value in scope["headers"]}
    origin = headers.get(b"origin", own_origin)
    if origin != own_origin and origin.partition("://")[2] != host.strip().lower():
        return Forbidden(f"a page of {origin[:100]!r} may not change anything here", field="origin")
    if headers.get(b"sec-fetch-site", "none") not in ("none", "same-origin"):
        return Forbidden("a page of another site may not change anything here", field="sec-fetch-site")
    sent = headers.get(b"content-type", "").partition(";")[0].strip()
    if scope["method"] in ("POST", "PUT") and sent not in kinds:
        told = " or ".join(kinds)
        return Forbidden(f"changes are sent here as {told}, not as {sent[:80] or 'nothing'!r}", field="content-type")
    return None


def is_loopback(host: str) -> bool:
    """Whether a Host header, or an address to listen on, names this machine: `localhost:8788`, `[::1]`, `127.0.0.1`."""
    name = host.strip().lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
