"""The realised exchange difference: an amount was booked at one rate and paid at another.

It is a line of its own, never part of what a service cost. Source: Ind AS 21 / AS 11 (a payable is monetary); prepaid
credits are not monetary and have none.
"""

from decimal import ROUND_HALF_UP, Decimal

import msgspec

from bursar.domain.errors import BadControl


class Realised(msgspec.Struct, frozen=True):
    """booked, paid: in the currency of the books, rounded half-up. loss: paid - booked; below zero it is a gain."""

    booked: Decimal
    paid: Decimal

    @property
    def loss(self) -> Decimal:
        return self.paid - self.booked

    @property
    def kind(self) -> str:
        """`loss`, `gain` or `none`."""
        return "loss" if self.loss > 0 else "gain" if self.loss < 0 else "none"


def realised_difference(amount: Decimal, booked_rate: Decimal, paid_rate: Decimal, places: int = 2) -> Realised:
    """What paying an invoice cost more than it was booked at.

    amount: of the invoice, in its currency; a rate: what one unit of it was worth in the currency of the books.
    Raises BadControl for a rate that isn't above zero.
    """
    for field, rate in (("booked_rate", booked_rate), ("paid_rate", paid_rate)):
        if not rate.is_finite() or rate <= 0:
            raise BadControl(f"{field}: {str(rate)[:40]!r}; it is above 0", field=field)
    step = Decimal(1).scaleb(-places)
    booked, paid = ((amount * rate).quantize(step, ROUND_HALF_UP) for rate in (booked_rate, paid_rate))
    return Realised(booked, paid)
