"""Each vendor as somebody who negotiates sees it: what is spent, how it grows, on what, and who owns the relation."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from bursar.domain.periods import Period
from bursar.explore.filters import Filter
from bursar.explore.query import Explorer, Query
from bursar.finance.contracts.terms import Contract, tier_name

DAYS = 30
OWNED_ABOVE = Decimal(5_000)  # USD a month: somebody should own it from here on
MIX_SHOWN = 8
MONTHS_SHOWN = 12
VENDORS_MAX = 50
TIER = "tier_served"
NOT_SAID = "(not said)"  # of an entry that stands for no call


class Part(msgspec.Struct, frozen=True):
    """A model or a tier: what it cost in the last thirty days, USD."""

    name: str
    effective_cost: Decimal
    share: Decimal


class Vendor(msgspec.Struct, frozen=True):
    """USD of the last thirty days, and of the thirty before.

    growth: a share, None where there was nothing before. discount: what the contract takes off list, a share.
    needs_owner: more than OWNED_ABOVE a month, and nobody is named.
    """

    provider: str
    list_cost: Decimal
    effective_cost: Decimal
    before: Decimal
    growth: Decimal | None
    discount: Decimal
    tokens: int
    unpriced: int
    owner: str
    needs_owner: bool
    contracts: list[str]


def vendors(
    explorer: Explorer, contracts: Sequence[Contract], owners: Mapping[str, str], now: datetime, timezone: str
) -> list[Vendor]:
    """Those that cost or cost most first; with a contract also those that cost nothing yet."""
    lately, before = _span(now, timezone)
    measures = ("effective_cost", "list_cost", "unpriced_count", "total_input_tokens", "total_output_tokens")
    found = {
        str(row["provider"]): row
        for row in explorer.run(Query(lately, measures, ("provider",)), rows_only=True).dicts()
    }
    earlier = {
        str(row["provider"]): row["effective_cost"] or Decimal(0)
        for row in explorer.run(Query(before, ("effective_cost",), ("provider",)), rows_only=True).dicts()
    }
    names = {*found, *(contract.latest.terms.provider for contract in contracts)} - {""}
    made = [_vendor(name, found.get(name, {}), earlier, contracts, owners) for name in names]
    return sorted(made, key=lambda one: (-one.effective_cost, one.provider))[:VENDORS_MAX]


def mix(explorer: Explorer, provider: str, dimension: str, now: datetime, timezone: str) -> list[Part]:
    """What the last thirty days went to, by model or tier; the rest as one part."""
    lately, _ = _span(now, timezone)
    table = explorer.run(
        Query(lately, ("effective_cost",), (dimension,), (Filter("provider", (provider,)),), order="effective_cost",
              limit=MIX_SHOWN)
    )  # fmt: skip
    total = table.totals["effective_cost"] or Decimal(0)
    found: dict[str, Decimal] = {}
    for row in table.dicts():
        name = tier_name(str(row[dimension])) if dimension == TIER else str(row[dimension]) or NOT_SAID
        found[name] = found.get(name, Decimal(0)) + (row["effective_cost"] or Decimal(0))
    if table.other is not None:
        found["(others)"] = table.other["effective_cost"] or Decimal(0)
    return [Part(name, cost, cost / total if total else Decimal(0)) for name, cost in found.items() if cost]


def by_month(explorer: Explorer, provider: str, now: datetime, timezone: str) -> list[tuple[str, Decimal]]:
    """("2026-11", USD) of the last twelve months, those without a call left out."""
    start = now - timedelta(days=31 * MONTHS_SHOWN)
    table = explorer.run(
        Query(Period(_slot(start), _slot(now), timezone=timezone), ("effective_cost",), ("month",),
              (Filter("provider", (provider,)),), timezone=timezone),
        rows_only=True,
    )  # fmt: skip
    return [(str(row["month"])[:7], row["effective_cost"] or Decimal(0)) for row in table.dicts()][-MONTHS_SHOWN:]


def _vendor(
    name: str, row: Mapping[str, object], earlier: Mapping[str, Decimal], contracts: Sequence[Contract],
    owners: Mapping[str, str],
) -> Vendor:  # fmt: skip
    spent, listed = _usd(row.get("effective_cost")), _usd(row.get("list_cost"))
    before = earlier.get(name, Decimal(0))
    own = [one for one in contracts if one.latest.terms.provider == name]
    owner = owners.get(name) or next((one.latest.terms.owner for one in own if one.latest.terms.owner), "")
    tokens = sum(int(str(row.get(key) or 0)) for key in ("total_input_tokens", "total_output_tokens"))
    return Vendor(
        name, listed, spent, before, (spent - before) / before if before > 0 else None,
        (listed - spent) / listed if listed else Decimal(0), tokens, int(str(row.get("unpriced_count") or 0)), owner,
        spent > OWNED_ABOVE and not owner, [one.name for one in own],
    )  # fmt: skip


def _usd(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(0)


def _span(now: datetime, timezone: str) -> tuple[Period, Period]:
    end = _slot(now)
    start = end - timedelta(days=DAYS)
    return Period(start, end, timezone=timezone), Period(start - timedelta(days=DAYS), start, timezone=timezone)


def _slot(at: datetime) -> datetime:
    """The end of the quarter of an hour that is under way: sums are kept by quarters."""
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0) + timedelta(minutes=15)
