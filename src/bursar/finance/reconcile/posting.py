"""What somebody accepted goes to the books: as corrections of doubtful charges, else as adjusting entries.

Nothing is posted without that. Each entry's id is made from the bill and the variance, so that posting again after a
crash is posting once. Where the attempts that differ are known the money goes to them, by their quantities; else the
entry stands alone, on the day, key and model that the bill says.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import msgspec

from bursar.domain.charge import Quality
from bursar.domain.clock import us_from_datetime
from bursar.domain.money import EXACT, femto_from_usd
from bursar.domain.usage import COUNTED, Unit
from bursar.finance.reconcile.book import Act
from bursar.finance.reconcile.books import POSTED_PREFIX, REASON
from bursar.finance.reconcile.causes import WORDS, Cause
from bursar.finance.reconcile.result import Variance, VarianceCell
from bursar.ledger.adjusting import Adjustment, post_adjustments
from bursar.ledger.journal import Correction, post_within
from bursar.ledger.store import Session

_CORRECTED = frozenset({Cause.ESTIMATED, Cause.ASSUMED})
_OF_ATTEMPTS = frozenset({Cause.STALE_PRICE, Cause.TIER, Cause.BATCH, Cause.CACHE_CLASS, Cause.UNPRICED})
_PAID_ONLY = frozenset({Cause.CREDIT, Cause.FEE, Cause.CURRENCY, Cause.ROUNDING, Cause.THEIRS, Cause.UNEXPLAINED})
"""What changes what is paid, not what usage costs by its price."""


def post_act(session: Session, provider: str, act: Act, now_us: int) -> int:
    """Post an accepted variance inside the caller's transaction; how many entries there are now because of it."""
    one, key = act.variance, f"{POSTED_PREFIX}{act.invoice_id}:{act.variance.variance_id}"
    reason = f"{REASON}{act.invoice_id}: {WORDS[one.cause].lower()}"
    entries, alone = 0, []
    for number, cell in enumerate(_whole_attempts(one) if one.cause in _CORRECTED else one.cells):
        attempts = _attempts(session, provider, one, cell) if one.cause in _CORRECTED | _OF_ATTEMPTS else []
        if not attempts:
            alone.append(_alone(provider, one, cell, number))
        else:
            if one.cause in _CORRECTED:
                entries += _reconcile(session, attempts, f"{key}:{number}", reason, now_us)
            entries += _adjust(session, one.cause, cell, attempts, number, (key, reason), now_us)
    alone = [row for row in alone if any(row.costs)]
    if alone:
        adjusted = post_adjustments(session, alone, key, reason, now_us)
        entries += adjusted.posted + adjusted.already
    return entries


def _reconcile(session: Session, attempts: Sequence[dict[str, Any]], key: str, reason: str, now_us: int) -> int:
    """Doubtful charges stand anew as `reconciled`, at the cost and with the lines that they had; what the bill says
    beside that is an entry of its own, so that lines still add up to their charge."""
    corrections = [
        Correction(
            attempt_id=row["attempt_id"], key=key, reason=reason, quality=Quality.RECONCILED, list_pico=row["cost"],
            lines=row["lines"], sku_id=row["sku_id"], sku_price_id=row["sku_price_id"],
        )
        for row in attempts
    ]  # fmt: skip
    done = post_within(session, corrections, now_us)
    return done.posted + done.already


def _adjust(
    session: Session, cause: Cause, cell: VarianceCell, attempts: Sequence[dict[str, Any]], number: int,
    why: tuple[str, str], now_us: int,
) -> int:  # fmt: skip
    """The money of a cell to the attempts that it is about."""
    rows = [
        _adjustment(cause, share, attempt_id=row["attempt_id"], part=f"{number}:{row['attempt_id']}")
        for row, share in zip(attempts, _shares(cell.money, attempts), strict=True)
        if share
    ]
    adjusted = post_adjustments(session, rows, *why, now_us)
    return adjusted.posted + adjusted.already


def _whole_attempts(one: Variance) -> list[VarianceCell]:
    """Cells of a day, key and model as one: a charge is corrected once, not once for each class of usage."""
    whole: dict[tuple[object, ...], VarianceCell] = {}
    for cell in one.cells:
        about = (cell.start, cell.end, cell.key, cell.model)
        before = whole.get(about)
        money = cell.money + (before.money if before is not None else 0)
        whole[about] = msgspec.structs.replace(before or cell, money=money)
    return list(whole.values())


def _attempts(session: Session, provider: str, one: Variance, cell: VarianceCell) -> list[dict[str, Any]]:
    """The attempts of a cell that the money goes to: id, weight, cost in pico-USD, lines."""
    unit = cell.other_unit or cell.unit
    known = {each.value: COUNTED.get(each, f"{each.value}_tokens") for each in Unit}
    weight = known.get(unit, "1")
    quality = one.cause.value if one.cause in (*_CORRECTED, Cause.UNPRICED) else ""
    start = datetime.combine(cell.start, time(0), UTC).replace(tzinfo=None)
    rows = session.query(
        f"""
        SELECT attempt_id::VARCHAR AS attempt_id, {"1" if one.cause is Cause.ASSUMED else weight} AS weight,
          coalesce(list_cost, 0) AS list_cost, lines, sku_id, sku_price_id
        FROM charges
        WHERE provider = $provider AND charges.weight = 1 AND NOT starts_with(reason, '{REASON}')
          AND coalesce(entry_id, attempt_id) NOT IN (
            SELECT reverses FROM charges WHERE reverses IS NOT NULL AND NOT starts_with(reason, '{REASON}'))
          AND received_at >= $since AND received_at < $until
          AND model IN (SELECT unnest($models)) AND credential_id IN (SELECT unnest($credentials))
          AND ($quality = '' OR quality = $quality)
        ORDER BY received_at, attempt_id
        """,
        {
            "provider": provider,
            "since": start,
            "until": start + (cell.end - cell.start),
            "models": one.models,
            "credentials": one.credentials,
            "quality": quality,
        },
    ).dicts()
    found = [row for row in rows if row["weight"] > 0] or rows
    for row in found:
        row["cost"] = int(row["list_cost"].scaleb(12, EXACT))
        row["weight"] = max(row["weight"], 1)
        row["lines"] = [
            (line["unit"], line["quantity"], femto_from_usd(line["unit_price"])) for line in row["lines"] or ()
        ]
    return found


def _shares(money: int, attempts: Sequence[dict[str, Any]]) -> list[int]:
    """Money by weight, in whole pico; the sum is the whole."""
    whole = sum(row["weight"] for row in attempts)
    shares, given, so_far = [], 0, 0
    for row in attempts:
        so_far += row["weight"]
        upto = money * so_far // whole
        shares.append(upto - given)
        given = upto
    return shares


def _alone(provider: str, one: Variance, cell: VarianceCell, number: int) -> Adjustment:
    at = datetime.combine(cell.start, time(12), UTC) if cell.end - cell.start <= timedelta(days=1) else None
    if at is None:
        at = datetime.combine(cell.end, time(0), UTC) - timedelta(hours=12)
    model = one.models[0] if len(one.models) == 1 else cell.model
    about = {
        "provider": provider,
        "model": model,
        "credential_id": one.credentials[0] if len(one.credentials) == 1 else "",
        "quality": Quality.RECONCILED.value,
        "tier_served": cell.tier,
    }
    return _adjustment(one.cause, cell.money, part=str(number), at_us=us_from_datetime(at), about=about)


def _adjustment(cause: Cause, pico: int, **where: Any) -> Adjustment:
    listed = 0 if cause in _PAID_ONLY else pico
    return Adjustment(
        **where, list_pico=listed, contracted_pico=listed, effective_pico=pico, billed_pico=pico
    )  # fmt: skip
