"""What marks may cost before they have saved anything: the bound that holds whatever comes."""

import msgspec

ADVANCE_SHARE = 0.01
ADVANCE_TOKENS = 2_500
"""In tokens at the input price: the premium of one prompt of 10,000 tokens kept for five minutes."""


class Account(msgspec.Struct):
    """What marks have cost and saved, in tokens at the input price: in one series, and for one rule and model.

    The premium of a write is taken from what reads have saved; beyond that, from ADVANCE_TOKENS and a share of what
    was sent. So at any moment, for any calls: cost with marks ≤ (1 + ADVANCE_SHARE) x cost without + ADVANCE_TOKENS.
    held: premiums of calls that are under way.
    """

    sent: float = 0.0
    saved: float = 0.0
    paid: float = 0.0
    held: float = 0.0

    def allowance(self) -> float:
        """The largest premium that the next call may pay."""
        return self.saved + ADVANCE_SHARE * self.sent + ADVANCE_TOKENS - self.paid - self.held

    def end(self, held: float, paid: float, saved: float) -> None:
        """A call with marks has ended: what it really paid and saved, instead of what was held for it."""
        self.held -= held
        self.paid += paid
        self.saved += saved
