"""Input tax that serves taxable and exempt supplies alike: rule 42, half of it for banks, nothing where it is blocked.

T total; T1 only non-business, T2 only exempt, T3 blocked, T4 only taxable. C1 = T - T1 - T2 - T3, C2 = C1 - T4,
D1 = C2 x E / F, D2 = 5 % of C2 where there is non-business use, C3 = C2 - D1 - D2.
Source: CGST Rules r.42 as the finance reference 1.2 has it, 2026-11-23.
"""

from decimal import Decimal

import msgspec

from bursar.domain.errors import BadTax
from bursar.finance.tax.exact import ZERO, divided, half_up, times


class Shares(msgspec.Struct, frozen=True):
    """What of the input tax belongs where, rupees; exempt and total turnover."""

    exempt: Decimal
    turnover: Decimal
    t1: Decimal = ZERO
    t2: Decimal = ZERO
    t3: Decimal = ZERO
    t4: Decimal = ZERO
    non_business: bool = False


class Rule42(msgspec.Struct, frozen=True):
    """Rupees. D1 and D2 are rounded half-up to the paisa; the rest follows from them, so the sums hold exactly."""

    T: Decimal
    T1: Decimal
    T2: Decimal
    T3: Decimal
    T4: Decimal
    C1: Decimal
    C2: Decimal
    D1: Decimal
    D2: Decimal
    C3: Decimal

    @property
    def reversed(self) -> Decimal:
        return self.D1 + self.D2

    @property
    def direct(self) -> Decimal:
        """T1 to T3: never a credit."""
        return self.T1 + self.T2 + self.T3


def rule_42(tax: Decimal, shares: Shares, non_business_rate: Decimal) -> Rule42:
    """Raises BadTax for parts that are more than the whole."""
    c1 = tax - shares.t1 - shares.t2 - shares.t3
    c2 = c1 - shares.t4
    if c1 < 0 or c2 < 0:
        raise BadTax("T: T1 to T4 are more than the total input tax", field="T_total_input_tax")
    if not 0 <= shares.exempt <= shares.turnover or shares.turnover <= 0:
        raise BadTax("F: exempt turnover lies between 0 and the total, and the total is above 0",
                     field="F_total_turnover")  # fmt: skip
    d1 = half_up(divided(times(c2, shares.exempt), shares.turnover))
    d2 = min(half_up(times(c2, non_business_rate)), c2 - d1) if shares.non_business else ZERO
    return Rule42(tax, shares.t1, shares.t2, shares.t3, shares.t4, c1, c2, d1, d2, c2 - d1 - d2)
