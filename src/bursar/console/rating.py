"""Contracts rated by the console: a thread looks each few minutes, and whoever asks may have it done now."""

import threading
from collections.abc import Callable

import structlog

from bursar.console.finance import FinanceDesk
from bursar.console.pacing import look_often, surviving
from bursar.domain.money import plain, usd_from_pico
from bursar.finance.contracts.rating import Ratings, rate_contract

LOOK_EVERY_S = 300.0
FIRST_LOOK_S = 20.0
_ONE_AT_A_TIME = threading.Lock()

log = structlog.get_logger(__name__)


def rate_now(finance: FinanceDesk) -> dict[str, Ratings]:
    """Rate every contract up to now; what was done, by the contract's name. One run at a time."""
    with _ONE_AT_A_TIME:
        now_us = finance.clock.now_us()
        return {
            one.name: rate_contract(finance.ledger, finance.contracts, one, now_us) for one in finance.contracts.all()
        }


class Rating:
    """finance: opens finance's books at the first look."""

    def __init__(self, finance: Callable[[], FinanceDesk]) -> None:
        self._finance = finance

    def run(self, stop: threading.Event) -> None:
        """Until `stop`."""
        look_often(stop, self.look, first_s=FIRST_LOOK_S, every_s=LOOK_EVERY_S)

    def look(self) -> None:
        """One look. Never raises: a fault is logged, what it posted stands, and the rest is tried again."""
        with surviving("contracts_not_rated"):
            for name, done in rate_now(self._finance()).items():
                if done.entries:
                    log.info(
                        "contract_rated", contract=name, days=done.days, entries=done.entries,
                        effective_usd=plain(usd_from_pico(done.effective)),
                    )  # fmt: skip
