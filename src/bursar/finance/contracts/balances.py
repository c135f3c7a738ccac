"""What carries over from day to day: what a month has brought, what is left of credits and commitments."""

import msgspec


class Balances(msgspec.Struct):
    """After a day. Money in pico-USD; a volume in tokens where its steps are.

    month:       of the volumes: "2026-11"; another month begins at nothing.
    volumes, credits, commitments: by name, what was brought, used and drawn down.
    """

    month: str = ""
    volumes: dict[str, int] = {}
    credits: dict[str, int] = {}
    commitments: dict[str, int] = {}

    def copy(self) -> "Balances":
        return Balances(self.month, dict(self.volumes), dict(self.credits), dict(self.commitments))
