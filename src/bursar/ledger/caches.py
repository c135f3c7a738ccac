"""Cached contents in the books: what their storage was charged is corrected to how long they truly lived.

Whoever makes or changes a cached content is charged for the time that it is expected to be kept. What other calls make
of that, and whether it ended as expected, is worked out here from all of a cache's rows, whichever worker wrote them
and in whatever order they are read: in the transaction that loads them, so that it is posted exactly once.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from bursar.domain.charge import Operation, Quality
from bursar.domain.money import FEMTO_PER_USD, PICO_MAX, pico_from_femto
from bursar.domain.storage import PART, STORAGE, storage_lines, token_hours
from bursar.ledger.cache_time import AS_EXPECTED, AS_OTHERS, CACHE_OPERATIONS, Fact, Share, share_life
from bursar.ledger.columns import UNKNOWN, int_column, text_column
from bursar.ledger.fitting import COUNT_MAX
from bursar.ledger.journal import Correction, KeptTime, post_within
from bursar.ledger.store import Session
from bursar.spool.records import CostLineRow

FRESH = "fresh_facts"
NEWS_MAX = 1_000  # told at a time
_OPERATIONS = ", ".join(f"'{operation}'" for operation in sorted(CACHE_OPERATIONS))


class CacheKey(NamedTuple):
    """One cached content. Only the last part of its name counts: a project in it has an id and a number."""

    provider: str
    cache_id: str


class CacheNews(NamedTuple):
    """What an attempt costs since it was corrected. cost_pico None: unpriced. noted_us: when that was posted."""

    attempt_id: str
    call_id: str
    cost_pico: int | None
    is_final: bool
    noted_us: int


class _Standing(NamedTuple):
    """The entry of an attempt that counts; times in microseconds, `lines` as in the journal."""

    entry_id: str
    quality: str
    until_us: int
    kept_us: int
    lines: list[CostLineRow]
    list_pico: int | None
    sku_id: str
    sku_price_id: str
    price_is_guess: bool


def take_facts(session: Session, attempt_ids: Sequence[str], since: datetime, now_us: int) -> None:
    """Note what attempts that are in the books now say of cached contents, and correct what that changes.

    since: naive UTC, not after the earliest of their calls was received.
    """
    session.run(
        f"""
        CREATE OR REPLACE TEMP TABLE {FRESH} AS
        SELECT provider, list_last(string_split(upstream_id, '/')) AS cache_id, attempt_id, call_id, received_at,
          operation, coalesce(epoch_us(kept_from), 0) AS from_us, epoch_us(kept_until) AS until_us,
          kept_tokens AS tokens, NULL::BIGINT AS share_from_us, NULL::BIGINT AS share_until_us,
          NULL::BOOLEAN AS share_is_final
        FROM charges
        WHERE received_at >= $since AND attempt_id IN (SELECT unnest($ids)::UUID) AND operation IN ({_OPERATIONS})
          AND weight = 1 AND upstream_id <> '' AND kept_until IS NOT NULL
          AND attempt_id NOT IN (SELECT attempt_id FROM cache_facts)
        """,
        {"ids": list(attempt_ids), "since": since},
    )
    touched = session.query(f"SELECT DISTINCT provider, cache_id FROM {FRESH}").rows
    session.run(f"INSERT INTO cache_facts SELECT * FROM {FRESH}")
    settle_caches(session, [CacheKey(*row) for row in touched], now_us)


def next_end(session: Session) -> int | None:
    """When the next charge of a cached content becomes final, microseconds; None: none is running."""
    found: int | None = session.query("SELECT min(until_us) FROM cache_ends").only()
    return found


def settle_ended(session: Session, now_us: int) -> int:
    """Make final what has ended as expected; how many cached contents that were."""
    rows = session.query("SELECT provider, cache_id FROM cache_ends WHERE until_us <= $now", {"now": now_us}).rows
    return settle_caches(session, [CacheKey(*row) for row in rows], now_us)


def settle_caches(session: Session, keys: Iterable[CacheKey], now_us: int) -> int:
    """Post what differs between the books and what the rows of these caches say. Doing it again changes nothing."""
    count = 0
    for key in dict.fromkeys(keys):
        count += 1
        facts, seen, received = _facts_of(session, key)
        shares = [share for share in share_life(facts, now_us) if share.tokens]
        news = [share for share in shares if seen[share.attempt_id] != share.place]
        if news:
            _correct(session, news, min(received[share.attempt_id] for share in news), now_us)
        ahead = [share.until_us for share in shares if not share.is_final]
        which = {"provider": key.provider, "cache": key.cache_id}
        session.run("DELETE FROM cache_ends WHERE provider = $provider AND cache_id = $cache", which)
        if ahead:
            session.run("INSERT INTO cache_ends VALUES ($provider, $cache, $until)", which | {"until": min(ahead)})
    return count


def _correct(session: Session, news: Sequence[Share], since: datetime, now_us: int) -> None:
    """Post what differs for these shares, and remember that they were looked at.

    A cache that is kept alive for weeks has thousands of shares, of which only the last ones change.
    """
    standing = _standing(session, [share.attempt_id for share in news], since)
    corrected = {
        share.attempt_id: correction
        for share in news
        if share.attempt_id in standing and (correction := correct(share, standing[share.attempt_id])) is not None
    }
    if corrected:
        post_within(session, list(corrected.values()), now_us)
        told = [(share, corrected[share.attempt_id].list_pico) for share in news if share.attempt_id in corrected]
        _tell_budgets(session, told, now_us)
    staged = {
        "attempt_id": text_column(share.attempt_id for share in news),
        "from_us": int_column(share.from_us for share in news),
        "until_us": int_column(share.until_us for share in news),
        "is_final": int_column(share.is_final for share in news),
    }
    with session.stage("staged_shares", staged):
        session.run(
            "UPDATE cache_facts SET share_from_us = seen.from_us, share_until_us = seen.until_us, "
            "share_is_final = seen.is_final = 1 FROM staged_shares AS seen "
            "WHERE cache_facts.attempt_id = seen.attempt_id::UUID"
        )


def correct(share: Share, stands: _Standing) -> Correction | None:
    """The correction that a share needs, None where the books say it already. What a bill has settled is left alone."""
    if stands.quality == Quality.RECONCILED:
        return None
    kept_us = share.until_us - share.from_us
    hours = token_hours(share.tokens, kept_us)
    price = next((femto for unit, _, femto in stands.lines if unit == STORAGE), None)
    beside = [line for line in stands.lines if line[0] not in (STORAGE, PART)]
    lines: list[CostLineRow] = []
    list_pico: int | None = None
    if price is not None:
        femto = sum(quantity * each for _, quantity, each in beside)
        lines = [*beside, *storage_lines(share.tokens, kept_us, price, femto)]
        list_pico = pico_from_femto(sum(quantity * each for _, quantity, each in lines))
    elif not kept_us and share.operation == Operation.CACHE_CHANGE:
        list_pico = 0  # it added nothing, whatever that costs
    quality = _quality(share, kept_us, list_pico, price_is_guess=stands.price_is_guess)
    until_us = share.until_us if kept_us or stands.kept_us else stands.until_us  # the end of nothing is no news
    now = (until_us, kept_us, quality, list_pico)
    if now == (stands.until_us, stands.kept_us, stands.quality, stands.list_pico):
        return None
    if hours > COUNT_MAX or (list_pico or 0) > PICO_MAX:  # no column could hold it: a broken answer
        return None
    return Correction(
        attempt_id=share.attempt_id,
        key=f"cache:{stands.entry_id}:{share.from_us}:{share.until_us}:{quality}",
        reason=_reason(share, stands),
        list_pico=list_pico,
        quality=quality,
        lines=lines,
        sku_id=stands.sku_id,
        sku_price_id=stands.sku_price_id,
        kept=KeptTime(share.from_us, share.until_us, hours),
    )


def _quality(share: Share, kept_us: int, list_pico: int | None, *, price_is_guess: bool) -> Quality:
    if list_pico is None:
        return Quality.UNPRICED
    if share.operation == Operation.CACHE_CHANGE and not kept_us:
        return Quality.REPORTED
    if share.is_unseen:
        return Quality.ASSUMED
    return Quality.REPORTED if share.is_final and not price_is_guess else Quality.ESTIMATED


def _reason(share: Share, stands: _Standing) -> str:
    if share.until_us == stands.until_us and share.until_us - share.from_us == stands.kept_us:
        return share.why or AS_EXPECTED
    return share.why or AS_OTHERS


def _facts_of(
    session: Session, key: CacheKey
) -> tuple[list[Fact], dict[str, tuple[int, int, bool]], dict[str, datetime]]:
    """What was said of a cache; by attempt, the place that it was found in last, and when its call was received."""
    rows = session.query(
        "SELECT from_us, until_us, attempt_id::VARCHAR, call_id::VARCHAR, operation, tokens, received_at, "
        "share_from_us, share_until_us, share_is_final FROM cache_facts "
        "WHERE provider = $provider AND cache_id = $cache",
        {"provider": key.provider, "cache": key.cache_id},
    ).rows
    facts = [Fact(*row[:6]) for row in rows]
    return facts, {row[2]: tuple(row[7:]) for row in rows}, {row[2]: row[6] for row in rows}


def _standing(session: Session, attempt_ids: Sequence[str], since: datetime) -> dict[str, _Standing]:
    """The entries that count of these attempts."""
    mine = "received_at >= $since AND attempt_id IN (SELECT unnest($ids)::UUID)"
    rows = session.query(
        f"""
        SELECT attempt_id::VARCHAR, coalesce(entry_id, attempt_id)::VARCHAR, quality,
          coalesce(epoch_us(kept_until), 0), kept_us, lines, list_cost, sku_id, sku_price_id, price_is_guess
        FROM charges WHERE {mine} AND weight = 1 AND coalesce(entry_id, attempt_id) NOT IN (
          SELECT reverses FROM charges WHERE {mine} AND reverses IS NOT NULL)
        """,
        {"ids": list(attempt_ids), "since": since},
    ).rows
    return {
        attempt: _Standing(entry, quality, until_us, kept_us, _lines(lines), _pico(cost), sku, price, guess)
        for attempt, entry, quality, until_us, kept_us, lines, cost, sku, price, guess in rows
    }


def _lines(rows: list[dict[str, Any]] | None) -> list[CostLineRow]:
    return [(row["unit"], row["quantity"], int(row["unit_price"] * FEMTO_PER_USD)) for row in rows or ()]


def _pico(cost: Any) -> int | None:
    return None if cost is None else int(cost.scaleb(12))


def cache_news(session: Session) -> list[CacheNews]:
    """What the budgets haven't heard of yet."""
    rows = session.query(
        "SELECT attempt_id::VARCHAR, call_id::VARCHAR, cost_pico, is_final, noted_us FROM cache_news "
        f"ORDER BY noted_us LIMIT {NEWS_MAX}"
    ).rows
    return [CacheNews(*row) for row in rows]


def drop_news(session: Session, heard: Sequence[CacheNews]) -> None:
    """They have heard; of an attempt that was corrected again meanwhile they haven't."""
    for one in heard:
        session.run(
            "DELETE FROM cache_news WHERE attempt_id = $attempt::UUID AND noted_us = $noted "
            "AND cost_pico IS NOT DISTINCT FROM $cost AND is_final = $final",
            {"attempt": one.attempt_id, "noted": one.noted_us, "cost": one.cost_pico, "final": one.is_final},
        )


def _tell_budgets(session: Session, news: Sequence[tuple[Share, int | None]], now_us: int) -> None:
    """Remember whose budgets must hear of a cost; the newest counts."""
    ids = [share.attempt_id for share, _ in news]
    session.run("DELETE FROM cache_news WHERE attempt_id IN (SELECT unnest($ids)::UUID)", {"ids": ids})
    staged = {
        "attempt_id": text_column(ids),
        "call_id": text_column(share.call_id for share, _ in news),
        "cost_pico": int_column(cost for _, cost in news),
        "is_final": int_column(share.is_final for share, _ in news),
    }
    with session.stage("staged_cache_news", staged):
        session.run(
            "INSERT INTO cache_news SELECT attempt_id::UUID, call_id::UUID, "
            f"nullif(cost_pico, {UNKNOWN}), is_final = 1, {now_us:d} FROM staged_cache_news"
        )
