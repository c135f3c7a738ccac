"""`bursar prices set`: a price of one's own, as one more dated row in prices.toml."""

import contextlib
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from bursar.cli.options import ConfigOption, DataOption, resolve_site
from bursar.cli.render import out, say
from bursar.domain.errors import BadPrice
from bursar.domain.usage import Unit
from bursar.prices.append import append_price, price_table
from bursar.supervise import find_running


def set_price(
    model: Annotated[str, typer.Argument(help="PROVIDER/MODEL, as in mistral/mistral-next; a pattern may have *.")],
    input_: Annotated[str, typer.Option("--input", help="USD per million input tokens; 0 is free.")],
    output: Annotated[str, typer.Option("--output", help="USD per million output tokens.")],
    cache_read: Annotated[str, typer.Option(help="USD per million read from the cache (default: as input).")] = "",
    cache_write: Annotated[
        str, typer.Option(help="USD per million written to it for 5 minutes (default: as input).")
    ] = "",
    cache_write_1h: Annotated[str, typer.Option("--cache-write-1h", help="The same, for an hour.")] = "",
    from_: Annotated[
        str, typer.Option("--from", help="From that day on, UTC (default: always, so earlier calls too).")
    ] = "",
    note: Annotated[str, typer.Option(help="Where the price is from, for whoever looks later.")] = "",
    approved: Annotated[bool, typer.Option("--approved", help="Over 3x off the catalogue's, and meant.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Give a model a price: `bursar prices set mistral/mistral-next --input 0.40 --output 2`.

    Adds one dated row to prices.toml and leaves the rest of the file as it is. Calls that were unpriced are priced by
    adjustments.
    """
    provider, slash, name = model.partition("/")
    if not (provider and slash and name):
        raise BadPrice(f"{model!r} names no provider: write it as mistral/mistral-next", field="model")
    asked = {
        Unit.INPUT: input_,
        Unit.CACHE_READ: cache_read,
        Unit.CACHE_WRITE_5M: cache_write,
        Unit.CACHE_WRITE_1H: cache_write_1h,
        Unit.OUTPUT: output,
    }
    prices = {unit: _usd(unit, text) for unit, text in asked.items() if text}
    table = price_table(provider, name, prices, valid_from=_day(from_) if from_ else None, note=note, approved=approved)
    site = resolve_site(config, data)
    site.prepare()
    path = site.price_overrides or site.paths.prices
    append_price(path, table)
    out().print(table.rstrip(), markup=False, soft_wrap=True)
    when = "in force within seconds" if find_running(site.paths.data) else "in force from the next start on"
    say(f"added to {path}; {when}. What was unpriced is priced then.")


def _usd(unit: Unit, text: str) -> Decimal:
    with contextlib.suppress(InvalidOperation):
        usd = Decimal(text.strip())
        if usd.is_finite():
            return usd
    raise BadPrice(f"{unit.value}: {text!r} is no price; write USD per million, such as 0.40", field="price")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadPrice(f"--from {text!r} is no date; write it as 2026-11-01", field="from") from error
