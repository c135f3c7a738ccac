"""The addresses of the pages and of their `.json` and `.csv` twins: a line for each."""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Redirect

from bursar.console.advising import review_answer
from bursar.console.advising import review_csv as advice_csv
from bursar.console.api.allocation import allocation_csv, statement_csv
from bursar.console.api.anomalies import anomalies_csv
from bursar.console.api.answers import CostsAnswer, call_csv, calls_answer, calls_csv, costs_answer, costs_csv
from bursar.console.api.close import close_csv
from bursar.console.api.customers import (
    customers_answer,
    customers_csv,
    one_customer_answer,
    one_customer_csv,
)
from bursar.console.api.forecast import forecast_answer, forecast_csv
from bursar.console.api.initiatives import take_out_csv
from bursar.console.api.loops import loops_answer, waste_answer, waste_csv
from bursar.console.api.maturity import maturity_csv
from bursar.console.api.rates import rates_csv
from bursar.console.api.savings import ROWS_DEFAULT as SAVINGS_ROWS
from bursar.console.api.savings import savings_answer, savings_csv
from bursar.console.api.tax import sheet_csv
from bursar.console.api.whatif import whatif_answer, whatif_csv
from bursar.console.budgeting import budget_answer, budgets_answer
from bursar.console.context import ConsoleContext
from bursar.console.contracts import contracts_told, negotiations_told
from bursar.console.format import Format
from bursar.console.pages.advice import advice_page
from bursar.console.pages.allocation import (
    allocation_figures,
    allocation_page,
    statement_figures,
    statement_page,
)
from bursar.console.pages.anomalies import anomalies_figures, anomalies_page
from bursar.console.pages.anomaly import anomaly_csv, anomaly_figures, anomaly_page
from bursar.console.pages.budgets import budget_csv, budget_page, budgets_csv, budgets_page
from bursar.console.pages.caches import caches_answer, caches_csv, caches_page
from bursar.console.pages.call import call_page
from bursar.console.pages.calls import calls_page, calls_page_of
from bursar.console.pages.close import close_figures, close_page
from bursar.console.pages.contracts import contracts_csv, contracts_page, negotiation_csv, negotiation_page
from bursar.console.pages.controls import controls_answer, controls_csv, controls_page
from bursar.console.pages.customer import customer_page
from bursar.console.pages.customers import customers_page
from bursar.console.pages.explore import ROWS_DEFAULT, explore_page, explore_table
from bursar.console.pages.focus import focus_csv, focus_figures, focus_page
from bursar.console.pages.forecast import forecast_page
from bursar.console.pages.initiatives import (
    initiative_csv,
    initiative_figures,
    initiative_page,
    initiatives_answer,
    initiatives_page,
)
from bursar.console.pages.invoices import (
    invoice_csv,
    invoice_figures,
    invoice_page,
    invoices_csv,
    invoices_figures,
    invoices_page,
)
from bursar.console.pages.loops import loops_page
from bursar.console.pages.maturity import maturity_figures, maturity_page
from bursar.console.pages.overview import TOP_ROWS, overview_page, overview_table
from bursar.console.pages.prices import prices_answer, prices_csv, prices_page
from bursar.console.pages.rates import rates_figures, rates_page
from bursar.console.pages.reports import listed_reports, reports_csv, reports_page
from bursar.console.pages.reviews import (
    listed,
    review_csv,
    review_figures,
    review_page,
    reviews_csv,
    reviews_page,
)
from bursar.console.pages.routing import (
    route_csv,
    route_figures,
    route_page,
    routes_csv,
    routes_figures,
    routes_page,
)
from bursar.console.pages.savings import savings_page
from bursar.console.pages.search import looks_like_call, read_query, search_page
from bursar.console.pages.serving import Asked, answer, as_csv, as_json, html, suffix_of
from bursar.console.pages.tax import document_csv, document_figures, document_page, tax_figures, tax_page
from bursar.console.pages.whatif import whatif_page
from bursar.console.view import View

GROUPS_MAX = 10_000  # of a CSV; more are one last row, "(others)"


class Page(NamedTuple):
    """One page. path: without a suffix; of one thing, without its name. nav: whose entry in the list of pages it is.

    data:    what its template reads. figures: what its twins tell, by the suffix. csv: the same as a table.
    Those of one thing are given its name at the end.
    """

    path: str
    nav: str
    title: str
    template: str
    data: Callable[..., dict[str, Any]]
    figures: Callable[..., Any]
    csv: Callable[[Any, View], bytes]


def _overview_figures(context: ConsoleContext, view: View, suffix: str) -> CostsAnswer:
    table = overview_table(context, view, GROUPS_MAX if suffix == "csv" else TOP_ROWS)
    return costs_answer(view, table, context.config.console.currency)


def _explore_figures(context: ConsoleContext, view: View, suffix: str) -> CostsAnswer:
    table = explore_table(context, view, rows_max=GROUPS_MAX if suffix == "csv" else ROWS_DEFAULT)
    return costs_answer(view, table, context.config.console.currency)


PAGES = (
    Page("/", "overview", "Overview", "overview.html", overview_page, _overview_figures, lambda a, _: costs_csv(a)),
    Page("/explore", "explore", "Explore", "explore.html", explore_page, _explore_figures, lambda a, _: costs_csv(a)),
    Page(
        "/calls", "calls", "Calls", "calls.html", calls_page,
        lambda context, view, _: calls_answer(view, calls_page_of(context, view), context.config.console.currency),
        lambda a, _: calls_csv(a),
    ),
    Page(
        "/budgets", "budgets", "Budgets", "budgets.html", budgets_page,
        lambda context, _view, _: budgets_answer(context), lambda a, _: budgets_csv(a),
    ),
    Page(
        "/forecast", "forecast", "Forecast", "forecast.html", forecast_page,
        lambda context, view, _: forecast_answer(context, view), lambda a, _: forecast_csv(a),
    ),
    Page(
        "/anomalies", "anomalies", "Anomalies", "anomalies.html", anomalies_page,
        lambda context, view, _: anomalies_figures(context, view), lambda a, _: anomalies_csv(a.anomalies),
    ),
    Page(
        "/customers", "customers", "Customers", "customers.html", customers_page,
        lambda context, view, suffix: customers_answer(context, view, every=suffix == "csv"),
        lambda a, _: customers_csv(a),
    ),
    Page(
        "/prices", "prices", "Models and prices", "prices.html", prices_page,
        lambda context, view, _: prices_answer(context, view), lambda a, _: prices_csv(a),
    ),
    Page(
        "/contracts", "contracts", "Contracts", "contracts.html", contracts_page,
        lambda context, _view, _: contracts_told(context), lambda a, _: contracts_csv(a),
    ),
    Page(
        "/contracts/negotiation", "contracts", "Negotiation", "negotiation.html", negotiation_page,
        lambda context, view, _: negotiations_told(context, view), lambda a, _: negotiation_csv(a),
    ),
    Page(
        "/routes", "routes", "Routes", "routes.html", routes_page,
        lambda context, _view, _: routes_figures(context), lambda a, _: routes_csv(a),
    ),
    Page(
        "/advice", "advice", "Advice", "advice.html", advice_page,
        lambda context, view, _: review_answer(context, view), lambda a, _: advice_csv(a),
    ),
    Page(
        "/loops", "loops", "Loops and waste", "loops.html", loops_page,
        lambda context, view, _: {"loops": loops_answer(context), "waste": waste_answer(context, view)},
        lambda a, view: waste_csv(a["waste"], view.by),
    ),
    Page(
        "/savings", "savings", "Savings", "savings.html", savings_page,
        lambda context, view, suffix: savings_answer(context, view, GROUPS_MAX if suffix == "csv" else SAVINGS_ROWS),
        lambda a, _: savings_csv(a),
    ),
    Page(
        "/whatif", "whatif", "What if", "whatif.html", whatif_page,
        lambda context, view, _: whatif_answer(context, view), lambda a, _: whatif_csv(a),
    ),
    Page(
        "/controls", "controls", "Limits and policies", "controls.html", controls_page,
        lambda context, view, _: controls_answer(context, view), lambda a, _: controls_csv(a),
    ),
    Page(
        "/caches", "caches", "Caches", "caches.html", caches_page,
        lambda context, _view, _: caches_answer(context), lambda a, _: caches_csv(a),
    ),
    Page(
        "/initiatives", "initiatives", "Initiatives", "initiatives.html", initiatives_page,
        lambda context, _view, _: initiatives_answer(context), lambda a, _: take_out_csv(a),
    ),
    Page(
        "/maturity", "maturity", "Maturity", "maturity.html", maturity_page,
        lambda context, _view, _: maturity_figures(context), lambda a, _: maturity_csv(a),
    ),
    Page(
        "/focus", "explore", "FOCUS files", "focus.html", focus_page,
        lambda context, _view, _: focus_figures(context), lambda a, _: focus_csv(a),
    ),
    Page(
        "/allocation", "allocation", "Allocation", "allocation.html", allocation_page,
        lambda context, view, _: allocation_figures(context, view), lambda a, _: allocation_csv(a),
    ),
    Page(
        "/statements", "allocation", "Statement", "statement.html", statement_page,
        lambda context, view, _: statement_figures(context, view), lambda a, _: statement_csv(a),
    ),
    Page(
        "/close", "close", "Close", "close.html", close_page,
        lambda context, _view, _: close_figures(context), lambda a, _: close_csv(a),
    ),
    Page(
        "/rates", "close", "Exchange rates", "rates.html", rates_page,
        lambda context, _view, _: rates_figures(context), lambda a, _: rates_csv(a),
    ),
    Page(
        "/tax", "tax", "Tax", "tax.html", tax_page,
        lambda context, view, _: tax_figures(context, view), lambda a, _: sheet_csv(a),
    ),
    Page(
        "/reviews", "reviews", "Reviews", "reviews.html", reviews_page,
        lambda context, view, _: listed(context, view), lambda a, _: reviews_csv(a),
    ),
    Page(
        "/invoices", "contracts", "Invoices", "invoices.html", invoices_page,
        lambda context, _view, _: invoices_figures(context), lambda a, _: invoices_csv(a),
    ),
    Page(
        "/reports", "reports", "Reports", "reports.html", reports_page,
        lambda context, view, _: listed_reports(context, view), lambda a, _: reports_csv(a),
    ),
)  # fmt: skip
PAGES_OF_ONE = (
    Page(
        "/calls", "calls", "Call", "call.html", call_page,
        lambda context, _view, _, name: context.explorer.call(name), lambda a, _: call_csv(a),
    ),
    Page(
        "/budgets", "budgets", "Budget", "budget.html", budget_page,
        lambda context, _view, _, name: budget_answer(context, name), lambda a, _: budget_csv(a),
    ),
    Page(
        "/anomalies", "anomalies", "Anomaly", "anomaly.html", anomaly_page,
        lambda context, _view, _, name: anomaly_figures(context, name), lambda a, _: anomaly_csv(a),
    ),
    Page(
        "/customers", "customers", "Customer", "customer.html", customer_page,
        lambda context, view, _, name: one_customer_answer(context, view, name), lambda a, _: one_customer_csv(a),
    ),
    Page(
        "/routes", "routes", "Route", "route.html", route_page,
        lambda context, _view, _, name: route_figures(context, name), lambda a, _: route_csv(a),
    ),
    Page(
        "/initiatives", "initiatives", "Initiative", "initiative.html", initiative_page,
        lambda context, _view, _, name: initiative_figures(context, name), lambda a, _: initiative_csv(a),
    ),
    Page(
        "/invoices", "contracts", "Invoice", "invoice.html", invoice_page,
        lambda context, _view, _, name: invoice_figures(context, name), lambda a, _: invoice_csv(a),
    ),
    Page(
        "/tax", "tax", "Tax document", "tax_document.html", document_page,
        lambda context, _view, _, name: document_figures(context, name), lambda a, _: document_csv(a),
    ),
    Page(
        "/reviews", "reviews", "Review", "review.html", review_page,
        lambda context, view, _, name: review_figures(context, view, name), lambda a, _: review_csv(a),
    ),
)  # fmt: skip


def serve(request: Asked, page: Page, path: str, *name: str) -> Response[Any]:
    """A page or its twin. path: as its links have it."""
    context: ConsoleContext = request.app.state.context
    suffix = suffix_of(request)

    def data(view: View, f: Format) -> dict[str, Any]:
        return page.data(context, view, f, *name)

    def build(view: View) -> Response[Any]:
        if not suffix:
            return html(request, view, page.template, page.nav, page.title, lambda f: data(view, f))
        figures = page.figures(context, view, suffix, *name)
        return as_json(figures) if suffix == "json" else as_csv(page.csv(figures, view))

    return answer(request, path, suffix, build)


def _handler(page: Page) -> Callable[..., Response[Any]]:
    def handle(request: Asked) -> Response[Any]:
        return serve(request, page, page.path)

    return handle


def _handler_of_one(page: Page) -> Callable[..., Response[Any]]:
    def handle(request: Asked, name: FromPath[str]) -> Response[Any]:
        bare = name.removesuffix(f".{suffix}") if (suffix := suffix_of(request)) else name
        return serve(request, page, f"{page.path}/{quote(bare, safe='')}", bare)

    return handle


def search(request: Asked) -> Response[Any]:
    context: ConsoleContext = request.app.state.context

    def build(view: View) -> Response[Any]:
        text = read_query(view)
        if looks_like_call(text):
            return Redirect(view.url(f"/calls/{text}"), status_code=303)
        return html(request, view, "search.html", "search", "Search", lambda f: search_page(context, view), twins=False)

    return answer(request, "/search", "", build)


def _paths(page: Page) -> tuple[str, ...]:
    """A handler per path: Litestar 2.25 wraps a threaded handler again for each further path of a list, and breaks
    it."""
    name = "/overview" if page.path == "/" else page.path
    return tuple(dict.fromkeys((page.path, name, f"{name}.json", f"{name}.csv")))


PAGE_HANDLERS = [
    *(
        get(path, include_in_schema=False, sync_to_thread=True)(_handler(page))
        for page in PAGES
        for path in _paths(page)
    ),
    *(
        get(f"{page.path}/{{name:str}}", include_in_schema=False, sync_to_thread=True)(_handler_of_one(page))
        for page in PAGES_OF_ONE
    ),
    get("/search", include_in_schema=False, sync_to_thread=True)(search),
]
