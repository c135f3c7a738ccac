"""A ledger with charges that are written straight into it: a row each, with the fields that the books read."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.finance.books.close import CloseBook
from bursar.finance.books.flats import OpenFlat
from bursar.governance.store import ControlStore
from bursar.ledger.floor import posting_us
from bursar.ledger.store import Ledger

SECRET = b"secret"


def us(text: str) -> int:
    """`2026-11-03T12:00` in UTC."""
    return us_from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


class World:
    """A ledger, a control store and a clock that tests turn."""

    def __init__(self, ledger: Ledger, store: ControlStore) -> None:
        self.ledger = ledger
        self.clock = FixedClock(us("2026-10-01T00:00"))
        self.flats: Callable[[str], Sequence[OpenFlat]] = lambda _month: ()
        self.close = CloseBook(store, SECRET, ledger, self.clock, "acme", flats=self._open_flats)

    def _open_flats(self, month: str) -> Sequence[OpenFlat]:
        return self.flats(month)

    def at(self, text: str) -> None:
        self.clock.at_us = us(text)

    def post(
        self,
        sent: str,
        cost: str | None = "1",
        *,
        provider: str = "openai",
        feature: str = "search",
        team: str = "web",
        costs: tuple[str, str, str] | None = None,
        quality: str = "reported",
        weight: int = 1,
    ) -> None:
        """A charge sent then, posted now. costs: contracted, effective, billed; None: as the list cost."""
        contracted, effective, billed = costs or (cost, cost, cost)
        with self.ledger.writing() as session:
            session.run(
                """
                INSERT INTO charges BY NAME SELECT uuid() AS attempt_id, uuid() AS call_id,
                  make_timestamp($sent) AS dispatched_at, make_timestamp($sent) AS received_at, $provider AS provider,
                  $feature AS feature, $team AS team, '' AS environment, $quality AS quality, $weight AS weight,
                  'USD' AS currency, 'usage' AS entry, $list::DECIMAL(18,12) AS list_cost,
                  $contracted::DECIMAL(18,12) AS contracted_cost, $effective::DECIMAL(18,12) AS effective_cost,
                  $billed::DECIMAL(18,12) AS billed_cost, make_timestamp($posted) AS posted_at""",
                {
                    "sent": us(sent), "provider": provider, "feature": feature, "team": team, "quality": quality,
                    "weight": weight, "list": cost, "contracted": contracted, "effective": effective, "billed": billed,
                    "posted": posting_us(session, self.clock.now_us()),
                },
            )  # fmt: skip
