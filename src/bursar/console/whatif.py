"""A what-if as an address writes it, asked of the ledger: `/whatif?model=openai/gpt-4o-mini&batch=50`."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import msgspec

from bursar.advisor.whatif import Change, Moved, WhatIf, bands_of, what_if
from bursar.console.context import ConsoleContext
from bursar.console.view import View
from bursar.domain.clock import us_from_datetime
from bursar.domain.errors import BadRequest
from bursar.domain.periods import parse_period
from bursar.explore.portfolio import models_called, portfolio

PERCENT_MAX, OUTPUT_PERCENT_MAX = 100.0, 1_000.0
TIERS = ("standard", "flex", "priority", "batch")
REASONS = {
    "other": "not among those meant",
    "operation": "no text that another model could write (embeddings, images, sound, …)",
    "context": "too large for its window, as far as that is known",
    "no_usage": "no usage known: refused, answered by a cache, or assumed at its bound",
    "unpriced": "unpriced here",
    "no_price": "no price there",
    "no_batch_price": "no batch price there",
    "unit": "used something that has no price there",
}
"""Why calls stay where they are."""


class Named(msgspec.Struct, frozen=True):
    """What one model's calls cost and would cost, wherever they went. USD; attempts that stay are in both sums."""

    provider: str
    model: str
    attempts: int
    attempts_moved: int
    was: Decimal
    would: Decimal

    @property
    def saved(self) -> Decimal:
        return self.was - self.would


class Asked(msgspec.Struct, frozen=True):
    """A what-if and its answer. prices_at: whose prices there. is_said: whether anything is to be otherwise."""

    change: Change
    prices_at: datetime
    is_said: bool
    found: WhatIf
    by_model: list[Named]


def ask_whatif(context: ConsoleContext, view: View) -> Asked:
    """Raises BadRequest that names the parameter and what can be written."""
    change, prices_at = read_change(view), read_prices_at(context, view)
    book = context.prices()
    if change.model and book.at(change.provider, change.model, us_from_datetime(prices_at)) is None:
        raise BadRequest(
            f"model is {view.get('model')!r}; the price list knows no such model: see `bursar price MODEL`",
            field="model",
        )
    at_us = us_from_datetime(prices_at)
    with context.ledger.reading() as session:
        called = models_called(session, view.period)
        bands = bands_of(book, called, [change], at_us)
        groups = portfolio(session, context.ledger.dialect, view.period, view.filters, bands)
    found = what_if(groups, [change], book, at_us)
    return Asked(change, prices_at, change != Change() or bool(view.get("prices")), found, by_model(found))


def read_change(view: View) -> Change:
    """What the address says is otherwise."""
    provider, slash, model = view.get("model").partition("/")
    if view.get("model") and not (slash and provider and model):
        raise BadRequest(f"model is {view.get('model')!r}; write provider/model", field="model")
    tier = view.get("tier") or None
    if tier is not None and tier not in TIERS:
        raise BadRequest(f"tier is {tier!r}; it can be {', '.join(TIERS)}", field="tier")
    cached = _percent(view, "cached", None)
    written = _percent(view, "written", 0.0) or 0.0
    if cached is not None and cached + written > PERCENT_MAX:
        raise BadRequest("cached and written are shares of the same tokens: together 100 at most", field="cached")
    return Change(
        provider=provider,
        model=model,
        tier="" if tier == "standard" else tier,
        batch_percent=_percent(view, "batch", 0.0) or 0.0,
        cached_percent=cached,
        written_percent=written,
        output_percent=_percent(view, "output", 100.0, OUTPUT_PERCENT_MAX) or 0.0,
        from_models=tuple(filter(None, view.get("of").split(","))),
    )


def read_prices_at(context: ConsoleContext, view: View) -> datetime:
    """The instant whose prices hold there: the end of a named day, or now."""
    named = view.get("prices")
    if not named:
        return context.now()
    period = parse_period(named, view.now, view.timezone)
    return min(period.end, context.now()) if period.start <= context.now() else period.start


def by_model(found: WhatIf) -> list[Named]:
    """By the model that was called, the dearest first."""
    sums: dict[tuple[str, str], list[Moved]] = {}
    for one in found.moved:
        sums.setdefault((one.group.provider, one.group.model), []).append(one)
    rows = [
        Named(
            provider,
            model,
            _attempts(of, lambda _: True),
            _attempts(of, lambda one: not one.why),
            sum((one.was for one in of if one.was is not None), Decimal(0)),
            sum((one.would for one in of if one.would is not None), Decimal(0)),
        )
        for (provider, model), of in sums.items()
    ]
    return sorted(rows, key=lambda row: (-row.was, row.provider, row.model))


def _attempts(of: list[Moved], which: Callable[[Moved], bool]) -> int:
    return sum(one.group.attempts for one in of if which(one))


def _percent(view: View, name: str, default: float | None, most: float = PERCENT_MAX) -> float | None:
    text = view.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise BadRequest(f"{name} is {text!r}; write a percentage from 0 to {most:g}", field=name)
    return value
