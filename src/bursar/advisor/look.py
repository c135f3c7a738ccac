"""One look at the ledger for advice: charges of a period cut into segments and days, priced as they were and otherwise.

A segment is calls that are one job: the same feature, request type, provider and model. Advice is given for segments,
since these are what a policy, a route or a cache rule can be about. What is asked here is asked of `charges` once per
question; the sums by segment and day are few, however many calls there are.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from itertools import count
from statistics import stdev
from typing import Any, NamedTuple, TypeVar

import msgspec

from bursar.advisor.advice import Claim, Estimate
from bursar.advisor.initiatives_rates import student
from bursar.advisor.prompt_breaks import PromptBreak
from bursar.advisor.whatif import bands_of, femto_of
from bursar.domain.clock import us_from_datetime
from bursar.domain.money import usd_from_femto
from bursar.domain.periods import Period
from bursar.domain.usage import Usage
from bursar.explore import compile as sql
from bursar.explore.filters import Filter, as_filters
from bursar.ledger.calls import TOTAL_INPUT, TOTAL_OUTPUT
from bursar.ledger.schema import TOKEN_COLUMNS
from bursar.ledger.store import Rows, Session
from bursar.prices.book import PriceBook
from bursar.prices.sheet import PriceSheet

MONTH_DAYS = Decimal("30.4375")  # a twelfth of a year
DAYS_MIN = 3  # with calls: on fewer nothing can be said of a month
CALLS_MIN = 50  # of a segment; fewer say little of it
NINETEEN_OF_TWENTY = 0.95
EXAMPLES = 5
HELD_MAX = 2_000_000  # charges that are copied: half a gigabyte
SAVING_MIN = Decimal(1)  # USD a month
SHARE_MIN = Decimal("0.002")  # of all that is spent
CENT = Decimal("0.0001")

T = TypeVar("T")
_NUMBERS = count()

_USAGE = {column.source.partition(".")[2]: column.name for column in TOKEN_COLUMNS}
SEGMENT_COLUMNS = ("feature", "request_type", "provider", "model")


class Segment(NamedTuple):
    """Calls that are one job. model: as charged."""

    feature: str
    request_type: str
    provider: str
    model: str

    @property
    def name(self) -> str:
        """As people say it: "reports/summarise on claude-sonnet-4-5"."""
        said = "/".join(part for part in (self.feature, self.request_type) if part)
        return f"{said or 'calls that say no feature'} on {self.model}"

    @property
    def scope(self) -> tuple[Filter, ...]:
        return tuple(Filter(name, (value,)) for name, value in zip(SEGMENT_COLUMNS, self, strict=True))


class Home(NamedTuple):
    """Where a segment's calls mostly went and how they asked, and whose they are: the key, if it is one, else ""."""

    model_sent: str
    upstream: str
    credential_id: str
    model_asked: str
    dialect: str


class Claimed(NamedTuple):
    """What a claim comes to. cost: in USD; calls: ids of the dearest."""

    attempts: int
    cost: Decimal
    calls: tuple[str, ...]


class Slice(msgspec.Struct, frozen=True):
    """Charges of a segment on one UTC day that are priced alike, summed.

    cost: effective, in USD. extra: what a question had summed beside, by name.
    """

    segment: Segment
    day: date
    operation: str
    tier: str
    region: str
    band_above: int
    attempts: int
    usage: Usage
    list_cost: Decimal
    cost: Decimal
    extra: dict[str, int]


class Look:
    """The priced live charges of a period, and what they would cost otherwise.

    now_us: whose prices hold elsewhere. breaks: of prompt caches, as far as whoever asks knows of them.

    Corrections of single charges, charges without a price, shadows and answers of a cache are left out: nothing is
    advised on what isn't known, and nothing that already costs nothing can be saved.
    """

    def __init__(
        self,
        session: Session,
        dialect: str,
        period: Period,
        book: PriceBook,
        now_us: int,
        filters: Sequence[Filter | tuple[str, str]] = (),
        breaks: Sequence[PromptBreak] = (),
    ) -> None:
        self.session = session
        self.period = period
        self.book = book
        self.now_us = now_us
        self.breaks = breaks
        self._numbers = count()
        wanted = as_filters(filters)
        where = [one.sql(dialect=dialect) for one in sql.conditions(sql.filter_shapes(wanted))]
        self.span: dict[str, Any] = sql.period_params(period, None)
        self.params: dict[str, Any] = {**self.span, **sql.filter_params(wanted)}
        self.base = _BASE.format(more="".join(f" AND {one}" for one in where))
        self._hold()
        called = self.session.query(f"SELECT DISTINCT provider, model FROM ({self.base})", self.params).rows
        self.bands = bands_of(book, called, [], now_us)
        self.slices = self.slice()
        self.segments: dict[Segment, list[Slice]] = {}
        for one in self.slices:
            self.segments.setdefault(one.segment, []).append(one)
        self.homes = self._homes()
        self.spent = sum((one.cost for one in self.slices), Decimal(0))
        self.days = self._days()
        self._known: dict[str, Any] = {}

    @property
    def least(self) -> Decimal:
        """What an advice must save a month to be given: less is not worth a person's hour."""
        return max(SAVING_MIN, SHARE_MIN * self.spent / self.months)

    def worth_a_look(self, segment: Segment) -> bool:
        """Whether all of a segment's cost could make an advice, and it has calls enough to say something."""
        slices = self.segments[segment]
        spent = sum((one.cost for one in slices), Decimal(0))
        return spent / self.months >= self.least and sum(one.attempts for one in slices) >= CALLS_MIN

    def is_worth(self, daily: Mapping[date, Decimal]) -> bool:
        """Whether what was saved by day makes an advice: enough of it, and on several days, for an incident of one
        afternoon will not come again every month."""
        return total(daily) / self.months >= self.least and sum(value > 0 for value in daily.values()) >= DAYS_MIN

    def breaks_of(self, segment: Segment) -> list[PromptBreak]:
        """What breaks the prompt caches of a segment's calls, of all keys."""
        models = {segment.model, self.homes[segment].model_sent}
        of_job = (segment.feature, segment.request_type)
        return [one for one in self.breaks if one.model in models and (one.feature, one.request_type) == of_job]

    def once(self, name: str, find: Callable[["Look"], T]) -> T:
        """What several families ask, found once."""
        if name not in self._known:
            self._known[name] = find(self)
        return self._known[name]  # type: ignore[no-any-return]

    @property
    def months(self) -> Decimal:
        """What of a month was looked at."""
        return self.days / MONTH_DAYS

    def ask(self, text: str, **params: Any) -> list[dict[str, Any]]:
        """Rows of a query over `{base}`, the charges looked at."""
        return self.answer(text, **params).dicts()

    def answer(self, text: str, **params: Any) -> Rows:
        """The same without a dict for each row, where there are many."""
        return self.session.query(text.replace("{base}", f"({self.base})"), {**self.params, **params})

    def slice(self, where: str = "true", source: str = "{base}", extra: Mapping[str, str] | None = None,
              **params: Any) -> list[Slice]:  # fmt: skip
        """Charges for which `where` holds, by segment, day and price. extra: name → an SQL expression to sum."""
        more = extra or {}
        whens = " ".join(f"WHEN total_input > {band} THEN {band}" for band in reversed(self.bands))
        band = f"CASE {whens} ELSE -1 END" if whens else "-1"
        rows = self.ask(
            f"""
            SELECT {", ".join(SEGMENT_COLUMNS)}, day, operation, tier, region, {band} AS band_above,
              count(*) AS attempts, SUM(list_cost) AS list_cost, SUM(cost) AS cost,
              {", ".join(f"SUM({name})::BIGINT AS {name}" for name in _USAGE.values())}
              {"".join(f", SUM({part})::BIGINT AS x_{name}" for name, part in more.items())}
            FROM {source} WHERE {where} GROUP BY ALL ORDER BY ALL
            """,
            **params,
        )
        return [_slice(row, more) for row in rows]

    def sheet(self, one: Slice, *, provider: str = "", model: str = "", tier: str | None = None,
              region: str | None = None, band_above: int | None = None) -> PriceSheet | None:  # fmt: skip
        """The prices of a slice, or of the same calls elsewhere; None where there are none."""
        band = one.band_above if band_above is None else band_above
        there = provider or one.segment.provider
        at_home = one.region if there == one.segment.provider else ""
        return self.book.at(
            there, model or one.segment.model, self.now_us, tier=one.tier if tier is None else tier,
            input_tokens=band + 1, region=at_home if region is None else region,
        )  # fmt: skip

    def price(self, one: Slice, sheet: PriceSheet | None, usage: Usage | None = None) -> Decimal | None:
        """What a slice would cost by a sheet, at the share of the list price that is paid; None: unpriced.

        usage: in place of its own; then without fees per request.
        """
        if sheet is None:
            return None
        femto = femto_of(usage or one.usage, 0 if usage is not None else one.attempts, sheet)
        if femto is None:
            return None
        paid = Fraction(one.cost) / Fraction(one.list_cost) if one.list_cost else Fraction(1)
        return usd_from_femto(round(femto * paid))

    def claim(self, segment: Segment, more: str = "", **params: Any) -> Claim:
        """A claim on the charges of a segment for which `more` holds too."""
        plain = None if params else more
        number = next(self._numbers)
        values: dict[str, Any] = {f"c{number}_{name}": value for name, value in segment._asdict().items()}
        parts = [f"{name} = $c{number}_{name}" for name in SEGMENT_COLUMNS]
        for name, value in params.items():
            more = more.replace(f"${name}", f"$c{number}_{name}")
            values[f"c{number}_{name}"] = value
        if more:
            parts.append(f"({more})")
        return Claim(" AND ".join(parts), values, tuple(segment), plain)

    def claimed(self, claim: Claim) -> Claimed:
        """How many charges, what they cost, and the calls of the dearest.

        Of all segments at once where the same is claimed of each: a family asks the ledger once, not for each advice.
        """
        if claim.about and claim.more is not None:
            found = self.once(f"claimed {claim.more}", lambda look: look._claimed_of_all(claim.more or "true"))
            return found.get(claim.about, Claimed(0, Decimal(0), ()))
        return _claimed(self.ask(f"SELECT {_CLAIMED} FROM {{base}} WHERE {claim.sql}", **claim.params)[0])

    def _claimed_of_all(self, where: str) -> dict[tuple[str, ...], Claimed]:
        keys = ", ".join(SEGMENT_COLUMNS)
        rows = self.ask(f"SELECT {keys}, {_CLAIMED} FROM {{base}} WHERE {where} GROUP BY ALL")
        return {tuple(row[name] for name in SEGMENT_COLUMNS): _claimed(row) for row in rows}

    def monthly(self, daily: Mapping[date, Decimal], doubt: float = 0.0) -> Estimate:
        """What was saved by day as a month's, and between which figures the next month's lies.

        doubt: of what is assumed, a share of the saving in each direction. The rest of the interval is how much the
        days differ: that of the mean over the days looked at, and that of a month of such days.
        """
        expected = total(daily) / self.months
        days = max(round(float(self.days)), len(daily), 2)
        values = [float(value) for value in daily.values()] + [0.0] * (days - len(daily))
        month = float(MONTH_DAYS)
        sure = student(0.5 + NINETEEN_OF_TWENTY / 2, days - 1)  # three days say little of how much days differ
        spread = sure * stdev(values) * (month**2 / days + month) ** 0.5
        half = (spread**2 + (doubt * float(expected)) ** 2) ** 0.5
        low = float(expected) - half
        if min(values) >= 0:
            low = max(low, 0.0)
        return Estimate(expected.quantize(CENT), rounded(low), rounded(float(expected) + half))

    def saved(self, slices: Iterable[Slice], otherwise: Callable[[Slice], Decimal | None]) -> dict[date, Decimal]:
        """Cost less what it would be otherwise, by day. What has no price there saves nothing."""
        daily: dict[date, Decimal] = {}
        for one in slices:
            would = otherwise(one)
            if would is not None:
                daily[one.day] = daily.get(one.day, Decimal(0)) + one.cost - would
        return daily

    def _hold(self) -> None:
        """Charges that are few enough are copied once, for as long as the transaction lasts: 150 questions of a plain
        table take a tenth of the time."""
        if self.session.query(f"SELECT count(*) FROM ({self.base})", self.params).only() <= HELD_MAX:
            name = f"looked_at_{next(_NUMBERS)}"
            self.session.run(f"CREATE TEMP TABLE {name} AS {self.base}", self.params)
            self.base, self.params = f"SELECT * FROM {name}", {}

    def _homes(self) -> dict[Segment, Home]:
        rows = self.ask(
            f"""
            SELECT {", ".join(SEGMENT_COLUMNS)}, mode(model_sent) AS model_sent, mode(upstream) AS upstream,
              mode(model_asked) AS model_asked, mode(dialect) AS dialect,
              CASE WHEN count(DISTINCT credential_id) = 1 THEN any_value(credential_id) ELSE '' END AS credential_id
            FROM {{base}} GROUP BY ALL
            """
        )
        return {
            Segment(*(row[name] for name in SEGMENT_COLUMNS)): Home(*(row[name] for name in Home._fields))
            for row in rows
        }

    def _days(self) -> Decimal:
        """How many days were looked at: from the first charge, or the period's start, until its end or now."""
        if not self.slices:
            return Decimal(1)
        first = datetime.combine(min(one.day for one in self.slices), time.min, UTC)
        start = us_from_datetime(max(first, self.period.start))
        end = min(us_from_datetime(self.period.end), self.now_us)
        return max(Decimal(end - start) / 86_400_000_000, Decimal(1))


def rounded(value: float) -> Decimal:
    """A bound of an interval as money; a bound is a statistic, so four places are plenty."""
    return Decimal(str(round(value, 4))).quantize(CENT)


def total(daily: Mapping[date, Decimal]) -> Decimal:
    """All days together."""
    return sum(daily.values(), Decimal(0))


def _claimed(row: Mapping[str, Any]) -> Claimed:
    return Claimed(int(row["attempts"]), Decimal(row["cost"]), tuple(str(one) for one in row["calls"] or ()))


def _slice(row: dict[str, Any], more: Mapping[str, str]) -> Slice:
    usage = Usage(**{field: row[name] or 0 for field, name in _USAGE.items()})
    extra = {name: int(row[f"x_{name}"] or 0) for name in more}
    segment = Segment(*(row[name] for name in SEGMENT_COLUMNS))
    own = {name: row[name] for name in ("day", "operation", "tier", "region", "band_above", "attempts")}
    return Slice(segment=segment, **own, usage=usage, list_cost=row["list_cost"], cost=row["cost"], extra=extra)


_CLAIMED = f"count(*) AS attempts, coalesce(SUM(cost), 0) AS cost, arg_max(call_id, cost, {EXAMPLES}) AS calls"
_BASE = f"""
SELECT attempt_id, call_id, received_at, received_at::DATE AS day, feature, request_type, provider, model, model_sent,
  model_asked, dialect, upstream, operation, tier_asked,
  CASE WHEN tier_served = '' THEN tier_asked ELSE tier_served END AS tier, region, is_stream,
  session, consumer_id, agent, credential_id, request_fingerprint, request_bytes, response_bytes, duration_ms,
  first_byte_ms, outcome, call_outcome, is_final, attempt_number, client_retry, retry_cause, finish_reason, quality,
  http_status, routing, list_cost, effective_cost AS cost, saved_prompt_cache, {TOTAL_INPUT} AS total_input,
  {TOTAL_OUTPUT} AS total_output, {", ".join(_USAGE.values())}
FROM charges WHERE received_at >= $start AND received_at < $end AND entry = 'usage' AND traffic = 'live'
  AND effective_cost > 0 AND upstream <> '(cache)' {{more}}
"""
