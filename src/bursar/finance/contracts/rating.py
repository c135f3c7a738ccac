"""Contracts against the books: what is new, was corrected, or is under other terms is rated, and the difference posted.

A contract is rated by UTC days, each from what the day before carried over. A day is rated again where its charges, its
terms or what was carried over are others than last time; what was posted for each attempt is looked up, and what
differs from what it should be is posted. So any order of calls, corrections and versions ends at the same sums, which
`test_rating.py` proves against rating everything at once.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from bursar.domain.clock import datetime_from_us, us_from_datetime
from bursar.domain.money import PICO_PER_USD, femto_from_usd
from bursar.finance.contracts.balances import Balances
from bursar.finance.contracts.book import ContractBook, RatedDay
from bursar.finance.contracts.rate import Apart, Costs, Day, Rated, Used, rate_day, step_at, volume_of
from bursar.finance.contracts.terms import Contract, ContractTerms, Version, tier_name
from bursar.ledger.adjusting import CONTRACT_SKU, Adjustment, post_adjustments
from bursar.ledger.calls import TOTAL_INPUT, TOTAL_OUTPUT
from bursar.ledger.store import Ledger, Session

TOKENS = f"({TOTAL_INPUT} + {TOTAL_OUTPUT})"
TIER = "CASE WHEN tier_served = '' THEN tier_asked ELSE tier_served END"
KEY = "contract:"
NOON = 12  # of UTC: the same date nearly everywhere


class Ratings(msgspec.Struct, frozen=True):
    """What a run did: days looked at again, entries posted, and the change of each cost in pico-USD."""

    days: int = 0
    entries: int = 0
    contracted: int = 0
    effective: int = 0
    billed: int = 0

    def plus(self, other: "Ratings") -> "Ratings":
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Ratings(*(one + more for one, more in zip(mine, theirs, strict=True)))


class _Bundle(msgspec.Struct, frozen=True):
    """Charges of a day by model and tier, added up: enough to see what changed and what a month brought."""

    model: str
    tier: str
    list_pico: int
    tokens: int
    stamp: str


def rate_contracts(ledger: Ledger, book: ContractBook, now_us: int) -> dict[str, Ratings]:
    """Rate every contract up to now; what was done, by contract id. Safe to repeat: nothing is posted twice."""
    return {one.contract_id: rate_contract(ledger, book, one, now_us) for one in book.all()}


def rate_contract(ledger: Ledger, book: ContractBook, contract: Contract, now_us: int) -> Ratings:
    """Rate one contract up to now."""
    now = datetime_from_us(now_us)
    today = now.date()
    with ledger.reading() as session:
        bundles = _bundles(session, contract)
        posted_days = _posted_days(session, contract)
        run = _run(session, contract, now_us)
    known = book.rated(contract.contract_id)
    first = min([contract.since, *posted_days])
    before, done, fresh = Balances(), Ratings(), dict[date, RatedDay]()
    day = first
    while day <= today:
        stamp, asked = _stamp(contract, day, now, bundles, before)
        rated = known.get(day)
        if rated is None or rated.stamp != stamp:
            version = contract.on(day)
            balances, posted = _rate_day(ledger, contract, version, asked, before, (run, now_us))
            done = done.plus(posted)
            rated = fresh[day] = RatedDay(stamp, balances)
        before = rated.balances
        day += timedelta(days=1)
    book.note_rated(contract.contract_id, fresh)
    return done


def _rate_day(
    ledger: Ledger, contract: Contract, version: Version | None, day: Day, before: Balances, run: tuple[int, int]
) -> tuple[Balances, Ratings]:
    """Post what differs on one day, in one transaction. run: its number, and the moment."""
    with ledger.writing() as session:
        charges = _charges(session, contract, version, day.day)
        rated = rate_day(day, version.terms, charges, before) if version else Rated([], [], before)
        wanted = _wanted(charges, rated)
        posted = _posted(session, contract, day.day)
        rows = _differences(contract, day.day, wanted, posted, rated.apart)
        number = version.number if version else contract.latest.number
        key = f"{_key(contract)}{number}:{run[0]}"
        reason = f"contract {contract.name}, version {number}"
        found = post_adjustments(session, rows, key, reason, run[1])
    return rated.after, Ratings(
        1, found.posted, _pico(found.contracted_cost), _pico(found.effective_cost), _pico(found.billed_cost)
    )


def _wanted(charges: Sequence[Used], rated: Rated) -> dict[str, Costs]:
    """By attempt, or by sku where an entry stands for none: what is to be added to its list cost."""
    found = {
        one.attempt_id: Costs(
            costs.contracted - one.list_pico, costs.effective - one.list_pico, costs.billed - one.list_pico
        )
        for one, costs in zip(charges, rated.charges, strict=True)
    }
    for apart in rated.apart:
        found[sku_of(apart)] = apart.costs
    return found


def _differences(
    contract: Contract, day: date, wanted: Mapping[str, Costs], posted: Mapping[str, Costs], aparts: Sequence[Apart]
) -> list[Adjustment]:
    nothing = Costs()
    rows = []
    for name in dict.fromkeys((*wanted, *posted)):
        should, stands = wanted.get(name, nothing), posted.get(name, nothing)
        if should == stands:
            continue
        if name.startswith(f"{CONTRACT_SKU}/"):
            about = {"provider": contract.latest.terms.provider, "sku_id": name}
            at_us = us_from_datetime(datetime(day.year, day.month, day.day, NOON, tzinfo=UTC))
            row = Adjustment(part=f"{day}/{name}", at_us=at_us, about=about)
        else:
            row = Adjustment(attempt_id=name)
        rows.append(
            msgspec.structs.replace(
                row,
                contracted_pico=should.contracted - stands.contracted,
                effective_pico=should.effective - stands.effective,
                billed_pico=should.billed - stands.billed,
            )
        )
    return rows


def sku_of(apart: Apart) -> str:
    """What an entry that stands for no attempt is for, as the dimension `sku_id` says it."""
    return f"{CONTRACT_SKU}/{apart.kind}/{apart.name}"


def _run(session: Session, contract: Contract, now_us: int) -> int:
    """A number that no earlier posting of this contract has: the moment, or the one after the last."""
    last = session.query(
        "SELECT max(split_part(writer, ':', 3)::BIGINT) FROM charges WHERE entry = 'adjustment' "
        "AND starts_with(writer, $key)",
        {"key": _key(contract)},
    ).only()
    return now_us if last is None else max(now_us, int(last) + 1)


def _key(contract: Contract) -> str:
    return f"{KEY}{contract.contract_id}@"


def _stamp(
    contract: Contract, day: date, now: datetime, bundles: Mapping[date, list[_Bundle]], before: Balances
) -> tuple[str, Day]:
    """What a day is rated from, as text, and the day itself."""
    version = contract.on(day)
    hours = _hours_over(day, now)
    terms = version.terms if version else None
    brought = _brought(terms, day, bundles) if terms else {}
    asked = Day(day, hours, brought)
    digest = blake2b(digest_size=16)
    digest.update(msgspec.json.encode(terms, order="deterministic"))
    digest.update(msgspec.json.encode([one.stamp for one in bundles.get(day, [])]))
    digest.update(msgspec.json.encode(before, order="deterministic"))
    digest.update(msgspec.json.encode(_steps_reached(terms, brought) if terms else []))
    if terms is not None:
        digest.update(str(hours if terms.capacities else hours == 24).encode())
    return f"{version.number if version else 0}:{digest.hexdigest()}", asked


def _hours_over(day: date, now: datetime) -> int:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return min(int((now - start) / timedelta(hours=1)), 24)


def _brought(terms: ContractTerms, day: date, bundles: Mapping[date, list[_Bundle]]) -> dict[str, int]:
    """What the whole month brought so far, by volume; of those that hold for all of it."""
    found: dict[str, int] = {}
    for volume in terms.volumes:
        if volume.mode == "all_units":
            found[volume.name] = sum(
                one.list_pico if volume.by == "list_cost" else one.tokens
                for each, day_bundles in bundles.items()
                if (each.year, each.month) == (day.year, day.month)
                for one in day_bundles
                if volume_of(terms, each, one.model, one.tier) is volume
            )
    return found


def _steps_reached(terms: ContractTerms, brought: Mapping[str, int]) -> list[int]:
    """The step of each volume that holds for the whole month: what a day depends on, not the amount itself."""
    return [step_at(volume, max(brought.get(volume.name, 0), 0)) for volume in terms.volumes]


def _where(contract: Contract, alias: str = "") -> tuple[str, dict[str, Any]]:
    """Charges that any version is about; each version then takes its own."""
    providers = sorted({version.terms.provider for version in contract.versions})
    return f"{alias}provider IN (SELECT unnest($providers))", {"providers": providers}


def _bundles(session: Session, contract: Contract) -> dict[date, list[_Bundle]]:
    where, params = _where(contract)
    rows = session.query(
        f"""
        SELECT received_at::DATE AS day, model, {TIER} AS tier, upstream, coalesce(SUM(list_cost), 0) AS cost,
          SUM({TOKENS})::BIGINT AS tokens, count(*) AS n, max(posted_at) AS posted
        FROM charges WHERE entry <> 'adjustment' AND {where} AND received_at >= $since
        GROUP BY ALL ORDER BY ALL
        """,
        params | {"since": datetime(contract.since.year, contract.since.month, contract.since.day)},  # noqa: DTZ001
    ).rows
    found: dict[date, list[_Bundle]] = {}
    for day, model, tier, upstream, cost, tokens, count, posted in rows:
        version = contract.on(day)
        if version is None or not _is_about(version.terms, upstream):
            continue
        stamp = f"{model}|{tier}|{upstream}|{cost}|{tokens}|{count}|{posted}"
        found.setdefault(day, []).append(_Bundle(model, tier, _pico(cost), tokens, stamp))
    return found


def _is_about(terms: ContractTerms, upstream: str) -> bool:
    return not terms.upstreams or upstream in terms.upstreams


def _charges(session: Session, contract: Contract, version: Version | None, day: date) -> list[Used]:
    """What stands for each attempt of a day, in the order of time."""
    if version is None:
        return []
    terms = version.terms
    lines = "flatten(list(lines))" if terms.prices else "NULL"
    upstreams = "AND upstream IN (SELECT unnest($upstreams))" if terms.upstreams else ""
    rows = session.query(
        f"""
        SELECT attempt_id, min(received_at) AS moment, any_value(model), any_value({TIER}), SUM(list_cost),
          SUM({TOKENS})::BIGINT, {lines}
        FROM charges
        WHERE entry <> 'adjustment' AND provider = $provider {upstreams} AND received_at >= $start
          AND received_at < $end
        GROUP BY attempt_id HAVING SUM(list_cost) IS NOT NULL ORDER BY moment, attempt_id
        """,
        {"provider": terms.provider, **_span(day), **({"upstreams": list(terms.upstreams)} if upstreams else {})},
    ).rows
    return [
        Used(str(attempt), at.hour, model, tier_name(tier), _pico(cost), tokens, _lines(found))
        for attempt, at, model, tier, cost, tokens, found in rows
    ]


def _lines(found: Sequence[Mapping[str, Any]] | None) -> list[tuple[str, int, int]]:
    return [(one["unit"], one["quantity"], femto_from_usd(one["unit_price"])) for one in found or ()]


def _posted(session: Session, contract: Contract, day: date) -> dict[str, Costs]:
    """What this contract has posted for a day so far: by attempt, or by sku."""
    rows = session.query(
        """
        SELECT coalesce(attempt_id::VARCHAR, sku_id), SUM(contracted_cost), SUM(effective_cost), SUM(billed_cost)
        FROM charges
        WHERE entry = 'adjustment' AND starts_with(writer, $key) AND received_at >= $start AND received_at < $end
        GROUP BY 1
        """,
        {"key": _key(contract), **_span(day)},
    ).rows
    return {name: Costs(*map(_pico, costs)) for name, *costs in rows}


def _posted_days(session: Session, contract: Contract) -> list[date]:
    rows = session.query(
        "SELECT min(received_at)::DATE FROM charges WHERE entry = 'adjustment' AND starts_with(writer, $key)",
        {"key": _key(contract)},
    ).rows
    return [day for (day,) in rows if day is not None]


def _span(day: date) -> dict[str, datetime]:
    start = datetime(day.year, day.month, day.day)  # noqa: DTZ001  naive UTC, as the ledger keeps times
    return {"start": start, "end": start + timedelta(days=1)}


def _pico(usd: Decimal) -> int:
    return int(usd * PICO_PER_USD)
