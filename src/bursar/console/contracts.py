"""Contracts and negotiations as pages, the API and the pack show them: read from the books, told in one shape."""

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from bursar.console.context import ConsoleContext
from bursar.console.forecasting import forecast_of
from bursar.console.view import View
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadRequest, UnknownContract
from bursar.domain.money import plain, usd_from_pico
from bursar.explore.filters import Filter
from bursar.finance.contracts.negotiation import SHAPES, Demand, Offer, Weighed, best_amount, weigh, weigh_some
from bursar.finance.contracts.standing import Drawdown, Reached, drawdowns, terms_in_words, volumes
from bursar.finance.contracts.terms import Contract, ContractTerms
from bursar.finance.contracts.vendors import OWNED_ABOVE, Part, Vendor, by_month, mix, vendors

MONTH_DAYS = 30
HORIZON = "90"  # of the forecast whose band a term is measured by
DISCOUNT_DEFAULT, MONTHS_DEFAULT = Decimal(10), 12
MONTHS_MAX = 60
TERM_FIELDS = ("discount", "months", "shape", "amount")


class VersionTold(msgspec.Struct, frozen=True):
    """A version, its terms as they were recorded, and a line for each."""

    number: int
    since: date
    recorded_at: datetime
    recorded_by: str
    why: str
    terms: ContractTerms
    says: list[str]


class ContractTold(msgspec.Struct, frozen=True):
    """A contract. holds: the number of the version in force today, None: none is. effect: of what it posted, USD."""

    contract_id: str
    name: str
    provider: str
    owner: str
    entity: str
    holds: int | None
    rated_until: date | None
    versions: list[VersionTold]
    drawdowns: list[Drawdown]
    volumes: list[Reached]
    effect: dict[str, str]


class ContractsTold(msgspec.Struct, frozen=True):
    """Everything of `/contracts`."""

    currency: str
    today: date
    contracts: list[ContractTold]


class Negotiation(msgspec.Struct, frozen=True):
    """One vendor, and what a commitment would do. demand: of the term, USD at what is paid now; None: too young to say.

    best: what saves most on average; asked: the amount that was asked about. regret as in `Weighed`.
    """

    vendor: Vendor
    months: int
    discount: Decimal
    shape: str
    demand: Demand | None
    best: Weighed | None
    asked: Weighed | None
    weighed: list[Weighed]
    by_model: list[Part]
    by_tier: list[Part]
    by_month: list[tuple[str, Decimal]]
    drawdowns: list[Drawdown]
    volumes: list[Reached]


class NegotiationsTold(msgspec.Struct, frozen=True):
    """Everything of `/contracts/negotiation`. owned_above: USD a month from which somebody should own a vendor."""

    currency: str
    owned_above: Decimal
    vendors: list[Vendor]
    chosen: Negotiation | None


def contracts_told(context: ConsoleContext) -> ContractsTold:
    """Raises Unavailable in a console without a control store."""
    today = context.now().date()
    effects = _effects(context)
    found = [contract_told(context, one, today, effects) for one in context.finance().contracts.all()]
    return ContractsTold(context.config.console.currency, today, found)


def contract_told(
    context: ConsoleContext, contract: Contract, today: date, effects: dict[str, dict[str, str]] | None = None
) -> ContractTold:
    """One of them."""
    rated = context.finance().contracts.rated(contract.contract_id)
    holds = contract.on(today)
    terms = (holds or contract.latest).terms
    known = _effects(context) if effects is None else effects
    nothing = dict.fromkeys(("contracted_cost", "effective_cost", "billed_cost"), "0")
    return ContractTold(
        contract.contract_id, contract.name, terms.provider, terms.owner, terms.entity,
        holds.number if holds else None, max(rated, default=None),
        [
            VersionTold(
                one.number, one.since, datetime_from_us(one.recorded_us), one.recorded_by, one.why, one.terms,
                terms_in_words(one.terms),
            )
            for one in contract.versions
        ],
        drawdowns(contract, rated, today), volumes(contract, rated, today),
        known.get(contract.contract_id, nothing),
    )  # fmt: skip


def promises(context: ConsoleContext) -> list[Drawdown]:
    """Every credit and commitment of every contract, for alerts."""
    book, today = context.finance().contracts, context.now().date()
    return [each for one in book.all() for each in drawdowns(one, book.rated(one.contract_id), today)]


def negotiations_told(context: ConsoleContext, view: View) -> NegotiationsTold:
    """Every vendor, and the one that the address is about (`provider=`), else the first. Raises BadRequest."""
    book = context.finance().contracts
    contracts = book.all()
    found = vendors(context.explorer, contracts, book.owners(), context.now(), view.timezone)
    asked = view.get("provider")
    chosen = next((one for one in found if one.provider == asked), None if asked else next(iter(found), None))
    if asked and chosen is None:
        raise UnknownContract(f"nothing was spent at {asked[:100]!r} lately, and no contract is with it",
                              field="provider")  # fmt: skip
    told = negotiation_of(context, view, chosen, contracts) if chosen else None
    return NegotiationsTold(context.config.console.currency, OWNED_ABOVE, found, told)


def negotiation_of(context: ConsoleContext, view: View, vendor: Vendor, contracts: list[Contract]) -> Negotiation:
    """All about one vendor. Raises BadRequest for a discount, a term or an amount that can't be read."""
    discount, months, shape, amount = read_offer(view)
    offer = Offer(float(discount) / 100, "all" if shape == "all" else "part")
    demand = _demand(context, view, vendor.provider, months)
    explorer, now = context.explorer, context.now()
    own = [one for one in contracts if one.latest.terms.provider == vendor.provider]
    rated = {one.contract_id: context.finance().contracts.rated(one.contract_id) for one in own}
    today = now.date()
    return Negotiation(
        vendor, months, discount, shape, demand,
        weigh(offer, best_amount(offer, demand), demand) if demand else None,
        weigh(offer, float(amount), demand) if demand and amount is not None else None,
        weigh_some(offer, demand, None if amount is None else float(amount)) if demand else [],
        mix(explorer, vendor.provider, "model", now, view.timezone),
        mix(explorer, vendor.provider, "tier_served", now, view.timezone),
        by_month(explorer, vendor.provider, now, view.timezone),
        [each for one in own for each in drawdowns(one, rated[one.contract_id], today)],
        [each for one in own for each in volumes(one, rated[one.contract_id], today)],
    )  # fmt: skip


def read_offer(view: View) -> tuple[Decimal, int, str, Decimal | None]:
    """(percent, months, shape, amount) of the address. Raises BadRequest that names the field."""
    discount = _decimal(view.get("discount") or str(DISCOUNT_DEFAULT), "discount")
    if not 0 < discount < 100:
        raise BadRequest("discount: percent, above 0 and below 100", field="discount")
    months = view.get("months") or str(MONTHS_DEFAULT)
    if not months.isdecimal() or not 1 <= int(months) <= MONTHS_MAX:
        raise BadRequest(f"months: a number from 1 to {MONTHS_MAX}", field="months")
    shape = view.get("shape") or SHAPES[0]
    if shape not in SHAPES:
        raise BadRequest(f"shape: one of {', '.join(SHAPES)}", field="shape")
    amount = _decimal(view.get("amount"), "amount") if view.get("amount") else None
    if amount is not None and not 0 < amount <= 10**12:
        raise BadRequest("amount: USD over the whole term, above 0", field="amount")
    return discount, int(months), shape, amount


def _demand(context: ConsoleContext, view: View, provider: str, months: int) -> Demand | None:
    """The forecast of the next ninety days, for as long as the term; its band grows with it, which is cautious."""
    asked = msgspec.structs.replace(
        view, path="/forecast", filters=(Filter("provider", (provider,)),), by="model", default_by="model", extra={}
    )
    found = forecast_of(context, asked)
    if found.too_young:
        return None
    figure = next(one for one in found.figures if one.key == HORIZON)
    low, expected, high = (float(usd_from_pico(pico)) for pico in
                           (figure.amount.low, figure.amount.expected, figure.amount.high))  # fmt: skip
    return Demand(low, expected, high).times(months * MONTH_DAYS / int(HORIZON))


def _decimal(text: str, field: str) -> Decimal:
    try:
        found = Decimal(text.strip().removesuffix("%").replace(",", "").strip())
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise BadRequest(f"{field} is {text[:40]!r}; write a number", field=field)
    return found


def _effects(context: ConsoleContext) -> dict[str, dict[str, str]]:
    """What each contract has changed in the books, by its id, USD."""
    with context.ledger.reading() as session:
        rows = session.query(
            "SELECT split_part(split_part(writer, ':', 2), '@', 1), SUM(contracted_cost), SUM(effective_cost), "
            "SUM(billed_cost) FROM charges WHERE entry = 'adjustment' AND starts_with(writer, 'contract:') GROUP BY 1"
        ).rows
    names = ("contracted_cost", "effective_cost", "billed_cost")
    return {str(found): dict(zip(names, map(plain, costs), strict=True)) for found, *costs in rows}


def as_plain(value: Any) -> str:
    """A figure of a CSV: money as plain text, an estimate to the cent, nothing where nothing is known."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, float):
        return f"{value:.2f}"
    return "" if value is None else str(value)
