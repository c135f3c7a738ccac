"""What the ledger says of the days of a bill: by day, key, project, upstream, model, tier and class of usage.

A charge's day is that of its call, as on every page, so a figure here opens to the same calls there. Entries that were
posted when a bill was reconciled are left out: a bill is compared with what the gateway metered.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from bursar.domain.money import EXACT, FEMTO_PER_PICO
from bursar.domain.usage import Unit
from bursar.ledger.schema import TOKEN_COLUMNS
from bursar.ledger.store import Session

POSTED_PREFIX = "invoice:"
"""How the writer of an entry begins that reconciling posted."""

REASON = "reconciled with bill "
"""How the reason of each of these entries begins."""

_SUMS = tuple(column for column in TOKEN_COLUMNS if column.source.partition(".")[2] in set(Unit))
_TIER = "CASE WHEN tier_served = '' THEN tier_asked ELSE tier_served END"
_WHERE = f"""provider = $provider AND received_at >= $since AND received_at < $until
    AND NOT (entry = 'adjustment' AND starts_with(writer, '{POSTED_PREFIX}'))
    AND NOT (entry IN ('reversal', 'correction') AND starts_with(reason, '{REASON}'))"""


class Whose(NamedTuple):
    """What tells one of our charges from another on a bill."""

    credential_id: str
    project: str
    upstream: str


class Ours(NamedTuple):
    """Charges of one day that are alike, of one class of usage.

    unit:     a value of `domain.usage.Unit`; "": money that no line explains (a bound that stands in, a discount).
    quantity: net of corrections. price: femto-USD a unit; None: unpriced, or no quantity.
    money:    femto-USD, exact.
    """

    day: date
    whose: Whose
    model: str
    tier: str
    unit: str
    quality: str
    quantity: int
    price: int | None
    money: int


def provider_days(session: Session, provider: str, start: date, end: date) -> list[Ours]:
    """Everything of one provider in [start, end)."""
    params = {"provider": provider, "since": _midnight(start), "until": _midnight(end)}
    whose = "received_at::DATE AS day, credential_id, project, upstream, model"
    by_line = session.query(
        f"""
        SELECT day, credential_id, project, upstream, model, tier, quality,
          line.unit AS unit, (line.unit_price * 1000000000000000::DECIMAL(16,0))::HUGEINT AS price,
          sum(line.quantity)::HUGEINT AS quantity
        FROM (SELECT {whose}, {_TIER} AS tier, quality, unnest(lines) AS line FROM charges
              WHERE {_WHERE} AND quality <> 'unpriced')
        GROUP BY ALL
        """,
        params,
    ).rows
    by_charge = session.query(
        f"SELECT {whose}, {_TIER} AS tier, quality, sum(billed_cost) FROM charges WHERE {_WHERE} GROUP BY ALL", params
    ).rows
    sums = ", ".join(f"sum({column.name})::HUGEINT" for column in _SUMS)
    unpriced = session.query(
        f"SELECT {whose}, {_TIER} AS tier, {sums} FROM charges WHERE {_WHERE} AND quality = 'unpriced' GROUP BY ALL",
        params,
    ).rows
    found: list[Ours] = []
    lined: dict[tuple[object, ...], int] = {}
    for day, credential, project, upstream, model, tier, quality, unit, price, quantity in by_line:
        if quantity:
            about = (day, credential, project, upstream, model, tier, quality)
            lined[about] = lined.get(about, 0) + price * quantity
            owner = Whose(credential, project, upstream)
            found.append(Ours(day, owner, model, tier, unit, quality, quantity, price, price * quantity))
    for day, credential, project, upstream, model, tier, quality, billed in by_charge:
        rest = _femto(billed) - lined.get((day, credential, project, upstream, model, tier, quality), 0)
        if rest:
            owner = Whose(credential, project, upstream)
            found.append(Ours(day, owner, model, tier, "", quality, 0, None, rest))
    for day, credential, project, upstream, model, tier, *counts in unpriced:
        owner = Whose(credential, project, upstream)
        found += [
            Ours(day, owner, model, tier, column.source.partition(".")[2], "unpriced", count, None, 0)
            for column, count in zip(_SUMS, counts, strict=True)
            if count
        ]
    return found


def near_midnight(
    session: Session, provider: str, day: date, models: Iterable[str], whose: Whose | None, minutes: int = 10
) -> list[dict[str, int]]:
    """Usage by class of each charge of the last minutes of a day, the last one first."""
    end = _midnight(day + timedelta(days=1))
    columns = ", ".join(column.name for column in _SUMS)
    mine = "" if whose is None else "AND credential_id = $credential AND project = $project AND upstream = $upstream"
    params = {"provider": provider, "models": list(models), "until": end}
    if whose is not None:
        params |= {"credential": whose.credential_id, "project": whose.project, "upstream": whose.upstream}
    rows = session.query(
        f"""
        SELECT {columns} FROM charges WHERE provider = $provider AND received_at < $until
          AND received_at >= $until::TIMESTAMP - INTERVAL {minutes:d} MINUTE AND entry = 'usage'
          AND model IN (SELECT unnest($models)) {mine} ORDER BY received_at DESC LIMIT 200
        """,
        params,
    ).rows
    units = [column.source.partition(".")[2] for column in _SUMS]
    return [{unit: count for unit, count in zip(units, row, strict=True) if count} for row in rows]


def _femto(usd: Decimal | None) -> int:
    return 0 if usd is None else int(usd.scaleb(12, EXACT)) * FEMTO_PER_PICO


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), UTC).replace(tzinfo=None)  # naive, as the ledger keeps times
