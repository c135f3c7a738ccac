"""The console as one ASGI app: pages, their data twins, the JSON API, and the guard in front of all.

`create_app(context)` is all that `site` needs. Questions to the ledger run in threads, so that one heavy query never
holds up another page.
"""

import functools
from typing import Any

from litestar import Litestar, MediaType, Request, Response, get
from litestar.exceptions import HTTPException, NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.params import FromPath
from litestar.serialization import encode_json
from litestar.types import ASGIApp, Receive, Scope, Send

from bursar import __version__
from bursar.console.api.advice import ADVICE_HANDLERS
from bursar.console.api.alerts import ALERT_API_HANDLERS
from bursar.console.api.allocation import ALLOCATION_HANDLERS
from bursar.console.api.anomalies import ANOMALY_HANDLERS
from bursar.console.api.budgets import BUDGET_HANDLERS
from bursar.console.api.business import BUSINESS_HANDLERS
from bursar.console.api.caches import CACHE_HANDLERS
from bursar.console.api.close import CLOSE_HANDLERS
from bursar.console.api.close_flats import CLOSE_FLAT_HANDLERS
from bursar.console.api.contracts import CONTRACT_HANDLERS
from bursar.console.api.controls import CONTROL_HANDLERS
from bursar.console.api.customers import CUSTOMER_HANDLERS
from bursar.console.api.focus import FOCUS_HANDLERS
from bursar.console.api.forecast import FORECAST_HANDLERS
from bursar.console.api.initiatives import INITIATIVE_HANDLERS
from bursar.console.api.invoice_tax import INVOICE_TAX_HANDLERS
from bursar.console.api.invoices import INVOICE_HANDLERS
from bursar.console.api.maturity import MATURITY_HANDLERS
from bursar.console.api.rates import RATE_HANDLERS
from bursar.console.api.reports import REPORT_HANDLERS
from bursar.console.api.reviews import REVIEW_HANDLERS
from bursar.console.api.routes import API_HANDLERS
from bursar.console.api.routing import ROUTE_HANDLERS
from bursar.console.api.scenarios import SCENARIO_API_HANDLERS
from bursar.console.api.tax import TAX_HANDLERS
from bursar.console.assets import load_assets
from bursar.console.context import ConsoleContext
from bursar.console.guard import GuardMiddleware, is_loopback
from bursar.console.pages.alerts import ALERT_HANDLERS
from bursar.console.pages.allocation import ALLOCATION_PAGES
from bursar.console.pages.anomaly import ANOMALY_PAGES
from bursar.console.pages.changes import CHANGE_HANDLERS
from bursar.console.pages.close import CLOSE_PAGES
from bursar.console.pages.close_flats import CLOSE_FLAT_PAGES
from bursar.console.pages.contracts import CONTRACT_PAGES
from bursar.console.pages.customer import CUSTOMER_PAGES
from bursar.console.pages.edit import EDIT_HANDLERS
from bursar.console.pages.focus import FOCUS_PAGES
from bursar.console.pages.forecast import FORECAST_PAGES
from bursar.console.pages.initiatives import INITIATIVE_PAGES
from bursar.console.pages.invoices import INVOICE_PAGES
from bursar.console.pages.maturity import MATURITY_PAGES
from bursar.console.pages.rates import RATE_PAGES
from bursar.console.pages.reports import REPORT_PAGES
from bursar.console.pages.routes import PAGE_HANDLERS
from bursar.console.pages.scenarios import SCENARIO_PAGES
from bursar.console.pages.tax import TAX_PAGES
from bursar.console.pages.uploads import UPLOAD_PAGES
from bursar.console.problems import ALLOW, Problem, json_problem, log_unforeseen, problem_of
from bursar.console.render import Renderer
from bursar.domain.errors import BursarError, ConfigError

SCHEMA_PATH = "/schema-of-litestar"  # its router answers 404 by itself for all below: not in the way of /api
FOR_EVER = "public, max-age=31536000, immutable"


def create_app(context: ConsoleContext) -> Litestar:
    """The console over one ledger.

    Raises ConfigError if the settings would show it to other machines: there is no login yet.
    """
    if not is_loopback(context.config.console.host):
        raise ConfigError(
            f"console.host is {context.config.console.host!r}; the console has no login yet and listens on "
            "this machine alone: use 127.0.0.1, and an SSH tunnel from elsewhere",
            field="console.host",
        )
    app = make_routes()
    app.state.context = context
    app.state.renderer = Renderer(context, load_assets())
    app.asgi_handler = GuardMiddleware(app.asgi_handler, functools.partial(_refuse, app))
    return app


def make_routes() -> Litestar:
    """All addresses and what answers there; they find the console that they are of in the app's state."""
    assets = load_assets()

    @get("/static/{version:str}/{name:str}", include_in_schema=False, sync_to_thread=False)
    def static_file(version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
        """The console's own style sheet and scripts."""
        if name not in assets.files:
            raise NotFoundException
        content, media_type = assets.files[name]
        cache = FOR_EVER if version == assets.version else "no-cache"
        return Response(content, media_type=media_type, headers={"cache-control": cache})

    @get("/favicon.ico", include_in_schema=False, sync_to_thread=False)
    def favicon() -> Response[bytes]:
        """For browsers that ask without reading the page."""
        return Response(assets.files["mark.svg"][0], media_type=assets.files["mark.svg"][1])

    @get("/api/openapi.json", include_in_schema=False, sync_to_thread=False)
    def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The API's description."""
        return Response(encode_json(described(request.app)), media_type=MediaType.JSON)

    return Litestar(
        route_handlers=[
            static_file, favicon, openapi, *PAGE_HANDLERS, *CHANGE_HANDLERS, *INITIATIVE_PAGES, *EDIT_HANDLERS,
            *ALERT_HANDLERS, *API_HANDLERS, *BUDGET_HANDLERS, *CONTROL_HANDLERS, *ROUTE_HANDLERS, *CACHE_HANDLERS,
            *INITIATIVE_HANDLERS, *ADVICE_HANDLERS, *ALERT_API_HANDLERS, *REVIEW_HANDLERS, *MATURITY_PAGES,
            *MATURITY_HANDLERS, *FORECAST_HANDLERS, *FORECAST_PAGES, *CONTRACT_PAGES, *CONTRACT_HANDLERS,
            *INVOICE_HANDLERS, *INVOICE_TAX_HANDLERS, *INVOICE_PAGES, *ANOMALY_HANDLERS, *ANOMALY_PAGES,
            *FOCUS_HANDLERS, *FOCUS_PAGES,
            *REPORT_HANDLERS, *REPORT_PAGES,
            *RATE_HANDLERS, *RATE_PAGES, *CLOSE_HANDLERS, *CLOSE_PAGES,
            *CLOSE_FLAT_HANDLERS, *CLOSE_FLAT_PAGES,
            *ALLOCATION_HANDLERS, *ALLOCATION_PAGES,
            *TAX_HANDLERS, *TAX_PAGES, *SCENARIO_API_HANDLERS, *SCENARIO_PAGES,
            *CUSTOMER_HANDLERS, *CUSTOMER_PAGES, *BUSINESS_HANDLERS, *UPLOAD_PAGES,
        ],
        exception_handlers={BursarError: _on_error, HTTPException: _on_error, Exception: _on_error},
        openapi_config=OpenAPIConfig(
            title="Bursar console", version=__version__, path=SCHEMA_PATH,
            render_plugins=[JsonRenderPlugin()],
            description="What LLM calls cost, who may make them. Loopback only. Money is decimal text, times are UTC.",
        ),
        logging_config=None,
    )  # fmt: skip


def _on_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    problem = problem_of(error)
    if problem.status >= 500 and not isinstance(error, BursarError):
        log_unforeseen(request, error)
    return _answer_problem(request.app, request.scope, problem)


def _refuse(app: Litestar, scope: Scope, error: BursarError) -> ASGIApp:
    response = _answer_problem(app, scope, problem_of(error))

    async def refused(scope: Scope, receive: Receive, send: Send) -> None:
        await response.to_asgi_response(None, Request(scope))(scope, receive, send)

    return refused


def _answer_problem(app: Litestar, scope: Scope, problem: Problem) -> Response[Any]:
    if wants_json(scope):
        return json_problem(problem)
    page = app.state.renderer.problem(problem, is_form=scope.get("method") == "POST")
    headers = ALLOW if problem.status == 405 else {}
    return Response(page, status_code=problem.status, media_type=MediaType.HTML, headers=headers)


def described(app: Litestar) -> dict[str, Any]:
    """The OpenAPI description, with the CSV that addresses with a `format` also answer."""
    told = app.openapi_schema.to_schema()
    for path in told["paths"].values():
        asked = path.get("get", {})
        if any(parameter["name"] == "format" for parameter in asked.get("parameters", ())):
            asked["responses"]["200"]["content"]["text/csv"] = {"schema": {"type": "string"}}
    return told


def wants_json(scope: Scope) -> bool:
    """Whether a program asks: the API, or a page's twin."""
    path = scope["path"]
    return path.startswith("/api") or path.endswith((".json", ".csv"))
