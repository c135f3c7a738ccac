"""The two pages to bring to a vendor: what is spent there, how sure that is, and which commitment to ask for."""

from datetime import date
from decimal import Decimal
from typing import Protocol

from bursar.domain import display
from bursar.finance.contracts.negotiation import Demand, Weighed
from bursar.finance.contracts.standing import Drawdown, Reached
from bursar.finance.contracts.vendors import Part, Vendor
from bursar.reports.blocks import Chart, Column, Figure, Figures, Line, Page, Prose, Report, Table
from bursar.reports.charts import months

MODELS_SHOWN = 8


class Told(Protocol):
    """What is said; `console.contracts.Negotiation` is one."""

    @property
    def vendor(self) -> Vendor: ...
    @property
    def months(self) -> int: ...
    @property
    def discount(self) -> Decimal: ...
    @property
    def shape(self) -> str: ...
    @property
    def demand(self) -> Demand | None: ...
    @property
    def best(self) -> Weighed | None: ...
    @property
    def asked(self) -> Weighed | None: ...
    @property
    def weighed(self) -> list[Weighed]: ...
    @property
    def by_model(self) -> list[Part]: ...
    @property
    def by_month(self) -> list[tuple[str, Decimal]]: ...
    @property
    def drawdowns(self) -> list[Drawdown]: ...
    @property
    def volumes(self) -> list[Reached]: ...


def negotiation_report(told: Told, organization: str, today: date, locale: str, currency: str) -> Report:
    """The pack of one vendor."""
    vendor = told.vendor
    owner = f"Owned by {vendor.owner}" if vendor.owner else "Nobody owns this relation yet"
    return Report(
        f"Negotiation with {vendor.provider}", organization, display.day(today, year=True),
        f"{owner}. Figures of what is to come are estimates.", _lead(told),
        (Page("", tuple(_first_page(told))), Page("What a commitment would do", tuple(_second_page(told)))),
        locale, currency,
    )  # fmt: skip


def _lead(told: Told) -> str:
    vendor = told.vendor
    spent = f"{_usd(vendor.effective_cost)} was spent in the last 30 days"
    if vendor.growth is not None:
        spent += f", {_signed(vendor.growth)} on the 30 before"
    return f"{spent}."


def _first_page(told: Told) -> list[Figures | Prose | Table | Chart]:
    vendor = told.vendor
    blocks: list[Figures | Prose | Table | Chart] = [
        Figures((
            Figure("Last 30 days", _usd(vendor.effective_cost), f"{_usd(vendor.list_cost)} at list prices"),
            Figure("Growth", "new" if vendor.growth is None else _signed(vendor.growth), "on the 30 days before"),
            Figure("Off list now", display.percent(vendor.discount, Decimal(1)) if vendor.discount else "nothing",
                   ", ".join(vendor.contracts) or "no contract is recorded"),
            Figure("Tokens", display.compact(vendor.tokens), "in the last 30 days"),
        )),
    ]  # fmt: skip
    if len(told.by_month) > 1:
        blocks.append(months([(_label(month), cost) for month, cost in told.by_month], None))
    columns = (Column("Model"), Column("Last 30 days", "money"), Column("Share", "share"))
    rows = tuple((part.name, part.effective_cost, part.share) for part in told.by_model[:MODELS_SHOWN])
    blocks.append(Table("What it went to", columns, rows))
    blocks.append(Prose("Promises in force", tuple(_promises(told)), "No contract with this vendor is recorded."))
    return blocks


def _promises(told: Told) -> list[Line]:
    lines = []
    for one in told.drawdowns:
        used = _usd(one.used) if one.used else "nothing"
        text = f"{one.kind.capitalize()} {one.name}: {used} of {_usd(one.amount)} used"
        if one.end is not None:
            text += f", until {display.day(one.end, year=True)}"
        if one.is_short and one.unused is not None:
            text += f"; at this pace {_usd(one.unused)} would be lost"
        lines.append(Line(f"{text}.", "bad" if one.is_short else "plain"))
    for step in told.volumes:
        following = (
            f"{step.next_percent:f} % begins after {_amount(step, step.to_next)} more"
            if step.to_next is not None and step.next_percent is not None
            else "that is the last step"
        )
        lines.append(Line(f"Volume {step.name}: {_amount(step, step.brought)} this month, {step.percent:f} % off; "
                          f"{following}."))  # fmt: skip
    return lines


def _second_page(told: Told) -> list[Figures | Prose | Table]:
    if told.demand is None or told.best is None:
        nothing = "Too few days of calls for a forecast: two whole days at least are needed."
        return [Prose("", (), nothing)]
    demand, best = told.demand, told.best
    shape = (
        "The discount is on committed dollars alone; what is used beyond them is at today's price."
        if told.shape == "part"
        else "The discount is on everything, if at least the commitment is paid."
    )
    saving = _estimate(best.saving) if round(best.saving) else "nothing"
    figures = Figures((
        Figure(f"Expected over {told.months} months", _estimate(demand.expected),
               f"between {_estimate(demand.low)} and {_estimate(demand.high)} four times in five"),
        Figure("Discount asked about", f"{told.discount:f} %", "for committing"),
        Figure("Best commitment" if told.shape == "part" else "Most that pays",
               _estimate(best.amount) if round(best.amount) else "none",
               "saves most on average" if told.shape == "part" else "less is better, if they take it"),
        Figure("Saves on average", saving, f"costs money {best.loses:.0%} of the time",
               "good" if best.saving > 0 else "plain"),
    ))  # fmt: skip
    columns = Column("Commit to"), *(
        Column(name, "money")
        for name in ("Saves on average", "If little is used", "If much is used", "Regret, little",
                     "Regret, much")
    )  # fmt: skip
    rows = tuple(_row(one, told) for one in told.weighed)
    lines = [
        Line(shape),
        Line("Little and much are the forecast's 10th and 90th percentile; the regret is what the best commitment for "
             "that case would have saved more."),
        Line("The band of ninety days is stretched over the term as it is, as if every month erred the same way: a "
             "cautious reading."),
    ]  # fmt: skip
    if told.shape == "part":
        lines.append(Line("The best commitment is the forecast's quantile at the discount: below it another committed "
                          "dollar is more likely to save than to be wasted."))  # fmt: skip
    asks = [
        Line("Ask for the discount on everything rather than on the committed part alone."),
        Line("Ask that unused commitment carries over, and that spend through marketplaces counts."),
        Line("Ask for steps by volume that begin below today's spend, and for batch and flex tiers to count."),
        Line("Ask for a price cap on renewal, and that new models take the discount from their first day."),
    ]
    return [
        figures, Table("Commitments weighed", columns, rows, note="Estimates, USD over the whole term."),
        Prose("How to read it", tuple(lines)), Prose("To ask for", tuple(asks)),
    ]  # fmt: skip


def _row(one: Weighed, told: Told) -> tuple[str | Decimal, ...]:
    values = (one.saving, one.at_low, one.at_high, one.regret_low, one.regret_high)
    name = _estimate(one.amount)
    if told.best is not None and one.amount == told.best.amount:
        name += ", the best" if told.shape == "part" else ", breaks even"
    if told.asked is not None and one.amount == told.asked.amount:
        name += ", as asked"
    return (name, *(Decimal(round(value)) for value in values))


def _estimate(value: float) -> str:
    return f"≈ {display.money(Decimal(round(value)), places=0)}"


def _label(month: str) -> str:
    """`2026-10` as `Oct 26`, as the board's report has it."""
    first = date.fromisoformat(f"{month}-01")
    return f"{display.month(first)[:3]} {first:%y}"


def _amount(step: Reached, value: Decimal) -> str:
    return _usd(value) if step.by == "list_cost" else f"{display.compact(int(value))} tokens"


def _usd(value: Decimal) -> str:
    return str(display.money(value, "USD"))


def _signed(share: Decimal) -> str:
    return f"{'+' if share >= 0 else display.MINUS}{abs(share) * 100:.1f} %"
