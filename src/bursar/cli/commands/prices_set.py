"""`bursar prices set`: a price of one's own, as one more dated row in prices.toml."""

import contextlib
from datetime import date
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Annotated

import typer

from bursar.cli.options import ConfigOption, DataOption, resolve_site
from bursar.cli.render import out, say
from bursar.domain.errors import BadPrice
from bursar.domain.money import plain
from bursar.domain.usage import Unit
from bursar.prices.append import append_price, price_table
from bursar.supervise import find_running

HOUR_USD_MAX = 1_000_000


def set_price(
    model: Annotated[str, typer.Argument(help="PROVIDER/MODEL, as in mistral/mistral-next; a pattern may have *.")],
    input_: Annotated[str, typer.Option("--input", help="USD per million input tokens; 0 is free.")] = "",
    output: Annotated[str, typer.Option("--output", help="USD per million output tokens.")] = "",
    cache_read: Annotated[str, typer.Option(help="USD per million read from the cache (default: as input).")] = "",
    cache_write: Annotated[
        str, typer.Option(help="USD per million written to it for 5 minutes (default: as input).")
    ] = "",
    cache_write_1h: Annotated[str, typer.Option("--cache-write-1h", help="The same, for an hour.")] = "",
    from_: Annotated[
        str, typer.Option("--from", help="From that day on, UTC (default: always, so earlier calls too).")
    ] = "",
    gpu_hour: Annotated[
        str, typer.Option(help="Instead: USD for an hour of a model of one's own, spread over --tokens-per-hour.")
    ] = "",
    tokens_per_hour: Annotated[
        int | None, typer.Option(min=1, help="Tokens that it takes and makes in an hour, as used on average.")
    ] = None,
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
    if gpu_hour or tokens_per_hour is not None:
        if not gpu_hour or tokens_per_hour is None or any((input_, output, cache_read, cache_write, cache_write_1h)):
            raise BadPrice("--gpu-hour goes with --tokens-per-hour, and with no other price", field="gpu_hour")
        input_ = output = _spread(gpu_hour, tokens_per_hour)
        note = note or f"{gpu_hour} USD an hour over {tokens_per_hour} tokens"
    elif not input_ or not output:
        raise BadPrice("give --input and --output, or --gpu-hour and --tokens-per-hour", field="price")
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


def _spread(gpu_hour: str, tokens_per_hour: int) -> str:
    """USD per million tokens, to the last digit that a price can have; rounded up, so that the hour is covered."""
    usd = _usd(Unit.INPUT, gpu_hour, "--gpu-hour")
    return plain((usd * 1_000_000 / tokens_per_hour).quantize(Decimal(1).scaleb(-9), ROUND_CEILING))


def _usd(unit: Unit, text: str, option: str = "") -> Decimal:
    with contextlib.suppress(InvalidOperation):
        usd = Decimal(text.strip())
        if usd.is_finite() and not (option and not 0 <= usd < HOUR_USD_MAX):
            return usd
    if option:
        raise BadPrice(f"{option} {text!r} is no price of an hour; write USD, such as 2.40", field="price")
    raise BadPrice(f"{unit.value}: {text!r} is no price; write USD per million, such as 0.40", field="price")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadPrice(f"--from {text!r} is no date; write it as 2026-11-01", field="from") from error
