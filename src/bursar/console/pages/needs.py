"""What waits for somebody: each line says what it is, what it means for the money, and the one thing to do."""

from decimal import Decimal
from statistics import median
from typing import Literal

import msgspec

from bursar.console.context import ConsoleContext
from bursar.console.figures import Amounts, CostRow, SeriesTable, ask, cost_table
from bursar.console.format import Format
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.clock import datetime_from_us
from bursar.domain.findings import ranked
from bursar.domain.money import usd_from_pico
from bursar.domain.periods import Bucket, Period
from bursar.explore.query import Query
from bursar.gateway.loop_cuts import list_cuts
from bursar.watch.telling import name_of, title_of, why_of

UNPRICED_LISTED_MAX = 3
LOOPS_LISTED_MAX = 3
ERROR_SHARE = Decimal("0.02")
ANOMALY_SHARE = Decimal("0.01")  # of what the period costs in an hour
SECONDS_AN_HOUR = 3_600
UNTAGGED_SHARE = Decimal("0.02")
RETRY_SHARE = Decimal("0.01")
LOOP_CALLS = 20  # of one request on a day: more than anybody asks for by hand
LOOP_SHARE = Decimal("0.005")  # of what the period cost
LOOP_TIMES = 4  # as much as on a usual day
LOOP_BUCKETS = 5  # fewer have no usual day


class Need(msgspec.Struct, frozen=True):
    """One line. `level`: "danger" (money is being lost), "doubt" (a figure isn't sure), "accent" (could be better)."""

    level: Literal["danger", "doubt", "accent"]
    text: str
    subject: str = ""
    href: str = ""
    act: str = ""


def needs_of(
    context: ConsoleContext, view: View, f: Format, totals: CostRow, untagged_cost: Decimal, series: SeriesTable | None
) -> list[Need]:
    """The lines for one period, what costs most first. series: by feature, if the page has that anyway."""
    now = totals.now
    anomaly = _anomaly(context, view, now)
    needs = [*([anomaly] if anomaly and anomaly.level == "danger" else []), *_loops_cut(context, view, f)]
    if series is not None and (loop := _loop(context, view, f, now, series)):
        needs.append(loop)
    if now.unpriced_count:
        needs += _unpriced(context, view, f, totals)
    if now.retry_cost and now.cost and now.retry_cost / now.cost >= RETRY_SHARE:
        needs.append(
            Need("danger", f"{f.plain_money(now.retry_cost)} went to {f.count(now.retries)} retries, "
                 f"{display.percent(now.retry_cost, now.cost)} of what was spent{_mostly(context, view, now)}",
                 href=view.url("/explore", by="error_code", sort="calls"), act="why")
        )  # fmt: skip
    if now.attempts and now.errors >= ERROR_SHARE * now.attempts:
        needs.append(
            Need("danger", f"{f.count(now.errors)} of {f.count(now.attempts)} attempts failed, "
                 f"{display.percent(now.errors, now.attempts)}",
                 href=view.url("/explore", by="error_code", sort="calls"), act="which")
        )  # fmt: skip
    if now.assumed_count:
        needs.append(
            Need("doubt", f"{_calls(f, now.assumed_count)} never answered: booked at the most they can cost until "
                 "reconciled", href=view.with_filter("quality", "assumed", "/calls"), act="look")
        )  # fmt: skip
    if now.estimated_count:
        needs.append(
            Need("doubt", f"{_calls(f, now.estimated_count)} came without usage: counted from their bytes",
                 href=view.with_filter("quality", "estimated", "/calls"), act="look")
        )  # fmt: skip
    if now.cost and untagged_cost / now.cost >= UNTAGGED_SHARE:
        needs.append(
            Need("accent", f"{f.plain_money(untagged_cost)} has no feature: send X-Bursar-Tags with those calls",
                 href=view.with_filter("feature", "", "/explore", by="credential_id"), act="whose")
        )  # fmt: skip
    if anomaly and anomaly.level != "danger":
        needs.append(anomaly)
    return needs


def _anomaly(context: ConsoleContext, view: View, now: Amounts) -> Need | None:
    """The dearest of what goes on beyond the expected: money is being lost where it moves the period's own pace."""
    found = [one for one in ranked(context.open_findings()) if one.per_month_pico > 0]
    if not found:
        return None
    dearest = found[0]
    hours = (
        min(view.period.end, datetime_from_us(context.clock.now_us())) - view.period.start
    ).total_seconds() / SECONDS_AN_HOUR
    an_hour = (now.cost or Decimal(0)) / Decimal(max(hours, 1))
    is_dear = usd_from_pico(dearest.excess_per_hour_pico) >= ANOMALY_SHARE * an_hour
    why, name = why_of(dearest), name_of(dearest.series)
    text = title_of(dearest).removeprefix(name).strip()
    more = f"; {len(found) - 1} more go on" if len(found) > 1 else ""
    return Need("danger" if is_dear else "accent", f"{text}{f': {why}' if why else ''}{more}", subject=name,
                href=view.url(f"/anomalies/{dearest.finding_id}"), act="why")  # fmt: skip


def _loops_cut(context: ConsoleContext, view: View, f: Format) -> list[Need]:
    """Loops that are refused now, the dearest first."""
    cuts = [one.cut for one in list_cuts(context.run_dir, context.clock.now_us()) if one.state == "cut"]
    cuts.sort(key=lambda cut: -cut.cost_pico)
    return [
        Need("danger", f"goes round in circles and is cut: {f.plain_money(usd_from_pico(cut.cost_pico))} so far",
             subject=cut.feature or cut.credential_id, href=view.url("/loops"), act="look")
        for cut in cuts[:LOOPS_LISTED_MAX]
    ]  # fmt: skip


def _loop(context: ConsoleContext, view: View, f: Format, now: Amounts, series: SeriesTable) -> Need | None:
    """One request sent over and over: looked for only where one feature's day (hour, week) stands out the most."""
    found = _outlier(series)
    if found is None:
        return None
    feature, bucket = found
    period = Period(bucket.start, bucket.end, timezone=view.timezone)
    only = view.with_one("feature", feature)
    table = context.explorer.run(
        Query(period, ("effective_cost", "calls"), ("fingerprint",), only, order="effective_cost", limit=2),
        rows_only=True,
    )
    for row in table.dicts():
        cost, calls = row["effective_cost"] or Decimal(0), row["calls"]
        if row["fingerprint"] and calls >= LOOP_CALLS and cost >= LOOP_SHARE * now.cost:
            inside = msgspec.structs.replace(view, filters=only)
            span = f"{bucket.start:%Y-%m-%dT%H:%MZ}..{bucket.end:%Y-%m-%dT%H:%MZ}"
            words = f"repeated one request {f.count(calls)} times on {f.day(bucket.start, year=False)}: "
            return Need(
                "danger", words + f.plain_money(cost), subject=feature or "(no feature)",
                href=inside.with_filter("fingerprint", row["fingerprint"], "/calls", period=span), act="its calls",
            )  # fmt: skip
    return None


def _outlier(series: SeriesTable) -> tuple[str, Bucket] | None:
    """The feature and the bucket that cost most above that feature's median bucket, if several times as much."""
    best: tuple[Decimal, str, int] | None = None
    for name in series.names:
        costs = [(cell.cost if (cell := series.cells.get((name, at))) else Decimal(0))
                 for at in range(len(series.buckets))]  # fmt: skip
        if len(costs) < LOOP_BUCKETS:
            continue
        usual, most = median(costs), max(costs)
        if most > LOOP_TIMES * usual and (best is None or most - usual > best[0]):
            best = (most - usual, name, costs.index(most))
    return None if best is None else (best[1], series.buckets[best[2]])


def _mostly(context: ConsoleContext, view: View, now: Amounts) -> str:
    """`, most of it in billing-sync`: the feature that has over half of the retries' cost, if one does."""
    parts = ask(context.explorer, view.period, view, ("feature",), measures=("retry_cost",))
    (feature,), largest = max(parts.items(), key=lambda part: part[1].retry_cost or 0, default=(("",), Amounts()))
    if not feature or not now.retry_cost or (largest.retry_cost or 0) * 2 < now.retry_cost:
        return ""
    return f", most of it in {feature}"


def _unpriced(context: ConsoleContext, view: View, f: Format, totals: CostRow) -> list[Need]:
    found = cost_table(
        context.explorer,
        msgspec.structs.replace(view, before=None),
        ("provider", "model"),
        UNPRICED_LISTED_MAX + 1,
        "unpriced",
        ("unpriced_count",),
        totals=totals,
    )
    largest = [(row.keys, row.now) for row in found.rows if row.now.unpriced_count]
    needs = [
        Need(
            "doubt", f"has no price: {_calls(f, amounts.unpriced_count)} not in these sums",
            subject=model or "(no model)",
            href=view.url("/prices"),
            act="price it",
        )
        for (_, model), amounts in largest[:UNPRICED_LISTED_MAX]
    ]  # fmt: skip
    if len(largest) > UNPRICED_LISTED_MAX:
        needs.append(Need("doubt", "more models have no price", href=view.url("/prices"), act="all"))
    return needs


def _calls(f: Format, number: int) -> str:
    return f"{f.count(number)} {'call' if number == 1 else 'calls'}"
