"""Models and prices: what each price is, since when, from which source; those that are used first, unpriced on top."""

import shlex
from collections.abc import Iterable
from datetime import UTC
from decimal import Decimal
from typing import Any

import msgspec

from bursar.console.api.answers import csv_bytes
from bursar.console.context import ConsoleContext
from bursar.console.figures import Amounts, ask
from bursar.console.format import Format
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.clock import datetime_from_us, us_from_datetime
from bursar.domain.errors import BadRequest
from bursar.domain.money import plain, usd_from_femto
from bursar.domain.usage import Unit
from bursar.prices.sheet import PriceSheet
from bursar.site import command_name

COLUMNS = (Unit.INPUT, Unit.CACHE_READ, Unit.CACHE_WRITE_5M, Unit.OUTPUT)
FOUND_MAX = 100
FIND_CHARS_MAX = 100


class PriceRow(msgspec.Struct, frozen=True):
    """One model's price. `prices`: USD per million tokens for COLUMNS; None where the source lists none."""

    model: str
    provider: str
    tier: str
    band: str
    priced: bool
    prices: list[Decimal | None]
    since: str
    source: str
    sku_price_id: str
    assumption: str
    href: str
    calls_href: str = ""
    calls: int = 0
    cost: Decimal | None = None
    command: str = ""


class UsedPrice(msgspec.Struct, frozen=True):
    """For programs: one model in use or found, with every unit price as decimal USD per ONE unit."""

    provider: str
    model: str
    priced: bool
    tier: str
    sku_price_id: str
    source: str
    valid_from: str | None
    assumption: str
    unit_prices: dict[str, str]
    calls: int
    attempts: int
    effective_cost: str | None


class PricesAnswer(msgspec.Struct, frozen=True):
    """Prices in force at the end of a period, for the models called in it and those a search found."""

    catalogue: str
    currency: str
    used: list[UsedPrice]
    found: list[UsedPrice]
    found_count: int


Used = tuple[str, str, PriceSheet | None, Amounts]


def used_models(context: ConsoleContext, view: View) -> list[Used]:
    """(provider, model, its price at the end of the period, what it was used for): unpriced first, then by cost."""
    book = context.prices()
    at_us = us_from_datetime(min(view.period.end, view.now))
    groups = ask(context.explorer, view.period, view, ("provider", "model"))
    rows = [(provider, model, book.at(provider, model, at_us), amounts)
            for (provider, model), amounts in groups.items() if model]  # fmt: skip
    return sorted(rows, key=lambda row: (row[2] is not None, -row[3].cost, row[1], row[0]))


def found_models(context: ConsoleContext, view: View) -> tuple[list[Used], int]:
    """Models of the price list whose name holds all the words searched for, and how many there are in all."""
    words = read_find(view).lower().split()
    if not words:
        return [], 0
    book = context.prices()
    at_us = us_from_datetime(view.now)
    hits = [
        entry
        for entry in book.entries()
        if all(word in f"{entry.provider}/{entry.model} {entry.name}".lower() for word in words)
    ]
    hits.sort(key=lambda entry: (len(entry.model), entry.model, entry.provider))
    shown = {(entry.provider, entry.model): None for entry in hits}
    return [
        (provider, model, book.at(provider, model, at_us), Amounts()) for provider, model in list(shown)[:FOUND_MAX]
    ], len(shown)


def read_find(view: View) -> str:
    """What is searched for. Raises BadRequest if it is too long to be a name."""
    text = view.get("find").strip()
    if len(text) > FIND_CHARS_MAX:
        raise BadRequest(f"find is {len(text)} characters long; at most {FIND_CHARS_MAX} are read", field="find")
    return text


def prices_answer(context: ConsoleContext, view: View) -> PricesAnswer:
    """The page's figures for programs."""
    found, count = found_models(context, view)
    return PricesAnswer(
        context.prices().catalogue,
        "USD",
        [_told(row) for row in used_models(context, view)],
        [_told(row) for row in found],
        count,
    )


def prices_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads."""
    book = context.prices()
    used = used_models(context, view)
    found, found_count = found_models(context, view)
    missing = sum(sheet is None for _, _, sheet, _ in used)
    lead = f"{len(used)} in use" + (f", {missing} without a price" if missing else "")
    return {
        "data": {
            "lead": lead if used else "",
            "find": read_find(view),
            "found": list(_rows(view, f, found)),
            "found_count": found_count,
            "unpriced": [row for row in _rows(view, f, used) if not row.priced],
            "used": [row for row in _rows(view, f, used) if row.priced],
            "catalogue": f"Catalogue: {book.catalogue}, {f.count(len(book.overrides))} prices of your own"
            if book.overrides
            else f"Catalogue: {book.catalogue}",
        }
    }


def price_command(provider: str, model: str) -> str:
    """What gives a model a price, once the amounts are written into it."""
    name = shlex.quote(f"{provider or 'PROVIDER'}/{model}")
    return f"{command_name()} prices set {name} --input USD --output USD"


def since(sheet: PriceSheet) -> str:
    """From when on a price holds; a catalogue that doesn't say has always known it."""
    if sheet.valid_from_us is None:
        return "always"
    return display.day(datetime_from_us(sheet.valid_from_us).astimezone(UTC), year=True)


def _rows(view: View, f: Format, models: Iterable[Used]) -> Iterable[PriceRow]:
    for provider, model, sheet, amounts in models:
        known = sheet.unit_prices if sheet else {}
        prices = [usd_from_femto(known[unit]).scaleb(6) if unit in known else None for unit in COLUMNS]
        yield PriceRow(
            model=model, provider=provider or (sheet.provider if sheet else ""), tier=sheet.tier if sheet else "",
            band=f"above {f.compact(sheet.band_above)} tokens" if sheet and sheet.band_above >= 0 else "",
            priced=sheet is not None, prices=prices, since=since(sheet) if sheet else "",
            source=sheet.source if sheet else "", sku_price_id=sheet.sku_price_id if sheet else "",
            assumption=sheet.assumption if sheet else "",
            href=view.with_filter("model", model, "/explore", by="feature"),
            calls_href=view.with_filter("model", model, "/calls"), calls=amounts.calls, cost=amounts.effective_cost,
            command=price_command(provider, model),
        )  # fmt: skip


def _told(row: Used) -> UsedPrice:
    provider, model, sheet, amounts = row
    unit_prices = (
        {unit.value: plain(usd_from_femto(femto)) for unit, femto in sheet.unit_prices.items()} if sheet else {}
    )
    valid_from = (
        datetime_from_us(sheet.valid_from_us).isoformat() if sheet and sheet.valid_from_us is not None else None
    )
    return UsedPrice(
        provider=provider, model=model, priced=sheet is not None, tier=sheet.tier if sheet else "",
        sku_price_id=sheet.sku_price_id if sheet else "", source=sheet.source if sheet else "", valid_from=valid_from,
        assumption=sheet.assumption if sheet else "", unit_prices=unit_prices, calls=amounts.calls,
        attempts=amounts.attempts,
        effective_cost=None if amounts.effective_cost is None else plain(amounts.effective_cost),
    )  # fmt: skip


def prices_csv(answer: PricesAnswer) -> bytes:
    """A row per price; a model without one keeps its row."""
    heads = ["provider", "model", "tier", "unit", "unit_price", "valid_from", "source", "sku_price_id"]
    no_price: dict[str, str | None] = {"": None}
    rows = [
        [p.provider, p.model, p.tier, unit, price, p.valid_from, p.source, p.sku_price_id]
        for p in (*answer.used, *answer.found)
        for unit, price in (p.unit_prices or no_price).items()
    ]
    return csv_bytes(heads, rows)
