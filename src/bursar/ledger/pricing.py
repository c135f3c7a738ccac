"""Pricing what was unpriced: a price learned later posts dated corrections, it never changes what was posted.

Takes the price lookup as a function, so that the ledger needs no price book of its own.
"""

from collections.abc import Callable
from datetime import UTC
from typing import Any

import msgspec

from bursar.domain.charge import Quality
from bursar.domain.clock import us_from_datetime
from bursar.domain.savings import NOTHING, Saved
from bursar.domain.usage import Usage
from bursar.ledger.journal import Correction, Posted, post
from bursar.ledger.schema import KEPT_COLUMNS, TOKEN_COLUMNS
from bursar.ledger.store import Ledger
from bursar.spool.records import CostLineRow

CHUNK = 10_000


class Unpriced(msgspec.Struct, frozen=True):
    """What is known of a charge without a price.

    model: as the provider says it served, `model_asked` as the client wrote it. at_us: when its call was received.
    is_whole: the answer ended as it should, so that its usage is the provider's own word, and nothing of it lies ahead
    (a cached content that is still kept).
    """

    attempt_id: str
    provider: str
    model: str
    model_asked: str
    is_whole: bool
    tier: str
    region: str
    at_us: int
    usage: Usage


class Price(msgspec.Struct, frozen=True):
    """What it cost: lines as in the journal, pico-USD, and the dated price row.

    saved: by each lever, as in `Settled`.
    is_guess: as `price_is_guess` there.
    """

    lines: list[CostLineRow]
    list_pico: int
    sku_id: str
    sku_price_id: str
    quality: Quality = Quality.REPORTED
    saved: Saved = NOTHING
    is_guess: bool = False


def price_unpriced(ledger: Ledger, price: Callable[[Unpriced], Price | None], now_us: int) -> Posted:
    """Price every unpriced charge whose price is known now; the others stay unpriced.

    An attempt without usage (its answer never came) stays unpriced too: a price can't say what it used. So does one
    with lines: several models answered it, and only what one of them used was kept.
    """
    total = Posted(0, 0, [])
    for charges in _chunks(_unpriced(ledger, now_us), CHUNK):
        corrections = [
            _correction(charge, found) for charge in charges if any(charge.usage.nonzero()) and (found := price(charge))
        ]
        if corrections:
            done = post(ledger, corrections, now_us)
            total = Posted(total.posted + done.posted, total.already + done.already, total.unknown + done.unknown)
    return total


_USAGE = (*TOKEN_COLUMNS, *KEPT_COLUMNS)


def _unpriced(ledger: Ledger, now_us: int) -> list[Unpriced]:
    columns = ", ".join(column.name for column in _USAGE)
    with ledger.reading() as session:
        rows = session.query(
            f"""
            SELECT attempt_id, provider, model, model_asked, outcome IN ('ok', 'truncated')
                AND coalesce(kept_until <= make_timestamp({now_us:d}), true) AS is_whole,
              CASE WHEN tier_served = '' THEN tier_asked ELSE tier_served END AS tier,
              region, received_at, {columns}
            FROM charges
            WHERE quality = 'unpriced' AND weight = 1 AND len(lines) = 0
              AND coalesce(entry_id, attempt_id) NOT IN (SELECT reverses FROM charges WHERE reverses IS NOT NULL)
            ORDER BY received_at
            """
        ).dicts()
    return [
        Unpriced(
            attempt_id=str(row["attempt_id"]),
            provider=row["provider"],
            model=row["model"],
            model_asked=row["model_asked"],
            is_whole=row["is_whole"],
            tier=row["tier"],
            region=row["region"],
            at_us=us_from_datetime(row["received_at"].replace(tzinfo=UTC)),
            usage=Usage(**{column.source.removeprefix("usage."): row[column.name] for column in _USAGE}),
        )
        for row in rows
    ]


def _correction(charge: Unpriced, price: Price) -> Correction:
    return Correction(
        attempt_id=charge.attempt_id,
        key=f"price:{price.sku_price_id}",
        reason=f"priced later at {price.sku_price_id}",
        list_pico=price.list_pico,
        quality=price.quality,
        lines=price.lines,
        saved=price.saved,
        sku_id=price.sku_id,
        sku_price_id=price.sku_price_id,
        price_is_guess=price.is_guess,
    )


def _chunks(items: list[Any], size: int) -> list[list[Any]]:
    return [items[at : at + size] for at in range(0, len(items), size)]
