"""The JSON API of customers and of unit economics, and what the pages' twins answer."""

from fractions import Fraction
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from bursar.budgets.told import usd_text
from bursar.console.api.answers import csv_bytes
from bursar.console.api.cohorts import COHORT_HANDLERS
from bursar.console.api.customers_told import (
    CohortAnswer,
    CustomerAnswer,
    CustomersAnswer,
    Draft,
    DraftAnswer,
    EconomicsAnswer,
    EventAnswer,
    FeatureAnswer,
    FreeAnswer,
    LeverAnswer,
    LoserAnswer,
    MonthAnswer,
    OneCustomerAnswer,
    PlanAnswer,
    SumsAnswer,
    TopAnswer,
)
from bursar.console.api.parameters import PROBLEMS, Month, Shape, Zone
from bursar.console.context import ConsoleContext
from bursar.console.customers import SORTS, WHO, chosen, draft_budget, economics_of, losers, month_spans, span_of, usd
from bursar.console.pages.serving import as_csv
from bursar.console.view import View
from bursar.domain.money import plain
from bursar.finance.economics.events import EventKind
from bursar.finance.economics.figures import QUANTILES, Quantiles, Sum, concentration, quantiles, sum_of
from bursar.finance.economics.free import cohorts, free_tier_of
from bursar.finance.economics.report import Economics
from bursar.finance.economics.rows import Row

Asked = Request[Any, Any, Any]
Months = Annotated[str | None, QueryParameter(description="How many months, 1 to 12. Default: 1.",
                   schema_extra={"pattern": "^([1-9]|1[0-2])?$"})]  # fmt: skip
Who = Annotated[str | None, QueryParameter(description="Which customers.", schema_extra={"enum": ["", *WHO]})]
Sort = Annotated[str | None, QueryParameter(description="By what; with - before it the other way round.",
                 schema_extra={"enum": ["", *SORTS, *(f"-{name}" for name in SORTS)]})]  # fmt: skip
Plan = Annotated[str | None, QueryParameter(description="Customers of one plan, as =NAME; = alone: of none.",
                 schema_extra={"pattern": "^(=.{0,200})?$"})]  # fmt: skip
Limit = Annotated[str | None, QueryParameter(description="At most so many customers. Default: 50.",
                  schema_extra={"pattern": "^([1-9][0-9]{0,3}|10000)?$"})]  # fmt: skip


def customers_answer(context: ConsoleContext, view: View, *, every: bool = False) -> CustomersAnswer:
    """every: all customers of that kind, not as many as the address's limit says. Raises BadPeriod, BadQuery."""
    found = economics_of(context, view)
    picked = chosen(view, found)
    callers = [row for row in found.rows if row.customer and row.calls > 0]
    spread = concentration(callers)
    losing = losers(found)[:20]
    change = context.finance().economics.moved(found.span, losing) if losing else {}
    return CustomersAnswer(
        first=found.span.first, until=found.span.until, timezone=found.span.timezone,
        currency=context.config.console.currency, is_over=found.span.is_over,
        total=_sums(found.total), unattributed=_sums(found.unattributed), without_record=_sums(found.unknown),
        missing_rates=found.missing_rates, quantiles=_quantiles(quantiles(row.ai_pico for row in callers)),
        top=[TopAnswer(*one) for one in spread.tops], gini=round(spread.gini, 6),
        customers=[customer_answer(found, row) for row in (picked.rows if every else picked.shown)],
        found=len(picked.rows),
        losing=[
            LoserAnswer(
                row.customer, usd_text(row.margin_pico or 0), usd_text(change[row.customer].change_pico),
                usd_text(change[row.customer].calls), usd_text(change[row.customer].tokens),
                usd_text(change[row.customer].price),
                _levers(found, row),
            )
            for row in losing
        ],
    )  # fmt: skip


def customer_answer(found: Economics, row: Row) -> CustomerAnswer:
    beside = found.usual.beside(row) if row.customer else None
    return CustomerAnswer(
        customer=row.customer, name=row.name, plan=row.plan, segment=row.segment, is_known=row.is_known,
        is_free=row.is_free, basis=row.basis, revenue=_maybe(row.revenue_pico), ai_cost=usd_text(row.ai_pico),
        ai_list_cost=usd_text(row.list_pico), other_cost_of_goods=_maybe(row.other_pico),
        margin=_maybe(row.margin_pico),
        margin_without_ai=_maybe(row.without_ai_pico), calls=row.calls, tokens=row.tokens, unpriced_count=row.unpriced,
        times_median_cost=round(beside.cost, 4) if beside else None,
        times_median_calls=round(beside.calls, 4) if beside else None, missing_rates=list(row.missing or ()),
    )  # fmt: skip


def economics_answer(context: ConsoleContext, view: View) -> EconomicsAnswer:
    """Raises BadPeriod."""
    found = economics_of(context, view)
    desk = context.finance().economics
    tier = free_tier_of(found.rows, found.span)
    return EconomicsAnswer(
        first=found.span.first, until=found.span.until, currency=context.config.console.currency,
        total=_sums(found.total), unattributed=_sums(found.unattributed),
        plans=[
            PlanAnswer(name, _sums(sum_of(rows)), _quantiles(quantiles(row.ai_pico for row in rows if row.calls > 0)))
            for name, rows in sorted(found.plans.items())
        ],
        features=[
            FeatureAnswer(
                one.feature, one.customers, one.calls, one.tokens, usd_text(one.ai_pico), usd_text(one.revenue_pico),
                usd_text(one.other_pico), usd_text(one.margin_pico), usd_text(one.without_ai_pico), one.unpriced,
            )
            for one in desk.features(found)
        ],
        events=[
            EventAnswer(
                one.kind, one.feature, one.events, str(float(one.quantity)), one.customers, usd_text(one.cost_pico),
                _maybe(one.average), _quantiles(one), usd_text(one.without_pico),
            )
            for one in desk.events(found)
        ],
        free=FreeAnswer(
            tier.verdict, tier.free, tier.paying, tier.converted, _float(tier.rate), usd_text(tier.burn_pico),
            _maybe(tier.per_free_pico), _float(tier.carried), _maybe(tier.carried_pico), _maybe(tier.earned_pico),
            _maybe(tier.per_conversion_pico), _float(tier.payback_months),
        ),
        cohorts=[
            CohortAnswer(
                one.month, one.signed_up, one.active, one.paying, one.converted, usd_text(one.revenue_pico),
                usd_text(one.ai_pico), usd_text(one.margin_pico),
            )
            for one in cohorts(found.rows, found.span)
        ],
    )  # fmt: skip


def one_customer_answer(context: ConsoleContext, view: View, customer: str) -> OneCustomerAnswer:
    """Raises UnknownCustomer, BadPeriod."""
    desk, months = context.finance().economics, month_spans(span_of(view))
    course = desk.course(customer, months)
    found = economics_of(context, view)
    row = found.row(customer)
    parts = desk.causes(found.span, customer) if row else []
    return OneCustomerAnswer(
        customer, context.config.console.currency, customer_answer(found, row) if row else None,
        {part.factor.value: usd_text(part.pico) for part in parts}, _levers(found, row) if row else [],
        [MonthAnswer(span.first, customer_answer(found, one) if one else None)
         for span, one in zip(months, course, strict=True)],
    )  # fmt: skip


def customers_csv(answer: CustomersAnswer) -> bytes:
    """A row for each customer."""
    names = [name for name in CustomerAnswer.__struct_fields__ if name != "missing_rates"]
    return csv_bytes(names, ([getattr(one, name) for name in names] for one in answer.customers))


def one_customer_csv(answer: OneCustomerAnswer) -> bytes:
    """A row for each month."""
    names = ["revenue", "ai_cost", "margin", "calls", "tokens", "unpriced_count", "plan", "basis"]
    return csv_bytes(
        ["month", *names],
        ([str(one.month), *(getattr(one.customer, name) if one.customer else None for name in names)]
         for one in answer.course),
    )  # fmt: skip


def _sums(total: Sum) -> SumsAnswer:
    return SumsAnswer(
        total.customers, total.callers, total.with_revenue, total.estimated, total.free, total.losing,
        usd_text(total.revenue_pico) if total.with_revenue else None, usd_text(total.ai_pico),
        usd_text(total.list_pico),
        usd_text(total.other_pico), _maybe(total.margin_pico), _maybe(total.without_ai_pico), total.calls, total.tokens,
        total.unpriced,
    )  # fmt: skip


def _levers(found: Economics, row: Row) -> list[LeverAnswer]:
    return [LeverAnswer(one.name, one.text, one.draft) for one in found.levers(row)]


def _quantiles(found: Quantiles | EventKind) -> dict[str, str | None]:
    return {name: _maybe(getattr(found, name)) for name in (f"p{percent}" for percent in QUANTILES)}


def _maybe(pico: int | Fraction | None) -> str | None:
    found = usd(pico)
    return None if found is None else plain(found)


def _float(value: Fraction | None) -> float | None:
    return None if value is None else round(float(value), 6)


def _view(request: Asked, path: str, **asked: str | None) -> View:
    context: ConsoleContext = request.app.state.context
    return context.view(path, {name: [value] for name, value in asked.items() if value})


@get("/api/customers", sync_to_thread=True, responses=PROBLEMS, summary="Customers: revenue, AI cost, margin")
def customers(
    request: Asked,
    month: Month = None,
    months: Months = None,
    who: Who = None,
    plan: Plan = None,
    sort: Sort = None,
    limit: Limit = None,
    tz: Zone = None,
    format: Shape = None,
) -> CustomersAnswer | Response[Any]:
    """What each customer earned and cost in whole months, and what is in no margin, with counts."""
    view = _view(request, "/customers", month=month, months=months, who=who, plan=plan, sort=sort, limit=limit, tz=tz)
    answer = customers_answer(request.app.state.context, view)
    return as_csv(customers_csv(answer)) if format == "csv" else answer


@get("/api/economics", sync_to_thread=True, responses=PROBLEMS, summary="Margins by plan, feature, event, cohort")
def economics(request: Asked, month: Month = None, months: Months = None, tz: Zone = None) -> EconomicsAnswer:
    """The same months by plan, feature, business event and cohort, and whether the free tier pays."""
    return economics_answer(request.app.state.context, _view(request, "/customers", month=month, months=months, tz=tz))


@get("/api/customers/{name:str}", sync_to_thread=True, responses=PROBLEMS, summary="One customer")
def customer(
    request: Asked, name: FromPath[str], month: Month = None, months: Months = None, tz: Zone = None
) -> OneCustomerAnswer:
    """Their months, what moved them, what helps. 404 `unknown_customer` where nothing is known of that id."""
    view = _view(request, f"/customers/{name}", month=month, months=months, tz=tz)
    return one_customer_answer(request.app.state.context, view, name)


@post("/api/customers/drafts", sync_to_thread=True, status_code=201, responses=PROBLEMS, summary="Draft a budget")
def draft(request: Asked, data: JSONBody[Draft]) -> DraftAnswer:
    """Keep the budget that is proposed for a customer who loses money, as a dry run. A person decides further."""
    view = _view(request, "/customers", month=data.month, months=data.months)
    kept = draft_budget(request.app.state.context, view, data.customer)
    return DraftAnswer(kept.id, kept.name)


CUSTOMER_HANDLERS = [customers, economics, customer, draft, *COHORT_HANDLERS]
