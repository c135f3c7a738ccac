"""The split itself: pools of cost by their rules among recipients. Pure; what goes in comes out, to the last pico.

What can't be split stays in sight as not allocated, with the reason: nobody has direct cost, a driver that is all zero.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from bursar.finance.allocation.dividing import divide
from bursar.finance.allocation.gathering import Gathered
from bursar.finance.allocation.rules import GIVEN, InForce, RuleTerms


class FlatCost(msgspec.Struct, frozen=True):
    """A flat cost of a month in USD. pico: None: no exchange rate is known. told: how it was converted and prorated."""

    rule: InForce
    pico: int | None
    told: str


class Pool(msgspec.Struct, frozen=True):
    """What a rule split. left_pico: of it that could not be, and `why`. pico None: unknown."""

    name: str
    version: int
    kind: str
    method: str
    pico: int | None
    parts: dict[str, int]
    left_pico: int
    why: str
    told: str


class Share(msgspec.Struct, frozen=True):
    """What one recipient bears. parts: by rule."""

    recipient: str
    direct_pico: int
    parts: dict[str, int]
    attempts: int
    unpriced: int

    @property
    def total_pico(self) -> int:
        return self.direct_pico + sum(self.parts.values())


class Allocation(msgspec.Struct, frozen=True):
    """A month's cost by who bears it. shares: largest first; nobody_pico: direct cost that names nobody and that no
    rule takes; left_pico: what rules could not split.

    ledger_pico + flat_pico = all shares + nobody_pico + left_pico, exactly.
    """

    month: str
    by: str
    shares: list[Share]
    pools: list[Pool]
    nobody_pico: int
    ledger_pico: int
    flat_pico: int
    attempts: int
    unpriced: int

    @property
    def left_pico(self) -> int:
        return sum(pool.left_pico for pool in self.pools)

    @property
    def total_pico(self) -> int:
        return self.ledger_pico + self.flat_pico


def allocate(
    month: str, by: str, gathered: Sequence[Gathered], splits: Sequence[InForce], flats: Sequence[FlatCost]
) -> Allocation:
    """Split every pool once: what a rule hands out isn't split again by another one."""
    direct = {row.recipient: row for row in gathered if row.rule == -1 and row.recipient}
    pools = []
    for at, rule in enumerate(splits):
        pico = sum(row.cost_pico for row in gathered if row.rule == at)
        pools.append(_pool(rule, pico, "", direct))
    pools += [_pool(flat.rule, flat.pico, flat.told, direct) for flat in flats]
    parts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for pool in pools:
        for name, pico in pool.parts.items():
            parts[name][pool.name] += pico
    shares = [
        Share(
            name, direct[name].cost_pico if name in direct else 0, dict(parts.get(name, {})),
            direct[name].attempts if name in direct else 0, direct[name].unpriced if name in direct else 0,
        )
        for name in {*direct, *parts}
    ]  # fmt: skip
    return Allocation(
        month=month,
        by=by,
        shares=sorted(shares, key=lambda one: (-one.total_pico, one.recipient)),
        pools=pools,
        nobody_pico=sum(row.cost_pico for row in gathered if row.rule == -1 and not row.recipient),
        ledger_pico=sum(row.cost_pico for row in gathered),
        flat_pico=sum(flat.pico or 0 for flat in flats),
        attempts=sum(row.attempts for row in gathered),
        unpriced=sum(row.unpriced for row in gathered),
    )


def _pool(rule: InForce, pico: int | None, told: str, direct: Mapping[str, Gathered]) -> Pool:
    terms = rule.terms
    weights = _weights(terms, direct)
    parts = divide(pico, weights) if pico else {}
    why = ""
    if pico is None:
        why = "no exchange rate is known"
    elif pico and not parts:
        why = "nothing to split by: no recipient has a weight above zero"
    return Pool(
        rule.name, rule.version.version, terms.kind, terms.method, pico, parts, (pico or 0) - sum(parts.values()), why,
        told,
    )  # fmt: skip


def _weights(terms: RuleTerms, direct: Mapping[str, Gathered]) -> Mapping[str, Decimal | int]:
    """What each recipient counts for."""
    match terms.method:
        case "fixed":
            return terms.weights()
        case "driver" if terms.driver == GIVEN:
            return terms.weights()
    names = terms.among or list(direct)
    match terms.method:
        case "even":
            return dict.fromkeys(names, 1)
        case "driver":
            return {name: max(direct[name].drivers[terms.driver], 0) for name in names if name in direct}
        case _:
            return {name: max(direct[name].cost_pico, 0) for name in names if name in direct}
