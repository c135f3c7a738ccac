"""Prices learned later: the book is compiled again when its inputs changed, and what was unpriced is priced.

What was posted never changes. Each charge without a price gets a reversal and a correction, dated when the price was
learned; charges that have a price keep it, whatever the book says now.
"""

import time
from collections.abc import Callable
from pathlib import Path

import structlog

from bursar.domain.charge import Quality
from bursar.domain.errors import BursarError
from bursar.domain.money import plain, usd_from_pico
from bursar.domain.savings import CHEAPER_TIERS, Saved
from bursar.ledger.pricing import Price, Unpriced, price_unpriced
from bursar.ledger.store import Ledger
from bursar.prices.book import BATCH, PriceBook
from bursar.prices.rates import UnpricedUnit, price_usage, saved_by_cache, saved_by_tier
from bursar.prices.sheet import PriceSheet
from bursar.site import Site

LOOK_EVERY_S = 2.0
AGAIN_AFTER_S = 30.0  # calls under way at the change may still have ended by the book from before

_log = structlog.get_logger(__name__)


class Repricing:
    """Keeps the price book and the unpriced charges up to date. For the loader's thread: nobody else writes meanwhile.

    fault: why the local price file can't be used, "" if it can; the book from before is in force then.
    """

    def __init__(self, site: Site, ledger: Ledger, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.fault = ""
        self._site = site
        self._ledger = ledger
        self._monotonic = monotonic
        self._seen: object = None
        self._look_at = 0.0
        self._again_at = 0.0

    def look(self) -> None:
        """Price what can be priced now, if the prices changed since the last look. Never raises: a fault is logged."""
        now = self._monotonic()
        if self._seen is not None and now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY_S
        try:
            found = self._stamps()
            if found != self._seen:
                self._compile()
                self._seen = self._stamps()
                self._again_at = now + AGAIN_AFTER_S
                self._price()
            elif self._again_at and now >= self._again_at:
                self._again_at = 0.0
                self._price()
        except Exception as error:  # a worker of the loader's thread, which must go on: tried again at the next change
            self._seen = self._stamps()
            _log.error("repricing_failed", error=f"{type(error).__name__}: {error}")

    def _stamps(self) -> tuple[object, ...]:
        return (_stamp(self._site.price_overrides), _stamp(self._site.paths.price_book))

    def _compile(self) -> None:
        try:
            faults = self._site.ensure_price_book(keep_if_faulty=True)
        except BursarError as error:
            faults = [error.message]
        fault = "; ".join(faults)
        if fault and fault != self.fault:
            _log.warning("prices_unusable", faults=faults)
        self.fault = fault

    def _price(self) -> None:
        book = PriceBook.load(self._site.paths.price_book)
        pico = 0

        def price(charge: Unpriced) -> Price | None:
            nonlocal pico
            found = price_of(book, charge)
            pico += found.list_pico if found else 0
            return found

        done = price_unpriced(self._ledger, price, self._site.clock.now_us())
        if done.posted:
            _log.info("priced_later", charges=done.posted, usd=plain(usd_from_pico(pico)))


def price_of(book: PriceBook, charge: Unpriced) -> Price | None:
    """What a charge costs by the book, at the prices of its own day; None while that isn't known."""
    for model in dict.fromkeys((charge.model, charge.model_asked)):
        sheet = book.at(
            charge.provider, model, charge.at_us,
            tier=charge.tier, region=charge.region, input_tokens=charge.usage.total_input,
        )  # fmt: skip
        if sheet is not None:
            break
    else:
        return None
    if charge.tier == BATCH and not sheet.tier_known:  # the standard price is no batch's
        return None
    usage = charge.usage
    try:
        priced = price_usage(usage, sheet)
        saved = saved_of(book, charge, sheet, priced.list_pico)
    except UnpricedUnit:
        return None
    is_sure = charge.is_whole and not sheet.assumption
    return Price(
        lines=[(str(unit), quantity, femto) for unit, quantity, femto in priced.lines],
        list_pico=priced.list_pico,
        sku_id=sheet.sku_id,
        sku_price_id=sheet.sku_price_id,
        quality=Quality.REPORTED if is_sure else Quality.ESTIMATED,
        saved=saved,
        is_guess=bool(sheet.assumption and usage.kept_tokens),
    )


def saved_of(book: PriceBook, charge: Unpriced, sheet: PriceSheet, list_pico: int) -> Saved:
    """What its prompt cache and its service tier saved; a route's saving isn't known any more."""
    batch = 0
    if charge.tier in CHEAPER_TIERS:
        standard = book.at(
            charge.provider, sheet.model, charge.at_us, region=charge.region, input_tokens=charge.usage.total_input
        )
        batch = saved_by_tier(charge.usage, sheet, standard)
    return Saved(batch=batch, prompt_cache=saved_by_cache(charge.usage, sheet, list_pico))


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ino, found.st_size)
