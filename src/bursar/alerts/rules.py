"""The kinds of rules and their parameters: what can be watched, each with defaults that suit a small installation."""

from decimal import Decimal
from typing import Literal, get_args

import msgspec

from bursar.domain.alerts import Severity
from bursar.domain.errors import BadAlert, BadQuery
from bursar.domain.tags import DIMENSIONS
from bursar.explore.filters import Filter, as_filters, parse_filter
from bursar.governance.alert_rows import TEST_RULE
from bursar.governance.alerts import StoredRule

NAME_CHARS_MAX = 120
FILTERS_MAX = 20
THRESHOLDS_MAX = 10
FIGURE_MAX = 10**12
MAY_BE_ZERO = ("least_usd", "excess_usd_per_day")


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """What a kind of rule is told. filters: as an address writes them, `feature=checkout`; empty: everything."""


class DailySpend(Parameters, frozen=True, tag="daily_spend"):
    """A day costs more than `factor` times a usual day, and `least_usd` or more."""

    factor: Decimal = Decimal(2)
    least_usd: Decimal = Decimal(1)
    filters: tuple[str, ...] = ()


class PeriodSpend(Parameters, frozen=True, tag="period_spend"):
    """A day, an ISO week or a calendar month costs more than an amount."""

    amount_usd: Decimal
    period: Literal["day", "week", "month"] = "month"
    filters: tuple[str, ...] = ()


class UnpricedCharges(Parameters, frozen=True, tag="unpriced"):
    """A model without a price was called."""

    filters: tuple[str, ...] = ()


class EstimatedShare(Parameters, frozen=True, tag="estimated"):
    """More than `percent` of a day's attempts are estimated or assumed, of at least so many `attempts`."""

    percent: Decimal = Decimal(20)
    attempts: int = 50
    filters: tuple[str, ...] = ()


class ErrorStorm(Parameters, frozen=True, tag="error_storm"):
    """More than `percent` of a provider's attempts failed within ten minutes, of at least so many `attempts`."""

    percent: Decimal = Decimal(50)
    attempts: int = 20


class TagCoverage(Parameters, frozen=True, tag="tag_coverage"):
    """Less than `percent` of what the last seven days cost says its `dimension`."""

    percent: Decimal = Decimal(80)
    dimension: str = "feature"
    filters: tuple[str, ...] = ()


class Budgets(Parameters, frozen=True, tag="budgets"):
    """A budget has reached one of `percents`; forecast: or will be exhausted within its window at this pace."""

    percents: tuple[int, ...] = (50, 80, 100)
    forecast: bool = True


class Loops(Parameters, frozen=True, tag="loops"):
    """The loop breaker cut something."""


class RetryCap(Parameters, frozen=True, tag="retry_cap"):
    """The hourly cap on what retries cost didn't allow one, or is spent."""


class Approvals(Parameters, frozen=True, tag="approvals"):
    """Calls are refused until somebody approves of what a budget spends past a threshold."""


class Reviews(Parameters, frozen=True, tag="review"):
    """The review of the week or month that is over, from an `hour` on, local to the console: on a `day` of the week
    after it (1 is Monday), or of the month after it."""

    every: Literal["weekly", "monthly"] = "weekly"
    day: int = 1
    hour: int = 9


class SentReports(Parameters, frozen=True, tag="report"):
    """The report of the month that is over, kept and attached, from a `day` of the month after it on, at an `hour`
    local to the console. report: `board` (PDF) or `pack` (PDF and workbook)."""

    report: Literal["board", "pack"] = "board"
    day: int = 5
    hour: int = 9


class SentStatements(Parameters, frozen=True, tag="statement"):
    """What a team, customer or feature bears of the month that is over, as PDF and workbook, from a `day` of the month
    after it on, at an `hour` local to the console. of: one of them; "" is each, a message apiece. closed_only: not
    before the month is closed."""

    by: Literal["team", "customer", "feature"] = "team"
    of: str = ""
    day: int = 5
    hour: int = 9
    closed_only: bool = False


class Commitments(Parameters, frozen=True, tag="commitment"):
    """A commitment or a credit of a contract will not be used by its end at the pace of the last 28 days, and
    `least_usd` or more would be lost; is used up by `percent`; or ends within so many `days` with something left."""

    least_usd: Decimal = Decimal(1)
    percent: Decimal = Decimal(90)
    days: int = 30


class LostSteps(Parameters, frozen=True, tag="maturity"):
    """A step of maturity was lost."""


Action = Literal["none", "throttle", "cheaper", "approve"]


class Anomaly(Parameters, frozen=True, tag="anomaly"):
    """Something is out of the ordinary, and costs `excess_usd_per_day` or more beyond the expected at its pace.

    filters: on what it is: only `feature=search` and its like, of the finding's own series or one that it is nested in.
    action: what is proposed about each such finding; automatic: it is done at once, and not only drafted.
    """

    excess_usd_per_day: Decimal = Decimal(10)
    action: Action = "none"
    automatic: bool = False
    filters: tuple[str, ...] = ()


AnyParameters = (
    DailySpend
    | PeriodSpend
    | UnpricedCharges
    | EstimatedShare
    | ErrorStorm
    | TagCoverage
    | Budgets
    | Loops
    | RetryCap
    | Approvals
    | Reviews
    | SentReports
    | SentStatements
    | Commitments
    | LostSteps
    | Anomaly
)
KINDS: dict[str, type[Parameters]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyParameters)}


class Rule(msgspec.Struct, frozen=True):
    """A stored rule with its parameters read. severity: the operator's, in place of each finding's own."""

    name: str
    what: AnyParameters
    severity: Severity | None = None
    channels: tuple[str, ...] = ()
    is_on: bool = True

    @property
    def kind(self) -> str:
        return str(self.what.__struct_config__.tag)

    @property
    def filters(self) -> tuple[Filter, ...]:
        return read_filters(getattr(self.what, "filters", ()))


def read_rule(stored: StoredRule) -> Rule:
    """Raises BadAlert for parameters that this version doesn't know."""
    try:
        what = msgspec.json.decode(stored.parameters, type=AnyParameters)
    except msgspec.MsgspecError as error:
        raise BadAlert(f"rule {stored.name!r}: {error}", field="parameters") from error
    return Rule(stored.name, what, stored.severity, stored.channels, stored.is_on)


def write_rule(rule: Rule) -> StoredRule:
    """As it is stored. Raises BadAlert that names what can't be."""
    check_name(rule.name)
    if rule.name == TEST_RULE:
        raise BadAlert(f"{TEST_RULE!r} is the name of the tests of channels; choose another", field="name")
    _check(rule.what)
    if len(rule.filters) > FILTERS_MAX:
        raise BadAlert(f"more than {FILTERS_MAX} filters", field="filters")
    told = msgspec.json.encode(rule.what).decode()
    return StoredRule(rule.name, told, rule.severity, rule.channels, rule.is_on)


def parameters_of(kind: str, given: dict[str, str], filters: tuple[str, ...] = ()) -> AnyParameters:
    """Parameters as somebody typed them: `parameters_of("daily_spend", {"factor": "3"})`. Raises BadAlert."""
    if kind not in KINDS:
        raise BadAlert(f"there is no kind of rule {kind!r}; there are {', '.join(KINDS)}", field="kind")
    known = {field.name for field in msgspec.structs.fields(KINDS[kind])}
    values: dict[str, object] = dict(given)
    if filters:
        values["filters"] = filters
    unknown = next((name for name in values if name not in known), None)
    if unknown is not None:
        raise BadAlert(f"{kind} has no {unknown!r}; it has {', '.join(sorted(known)) or 'none'}", field=unknown)
    if "percents" in given:
        values["percents"] = [part.strip() for part in given["percents"].split(",")]
    try:
        found: AnyParameters = msgspec.convert({**values, "kind": kind}, AnyParameters, strict=False)
        return found
    except msgspec.ValidationError as error:
        field = str(error).rpartition("$.")[2].rstrip("`") if "$." in str(error) else "parameters"
        raise BadAlert(f"{kind}: {error}", field=field) from error


def read_filters(texts: tuple[str, ...]) -> tuple[Filter, ...]:
    """Raises BadAlert for a filter that can't be read."""
    try:
        return as_filters(map(parse_filter, texts))
    except BadQuery as error:
        raise BadAlert(error.message, field="filters") from error


def check_name(name: str) -> None:
    """Raises BadAlert for a name that doesn't fit in an address or a command."""
    if not name or len(name) > NAME_CHARS_MAX or not name.isprintable() or set(name) & set("/\\ ,;"):
        raise BadAlert(
            f"a name has 1 to {NAME_CHARS_MAX} characters, without spaces, commas or slashes: not {name!r}",
            field="name",
        )


def _check(what: AnyParameters) -> None:
    """Numbers that make a rule which can never be true, or always is."""
    for name in ("factor", "amount_usd", "least_usd", "percent", "excess_usd_per_day"):
        value = getattr(what, name, None)
        if value is not None and (not value.is_finite() or value < 0 or (value == 0 and name not in MAY_BE_ZERO)):
            raise BadAlert(f"{name} is {value}; it must be above 0", field=name)
        if value is not None and value > FIGURE_MAX:
            raise BadAlert(f"{name} is {FIGURE_MAX:,} at most", field=name)
    if isinstance(what, DailySpend) and what.factor <= 1:
        raise BadAlert("factor must be above 1: half of all days cost more than the usual one", field="factor")
    if isinstance(what, EstimatedShare | ErrorStorm | TagCoverage | Commitments) and what.percent > 100:
        raise BadAlert(f"percent is {what.percent}; it can be 100 at most", field="percent")
    if isinstance(what, Reviews | SentReports | SentStatements):
        last = 7 if isinstance(what, Reviews) and what.every == "weekly" else 28
        if not 1 <= what.day <= last:
            raise BadAlert(f"day is {what.day}; here it is 1 to {last}", field="day")
        if not 0 <= what.hour <= 23:
            raise BadAlert(f"hour is {what.hour}; it is 0 to 23, local to the console", field="hour")
    if isinstance(what, Commitments) and not 0 <= what.days <= 366:
        raise BadAlert(f"days is {what.days}; it is 0 to 366", field="days")
    if isinstance(what, Anomaly) and what.automatic and what.action == "none":
        raise BadAlert("automatic needs an action: throttle, cheaper or approve", field="action")
    if isinstance(what, Anomaly) and any(one.op != "is" for one in read_filters(what.filters)):
        raise BadAlert("an anomaly is filtered by what it is of, as in feature=search", field="filters")
    if isinstance(what, EstimatedShare | ErrorStorm) and what.attempts < 1:
        raise BadAlert("attempts must be at least 1", field="attempts")
    if isinstance(what, TagCoverage) and what.dimension not in DIMENSIONS and not what.dimension.startswith("tag:"):
        raise BadAlert(
            f"dimension is one of {', '.join(DIMENSIONS)}, or a tag as tag:NAME: not {what.dimension!r}",
            field="dimension",
        )
    if isinstance(what, Budgets) and not (
        0 < len(what.percents) <= THRESHOLDS_MAX and all(0 < percent <= 1_000 for percent in what.percents)
    ):
        raise BadAlert(f"percents are 1 to {THRESHOLDS_MAX} whole numbers from 1 to 1000", field="percents")
