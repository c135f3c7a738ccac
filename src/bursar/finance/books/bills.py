"""Whether a month is compared with the bills of its providers: one of the checks before it is closed."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from bursar.domain.money import usd_from_pico


class Bill(NamedTuple):
    """A provider's bill of a month. is_compared: with the ledger; open_count, open_pico: variances that wait."""

    provider: str
    is_compared: bool
    open_count: int = 0
    open_pico: int = 0


def unlike_bills(spent: Mapping[str, Decimal], bills: Sequence[Bill]) -> str:
    """What is not compared yet, in words; "": every provider that costs has a bill, and nothing waits.

    spent: billed cost of the month by provider.
    """
    found = []
    for provider, cost in sorted(spent.items(), key=lambda item: (-item[1], item[0])):
        if not cost:
            continue
        mine = [bill for bill in bills if bill.provider == provider]
        name = provider or "no provider"
        waiting = sum(bill.open_count for bill in mine)
        if not mine:
            found.append(f"{name}, {cost:,.2f} USD: no bill came in")
        elif not all(bill.is_compared for bill in mine):
            found.append(f"{name}: its bill isn't compared yet")
        elif waiting:
            off = usd_from_pico(sum(bill.open_pico for bill in mine))
            found.append(f"{name}: {waiting} variances wait, {off:,.2f} USD")
    return "; ".join(found)
