"""The file that hands all budgets to the workers: `budgets.msgpack`.

A worker has to know at its start which calls a budget touches, not what it says of them: so a budget's definition is
read when the first call touches it. A hundred thousand are there in a quarter of a second instead of one and a half.
"""

from collections.abc import Iterable

import msgspec

from bursar.budgets.budget import Budget


class Listed(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A budget in the file. definition: the whole Budget, still encoded; JSON, which has integers past 64 bits."""

    budget_id: str
    match: dict[str, str]
    definition: bytes

    @property
    def is_dry_run(self) -> bool:
        """Whether its mode is `warn`, told without reading the whole definition (a name's quotes are escaped there)."""
        return b'"mode":"warn"' in self.definition

    def budget(self) -> Budget:
        """Raises msgspec.DecodeError."""
        return _BUDGET.decode(self.definition)


def listed(budgets: Iterable[Budget]) -> list[Listed]:
    """Budgets as they stand in the file."""
    return [Listed(budget.budget_id, budget.match, msgspec.json.encode(budget)) for budget in budgets]


def encode_budgets(budgets: Iterable[Budget]) -> bytes:
    """The file's content."""
    return msgspec.msgpack.encode(listed(budgets))


def decode_listing(data: bytes) -> list[Listed]:
    """Raises msgspec.DecodeError."""
    return _LISTING.decode(data)


def decode_budgets(data: bytes) -> list[Budget]:
    """All of them whole. Raises msgspec.DecodeError."""
    return [one.budget() for one in decode_listing(data)]


_BUDGET = msgspec.json.Decoder(Budget)
_LISTING = msgspec.msgpack.Decoder(list[Listed])
